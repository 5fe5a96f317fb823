"""Where a study lies: a database that Optuna reads and writes, shared by name or a file in the search's folder."""

import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lstmtext.errors import UsageError
from lstmtext.tune.workers import BEATS

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

ATTEMPTS = 5
"""How often a storage is opened that another worker may be making just now."""
EXPECTED = "the URL of a database, such as sqlite:///folder/study.db or postgresql://user@host/name"


def check_storage(url: str) -> None:
    """Raise UsageError where a `--storage` cannot be one, before anything is read or written."""
    _check_installed()
    with storage_errors(url):
        from sqlalchemy import create_engine

        engine = create_engine(url)
        file = engine.url.database or ""
        if engine.dialect.name == "sqlite" and not file.startswith("file:") and not Path(file).parent.is_dir():
            found = f"found '{without_password(url)}', and {Path(file).parent} is no folder"
            raise UsageError("--storage", found, expected="a file in a folder that exists")


def open_storage(url: str, file: Path | None = None) -> "RDBStorage":
    """The storage at a URL, made if need be. Raises as `storage_errors` does, and where Optuna is missing."""
    _check_installed()
    import optuna
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    patient = {"connect_args": {"timeout": BEATS}} if url.startswith("sqlite") else None
    with storage_errors(url, file):
        for left in reversed(range(ATTEMPTS)):
            try:
                return optuna.storages.RDBStorage(url, patient, heartbeat_interval=BEATS, grace_period=2 * BEATS)
            except (IntegrityError, ProgrammingError, OperationalError) as error:
                # Tables that are not there yet are made by two workers at once; a server that is not there stays so.
                if not left or (isinstance(error, OperationalError) and patient is None):
                    raise
                time.sleep(0.2)
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def storage_errors(url: str, file: Path | None = None) -> Iterator[None]:
    """A block that opens a storage; raises UsageError for what goes wrong there, of a search's own file or a URL."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError, ImportError, RuntimeError, ValueError) as error:
        said = str(getattr(error, "orig", None) or error).partition("\n")[0]
        if file is not None:
            raise UsageError(file, f"cannot be used: {said}", hint="remove it, or use another -o/--output") from error
        raise UsageError("--storage", f"found '{without_password(url)}': {said}", expected=EXPECTED) from error


def _check_installed() -> None:
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise UsageError("lstmtext tune", "Optuna is not installed", hint="pip install 'lstmtext[tune]'") from error


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)
