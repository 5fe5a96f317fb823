import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.scheme import IOB2, Tokens

from lstmtext.text.spans import Span, bio_spans, detect_scheme, forbidden_transitions, is_bio, to_bio

BIO_TAGS = st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "I-X"]), max_size=12)
SPANS = st.lists(st.tuples(st.sampled_from(["O", "PER", "LOC"]), st.integers(1, 4)), max_size=6)


def written(spans: list[tuple[str, int]], scheme: str) -> list[str]:
    """Tags of runs of words, in a scheme; a run of O is that many outside words."""
    tags: list[str] = []
    before = "O"
    for label, size in spans:
        inner = [f"I-{label}"] * size
        if label == "O":
            inner = ["O"] * size
        elif scheme == "bio" or (scheme == "iob1" and before == label):
            inner[0] = f"B-{label}"
        elif scheme == "bioes":
            inner = [f"S-{label}"] if size == 1 else [f"B-{label}", *inner[1:-1], f"E-{label}"]
        tags += inner
        before = label
    return tags


@given(SPANS)
@pytest.mark.parametrize("scheme", ["iob1", "bio", "bioes"])
def test_every_scheme_becomes_the_same_bio_without_repairs(scheme: str, spans: list[tuple[str, int]]):
    assert to_bio(written(spans, scheme), scheme) == (written(spans, "bio"), 0)


@given(BIO_TAGS)
def test_bio_spans_are_those_of_seqeval_in_strict_iob2(tags: list[str]):
    entities = [Span(entity.tag, entity.start, entity.end) for entity in Tokens(tags, IOB2).entities]
    assert bio_spans(tags) == entities


@given(BIO_TAGS)
def test_repaired_tags_are_valid_bio_and_each_repair_is_counted(tags: list[str]):
    repaired, count = to_bio(tags, "bio")
    assert to_bio(repaired, "bio") == (repaired, 0)
    assert count == sum(own != other for own, other in zip(tags, repaired, strict=True))
    assert [tag[2:] for tag in repaired] == [tag[2:] for tag in tags]
    if repaired:
        names = sorted(set(repaired))
        bad = set(forbidden_transitions(names))
        ids = [-1, *(names.index(tag) for tag in repaired)]
        assert not bad & set(itertools.pairwise(ids))


@pytest.mark.parametrize(
    ("scheme", "tags", "made", "repairs"),
    [
        ("bio", "I-A I-A O I-B", "B-A I-A O B-B", 2),
        ("bio", "B-A I-B I-B", "B-A B-B I-B", 1),
        ("iob1", "I-A I-A B-A I-B", "B-A I-A B-A B-B", 0),
        ("bioes", "S-A I-A E-A", "B-A B-A I-A", 1),
        ("bioes", "B-A E-A E-A", "B-A I-A B-A", 1),
        ("bioes", "U-A B-A L-A", "B-A B-A I-A", 0),
        ("bio", "B-A NOUN I-A", "B-A NOUN B-A", 1),
        ("none", "NOUN VERB I-X", "NOUN VERB I-X", 0),
    ],
)
def test_tags_that_continue_nothing_begin_a_span(scheme: str, tags: str, made: str, repairs: int):
    assert to_bio(tags.split(), scheme) == (made.split(), repairs)


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["B-A I-A O"], "bio"),
        (["B-A O I-B"], "bio"),
        (["I-A I-A O", "O I-B B-B"], "iob1"),
        (["O", "S-A O"], "bioes"),
        (["B-A E-A"], "bioes"),
        (["NOUN VERB"], "none"),
        (["B-A I-A", "O X"], "none"),
        (["O O"], "none"),
        ([], "none"),
        (["B-A I-A B-B I-B I-A"], "bio"),
    ],
)
def test_the_scheme_of_a_collection_is_recognised(sentences: list[str], scheme: str):
    assert detect_scheme([tags.split() for tags in sentences]) == scheme


def test_schemes_of_random_sentences_are_recognised():
    rng = random.Random(1)
    spans = [[(rng.choice(["O", "PER", "LOC"]), rng.randint(1, 3)) for _ in range(8)] for _ in range(50)]
    for scheme in ("iob1", "bio", "bioes"):
        assert detect_scheme([written(sentence, scheme) for sentence in spans]) == scheme


def test_forbidden_transitions_are_those_into_an_inside_tag_from_elsewhere():
    names = ("B-A", "I-A", "B-B", "I-B", "O")
    expected = {(-1, 1), (2, 1), (3, 1), (4, 1), (-1, 3), (0, 3), (1, 3), (4, 3)}
    assert set(forbidden_transitions(names)) == expected
    assert forbidden_transitions(("NOUN", "I")) == []


def test_only_sets_with_a_begin_tag_and_no_foreign_tag_are_bio():
    assert is_bio(["O", "B-A", "I-A"])
    assert not is_bio(["O"])
    assert not is_bio(["B-A", "NOUN"])
    assert not is_bio([])
