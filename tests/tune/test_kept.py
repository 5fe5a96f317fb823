"""The bundle that a search ends with is that of its best trial, and never one that only lies where that lay."""

import json
import shutil

import optuna
import pytest

from lstmtext.tune.clock import Clock
from lstmtext.tune.kept import digest_of, put


@pytest.fixture
def words(data, tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    return ["tune", data / "reviews.csv", "--threads", "1", "--budget", "60s", "--trials", "1", "--storage", storage]


def number_of(bundle):
    """The number of the training that a bundle is of."""
    return json.loads((bundle / "bundle.json").read_text())["number"]


def best_place(tmp_path):
    study = optuna.load_study(study_name="best", storage=f"sqlite:///{tmp_path}/study.db")
    return study.best_trial.user_attrs["bundle"]


@pytest.fixture
def elsewhere(run_here, words, trainings, tmp_path):
    """What a worker of another machine left of its best trial where this one would look: nothing, or an older bundle.

    The next trial here is worse.
    """
    assert run_here(*words, "-o", tmp_path / "a" / "best").code == 0
    trainings.score = 0.1
    made = tmp_path / "a" / ".searches" / "best" / "trial-0"
    assert best_place(tmp_path) == str(made)
    shutil.rmtree(made)
    return made


def test_another_bundle_at_the_place_of_the_best_is_not_taken(run_here, words, trainings, elsewhere, tmp_path):
    elsewhere.mkdir()
    (elsewhere / "bundle.json").write_text('{"format": 5, "files": {}, "number": "of an older search"}')
    done = run_here(*words, "-o", tmp_path / "b" / "best")
    assert done.code == 0, done.err
    assert number_of(tmp_path / "b" / "best") != "of an older search"


def test_a_best_trial_that_is_not_here_is_trained_anew_where_time_suffices(
    run_here, words, trainings, elsewhere, tmp_path
):
    done = run_here(*words, "-o", tmp_path / "b" / "best")
    assert done.code == 0, done.err
    again, best = trainings.jobs[-1].settings, trainings.jobs[0].settings
    assert number_of(tmp_path / "b" / "best") == 3
    assert (again.encoder, again.classify) == (best.encoder, best.classify)
    assert 0.0 < again.train.budget <= 15.0
    assert "the best trial, whose bundle is not here, trained anew: accuracy 0.1000" in done.err
    assert f"saved {tmp_path}/b/best" in done.err


def test_where_time_does_not_suffice_the_command_is_told(run_here, words, trainings, elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(Clock, "for_training", lambda *_: 10.0 * (len(trainings.jobs) < 2))
    done = run_here(*words, "-o", tmp_path / "b" / "best")
    assert done.code == 0, done.err
    assert len(trainings.jobs) == 2
    assert not (tmp_path / "b" / "best").exists()
    assert "the best bundle is not here: it was made on another machine, or changed" in done.err
    assert "this trains it anew: lstmtext train " in done.err.splitlines()[-1]


def test_a_training_anew_that_fails_is_told(run_here, words, trainings, elsewhere, tmp_path):
    def then_fail():
        def fail():
            raise MemoryError

        trainings.ends = fail

    trainings.ends = then_fail
    done = run_here(*words, "-o", tmp_path / "b" / "best")
    assert done.code == 0, done.err
    assert "the best trial, trained anew, failed" in done.err
    assert "this trains it anew" in done.err


def test_a_bundle_is_known_by_its_names_and_contents(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bundle.json").write_text('{"format": 5, "files": {}}')
    one, two = tmp_path / "one", tmp_path / "two"
    assert digest_of(one) == digest_of(two)
    assert put(one, digest_of(two), tmp_path / "out")
    assert digest_of(tmp_path / "out") == digest_of(one)
    (two / "bundle.json").write_text('{"format": 5, "files": {} }')
    assert not put(two, digest_of(one), tmp_path / "out")
    assert digest_of(tmp_path / "out") == digest_of(one)
    assert not put(tmp_path / "absent", digest_of(one), tmp_path / "out")
    (one / "bundle.json").rename(one / "other.json")
    assert digest_of(one) != digest_of(tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two", "out"}


@pytest.mark.parametrize("how", ["copied", "trained anew"])
def test_no_report_of_an_earlier_training_stays_beside_the_best_bundle(
    run_here, words, trainings, tmp_path, request, how
):
    if how == "trained anew":
        request.getfixturevalue("elsewhere")
    (tmp_path / "b").mkdir()
    names = ["best.report.html", "better.report.html", "best.lm.report.html"]
    for name in names:
        (tmp_path / "b" / name).write_text("an earlier training")
    done = run_here(*words, "-o", tmp_path / "b" / "best")
    assert done.code == 0, done.err
    assert sorted(path.name for path in (tmp_path / "b").glob("*.report.html")) == sorted(names[1:])


def test_a_report_stays_beside_its_bundle_where_a_search_finds_none(run_here, words, trainings, tmp_path):
    def fail():
        raise MemoryError

    trainings.ends = fail
    (tmp_path / "best.report.html").write_text("an earlier training")
    assert run_here(*words, "-o", tmp_path / "best").code == 2
    assert (tmp_path / "best.report.html").exists()
