"""The ways to write a tagged text, each one function from a tagged line to what is printed for it.

`conll` and `jsonl` are what the readers of `data` take; `inline` and `jsonl` print one line a text. Of several heads,
each column, key or item of MISC is one that the readers can be told to take.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lstmtext.cli.streams import free_key, json_line
from lstmtext.errors import UsageError
from lstmtext.text.spans import bio_spans, is_bio

if TYPE_CHECKING:
    from lstmtext.bundle import Bundle
    from lstmtext.description import HeadInfo
    from lstmtext.text.words import Word

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
    words: "Sequence[Word]"
    heads: Sequence[HeadTags]
    text_column: str

    @property
    def text(self) -> str:
        """The text that was tagged."""
        return str(self.record[self.text_column])

    def spans(self, head: HeadTags) -> list[Span]:
        """The spans of a head whose tags are BIO."""
        return [(s.label, self.words[s.start].start, self.words[s.end - 1].end) for s in bio_spans(head.tags)]


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
    words: "Sequence[Sequence[Word]]",
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
    return "".join("\t".join((word.text, *tags)) + "\n" for word, tags in zip(line.words, columns, strict=True))


def _conllu(line: TaggedLine) -> str:
    upos = next((head for head in line.heads if not head.has_spans), None)
    # One head alone needs no name; what it gives is what Universal Dependencies call Entity.
    others = {head.name if len(line.heads) > 1 else "Entity": head for head in line.heads if head is not upos}
    rows = [f"# text = {_one_line(line.text)}\n"]
    for place, word in enumerate(line.words):
        own = upos.tags[place] if upos else "_"
        misc = "".join(f"{name}={head.tags[place]}|" for name, head in others.items())
        misc += f"TokenRange={word.start}:{word.end}"
        rows.append(f"{place + 1}\t{word.text}\t_\t{own}\t_\t_\t_\t_\t_\t{misc}\n")
    return "".join(rows)


def _jsonl(line: TaggedLine) -> str:
    said: dict[str, object] = {"words": [word.text for word in line.words]}
    ends = {head.name: f"_{head.name}" if len(line.heads) > 1 else "" for head in line.heads}
    said |= {f"tags{ends[head.name]}": list(head.tags) for head in line.heads}
    said["offsets"] = [[word.start, word.end] for word in line.words]
    for head in (head for head in line.heads if head.has_spans):
        said[f"spans{ends[head.name]}"] = [
            {"label": label, "start": start, "end": end, "text": line.text[start:end]}
            for label, start, end in line.spans(head)
        ]
    known = {free_key(key, "gold_", line.record) if key in said else key: own for key, own in line.record.items()}
    return json_line({**known, **said})


def _inline(line: TaggedLine) -> str:
    (head,) = line.heads
    if not head.has_spans:
        return " ".join(f"{word.text}/{tag}" for word, tag in zip(line.words, head.tags, strict=True))
    written, place = "", 0
    for label, start, end in line.spans(head):
        written += f"{line.text[place:start]}[{line.text[start:end]}]({label})"
        place = end
    return _one_line(written + line.text[place:])


def _one_line(text: str) -> str:
    """A text without line ends, which only JSON can carry in; as many characters, so that offsets stay right."""
    return text.replace("\r", " ").replace("\n", " ")


TAG_FORMATS: dict[str, Callable[[TaggedLine], str]] = {
    "conll": _conll,
    "conllu": _conllu,
    "jsonl": _jsonl,
    "inline": _inline,
}
