"""What a reader gives: records of three kinds, each with the line it stands on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TextRecord:
    """A text and, where known, its label."""

    text: str
    label: str | None = None
    line: int = 0
    weight: float = 1.0
    """How much it counts in training."""


@dataclass(frozen=True)
class Sentence:
    """The words of a sentence and, where known, their tags."""

    words: tuple[str, ...]
    tags: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Passage:
    """A piece of running text for a language model; `ends` says whether its document ends here."""

    text: str
    ends: bool
