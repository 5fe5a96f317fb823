"""Rows through the `datasets` library: Parquet files, local dataset folders, and names on the hub.

Files and hub datasets are streamed, so nothing is copied into a cache; a folder that `save_to_disk` wrote is
memory-mapped where it lies. Integer class labels become their names.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lstmtext.data.sources import HUB_PREFIX, Source
from lstmtext.data.tables import Row
from lstmtext.errors import DataError


def read_dataset(source: Source, split: str = "train") -> Iterator[tuple[int, Row]]:
    """Rows of a Parquet file, a dataset folder or `hf://owner/name`, numbered from 1.

    A split after a hash chooses another than train: `hf://owner/name#test`.
    Raises DataError with the library's own reason where nothing can be loaded.
    """
    name, _, chosen = (source.name, "", "") if source.format == "parquet" else source.name.partition("#")
    rows = _load(source, name, chosen or split)
    features = rows.features or {}
    yield from enumerate((_named(row, features) for row in rows), start=1)


def _load(source: Source, name: str, split: str) -> Any:  # noqa: ANN401  # the library's datasets are untyped
    import datasets

    datasets.disable_progress_bars()
    path = Path(name)
    try:
        if source.format == "parquet":
            return _stream("parquet", "train", data_files=name)
        if (path / "dataset_dict.json").exists():
            return datasets.load_from_disk(name)[split]
        if (path / "state.json").exists():
            return datasets.load_from_disk(name)
        return _stream(name.removeprefix(HUB_PREFIX), split)
    except Exception as error:  # whatever the library, the hub or a file's own code raises
        reason = " ".join(str(error).split())[:300]
        raise DataError(
            source.place(), f"cannot be loaded: {reason}", hint="check the name and the split (NAME#split)"
        ) from error


def _stream(name: str, split: str, data_files: str | None = None) -> Any:  # noqa: ANN401
    """Rows as they are asked for; the library's lock files go into a folder that is gone afterwards."""
    import datasets

    with tempfile.TemporaryDirectory() as locks:
        return datasets.load_dataset(name, data_files=data_files, split=split, streaming=True, cache_dir=locks)


def _named(row: dict[str, object], features: Any) -> Row:  # noqa: ANN401
    return {column: _name(value, features.get(column)) for column, value in row.items()}


def _name(value: object, feature: Any) -> object:  # noqa: ANN401
    inner = getattr(feature, "feature", None)
    if isinstance(value, list):
        return [_name(item, inner) for item in value]
    if isinstance(value, int) and hasattr(feature, "int2str"):
        return feature.int2str(value) if value >= 0 else None
    return value
