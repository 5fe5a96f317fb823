"""Rows through the `datasets` library and Arrow: Parquet files, local dataset folders, and names on the hub.

Folders in the hub's layout and hub datasets are streamed, so nothing is copied into a cache; a folder that
`save_to_disk` wrote is memory-mapped where it lies. Integer class labels become their names.
"""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lstmtext.data.sources import HUB_PREFIX, Source, open_bytes
from lstmtext.data.tables import Row
from lstmtext.errors import DataError


def read_parquet(source: Source) -> Iterator[tuple[int, Row]]:
    """Rows of a Parquet file, numbered from 1. What is no plain file is read into memory: the format needs to seek."""
    import pyarrow.parquet
    from datasets import Features

    try:
        with open_bytes(source.name) as stream:
            file = pyarrow.parquet.ParquetFile(_seekable(source, stream))
            features = Features.from_arrow_schema(file.schema_arrow)
            rows = (row for batch in file.iter_batches() for row in batch.to_pylist())
            yield from enumerate((_named(row, features) for row in rows), start=1)
    except Exception as error:  # Arrow's errors have no base of their own
        raise _unloaded(source, error, hint="check that it is a Parquet file with plain columns") from error


def read_dataset(source: Source) -> Iterator[tuple[int, Row]]:
    """Rows of a dataset folder or `hf://owner/name`, numbered from 1.

    A split after a hash chooses another than train: `hf://owner/name#test`.
    Raises DataError with the library's own reason where nothing can be loaded.
    """
    name, _, split = source.name.partition("#")
    try:
        with _without_torch():
            rows = _load(name, split)
            features = rows.features or {}
            yield from enumerate((_named(row, features) for row in rows), start=1)
    except Exception as error:  # whatever the library, the hub or a file's own code raises
        raise _unloaded(source, error, hint="check the name and the split (NAME#split)") from error


def _seekable(source: Source, stream: IO[bytes]) -> IO[bytes]:
    plain = Path(source.name).is_file() and not source.name.endswith(".gz")
    return stream if plain else io.BytesIO(stream.read())


def _load(name: str, split: str) -> Any:  # noqa: ANN401  # the library's datasets are untyped
    import datasets

    datasets.disable_progress_bars()
    path = Path(name)
    if (path / "dataset_dict.json").exists():
        return datasets.load_from_disk(name)[split or "train"]
    if (path / "state.json").exists():
        saved = datasets.load_from_disk(name)
        if split and str(saved.split) != split:
            raise ValueError(f"it has one split, '{saved.split}'")
        return saved
    # A folder by its whole path: the library takes some names, such as ".", for what it loads in other ways.
    place = str(path.absolute()) if path.is_dir() else name.removeprefix(HUB_PREFIX)
    with tempfile.TemporaryDirectory() as locks:  # the library's lock files are gone afterwards
        return datasets.load_dataset(place, split=split or "train", streaming=True, cache_dir=locks)


@contextmanager
def _without_torch() -> Iterator[None]:
    """Keep the library from importing torch, which no reading needs and which takes seconds."""
    import datasets

    before, datasets.config.TORCH_AVAILABLE = datasets.config.TORCH_AVAILABLE, False
    try:
        yield
    finally:
        datasets.config.TORCH_AVAILABLE = before


def _unloaded(source: Source, error: Exception, *, hint: str) -> DataError:
    reason = " ".join(str(error).split())[:300]
    return DataError(source.place(), f"cannot be loaded: {reason}", hint=hint)


def _named(row: dict[str, object], features: Any) -> Row:  # noqa: ANN401
    return {column: _name(value, features.get(column)) for column, value in row.items()}


def _name(value: object, feature: Any) -> object:  # noqa: ANN401
    inner = getattr(feature, "feature", None)
    if isinstance(value, list):
        return [_name(item, inner) for item in value]
    if isinstance(value, int) and hasattr(feature, "int2str"):
        return feature.int2str(value) if value >= 0 else None
    return value
