"""The table of tasks: what each is called, how its head is named, and which score decides."""

import math
from dataclasses import dataclass

from lstmtext.config import TaskName
from lstmtext.metrics import Scores


@dataclass(frozen=True)
class Task:
    """A kind of model that can be trained."""

    name: TaskName
    head: str
    """Name of the head in a bundle where `--head` gives none."""
    shown: tuple[str, ...]
    """Scores to show: the first that an evaluation has."""
    selects: tuple[str, ...]
    """Scores to select by, likewise."""
    lower_is_better: bool = False
    """Whether the selecting score is one of nats."""
    reads_encoder: bool = True
    """Whether the graph of a head reads that of the encoder, or has what it needs of it inside."""

    @property
    def lower_is_shown(self) -> bool:
        """Whether the score to show is one of nats."""
        return self.lower_is_better and self.shown == self.selects

    def better(self, scores: Scores, than: Scores | None) -> bool:
        """Whether scores beat others; any number beats none."""
        _, new = first_of(self.selects, scores)
        if than is None or math.isnan(new):
            return not math.isnan(new)
        _, old = first_of(self.selects, than)
        return new < old if self.lower_is_better else new > old


def first_of(names: tuple[str, ...], scores: Scores) -> tuple[str, float]:
    """Name and value of the first of the names that scores have."""
    name = next(name for name in names if name in scores)
    value = scores[name]
    assert isinstance(value, float)
    return name, value


_LIKELIHOOD = ("weighted_nats_per_text", "nats_per_text")
_TAGGED = ("span_f1", "accuracy")
_READ = ("nats_per_character", "nats_per_token")

TASKS: dict[TaskName, Task] = {
    # Accuracy on a small validation set is coarse: its likelihood chooses, as calibrated answers do best elsewhere too.
    "classify": Task("classify", "labels", ("accuracy", "micro_f1"), _LIKELIHOOD, lower_is_better=True),
    "tag": Task("tag", "tags", _TAGGED, _TAGGED),
    "generate": Task("generate", "lm", _READ, _READ, lower_is_better=True, reads_encoder=False),
}
