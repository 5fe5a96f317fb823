"""A training that is cut short and gone on with ends in the bundle of one that was not, to the bit."""

import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lstmtext.bundle import load_bundle
from lstmtext.errors import ModelError
from lstmtext.train import run as training
from lstmtext.train import saving
from lstmtext.train.checkpoint import FACTS, TENSORS, Snapshot, read_snapshot, write_snapshot
from lstmtext.train.course import Course
from lstmtext.train.loop import Trainee, training_steps
from lstmtext.train.runs import RunFolder
from tests.conftest import heed_interrupts
from tests.train.test_loop import start

DATA = Path(__file__).parent.parent.parent / "data"
FILES = {"classify": "reviews.csv", "tag": "entities.conll", "generate": "prose.txt"}
LARGER = [
    "--encoder",
    "none",
    "--set",
    "encoder.hidden_size=64",
    "--set",
    "encoder.embedding_size=64",
    "--threads",
    "1",
]
SMALL = ["--encoder", "none", "--set", "encoder.hidden_size=24", "--set", "encoder.embedding_size=16", "--threads", "1"]


def bundle_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def command(*options: object) -> list[str]:
    return [sys.executable, "-m", "lstmtext", "train", *map(str, options)]


def run(*options: object, cwd: Path, **more):
    return subprocess.run(command(*options), cwd=cwd, capture_output=True, text=True, check=False, **more)


@pytest.mark.parametrize(
    "accumulated", ["train.average=0.99", "train.average=0", "train.optimizer=sgd", "transfer.retain=0.5"]
)
@pytest.mark.parametrize("task", FILES)
def test_ten_steps_are_five_and_five_after_a_checkpoint(task, accumulated, tmp_path):
    def course(name: str):
        (tmp_path / name).mkdir()
        model, feed, settings = start(task, tmp_path / name, accumulated)
        made = Course(model, settings, taken=("encoder.",))
        return made, feed, settings

    def steps(made: Course, feed, settings, count: int) -> list[float]:
        losses = []
        while len(losses) < count:  # a pass of the small data may be shorter
            for report in training_steps(Trainee(made.model, made.optimizer, settings.train), feed, made.position):
                made.average(report.step)
                losses.append(report.loss)
                if len(losses) == count:
                    break
        return losses

    whole, feed, settings = course("whole")
    torch.manual_seed(7)
    wanted = steps(whole, feed, settings, 10)
    first, feed, settings = course("first")
    torch.manual_seed(7)
    losses = steps(first, feed, settings, 5)
    write_snapshot(first.snapshot([first.of_rank()]), tmp_path / "checkpoint")
    torch.manual_seed(99)
    second, feed, settings = course("second")
    for value in second._start.values():  # as where the bundle to start from is not read again
        value.zero_()
    second.restore(read_snapshot(tmp_path / "checkpoint"), "here")
    losses += steps(second, feed, settings, 5)
    assert losses == wanted
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
        assert torch.equal(whole.kept.state_dict()[name], second.kept.state_dict()[name]), name
    moments = [course.optimizer.state_dict()["state"] for course in (whole, second)]
    assert all(torch.equal(moments[0][k][name], moments[1][k][name]) for k in moments[0] for name in moments[0][k])


def test_the_mean_of_the_weights_has_as_long_to_get_better_as_they_had(run_here, tmp_path):
    rows = (DATA / FILES["classify"]).read_text().splitlines()[:121]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    common = [tmp_path / "a.csv", *SMALL, "--epochs", 6, "--set", "train.optimizer=sgd", "-q"]
    common += ["--set", "train.patience=1", "--set", "train.precision=float32"]
    ended = []
    for after in (0, 1):
        output = tmp_path / f"after-{after}"
        assert run_here("train", *common, "--set", f"train.average_after={after}", "-o", output).code == 0
        ended.append(load_bundle(output).head()[1].training["epochs"])
    assert ended[0] < ended[1]


def test_averaged_sgd_that_is_cut_short_ends_in_the_same_bundle(run_here, tmp_path, monkeypatch):
    """Cut once the mean of the weights has begun, as no validation finds a better score than the first."""
    scores = (DATA / FILES["classify"]).read_text().splitlines()[:121]
    (tmp_path / "a.csv").write_text("\n".join(scores) + "\n")
    common = [tmp_path / "a.csv", *SMALL, "--epochs", 6, "--set", "train.optimizer=sgd", "-q"]
    common += ["--set", "train.average_after=1", "--set", "checkpoint.steps=2", "--set", "train.precision=float32"]
    assert run_here("train", *common, "-o", tmp_path / "whole" / "model").code == 0
    begun = []

    def average(course, step):
        Course_average(course, step)
        begun.append(course.averaged)
        if course.averaged == 4:
            raise KeyboardInterrupt

    Course_average = Course.average
    with monkeypatch.context() as patched:
        patched.setattr(Course, "average", average)
        assert run_here("train", *common, "-o", tmp_path / "model").code == 130
    assert begun[-1] == 4
    assert run_here("train", "--resume", tmp_path / "model", "-q").code == 0
    assert bundle_of(tmp_path / "model") == bundle_of(tmp_path / "whole" / "model")


def kill_at_random(options: list[object], folder: Path, name: str, rng: random.Random) -> bool:
    """Start a training and kill it a moment after a new checkpoint; False where it came to its end."""
    runs = folder / ".runs" / name
    seen = set(runs.glob("step-*"))
    process = subprocess.Popen(command(*options), cwd=folder, stderr=subprocess.PIPE)
    while process.poll() is None and set(runs.glob("step-*")) <= seen:
        time.sleep(0.01)
    time.sleep(rng.uniform(0.0, 0.3))
    ended = process.poll() is not None
    process.kill()
    _, said = process.communicate()
    assert ended or process.returncode == -signal.SIGKILL
    assert process.returncode in (0, -signal.SIGKILL), said
    return not ended


KILLS = 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "precision"), [("classify", "float32"), ("tag", "bfloat16"), ("generate", "bfloat16")]
)
def test_killed_trainings_end_in_the_same_bundle(task, precision, tmp_path):
    data = DATA / FILES[task]
    common = [data, *SMALL, "--epochs", 4 + 2 * KILLS, "--set", "train.batch_tokens=256", "--set", "generate.rows=4"]
    common += ["--set", "checkpoint.steps=3", "--set", f"train.precision={precision}", "-q"]
    assert run(*common, "-o", "whole/model", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "whole" / ".runs").exists()
    rng = random.Random(f"{task} {KILLS}")
    killed = kill_at_random([*common, "-o", "model"], tmp_path, "model", rng)
    done = int(killed)
    while killed and done < KILLS:
        killed = kill_at_random(["--resume", "model", "-q"], tmp_path, "model", rng)
        done += killed
    assert done == KILLS
    answer = run("--resume", "model", "-q", cwd=tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert bundle_of(tmp_path / "model") == bundle_of(tmp_path / "whole" / "model")
    assert not (tmp_path / ".runs").exists()


@pytest.mark.slow
def test_a_training_that_goes_on_from_a_bundle_survives_a_kill(tmp_path):
    lines = (DATA / FILES["classify"]).read_text().splitlines(keepends=True)
    for name, chosen in {"old.csv": lines[:120], "new.csv": [lines[0], *lines[120:]]}.items():
        (tmp_path / name).write_text("".join(chosen), encoding="utf-8")
    few = ["--set", "train.batch_tokens=256", "--set", "train.precision=float32", "-q"]
    assert run("old.csv", *SMALL, *few, "--epochs", 2, "-o", "old", cwd=tmp_path).returncode == 0
    common = ["new.csv", "--encoder", "old", "--replay", "old.csv", "--threads", "1", *few, "--epochs", 20]
    common += ["--set", "checkpoint.steps=3"]
    assert run(*common, "-o", "whole/model", cwd=tmp_path).returncode == 0
    assert kill_at_random([*common, "-o", "model"], tmp_path, "model", random.Random(1))
    answer = run("--resume", "model", "-q", cwd=tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert bundle_of(tmp_path / "model") == bundle_of(tmp_path / "whole" / "model")


@pytest.fixture(scope="module")
def cut_going_on(tmp_path_factory):
    """A folder with a bundle and a run that started from it and was killed."""
    folder = tmp_path_factory.mktemp("going")
    shutil.copy(DATA / "reviews.csv", folder / "reviews.csv")
    short = ["reviews.csv", *SMALL, "--epochs", 1, "-q"]
    for name, more in {
        "old": ["--head", "mood"],
        "same": ["--head", "mood", "--seed", 5],
        "other": ["--seed", 7],
    }.items():
        assert run(*short, *more, "-o", name, cwd=folder).returncode == 0
    options = ["reviews.csv", "--encoder", "old", "-o", "model", "--threads", 1, "--epochs", 99, "-q"]
    options += ["--set", "checkpoint.steps=2", "--set", "train.patience=999"]
    assert kill_at_random(options, folder, "model", random.Random(0))
    return folder


@pytest.mark.parametrize(
    ("now", "force", "code", "said"),
    [
        ("same", [], 3, "old: has another encoder than when the run began; expected the one that was learned on; --f"),
        ("same", ["--force"], 0, "old: has another encoder than when the run began"),
        ("other", [], 3, "old: has another encoder than when the run began"),
        ("other", ["--force"], 4, "the head to go on with is labels now; expected mood, as in the run"),
    ],
)
def test_a_bundle_to_start_from_that_was_replaced_is_named(cut_going_on, tmp_path, now, force, code, said):
    place = shutil.copytree(cut_going_on, tmp_path / "place")
    shutil.rmtree(place / "old")
    (place / now).rename(place / "old")
    done = run("--resume", "model", "--epochs", 1, *force, cwd=place) if force else run("--resume", "model", cwd=place)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory):
    """A folder with data and a run that was killed."""
    folder = tmp_path_factory.mktemp("cut")
    shutil.copy(DATA / "reviews.csv", folder / "reviews.csv")
    options = ["reviews.csv", "-o", "model", *LARGER, "--epochs", 10, "--set", "checkpoint.steps=2", "-q"]
    assert kill_at_random(options, folder, "model", random.Random(0))
    return folder


@pytest.fixture
def place(cut_short, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(cut_short, tmp_path / "place"))


@pytest.fixture
def train_here(place, run_here, monkeypatch):
    """`lstmtext train` in that folder and this process."""
    monkeypatch.chdir(place)
    threads = torch.get_num_threads()
    yield lambda *options: run_here("train", *options)
    torch.set_num_threads(threads)


def test_changed_data_are_named_unless_forced(place, train_here):
    lines = (place / "reviews.csv").read_text().splitlines()
    (place / "reviews.csv").write_text("\n".join(lines[:-3]) + "\n")
    answer = train_here("--resume", "model")
    assert answer.code == 3
    assert "reviews.csv: is not what the run was trained on: now 285 and 32 records" in answer.err
    assert "expected the 288 and 32 of before" in answer.err
    assert "--force" in answer.err
    assert (place / ".runs" / "model").is_dir()
    assert train_here("--resume", "model", "--force", "--epochs", "6").code == 0
    assert (place / "model" / "bundle.json").is_file()


def test_a_file_in_place_of_another_is_the_one_that_is_named(place, train_here):
    (place / "other.csv").write_text("text,label\ngood soup,positive\ncold soup,negative\n")
    answer = train_here("--resume", "model", "--valid", "other.csv")
    assert (answer.code, "other.csv: is not what the run was trained on: now 320 and 2 records" in answer.err) == (
        3,
        True,
    )


def test_other_labels_cannot_be_gone_on_with_even_by_force(place, train_here):
    with (place / "reviews.csv").open("a") as file:
        file.write("a soup,neutral\n" * 9)
    for force in ((), ("--force",)):
        answer = train_here("--resume", "model", *force)
        assert answer.code == 3
    assert "reviews.csv: has other labels than the run was trained on: 'neutral' is new" in answer.err
    assert "tensor" not in answer.err
    assert (place / ".runs" / "model").is_dir()


@pytest.mark.parametrize("lost", [0.0, 2.0])
def test_a_run_that_had_what_is_no_more_is_gone_on_with_where_that_did_nothing(place, train_here, lost):
    file = place / ".runs" / "model" / "run.json"
    about = json.loads(file.read_text())
    about["settings"]["labels"]["classify"]["focal"] = lost
    file.write_text(json.dumps(about))
    answer = train_here("--resume", "model", "--force", "--epochs", "6")
    assert answer.code == (4 if lost else 0)
    assert ("began with classify.focal=2.0, which is no more" in answer.err) == bool(lost)


def test_weights_of_other_sizes_cannot_be_gone_on_with_even_by_force(place, train_here):
    answer = train_here("--resume", "model", "--force", "--set", "encoder.hidden_size=24")
    assert (answer.code, "or anew without --resume" in answer.err) == (4, True)
    assert (place / ".runs" / "model").is_dir()


def test_another_optimizer_cannot_go_on(place, train_here):
    answer = train_here("--resume", "model", "--force", "--set", "train.optimizer=sgd")
    said = "--set train.optimizer: found sgd; expected adamw, as the run has its state"
    assert (answer.code, said in answer.err) == (2, True), answer.err


def test_changed_settings_are_named_unless_forced(place, train_here):
    answer = train_here("--resume", "model", "--set", "train.clip=0.5", "--seed", "3")
    assert answer.code == 2
    assert "train.clip=1.0 before, 0.5 now" in answer.err
    assert "train.seed=1 before, 3 now" in answer.err
    assert train_here("--resume", ".runs/model", "--set", "checkpoint.steps=50", "--set", "train.clip=1").code == 0


@pytest.mark.slow
def test_data_that_moved_are_named_anew(place, train_here):
    (place / "reviews.csv").rename(place / "moved.csv")
    assert train_here("--resume", "model").code != 0
    answer = train_here("--resume", "model", "moved.csv")
    assert answer.code == 0
    assert "moved.csv" in load_bundle(place / "model").head()[1].data["files"]


def test_what_the_run_decided_cannot_be_given(place, train_here):
    answer = train_here("--resume", "model", "-o", "other")
    assert (answer.code, "-o/--output" in answer.err) == (2, True)
    answer = train_here("--resume", "model", "--find-lr")
    assert (answer.code, "--resume: cannot be had with --find-lr" in answer.err) == (2, True)


def test_no_run_there_names_those_that_are(place, train_here):
    for name in ("modle", str(place)):
        answer = train_here("--resume", name)
        assert answer.code == 2
        assert "no training to resume there" in answer.err
        assert ".runs/model" in answer.err


def test_checkpoints_that_are_all_broken_are_one_line(place, train_here):
    for folder in (place / ".runs" / "model").glob("step-*"):
        (folder / TENSORS).write_bytes(b"torn")
    answer = train_here("--resume", "model")
    assert answer.code == 4
    assert "is no whole checkpoint" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(("name", "content"), [(TENSORS, b"torn"), (FACTS, b"\0\0")])
def test_a_broken_checkpoint_is_told_of_and_the_one_before_it_gone_on_from(name, content, place, train_here):
    whole = max((place / ".runs" / "model").glob("step-*"))
    torn = Path(shutil.copytree(whole, whole.with_name("step-000099999")))
    (torn / name).write_bytes(content)
    answer = train_here("--resume", "model", "--force", "--epochs", "4")
    assert answer.code == 0, answer.err
    said = [line for line in answer.err.splitlines() if "whole checkpoint" in line]
    removed = ".runs/model/step-000099999 is no whole checkpoint and is removed"
    assert said == [f"lstmtext: {removed}; {whole.name} is gone on from"]


def test_the_steps_of_a_broken_checkpoint_are_written_again(tmp_path):
    remarks: list[str] = []
    with RunFolder.new(tmp_path / "model") as folder:
        for step in (1, 2, 3):
            folder.save(Snapshot({"a": torch.full((2,), float(step))}, {"position": {"step": step}}), keep=3)
        for torn in folder.checkpoints()[1:]:
            (torn / TENSORS).write_bytes(b"torn")
        assert folder.latest(remarks.append).tensors["a"].tolist() == [1.0, 1.0]
        assert [remark.split(" ")[0][-1] for remark in remarks] == ["3", "2"]
        folder.save(Snapshot({"a": torch.zeros(2)}, {"position": {"step": 2}}), keep=1)
        assert folder.latest(remarks.append).tensors["a"].tolist() == [0.0, 0.0]
    assert len(remarks) == 2


def test_a_checkpoint_of_another_version_is_not_passed_over(tmp_path):
    with RunFolder.new(tmp_path / "model") as folder:
        for step in (1, 2):
            folder.save(Snapshot({"a": torch.ones(2)}, {"position": {"step": step}}), keep=2)
        facts = folder.checkpoints()[1] / FACTS
        facts.write_text(json.dumps({**json.loads(facts.read_text()), "format": 99}))
        with pytest.raises(ModelError, match="format 99"):
            folder.latest(pytest.fail)
        assert len(folder.checkpoints()) == 2


def test_a_new_training_leaves_the_run_alone_and_names_it(place, train_here):
    before = bundle_of(max((place / ".runs" / "model").glob("step-*")))
    answer = train_here("reviews.csv", "-o", "model", *SMALL, "--epochs", "1")
    assert answer.code == 0
    assert "--resume .runs/model" in answer.err
    assert bundle_of(max((place / ".runs" / "model").glob("step-*"))) == before


def test_two_processes_do_not_share_a_run(place, train_here):
    with RunFolder.existing(place / "model"):
        answer = train_here("--resume", "model")
    assert (answer.code, "another process trains there" in answer.err) == (2, True)


@pytest.mark.slow
def test_an_interrupted_training_can_be_gone_on_with_to_the_same_bundle(tmp_path):
    options = [DATA / "reviews.csv", *SMALL, "--epochs", "15", "--set", "train.precision=float32"]
    assert run(*options, "-o", "whole/model", cwd=tmp_path).returncode == 0
    started = command(*options, "-o", "model")
    streams = {"stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(started, cwd=tmp_path, preexec_fn=heed_interrupts, **streams)  # noqa: PLW1509
    for line in process.stderr:
        if "epoch" in line:
            process.send_signal(signal.SIGINT)
            break
    _, said = process.communicate()
    assert process.returncode == 130
    assert "lstmtext train --resume .runs/model" in said
    assert load_bundle(tmp_path / "model").head()[1].training["interrupted"]
    assert run("--resume", "model", cwd=tmp_path).returncode == 0
    assert bundle_of(tmp_path / "model") == bundle_of(tmp_path / "whole" / "model")


def with_room(size: int):
    """A limit on the size of files, which stands in for a disk that is full."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_disk_that_is_full_before_the_first_step_is_one_line(tmp_path):
    answer = run(DATA / "reviews.csv", *SMALL, "-o", "model", "-q", cwd=tmp_path, preexec_fn=with_room(200_000))
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert ".runs/model: cannot be written" in answer.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(("room", "fits"), [(380_000, False), (1_000_000, True)])
def test_a_disk_that_fills_up_in_training_loses_nothing(room, fits, place):
    """Encoded data fit; checkpoints never do, the bundle in the second case."""
    common = ["--resume", "model", "--force", "--epochs", "4"]
    answer = run(*common, cwd=place, preexec_fn=with_room(room))
    assert "no checkpoint at step" in answer.stderr
    assert "training goes on" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.returncode == (0 if fits else 2)
    assert (place / "model").exists() == fits
    if not fits:
        assert "model: cannot be written" in answer.stderr
        assert "lstmtext train --resume .runs/model" in answer.stderr
        assert run(*common, cwd=place).returncode == 0
    assert (place / "model" / "bundle.json").is_file()


def test_a_training_without_a_checkpoint_has_its_bundle_elsewhere_where_the_disk_is_full(
    tmp_path, run_here, monkeypatch
):
    options = [DATA / "reviews.csv", *SMALL, "--epochs", "1", "-q"]
    assert run_here("train", *options, "-o", tmp_path / "whole").code == 0
    before, written = bundle_of(tmp_path / "whole"), saving.save_bundle

    def full(place: Path, *rest: object) -> None:
        if place == tmp_path / "whole":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written(place, *rest)

    monkeypatch.setattr(saving, "save_bundle", full)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    answer = run_here("train", *options, "-o", tmp_path / "whole", "--seed", "2")
    (other,) = (tmp_path / "elsewhere").glob("*/whole")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert f"No space left on device; the bundle is {other} instead" in answer.err
    assert load_bundle(other).head()[1].settings.train.seed == 2
    assert bundle_of(tmp_path / "whole") == before

    monkeypatch.setattr(saving, "save_bundle", lambda *_: full(tmp_path / "whole"))
    for place in (tmp_path / "elsewhere", tmp_path / "absent"):
        monkeypatch.setattr("tempfile.tempdir", str(place))
        answer = run_here("train", *options, "-o", tmp_path / "whole")
        assert (answer.code, "make room and train again" in answer.err) == (2, True)
    assert [*(tmp_path / "elsewhere").iterdir()] == [other.parent]


def test_a_checkpoint_that_fails_leaves_the_one_before(tmp_path, monkeypatch):
    with RunFolder.new(tmp_path / "model") as folder:
        folder.save(Snapshot({"a": torch.ones(2)}, {"position": {"step": 1}}), keep=1)

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("lstmtext.train.checkpoint.save_file", full)
        with pytest.raises(OSError, match="No space"):
            folder.save(Snapshot({"a": torch.zeros(2)}, {"position": {"step": 2}}), keep=1)
        assert [path.name for path in folder.checkpoints()] == ["step-000000001"]
        assert folder.latest(pytest.fail).tensors["a"].tolist() == [1.0, 1.0]
    assert sorted(path.name for path in folder.folder.iterdir()) == ["lock", "step-000000001"]


def test_the_disk_has_a_checkpoint_before_it_has_its_name(tmp_path, on_disk):
    with RunFolder.new(tmp_path / "model") as folder:
        folder.save(Snapshot({"a": torch.ones(2)}, {"position": {"step": 1}}), keep=1)
        (written,) = folder.checkpoints()
        assert set(on_disk[:3]) == {path.stat().st_ino for path in (written, written / FACTS, written / TENSORS)}
        assert on_disk[3:] == ["renamed", folder.folder.stat().st_ino]


def test_checkpoints_beyond_the_last_ones_go(tmp_path):
    with RunFolder.new(tmp_path / "model") as folder:
        for step in range(1, 6):
            folder.save(Snapshot({"a": torch.full((2,), float(step))}, {"position": {"step": step}}), keep=2)
        assert [path.name[-1] for path in folder.checkpoints()] == ["4", "5"]
        assert json.loads((folder.checkpoints()[0] / FACTS).read_text())["position"]["step"] == 4


def test_a_folder_that_is_no_run_stays_as_it_is(tmp_path, train_here):
    (tmp_path / "experiment" / ".git").mkdir(parents=True)
    (tmp_path / "experiment" / "data").mkdir()
    (tmp_path / "experiment" / "run.json").write_text("{}")
    (tmp_path / "experiment" / "thesis.txt").write_text("years")
    assert train_here("--resume", tmp_path / "experiment").code == 2
    (tmp_path / ".runs").mkdir()
    (tmp_path / "experiment").rename(tmp_path / ".runs" / "experiment")
    assert train_here("--resume", tmp_path / ".runs" / "experiment").code == 4
    assert (tmp_path / ".runs" / "experiment" / "thesis.txt").read_text() == "years"


def test_a_run_that_moved_ends_beside_its_new_place(place, train_here, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    shutil.move(place / ".runs", tmp_path / "elsewhere" / ".runs")
    done = train_here("--resume", tmp_path / "elsewhere" / "model", "--force", "--epochs", "3")
    assert done.code == 0, done.err
    assert (tmp_path / "elsewhere" / "model" / "bundle.json").is_file()


@pytest.mark.parametrize(("ranks", "kept"), [(1, True), (2, False)])
def test_states_are_read_on_by_as_many_ranks_only(ranks, kept, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    model, feed, settings = start("generate", tmp_path / "a")
    course = Course(model, settings)
    next(training_steps(Trainee(model, course.optimizer, settings.train), feed, course.position))
    other, _, _ = start("generate", tmp_path / "b")
    again = Course(other, settings)
    again.restore(course.snapshot([course.of_rank()]), "here", 0, ranks)
    assert (again.position.carried is not None) == kept


def test_the_arithmetic_that_a_run_began_in_stays(run_here, data, tmp_path, monkeypatch):
    def cut(*given):
        raise RuntimeError("cut short")

    options = [data / "reviews.csv", *SMALL, "--epochs", 2, "--set", "checkpoint.steps=1", "-o", tmp_path / "model"]
    with monkeypatch.context() as first:
        first.setattr(training, "choose_precision", lambda *given: "bfloat16")
        first.setattr(training, "save", cut)
        assert "cut short" in run_here("train", *options).err
    monkeypatch.setattr(training, "choose_precision", lambda *given: "float32")
    done = run_here("train", "--resume", tmp_path / "model")
    assert (done.code, "in bfloat16 on" in done.err) == (0, True), done.err
    assert load_bundle(tmp_path / "model").head()[1].training["precision"] == "bfloat16"
