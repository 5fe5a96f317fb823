"""Rows in memory-mapped Arrow files."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets

CHUNK = 1000
"""Records encoded at once."""


def write_rows(rows: Iterable[dict[str, object]], path: Path, columns: dict[str, Any]) -> "datasets.Dataset":
    """Rows as a memory-mapped Arrow file; a one-element list stands for a column of lists."""
    import datasets
    from datasets.arrow_writer import ArrowWriter

    datasets.disable_progress_bars()
    kinds = {
        name: datasets.List(datasets.Value(kind[0])) if isinstance(kind, list) else datasets.Value(kind)
        for name, kind in columns.items()
    }
    writer = ArrowWriter(path=str(path), features=datasets.Features(kinds))
    for row in rows:
        writer.write(row)
    writer.finalize()
    return datasets.Dataset.from_file(str(path))


def values_of(table: "datasets.Dataset", column: str) -> Iterator[Any]:
    """The values of a column, one by one."""
    return (value for chunk in table.iter(CHUNK) for value in chunk[column])
