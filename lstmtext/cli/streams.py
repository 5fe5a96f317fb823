"""Standard streams of the pipe commands: lines in as they come, records out at once.

`read_groups` hands over whatever lines have arrived, so a slow producer is answered line by line and a fast
one in groups that grow, without a clock or a thread. Bytes that are no UTF-8 become U+FFFD; no line is lost.
"""

import json
import os
import select
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TextIO, cast

from lstmtext.config import TaskName
from lstmtext.cores import core_count
from lstmtext.data.sources import UNREADABLE, open_bytes
from lstmtext.data.tables import load_json
from lstmtext.errors import DataError, reason

TABLES = (".csv", ".tsv")
_CUT: dict[TaskName, str] = {"classify": "texts", "tag": "words"}
REPLACEMENT = "\ufffd"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LEAST_BYTES, GROUP_BYTES, GROUP_LINES = 1 << 14, 1 << 17, 1 << 12
"""Bytes of the first groups for several threads; of a full group, a thousand lines or so, enough to find batches of
like lengths in; and its most lines."""


class _ReadsWhatIsThere(Protocol):
    def read1(self, size: int, /) -> bytes: ...

    def fileno(self) -> int: ...


def read_groups(name: str, threads: int = 1) -> Iterator[list[str]]:
    """Lines of a file or standard input ("-"), without line ends, in groups as they arrive; 0 threads are all cores.

    An empty group says that no more is there now: the next may be long in coming, so whoever holds answers back should
    give them. Raises DataError where the file cannot be opened or read.
    """
    threads = threads or core_count()
    group: list[bytes] = []
    size = read = 0
    unfinished: list[bytes] = []
    try:
        for block in _blocks(name, threads):
            head, newline, rest = block.rpartition(b"\n")
            if newline:
                group += b"".join([*unfinished, head]).split(b"\n")
                unfinished.clear()
            unfinished += [rest] if rest else []
            size += len(block)
            read += len(block)
            if group and (size >= _full_size(read - size, threads) or not block):
                yield from _groups(group)
                group, size = [], 0
            if not block:
                yield []
    except DataError:  # in the middle of a file; the lines before it are answered
        yield from _groups(group)
        yield []
        raise
    if unfinished:
        group.append(b"".join(unfinished))
    yield from _groups(group)


def _full_size(read: int, threads: int) -> int:
    """Bytes to read at once and to make a group full: half of a thread's part of what was read before, within bounds.

    So few lines keep several threads busy too, and no thread has a long group alone at the end.
    """
    return GROUP_BYTES if threads == 1 else min(max(LEAST_BYTES, read // (2 * threads)), GROUP_BYTES)


def _groups(lines: list[bytes]) -> Iterator[list[str]]:
    """Lines as text, no more at once than a group has."""
    for first in range(0, len(lines), GROUP_LINES):
        yield [_text(line) for line in lines[first : first + GROUP_LINES]]


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to standard output and flush, so that the reader of a pipe has them now."""
    write_text("".join(line + "\n" for line in lines))


def write_text(text: str) -> None:
    """Write a piece of text to standard output at once. Raises OSError that names it, BrokenPipeError as it is."""
    left = memoryview(text.encode("utf-8", "replace"))
    try:
        while left:  # where Python does not buffer (PYTHONUNBUFFERED), a write may take a part
            left = left[sys.stdout.buffer.write(left) :]
        sys.stdout.buffer.flush()
    except (BrokenPipeError, ConnectionResetError) as error:
        raise BrokenPipeError from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def remark(text: str, *, quiet: bool = False) -> None:
    """Say something to the user on stderr; a reader who has left it, as `2>&1 | head` does, ends no work."""
    if quiet:
        return
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"lstmtext: {text}\n")
    except OSError:  # a terminal that is gone, a full disk
        abandon(sys.stderr)


def remark_cut(task: TaskName, count: int, say: Callable[[str], None] = remark) -> None:
    """Say how many texts or words were longer than the model reads, if any were."""
    if count:
        say(f"{_CUT[task]} longer than the model reads, without their middle: {count:,}")


def abandon(stream: TextIO) -> None:
    """Lead a standard stream nowhere, or Python would complain once more when it flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def json_line(record: object) -> str:
    """A record as one line of JSON."""
    return json.dumps(record, ensure_ascii=False)


def free_key(key: str, prefix: str, record: Mapping[str, object]) -> str:
    """The key, with as many prefixes as it takes not to be in the record."""
    while key in record:
        key = prefix + key
    return key


class RecordLines:
    """Lines of input as records that hold their text under `column`."""

    def __init__(self, name: str, text_column: str | None, *, as_json: bool, say: Callable[[str], None]) -> None:
        if Path(name).suffix.lower() in TABLES:
            say(f"{name} is read line by line, its header too; JSON lines can name their text")
        self.column = text_column or "text"
        self._as_json = as_json or text_column is not None
        self._only_json = text_column is not None
        self.say = say
        self._read = 0
        self.strays = 0
        """Lines that should hold a text under the column and do not; they were read as plain lines."""
        self.broken = 0
        """Lines with U+FFFD, which stands for bytes that are no UTF-8."""

    def parse(self, lines: Iterable[str]) -> list[dict[str, object]]:
        """A record a line; where JSON is expected, an object with a text is taken as it is."""
        records: list[dict[str, object]] = []
        for line in lines:
            self._read += 1
            self.broken += REPLACEMENT in line
            if self._as_json:
                records.append(self._parse(line))
            else:
                if self._read == 1 and _json_object(line):
                    self.say("the first line is a JSON object and read as plain text; --format jsonl reads its text")
                records.append({self.column: line})
        return records

    def remarks(self) -> Iterator[str]:
        """What the user should know at the end."""
        if self.strays > 1:
            yield f"lines without a text under '{self.column}', read as plain text: {self.strays}"
        if self.broken:
            yield f"lines with bytes that are not UTF-8, now U+FFFD: {self.broken}; iconv converts files"

    def _parse(self, line: str) -> dict[str, object]:
        record = _json_object(line)
        if record is not None and isinstance(record.get(self.column), str):
            return record
        if record is not None or self._only_json or line.lstrip().startswith("{"):
            self.strays += 1
            if self.strays == 1:
                found = f"it has {', '.join(map(repr, record))}" if record else "it is no JSON object"
                found = "what it has there is no string" if record and self.column in record else found
                self.say(
                    f"line {self._read} has no text under '{self.column}' ({found}) and is read as plain text; "
                    "--text-column names another key"
                )
        return {**(record or {}), self.column: line}


Answered = tuple[list[str], int]
"""Lines to write, and how many texts or words were cut for them."""


def answer_groups(
    task: TaskName,
    lines: RecordLines,
    groups: Iterable[list[str]],
    work: Callable[[list[dict[str, object]]], Answered],
    threads: int,
) -> None:
    """Write what the work makes of each group's records; at the end, be it an error of FILE, say what was not read."""
    from lstmtext.runtime.workers import in_order

    cut, failed = 0, None
    try:
        for written, shortened in in_order(map(lines.parse, groups), work, threads):
            write_lines(written)
            cut += shortened
    except DataError as error:  # what came before it is answered
        failed = error
    remark_cut(task, cut, lines.say)
    for text in lines.remarks():
        lines.say(text)
    if failed is not None:
        raise failed


def _json_object(line: str) -> dict[str, object] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        return cast(dict[str, object], load_json(line))
    except ValueError:
        return None


def _blocks(name: str, threads: int) -> Iterator[bytes]:
    """Pieces of a stream as they come, without a mark at its beginning; an empty one before reading has to wait."""
    mark, begun, read = BYTE_ORDER_MARK, b"", 0
    try:
        with open_bytes(name) as stream:
            reader = cast(_ReadsWhatIsThere, stream)
            while block := begun + reader.read1(_full_size(read, threads)):
                read += len(block)
                if block == begun:  # the stream has ended in the middle of a mark
                    yield block
                    return
                begun = block if block != mark and mark.startswith(block) else b""
                if not begun:
                    yield block.removeprefix(mark)
                    mark = b""
                if not _is_ready(reader):
                    yield b""
    except UNREADABLE as error:
        raise DataError(name, f"cannot be read: {reason(error)}", hint="check FILE") from error


def _is_ready(stream: _ReadsWhatIsThere) -> bool:
    """Whether reading would not wait; False where the system cannot tell."""
    try:
        return bool(select.select([stream.fileno()], [], [], 0)[0])
    except (OSError, ValueError):  # Windows knows sockets only; a stream may have no number
        return False


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")
