"""Tag schemes of word sequences: IOB1, BIO and BIOES in, BIO out; spans from BIO.

Holds scheme detection, conversion, and the repair of sequences that no scheme allows. Tags without a
scheme (parts of speech) pass unchanged.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Scheme = Literal["none", "iob1", "bio", "bioes"]
OUTSIDE = "O"
"""The tag of a word in no span."""


class Span(NamedTuple):
    """A typed run of words: `words[start:end]`."""

    label: str
    start: int
    end: int


def detect_scheme(sequences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that a collection of tag sequences is written in.

    BIOES where a single or end tag occurs; IOB1 where most spans begin with I-; else BIO.
    """
    prefixes: set[str] = set()
    begun_inside = begun = 0
    for tags in sequences:
        previous = "O"
        for tag in tags:
            if not _has_scheme(tag):
                return "none"
            prefix = tag[0]
            prefixes.add(prefix)
            begun += prefix == "B"
            begun_inside += prefix == "I" and tag[2:] != previous[2:]
            previous = tag
    if not prefixes - {"O"}:
        return "none"
    if prefixes & set("SEUL"):
        return "bioes"
    return "iob1" if begun_inside > begun else "bio"


def to_bio(tags: Sequence[str], scheme: Scheme) -> tuple[list[str], int]:
    """Tags as BIO, and the number of tags that had to be repaired.

    A span that starts with an inside or end tag gets a B-; in IOB1 that is the rule, elsewhere it is a repair.
    A tag without a scheme stays as it is.
    """
    if scheme == "none":
        return list(tags), 0
    made: list[str] = []
    repaired = 0
    previous, closed = "O", True
    for tag in tags:
        if not _has_scheme(tag):
            made.append(tag)
            previous, closed = "O", True
            continue
        prefix, label = tag[0], tag[2:]
        continues = prefix in "IEL" and not closed and label == previous[2:]
        if prefix in "IEL" and not continues and scheme != "iob1":
            repaired += 1
        made.append("O" if prefix == "O" else f"{'I' if continues else 'B'}-{label}")
        previous, closed = tag, prefix in "OESLU"
    return made, repaired


def bio_spans(tags: Sequence[str]) -> list[Span]:
    """Spans of a BIO sequence, read strictly: an I- that continues nothing belongs to no span.

    Equal to seqeval's strict mode with scheme IOB2.
    """
    spans: list[Span] = []
    start, label = -1, ""
    for index, tag in enumerate([*tags, "O"]):
        if start >= 0 and not (tag[0] == "I" and tag[2:] == label):
            spans.append(Span(label, start, index))
            start = -1
        if tag[0] == "B":
            start, label = index, tag[2:]
    return spans


def is_bio(names: Iterable[str]) -> bool:
    """Whether a set of tag names is a BIO set, so that spans can be read from it."""
    kinds = list(names)
    return all(_has_scheme(name) for name in kinds) and any(name.startswith("B-") for name in kinds)


def forbidden_transitions(names: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (from, to) of ids that BIO does not allow; `from` -1 stands for the start of a sentence."""
    if not is_bio(names):
        return []
    bad = []
    for to, name in enumerate(names):
        if name[0] == "I":
            allowed = {f"B-{name[2:]}", f"I-{name[2:]}"}
            bad += [(-1, to)] + [(source, to) for source, other in enumerate(names) if other not in allowed]
    return bad


def _has_scheme(tag: str) -> bool:
    return tag == "O" or (len(tag) > 2 and tag[0] in "BIESUL" and tag[1] == "-")
