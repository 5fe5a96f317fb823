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


def test_the_factors_of_a_classifier_are_saved(tmp_path, run_here):
    from lstmtext.bundle import load_bundle

    data = tmp_path / "r.csv"
    data.write_text(reviews_csv())
    run_here("train", data, "--valid", data, "-o", tmp_path / "b", "--epochs", 3, "-q", *TINY)
    assert load_bundle(tmp_path / "b").arrays("heads.labels.")["factors"].tolist() != [1.0, 1.0]
