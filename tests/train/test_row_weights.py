"""Weights of rows in training: a weight of two is a text twice, in the encoder's loss and in the n-grams."""

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from lstmtext.bundle import load_bundle
from lstmtext.data.columns import Columns
from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.nn.heads.classifier import NgramBypass
from lstmtext.nn.model import Model
from lstmtext.resolve import resolve_settings
from lstmtext.sizes import fit_training
from lstmtext.text.examples import collate_texts
from lstmtext.text.lexical import known_rows
from lstmtext.train import bypass as fitting
from lstmtext.train import logistic
from lstmtext.train.bypass import fit_bypass
from tests.conftest import THINGS, TINY, reviews_csv

ROWS = 512
STILL = [f"{key}=0" for key in ("classify.dropout", "encoder.input_dropout", "encoder.output_dropout",
                                "encoder.embedding_dropout")]  # fmt: skip


def data_of(folder, rows, *settings):
    (folder / "a.csv").write_text("text,label,w\n" + "".join(f"{text},{label},{w}\n" for text, label, w in rows))
    (folder / "v.csv").write_text("text,label\nsoup good,a\nbad bread,b\n")
    request = DataRequest([str(folder / "a.csv")], [str(folder / "v.csv")], columns=Columns(weight="w"))
    small = ["encoder.hidden_size=8", "text.vocabulary_size=300", f"classify.bypass_rows={ROWS}"]
    data = prepare(make_plan(request)[0], resolve_settings("classify", assignments=[*small, *settings]), folder)
    return data, fit_training(data.settings, data.task, data.facts.train_tokens, data.facts.words)


@pytest.mark.parametrize("settings", [[], ["classify.label_smoothing=0.2"]])
def test_the_loss_of_a_weight_of_two_is_that_of_the_text_twice(tmp_path, settings):
    rows = [("good soup", "a", 1), ("fine tea", "a", 0.5), ("bad soup", "b", 2), ("awful tea", "b", 0.25)]
    data, chosen = data_of(tmp_path, rows, *STILL, *settings)
    texts = data.texts("train")
    model = Model("classify", chosen, vocabulary_size=data.tokenizer.size, labels=2)
    model.head.weigh(np.array([3.0, 5.0]))
    alone = [collate_texts([texts[place]], None) for place in range(4)]
    losses = [model.loss(batch)[:2] for batch in alone]
    assert [count for _, count in losses] == [3.0, 1.5, 10.0, 1.25]
    total, count, _ = model.loss(collate_texts([texts[place] for place in range(4)], None))
    assert (count, total.item()) == (15.75, pytest.approx(sum(loss.item() for loss, _ in losses), abs=1e-5))
    plain = collate_texts([texts[0], texts[2], texts[2]], None)
    unweighted, _, _ = model.loss(type(plain)(**{**vars(plain), "weights_B": np.ones(3)}))
    assert unweighted.item() == pytest.approx((losses[0][0] + losses[2][0]).item(), abs=1e-5)


def test_the_ngrams_weigh_texts_as_scikit_learn_does(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "STRENGTHS", (5.0,))
    monkeypatch.setattr(logistic, "ITERATIONS", 300)
    monkeypatch.setattr(logistic, "TOLERANCE", 1e-12)
    rng = np.random.default_rng(0)
    rows = [(" ".join(rng.choice(THINGS, 3)), "ab"[rng.integers(2)], rng.integers(0, 5)) for _ in range(80)]
    data, _ = data_of(tmp_path, rows)
    texts = data.texts("train")
    weights_K = np.array([0.5, 2.0])
    bypass = NgramBypass(ROWS, 2)
    fit_bypass(bypass, texts, data.texts("validation"), weights_K)
    counts = np.zeros((len(texts), ROWS))
    for row, hashes in zip(counts, texts.ngrams(), strict=True):
        np.add.at(row, known_rows(hashes, bypass.keys_N.numpy()), 1.0)
    weights_N = bypass.weights_N.numpy()
    features = counts * weights_N / np.sqrt((counts * weights_N**2).sum(1, keepdims=True))
    # Logits of v and -v have a penalty of v squared; one logit of 2 v, as there, of 2 v squared.
    model = LogisticRegression(C=2 * 5.0, tol=1e-9, max_iter=5000)
    model.fit(features, texts.labels, texts.weights * weights_K[texts.labels])
    logits_BK = features @ bypass.table_NK.numpy() + bypass.bias_K.numpy()
    np.testing.assert_allclose(torch.tensor(logits_BK).softmax(1)[:, 1], model.predict_proba(features)[:, 1], atol=5e-3)


def test_a_weighted_training_learns_from_the_rows_that_count(run_here, tmp_path):
    """Each text stands there with both labels, of which one weighs next to nothing."""
    header, *lines = reviews_csv().splitlines()
    other = {"positive": "negative", "negative": "positive"}
    rows = [text.rpartition(",") for text in lines]
    weighed = [f"{text},{label},1\n{text},{other[label]},0.01\n" for text, _, label in rows]
    (tmp_path / "a.csv").write_text(f"{header},count\n" + "".join(weighed))
    (tmp_path / "v.csv").write_text(reviews_csv())
    words = ["--valid", tmp_path / "v.csv", "--weight-column", "count", "-o", tmp_path / "b", "--epochs", 2, *TINY]
    done = run_here("train", tmp_path / "a.csv", *words)
    assert done.code == 0, done.err
    assert load_bundle(tmp_path / "b").info.heads["labels"].scores["accuracy"] == 1.0
    encoded = run_here("preprocess", tmp_path / "a.csv", *words[:4], "-o", tmp_path / "encoded", *TINY[2:])
    assert encoded.code == 0, encoded.err
    options = ["-o", tmp_path / "c", "--epochs", 2, *TINY]
    assert run_here("train", tmp_path / "encoded", *options).code == 0
    arrays = [load_bundle(tmp_path / name).head_arrays("labels") for name in ("b", "c")]
    assert all((arrays[0][name] == arrays[1][name]).all() for name in arrays[0])
    done = run_here("train", tmp_path / "encoded", *options, "--weight-column", "count")
    assert (done.code, "--weight-column: " in done.err, "is encoded already" in done.err) == (2, True, True)


def test_weights_far_from_one_change_no_mean_loss_and_are_remarked(run_here, tmp_path):
    header, *lines = reviews_csv().splitlines()
    losses = {}
    for weight in ("1", "0.001"):
        (tmp_path / "a.csv").write_text(f"{header},w\n" + "".join(f"{line},{weight}\n" for line in lines))
        words = ["--weight-column", "w", "-o", tmp_path / "b", "--epochs", 1, "--log-dir", tmp_path / weight, *TINY]
        done = run_here("train", tmp_path / "a.csv", *words)
        assert done.code == 0, done.err
        assert ("rows count 0.001 on average" in done.err) == (weight == "0.001")
        losses[weight] = json.loads((tmp_path / weight / "steps.jsonl").read_text().splitlines()[0])["loss"]
    assert losses["0.001"] == pytest.approx(losses["1"], rel=1e-4)


def test_holding_out_less_than_the_share_is_told(run_here, data, tmp_path):
    words = ["train", data / "reviews.csv", "-o", tmp_path / "b", "--epochs", 1, *TINY]
    said = "held out for validation: 2 records (train.validation_records)"
    assert said in run_here(*words, "--set", "train.validation_records=2").err
    assert "held out" not in run_here(*words).err


def test_unevenness_counts_a_row_of_two_as_two_rows(tmp_path):
    found = []
    for name, rows in (
        ("weighted", [("good soup", "a", 2), ("good tea", "b", 1), ("bad tea", "b", 1)]),
        ("twice", [("good soup", "a", 1), ("good soup", "a", 1), ("good tea", "b", 1), ("bad tea", "b", 1)]),
    ):
        (tmp_path / name).mkdir()
        texts = data_of(tmp_path / name, rows)[0].texts("train")
        bypass = NgramBypass(ROWS, 2)
        bypass.give_rows(fitting._keys(texts, ROWS - 1, bypass.keys_N.numpy()))
        plain_N, uneven_N = fitting._ways_to_weigh(bypass, texts, fitting._blocks(bypass, texts, None))
        found.append((uneven_N / plain_N)[bypass.keys_N > 0])
    assert torch.allclose(*found, atol=1e-5)
    assert len(found[0].unique()) > 2
