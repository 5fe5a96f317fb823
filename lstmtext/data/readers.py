"""The table of formats, and records of one kind from any of them.

`READERS` is the closed set of formats. Each function below reads several sources one after the other.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import cast

from lstmtext.config import TaskName
from lstmtext.data import columns as names
from lstmtext.data.columns import Columns, find_column, guess
from lstmtext.data.conll import read_conll, read_conllu
from lstmtext.data.hub import read_dataset, read_parquet
from lstmtext.data.records import Passage, Sentence, TextRecord
from lstmtext.data.sources import Source, read_lines
from lstmtext.data.tables import Row, read_csv, read_jsonl, read_tsv
from lstmtext.errors import DataError
from lstmtext.text.labels import SEPARATOR, join_labels, labels_of

ROW_READERS: dict[str, Callable[[Source], Iterator[tuple[int, Row]]]] = {
    "csv": read_csv,
    "tsv": read_tsv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "dataset": read_dataset,
}
SENTENCE_READERS: dict[str, Callable[[Source, str | None], Iterator[Sentence]]] = {
    "conll": read_conll,
    "conllu": read_conllu,
}
READERS = ("text", *ROW_READERS, *SENTENCE_READERS)
"""Every format, by the name that `--format` takes."""

PASSAGE_CHARACTERS = 1 << 10
"""Running text is read in pieces of about this size, cut at line ends."""
SHOWN = 40
"""Characters of a wrong value that an error shows."""
MOST_WEIGHT = 1e9
"""What a row may count at most, so that sums of weights stay exact enough."""


def infer_task(source: Source, columns: Columns) -> tuple[TaskName, str]:
    """The task that data are for, and the reason in words."""
    if source.format in SENTENCE_READERS:
        return "tag", f"{source.format} columns"
    if source.format == "text":
        return "generate", "plain text"
    found = columns_of(source)
    if guess(found, names.WORD_NAMES) and (columns.tag or guess(found, names.TAG_NAMES)):
        return "tag", "columns of words and tags"
    label = columns.label or guess(found, names.LABEL_NAMES)
    return (
        ("classify", f"a column '{label}'")
        if label
        else ("generate", f"no label among the columns {', '.join(map(repr, found))}")
    )


def columns_of(source: Source) -> list[str]:
    """Column names of a source of rows. Raises DataError where there is no row."""
    first = next(ROW_READERS[source.format](source), None)
    if first is None:
        raise DataError(source.place(), "no records", expected="a header and at least one row")
    return list(first[1])


def read_texts(
    sources: Sequence[Source],
    columns: Columns,
    *,
    labelled: bool,
    weighted: bool = False,
    multi_label: bool = False,
    found: dict[str, str] | None = None,
) -> Iterator[TextRecord]:
    """Texts of sources of rows, with their labels where `labelled`; columns of the first go into `found`.

    They have weights where `weighted`, if a column of weights is named. With `multi_label`, the label is the sorted set
    of those in the cell, joined as `text.labels` has it.
    """
    for source in sources:
        if source.format not in ROW_READERS:
            raise DataError(
                source.place(),
                f"{source.format} has no label column",
                expected="one of " + ", ".join(ROW_READERS),
            )
        text = label = weight = ""
        for line, row in ROW_READERS[source.format](source):
            place = source.place(line)
            if not text:
                text = columns.text_of(row.keys(), place)
                label = columns.label_of(row.keys(), place) if labelled else ""
                weight = columns.weight_of(row.keys(), place) if weighted and columns.weight is not None else ""
                if found is not None:
                    found |= {"text": found.get("text", text), "label": found.get("label", label)}
            yield TextRecord(
                _value(row, text, place),
                _label(row, label, place, multi_label=multi_label) if labelled else None,
                line,
                _weight(row, weight, place) if weight else 1.0,
            )


def read_sentences(sources: Sequence[Source], columns: Columns) -> Iterator[Sentence]:
    """Tagged sentences of column files or of rows that hold lists of words and tags."""
    for source in sources:
        if source.format in SENTENCE_READERS:
            yield from SENTENCE_READERS[source.format](source, columns.tag_column(source.format))
        elif source.format in ROW_READERS:
            yield from _sentences_of_rows(source, columns)
        else:
            raise DataError(
                source.place(),
                "plain text has no tags",
                expected="conll, conllu, or rows with words and tags",
            )


def read_passages(sources: Sequence[Source], columns: Columns) -> Iterator[Passage]:
    """Running text: a text file is one document; a row's text, or a sentence's words, is one each."""
    for source in sources:
        if source.format == "text":
            yield from _passages_of_lines(source)
        elif source.format in SENTENCE_READERS:
            sentences = SENTENCE_READERS[source.format](source, columns.tag_column(source.format))
            yield from (Passage(" ".join(sentence.words), ends=True) for sentence in sentences)
        else:
            yield from (Passage(record.text, ends=True) for record in read_texts([source], columns, labelled=False))


def _passages_of_lines(source: Source) -> Iterator[Passage]:
    held: list[str] = []
    size = 0
    for _, line in read_lines(source):
        for piece in _pieces(line):
            if size >= PASSAGE_CHARACTERS:
                yield Passage("".join(held), ends=False)
                held, size = [], 0
            held.append(piece)
            size += len(piece)
    if held:
        yield Passage("".join(held), ends=True)


def _pieces(line: str) -> Iterator[str]:
    """A line in pieces of at most a passage's size, parted after spaces where there are some."""
    start = 0
    while len(line) - start > PASSAGE_CHARACTERS:
        end = start + PASSAGE_CHARACTERS
        end = line.rfind(" ", start, end) + 1 or end
        yield line[start:end]
        start = end
    yield line[start:]


def _sentences_of_rows(source: Source, columns: Columns) -> Iterator[Sentence]:
    words = tags = ""
    for line, row in ROW_READERS[source.format](source):
        place = source.place(line)
        words = words or find_column(row.keys(), None, names.WORD_NAMES, flag=None, place=place)
        tags = tags or columns.tags_of(row.keys(), place)
        own_words, own_tags = row.get(words), row.get(tags)
        if not isinstance(own_words, list) or not isinstance(own_tags, list) or len(own_words) != len(own_tags):
            raise DataError(place, f"'{words}' and '{tags}' do not match", expected="two lists of the same length")
        odd = [item for item in own_words if not isinstance(item, str | int | float)]
        odd += [item for item in own_tags if not isinstance(item, str | int) or item == ""]
        if odd:
            raise DataError(place, f"found {odd[0]!r} among words and tags", expected="texts, and no empty tag")
        yield Sentence(tuple(map(str, own_words)), tuple(map(str, own_tags)), line)


def _label(row: Row, column: str, place: str, *, multi_label: bool) -> str:
    value = row.get(column)
    if not multi_label:
        if isinstance(value, list):
            hint = "lists of labels are for models trained with --multi-label"
            raise DataError(place, f"'{column}' holds a list", expected="a text", hint=hint)
        return _value(row, column, place, filled=True)
    if value is None:
        raise DataError(place, f"'{column}' holds nothing", expected="labels, or an empty text or list for none")
    if not isinstance(value, list | dict):
        return join_labels(labels_of(str(value), multi_label=True))
    for name in value:  # of an object, such as classify writes, the keys
        if isinstance(name, bool) or not isinstance(name, str | int) or SEPARATOR in str(name):
            expected = f"labels, which are texts without '{SEPARATOR}'"
            raise DataError(place, f"'{column}' holds {name!r}", expected=expected)
    return join_labels(labels_of(join_labels(map(str, value)), multi_label=True))


def _value(row: Row, column: str, place: str, *, filled: bool = False) -> str:
    value = row.get(column)
    if value is None or isinstance(value, list | dict):
        raise DataError(
            place,
            f"'{column}' holds {type(value).__name__ if value is not None else 'nothing'}",
            expected="a text",
        )
    text = str(value)
    if filled and not text.strip():
        hint = "with --multi-label, a text may have none"
        raise DataError(place, f"'{column}' is empty", expected="a label in every row", hint=hint)
    return text.strip() if filled else text


def _weight(row: Row, column: str, place: str) -> float:
    value = row.get(column)
    number = -1.0
    if not isinstance(value, bool):
        with suppress(TypeError, ValueError, OverflowError):
            number = float(cast(str, value))
    if not 0 <= number <= MOST_WEIGHT:
        empty = value is None or (isinstance(value, str) and not value.strip())
        shown = repr(value) if len(repr(value)) <= SHOWN else repr(value)[: SHOWN - 1] + "…"
        found = f"'{column}' is empty" if empty else f"'{column}' holds {shown}"
        raise DataError(place, found, expected=f"a number from 0 to {MOST_WEIGHT:g}: how much the row counts")
    return number
