"""Label and tag names with their ids: an immutable, ordered set."""

from collections.abc import Iterable


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
