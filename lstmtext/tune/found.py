"""What a search ended with, and how that is told."""

import math
import shlex
from dataclasses import dataclass

from lstmtext.config import Settings
from lstmtext.train.job import TrainRequest
from lstmtext.tune.watcher import Span

SETTINGS_FILE = "best.toml"
"""What a command calls the file of settings that a search printed."""


@dataclass(frozen=True)
class Found:
    """What a search ended with."""

    settings: Settings
    """Those of the best trial, with epochs for its budget."""
    score: float
    metric: str
    lower: bool
    """Whether a lower score is better."""
    default: float | None
    """The score of the default settings, if their trial was completed."""
    baseline: str
    baseline_score: float
    trials: int
    """Those that were completed or pruned."""
    pruned: int
    here: bool
    """Whether the best bundle is in its place: it may be on another machine, or another may lie where it was."""
    span: Span
    """How long the best trial trained."""
    seconds: float = math.inf
    """What the best trial took, with all that follows its training."""


def verdict(found: Found) -> list[str]:
    """What a search found, in words; a model below the baseline is never silent."""
    best = f"best {found.metric} {found.score:.4f} of {found.trials} trials, {found.pruned} of them pruned"
    lines = [best + (f"; the default settings have {found.default:.4f}" if found.default is not None else "")]
    worse = found.score > found.baseline_score if found.lower else found.score < found.baseline_score
    compared = "WARNING: worse than the baseline" if worse else "the baseline"
    return [*lines, f"{compared}, {found.baseline}: {found.baseline_score:.4f}"]


def train_command(request: TrainRequest) -> str:
    """What trains with the settings of a search, from the data and the encoder that it was of."""
    own = request.data
    options = {
        "--task": own.task,
        "--format": own.format,
        "--text-column": own.columns.text,
        "--label-column": own.columns.label,
        "--tag-column": own.columns.tag,
        "--weight-column": own.columns.weight,
        "--head": request.head,
        "--config": SETTINGS_FILE,
        "--encoder": request.encoder,
    }
    words = [*own.data, *(word for name in own.valid for word in ("--valid", name))]
    words += [word for flag, value in options.items() if value for word in (flag, value)]
    shown = (word if word.isprintable() else "DATA" for word in words)  # comments of TOML have no control characters
    return shlex.join(["lstmtext", "train", *shown, "-o", "BUNDLE"])


def as_comments(found: Found, command: str) -> list[str]:
    """What settings do not say of the training of the best trial, as comments of TOML."""
    span, epochs = found.span, found.settings.train.epochs
    lines = [f"# To train so, with this file as {SETTINGS_FILE}: {command}"]
    said = f"# The best trial trained {span.trained:.1f} epochs"
    if round(span.trained, 1) < round(span.whole, 1):
        said += f" of {span.whole:.1f}, as it got no better"
    if not span.by_clock:
        return [said + ".", *lines]
    longer = "this training is longer" if epochs > 1.5 * span.whole else "the learning rate moves a little otherwise"
    return [
        f"{said}, within its part of the time.",
        f"# Here epochs = {epochs} stands for that: {longer}, and the scores will be near, not the same.",
        *lines,
    ]
