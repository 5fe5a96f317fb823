"""The table of tasks: what each is called, how its head is named, and which score decides."""

from dataclasses import dataclass

from lstmtext.config import TaskName
from lstmtext.metrics import Scores


@dataclass(frozen=True)
class Task:
    """A kind of model that can be trained."""

    name: TaskName
    head: str
    """Name of the head in a bundle where `--head` gives none."""
    scores: tuple[str, ...]
    """Scores to select by: the first that an evaluation has."""
    lower_is_better: bool = False

    def score(self, scores: Scores) -> tuple[str, float]:
        """Name and value of the deciding score."""
        name = next(name for name in self.scores if name in scores)
        value = scores[name]
        assert isinstance(value, float)
        return name, value

    def better(self, score: float, than: float | None) -> bool:
        """Whether a score beats another; any score beats none."""
        return than is None or (score < than if self.lower_is_better else score > than)


TASKS: dict[TaskName, Task] = {
    "classify": Task("classify", "labels", ("accuracy",)),
    "tag": Task("tag", "tags", ("span_f1", "accuracy")),
    "generate": Task("generate", "lm", ("nats_per_character", "nats_per_token"), lower_is_better=True),
}
