"""What a bundle says of itself: its encoder, and each head that stands on it.

Left out: where it is written down (`bundle`), and how it is told (`card`).
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lstmtext.config import EncoderSettings, Settings, TaskName, Unit
from lstmtext.errors import UsageError
from lstmtext.metrics import Scores
from lstmtext.resolve import settings_from_sections
from lstmtext.tasks import TASKS
from lstmtext.text.labels import Labels

ENCODER_SIZES = ("directions", "embedding_size", "hidden_size", "layers")
"""The settings of an encoder that its weights have the shape of; the others are of a training."""
LONGEST_NAME = 64


@dataclass(frozen=True)
class HeadInfo:
    """What a bundle says of one head."""

    task: TaskName
    labels: tuple[str, ...] = ()
    scores: Scores = field(default_factory=dict)
    """Scores on the validation data when it was trained."""
    settings: Settings = field(default_factory=Settings)
    """Those of its training; of the encoder, the sizes are the bundle's."""
    parameters: int = 0
    """Numbers that its training decided, the encoder's left out."""
    training: dict[str, object] = field(default_factory=dict)
    """How the training went: epochs, tokens, precision, device, interrupted."""
    data: dict[str, object] = field(default_factory=dict)
    """What it was trained on: files with their SHA-256, columns, records, label counts."""
    changes: list[str] = field(default_factory=list)
    """What going on from another bundle changed, and what befell the head since."""
    runtime: dict[str, object] = field(default_factory=dict)
    """Precision of its graph, and the validation scores that it was chosen by."""

    @property
    def multi_label(self) -> bool:
        """Whether its texts may have several labels, or none."""
        return self.task == "classify" and self.settings.classify.multi_label


@dataclass(frozen=True)
class BundleInfo:
    """The content of bundle.json, less the checksums."""

    encoder: EncoderSettings
    unit: Unit
    """What a token is."""
    vocabulary_size: int
    parameters: int
    """Numbers of the encoder."""
    heads: dict[str, HeadInfo]
    runtime: dict[str, object] = field(default_factory=dict)
    """Precision of the encoder's graph; nothing where no head reads it."""

    @property
    def encoder_is_read(self) -> bool:
        """Whether the graph of a head reads that of the encoder."""
        return any(TASKS[head.task].reads_encoder for head in self.heads.values())


def check_head_name(name: str) -> None:
    """Raise UsageError for a name that cannot be part of a file's on every system."""
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}", name):
        expected = f"1 to {LONGEST_NAME} letters (A to Z), digits, - and _"
        raise UsageError("--head", f"found {name!r}", expected=expected)


def plain(info: BundleInfo) -> dict[str, Any]:
    """A description as JSON holds it."""
    return asdict(info)


def info_from(content: Mapping[str, Any]) -> BundleInfo:
    """The inverse of `plain`.

    Raises KeyError, TypeError, AttributeError, AssertionError or UsageError for what is none, or does not fit together.
    """
    content = dict(content)
    encoder = settings_from_sections({**Settings().as_dict(), "encoder": content.pop("encoder")}).encoder
    heads = {name: _head_from(own) for name, own in content.pop("heads").items()}
    assert len({name.lower() for name in heads}) == len(heads), "files of two heads would have one name on some systems"
    for name, head in heads.items():
        check_head_name(name)
        sizes = [[getattr(own, size) for size in ENCODER_SIZES] for own in (encoder, head.settings.encoder)]
        assert sizes[0] == sizes[1], f"head '{name}' was trained on an encoder of other sizes"
    return BundleInfo(encoder=encoder, heads=heads, **content)


def _head_from(content: Mapping[str, Any]) -> HeadInfo:
    own = dict(content)
    task, labels = TASKS[own.pop("task")].name, Labels(own.pop("labels")).names
    return HeadInfo(task, labels, settings=settings_from_sections(own.pop("settings")), **own)
