"""The training and the validation records of a plan: read, held out, and mixed with old ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmtext.config import Setting, Settings, TaskName
from lstmtext.data.arrow import write_rows
from lstmtext.data.columns import NO_COLUMNS, Columns
from lstmtext.data.sources import Source
from lstmtext.data.splits import label_set_strata, stratified_split
from lstmtext.errors import DataError
from lstmtext.text.arrays import Ints
from lstmtext.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    import datasets

Rows = Callable[[Sequence[Source]], Iterator[dict[str, object]]]


@dataclass(frozen=True)
class KnownHead:
    """What a head that may go on asks of data: it keeps its labels or tags, and settings that decide its shape."""

    place: Path
    labels: tuple[str, ...]
    shape: Mapping[str, Setting]


@dataclass(frozen=True)
class DataPlan:
    """What to read, and how."""

    task: TaskName
    train: tuple[Source, ...]
    valid: tuple[Source, ...] = ()
    columns: Columns = NO_COLUMNS
    tokenizer: Tokenizer | None = None
    """A tokenizer to reuse; None learns one from the training texts."""
    replay: tuple[Source, ...] = ()
    """Old data, of which a part is mixed into training and validation."""
    head: KnownHead | None = None
    """The head that may go on with the data."""


@dataclass(frozen=True)
class Parts:
    """Records as they were read; those that are replayed stand after the others."""

    train: "datasets.Dataset"
    valid: "datasets.Dataset"
    replayed: int = 0
    replayed_held: int = 0


def read_parts(
    plan: DataPlan,
    settings: Settings,
    work: Path,
    rows: Rows,
    features: dict[str, Any],
    *,
    key: str | None = None,
    contiguous: bool = False,
) -> Parts:
    """Training and validation records; without validation data, a part of the training data is held out.

    Of the data to replay, at most `transfer.replay` times as many records as are new are drawn by chance (running text
    in one piece), and a part of them is held out too. Raises DataError where there are too few records.
    """
    import datasets

    train = write_rows(rows(plan.train), work / "read-train.arrow", features)
    if not len(train):
        raise DataError(plan.train[0].place(), "no records", expected="at least two")
    if plan.valid:
        valid = write_rows(rows(plan.valid), work / "read-valid.arrow", features)
        if not len(valid):
            raise DataError(plan.valid[0].place(), "no records", expected="at least one")
    elif len(train) < 2:
        raise DataError(plan.train[0].place(), "only one record", expected="at least two, or --valid FILE")
    else:
        train, valid = _held_out(train, settings, work / "new", key, contiguous=contiguous)
    if not plan.replay:
        return Parts(train, valid)
    old = write_rows(rows(plan.replay), work / "read-replay.arrow", features)
    most = round(settings.transfer.replay * len(train))
    if len(old) > most:
        rng = np.random.default_rng(settings.train.seed)
        first = int(rng.integers(len(old) - most + 1))
        old = old.select(range(first, first + most) if contiguous else np.sort(rng.permutation(len(old))[:most]))
    if len(old) < 2:
        raise DataError(
            plan.replay[0].place(), f"{len(old)} records to replay", expected="at least two", hint="see transfer.replay"
        )
    replayed, held = _held_out(old, settings, work / "old", key, contiguous=contiguous)
    both = datasets.concatenate_datasets
    return Parts(both([train, replayed]), both([valid, held]), len(replayed), len(held))


def _held_out(
    records: "datasets.Dataset", settings: Settings, place: Path, key: str | None, *, contiguous: bool
) -> tuple["datasets.Dataset", "datasets.Dataset"]:
    """Records to learn from and records to validate on; which they are stands in two files beside a place."""
    share = min(settings.train.validation_share, settings.train.validation_records / len(records))
    if contiguous:  # running text: the end is held out, so that what is before stays in one piece
        first = min(len(records) - 1, max(1, round(len(records) * (1 - share))))
        return records.select(range(first)), records.select(range(first, len(records)))
    labels = records[key] if key else [0] * len(records)
    if settings.classify.multi_label:
        labels = label_set_strata(records["label"], share)
    kept, held = stratified_split(labels, share, settings.train.seed)

    def part(name: str, chosen: Ints) -> "datasets.Dataset":
        return records.select(chosen, indices_cache_file_name=f"{place}.{name}.arrow")

    return part("kept", kept), part("held", held)
