import itertools

import numpy as np
import pytest

from lstmtext.decoding.viterbi import FORBIDDEN, Transitions, best_paths
from lstmtext.text.spans import to_bio

BIO = ("B-A", "B-B", "I-A", "I-B", "O")


def drawn(rng: np.random.Generator, tags: int) -> Transitions:
    return Transitions(rng.normal(size=(tags, tags)), rng.normal(size=tags), rng.normal(size=tags))


def score(path: tuple[int, ...], emissions_WK: np.ndarray, transitions: Transitions) -> float:
    total = transitions.starts_K[path[0]] + transitions.ends_K[path[-1]]
    total += sum(emissions_WK[word, tag] for word, tag in enumerate(path))
    return total + sum(transitions.between_KK[pair] for pair in itertools.pairwise(path))


def best_by_trying_all(emissions_WK: np.ndarray, transitions: Transitions, allowed=lambda path: True) -> list[int]:
    paths = itertools.product(range(emissions_WK.shape[1]), repeat=len(emissions_WK))
    return list(max(filter(allowed, paths), key=lambda path: score(path, emissions_WK, transitions)))


@pytest.mark.parametrize("seed", range(8))
def test_best_paths_are_those_found_by_trying_all(seed: int):
    rng = np.random.default_rng(seed)
    transitions = drawn(rng, 3)
    words_B = np.array([5, 1, 3, 4])
    emissions_BWK = rng.normal(size=(4, 5, 3))
    paths = best_paths(emissions_BWK, words_B, transitions)
    for path, emissions_WK, words in zip(paths, emissions_BWK, words_B, strict=True):
        assert path.tolist() == best_by_trying_all(emissions_WK[:words], transitions)


@pytest.mark.parametrize("seed", range(8))
def test_under_bio_the_best_valid_path_is_found(seed: int):
    rng = np.random.default_rng(seed)
    transitions = drawn(rng, 5)
    emissions_BWK = rng.normal(size=(3, 4, 5)) + np.array([0, 0, 2, 2, 0])  # inside tags are tempting

    def valid(path: tuple[int, ...]) -> bool:
        tags = [BIO[tag] for tag in path]
        return to_bio(tags, "bio") == (tags, 0)

    free = best_paths(emissions_BWK, np.array([4, 4, 2]), transitions)
    paths = best_paths(emissions_BWK, np.array([4, 4, 2]), transitions.restricted(BIO))
    assert any(not valid(tuple(path)) for path in free)
    for path, emissions_WK in zip(paths, emissions_BWK, strict=True):
        assert path.tolist() == best_by_trying_all(emissions_WK[: len(path)], transitions, valid)


def test_what_stands_in_the_padding_changes_nothing():
    rng = np.random.default_rng(0)
    transitions = drawn(rng, 4)
    emissions_BWK = rng.normal(size=(2, 6, 4))
    words_B = np.array([3, 6])
    alone = best_paths(emissions_BWK[:1, :3], words_B[:1], transitions)[0]
    emissions_BWK[0, 3:] = 1e6 * rng.normal(size=(3, 4))
    assert best_paths(emissions_BWK, words_B, transitions)[0].tolist() == alone.tolist()


def test_a_sentence_without_words_has_an_empty_path():
    empty, full = best_paths(np.zeros((2, 1, 3)), np.array([0, 1]), drawn(np.random.default_rng(0), 3))
    assert (len(empty), len(full)) == (0, 1)


def test_restricting_leaves_the_original_and_other_tag_sets_alone():
    transitions = drawn(np.random.default_rng(0), 5)
    restricted = transitions.restricted(BIO)
    assert (restricted.between_KK == FORBIDDEN).sum() == 6
    assert (restricted.starts_K == FORBIDDEN).tolist() == [False, False, True, True, False]
    assert (transitions.between_KK > FORBIDDEN).all()
    assert (transitions.restricted(("ADJ", "NOUN", "VERB", "X", "Y")).between_KK == transitions.between_KK).all()
