"""Which column holds what: named by the user, or guessed from customary names."""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

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
WEIGHT_NAMES = ("weight", "weights", "sample_weight")
WORD_NAMES = ("words", "tokens")
TAG_NAMES = ("tags", "ner_tags", "upos", "pos_tags", "pos", "ner")
ALL_NAMES = (*TEXT_NAMES, *LABEL_NAMES, *WORD_NAMES, *TAG_NAMES)


@dataclass(frozen=True)
class Columns:
    """Column names the user gave; None where a guess is wanted."""

    text: str | None = None
    label: str | None = None
    tag: str | None = None
    weight: str | None = None
    """Never guessed: without a name, all rows count alike."""
    usual: Mapping[str, str] = field(default_factory=dict)
    """Names that are guessed before the customary ones, by what they hold: those that a model was trained on, or
    that were guessed from the first file; and their `format`, without which a column's number says nothing."""

    def tag_column(self, format_name: str) -> str | None:
        """The column of a CoNLL file that holds the tag; None for the format's own."""
        return self.tag or (self.usual.get("tag") if self.usual.get("format") == format_name else None)

    def known(self) -> dict[str, str]:
        """Names that were given or guessed before, by what they hold."""
        names = {"text": self.text, "label": self.label, "tag": self.tag, "weight": self.weight}
        return {**self.usual, **{kind: name for kind, name in names.items() if name is not None}}

    def text_of(self, names: Collection[str], place: str) -> str:
        """The column that holds the text. Raises DataError where there is none."""
        return find_column(names, self.text, self._guesses("text", TEXT_NAMES), flag="--text-column", place=place)

    def label_of(self, names: Collection[str], place: str) -> str:
        """The column that holds the label. Raises DataError where there is none."""
        return find_column(names, self.label, self._guesses("label", LABEL_NAMES), flag="--label-column", place=place)

    def tags_of(self, names: Collection[str], place: str) -> str:
        """The column that holds lists of tags. Raises DataError where there is none."""
        return find_column(names, self.tag, self._guesses("tag", TAG_NAMES), flag="--tag-column", place=place)

    def weight_of(self, names: Collection[str], place: str) -> str:
        """The column that holds how much a row counts. Raises DataError where there is none."""
        return find_column(names, self.weight, WEIGHT_NAMES, flag="--weight-column", place=place)

    def _guesses(self, kind: str, customary: tuple[str, ...]) -> tuple[str, ...]:
        return (self.usual[kind], *customary) if kind in self.usual else customary


NO_COLUMNS = Columns()
"""Nothing named: all is guessed."""


def guess(names: Collection[str], customary: tuple[str, ...]) -> str | None:
    """The first customary name among the columns, whatever its case."""
    by_lower = {name.strip().lower(): name for name in reversed(list(names))}
    return next((by_lower[key] for key in (name.strip().lower() for name in customary) if key in by_lower), None)


def find_column(
    names: Collection[str], given: str | None, customary: tuple[str, ...], *, flag: str | None, place: str
) -> str:
    """The column to read: the given one, or a guess. Raises DataError that lists what is there.

    Without a flag that names it, the column must have a customary name.
    """
    chosen = given if given is not None else guess(names, customary)
    if chosen is None or chosen not in names:
        wanted = given or customary[0]
        raise DataError(
            place,
            f"no column '{wanted}'; found {', '.join(repr(name) for name in names) or 'none'}",
            hint=_next_step(list(names), customary, flag),
        )
    return chosen


def _next_step(names: list[str], customary: tuple[str, ...], flag: str | None) -> str:
    """What to try where a column is not found."""
    if len(names) == 1 and any(mark in names[0] for mark in ",;\t"):
        return "the fields seem to be parted by something else; try --format csv or --format tsv"
    if flag is None:
        return f"call it {' or '.join(customary)}"
    free = [name for name in names if guess([name], ALL_NAMES) is None]
    likely = guess(names, customary) or (free[0] if len(free) == 1 else None)
    if likely is None and any(" " in name.strip() for name in names):
        return f"the first line must name the columns; else name it with {flag} NAME"
    return f"name it with {flag} {shlex.quote(likely) if likely else 'NAME'}"
