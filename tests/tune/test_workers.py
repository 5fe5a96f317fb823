"""A dead worker's trial is closed and the defaults are tried again; a live one's is left alone."""

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from types import SimpleNamespace

import optuna
import pytest

from lstmtext.tune import study as searching
from lstmtext.tune import trials as running
from lstmtext.tune import workers
from lstmtext.tune.watcher import DEFAULT, Watcher
from lstmtext.tune.workers import WORKER, Crew, is_gone, signature

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def signed_by_the_dead() -> dict[str, str | int]:
    """The signature of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    own = {**signature(), "process": process.pid, "began": workers._began(process.pid)}
    assert not is_gone(own)
    process.kill()
    deadline = time.monotonic() + 10
    while not is_gone(own):  # a process that waits to be collected is gone too
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.wait()
    return own


def test_a_worker_is_gone_when_its_process_is():
    assert not is_gone(signature())
    assert is_gone(signed_by_the_dead())


def test_a_later_process_of_the_same_number_is_another():
    assert is_gone({**signature(), "began": "1"})


def test_of_another_machine_nothing_is_known():
    assert not is_gone({**signed_by_the_dead(), "machine": "elsewhere"})


def test_without_a_list_of_processes_the_system_is_asked(monkeypatch, tmp_path):
    gone = signed_by_the_dead()["process"]
    monkeypatch.setattr(workers, "PROCESSES", tmp_path)
    assert not is_gone(signature())
    assert is_gone({**signature(), "process": gone})


def test_only_trials_of_the_dead_are_closed(tmp_path):
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db")
    for worker in (signature(), signed_by_the_dead(), {**signature(), "machine": "elsewhere"}):
        study.ask().set_user_attr(WORKER, worker)
    Crew(study).close_dead()
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "FAIL", "RUNNING"]


def test_a_trial_that_nobody_signs_is_closed_after_a_while(tmp_path, monkeypatch):
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db")
    study.ask()
    crew = Crew(study)
    crew.close_dead()
    crew.close_dead()
    assert study.trials[0].state.name == "RUNNING"
    monkeypatch.setattr(workers, "BEATS", -1)
    crew.close_dead()
    assert study.trials[0].state.name == "FAIL"


def of_study(tmp_path) -> list[tuple[str, bool]]:
    study = optuna.load_study(study_name="best", storage=f"sqlite:///{tmp_path}/.searches/best/study.db")
    return [(trial.state.name, bool(trial.user_attrs.get(DEFAULT))) for trial in study.trials]


def die():
    raise SystemExit(137)


@pytest.fixture
def words(data, tmp_path):
    return ["tune", data / "reviews.csv", "-o", tmp_path / "best", "--threads", "1", "--budget", "60s"]


def test_the_defaults_are_tried_again_where_their_worker_died(run_here, trainings, words, tmp_path, monkeypatch):
    trainings.ends = die
    with monkeypatch.context() as patch:
        patch.setattr(running, "signature", signed_by_the_dead)
        assert run_here(*words).code == 137
    assert of_study(tmp_path) == [("RUNNING", True)]
    done = run_here(*words, "--trials", "2")
    assert done.code == 0, done.err
    assert of_study(tmp_path) == [("FAIL", True), ("COMPLETE", True), ("COMPLETE", False)]
    assert "of 2 trials, 0 of them pruned; the default settings have 0.5010" in done.err


def test_the_defaults_of_a_live_worker_are_not_tried_again(run_here, trainings, words, tmp_path):
    trainings.ends = die
    assert run_here(*words).code == 137  # as this process lives, so does the worker
    done = run_here(*words, "--trials", "2")
    assert of_study(tmp_path) == [("RUNNING", True), ("COMPLETE", False), ("COMPLETE", False)]
    assert "of 2 trials" in done.err
    assert "default settings" not in done.err


def test_defaults_that_two_workers_queued_are_tried_once(run_here, trainings, words, tmp_path, monkeypatch):
    queue = searching._queue_default

    def queue_twice(job, study, metric, again):
        queue(job, study, metric, again)
        if len(study.trials) == 1:
            study.enqueue_trial({}, user_attrs={DEFAULT: True})

    monkeypatch.setattr(searching, "_queue_default", queue_twice)
    assert run_here(*words, "--trials", "2").code == 0
    assert of_study(tmp_path) == [("COMPLETE", True), ("FAIL", True), ("COMPLETE", False)]


def test_defaults_that_fail_are_tried_again_by_the_next_search_alone(run_here, trainings, words, tmp_path):
    def fail():
        raise MemoryError

    trainings.ends = fail
    assert run_here(*words, "--trials", "2").code == 0
    assert of_study(tmp_path) == [("PRUNED", True), ("COMPLETE", False)]
    assert "the default settings have" in run_here(*words, "--trials", "1").err
    assert of_study(tmp_path)[2:] == [("COMPLETE", True)]


@pytest.mark.slow
def test_a_search_that_is_killed_in_its_first_trial_begins_with_it_again(run_here, data, tmp_path):
    words = ["tune", data / "entities.conll", "-o", tmp_path / "best", "--threads", "1", "--set", "train.epochs=1"]
    words += ["--encoder", "none"]
    killed = subprocess.Popen(
        [sys.executable, "-m", "lstmtext", *map(str, words), "--set", "train.patience=1000", "--budget", "300s"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    database = tmp_path / ".searches" / "best" / "study.db"
    while not (database.exists() and begun(f"sqlite:///{database}")):
        assert killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert of_study(tmp_path) == [("RUNNING", True)]
    done = run_here(*words, "--set", "train.patience=1000", "--budget", "60s", "--trials", "1")
    assert done.code == 0, done.err
    assert of_study(tmp_path) == [("FAIL", True), ("COMPLETE", True)]
    assert "of 1 trials, 0 of them pruned; the default settings have" in done.err


def begun(storage: str) -> bool:
    try:
        study = optuna.load_study(study_name="best", storage=storage)
    except Exception:  # not yet made
        return False
    return any(WORKER in trial.user_attrs for trial in study.get_trials(deepcopy=False))


@pytest.mark.parametrize("default", [True, False])
def test_the_defaults_are_not_pruned(default):
    validation = SimpleNamespace(
        seconds=1.0, scores={"accuracy": 0.1}, report=SimpleNamespace(progress=0.5, stops=False)
    )
    trial = SimpleNamespace(report=lambda *_: None, should_prune=lambda: True, user_attrs={"default": default})
    watcher = Watcher(trial, "accuracy", 1)
    with pytest.raises(optuna.TrialPruned) if not default else nullcontext():
        watcher.validated(validation)
