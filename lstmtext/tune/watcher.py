"""How a trial goes: what is told to the study, when it is given up, and how long its training was."""

import time
from typing import TYPE_CHECKING, NamedTuple

from lstmtext.train.listener import Validation
from lstmtext.train.loop import StepReport
from lstmtext.tune.metric import score_of

if TYPE_CHECKING:
    import optuna

PRUNING_POINTS = 20
"""Progress is compared in so many parts."""
DEFAULT = "default"
"""What a trial is marked with whose settings are the defaults."""


class Span(NamedTuple):
    """How long a training was."""

    trained: float
    """Epochs."""
    whole: float
    """Epochs at which the schedule would have ended; more than were trained where nothing got better."""
    by_clock: bool
    """Whether the schedule followed the clock, at least for a while."""


class Watcher:
    """A listener that tells a trial how it goes, and ends one that falls behind."""

    def __init__(self, trial: "optuna.trial.BaseTrial", metric: str, epochs: int) -> None:
        self._trial, self._metric, self._epochs = trial, metric, epochs
        self.seconds = 0.0
        """Of training, up to the last validation."""
        self.set_up = 0.0
        """Seconds before the first step was done."""
        self._made = time.monotonic()
        self._point = -1
        self._first: tuple[float, float] | None = None
        self._last = 0.0, 0.0
        """Progress and epochs of the first and the last step."""
        self._by_clock = False

    def span(self) -> Span:
        """How long the training was; where it ended early, its pace says where the schedule would have ended."""
        (before, earlier), (progress, trained) = self._first or self._last, self._last
        if progress >= 1.0 or progress <= before:
            return Span(trained, trained, self._by_clock)
        whole = trained + (1.0 - progress) * (trained - earlier) / (progress - before)
        return Span(trained, min(whole, self._epochs or whole), self._by_clock)

    def started(self, **_: object) -> None:
        """See `train.listener.Listener`."""

    def stepped(self, report: StepReport) -> None:
        """See `train.listener.Listener`."""
        self._last = report.progress, report.epochs
        self.set_up = self.set_up or time.monotonic() - self._made
        self._first = self._first or self._last
        self._by_clock |= not self._epochs or report.progress > report.epochs / self._epochs

    def noted(self, text: str) -> None:
        """See `train.listener.Listener`."""

    def saving(self) -> None:
        """See `train.listener.Listener`."""

    def validated(self, validation: Validation) -> None:
        """See `train.listener.Listener`."""
        self.seconds = validation.seconds
        point = round(PRUNING_POINTS * validation.report.progress)
        if point == self._point:
            return
        self._point = point
        self._trial.report(score_of(validation.scores, self._metric), point)
        prunes = not self._trial.user_attrs.get(DEFAULT) and not validation.report.stops
        if prunes and self._trial.should_prune():
            raise pruned()


def pruned() -> Exception:
    """What ends a trial that is not to be completed."""
    import optuna

    return optuna.TrialPruned()
