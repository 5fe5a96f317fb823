"""The time of a search is that of the whole command: data, baseline, trials with their graphs, and the end."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lstmtext.tune import clock
from lstmtext.tune.clock import Clock, most_within

ROOT = Path(__file__).parents[2]
COMMAND = str(Path(sys.executable).with_name("lstmtext"))


@pytest.fixture
def at(monkeypatch):
    """Sets the time."""
    now = [0.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: now[0])

    def set_to(seconds: float) -> None:
        now[0] = seconds

    return set_to


def test_the_first_trial_leaves_time_for_what_follows_its_training(at):
    own = Clock(0.0, 100.0)
    assert own.for_training() == 25.0
    at(77.0)
    assert own.for_training() == pytest.approx(10.0)


def test_a_trial_leaves_as_much_time_as_others_took_and_a_larger_one_more(at):
    own = Clock(0.0, 100.0)
    own.learn(10.0, set_up=1.0, ending=4.0, size=1000)
    at(77.0)
    assert own.for_training() == own.for_training(500) == pytest.approx(20.0 - 1.5 * 4.0)
    assert own.for_training(2000) == pytest.approx(20.0 - 1.5 * 8.0)
    assert own.for_training(4000) == 0.0


def test_no_trial_begins_that_has_no_time_for_more_than_its_beginning(at):
    own = Clock(0.0, 100.0)
    own.learn(10.0, set_up=6.0, ending=2.0, size=1000)
    at(85.0)
    assert own.for_training() == 0.0
    at(80.0)
    assert own.for_training() == pytest.approx(17.0 - 3.0)


@pytest.mark.parametrize(
    ("until", "runs"),
    [(0.0, [1000]), (20.0, [1000]), (100.0, [1000, 3300]), (1e9, [1000, 8000, 50_000])],
)
def test_as_many_records_are_run_as_time_allows(monkeypatch, until, runs):
    now, ran = [0.0], []
    monkeypatch.setattr(clock.time, "monotonic", lambda: now[0])

    def run(count: int) -> int:
        ran.append(count)
        now[0] += count / 100
        return count

    assert most_within(50_000, until, run, first=1000, times=2) == (ran[-1], ran[-1])
    assert ran == pytest.approx(runs, rel=0.2)
    assert now[0] <= max(10.0, until)


def test_data_that_take_the_whole_time_are_told(run_here, data, tmp_path):
    done = run_here("tune", data / "reviews.csv", "-o", tmp_path / "best", "--budget", "0.01s")
    assert done.code == 2
    assert "--budget: found 0.01 s, of which " in done.err
    assert "s went by before the first trial, with the data; give more" in done.err


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seconds"), [("reviews.csv", 60), ("entities.conll", 30), ("prose.txt", 30)])
def test_a_search_keeps_its_budget(tmp_path, name, seconds):
    began = time.monotonic()
    subprocess.run([COMMAND, "--help"], check=True, capture_output=True)
    start = time.monotonic() - began
    began = time.monotonic()
    words = ["tune", ROOT / "data" / name, "-o", tmp_path / "best", "--budget", f"{seconds}s"]
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, check=False, timeout=120)
    elapsed = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert 0.6 * seconds < elapsed <= 1.05 * seconds + start, done.stderr
