"""Hashed features of the words themselves, for the lexical bypass of the heads.

Small data belongs to such features: a linear model over them is what careful users have today (feature CRF,
n-grams with logistic regression). Hashes are full 64-bit numbers of words, mixed arithmetically for
n-grams and neighbours. A tagger reduces them to its table's rows with `rows_of`; a classifier has a row for each n-gram
that it knows, told by its key, and `known_rows` leaves the others out. Row 0 is padding.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.pieces import in_pieces
from lstmtext.text.words import word_texts

Hashes = npt.NDArray[np.uint64]
Keys = npt.NDArray[np.int32]
MOST_KEYS = (1 << 31) - 1
KEYS = "bypass.keys_N"
"""The name of their array in a head."""

FORMS = 9
"""Features of one word: itself, lower-cased, prefixes of 2 and 3, suffixes of 1 to 4, shape."""
FEATURES = 3 * FORMS + 4
"""Features of a word in its sentence: its own forms, those of both neighbours, and four of its surroundings."""

SHORTEST = 1e-6
"""Least length of a TF-IDF vector, so that a text without n-grams divides by no zero."""

CACHED_WORDS = 1 << 16
CACHED_LENGTH = 32
"""Longer words are hashed anew each time, so that a stream of long ones fills no memory."""

# Odd multipliers of 64 bits spread the bits of a product (Knuth, TAOCP 6.4; Steele et al., 2014).
_MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


def text_ngrams(text: str, longest: int, characters: int = 0) -> Hashes:
    """Hashes of the n-grams that occur in a text, each once, case folded.

    Those of 1 to `longest` words, and inside words (borders included) those of `characters` characters and of one less.
    """
    before: Hashes = np.zeros(0, dtype=np.uint64)
    found = []
    for piece in in_pieces(text):
        words = [word.casefold() for word in word_texts(piece)]
        inside = _joined(_word_pieces(word, characters) for word in set(words) if characters)
        singles = np.concatenate([before, _joined(map(_word_hash, words))])
        found.append(_distinct(np.concatenate([inside, *_runs(singles, longest)])))
        before = singles[max(0, len(singles) - longest + 1) :]  # n-grams that begin in this piece and end in the next
    return found[0] if len(found) == 1 else _distinct(np.concatenate(found))


def _distinct(hashes: Hashes) -> Hashes:
    """Each of some hashes once, in ascending order: `np.unique`, which loads `numpy.ma` for 20 ms of a cold start."""
    hashes = np.sort(hashes)
    first = np.ones(len(hashes), dtype=bool)
    np.not_equal(hashes[1:], hashes[:-1], out=first[1:])
    return hashes[first]


def _runs(singles: Hashes, longest: int) -> list[Hashes]:
    """Hashes of all runs of 1 to `longest` words, from those of the words."""
    grams = [singles]
    for _ in range(1, longest):
        shorter = grams[-1]
        if len(shorter) < 2:
            break
        following = singles[len(singles) - len(shorter) + 1 :]
        grams.append(_scramble(shorter[:-1] * _MIX[0] + following))
    return grams


def word_features(sentences: Sequence[Sequence[str]]) -> Hashes:
    """Hashes of the features of every word of some sentences, one sentence after the other, [W, FEATURES].

    Its forms, those of the word before and of the word after, then its pairs with both and the two words beyond.
    """
    ends = _BORDER * 2  # of every sentence, on both sides
    own = _joined(part for words in sentences for part in (ends, *map(_word_forms, words), ends)).reshape(-1, FORMS)
    counts = np.array([len(words) for words in sentences], dtype=np.int64)
    shifts = 2 + 4 * np.arange(len(counts))  # how many ends stand before the words of a sentence
    places = np.arange(counts.sum()) + np.repeat(shifts, counts)
    lower = own[:, 1]
    first, second, middle, fourth, last = (lower[places + beside] for beside in (-2, -1, 0, 1, 2))
    before = _scramble(second * _MIX[0] + middle)
    after = _scramble(middle * _MIX[0] + fourth) * _MIX[1]
    beyond = [_scramble(first * _MIX[1]) * _MIX[0], _scramble(last * _MIX[2]) * _MIX[0]]
    features = np.empty((len(places), FEATURES), dtype=np.uint64)
    features[:, :FORMS] = own[places]
    features[:, FORMS : 2 * FORMS] = _scramble(own * _MIX[1])[places - 1]
    features[:, 2 * FORMS : 3 * FORMS] = _scramble(own * _MIX[2])[places + 1]
    features[:, 3 * FORMS :] = np.stack([before, after, *beyond], axis=1)
    return features


def rows_of(hashes: Hashes, buckets: int) -> Ints:
    """Table rows 1 to buckets - 1 of hashes."""
    return (1 + hashes % np.uint64(buckets - 1)).astype(np.int32)


def keys_of(hashes: Hashes) -> Keys:
    """Numbers from 1 to 2^31 - 1 that stand for hashes in little room."""
    return (1 + _scramble(hashes * _MIX[0]) % np.uint64(MOST_KEYS)).astype(np.int32)


def known_rows(hashes: Hashes, keys_N: Keys) -> Ints:
    """Table rows, ascending, of hashes whose keys are among those of the rows, which ascend; none has the key 0."""
    keys = np.sort(keys_of(hashes))  # a search for neighbours finds memory that is at hand: half the time
    rows = np.searchsorted(keys_N, keys).astype(np.int32)
    rows[rows == len(keys_N)] = 0
    known: Ints = rows[keys_N[rows] == keys]
    return known


def keys_in(head: Mapping[str, Floats]) -> Keys | None:
    """The keys of a classifier's n-grams among the arrays of a head, where there are."""
    found = head.get(KEYS)
    return None if found is None else found.astype(np.int32, copy=False)


def _joined(parts: Iterable[bytes]) -> Hashes:
    """Hashes that were kept as bytes, as one array: words recur, and bytes are joined faster than numbers."""
    return np.frombuffer(b"".join(parts), dtype=np.uint64)


def _bytes_of(texts: Iterable[str]) -> bytes:
    """Hashes of texts, eight bytes each."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return np.array([zlib.crc32(data) << 32 | zlib.adler32(data) for data in encoded], dtype=np.uint64).tobytes()


def _word_hash(word: str) -> bytes:
    return _cached_hash(word) if len(word) <= CACHED_LENGTH else _bytes_of([word])


@lru_cache(maxsize=CACHED_WORDS)
def _cached_hash(word: str) -> bytes:
    return _bytes_of([word])


def _word_pieces(word: str, characters: int) -> bytes:
    """Hashes of the n-grams inside one word; a word that is shorter than that has none."""
    make = _cached_pieces if len(word) <= CACHED_LENGTH else _cached_pieces.__wrapped__
    return make(word, characters)


@lru_cache(maxsize=CACHED_WORDS)
def _cached_pieces(word: str, characters: int) -> bytes:
    bordered = f"<{word}>"
    sizes = range(max(1, characters - 1), characters + 1)
    return _bytes_of("c " + bordered[at : at + n] for n in sizes for at in range(len(bordered) - n + 1))


def _word_forms(word: str) -> bytes:
    return _cached_forms(word) if len(word) <= CACHED_LENGTH else _cached_forms.__wrapped__(word)


@lru_cache(maxsize=CACHED_WORDS)
def _cached_forms(word: str) -> bytes:
    lower = word.lower()
    forms = (
        "w " + word,
        "l " + lower,
        "p2" + lower[:2],
        "p3" + lower[:3],
        "s1" + lower[-1:],
        "s2" + lower[-2:],
        "s3" + lower[-3:],
        "s4" + lower[-4:],
        "h " + _shape(word),
    )
    return _bytes_of(forms)


def _shape(word: str) -> str:
    """Classes of the characters, runs cut to two: "McDonald-2000" is XxXxx-dd."""
    classes = "".join("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word)
    return "".join(c for i, c in enumerate(classes) if not (i > 1 and classes[i - 1] == c == classes[i - 2]))


def _scramble(hashes: Hashes) -> Hashes:
    return hashes ^ (hashes >> np.uint64(29))


_BORDER = _bytes_of(f"border {index}" for index in range(FORMS))
