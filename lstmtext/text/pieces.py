"""Long texts in parts: pieces that mean the same alone and together, and windows with margins for context."""

from collections.abc import Iterator
from typing import NamedTuple

import regex

LONGEST_PIECE = 1 << 18
"""Characters of a piece: enough to be fast, few enough that what is made of one fits into any memory."""

_LAST_GAP = regex.compile(r"(?r)(?<=\S)(?=\s)")
"""The last place where white space begins: no word and no token reaches across."""


def in_pieces(text: str, longest: int = LONGEST_PIECE) -> Iterator[str]:
    """Parts of a text that give it when joined, each cut before white space; a word that is longer is cut inside."""
    start = 0
    while len(text) - start > longest:
        gap = _LAST_GAP.search(text, start + 1, start + longest)
        end = gap.start() if gap else start + longest
        yield text[start:end]
        start = end
    yield text[start:]


class Window(NamedTuple):
    """A part of a sequence: `read` is looked at, and what is found of `kept` counts."""

    read: slice
    kept: slice
    """Within what was read."""


def windows_of(length: int, size: int, margin: int) -> list[Window]:
    """Windows over a sequence; one that is no longer than `size` is one window, others overlap by twice the margin."""
    if length <= size:
        return [Window(slice(0, length), slice(0, length))]
    step = size - 2 * margin
    windows = []
    for start in range(0, length, step):
        end = min(start + step, length)
        first, last = max(0, start - margin), min(length, end + margin)
        windows.append(Window(slice(first, last), slice(start - first, end - first)))
    return windows
