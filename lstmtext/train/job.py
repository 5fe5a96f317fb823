"""What to train, from what, and where to: as a command line says it, and with the data prepared."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstmtext.bundle import Bundle
from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData
from lstmtext.data.plan import DataRequest
from lstmtext.train.checkpoint import Snapshot
from lstmtext.train.ranks import ALONE, Ranks
from lstmtext.train.runs import RunFolder
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


@dataclass(frozen=True)
class TrainJob:
    """What to train, from what, and where to: as a command line says it, and with the data prepared."""

    data: EncodedData
    settings: Settings
    output: Path
    head: str
    """Name of the head that is trained."""
    encoder: Bundle | None = None
    """A bundle whose encoder and tokenizer to start from."""
    before: OldHead | None = None
    """The head of that bundle, if it goes on."""
    added: bool = False
    """Whether the head is added to that bundle, whose encoder does not learn then."""
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
        """Whether a new head begins on an encoder that was taken over."""
        return self.encoder is not None and self.before is None
