import json
import os
import subprocess
import sys

import numpy as np

from lstmtext.text.lexical import FEATURES, FORMS, MOST_KEYS, keys_of, known_rows, rows_of, text_ngrams, word_features

WORDS = ["McDonald-2000", "ate", "soup", "été"]
TEXT = "The soup was good, the soup was hot"
PINNED_WORDS = 13109089676012136918
PINNED_NGRAMS = 71357933315807439
PINNED_CHARACTERS = 6483835494426401432
PINNED_KEYS = 266610238
PROGRAM = (
    "import json, sys; from lstmtext.text.lexical import word_features, text_ngrams;"
    "words, text = json.load(sys.stdin);"
    "print(json.dumps([word_features([words]).tolist(), text_ngrams(text, 3).tolist()]))"
)


def test_hashes_are_the_same_in_another_process_with_another_hash_seed():
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([WORDS, TEXT]),
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert json.loads(done.stdout) == [word_features([WORDS]).tolist(), text_ngrams(TEXT, 3).tolist()]


def test_hashes_stay_what_saved_bundles_were_trained_with():
    assert int(np.bitwise_xor.reduce(word_features([WORDS]), axis=None)) == PINNED_WORDS
    assert int(np.bitwise_xor.reduce(text_ngrams(TEXT, 3))) == PINNED_NGRAMS
    assert int(np.bitwise_xor.reduce(text_ngrams(TEXT, 3, 5))) == PINNED_CHARACTERS
    assert int(np.bitwise_xor.reduce(keys_of(text_ngrams(TEXT, 3, 5)))) == PINNED_KEYS


def test_a_word_changes_its_own_features_and_those_of_its_neighbours_only():
    before = word_features([["a", "b", "c", "d", "e"]])
    after = word_features([["a", "b", "XX9", "d", "e"]])
    changed = before != after
    own, left, right = (changed[:, block * FORMS : (block + 1) * FORMS].any(1) for block in range(3))
    assert own.tolist() == [False, False, True, False, False]
    assert left.tolist() == [False, False, False, True, False]
    assert right.tolist() == [False, True, False, False, False]


def test_pairs_and_the_words_beyond_the_neighbours_are_features():
    def surroundings(words: str):
        return word_features([words.split()])[2, 3 * FORMS :].tolist()

    usual = surroundings("a b c d e")
    assert len(usual) == len(set(usual)) == 4
    for changed, words in {(0,): "a B' c d e", (1,): "a b c D' e", (2,): "A' b c d e", (3,): "a b c d E'"}.items():
        now = surroundings(words)
        assert tuple(place for place in range(4) if now[place] != usual[place]) == changed
    assert surroundings("b a c d e")[0] != surroundings("c a b d e")[0]
    assert surroundings("x b c d y")[2:] != surroundings("y b c d x")[2:]
    assert word_features([["c"]])[0].tolist() != word_features([["c", "c"]])[0].tolist()


def test_the_same_word_is_another_feature_before_than_after():
    features = word_features([["x", "y", "x"]])
    _own, left, right = (set(features[1, block * FORMS : (block + 1) * FORMS].tolist()) for block in range(3))
    assert not left & right


def test_the_ends_of_a_sentence_are_features_too():
    alone, inside = word_features([["b"]])[0], word_features([["a", "b", "c"]])[1]
    assert (alone[:FORMS] == inside[:FORMS]).all()
    assert (alone[FORMS:-2] != inside[FORMS:-2]).all()  # beyond the neighbours both have the end


def test_no_words_give_no_features():
    assert word_features([]).shape == (0, FEATURES)
    assert text_ngrams("", 3).shape == (0,)
    assert text_ngrams(" \n", 1).shape == (0,)


def test_ngrams_occur_once_whatever_their_case_and_count():
    singles = {"the", "soup", "was", "good", ",", "hot"}
    pairs = {"the soup", "soup was", "was good", "good ,", ", the", "was hot"}
    assert len(text_ngrams(TEXT, 1)) == len(singles)
    assert len(text_ngrams(TEXT, 2)) == len(singles | pairs)
    assert text_ngrams(TEXT.upper(), 2).tolist() == text_ngrams(TEXT, 2).tolist()
    assert text_ngrams("one two", 5).tolist() == text_ngrams("one two", 2).tolist()


def test_the_order_of_words_matters_to_pairs_and_not_to_single_words():
    assert text_ngrams("not good", 1).tolist() == text_ngrams("good not", 1).tolist()
    assert text_ngrams("not good", 2).tolist() != text_ngrams("good not", 2).tolist()


def test_characters_inside_words_are_features_with_the_borders_of_the_word():
    words = len(text_ngrams("cat", 1))
    inside = {"<ca", "cat", "at>", "<cat", "cat>"}
    assert len(text_ngrams("cat cat", 1, 4)) == words + len(inside)
    shared = set(text_ngrams("cat", 1, 4).tolist()) & set(text_ngrams("bobcat", 1, 4).tolist())
    assert len(shared) == len({"cat", "at>", "cat>"})
    assert len(text_ngrams("a", 1, 4)) == 1 + len({"<a>"})
    assert text_ngrams("Cat", 1, 4).tolist() == text_ngrams("cAT", 1, 4).tolist()


def test_rows_leave_out_the_padding_row_and_stay_in_the_table():
    hashes = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    rows = rows_of(hashes, 1024)
    assert rows.min() == 1
    assert rows.max() == 1023
    assert rows.tolist() == [1 + value % 1023 for value in hashes.tolist()]


def test_keys_are_positive_and_all_but_unique():
    keys = keys_of(np.arange(1_000_000, dtype=np.uint64))
    assert (int(keys.min()) >= 1, int(keys.max()) <= MOST_KEYS) == (True, True)
    expected = len(keys) ** 2 / 2 / MOST_KEYS  # pairs that share a key by chance: 233
    assert abs(len(keys) - len(np.unique(keys)) - expected) < 5 * expected**0.5


def test_rows_are_those_of_known_ngrams_and_others_have_none():
    hashes = text_ngrams("never a dull moment", 2)
    known, unknown = hashes[::2], hashes[1::2]
    for free in (1, 5):
        keys_N = np.concatenate([np.zeros(free, dtype=np.int32), np.sort(keys_of(known))])
        rows = known_rows(hashes, keys_N)
        assert rows.tolist() == list(range(free, len(keys_N)))
        assert keys_N[rows].tolist() == np.sort(keys_of(known)).tolist()
        assert known_rows(unknown, keys_N).tolist() == []
    assert known_rows(hashes, np.zeros(4, dtype=np.int32)).tolist() == []
