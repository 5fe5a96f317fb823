"""Whoever wants to know how a training goes, and what is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lstmtext.metrics import Scores
from lstmtext.train.loop import StepReport


@dataclass(frozen=True)
class Validation:
    """A look at the validation data during a run."""

    report: StepReport
    loss: float
    """Mean training loss since the last look, in nats."""
    score_name: str
    score: float
    best: float
    """The score of the weights that are kept."""
    scores: Scores
    """All scores of this look."""
    improved: bool
    seconds: float
    """Since training began."""
    tokens_per_second: float
    heads: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    """Of several heads that train together, the score of each, with its name."""
    deciding: tuple[str, float] | None = None
    """Name and value of the score that decides whether the weights are kept, where that is another."""


class Listener(Protocol):
    """Whoever wants to know how a run goes."""

    def started(self, *, parameters: int, precision: str, device: str) -> None:
        """The model is made and training begins."""
        ...

    def stepped(self, report: StepReport) -> None:
        """A step is done."""
        ...

    def validated(self, validation: Validation) -> None:
        """The validation data were read."""
        ...

    def noted(self, text: str) -> None:
        """Something happened that the user should know."""
        ...

    def saving(self) -> None:
        """A checkpoint is about to be written."""
        ...
