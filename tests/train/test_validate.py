"""The factors of a classifier's two sides follow the validation data."""

import numpy as np
import pytest

from lstmtext.train.validate import fit_factors

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


def test_without_known_labels_the_factors_stay():
    assert fit_factors(RIGHT, NOISE, np.full(400, -1)) == (1.0, 1.0)
