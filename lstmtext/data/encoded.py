"""An encoded dataset on disk: what `preprocess` writes and `train` reads.

A folder with `data/` (a `datasets` DatasetDict of train and validation, Arrow files that are memory-mapped),
`tokenizer.json` and `preprocess.json`. Examples are made from Arrow's own buffers, one at a time.
"""

import hashlib
import json
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmtext.config import Settings, TaskName
from lstmtext.data.ragged import Chosen, Ragged, column_digest
from lstmtext.errors import DataError, UsageError
from lstmtext.folders import replacing
from lstmtext.resolve import settings_from_sections
from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.examples import NO_TARGET, SentenceExample, TextExample
from lstmtext.text.labels import Labels
from lstmtext.text.lexical import Hashes
from lstmtext.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    import datasets

FORMAT = 3
DESCRIPTION = "preprocess.json"
TOKENIZER = "tokenizer.json"
DATA = "data"


@dataclass(frozen=True)
class Facts:
    """What preprocessing saw and did, for the report and the bundle."""

    task: TaskName
    labels: tuple[str, ...]
    label_counts: dict[str, int]
    sources: dict[str, str]
    """SHA-256 of what was read, by name; empty for what is no plain file."""
    truncated: int = 0
    cut_tokens: int = 0
    repaired_tags: int = 0
    unknown_labels: int = 0
    unknown: tuple[str, ...] = ()
    """Labels or tags that only validation has; their ids follow those of `labels`."""
    columns: dict[str, str] = field(default_factory=dict)
    """Names of the columns that held text, label and tag, as far as they were known."""
    replayed: int = 0
    """Training records that are replayed."""
    replayed_held: int = 0
    """Validation records that are; they stand after the others."""
    scheme: str = "none"
    words: int = 0
    tokens: int = 0
    train_tokens: int = 0
    """Tokens of the training split, boundaries included."""


class EncodedTexts:
    """Texts to classify, one by one; unless they are `weighted`, all count alike."""

    def __init__(self, table: "datasets.Dataset", *, weighted: bool) -> None:
        self._ids: Ragged | Chosen = Ragged(table.data.column("ids"))
        self._ngrams: Ragged | Chosen = Ragged(table.data.column("ngrams"))
        self.lengths: Ints = self._ids.lengths
        several = "labels" in table.column_names
        self.label_sets: Ragged | Chosen | None = Ragged(table.data.column("labels")) if several else None
        """The ids of each text's labels, where it may have several."""
        self.labels: Ints = np.full(len(self), NO_TARGET) if several else table.data.column("label").to_numpy()
        self.weights: Floats = table.data.column("weight").to_numpy() if weighted else np.ones(len(self.lengths))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> TextExample:
        return TextExample(
            self._ids[index],
            self._ngrams[index],
            int(self.labels[index]),
            weight=float(self.weights[index]),
            labels=() if self.label_sets is None else self.label_sets[index],
        )

    @property
    def ngram_counts(self) -> Ints:
        """How many n-grams each text has."""
        return self._ngrams.lengths

    def ngrams(self) -> Iterator[Hashes]:
        """The n-gram hashes of each text."""
        return (self._ngrams[index] for index in range(len(self)))

    def only(self, places: Ints) -> "EncodedTexts":
        """The texts at some places."""
        chosen = copy(self)
        chosen._ids, chosen._ngrams = Chosen(self._ids, places), Chosen(self._ngrams, places)
        chosen.label_sets = None if self.label_sets is None else Chosen(self.label_sets, places)
        chosen.lengths, chosen.labels = self.lengths[places], self.labels[places]
        chosen.weights = self.weights[places]
        return chosen


class EncodedSentences:
    """Sentences to tag, one by one."""

    def __init__(self, table: "datasets.Dataset") -> None:
        columns = table.data
        self._ids, self._first, self._last, self._tags = (
            Ragged(columns.column(c)) for c in ("ids", "first", "last", "tags")
        )
        self._words = columns.column("words")
        self.lengths: Ints = self._ids.lengths
        self.word_counts: Ints = self._first.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> SentenceExample:
        words = self._words[index].as_py()
        return SentenceExample(self._ids[index], self._first[index], self._last[index], words, self._tags[index])

    def __iter__(self) -> Iterator[SentenceExample]:
        return (self[index] for index in range(len(self)))


class EncodedStream:
    """Running text as one array of ids, with the counts that rates of a language model are spread over."""

    def __init__(self, table: "datasets.Dataset") -> None:
        self.ids = Ragged(table.data.column("ids")).joined()
        self.characters, self.bytes, self.words = (
            int(table.data.column(name).to_numpy().sum()) for name in ("characters", "bytes", "words")
        )

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class EncodedData:
    """A loaded encoded dataset."""

    tokenizer: Tokenizer
    settings: Settings
    facts: Facts
    tables: "datasets.DatasetDict"

    @property
    def task(self) -> TaskName:
        """What the data are for."""
        return self.facts.task

    @cached_property
    def labels(self) -> Labels:
        """Labels or tags, in the order of their ids."""
        return Labels(self.facts.labels)

    @property
    def every_label(self) -> tuple[str, ...]:
        """Labels or tags, and after them those that only validation has."""
        return (*self.facts.labels, *self.facts.unknown)

    def fingerprint(self) -> str:
        """SHA-256 of all that training reads: tokenizer, labels and encoded records."""
        digest = hashlib.sha256(self.tokenizer.to_json().encode())
        digest.update(json.dumps([self.facts.labels, self.facts.unknown]).encode())
        for name in sorted(self.tables):
            table = self.tables[name].data
            for column in sorted(table.column_names):
                digest.update(column_digest(table.column(column)))
        return digest.hexdigest()

    def texts(self, split: str) -> EncodedTexts:
        """Examples of a classification split; weights are for training alone."""
        return EncodedTexts(self.tables[split], weighted=split == "train")

    def sentences(self, split: str) -> EncodedSentences:
        """Examples of a tagging split."""
        return EncodedSentences(self.tables[split])

    def stream(self, split: str) -> EncodedStream:
        """The running text of a split."""
        return EncodedStream(self.tables[split])


def save_encoded(data: EncodedData, folder: Path) -> None:
    """Write an encoded dataset; an older one in its place stays until the new one is whole."""
    with replacing(folder, is_old=holds_only_encoded) as fresh:
        data.tables.save_to_disk(str(fresh / DATA))
        (fresh / TOKENIZER).write_text(data.tokenizer.to_json(), encoding="utf-8")
        description = {"format": FORMAT, "facts": data.facts.__dict__, "settings": data.settings.as_dict()}
        (fresh / DESCRIPTION).write_text(json.dumps(description, indent=2), encoding="utf-8")


def is_encoded(folder: Path) -> bool:
    """Whether a folder is one that `preprocess` wrote."""
    return (folder / DESCRIPTION).is_file()


def holds_only_encoded(folder: Path) -> bool:
    """Whether an encoded dataset is all that a folder holds, so that it may be replaced."""
    return {path.name for path in folder.iterdir()} == {DATA, TOKENIZER, DESCRIPTION}


def load_encoded(folder: Path) -> EncodedData:
    """Open an encoded dataset; Arrow files stay on disk. Raises DataError for a broken folder."""
    import datasets

    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise ValueError(f"format {description['format']} instead of {FORMAT}")
        tables = datasets.load_from_disk(str(folder / DATA))
        tokenizer = (folder / TOKENIZER).read_text(encoding="utf-8")
        facts, settings = _facts_from(description["facts"]), settings_from_sections(description["settings"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError) as error:
        raise DataError(
            folder, f"is not a complete encoded dataset: {error}", hint="run lstmtext preprocess again"
        ) from error
    return EncodedData(Tokenizer.from_json(tokenizer, folder / TOKENIZER), settings, facts, tables)


def _facts_from(content: dict[str, Any]) -> Facts:
    return Facts(**{**content, "labels": tuple(content["labels"]), "unknown": tuple(content["unknown"])})
