"""Tiny data and three tiny bundles, trained once for all tests; and the command line, called here or as a process.

`run_here` is quick and reaches everything but standard input; `run_process` starts the installed command.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lstmtext import shipped

COMMAND = str(Path(sys.executable).with_name("lstmtext"))
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": ""}
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SETTINGS = {
    "train.precision": "float32",
    "encoder.hidden_size": 16,
    "encoder.embedding_size": 8,
    "text.vocabulary_size": 320,
    "classify.bypass_rows": 1024,
    "tag.bypass_rows": 1024,
    "generate.rows": 2,
    "generate.window": 16,
}
TINY = ["--threads", "1", *(word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}"))]

THINGS = ("room", "soup", "film", "song", "train", "shop")
PRAISE = ("good", "lovely", "fine", "great")
BLAME = ("bad", "awful", "poor", "dull")
PEOPLE = ("Anna", "Bjorn", "Clara", "Dag")
PLACES = ("Oslo", "Tolby", "Paris")


class Outcome(NamedTuple):
    """What a command did: its exit code, and what it wrote where."""

    code: int
    out: bytes
    err: str


def reviews_csv() -> str:
    rows = [f"The {thing} was {word}.,positive" for thing in THINGS for word in PRAISE]
    rows += [f"The {thing} was {word}.,negative" for thing in THINGS for word in BLAME]
    return "text,label\n" + "\n".join(rows) + "\n"


def entities_conll() -> str:
    return "".join(
        f"{person}\tB-PER\nBerg\tI-PER\nlives\tO\nin\tO\n{place}\tB-LOC\n.\tO\n\n"
        for person in PEOPLE
        for place in PLACES
    )


def prose_txt() -> str:
    return "".join(
        f"{person} went to {place} and the {thing} was good.\n"
        for person in PEOPLE
        for place in PLACES
        for thing in THINGS
    )


@pytest.fixture(scope="session", autouse=True)
def _nothing_shipped() -> Iterator[None]:
    """Tests in this process know no bundle that came with the package, unless they put one in its place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "PLACES", ())
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests, and what they start, leave the user's folder of caches alone; all workers share one."""
    base = tmp_path_factory.getbasetemp()
    caches = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "caches"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(caches))
        patch.setitem(ENVIRONMENT, "XDG_CACHE_HOME", str(caches))
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with reviews.csv, entities.conll, prose.txt and held.txt."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "reviews.csv").write_text(reviews_csv(), encoding="utf-8")
    (folder / "entities.conll").write_text(entities_conll(), encoding="utf-8")
    (folder / "prose.txt").write_text(prose_txt(), encoding="utf-8")
    (folder / "held.txt").write_text(prose_txt()[:500], encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def run_here() -> Callable[..., Outcome]:
    """Calls `main` with some words in this process."""

    def run(*words: object) -> Outcome:
        from lstmtext.cli import app

        out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
        argv, handlers = sys.argv, {ending: signal.getsignal(ending) for ending in ENDINGS}
        sys.argv = ["lstmtext", *map(str, words)]
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
                app.main()
        finally:
            sys.argv = argv
            for ending, handler in handlers.items():  # a command leaves them changed, as it ends the process
                signal.signal(ending, handler)
        out.flush()
        return Outcome(int(left.value.code or 0), out.buffer.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def run_process() -> Callable[..., Outcome]:
    """Starts the installed command with some words and bytes on standard input."""

    def run(*words: object, given: bytes = b"") -> Outcome:
        done = subprocess.run(
            [COMMAND, *map(str, words)], input=given, capture_output=True, timeout=120, check=False, env=ENVIRONMENT
        )
        return Outcome(done.returncode, done.stdout, done.stderr.decode())

    return run


def heed_interrupts() -> None:
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_DFL)


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> list[int | str]:
    """The inode of each file and folder that the disk is made to have, in order, and where between them is renamed."""
    events: list[int | str] = []
    sync = os.fsync

    def renaming(rename: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        return lambda old, new: (events.append("renamed"), rename(old, new))[1]

    monkeypatch.setattr(os, "fsync", lambda file: (events.append(os.fstat(file).st_ino), sync(file))[1])
    for name in ("rename", "replace"):
        monkeypatch.setattr(Path, name, renaming(getattr(Path, name)))
    return events


@pytest.fixture
def start_process() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the installed command and leaves it running; it is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: object, **streams: object) -> subprocess.Popen[bytes]:
        # A shell starts background jobs with interrupts ignored, and children inherit that.
        started.append(
            subprocess.Popen([COMMAND, *map(str, words)], env=ENVIRONMENT, preexec_fn=heed_interrupts, **streams)  # noqa: PLW1509
        )
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    """Options of `train` that make it a matter of a second."""
    return TINY


@pytest.fixture(scope="session")
def classify_bundle(data: Path, run_here: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _trained(run_here, data / "reviews.csv", tmp_path_factory.mktemp("bundles") / "reviews", "8")


@pytest.fixture(scope="session")
def tag_bundle(data: Path, run_here: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _trained(run_here, data / "entities.conll", tmp_path_factory.mktemp("bundles") / "entities", "20")


@pytest.fixture(scope="session")
def generate_bundle(data: Path, run_here: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = tmp_path_factory.mktemp("bundles") / "prose"
    return _trained(run_here, data / "prose.txt", bundle, "2", "--valid", str(data / "held.txt"))


@pytest.fixture
def bundle_of(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """The tiny bundle of a task."""
    return lambda task: request.getfixturevalue(f"{task}_bundle")


def _trained(run_here: Callable[..., Outcome], source: Path, output: Path, epochs: str, *more: str) -> Path:
    rate = ["--set", "train.learning_rate=0.02", "--set", "train.batch_tokens=128"]
    done = run_here("train", source, "-o", output, "--epochs", epochs, *TINY, *rate, *more)
    assert done.code == 0, done.err
    return output
