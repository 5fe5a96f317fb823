"""The score that a search is for, by its name."""

from typing import Any

from lstmtext.errors import UsageError
from lstmtext.metrics import Scores


class NoSuchScore(UsageError):
    """A metric that the models of a task do not have."""


def score_of(scores: Scores, metric: str) -> float:
    """A score by name, or by `f1:LABEL`. Raises NoSuchScore with those that there are."""
    kind, _, label = metric.partition(":")
    labels: Any = scores.get("labels", {})
    found = labels.get(label, {}).get(kind) if label else scores.get(metric)
    if isinstance(found, int | float):
        return float(found)
    known = [name for name, value in scores.items() if isinstance(value, float)] + [f"f1:{name}" for name in labels]
    raise NoSuchScore("--metric", f"no score '{metric}'", expected="one of " + ", ".join(known))


def lower_is_better(metric: str) -> bool:
    """Whether a lower score is better."""
    return ":" not in metric and any(word in metric for word in ("nats", "bits", "perplexity"))


def signed_score(scores: Scores, metric: str) -> float:
    """A score that is better the higher it is."""
    return -score_of(scores, metric) if lower_is_better(metric) else score_of(scores, metric)
