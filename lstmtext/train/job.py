"""What to train, from what, and where to: as a command line says it, and with the data prepared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstmtext.bundle import Bundle
from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData
from lstmtext.data.plan import DataRequest
from lstmtext.nn.joint import head_module
from lstmtext.nn.model import ENCODER_PREFIX, HEAD_PREFIX
from lstmtext.tasks import TASKS, Task
from lstmtext.train.checkpoint import Snapshot
from lstmtext.train.ranks import ALONE, Ranks
from lstmtext.train.runs import RunFolder
from lstmtext.train.staying import StayingHead
from lstmtext.train.transfer import OldHead

FROM_SCRATCH = "none"


@dataclass(frozen=True)
class TrainRequest:
    """What a command line says of a training."""

    data: DataRequest
    output: Path
    encoder: str = FROM_SCRATCH
    head: str | None = None
    adapt_on: Sequence[str] = ()
    """Text that a language model learns first, whose encoder is then the one to start from."""
    add_to: str = ""
    """A bundle that the head is added to."""
    together: Mapping[str, DataRequest] = field(default_factory=dict)
    """Data of heads that are trained together, by name; `data` is that of the first then."""
    weighs: str = ""
    """The option that lets classes count alike, if the command line has one; a file of settings may serve any task."""


@dataclass(frozen=True)
class HeadJob:
    """A head to train, and from what."""

    name: str
    data: EncodedData
    settings: Settings
    before: OldHead | None = None
    """The head of the bundle to start from, if it goes on."""

    @property
    def task(self) -> Task:
        """What the head is for."""
        return TASKS[self.data.task]


@dataclass(frozen=True)
class TrainJob:
    """What to train, from what, and where to, with the data prepared."""

    heads: tuple[HeadJob, ...]
    output: Path
    encoder: Bundle | None = None
    """A bundle whose encoder and tokenizer to start from."""
    added: bool = False
    """Whether the head is added to that bundle, whose encoder does not learn then."""
    staying: Mapping[str, StayingHead] = field(default_factory=dict)
    """Heads of that bundle which stay beside those that are trained."""
    run: RunFolder | None = None
    """Where checkpoints go."""
    about: dict[str, Any] = field(default_factory=dict)
    """What the run is, kept beside its checkpoints."""
    snapshot: Snapshot | None = None
    """A checkpoint to go on from."""
    fixed: Snapshot | None = None
    """What the data decided before the first step of the run that it is of."""
    precision: str = ""
    """What that run was trained in."""
    ranks: Ranks = ALONE
    """The processes that train together."""

    @property
    def fresh_head(self) -> bool:
        """Whether a new head begins on an encoder that was taken over, be it beside others that go on."""
        return self.encoder is not None and any(head.before is None for head in self.heads)

    @property
    def taken(self) -> tuple[str, ...]:
        """What the names of the weights begin with that were taken over and learn: the encoder's, whole heads'."""
        if self.encoder is None or self.added:
            return ()
        single = len(self.heads) == 1
        whole = [head.name for head in self.heads if head.before and len(head.before.labels) == len(head.data.labels)]
        return (ENCODER_PREFIX, *(HEAD_PREFIX if single else f"{head_module(name)}." for name in whole))

    @property
    def settings(self) -> Settings:
        """Settings of encoder and training, which all heads share."""
        return self.heads[0].settings

    @property
    def data(self) -> EncodedData:
        """Data of the head, or of the first of several."""
        return self.heads[0].data

    @property
    def head(self) -> str:
        """Name of the head, or of the first of several."""
        return self.heads[0].name

    @property
    def before(self) -> OldHead | None:
        """The old head of that head."""
        return self.heads[0].before
