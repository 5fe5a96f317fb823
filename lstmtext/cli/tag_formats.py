"""The ways to write a tagged text, each one function from a tagged line to what is printed for it.

`conll` and `jsonl` are what the readers of `data` take; `inline` and `jsonl` print one line a text. Of several heads,
each column, key or item of MISC is one that the readers can be told to take.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from lstmtext.cli.streams import free_key, json_line
from lstmtext.errors import UsageError
from lstmtext.text.spans import bio_spans, is_bio

if TYPE_CHECKING:
    from lstmtext.bundle import Bundle
    from lstmtext.description import HeadInfo
    from lstmtext.text.words import Words

CHUNK = 1 << 14
"""Items of a list that become JSON at once."""
Span = tuple[str, int, int]
"""Label, first and end character."""


@dataclass(frozen=True)
class HeadTags:
    """The tags that a head gives to the words of a text."""

    name: str
    tags: Sequence[str]
    has_spans: bool
    """Whether the head's tags are BIO."""


@dataclass(frozen=True)
class TaggedLine:
    """A line of input: its record, the words of its text, and their tags by each head."""

    record: dict[str, object]
    words: "Words"
    heads: Sequence[HeadTags]
    text_column: str

    @property
    def text(self) -> str:
        """The text that was tagged."""
        return str(self.record[self.text_column])

    def spans(self, head: HeadTags) -> list[Span]:
        """The spans of a head whose tags are BIO."""
        ends_W2 = self.words.spans_W2
        return [(s.label, int(ends_W2[s.start, 0]), int(ends_W2[s.end - 1, 1])) for s in bio_spans(head.tags)]


def chosen_heads(bundle: "Bundle", names: Sequence[str], format_name: str) -> "list[tuple[str, HeadInfo]]":
    """The named taggers of a bundle, in order, or its only one. Raises UsageError for more than a format can hold."""
    if len(set(names)) < len(names):
        raise UsageError("--head", f"found {', '.join(names)}", expected="each head once")
    if len(names) > 1 and format_name == "inline":
        raise UsageError(
            "--format inline", f"found {len(names)} heads", expected="one", hint="use conll, conllu or jsonl"
        )
    return [bundle.head(name, "tag") for name in names] or [bundle.head(None, "tag")]


def tagged_lines(
    heads: "Sequence[tuple[str, HeadInfo]]",
    records: Sequence[dict[str, object]],
    words: "Sequence[Words]",
    tags: Sequence[Sequence[Sequence[str]]],
    text_column: str,
) -> Iterator[TaggedLine]:
    """Lines of records with their words, and the tags of each by each head."""
    kinds = [(name, is_bio(info.labels)) for name, info in heads]
    for place, (record, own) in enumerate(zip(records, words, strict=True)):
        found = [
            HeadTags(name, of_head[place], has_spans) for (name, has_spans), of_head in zip(kinds, tags, strict=True)
        ]
        yield TaggedLine(record, own, found, text_column)


def _conll(line: TaggedLine) -> str:
    columns = zip(*(head.tags for head in line.heads), strict=True)
    return _written("\t".join((word, *tags)) + "\n" for word, tags in zip(line.words, columns, strict=True))


def _conllu(line: TaggedLine) -> str:
    upos = next((head for head in line.heads if not head.has_spans), None)
    # One head alone needs no name; what it gives is what Universal Dependencies call Entity.
    others = {head.name if len(line.heads) > 1 else "Entity": head for head in line.heads if head is not upos}

    def rows() -> Iterator[str]:
        yield f"# text = {_one_line(line.text)}\n"
        for place, (word, (start, end)) in enumerate(zip(line.words, line.words.spans(), strict=True)):
            own = upos.tags[place] if upos else "_"
            misc = "".join(f"{name}={head.tags[place]}|" for name, head in others.items())
            misc += f"TokenRange={start}:{end}"
            yield f"{place + 1}\t{word}\t_\t{own}\t_\t_\t_\t_\t_\t{misc}\n"

    return _written(rows())


def _jsonl(line: TaggedLine) -> str:
    ends = {head.name: f"_{head.name}" if len(line.heads) > 1 else "" for head in line.heads}
    said: dict[str, Iterable[object]] = {"words": line.words}
    said |= {f"tags{ends[head.name]}": head.tags for head in line.heads}
    said["offsets"] = line.words.spans()
    for head in (head for head in line.heads if head.has_spans):
        said[f"spans{ends[head.name]}"] = (
            {"label": label, "start": start, "end": end, "text": line.text[start:end]}
            for label, start, end in line.spans(head)
        )
    known = {free_key(key, "gold_", line.record) if key in said else key: own for key, own in line.record.items()}
    return _written(_json_parts(known, said))


def _json_parts(record: dict[str, object], lists: Mapping[str, Iterable[object]]) -> Iterator[str]:
    """What `json_line` makes of a record, which is not empty, and lists; of long ones a part at a time."""
    yield json_line(record).removesuffix("}")
    for key, items in lists.items():
        yield f", {json_line(key)}: ["
        left, comma = iter(items), ""
        while chunk := list(islice(left, CHUNK)):
            yield comma + json_line(chunk)[1:-1]
            comma = ", "
        yield "]"
    yield "}"


def _inline(line: TaggedLine) -> str:
    (head,) = line.heads
    if not head.has_spans:
        pairs = zip(line.words, head.tags, strict=True)
        return _written(f"{' ' if place else ''}{word}/{tag}" for place, (word, tag) in enumerate(pairs))

    def parts() -> Iterator[str]:
        place = 0
        for label, start, end in line.spans(head):
            yield f"{line.text[place:start]}[{line.text[start:end]}]({label})"
            place = end
        yield line.text[place:]

    return _one_line(_written(parts()))


def _written(parts: Iterable[str]) -> str:
    """Parts one after the other; joined, a line of millions of words would hold them all beside what they make."""
    whole = io.StringIO()
    whole.writelines(parts)
    return whole.getvalue()


def _one_line(text: str) -> str:
    """A text without line ends, which only JSON can carry in; as many characters, so that offsets stay right."""
    return text.replace("\r", " ").replace("\n", " ")


TAG_FORMATS: dict[str, Callable[[TaggedLine], str]] = {
    "conll": _conll,
    "conllu": _conllu,
    "jsonl": _jsonl,
    "inline": _inline,
}
