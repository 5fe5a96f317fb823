"""The time of a search: what is left of its budget, and what trials take besides their training."""

import math
import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

Result = TypeVar("Result")

ASIDE = 0.03
"""Share of the budget that is kept for the end: the best bundle goes to its place, and the process ends."""
MOST_OF_BUDGET = 0.25
"""Share of the budget that one trial may train."""
FIRST_ENDING = 0.5
"""Share of what is left that is kept for the first trial's validation, graphs and files, of which nothing is known."""
LEAST_OF_TRIAL = 0.3
"""Share of an usual trial's time below which none is begun."""
SAFE = 1.5
"""How much longer than it took before a thing may take."""
GROWTH = 8
"""How many times as many records are tried next, at most."""


class Clock:
    """What is left of a budget of seconds from `began` on, a time of the monotonic clock, and what trials cost."""

    def __init__(self, began: float, budget: float) -> None:
        self._began, self._budget = began, budget
        self._seconds: list[float] = []
        self._set_ups = [0.0]
        self._endings: list[tuple[float, int]] = []

    def passed(self) -> float:
        """Seconds since the search began."""
        return time.monotonic() - self._began

    def left(self) -> float:
        """Seconds of the budget that are left but for the end."""
        return self._budget * (1 - ASIDE) - self.passed()

    def after(self, share: float) -> float:
        """The time at which a share of what is left will have passed."""
        return time.monotonic() + share * max(0.0, self.left())

    def for_training(self, size: int = 0) -> float:
        """Seconds that a trial of a size may train, by how those nearest in size ended; 0 is not worth while."""
        left = self.left()
        near = min((abs(math.log(max(1, size) / known)) for _, known in self._endings), default=0.0)
        alike = [end for end in self._endings if not size or abs(math.log(size / end[1])) <= near]
        ending = max((own * max(1.0, size / known) for own, known in alike), default=0.0)
        seconds = left - (SAFE * ending if self._endings else FIRST_ENDING * left)
        least = max(LEAST_OF_TRIAL * median(self._seconds or [0.0]), SAFE * max(self._set_ups))
        return min(seconds, self._budget * MOST_OF_BUDGET) if seconds > least else 0.0

    def learn(self, took: float, *, set_up: float, ending: float, size: int) -> None:
        """Take into account what a trial of a size took: seconds in all, before its first step, beyond its training."""
        self._seconds.append(took)
        self._set_ups.append(set_up)
        self._endings.append((ending, size))


def most_within(
    count: int, until: float, run: Callable[[int], Result], *, first: int, times: int = 1
) -> tuple[int, Result]:
    """How many of some records can be run so many times until a time of the monotonic clock, and their first result.

    The first few are run whatever the time, then more as long as all times of them fit by what the few took.
    """
    used = min(count, first)
    while True:
        began = time.monotonic()
        result = run(used)
        now = time.monotonic()
        growth = min(GROWTH, (until - now) / (SAFE * times * max(1e-6, now - began)))
        more = min(count, int(used * growth))
        if used == count or more < min(count, SAFE * used):
            return used, result
        used = more
