"""Label and tag names with their ids: an immutable, ordered set. And sets of labels of a text, as one cell of data."""

from collections.abc import Iterable

SEPARATOR = "|"
"""Stands between the labels of a text that may have several."""
THRESHOLD = 0.5
"""Probability above which such a text has a label, where nothing lower promises a better F1."""


class Labels:
    """Names in a fixed order; the position of a name is its id."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._ids = {name: index for index, name in enumerate(self.names)}
        assert len(self._ids) == len(self.names), "label names repeat"

    @classmethod
    def collect(cls, seen: Iterable[str]) -> "Labels":
        """All names seen, sorted, so that the order of the data does not matter."""
        return cls(sorted(set(seen)))

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    def id(self, name: str) -> int:
        """The id of a known name."""
        return self._ids[name]


def join_labels(names: Iterable[str]) -> str:
    """A set of labels as the cell that data hold."""
    return SEPARATOR.join(names)


def labels_of(cell: str, *, multi_label: bool) -> tuple[str, ...]:
    """The labels that a cell says: itself, or those that it parts, sorted and each once; of an empty cell none."""
    if not multi_label:
        return (cell,)
    return tuple(sorted({part.strip() for part in cell.split(SEPARATOR)} - {""}))
