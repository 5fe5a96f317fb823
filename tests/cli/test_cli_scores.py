"""The bundle that is saved is the one that was validated: averaged weights, fitted factors and all."""

import json

import pytest

from tests.conftest import TINY, entities_conll, reviews_csv


@pytest.mark.parametrize(
    ("name", "content", "score"), [("r.csv", reviews_csv(), "accuracy"), ("e.conll", entities_conll(), "span_f1")]
)
def test_evaluating_the_validation_data_gives_the_scores_in_the_bundle(tmp_path, run_here, name, content, score):
    data, bundle = tmp_path / name, tmp_path / "bundle"
    data.write_text(content)
    trained = run_here("train", data, "--valid", data, "-o", bundle, "--epochs", 4, "-q", *TINY)
    assert trained.code == 0, trained.err
    evaluated = json.loads(run_here("evaluate", data, "-m", bundle, "--json").out)["scores"]
    heads = json.loads((bundle / "bundle.json").read_text())["heads"]
    (head,) = heads.values()
    assert evaluated[score] == pytest.approx(head["scores"][score], abs=1e-6)


def test_tags_that_only_validation_has_count_alike_in_training_and_in_evaluate(tmp_path, run_here):
    train, valid = tmp_path / "train.conll", tmp_path / "valid.conll"
    train.write_text(entities_conll())
    unknown = entities_conll().replace("in\tO\n", "in\tI-PER\n", 2).replace("lives\tO", "lives\tB-TIME\nnow\tI-TIME", 3)
    valid.write_text(
        unknown.replace("Berg\tI-PER", "Berg\tI-LOC", 4).replace("Oslo\tB-LOC", "Oslo\tB-LOC\nCity\tI-LOC")
    )
    trained = run_here("train", train, "--valid", valid, "-o", tmp_path / "b", "--epochs", 12, *TINY)
    assert "validation labels or tags that do not occur in training: " in trained.err
    evaluated = json.loads(run_here("evaluate", valid, "-m", tmp_path / "b", "--json").out)["scores"]
    scores = json.loads((tmp_path / "b" / "bundle.json").read_text())["heads"]["tags"]["scores"]
    assert 0 < evaluated["span_f1"] < 1
    for name in ("accuracy", "span_f1", "span_precision", "span_recall"):
        assert evaluated[name] == pytest.approx(scores[name], abs=1e-6)


def test_the_factors_of_a_classifier_are_saved(tmp_path, run_here):
    from lstmtext.bundle import load_bundle

    data = tmp_path / "r.csv"
    data.write_text(reviews_csv())
    run_here("train", data, "--valid", data, "-o", tmp_path / "b", "--epochs", 3, "-q", *TINY)
    assert load_bundle(tmp_path / "b").head_arrays("labels")["factors"].tolist() != [1.0, 1.0]


def test_a_language_model_on_few_texts_scores_alike_in_training_and_in_evaluate(tmp_path, run_here):
    text = tmp_path / "a.txt"
    text.write_text("The ferry came late and the harbour was empty again.\n" * 60)
    options = ["--set", "text.unit=char", "--set", "encoder.directions=forward", "--epochs", 4]
    done = run_here("train", text, "--valid", text, "-o", tmp_path / "b", *TINY, *options)
    assert done.code == 0, done.err
    evaluated = json.loads(run_here("evaluate", text, "-m", tmp_path / "b", "--json").out)["scores"]
    scores = json.loads((tmp_path / "b" / "bundle.json").read_text())["heads"]["lm"]["scores"]
    assert evaluated["nats_per_character"] == pytest.approx(scores["nats_per_character"], rel=0.01)
