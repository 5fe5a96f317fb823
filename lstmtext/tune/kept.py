"""The bundle of a trial, known by its content wherever it lies: another search may have left one at the same place."""

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

from lstmtext.bundle import is_bundle
from lstmtext.folders import replacing


class _Another(Exception):
    """A bundle is not the one that was recorded."""


def digest_of(bundle: Path) -> str:
    """SHA-256 of the names and the contents of the files of a bundle. Raises OSError."""
    whole = hashlib.sha256()
    for path in sorted(bundle.iterdir()):
        with path.open("rb") as stream:
            own = hashlib.file_digest(stream, "sha256")
        whole.update(f"{own.hexdigest()} {path.name}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def put(bundle: Path, digest: str, output: Path) -> bool:
    """Copy a bundle to its place, whole or not at all, if it is there and has its digest; whether it was.

    It stays where it is, as other workers may need it.
    """
    with suppress(OSError, _Another), replacing(output, is_old=is_bundle) as fresh:  # shutil.Error is an OSError
        shutil.copytree(bundle, fresh, dirs_exist_ok=True)
        if digest_of(fresh) != digest:
            raise _Another
        return True
    return False
