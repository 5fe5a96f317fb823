"""One preparer a task: it reads, checks and splits records, and encodes them once there is a tokenizer.

Left out: where the tokenizer comes from (`prepare`).
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmtext.config import Settings, TaskName
from lstmtext.data.arrow import CHUNK, values_of, write_rows
from lstmtext.data.encoded import EncodedData, Facts
from lstmtext.data.label_cells import LabelCells
from lstmtext.data.parts import DataPlan, Parts, read_parts
from lstmtext.data.ragged import Ragged
from lstmtext.data.readers import read_passages, read_sentences, read_texts
from lstmtext.data.sources import Source
from lstmtext.errors import DataError
from lstmtext.resolve import with_kept
from lstmtext.text.examples import sentence_examples, text_examples
from lstmtext.text.labels import Labels
from lstmtext.text.spans import OUTSIDE, detect_scheme, to_bio
from lstmtext.text.tokenizer import BOUNDARY_ID, Tokenizer
from lstmtext.text.words import count_words

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
    encode: Callable[[Settings, Tokenizer], EncodedData]


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
    facts = Counter[str]()

    def encode(settings: Settings, tokenizer: Tokenizer, chunk: dict[str, list[Any]]) -> dict[str, list[Any]]:
        known = cells.ids(chunk["label"], every)
        examples = text_examples(tokenizer, chunk["text"], settings)
        facts["truncated"] += sum(example.cut > 0 for example in examples)
        facts["cut_tokens"] += sum(example.cut for example in examples)
        facts["unknown_labels"] += sum(any(label >= len(names) for label in own) for own in known)
        facts["words"] += sum(len(text.split()) for text in chunk["text"])
        facts["tokens"] += sum(len(example.ids) - 2 + example.cut for example in examples)
        ids, ngrams = [e.ids for e in examples], [e.ngrams for e in examples]
        return {"ids": ids, "ngrams": ngrams, **cells.encoded(known), "weight": chunk["weight"]}

    kinds = {"ids": ["int32"], "ngrams": ["uint64"], **cells.column, "weight": "float64"}

    def encoded(settings: Settings, tokenizer: Tokenizer) -> EncodedData:
        tables = _encode_splits(parts, work, partial(encode, settings, tokenizer), kinds)
        counts = Counter(cells.names(train["label"]))
        made = _finish(plan, parts, settings, tokenizer, tables, facts, names, counts)
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
    pairs = list(zip(train["tags"], train["old"], strict=True))
    schemes = [detect_scheme(tags for tags, own in pairs if own == old) for old in (False, True)]

    def bio(part: Iterable[tuple[list[str], bool]]) -> list[tuple[list[str], int]]:
        return [to_bio(tags, schemes[old]) for tags, old in part]

    counts = Counter(tag for tags, _ in bio(pairs) for tag in tags)
    names, settings = _going_on(plan, settings, counts)
    if len(names) < 2:
        found = f"only one tag, '{names.names[0]}'" if names.names else "no words"
        raise DataError(plan.train[0].place(), found, expected="at least two tags")
    held = Labels.collect(tag for tags, _ in bio(zip(valid["tags"], valid["old"], strict=True)) for tag in tags)
    every = _with_unknown(plan, names, held, "tags")
    facts = Counter[str]()

    def encode(tokenizer: Tokenizer, chunk: dict[str, list[Any]]) -> dict[str, list[Any]]:
        converted = bio(zip(chunk["tags"], chunk["old"], strict=True))
        known = [[every.id(tag) for tag in tags] for tags, _ in converted]
        examples = sentence_examples(tokenizer, chunk["words"], known)
        facts["repaired_tags"] += sum(repaired for _, repaired in converted)
        facts["unknown_labels"] += sum(tag >= len(names) for tags in known for tag in tags)
        facts["words"] += sum(len(words) for words in chunk["words"])
        facts["tokens"] += sum(len(example.ids) - 2 for example in examples)
        return {name: [getattr(e, name) for e in examples] for name in ("ids", "first", "last", "words", "tags")}

    columns = {
        "ids": ["int32"],
        "first": ["int32"],
        "last": ["int32"],
        "words": ["string"],
        "tags": ["int32"],
    }

    def encoded(settings: Settings, tokenizer: Tokenizer) -> EncodedData:
        tables = _encode_splits(parts, work, partial(encode, tokenizer), columns)
        made = _finish(plan, parts, settings, tokenizer, tables, facts, names, counts)
        return replace(made, facts=replace(made.facts, scheme=schemes[0], unknown=every.names[len(names) :]))

    return Readied(settings, lambda: (" " + " ".join(words) for words in values_of(train, "words")), encoded)


def _prepare_stream(plan: DataPlan, settings: Settings, work: Path) -> Readied:
    def rows(sources: Sequence[Source]) -> Iterator[dict[str, object]]:
        for passage in read_passages(sources, plan.columns):
            yield {"text": passage.text, "ends": passage.ends}

    parts = read_parts(plan, settings, work, rows, {"text": "string", "ends": "bool"}, contiguous=True)
    facts = Counter[str]()

    def encode(tokenizer: Tokenizer, chunk: dict[str, list[Any]]) -> dict[str, list[Any]]:
        texts = chunk["text"]
        ids = tokenizer.encode_batch(texts)
        words = [count_words(text) for text in texts]
        facts["words"] += sum(words)
        facts["tokens"] += sum(map(len, ids))
        return {
            "ids": [[*own, BOUNDARY_ID] if ends else own for own, ends in zip(ids, chunk["ends"], strict=True)],
            "characters": [len(text) for text in texts],
            "bytes": [len(text.encode("utf-8", "surrogatepass")) for text in texts],
            "words": words,
        }

    columns = {"ids": ["int32"], "characters": "int64", "bytes": "int64", "words": "int64"}

    def encoded(settings: Settings, tokenizer: Tokenizer) -> EncodedData:
        tables = _encode_splits(parts, work, partial(encode, tokenizer), columns)
        for split, sources in (("train", plan.train), ("validation", plan.valid or plan.train)):
            if _token_count(tables[split]) < FEWEST_TOKENS:
                expected = f"{FEWEST_TOKENS} tokens for {split}"
                raise DataError(sources[0].place(), "too little text to learn from", expected=expected)
        return _finish(plan, parts, settings, tokenizer, tables, facts, Labels(()), Counter())

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


def _encode_splits(
    parts: Parts,
    work: Path,
    encode: Callable[[dict[str, list[Any]]], dict[str, list[Any]]],
    columns: dict[str, Any],
) -> "datasets.DatasetDict":
    import datasets

    made = {}
    for name, records in {"train": parts.train, "validation": parts.valid}.items():
        chunks = (encode(chunk) for chunk in records.iter(CHUNK))
        rows = (dict(zip(chunk, row, strict=True)) for chunk in chunks for row in zip(*chunk.values(), strict=True))
        made[name] = write_rows(rows, work / f"{name}.arrow", columns)
    return datasets.DatasetDict(made)


def _finish(
    plan: DataPlan,
    parts: Parts,
    settings: Settings,
    tokenizer: Tokenizer,
    tables: "datasets.DatasetDict",
    counted: Counter[str],
    names: Labels,
    label_counts: Counter[str],
) -> EncodedData:
    counts: dict[str, Any] = {name: int(count) for name, count in counted.items()}
    facts = Facts(
        task=plan.task,
        labels=names.names,
        label_counts={name: label_counts[name] for name in names.names},
        sources={source.name: _fingerprint(source) for source in (*plan.train, *plan.valid, *plan.replay)},
        columns=plan.columns.known(),
        train_tokens=_token_count(tables["train"]),
        replayed=parts.replayed,
        replayed_held=parts.replayed_held,
        **counts,
    )
    return EncodedData(tokenizer, settings, facts, tables)


def _token_count(table: "datasets.Dataset") -> int:
    return int(Ragged(table.data.column("ids")).lengths.sum())


def _fingerprint(source: Source) -> str:
    path = Path(source.name)
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
