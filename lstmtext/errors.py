"""What can go wrong by the user's hand, and the exit code that says so.

Holds the one exception family that becomes a one-line message, and the exit codes of the command line.
Mistakes of a programmer are assertions and stay ordinary exceptions.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    DATA = 3
    MODEL = 4
    INTERRUPTED = 130


class UserError(Exception):
    """An input that a user can mend: where it is, what was found, what was expected, what to try next."""

    exit_code = ExitCode.USAGE

    def __init__(self, place: object, found: str, *, expected: str = "", hint: str = "") -> None:
        parts = [found, f"expected {expected}" if expected else "", hint]
        super().__init__(f"{place}: " + "; ".join(part for part in parts if part))


class UsageError(UserError):
    """Options that do not fit each other, or a setting that does not exist."""


class DataError(UserError):
    """A file or record that cannot be read as what it should be."""

    exit_code = ExitCode.DATA


class ModelError(UserError):
    """A bundle that is absent, broken, or not made for what is asked of it."""

    exit_code = ExitCode.MODEL


def reason(error: Exception) -> str:
    """What an exception says, without the number and the file name of one that the system raised."""
    if isinstance(error, KeyError):
        return f"no {error}"
    return (isinstance(error, OSError) and error.strerror) or str(error)


class Interrupted(Exception):
    """The user stopped a training; what was saved, if anything, is in the message."""

    exit_code = ExitCode.INTERRUPTED
