"""What a training holds between two steps, and its whole as a snapshot that it can go on from to the bit.

Left out: what a step does (`loop`), where snapshots are kept (`runs`).
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lstmtext.config import Settings
from lstmtext.metrics import Scores
from lstmtext.nn.encoder import State, StreamState
from lstmtext.nn.joint import Carried, JointModel
from lstmtext.nn.model import Model, copy_tensors, fixed_tensors, moving_tensors
from lstmtext.train.checkpoint import Snapshot
from lstmtext.train.loop import Position, StepReport, draw_back, make_optimizer, move_average, running_share

UNREAD_STEPS = 20
"""Steps whose losses are read together, as reading one waits for the device."""
NUMBERS = ("tokens", "epochs", "looks", "averaged")
"""What a course counts."""
CARRIED = ("forward hidden", "forward cell", "backward hidden", "backward cell")


@dataclass
class Best:
    """The best weights so far."""

    weights: dict[str, Tensor] = field(default_factory=dict)
    scores: Scores | None = None
    epochs: float = 0.0
    misses: int = 0
    """Validations since."""

    def take(self, model: Model | JointModel, scores: Scores, epochs: float) -> None:
        """Remember a model that is better than all before."""
        self.weights = {name: value.detach().clone() for name, value in moving_tensors(model).items()}
        self.scores, self.epochs, self.misses = scores, epochs, 0


class Losses:
    """Losses since the last look at the validation data; those of the last steps stay on the device for a while."""

    def __init__(self) -> None:
        self.read: list[float] = []
        self._unread: list[StepReport] = []

    def add(self, report: StepReport) -> int:
        """Take one more; the step whose loss was found to be no number, else 0."""
        self._unread.append(report)
        return 0 if len(self._unread) < UNREAD_STEPS else self.settle()

    def settle(self) -> int:
        """Read all that are not read yet; the first step whose loss is no number, else 0."""
        found = [(own.step, own.loss) for own in self._unread]
        self._unread.clear()
        self.read += [loss for _, loss in found]
        return next((step for step, loss in found if not math.isfinite(loss)), 0)

    def mean(self) -> float:
        """Mean of those read, which are then forgotten."""
        mean = sum(self.read) / len(self.read)
        self.read.clear()
        return mean


class Course:
    """A model in training: weights, their average, optimizer, position, and the best so far."""

    def __init__(
        self, model: Model | JointModel, settings: Settings, *, fresh_head: bool = False, taken: tuple[str, ...] = ()
    ) -> None:
        """A course at its beginning; `taken` is what the names of the weights begin with that were taken over."""
        self.model = model
        self._decay, self._triggered = settings.train.average, settings.train.average_after > 0
        self._retain = settings.transfer.retain
        drawn = taken if self._retain else ()
        self._start = {name: own.detach().clone() for name, own in model.named_parameters() if name.startswith(drawn)}
        """Weights that were taken over, where a part of them is retained."""
        self.kept = copy.deepcopy(model) if self._decay or self._triggered or self._start else model
        """What is validated and saved: the model itself, or an average of the weights, drawn back to their start."""
        self.averaged = 0
        """Steps of the plain mean of the weights, once it has begun."""
        self.optimizer = make_optimizer(model, settings, fresh_head=fresh_head)
        self.position = Position.first(settings.train.seed)
        self.best = Best()
        self.losses = Losses()
        self.tokens = 0
        self.epochs = 0.0
        self.looks = 0
        """Validations so far."""

    def is_frozen(self, progress: float) -> bool:
        """Whether a part of the encoder does not learn yet."""
        return any(progress < group["begins"] for group in self.optimizer.param_groups)

    def average(self, step: int) -> None:
        """Take the weights after a step into the average."""
        if self.kept is self.model:
            return
        share = 1 / max(1, self.averaged) if self._triggered else running_share(self._decay, step)
        self.averaged += self.averaged > 0
        move_average(self.kept, self.model, share)
        draw_back(self.kept, self.model, self._start, share * self._retain)

    def take_best(self) -> Model | JointModel:
        """The kept model with the best weights so far."""
        copy_tensors(moving_tensors(self.kept), self.best.weights, place="the best weights")
        return self.kept

    def fixed(self) -> Snapshot:
        """What the data decided before the first step."""
        return Snapshot(fixed_tensors(self.model), {})

    def of_rank(self) -> dict[str, Tensor]:
        """What only this rank holds: the states that its rows are read on from, and its random generators."""
        own = _named("carried", {name: value.cpu() for name, value in _flat(self.position.carried).items()})
        own["random.cpu"] = torch.get_rng_state()
        if self.model.device.type == "cuda":
            own["random.cuda"] = torch.cuda.get_rng_state(self.model.device)
        return own

    def snapshot(self, of_ranks: Sequence[dict[str, Tensor]]) -> Snapshot:
        """All that the rest of the training depends on, with what each rank holds. Losses must be settled."""
        tensors = _named("model", moving_tensors(self.model))
        if self.kept is not self.model:
            tensors |= _named("average", moving_tensors(self.kept))
        tensors |= _named("start", self._start)
        tensors |= _named("best", self.best.weights)
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= _named(f"optimizer.{index}", state)
        for rank, own in enumerate(of_ranks):
            tensors |= _named(f"rank.{rank}", own)
        position = {key: value for key, value in vars(self.position).items() if key != "carried"}
        best = {"scores": self.best.scores, "epochs": self.best.epochs, "misses": self.best.misses}
        numbers = {key: getattr(self, key) for key in NUMBERS}
        return Snapshot(tensors, {"position": position, "best": best, "losses": self.losses.read, **numbers})

    def restore(self, snapshot: Snapshot, place: object, rank: int = 0, size: int = 1) -> None:
        """Go on from a snapshot; where it is of another number of ranks, with fresh rows and dropout.

        Raises ModelError where it was made by another model.
        """
        groups = _grouped(snapshot.tensors)
        copy_tensors(moving_tensors(self.model), groups["model"], place=place)
        if self.kept is not self.model:
            copy_tensors(moving_tensors(self.kept), groups.get("average", groups["model"]), place=place)
        copy_tensors(self._start, groups.get("start", {}), place=place)
        states = {int(index): own for index, own in _grouped(groups.get("optimizer", {})).items()}
        self.optimizer.load_state_dict({"state": states, "param_groups": self.optimizer.state_dict()["param_groups"]})
        facts: dict[str, Any] = snapshot.facts
        device = self.model.device
        ranks = _grouped(groups["rank"])
        of_rank = _grouped(ranks[str(rank)]) if len(ranks) == size else {}
        carried = {key: value.to(device) for key, value in of_rank.get("carried", {}).items()}
        self.position = Position(**facts["position"], carried=_stream_state(carried))
        weights = {name: value.to(device) for name, value in groups.get("best", {}).items()}
        self.best = Best(weights, **facts["best"])
        for key in NUMBERS:
            setattr(self, key, facts[key])
        self.losses.read = list(facts["losses"])
        if "random" in of_rank:
            torch.set_rng_state(of_rank["random"]["cpu"])
        if device.type == "cuda" and "cuda" in of_rank.get("random", {}):
            torch.cuda.set_rng_state(of_rank["random"]["cuda"], device)


def _grouped(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors by the first part of their name, which is taken off."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        groups.setdefault(kind, {})[rest] = value
    return groups


def _named(kind: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{kind}.{name}": value for name, value in tensors.items()}


def _flat(carried: StreamState | Carried | None) -> dict[str, Tensor]:
    """Carried states by name; those of several heads have the head's name before a slash."""
    if carried is None:
        return {}
    if isinstance(carried, dict):
        return {f"{head}/{name}": own for head, state in carried.items() for name, own in _flat(state).items()}
    forward, backward = carried
    return dict(zip(CARRIED, (*forward, *(backward or ())), strict=False))


def _stream_state(flat: dict[str, Tensor]) -> StreamState | Carried | None:
    """The inverse of `_flat`."""
    if not flat:
        return None
    heads = {name.partition("/")[0] for name in flat if "/" in name}
    if heads:
        return {head: _one_state(_named_so(flat, f"{head}/")) for head in sorted(heads)}
    return _one_state(flat)


def _one_state(flat: dict[str, Tensor]) -> StreamState:
    states: list[State] = [(flat[CARRIED[at]], flat[CARRIED[at + 1]]) for at in range(0, len(flat), 2)]
    return states[0], states[1] if len(states) > 1 else None


def _named_so(flat: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): own for name, own in flat.items() if name.startswith(prefix)}
