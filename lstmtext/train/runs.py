"""The folder of a run, `.runs/NAME` beside the bundle NAME: what a training that was cut short goes on from.

```
checkpoints/.runs/NAME/
  run.json        what is trained, from what, with which settings
  fixed/          what the data decided before the first step
  steps.jsonl     each step so far
  step-000120/    the last checkpoints; each holds the best weights so far as well
  data/           encoded data, while the run is under way
```
It holds private text, so only its owner may read it; a run that ends with its bundle removes it.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lstmtext.errors import ModelError, UsageError, UserError
from lstmtext.folders import to_disk
from lstmtext.train.checkpoint import BrokenCheckpoint, Snapshot, read_snapshot, write_snapshot

RUNS = ".runs"
DESCRIPTION, FIXED, DATA, LOCK = "run.json", "fixed", "data", "lock"
STEP = "step-"
FORMAT = 4
OWNER_ONLY = 0o700
DYING_SECONDS = 2.0
"""How long a process that is gone for its peers may still hold its lock."""


class RunFolder:
    """A run's folder, locked while a process works on it; use it as a context."""

    def __init__(self, folder: Path, lock: FileLock, *, made: bool) -> None:
        self.folder = folder
        self._lock = lock
        self._done = False
        self._disposable = made
        """Whether the folder may go at the end: its training has no checkpoint yet, or has its bundle."""
        self.unfinished: list[Path] = []
        """Folders of earlier runs for the same bundle, that can be gone on with."""

    @classmethod
    def new(cls, output: Path) -> "RunFolder":
        """A fresh folder for the run that ends in `output`; what an earlier run left to go on from stays.

        Raises UserError where none can be made.
        """
        unfinished: list[Path] = []
        for folder in _names(output):
            try:
                folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
                lock = _locked(folder)
            except OSError as error:
                raise UserError(
                    output, f"cannot be written: {error.strerror}", hint="use another -o/--output"
                ) from error
            if lock is None:
                continue
            own = cls(folder, lock, made=True)
            if not own.checkpoints():
                own._clear()
                own.unfinished = unfinished
                return own
            lock.release()
            unfinished.append(folder)
        raise AssertionError("names never end")

    @classmethod
    def existing(cls, name: Path) -> "RunFolder":
        """The folder of a run to go on with, named by itself or by its bundle.

        Raises UsageError where there is none, or another process works on it; ModelError where it is broken.
        """
        found = name if name.absolute().parent.name == RUNS else cls.of_bundle(name)
        if found is None or not (found / DESCRIPTION).is_file():
            places = _runs_beside(name), name / RUNS  # beside what was named, or in it
            present = sorted(str(path.parent) for place in places for path in place.glob(f"*/{DESCRIPTION}"))
            hint = f"runs are: {', '.join(present)}" if present else "runs that were cut short leave a folder in .runs"
            raise UsageError(name, "no training to resume there", expected="the folder of a run", hint=hint)
        lock = _locked(found)
        if lock is None:
            raise UsageError(found, "another process trains there", hint="wait for it, or stop it")
        own = cls(found, lock, made=False)
        own._sweep()
        return own

    @classmethod
    def of_bundle(cls, output: Path) -> Path | None:
        """The last run for a bundle that has a checkpoint."""
        runs = sorted(_runs_beside(output).glob(f"*/{DESCRIPTION}"), key=lambda path: path.stat().st_mtime)
        fits = [path.parent for path in runs if _output_name(path) == output.name]
        return next((folder for folder in reversed(fits) if cls.can_go_on(folder)), None)

    @staticmethod
    def can_go_on(folder: Path) -> bool:
        """Whether there is a checkpoint in a run's folder."""
        return any(folder.glob(STEP + "*"))

    @classmethod
    def remove_abandoned(cls, folder: Path) -> None:
        """Remove the folder of a run whose process was killed before its first checkpoint."""
        if cls.can_go_on(folder):
            return
        with suppress(OSError):  # it is gone already
            if lock := _locked(folder, DYING_SECONDS):
                with cls(folder, lock, made=True):
                    pass

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: object) -> None:
        if self._disposable and (self._done or not self.checkpoints()):
            shutil.rmtree(self.folder, ignore_errors=True)
            self._lock.release()
            _remove_empty(self.folder.parent)
        else:
            self._sweep()
            self._lock.release()

    @property
    def output(self) -> Path:
        """Where the run's bundle goes: beside the folder of runs, wherever that is by now."""
        return self.folder.parent.parent / str(_output_name(self.folder / DESCRIPTION))

    @property
    def data(self) -> Path:
        """A folder for encoded data, made when first asked for; it vanishes with the process's work."""
        folder = self.folder / DATA
        folder.mkdir(exist_ok=True)
        return folder

    def describe(self, description: dict[str, Any]) -> None:
        """Write what the run is."""
        fresh = self.folder / (DESCRIPTION + ".new")
        fresh.write_text(json.dumps({"format": FORMAT, **description}, indent=2), encoding="utf-8")
        to_disk(fresh)
        fresh.replace(self.folder / DESCRIPTION)

    def description(self) -> dict[str, Any]:
        """What the run is. Raises ModelError for a broken or foreign file."""
        path = self.folder / DESCRIPTION
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            version = content.pop("format")
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise ModelError(path, f"cannot be read: {error}", hint="train anew without --resume") from error
        if version != FORMAT:
            raise ModelError(path, f"format {version}", expected=f"format {FORMAT}", hint="train anew")
        return content

    def keep_fixed(self, snapshot: Snapshot) -> None:
        """Keep what the data decided before the first step. Raises OSError."""
        if not (self.folder / FIXED).exists():
            write_snapshot(snapshot, self.folder / FIXED)

    def fixed(self) -> Snapshot:
        """What `keep_fixed` kept."""
        return read_snapshot(self.folder / FIXED)

    def save(self, snapshot: Snapshot, keep: int) -> None:
        """Add a checkpoint and remove all but the last ones. Raises OSError; earlier ones then stay."""
        folder = self.folder / f"{STEP}{snapshot.facts['position']['step']:09d}"
        if not folder.exists():
            write_snapshot(snapshot, folder)
        for old in self.checkpoints()[:-keep]:
            shutil.rmtree(old, ignore_errors=True)

    def checkpoints(self) -> list[Path]:
        """Checkpoints, oldest first."""
        return sorted(self.folder.glob(STEP + "*"))

    def latest(self, remark: Callable[[str], None]) -> Snapshot:
        """The last whole checkpoint; broken ones after it are removed, as their steps are taken again.

        Raises UsageError where there is none, ModelError where it cannot be read, or none is whole.
        """
        broken: dict[Path, BrokenCheckpoint] = {}
        for folder in reversed(self.checkpoints()):
            try:
                snapshot = read_snapshot(folder)
            except BrokenCheckpoint as error:
                broken[folder] = error
                continue
            for later in broken:
                remark(f"{later} is no whole checkpoint and is removed; {folder.name} is gone on from")
                _remove(later)
            return snapshot
        none = UsageError(self.folder, "no checkpoint yet", hint="train anew without --resume")
        raise next(iter(broken.values()), none)

    def finish(self) -> None:
        """The run has its bundle: nothing is left to go on from."""
        self._done = self._disposable = True

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.name != LOCK:
                _remove(path)

    def _sweep(self) -> None:
        """Remove what a killed process left half done."""
        for path in self.folder.iterdir():
            if path.name == DATA or path.name.startswith("."):
                _remove(path)


def _output_name(description: Path) -> str | None:
    """The name of the bundle that a run ends in; None where its description cannot be read."""
    try:
        return Path(json.loads(description.read_text(encoding="utf-8"))["request"]["output"]).name
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _runs_beside(path: Path) -> Path:
    return path.parent / RUNS


def _names(output: Path) -> Iterator[Path]:
    beside = _runs_beside(output)
    yield beside / output.name
    number = 2
    while True:
        yield beside / f"{output.name}-{number}"
        number += 1


def _locked(folder: Path, patience: float = 0.0) -> FileLock | None:
    """The lock of a folder, held; None where another process has it. The system drops it with the process."""
    lock = FileLock(folder / LOCK, mode=0o600)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        return None
    return lock


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
