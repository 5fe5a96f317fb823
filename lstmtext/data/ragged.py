"""Columns of Arrow tables as numbers, left in their memory-mapped chunks."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lstmtext.text.arrays import Ints


class Ragged:
    """A column of lists, left in Arrow's memory-mapped chunks."""

    def __init__(self, column: Any) -> None:  # noqa: ANN401  # a pyarrow ChunkedArray of lists
        self._chunks = [(chunk.offsets.to_numpy(), chunk.values.to_numpy()) for chunk in column.chunks]
        counts = [len(offsets) - 1 for offsets, _ in self._chunks]
        self._firsts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        lengths = [np.diff(offsets) for offsets, _ in self._chunks]
        self.lengths: Ints = np.concatenate([np.zeros(0, dtype=np.int64), *lengths]).astype(np.int64)

    def __getitem__(self, index: int) -> Any:  # noqa: ANN401  # a slice of `values`, whatever its type
        chunk = int(np.searchsorted(self._firsts, index, side="right")) - 1
        offsets, values = self._chunks[chunk]
        place = index - self._firsts[chunk]
        return values[offsets[place] : offsets[place + 1]]

    def joined(self) -> "Joined":
        """All lists one after the other."""
        return Joined([values[offsets[0] : offsets[-1]] for offsets, values in self._chunks])


class Chosen:
    """The lists of a column at some places."""

    def __init__(self, column: "Ragged | Chosen", places: Ints) -> None:
        self._column, self._places = column, places
        self.lengths: Ints = column.lengths[places]

    def __getitem__(self, index: int) -> Any:  # noqa: ANN401  # as `Ragged`
        return self._column[self._places[index]]


class Joined:
    """Arrays one after the other, left where they are; read like one array, by integers, arrays of them and slices."""

    def __init__(self, parts: Sequence[Ints]) -> None:
        self._parts = parts
        self._firsts = np.cumsum([0, *map(len, parts)])

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def __getitem__(self, places: Ints | slice | int) -> Ints:
        if len(self._parts) == 1:
            return self._parts[0][places]
        wanted = np.arange(len(self))[places] if isinstance(places, slice) else np.asarray(places)
        chunks = np.searchsorted(self._firsts, wanted, side="right") - 1
        found = np.empty(wanted.shape, dtype=np.int32)
        for chunk in np.unique(chunks):
            own = chunks == chunk
            found[own] = self._parts[chunk][wanted[own] - self._firsts[chunk]]
        return found


def column_digest(column: Any) -> bytes:  # noqa: ANN401  # a pyarrow ChunkedArray
    """SHA-256 of the values of a column, the same however they are parted into chunks."""
    levels: defaultdict[int, Any] = defaultdict(hashlib.sha256)
    for chunk in column.chunks:
        for level, array in enumerate(_levels(chunk)):
            levels[level].update(np.ascontiguousarray(array))
    return b"".join(levels[level].digest() for level in sorted(levels))


def _levels(values: Any) -> Iterator[Any]:  # noqa: ANN401  # a pyarrow Array; numpy arrays
    """The lengths of lists, of lists in them and so on, and at last the numbers or characters that they hold."""
    import pyarrow

    while pyarrow.types.is_list(values.type):
        yield np.diff(values.offsets.to_numpy())
        values = values.flatten()
    if not pyarrow.types.is_string(values.type):
        yield values.to_numpy(zero_copy_only=False)
        return
    _, offsets, characters = values.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[values.offset : values.offset + len(values) + 1]
    yield np.diff(ends)
    yield np.frombuffer(characters or b"", dtype=np.uint8)[ends[0] : ends[-1]]
