"""Sentences from column files: CoNLL (a word and its tags a line, empty line between sentences) and CoNLL-U.

Columns are split at tabs where a line has one, else at white space, so that words may be empty or hold spaces.
Left out: dependency trees and everything else a tagger does not read.
"""

from collections.abc import Iterator
from itertools import chain

from lstmtext.data.records import Sentence
from lstmtext.data.sources import Source, read_lines
from lstmtext.errors import DataError, UsageError

CONLLU_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")


def read_conll(source: Source, tag_column: str | None = None) -> Iterator[Sentence]:
    """Sentences of a column file; the word is column 1, the tag the last one or `tag_column` (from 1)."""
    chosen = _column_number(tag_column) if tag_column else 0
    words: list[str] = []
    tags: list[str] = []
    start = 0
    width, by_tabs, lines = _layout(read_lines(source))
    for number, line in lines:
        fields = _fields(line)
        if line.startswith("#") and _is_comment(line, fields, width, by_tabs=by_tabs):
            continue
        if not fields or fields[0] == "-DOCSTART-":
            if words:
                yield Sentence(tuple(words), tuple(tags), start)
            words, tags = [], []
            continue
        if len(fields) < max(2, chosen) or len(fields) != width:
            raise DataError(
                source.place(number),
                f"{len(fields)} columns",
                expected=f"{max(2, width, chosen)}: a word and its tags",
                hint="use --tag-column N to choose another" if chosen else "",
            )
        start = start if words else number
        words.append(fields[0])
        tags.append(_tag(source, number, fields[chosen - 1]))
    if words:
        yield Sentence(tuple(words), tuple(tags), start)


def read_conllu(source: Source, tag_column: str | None = None) -> Iterator[Sentence]:
    """Syntactic words of a CoNLL-U file with UPOS or the named column; ranges and empty nodes are passed over."""
    chosen = _conllu_column(tag_column or "upos")
    words: list[str] = []
    tags: list[str] = []
    start = 0
    for number, line in read_lines(source):
        text = line.rstrip("\n")
        if not text.strip():
            if words:
                yield Sentence(tuple(words), tuple(tags), start)
            words, tags = [], []
        elif not text.startswith("#"):
            fields = text.split("\t")
            if len(fields) != len(CONLLU_COLUMNS):
                raise DataError(
                    source.place(number),
                    f"{len(fields)} columns",
                    expected="10 columns between tabs, as CoNLL-U has",
                )
            if "-" not in fields[0] and "." not in fields[0]:  # 1-2 is a multiword token, 8.1 an empty node
                start = start if words else number
                entity = _entity(fields) if tag_column is None else ""
                words.append(fields[1])
                tags.append(_tag(source, number, entity or fields[chosen]))
    if words:
        yield Sentence(tuple(words), tuple(tags), start)


def _entity(fields: list[str]) -> str:
    """The tag that `lstmtext tag --format conllu` keeps in MISC: BIO tags have no column of their own."""
    if fields[3] != "_":
        return ""
    return next((item.removeprefix("Entity=") for item in fields[-1].split("|") if item.startswith("Entity=")), "")


def _layout(lines: Iterator[tuple[int, str]]) -> tuple[int, bool, Iterator[tuple[int, str]]]:
    """Columns of the first line that cannot be a comment (0: there is none), whether by tabs, and all lines again."""
    seen: list[tuple[int, str]] = []
    for number, line in lines:
        seen.append((number, line))
        fields = _fields(line)
        if fields and fields[0] != "-DOCSTART-" and not line.startswith("#"):
            return len(fields), "\t" in line, chain(seen, lines)
    return 0, False, iter(seen)


def _is_comment(line: str, fields: list[str], width: int, *, by_tabs: bool) -> bool:
    """Whether a line that begins with # is no word; comments are a custom of this format, not a part of it."""
    return len(fields) != width or (by_tabs and "\t" not in line) or (fields[0] == "#" and "=" in fields[2:3])


def _fields(line: str) -> list[str]:
    if not line.strip():
        return []
    return line.rstrip("\n").split("\t") if "\t" in line else line.split()


def _tag(source: Source, number: int, tag: str) -> str:
    if not tag.strip():
        raise DataError(source.place(number), "the tag is empty", expected="a tag in every line with a word")
    return tag.strip()


def _column_number(column: str) -> int:
    if not column.isdigit() or int(column) < 1:
        raise UsageError("--tag-column", f"found '{column}'", expected="the number of a column, from 1")
    return int(column)


def _conllu_column(column: str) -> int:
    if column.lower() in CONLLU_COLUMNS:
        return CONLLU_COLUMNS.index(column.lower())
    number = _column_number(column)
    if number > len(CONLLU_COLUMNS):
        raise UsageError(
            "--tag-column", f"found '{column}'", expected=f"1 to 10, or one of {', '.join(CONLLU_COLUMNS)}"
        )
    return number - 1
