"""The learning rate as a pure function of progress."""

import math

from lstmtext.config import TrainSettings

FLOOR = 0.01
"""Share of the peak at which the decay ends."""


def rate_factor(progress: float, settings: TrainSettings, misses: int = 0) -> float:
    """What the peak rate is multiplied by at a progress from 0 to 1: linear warm-up, then the decay.

    `misses` is how often validation saw no better score.
    """
    if progress < settings.warmup:
        return max(progress / settings.warmup, FLOOR)
    remaining = 1.0 - min(1.0, (progress - settings.warmup) / max(1e-9, 1.0 - settings.warmup))
    shapes = {
        "constant": 1.0,
        "plateau": 0.5**misses,
        "linear": remaining,
        "cosine": 0.5 * (1.0 - math.cos(math.pi * remaining)),
    }
    return FLOOR + (1.0 - FLOOR) * shapes[settings.decay]
