"""What the validation data decide: factors of a classifier's sides, the shift of a tagger's outside tag."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.nn.model import Model
from lstmtext.resolve import resolve_settings
from lstmtext.text.lexical import rows_of, word_features
from lstmtext.train.validate import fit_factors, validate

GOLD = np.random.default_rng(0).integers(0, 2, 400)
RIGHT = np.where(np.arange(2) == GOLD[:, None], 1.0, -1.0) + np.random.default_rng(1).normal(size=(400, 2))
NOISE = 5 * np.random.default_rng(2).normal(size=(400, 2))


def test_a_side_that_only_guesses_is_switched_off():
    assert fit_factors(NOISE, RIGHT, GOLD)[0] == 0.0
    assert fit_factors(RIGHT, NOISE, GOLD)[1] == 0.0


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_an_overconfident_side_is_scaled_down(scale):
    factor, _ = fit_factors(RIGHT * scale, RIGHT * 0, GOLD)
    louder, _ = fit_factors(RIGHT * scale * 4, RIGHT * 0, GOLD)
    assert 0 < louder < factor


def timid_tagger(folder: Path, train: str, valid: str):
    """A tagger that knows the tag of every word but leans too far to O, and its validation data."""
    (folder / "train.conll").write_text(train)
    (folder / "valid.conll").write_text(valid)
    plan, _ = make_plan(DataRequest([str(folder / "train.conll")], [str(folder / "valid.conll")]))
    small = ["text.vocabulary_size=300", "encoder.hidden_size=4", "encoder.embedding_size=4", "tag.bypass_rows=4096"]
    data = prepare(plan, resolve_settings("tag", assignments=small), folder)
    model = Model("tag", data.settings, vocabulary_size=data.tokenizer.size, labels=len(data.labels))
    with torch.no_grad():
        for weights in model.head.parameters():
            weights.zero_()
        for sentence in data.sentences("train"):
            rows = rows_of(word_features([sentence.words])[:, :1], 4096)[:, 0]  # the feature of the word itself
            model.head.bypass.learned_MK[rows, list(sentence.tags)] = 1.0
        model.head.output.bias[data.labels.id("O")] = 1.7
    return model, data


def test_the_outside_tag_is_shifted_to_where_spans_score_best(tmp_path):
    text = "Anna B-PER\nsaw O\nOslo B-LOC\n\nBo B-PER\nran O\n\n"
    model, data = timid_tagger(tmp_path, text, text)
    scores = validate(model, data, data.settings, "float32")
    assert scores["span_f1"] == 1.0
    shift_K = model.head.shift_K.tolist()
    assert shift_K[data.labels.id("O")] == -1.0  # the smallest step that finds all spans
    assert [shift for name, shift in zip(data.labels.names, shift_K, strict=True) if name != "O"] == [0.0, 0.0]


def test_a_tagger_that_needs_no_shift_gets_none(tmp_path):
    text = "Anna B-PER\nsaw O\nOslo B-LOC\n\n"
    model, data = timid_tagger(tmp_path, text, text)
    model.head.output.bias.data.fill_(0.0)  # shifts of either sign would do as well
    assert validate(model, data, data.settings, "float32")["span_f1"] == 1.0
    assert not model.head.shift_K.any()


def test_a_span_that_training_does_not_have_is_missed_and_spans_still_count(tmp_path):
    train = "Anna B-PER\nsaw O\nOslo B-LOC\n\n"
    model, data = timid_tagger(tmp_path, train, "Anna B-PER\nsaw B-NEW\n\n")
    scores = validate(model, data, data.settings, "float32")
    assert scores["span_recall"] == 0.5
    assert scores["accuracy"] == 0.5


def test_word_classes_are_not_shifted(tmp_path):
    model, data = timid_tagger(tmp_path, "Anna N\nran O\n\n", "Anna N\nran O\n\n")
    assert "span_f1" not in validate(model, data, data.settings, "float32")
    assert not model.head.shift_K.any()


def test_weights_let_a_rare_label_decide_which_side_counts():
    """The encoder is right about label 0, the bypass about label 1, which is rare."""
    gold = np.array([0] * 9 + [1])
    encoder = np.tile([3.0, 0.0], (10, 1))
    bypass = np.where(gold[:, None] == 1, [0.0, 3.0], [0.5, 0.0])
    alike = fit_factors(encoder, bypass, gold)
    balanced = fit_factors(encoder, bypass, gold, np.array([10 / 18, 5.0]))
    assert balanced[0] < alike[0] or balanced[1] > alike[1]
