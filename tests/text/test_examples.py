import dataclasses

import numpy as np
import pytest

from lstmtext.config import ClassifySettings, Settings, TagSettings, TextSettings
from lstmtext.text.examples import (
    NO_TARGET,
    WORD_TOKENS,
    collate_sentences,
    collate_texts,
    keep_ends,
    sentence_examples,
    text_examples,
)
from lstmtext.text.labels import Labels
from lstmtext.text.lexical import FEATURES, keys_of, known_rows, rows_of, text_ngrams, word_features
from lstmtext.text.tokenizer import BOUNDARY_ID, PAD_ID, Tokenizer

TEXTS = ["The room was clean.", "Awful, cold soup!"] * 2
SETTINGS = Settings(
    text=TextSettings(max_tokens=8),
    classify=ClassifySettings(bypass_rows=1024),
    tag=TagSettings(bypass_rows=1024),
)


@pytest.fixture(scope="module", params=["bpe", "char", "word"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer.train(TEXTS, TextSettings(unit=request.param, vocabulary_size=300))


@pytest.mark.parametrize(
    ("most", "kept"), [(10, "0123456789"), (9, "012346789"), (4, "0189"), (3, "019"), (2, "09"), (1, "0")]
)
def test_a_long_text_keeps_both_ends_and_the_beginning_gets_the_odd_one(most: int, kept: str):
    assert "".join(map(str, keep_ends(list(range(10)), most))) == kept


def test_a_text_stands_between_boundaries_even_when_it_is_empty(tokenizer: Tokenizer):
    full, empty = text_examples(tokenizer, ["room", ""], SETTINGS)
    assert full.ids == [BOUNDARY_ID, *tokenizer.encode("room"), BOUNDARY_ID]
    assert list(empty.ids) == [BOUNDARY_ID, BOUNDARY_ID]
    assert empty.label == NO_TARGET


def test_the_cut_of_a_text_is_counted(tokenizer: Tokenizer):
    text = "room clean " * 10
    (example,) = text_examples(tokenizer, [text], SETTINGS, [1])
    ids = tokenizer.encode(text)
    assert list(example.ids) == [BOUNDARY_ID, *ids[:4], *ids[-4:], BOUNDARY_ID]
    assert (example.cut, example.label) == (len(ids) - 8, 1)


def test_places_of_words_point_at_their_first_and_last_tokens(tokenizer: Tokenizer):
    words = ["The", "", "cleanest", "Ωroom"]
    (example,) = sentence_examples(tokenizer, [words], [[0, 1, 2, 0]])
    groups = tokenizer.encode_words(words)
    spans = [example.ids[a : b + 1] for a, b in zip(example.first, example.last, strict=True)]
    assert spans == [list(group) for group in groups]
    assert example.first[0] == 1
    assert example.last[-1] == len(example.ids) - 2
    assert example.ids[0] == example.ids[-1] == BOUNDARY_ID


def test_of_an_endless_word_the_ends_are_read(tokenizer: Tokenizer):
    if tokenizer.unit == "word":
        pytest.skip("a word is one token")
    words = ["a" + "xyz" * 1000 + "b", "soup"]
    (example,) = sentence_examples(tokenizer, [words])
    whole = tokenizer.encode_words(words[:1])[0]
    assert len(whole) > WORD_TOKENS
    half = WORD_TOKENS // 2
    assert example.ids[1 : 1 + WORD_TOKENS] == [*whole[:half], *whole[-half:]]
    assert (example.first[1], example.last[0]) == (1 + WORD_TOKENS, WORD_TOKENS)


def test_a_batch_of_texts_holds_the_examples_and_padding(tokenizer: Tokenizer):
    examples = text_examples(tokenizer, ["room", "", "cold soup"], SETTINGS, [1, 0, 1])
    known = text_ngrams("cold soup room", SETTINGS.classify.bypass_ngrams, SETTINGS.classify.bypass_characters)
    keys_N = np.concatenate([[0, 0], np.unique(keys_of(known))]).astype(np.int32)
    batch = collate_texts(examples, keys_N)
    assert batch.labels_B.tolist() == [1, 0, 1]
    assert [int((rows > 0).sum()) for rows in batch.ngrams_BF] == [len(example.ngrams) for example in examples]
    for ids, length, rows, example in zip(batch.ids_BT, batch.lengths_B, batch.ngrams_BF, examples, strict=True):
        assert ids[:length].tolist() == list(example.ids)
        assert (ids[length:] == PAD_ID).all()
        own = known_rows(example.ngrams, keys_N).tolist()
        assert rows.tolist() == own + [0] * (len(rows) - len(own))


def test_a_batch_of_sentences_holds_the_examples_and_padding(tokenizer: Tokenizer):
    examples = sentence_examples(tokenizer, [["The", "room"], [], ["cold", "", "soup"]], [[1, 0], [], [0, 0, 1]])
    batch = collate_sentences(examples, SETTINGS)
    assert batch.words_B.tolist() == [2, 0, 3]
    assert batch.tags_BW.tolist() == [[1, 0, NO_TARGET], [NO_TARGET] * 3, [0, 0, 1]]
    assert batch.features_BWF.shape == (3, 3, FEATURES)
    assert (batch.features_BWF[0, 2] == 0).all()
    assert (batch.features_BWF[2] == rows_of(word_features([["cold", "", "soup"]]), 1024)).all()
    assert batch.first_BW[2, :3].tolist() == list(examples[2].first)
    assert batch.last_BW[2, :3].tolist() == list(examples[2].last)


def test_without_the_bypass_there_are_no_features(tokenizer: Tokenizer):
    bare = dataclasses.replace(SETTINGS, classify=ClassifySettings(bypass=False), tag=TagSettings(bypass=False))
    keys_N = np.concatenate([[0], np.unique(keys_of(text_ngrams("a b", 3, 5)))]).astype(np.int32)
    every = [(SETTINGS, keys_N, True), (SETTINGS, None, False), (bare, keys_N, False)]
    for settings, keys, has in every:
        assert collate_texts(text_examples(tokenizer, ["a b"], settings), keys).ngrams_BF.any() == has
    assert collate_sentences(sentence_examples(tokenizer, [["a"]]), bare).features_BWF.shape == (1, 1, 0)
    assert collate_sentences(sentence_examples(tokenizer, [["a"]]), bare).tags_BW.tolist() == [[NO_TARGET]]


def test_labels_are_sorted_and_know_their_ids():
    labels = Labels.collect(["b", "a", "b", "c"])
    assert labels.names == ("a", "b", "c")
    assert [labels.id(name) for name in labels.names] == list(np.arange(len(labels)))
    assert "b" in labels
    assert "z" not in labels
