"""One preparer a task: it reads, checks and splits records, and has them encoded once there is a tokenizer.

Left out: where the tokenizer comes from (`prepare`), and how a record becomes numbers (`rows`).
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmtext.config import Settings, TaskName
from lstmtext.data.arrow import values_of
from lstmtext.data.encoded import EncodedData, Facts
from lstmtext.data.label_cells import LabelCells
from lstmtext.data.parts import DataPlan, Parts, read_parts
from lstmtext.data.ragged import Ragged
from lstmtext.data.readers import read_passages, read_sentences, read_texts
from lstmtext.data.rows import (
    Encode,
    EncodeSentences,
    EncodeStream,
    EncodeTexts,
    MadeRows,
    MakeRows,
    RowMaking,
    Schemes,
    TaggedSentences,
)
from lstmtext.data.sources import Source
from lstmtext.errors import DataError
from lstmtext.resolve import with_kept
from lstmtext.text.labels import Labels
from lstmtext.text.spans import OUTSIDE, detect_scheme
from lstmtext.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    import datasets

FEWEST_TOKENS = 3
"""A language model needs a token to read and one to foretell, besides the end."""


@dataclass(frozen=True)
class Readied:
    """Data that were read and split, and wait for a tokenizer."""

    settings: Settings
    texts: Callable[[], Iterable[str]]
    """What a tokenizer may learn from: the training texts."""
    encode: Callable[[Settings, Tokenizer, MakeRows], EncodedData]


def _prepare_texts(plan: DataPlan, settings: Settings, work: Path) -> Readied:
    columns: dict[str, str] = {}
    cells = LabelCells(settings.classify.multi_label)
    read = partial(read_texts, columns=plan.columns, labelled=True, multi_label=cells.several, found=columns)

    def rows(sources: Sequence[Source]) -> Iterator[dict[str, object]]:
        records = counting = 0
        for record in read(sources, weighted=sources is plan.train):
            records += 1
            if record.weight:  # what does not count is not read at all, so that it decides nothing else either
                counting += 1
                yield {"text": record.text, "label": record.label, "weight": record.weight}
        if records and not counting:
            found = f"'{plan.columns.weight}' is 0 in every training row"
            raise DataError(sources[0].place(), found, expected="a row that counts")

    features = {"text": "string", "label": "string", "weight": "float64"}
    parts = read_parts(plan, settings, work, rows, features, key="label")
    train, valid = parts.train, parts.valid
    place, held_out = plan.train[0].place(), not plan.valid
    names, settings = _going_on(plan, settings, cells.names(train.unique("label")))
    held = Labels.collect(cells.names(valid.unique("label")))
    cells.check(names, held, place, held_out=held_out)
    every = _with_unknown(plan, names, held, "labels") if len(held) else names

    def encoded(settings: Settings, tokenizer: Tokenizer, make_rows: MakeRows) -> EncodedData:
        rows = make_rows(_making(parts, EncodeTexts(settings, tokenizer, cells, every, len(names)), work))
        counts = Counter(cells.names(train["label"]))
        made = _finish(plan, parts, settings, tokenizer, rows, names, counts)
        known = {**plan.columns.known(), **columns}
        return replace(made, facts=replace(made.facts, unknown=every.names[len(names) :], columns=known))

    return Readied(settings, lambda: values_of(train, "text"), encoded)


def _prepare_sentences(plan: DataPlan, settings: Settings, work: Path) -> Readied:
    def rows(sources: Sequence[Source]) -> Iterator[dict[str, object]]:
        for sentence in read_sentences(sources, plan.columns):
            yield {"words": sentence.words, "tags": sentence.tags, "old": sources is plan.replay}

    features = {"words": ["string"], "tags": ["string"], "old": "bool"}
    parts = read_parts(plan, settings, work, rows, features)
    train, valid = parts.train, parts.valid
    old, new = (detect_scheme(tags for tags, own in _tagged(train) if own == replayed) for replayed in (True, False))
    schemes = Schemes(new, old)
    counts = Counter(tag for tags, _ in schemes.bio(_tagged(train)) for tag in tags)
    names, settings = _going_on(plan, settings, counts)
    if len(names) < 2:
        found = f"only one tag, '{names.names[0]}'" if names.names else "no words"
        raise DataError(plan.train[0].place(), found, expected="at least two tags")
    held = Labels.collect(tag for tags, _ in schemes.bio(_tagged(valid)) for tag in tags)
    every = _with_unknown(plan, names, held, "tags")

    def encoded(settings: Settings, tokenizer: Tokenizer, make_rows: MakeRows) -> EncodedData:
        rows = make_rows(_making(parts, EncodeSentences(tokenizer, schemes, every, len(names)), work))
        made = _finish(plan, parts, settings, tokenizer, rows, names, counts)
        return replace(made, facts=replace(made.facts, scheme=schemes.new, unknown=every.names[len(names) :]))

    return Readied(settings, lambda: (" " + " ".join(words) for words in values_of(train, "words")), encoded)


def _tagged(sentences: "datasets.Dataset") -> TaggedSentences:
    return zip(values_of(sentences, "tags"), values_of(sentences, "old"), strict=True)


def _prepare_stream(plan: DataPlan, settings: Settings, work: Path) -> Readied:
    def rows(sources: Sequence[Source]) -> Iterator[dict[str, object]]:
        for passage in read_passages(sources, plan.columns):
            yield {"text": passage.text, "ends": passage.ends}

    parts = read_parts(plan, settings, work, rows, {"text": "string", "ends": "bool"}, contiguous=True)

    def encoded(settings: Settings, tokenizer: Tokenizer, make_rows: MakeRows) -> EncodedData:
        rows = make_rows(_making(parts, EncodeStream(tokenizer), work))
        for split, sources in (("train", plan.train), ("validation", plan.valid or plan.train)):
            if _token_count(rows.tables[split]) < FEWEST_TOKENS:
                expected = f"{FEWEST_TOKENS} tokens for {split}"
                raise DataError(sources[0].place(), "too little text to learn from", expected=expected)
        return _finish(plan, parts, settings, tokenizer, rows, Labels(()), Counter())

    return Readied(settings, lambda: values_of(parts.train, "text"), encoded)


PREPARERS: dict[TaskName, Callable[[DataPlan, Settings, Path], Readied]] = {
    "classify": _prepare_texts,
    "tag": _prepare_sentences,
    "generate": _prepare_stream,
}


def _going_on(plan: DataPlan, settings: Settings, seen: Iterable[str]) -> tuple[Labels, Settings]:
    """The labels of the training records; where a head goes on with them, also its labels, and settings of its shape.

    It does unless it is about something else. Raises UsageError where the user chose another shape.
    """
    found, head = Labels.collect(seen), plan.head
    shares = head is not None and any(name in found for name in head.labels if name != OUTSIDE)
    if head is None or not (shares or settings.transfer.head == "keep"):
        return found, settings
    reason = f"{head.place} has; --set transfer.head=new takes its encoder alone"
    return Labels.collect((*found.names, *head.labels)), with_kept(settings, plan.task, head.shape, reason)


def _with_unknown(plan: DataPlan, names: Labels, held: Labels, kind: str) -> Labels:
    """The labels of training, and after them those that only validation has.

    Raises DataError where nothing that validation has occurs in training.
    """
    unknown = [name for name in held.names if name not in names]
    if len(unknown) == len(held):
        place = (plan.valid or plan.train)[0].place()
        shown, expected = (", ".join(map(repr, some[:5])) for some in (held.names, names.names))
        found = f"none of its {kind} occurs in training; found {shown}"
        hint = (
            "" if plan.valid else f"a part of it is held out for validation; are its {kind} numbers, or all different?"
        )
        raise DataError(place, found, expected=f"some of {expected}", hint=hint)
    return Labels((*names.names, *unknown))


def _making(parts: Parts, encode: Encode, work: Path) -> RowMaking:
    return RowMaking({"train": parts.train, "validation": parts.valid}, encode, work)


def _finish(
    plan: DataPlan,
    parts: Parts,
    settings: Settings,
    tokenizer: Tokenizer,
    rows: MadeRows,
    names: Labels,
    label_counts: Counter[str],
) -> EncodedData:
    counts: dict[str, Any] = {name: int(count) for name, count in rows.counted.items()}
    facts = Facts(
        task=plan.task,
        labels=names.names,
        label_counts={name: label_counts[name] for name in names.names},
        sources={source.name: _fingerprint(source) for source in (*plan.train, *plan.valid, *plan.replay)},
        columns=plan.columns.known(),
        train_tokens=_token_count(rows.tables["train"]),
        replayed=parts.replayed,
        replayed_held=parts.replayed_held,
        **counts,
    )
    return EncodedData(tokenizer, settings, facts, rows.tables)


def _token_count(table: "datasets.Dataset") -> int:
    return int(Ragged(table.data.column("ids")).lengths.sum())


def _fingerprint(source: Source) -> str:
    path = Path(source.name)
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
