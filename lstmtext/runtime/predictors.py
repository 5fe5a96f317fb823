"""Text in, answers out: one predictor a task, over an engine.

Predictors take lists of any length and batch them by length; an answer does not depend on its neighbours.
They may be asked from several threads at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np

from lstmtext.bundle import Bundle
from lstmtext.decoding.label_sets import label_probabilities
from lstmtext.decoding.sampling import log_softmax
from lstmtext.decoding.viterbi import Transitions, best_paths
from lstmtext.description import HeadInfo
from lstmtext.runtime.engine import Chain, Engine, Value
from lstmtext.runtime.inputs import sentence_inputs, text_inputs
from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.batching import plan_batches
from lstmtext.text.examples import (
    SentenceExample,
    collate_sentences,
    collate_texts,
    hashes_of,
    sentence_examples,
    text_examples,
)
from lstmtext.text.lexical import KEYS, keys_in
from lstmtext.text.pieces import Window, windows_of
from lstmtext.text.spans import is_bio, to_bio
from lstmtext.text.tokenizer import BOUNDARY_ID, PAD_ID

BATCH_TOKENS = 1600
"""Token places in a batch: large enough for full vector units, small enough for the cache."""
MOST_PADDING = 0.1
"""Share of padding above which a batch of several texts is not added to: few lines have few of like length."""
NGRAMS_PER_PLACE = 8
"""N-grams of a text that cost about as much memory as one token place."""
LONGEST_SENTENCE, MARGIN = 1024, 64
"""Words of a sentence that are read at once, and those on either side of a window that only lend their context."""
WINDOWS = 256
"""Windows that are made ready at once, so that a sentence of millions of words needs no memory for all of them."""
WINDOW = 256
"""Tokens that a language model reads at once."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class TextAnswer:
    """Probabilities of all labels, [K], and how many tokens of the text were cut away.

    They sum to 1 unless a text may have several labels.
    """

    probabilities_K: Floats
    cut: int


class TextPredictor:
    """Labels of texts."""

    def __init__(self, bundle: Bundle, head: str, info: HeadInfo) -> None:
        self.labels = info.labels
        self.multi_label = info.multi_label
        self.thresholds_K: Floats | None = None
        """Probabilities above which a text has a label, where it may have several."""
        if self.multi_label:
            self.thresholds_K = bundle.head_arrays(head, "thresholds_K")[""]
        self._tokenizer = bundle.tokenizer
        self._settings = info.settings
        self._engine = Chain.of(bundle, head)
        keys = bundle.head_arrays(head, KEYS)  # without the table, which the graph has
        self._keys_N = keys_in({KEYS + name: own for name, own in keys.items()})

    def predict(self, texts: Sequence[str]) -> list[TextAnswer]:
        """An answer a text, in order."""
        examples = text_examples(self._tokenizer, texts, self._settings)

        def run(places: Ints) -> Iterator[TextAnswer]:
            chosen = [examples[place] for place in places]
            batch = collate_texts(chosen, self._keys_N)
            logits_BK = self._engine.run(text_inputs(batch))[0].astype(np.float64)
            probabilities_BK = label_probabilities(logits_BK, multi_label=self.multi_label)
            return (TextAnswer(row, example.cut) for row, example in zip(probabilities_BK, chosen, strict=True))

        sizes = [max(len(example.ids), len(example.ngrams) // NGRAMS_PER_PLACE) for example in examples]
        return _in_batches(sizes, run)


class TagAnswers(NamedTuple):
    """For each head the tags of each sentence, one a word, and how many words were read without their middle."""

    by_head: list[list[list[str]]]
    cut: int


class _TagHead:
    """One head of those that read the same states."""

    def __init__(self, bundle: Bundle, name: str, info: HeadInfo) -> None:
        self.tags, self.settings = info.labels, info.settings
        graph = bundle.graph(name)
        assert graph is not None, "each head has a graph"
        self.engine = Engine(graph)
        self.transitions = Transitions.of(bundle.head_arrays(name, "crf.")).restricted(info.labels)

    def joined(self, windows: Sequence[Window], tagged: Sequence[list[str]]) -> list[str]:
        """The tags of a sentence from those of its windows; where two meet, a span may need a new beginning."""
        if len(windows) == 1:
            return tagged[0]
        tags = [tag for window, own in zip(windows, tagged, strict=True) for tag in own[window.kept]]
        return to_bio(tags, "bio")[0] if is_bio(self.tags) else tags


class SentencePredictor:
    """Tags of the words of sentences, by one head or by several, for all of which the encoder runs once."""

    def __init__(self, bundle: Bundle, *heads: tuple[str, HeadInfo]) -> None:
        self.tags = [info.labels for _, info in heads]
        """Those of each head."""
        self._tokenizer = bundle.tokenizer
        graph = bundle.graph()
        assert graph is not None, "a tagger reads the encoder"
        self._encoder = Engine(graph)
        self._heads = [_TagHead(bundle, *head) for head in heads]

    def predict(self, sentences: Sequence[Sequence[str]]) -> TagAnswers:
        """Tags of all words; long sentences are read in windows that overlap."""
        windows = [windows_of(len(words), LONGEST_SENTENCE, MARGIN) for words in sentences]
        read = ((words, window) for words, own in zip(sentences, windows, strict=True) for window in own)
        by_head: list[list[list[str]]] = [[] for _ in self._heads]
        cut = 0
        while part := list(islice(read, WINDOWS)):
            examples = sentence_examples(self._tokenizer, [words[window.read] for words, window in part])
            for tagged, own in zip(by_head, self._tags(examples), strict=True):
                tagged.extend(own)
            cut += sum(
                window.kept.start <= place < window.kept.stop
                for example, (_, window) in zip(examples, part, strict=True)
                for place in example.cut
            )
        made = []
        for head, tagged in zip(self._heads, by_head, strict=True):
            rest = iter(tagged)
            made.append([head.joined(own, list(islice(rest, len(own)))) for own in windows])
        return TagAnswers(made, cut)

    def _tags(self, examples: Sequence[SentenceExample]) -> list[list[list[str]]]:
        """For each head the tags of each example."""

        def run(places: Ints) -> Iterator[tuple[list[str], ...]]:
            chosen = [examples[place] for place in places]
            hashes = hashes_of(chosen) if any(head.settings.tag.bypass for head in self._heads) else None
            states: dict[str, Value] = {}
            by_head = []
            for head in self._heads:
                batch = collate_sentences(chosen, head.settings, hashes)
                inputs = sentence_inputs(batch)
                states = states or self._encoder.values(inputs)
                paths = best_paths(head.engine.run({**inputs, **states})[0], batch.words_B, head.transitions)
                by_head.append([[head.tags[tag] for tag in path] for path in paths])
            return zip(*by_head, strict=True)

        answers = _in_batches([len(example.ids) for example in examples], run)
        return [[own[place] for own in answers] for place in range(len(self._heads))]


LanguageState = tuple[Floats, Floats]
"""Hidden and cell states of the forward stack, [L, B, H] each."""


class LanguagePredictor:
    """A step model, and the nats of texts."""

    def __init__(self, bundle: Bundle, head: str, info: HeadInfo) -> None:
        self._engine = Chain.of(bundle, head)
        encoder = bundle.info.encoder
        zeros = np.zeros((encoder.layers, 1, encoder.hidden_size), dtype=np.float32)
        self._zeros: LanguageState = (zeros, zeros)
        self.never = [PAD_ID] + ([bundle.tokenizer.unknown_id] if bundle.tokenizer.unknown_id is not None else [])

    def start(self, ids: Sequence[int]) -> tuple[LanguageState, Floats]:
        """See `decoding.generation.StepModel`."""
        state = self._zeros
        for place in range(0, len(ids), WINDOW):
            logits_BTV, state = self._read(ids[place : place + WINDOW], state)
        return state, self._drawable(logits_BTV[0, -1])

    def step(self, state: LanguageState, token: int) -> tuple[LanguageState, Floats]:
        """See `decoding.generation.StepModel`."""
        logits_BTV, after = self._read([token], state)
        return after, self._drawable(logits_BTV[0, 0])

    def nats(self, passages: Iterable[Sequence[int]]) -> Iterator[tuple[float, int]]:
        """Summed nats and number of the tokens of each passage, read on from the passage before."""
        state, previous = self._zeros, BOUNDARY_ID
        for ids in passages:
            total = 0.0
            for place in range(0, len(ids), WINDOW):
                targets = ids[place : place + WINDOW]
                logits_BTV, state = self._read([previous, *targets[:-1]], state)
                total -= float(log_softmax(logits_BTV[0])[np.arange(len(targets)), targets].sum(dtype=np.float64))
                previous = targets[-1]
            yield total, len(ids)

    def _read(self, ids: Sequence[int], state: LanguageState) -> tuple[Floats, LanguageState]:
        inputs: dict[str, Floats | Ints] = {
            "ids": np.array([ids], dtype=np.int64),
            "hidden": state[0],
            "cell": state[1],
        }
        logits_BTV, hidden, cell = self._engine.run(inputs)
        return logits_BTV, (hidden, cell)

    def _drawable(self, logits_V: Floats) -> Floats:
        logits_V[self.never] = -np.inf
        return logits_V


def _in_batches(lengths: Sequence[int], run: Callable[[Ints], Iterator[Answer]]) -> list[Answer]:
    """Answers in the order of `lengths`, made batch by batch."""
    answers: dict[int, Answer] = {}
    for batch in plan_batches(np.array(lengths, dtype=np.int64), BATCH_TOKENS, most_padding=MOST_PADDING):
        answers.update(zip(batch.tolist(), run(batch), strict=True))
    return [answers[place] for place in range(len(lengths))]
