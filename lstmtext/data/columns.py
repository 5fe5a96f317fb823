"""Which column holds what: named by the user, or guessed from customary names."""

from collections.abc import Collection
from dataclasses import dataclass

from lstmtext.errors import DataError

TEXT_NAMES = (
    "text",
    "sentence",
    "review",
    "body",
    "content",
    "tweet",
    "comment",
    "message",
    "document",
    "title",
    "question",
)
LABEL_NAMES = (
    "label",
    "sentiment",
    "class",
    "category",
    "topic",
    "labels",
    "target",
    "intent",
    "polarity",
    "stars",
    "rating",
)
WORD_NAMES = ("words", "tokens")
TAG_NAMES = ("tags", "ner_tags", "upos", "pos_tags", "pos", "ner")
ALL_NAMES = (*TEXT_NAMES, *LABEL_NAMES, *WORD_NAMES, *TAG_NAMES)


@dataclass(frozen=True)
class Columns:
    """Column names the user gave; None where a guess is wanted."""

    text: str | None = None
    label: str | None = None
    tag: str | None = None


NO_COLUMNS = Columns()
"""Nothing named: all is guessed."""


def guess(names: Collection[str], customary: tuple[str, ...]) -> str | None:
    """The first customary name among the columns, whatever its case."""
    by_lower = {name.strip().lower(): name for name in reversed(list(names))}
    return next((by_lower[name] for name in customary if name in by_lower), None)


def find_column(
    names: Collection[str], given: str | None, customary: tuple[str, ...], *, flag: str | None, place: str
) -> str:
    """The column to read: the given one, or a guess. Raises DataError that lists what is there.

    Without a flag that names it, the column must have a customary name.
    """
    chosen = given if given is not None else guess(names, customary)
    if chosen is None or chosen not in names:
        wanted = given or customary[0]
        free = next((name for name in names if guess([name], ALL_NAMES) is None), "NAME")
        raise DataError(
            place,
            f"no column '{wanted}'; found {', '.join(repr(name) for name in names) or 'none'}",
            hint=f"name one, such as {flag} {free}" if flag else f"call it {' or '.join(customary)}",
        )
    return chosen
