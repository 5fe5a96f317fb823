"""Output folders that are complete or absent: written beside their place and renamed into it."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def umask() -> int:
    """The permissions that new files of this process do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


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
    shutil.rmtree(old, ignore_errors=True)
