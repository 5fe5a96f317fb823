"""The bundle that comes with the package: in a wheel inside it, among the sources beside it."""

from pathlib import Path

from lstmtext.errors import UsageError

NAME = "en"
BYTES_PER_TOKEN = 3.8
"""Of its tokenizer, on English text of the kinds that it was trained on."""
PLACES = (Path(__file__).parent / "checkpoints", Path(__file__).parent.parent / "checkpoints")


def shipped_bundle() -> Path | None:
    """Its folder; None where the package was installed without it."""
    return next((place / NAME for place in PLACES if (place / NAME / "bundle.json").is_file()), None)


def usual_bundle() -> Path:
    """The bundle that is used where none is named. Raises UsageError where there is none."""
    found = shipped_bundle()
    if found is None:
        hint = "name one with -m FOLDER; lstmtext train writes one"
        raise UsageError("-m/--model", "is not given, and no bundle came with this installation", hint=hint)
    return found
