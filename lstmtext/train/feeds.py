"""Where batches come from: shuffled ones for training, ordered ones for validation.

A feed gives the batches of one pass. Its order depends only on the random generator it is handed.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar, cast

import numpy as np

from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData, EncodedStream
from lstmtext.data.ragged import Joined
from lstmtext.errors import UsageError
from lstmtext.nn.model import AnyBatch
from lstmtext.text.arrays import Bools, Ints
from lstmtext.text.batching import plan_batches
from lstmtext.text.examples import (
    SentenceBatch,
    SentenceExample,
    StreamBatch,
    TextBatch,
    TextExample,
    collate_sentences,
    collate_texts,
)
from lstmtext.text.lexical import Keys
from lstmtext.text.tokenizer import BOUNDARY_ID

LEAST_WINDOWS = 128
"""Windows of a row of validation text, so that few tokens lack their past."""

WAIT_SECONDS = 0.1
"""How long the making of batches goes on unaware that nobody takes them any more."""

Item = TypeVar("Item")
Example = TypeVar("Example", TextExample, SentenceExample)
Example_co = TypeVar("Example_co", covariant=True)
Made = TypeVar("Made", TextBatch, SentenceBatch)


class Examples(Protocol[Example_co]):
    """Whatever gives examples one by one."""

    def __getitem__(self, index: int, /) -> Example_co:
        """The example at a place."""
        ...


class Feed(Protocol):
    """Training batches of one pass."""

    def lazily(self, rng: np.random.Generator) -> Iterator[tuple[float, Callable[[], AnyBatch]]]:
        """One pass in random order: with the share of the pass that is done after each batch, what makes it.

        Making draws nothing from the generator, so that a batch that is not made costs next to nothing.
        """
        ...

    def shuffled(self, rng: np.random.Generator, skip: int = 0) -> Iterator[tuple[float, AnyBatch]]:
        """The batches of such a pass, less its first ones."""
        ...


@dataclass(frozen=True)
class RecordFeed(Generic[Example, Made]):
    """Batches of separate records under a token budget."""

    examples: Examples[Example]
    lengths: Ints
    collate: Callable[[Sequence[Example], Settings], Made]
    settings: Settings
    rank: int = 0
    size: int = 1
    """Of a batch in training, this rank of so many has every so manyth record."""

    def plan(self, rng: np.random.Generator) -> list[Ints]:
        """Indices of the records of each batch of a pass, of which each rank has at least one."""
        return at_least(plan_batches(self.lengths, self.settings.train.batch_tokens, rng), self.size)

    def lazily(self, rng: np.random.Generator) -> Iterator[tuple[float, Callable[[], Made]]]:
        """One pass over all records."""
        batches = self.plan(rng)
        for done, batch in enumerate(batches, start=1):
            yield done / len(batches), partial(self._collate, batch[self.rank :: self.size])

    def shuffled(self, rng: np.random.Generator, skip: int = 0) -> Iterator[tuple[float, Made]]:
        """See `Feed`."""
        return made(self.lazily(rng), skip)

    def ordered(self) -> Iterator[tuple[Ints, Made]]:
        """All records by length, with their indices."""
        for batch in plan_batches(self.lengths, 4 * self.settings.train.batch_tokens):
            yield batch, self._collate(batch)

    def _collate(self, batch: Ints) -> Made:
        return self.collate([self.examples[index] for index in batch], self.settings)


@dataclass(frozen=True)
class StreamFeed:
    """Windows of contiguous rows of running text, for truncated back-propagation."""

    ids: Joined | Ints
    settings: Settings
    rank: int = 0
    size: int = 1
    """This rank of so many has every so manyth row."""

    def lazily(self, rng: np.random.Generator) -> Iterator[tuple[float, Callable[[], StreamBatch]]]:
        """One pass; rows begin at another place every time, so that windows fall differently."""
        rows, window = self._shape()
        first = int(rng.integers(len(self.ids)))
        length = max(1, (len(self.ids) - 1) // rows)
        own = slice(self.rank, None, self.size)
        starts = np.arange(rows)[own, None] * length
        for place in range(0, length, window):
            fresh_B = (rng.random(rows) < (self.settings.generate.restart if place else 1.0))[own]
            end = min(place + window, length)
            # A pass begins with boundaries, and no token is lost.
            places = starts + np.arange(place - (place == 0), end + 1)
            yield end / length, partial(self._window, first, places, fresh_B)

    def shuffled(self, rng: np.random.Generator, skip: int = 0) -> Iterator[tuple[float, StreamBatch]]:
        """See `Feed`."""
        return made(self.lazily(rng), skip)

    def _window(self, first: int, places: Ints, fresh_B: Bools) -> StreamBatch:
        both = self.settings.encoder.directions == "both"
        backward = _opened(self._read(first - 1 - places), fresh_B) if both else None
        return StreamBatch(_opened(self._read(first + places), fresh_B), backward, fresh_B)

    def _shape(self) -> tuple[int, int]:
        """Rows and window, fewer rows where the text is too short to fill them."""
        settings = self.settings.generate
        rows = min(settings.rows, max(1, (len(self.ids) - 1) // settings.window))
        return max(rows, self.size), settings.window

    def _read(self, places: Ints) -> Ints:
        """Ids at places of the text as a ring; only what is read of it need be in memory."""
        return self.ids[places % len(self.ids)].astype(np.int64)


def made(items: Iterator[tuple[float, Callable[[], Item]]], skip: int) -> Iterator[tuple[float, Item]]:
    """Items that are made when asked for, but for the first ones, which are not made at all."""
    return ((share, make()) for share, make in islice(items, skip, None))


def ahead(items: Iterator[Item], depth: int = 2) -> Iterator[Item]:
    """The same items, made by another thread while the one before is worked on."""
    ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(depth)
    left = threading.Event()

    def put(item: Item | None, error: BaseException | None) -> None:
        while not left.is_set():
            with suppress(queue.Full):
                ready.put((item, error), timeout=WAIT_SECONDS)
                return

    def make() -> None:
        try:
            for item in items:
                put(item, None)
                if left.is_set():
                    return
            put(None, StopIteration())
        except Exception as error:  # whatever it is, it belongs to whoever takes the items
            put(None, error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield cast(Item, item)
    finally:
        left.set()
        thread.join()


def _opened(ids_BT: Ints, fresh_B: Bools) -> Ints:
    """Fresh rows begin with a boundary, or the model would never learn what may follow one without a past."""
    ids_BT[fresh_B, 0] = BOUNDARY_ID
    return ids_BT


def stream_windows(stream: EncodedStream, rows: int, window: int) -> Iterator[StreamBatch]:
    """A text in order from its first token on, as up to `rows` long rows for speed; what is left over is a short one.

    Each row begins with a boundary, as a text does; the past that its first tokens lack weighs little, since a row
    has at least LEAST_WINDOWS windows.
    """
    count = len(stream.ids)
    rows = max(1, min(rows, count // (LEAST_WINDOWS * window)))
    length = count // rows
    for starts_B, ends in ((np.arange(rows) * length, length), (np.array([rows * length]), count - rows * length)):
        for place in range(0, ends, window):
            places_BT = starts_B[:, None] + np.arange(place - 1, min(place + window, ends))
            fresh_B = np.full(len(starts_B), place == 0)
            yield StreamBatch(_opened(stream.ids[np.maximum(places_BT, 0)], fresh_B), None, fresh_B)


def text_feed(
    data: EncodedData, split: str, settings: Settings, keys_N: Keys | None
) -> RecordFeed[TextExample, TextBatch]:
    """The texts of a split, with the n-grams of these keys."""
    texts = data.texts(split)
    return RecordFeed(texts, texts.lengths, lambda examples, _: collate_texts(examples, keys_N), settings)


def sentence_feed(data: EncodedData, split: str, settings: Settings) -> RecordFeed[SentenceExample, SentenceBatch]:
    """The sentences of a split."""
    sentences = data.sentences(split)
    return RecordFeed(sentences, sentences.lengths, collate_sentences, settings)


def at_least(batches: list[Ints], least: int) -> list[Ints]:
    """Batches of at least so many records, where there are so many: smaller ones are joined."""
    if least == 1:
        return batches
    joined: list[Ints] = []
    held: list[Ints] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= least:
            joined.append(np.concatenate(held))
            held = []
    if held and joined:
        joined[-1] = np.concatenate([joined[-1], *held])
    return joined


def train_feed(data: EncodedData, settings: Settings, rank: int = 0, size: int = 1) -> Feed:
    """The training batches of a dataset; a classifier's bypass is not trained by steps, so texts have no n-grams."""
    feeds: dict[str, Callable[[], Any]] = {
        "classify": lambda: text_feed(data, "train", settings, None),
        "tag": lambda: sentence_feed(data, "train", settings),
        "generate": lambda: StreamFeed(data.stream("train").ids, settings),
    }
    own = feeds[data.task]()
    if isinstance(own, RecordFeed) and len(own.lengths) < size:
        found = f"{len(own.lengths)} training records for {size} processes"
        raise UsageError("torchrun --nproc-per-node", found, expected="a record for each process at least")
    feed: Feed = replace(own, rank=rank, size=size)
    return feed
