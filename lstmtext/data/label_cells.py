"""Labels of texts in tables: read as cells, one label or a set of them, then encoded; and what is too little to learn.

How a cell holds a set stands in `text.labels`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lstmtext.errors import DataError
from lstmtext.text.labels import Labels, labels_of

HELD_OUT = "are held out for validation; give --valid FILE, or more rows"


@dataclass(frozen=True)
class LabelCells:
    """What cells of labels hold: one label each, or several."""

    several: bool

    @property
    def column(self) -> dict[str, Any]:
        """Name and type of the encoded column."""
        return {"labels": ["int32"]} if self.several else {"label": "int64"}

    def names(self, cells: Iterable[str]) -> Iterator[str]:
        """The labels of all cells, one after the other."""
        return (name for cell in cells for name in labels_of(cell, multi_label=self.several))

    def ids(self, cells: Iterable[str], labels: Labels) -> list[list[int]]:
        """The ids of each cell's labels."""
        return [[labels.id(name) for name in labels_of(cell, multi_label=self.several)] for cell in cells]

    def encoded(self, ids: Sequence[list[int]]) -> dict[str, list[Any]]:
        """The encoded column of such ids."""
        return {"labels": list(ids)} if self.several else {"label": [label for (label,) in ids]}

    def check(self, known: Labels, held: Labels, place: str, *, held_out: bool) -> None:
        """Raise DataError where the labels of training are too few to tell apart."""
        if len(known) >= (1 if self.several else 2):
            return
        found = f"only one label, '{known.names[0]}'" if known.names else "no row has a label"
        hidden = held_out and not set(held.names) <= set(known.names)
        hint = f"the rows of others {HELD_OUT}" if hidden else ""
        raise DataError(place, found, expected="at least " + ("one" if self.several else "two"), hint=hint)
