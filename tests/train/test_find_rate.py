"""The search for a learning rate."""

import re

import numpy as np
import pytest

from lstmtext.cli.progress import BARS, sparkline
from lstmtext.train.find_rate import RANGES, RateStep, suggested_rate


def steps_of(*parts):
    """A search whose smooth loss goes from point to point (decade, value) in straight lines, 20 steps a decade."""
    places, values = zip(*parts, strict=True)
    grid = np.arange(places[0], places[-1] + 1e-9, 0.05)
    return [RateStep(10.0**at, 0.0, value) for at, value in zip(grid, np.interp(grid, places, values), strict=True)]


FALLS = steps_of((-5, 4.0), (-3, 3.9), (-2.9, 3.0), (-1, 2.0), (0, 6.0))
FLAT = steps_of((-5, 0.7), (-4, 0.69), (-3, 0.7), (-2, 1.0), (-1, 2.0))


def test_a_rate_to_try_is_a_share_of_that_of_the_lowest_loss_wherever_it_falls_fastest():
    assert suggested_rate(FALLS, "adamw") == pytest.approx(1.5e-2, rel=0.2)
    ends = [*FALLS[:-1], RateStep(FALLS[-1].rate, 0.0, 1.99)]  # by chance, on a bottom that is flat
    assert suggested_rate(ends, "adamw") == suggested_rate(FALLS, "adamw")


def test_sgd_takes_half_of_the_last_rate_that_is_borne():
    assert suggested_rate(FALLS, "sgd") == pytest.approx(0.5 * 10**-0.75)


def test_where_the_loss_does_not_fall_it_is_a_share_of_the_last_rate_that_is_borne():
    assert suggested_rate(FLAT, "adamw") == pytest.approx(1.5e-3, rel=0.15)
    lucky = [RateStep(FLAT[0].rate, 0.0, 0.2), *FLAT[1:]]  # one batch is no mean
    assert suggested_rate(lucky, "adamw") == suggested_rate(FLAT, "adamw")
    jump = [*FLAT[:-1], RateStep(FLAT[-1].rate, 0.0, 1.9)]  # a fall after the loss is lost
    assert suggested_rate(jump, "adamw") == suggested_rate(FLAT, "adamw")


def test_a_search_of_few_steps_has_a_rate_too():
    assert suggested_rate(FLAT[:1], "adamw") == pytest.approx(1.5e-6)


@pytest.mark.parametrize("optimizer", RANGES)
def test_rates_rise_and_losses_fall_before_they_are_lost(run_here, data, optimizer):
    small = ["--set", "encoder.hidden_size=16", "--set", "encoder.embedding_size=8"]
    done = run_here("train", data / "entities.conll", "--find-lr", *small, "--set", f"train.optimizer={optimizer}")
    assert done.code == 0, done.err
    header, *lines = [line.split("\t") for line in done.out.decode().splitlines()]
    rates, _, smooth = (list(map(float, column)) for column in zip(*lines, strict=True))
    assert header == ["rate", "loss", "smooth"]
    assert (rates[0], rates) == (RANGES[optimizer].lowest, sorted(rates))
    assert rates[-1] <= RANGES[optimizer].highest
    assert min(smooth) < 0.5 * smooth[0]
    curve = re.search(rf"loss from {RANGES[optimizer].lowest:g} on  ([{BARS}]+)  try --set ", done.err).group(1)
    expected = sparkline(smooth)  # of numbers as printed: a bar may be one higher or lower
    assert [BARS.index(bar) for bar in curve] == pytest.approx([BARS.index(bar) for bar in expected], abs=1)
    assert len(set(curve)) > 4
    suggested = float(done.err.partition("try --set train.learning_rate=")[2])
    assert {"adamw": 2e-4, "sgd": 0.05}[optimizer] < suggested < {"adamw": 0.02, "sgd": 5}[optimizer]


def test_nothing_is_frozen_while_rates_rise(run_here, data, generate_bundle, tiny):
    words = ["train", data / "reviews.csv", "--find-lr", "--encoder", generate_bundle, *tiny]
    curves = [run_here(*words, "--set", f"transfer.unfreeze={share}") for share in (0, 0.9)]
    assert [done.code for done in curves] == [0, 0], curves[0].err
    assert curves[0].out == curves[1].out


def test_a_step_of_the_search_is_as_large_as_one_of_the_training(run_here, data, tiny):
    words = ["train", data / "reviews.csv", "--find-lr", *tiny, "--set", "train.batch_tokens=32"]
    columns = []
    for accumulate in (1, 8):
        done = run_here(*words, "--set", f"train.accumulate={accumulate}")
        assert done.code == 0, done.err
        columns.append(np.loadtxt(done.out.decode().splitlines()[1:40]).T)
    (rates, single, _), (same, eight, _) = columns
    assert np.array_equal(rates, same)
    assert not np.allclose(single, eight)
    assert np.abs(np.diff(eight)).mean() < 0.7 * np.abs(np.diff(single)).mean()  # of eight batches, it is less noise


def test_several_processes_find_no_rate(run_here, data, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = run_here("train", data / "reviews.csv", "--find-lr")
    said = (
        "--find-lr: found 2 processes; expected one, whose steps are as large as theirs together; find the rate without"
    )
    assert (done.code, done.out, done.err) == (2, b"", f"lstmtext: {said} torchrun\n")
