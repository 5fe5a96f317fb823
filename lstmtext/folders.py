"""Output folders that are complete or absent: written beside their place and renamed into it, by one at a time."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lstmtext.errors import UsageError, UserError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says of a disk that is full, and of limits on what a user may write."""


def check_output(folder: Path, is_old: Callable[[Path], bool]) -> None:
    """Raise UsageError where writing an output folder would destroy something else or could not be done."""
    if folder.is_symlink():
        raise UsageError(folder, "is a symbolic link", expected="a folder", hint=f"use -o {folder.resolve()}")
    if folder.exists() and (folder.is_mount() or Path.cwd().is_relative_to(folder.resolve())):
        raise UsageError(
            folder,
            "cannot be replaced: it is the current folder, above it, or a mount",
            expected="a folder inside it",
            hint=f"use -o {folder / 'model'}",
        )
    if folder.is_dir() and any(folder.iterdir()) and not is_old(folder):
        raise UsageError(
            folder,
            "holds other files",
            expected="a new or empty folder, or one that this command wrote",
            hint="use another -o/--output",
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(folder, "is a file", expected="a folder", hint="use another -o/--output")


@contextmanager
def replacing(folder: Path, *, is_old: Callable[[Path], bool]) -> Iterator[Path]:
    """A fresh folder beside `folder` that takes its place if the block ends well, and vanishes if not."""
    check_output(folder, is_old)
    fresh = work_folder(folder)
    try:
        yield fresh
        to_disk(fresh)
        _swap(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def work_folder(folder: Path) -> Path:
    """A new hidden folder beside an output folder. Raises UserError where none can be made."""
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent))
    except OSError as error:
        raise UserError(folder, f"cannot be written: {error.strerror}", hint="use another -o/--output") from error


def to_disk(place: Path) -> None:
    """Wait until the disk has a file, or a folder with all in it. Raises OSError.

    What is renamed before that may be empty, or in part, after a power failure.
    """
    if place.is_dir():
        for path in place.iterdir():
            to_disk(path)
        names_to_disk(place)
        return
    with place.open("rb+") as file:
        os.fsync(file.fileno())


def names_to_disk(folder: Path) -> None:
    """Wait until the disk has what is renamed in a folder, where the system can do so: Windows opens no folders."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


@contextmanager
def alone_with(folder: Path) -> Iterator[None]:
    """Keep all other such blocks for an output folder waiting, those of other processes too. Raises OSError.

    The lock is a file beside the folder, which is gone at the end.
    """
    from filelock import FileLock

    place = folder.absolute().with_name(f".{folder.name}.lock")
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place)
    lock.acquire()
    while not _is_held(place):  # who was here before has removed the file that this one waited for
        lock.release()
        lock.acquire()
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file; there the release does
            place.unlink()
        lock.release()


def umask() -> int:
    """The permissions that new files of this process do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _is_held(place: Path) -> bool:
    """Whether the file that stands there now is locked."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(place, timeout=0):
            return False
    except Timeout:
        return True


def _swap(fresh: Path, folder: Path) -> None:
    fresh.chmod(0o777 & ~umask())
    old = fresh.with_name(fresh.name + ".old")
    if folder.exists():
        folder.replace(old)
    try:
        fresh.replace(folder)
    except BaseException:
        if old.exists():
            old.replace(folder)
        raise
    names_to_disk(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
