"""The ways to write a tagged text, each one function from a tagged line to what is printed for it.

`conll` and `jsonl` are what the readers of `data` take; `inline` and `jsonl` print one line a text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lstmtext.cli.streams import free_key, json_line
from lstmtext.text.spans import bio_spans

if TYPE_CHECKING:
    from lstmtext.text.words import Word


@dataclass(frozen=True)
class TaggedLine:
    """A line of input: its record, the words of its text, and their tags."""

    record: dict[str, object]
    words: "Sequence[Word]"
    tags: Sequence[str]
    text_column: str
    has_spans: bool
    """Whether the model's tags are BIO."""

    @property
    def text(self) -> str:
        """The text that was tagged."""
        return str(self.record[self.text_column])

    @property
    def spans(self) -> list[tuple[str, int, int]]:
        """Label, first and end character of each span, where tags are BIO."""
        return [(s.label, self.words[s.start].start, self.words[s.end - 1].end) for s in bio_spans(self.tags)]


def _conll(line: TaggedLine) -> str:
    return "".join(f"{word.text}\t{tag}\n" for word, tag in zip(line.words, line.tags, strict=True))


def _conllu(line: TaggedLine) -> str:
    rows = [f"# text = {_one_line(line.text)}\n"]
    for number, (word, tag) in enumerate(zip(line.words, line.tags, strict=True), start=1):
        misc = f"Entity={tag}|" if line.has_spans else ""
        upos = "_" if line.has_spans else tag
        rows.append(f"{number}\t{word.text}\t_\t{upos}\t_\t_\t_\t_\t_\t{misc}TokenRange={word.start}:{word.end}\n")
    return "".join(rows)


def _jsonl(line: TaggedLine) -> str:
    said: dict[str, object] = {
        "words": [word.text for word in line.words],
        "tags": list(line.tags),
        "offsets": [[word.start, word.end] for word in line.words],
    }
    if line.has_spans:
        said["spans"] = [
            {"label": label, "start": start, "end": end, "text": line.text[start:end]}
            for label, start, end in line.spans
        ]
    known = {free_key(key, "gold_", line.record) if key in said else key: own for key, own in line.record.items()}
    return json_line({**known, **said})


def _inline(line: TaggedLine) -> str:
    if not line.has_spans:
        return " ".join(f"{word.text}/{tag}" for word, tag in zip(line.words, line.tags, strict=True))
    written, place = "", 0
    for label, start, end in line.spans:
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
