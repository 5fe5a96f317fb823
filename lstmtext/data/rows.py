"""Records to rows of numbers, in parts that several processes of a host can make side by side.

What the data decide (tokenizer, labels, schemes of tags) was found before, so a record becomes the same row in any
part; the parts one after the other are the whole, whatever their number.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lstmtext.config import Settings
from lstmtext.data.arrow import CHUNK, write_rows
from lstmtext.data.label_cells import LabelCells
from lstmtext.text.examples import sentence_examples, text_examples
from lstmtext.text.labels import Labels
from lstmtext.text.spans import Scheme, to_bio
from lstmtext.text.tokenizer import BOUNDARY_ID, Tokenizer
from lstmtext.text.words import count_words

if TYPE_CHECKING:
    import datasets

Chunk = dict[str, list[Any]]
"""Records or rows by column."""


class Encode(Protocol):
    """How the records of a task become rows."""

    @property
    def columns(self) -> dict[str, Any]:
        """Names and types of the rows' columns, as `write_rows` takes them."""
        ...

    def __call__(self, chunk: Chunk, counted: Counter[str]) -> Chunk:
        """Rows of some records; adds to what is counted on the way."""
        ...


@dataclass(frozen=True)
class EncodeTexts:
    """Texts to classify; the first `known` labels are those of training."""

    settings: Settings
    tokenizer: Tokenizer
    cells: LabelCells
    labels: Labels
    known: int

    @property
    def columns(self) -> dict[str, Any]:
        """See `Encode`."""
        return {"ids": ["int32"], "ngrams": ["uint64"], **self.cells.column, "weight": "float64"}

    def __call__(self, chunk: Chunk, counted: Counter[str]) -> Chunk:
        """See `Encode`."""
        labels = self.cells.ids(chunk["label"], self.labels)
        examples = text_examples(self.tokenizer, chunk["text"], self.settings)
        counted["truncated"] += sum(example.cut > 0 for example in examples)
        counted["cut_tokens"] += sum(example.cut for example in examples)
        counted["unknown_labels"] += sum(any(label >= self.known for label in own) for own in labels)
        counted["words"] += sum(len(text.split()) for text in chunk["text"])
        counted["tokens"] += sum(len(example.ids) - 2 + example.cut for example in examples)
        ids, ngrams = [e.ids for e in examples], [e.ngrams for e in examples]
        return {"ids": ids, "ngrams": ngrams, **self.cells.encoded(labels), "weight": chunk["weight"]}


TaggedSentences = Iterable[tuple[list[str], bool]]
"""Tags of each sentence, and whether it is replayed."""


@dataclass(frozen=True)
class Schemes:
    """How spans are written in the new data, and in those that are replayed."""

    new: Scheme
    old: Scheme

    def bio(self, sentences: TaggedSentences) -> Iterator[tuple[list[str], int]]:
        """Tags in BIO, and how many were repaired, of each sentence."""
        return (to_bio(tags, self.old if replayed else self.new) for tags, replayed in sentences)


@dataclass(frozen=True)
class EncodeSentences:
    """Sentences to tag; the first `known` tags are those of training."""

    tokenizer: Tokenizer
    schemes: Schemes
    tags: Labels
    known: int

    @property
    def columns(self) -> dict[str, Any]:
        """See `Encode`."""
        return {"ids": ["int32"], "first": ["int32"], "last": ["int32"], "words": ["string"], "tags": ["int32"]}

    def __call__(self, chunk: Chunk, counted: Counter[str]) -> Chunk:
        """See `Encode`."""
        converted = list(self.schemes.bio(zip(chunk["tags"], chunk["old"], strict=True)))
        ids = [[self.tags.id(tag) for tag in tags] for tags, _ in converted]
        examples = sentence_examples(self.tokenizer, chunk["words"], ids)
        counted["repaired_tags"] += sum(repaired for _, repaired in converted)
        counted["unknown_labels"] += sum(tag >= self.known for tags in ids for tag in tags)
        counted["words"] += sum(len(words) for words in chunk["words"])
        counted["tokens"] += sum(len(example.ids) - 2 for example in examples)
        return {name: [getattr(example, name) for example in examples] for name in self.columns}


@dataclass(frozen=True)
class EncodeStream:
    """Running text."""

    tokenizer: Tokenizer

    @property
    def columns(self) -> dict[str, Any]:
        """See `Encode`."""
        return {"ids": ["int32"], "characters": "int64", "bytes": "int64", "words": "int64"}

    def __call__(self, chunk: Chunk, counted: Counter[str]) -> Chunk:
        """See `Encode`."""
        texts = chunk["text"]
        ids = self.tokenizer.encode_batch(texts)
        words = [count_words(text) for text in texts]
        counted["words"] += sum(words)
        counted["tokens"] += sum(map(len, ids))
        return {
            "ids": [[*own, BOUNDARY_ID] if ends else own for own, ends in zip(ids, chunk["ends"], strict=True)],
            "characters": [len(text) for text in texts],
            "bytes": [len(text.encode("utf-8", "surrogatepass")) for text in texts],
            "words": words,
        }


@dataclass(frozen=True)
class RowMaking:
    """How all records of some splits become rows, in Arrow files of a work folder.

    It can be handed to another process of the host, which finds the records in their memory-mapped files.
    """

    splits: Mapping[str, "datasets.Dataset"]
    encode: Encode
    work: Path

    def part(self, own: int, of: int) -> Counter[str]:
        """Encode one of so many parts of each split; what was counted on the way."""
        counted = Counter[str]()
        for name, records in self.splits.items():
            first, end = (len(records) * place // of for place in (own, own + 1))
            chunks = (self.encode(chunk, counted) for chunk in records.select(range(first, end)).iter(CHUNK))
            rows = (dict(zip(chunk, row, strict=True)) for chunk in chunks for row in zip(*chunk.values(), strict=True))
            write_rows(rows, self._path(name, own), self.encode.columns)
        return counted

    def joined(self, parts: int) -> "datasets.DatasetDict":
        """All rows, once so many parts are made."""
        import datasets

        return datasets.DatasetDict(
            {
                name: datasets.concatenate_datasets(
                    [datasets.Dataset.from_file(str(self._path(name, own))) for own in range(parts)]
                )
                for name in self.splits
            }
        )

    def _path(self, split: str, part: int) -> Path:
        return self.work / f"{split}-{part}.arrow"


class MadeRows(NamedTuple):
    """The rows of all splits, and what was counted on the way."""

    tables: "datasets.DatasetDict"
    counted: Counter[str]


MakeRows = Callable[[RowMaking], MadeRows]
"""Who makes rows: this process alone, or all of its host."""


def make_alone(making: RowMaking) -> MadeRows:
    """All rows, in this process."""
    counted = making.part(0, 1)
    return MadeRows(making.joined(1), counted)
