"""Records as numbers: one example a record, and the batches that heads read.

An example is what a head needs of one record; a batch is a frozen set of padded arrays with their lengths.
Training and the runtime both make batches here, so that they read text the same way.
Letters: B batch, T tokens, W words, F features of a word or n-grams of a text, K labels, L labels of a text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice

import numpy as np

from lstmtext.config import Settings
from lstmtext.text.arrays import Bools, Floats, Ints
from lstmtext.text.batching import lengths_of, pad, real_places
from lstmtext.text.lexical import FEATURES, Hashes, Keys, known_rows, rows_of, text_ngrams, word_features
from lstmtext.text.tokenizer import BOUNDARY_ID, Tokenizer

WORD_TOKENS = 64
"""Tokens of a word that are read; a longer one keeps its ends, or endless words would fill the memory."""
NO_TARGET = -1
"""Label or tag id of a place that has no known answer."""


@dataclass(frozen=True)
class TextExample:
    """A text to classify: token ids between boundaries, n-gram hashes, the label's id, and tokens cut off.

    Its weight is how much it counts in training; where it may have several labels, their ids stand instead of the one.
    """

    ids: Sequence[int]
    ngrams: Hashes
    label: int = NO_TARGET
    cut: int = 0
    weight: float = 1.0
    labels: Sequence[int] | Ints = ()


@dataclass(frozen=True)
class SentenceExample:
    """A sentence to tag: token ids between boundaries; each word's first and last place among them; its words.

    `cut` are the places of words that are read without their middle.
    """

    ids: Sequence[int]
    first: Sequence[int]
    last: Sequence[int]
    words: Sequence[str]
    tags: Sequence[int] = ()
    cut: Sequence[int] = ()


@dataclass(frozen=True)
class TextBatch:
    """Texts: ids [B, T], lengths [B], rows of the n-gram table [B, F], labels [B], weights in the loss [B].

    Where a text may have several labels, they are those of [B, L], filled up with NO_TARGET.
    """

    ids_BT: Ints
    lengths_B: Ints
    ngrams_BF: Ints
    labels_B: Ints
    labels_BL: Ints
    weights_B: Floats


@dataclass(frozen=True)
class SentenceBatch:
    """Sentences: ids [B, T], lengths [B], places of words [B, W], word counts [B], feature rows [B, W, F]."""

    ids_BT: Ints
    lengths_B: Ints
    first_BW: Ints
    last_BW: Ints
    words_B: Ints
    features_BWF: Ints
    tags_BW: Ints


@dataclass(frozen=True)
class StreamBatch:
    """A window of contiguous rows: ids [B, T + 1], and the same places of the reversed text, or None."""

    ids_BT: Ints
    reversed_BT: Ints | None
    fresh_B: Bools
    """Whether a row starts anew, so that no state is carried into it, [B]."""


def text_examples(
    tokenizer: Tokenizer, texts: Sequence[str], settings: Settings, labels: Sequence[int] = ()
) -> list[TextExample]:
    """Examples of texts; a text longer than `text.max_tokens` keeps its beginning and its end."""
    own = settings.classify
    known = labels or [NO_TARGET] * len(texts)
    examples = []
    for text, ids, label in zip(texts, tokenizer.encode_batch(texts), known, strict=True):
        kept = keep_ends(ids, settings.text.max_tokens)
        ngrams = text_ngrams(text, own.bypass_ngrams, own.bypass_characters) if own.bypass else _NO_HASHES
        examples.append(TextExample(bounded(kept), ngrams, label, len(ids) - len(kept)))
    return examples


def sentence_examples(
    tokenizer: Tokenizer, sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[int]] = ()
) -> list[SentenceExample]:
    """Examples of sentences of words."""
    known = tags or [()] * len(sentences)
    groups = iter(tokenizer.encode_words(chain.from_iterable(sentences)))
    return [
        _sentence(words, list(islice(groups, len(words))), own) for words, own in zip(sentences, known, strict=True)
    ]


def collate_texts(examples: Sequence[TextExample], keys_N: Keys | None) -> TextBatch:
    """A batch of texts, with the n-grams that a bypass has rows for, told by their keys; without keys, with none."""
    rows = [example.ids for example in examples]
    return TextBatch(
        ids_BT=pad(rows),
        lengths_B=lengths_of(rows),
        ngrams_BF=pad([() if keys_N is None else known_rows(example.ngrams, keys_N) for example in examples]),
        labels_B=np.array([example.label for example in examples], dtype=np.int64),
        labels_BL=pad([example.labels for example in examples], NO_TARGET),
        weights_B=np.array([example.weight for example in examples], dtype=np.float64),
    )


def hashes_of(examples: Sequence[SentenceExample]) -> Hashes:
    """The lexical features of the words of sentences, [N, F], for as many batches of them as have use for it."""
    return word_features([example.words for example in examples])


def collate_sentences(
    examples: Sequence[SentenceExample], settings: Settings, hashes: Hashes | None = None
) -> SentenceBatch:
    """A batch of sentences; `hashes` are what `hashes_of` gives, where it is known."""
    rows = [example.ids for example in examples]
    words_B = lengths_of([example.first for example in examples])
    first_BW = pad([example.first for example in examples])
    width = first_BW.shape[1]
    features_BWF = np.zeros((*first_BW.shape, FEATURES if settings.tag.bypass else 0), dtype=np.int64)
    if settings.tag.bypass:
        hashes = hashes_of(examples) if hashes is None else hashes
        features_BWF[real_places(words_B, width)] = rows_of(hashes, settings.tag.bypass_rows)
    return SentenceBatch(
        ids_BT=pad(rows),
        lengths_B=lengths_of(rows),
        first_BW=first_BW,
        last_BW=pad([example.last for example in examples]),
        words_B=words_B,
        features_BWF=features_BWF,
        tags_BW=pad([example.tags for example in examples], NO_TARGET, width=width),
    )


def multi_hot(labels_BL: Ints, labels: int) -> Bools:
    """Whether a text has a label, [B, K], for the first so many labels."""
    has_BK = np.zeros((len(labels_BL), labels), dtype=bool)
    rows, places = np.nonzero((labels_BL != NO_TARGET) & (labels_BL < labels))
    has_BK[rows, labels_BL[rows, places]] = True
    return has_BK


def keep_ends(ids: Sequence[int], most: int) -> Sequence[int]:
    """At most `most` ids: those at the beginning and those at the end, half each."""
    if len(ids) <= most:
        return ids
    head = most - most // 2
    return [*ids[:head], *ids[len(ids) - most // 2 :]]


def bounded(ids: Iterable[int]) -> list[int]:
    """Ids between two boundaries, so that no text is empty and both directions start from something."""
    return [BOUNDARY_ID, *ids, BOUNDARY_ID]


def _sentence(words: Sequence[str], groups: Sequence[Sequence[int]], tags: Sequence[int]) -> SentenceExample:
    cut = [place for place, group in enumerate(groups) if len(group) > WORD_TOKENS]
    if cut:
        groups = [keep_ends(group, WORD_TOKENS) for group in groups]
    ends = list(accumulate(map(len, groups), initial=1))
    ids = bounded(chain.from_iterable(groups))
    return SentenceExample(ids, ends[:-1], [end - 1 for end in ends[1:]], words, tags, cut)


_NO_HASHES: Hashes = np.zeros(0, dtype=np.uint64)
