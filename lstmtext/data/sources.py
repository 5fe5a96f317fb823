"""Where data come from: a file, standard input, a dataset folder or a hub name; and its lines as text.

Holds the recognition of formats and the reading of lines: `.gz`, byte-order marks, CRLF, bytes that are no
UTF-8. What the lines mean is left to the readers of each format.
"""

import codecs
import gzip
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from lstmtext.errors import DataError, UsageError, reason

HUB_PREFIX = "hf://"
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".conll": "conll",
    ".conll03": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
    ".bioes": "conll",
    ".conllu": "conllu",
}
"""Format of a file by the end of its name, before `.gz`."""

DATASET_FILES = {"README.md", "dataset_dict.json", "state.json", "bundle.json", "preprocess.json"}
SPLITS = {"train", "test", "validation", "valid", "val", "dev"}
"""What a file's name holds in the hub's layout."""
UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading raises; gzip reports a broken archive as any of them."""


@dataclass(frozen=True)
class Source:
    """A named place to read from, and the format of what stands there."""

    name: str
    format: str

    @property
    def once(self) -> bool:
        """Whether it can be read only once, as standard input and named pipes."""
        return self.name == "-" or Path(self.name).is_fifo()

    def place(self, line: int | None = None) -> str:
        """How an error names this source: `file:line`."""
        shown = "standard input" if self.name == "-" else self.name
        return f"{shown}:{line}" if line else shown


def find_sources(names: Sequence[str], format_name: str | None = None) -> list[Source]:
    """The sources that command-line arguments name; a folder of plain files stands for the files, in order of name.

    Raises what `find_source` raises.
    """
    found = []
    for name in names:
        files = _plain_files(Path(name), format_name)
        found += [find_source(str(path), format_name) for path in files] if files else [find_source(name, format_name)]
    return found


def find_source(name: str, format_name: str | None = None) -> Source:
    """The source that a command-line argument names.

    Raises DataError where no file is, UsageError where the format cannot be told.
    """
    if not name.removeprefix(HUB_PREFIX).strip():
        raise DataError(f"'{name}'", "names nothing", expected="a file, a folder, - or hf://owner/name")
    if name.startswith(HUB_PREFIX):
        return Source(name, "dataset")
    if not Path(name).is_file() and (folder := Path(name.partition("#")[0])).is_dir():  # FOLDER or FOLDER#split
        from lstmtext.data.encoded import is_encoded

        if is_encoded(folder):
            hint = "give it to train alone, or name the raw files"
            raise UsageError(name, "is a folder of lstmtext preprocess", expected="raw data", hint=hint)
        if (folder / "bundle.json").is_file():
            raise UsageError(name, "is a bundle", expected="data", hint="give a bundle to -m or --encoder")
        return Source(name, "dataset")
    if name != "-" and not Path(name).exists():
        raise DataError(
            name,
            "no such file or folder",
            hint="give a file, a folder, - for standard input, or hf://owner/name",
        )
    if format_name is not None:
        return Source(name, format_name)
    if name == "-":
        raise UsageError(
            "standard input",
            "its format cannot be told",
            hint="name it and the task, such as --format csv --task classify",
        )
    suffix = _suffix(name)
    if suffix not in SUFFIXES:
        raise UsageError(
            name,
            f"its format cannot be told from '{suffix}'",
            expected=", ".join(SUFFIXES),
            hint="or name it with --format",
        )
    return Source(name, SUFFIXES[suffix])


def _plain_files(folder: Path, format_name: str | None) -> list[Path]:
    """The files of a folder that is no dataset of the hub's layout: no splits, no folders inside, no card."""
    if not folder.is_dir():
        return []
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if any(path.is_dir() or path.name in DATASET_FILES or SPLITS & set(_words(path)) for path in inside):
        return []
    formats = {format_name or SUFFIXES.get(_suffix(path.name), "") for path in inside}
    return inside if formats and not formats & {"", "parquet"} else []


def _words(path: Path) -> list[str]:
    return "".join(c if c.isalpha() else " " for c in path.name.lower()).split()


def _suffix(name: str) -> str:
    return Path(name.removesuffix(".gz")).suffix.lower()


def read_lines(source: Source) -> Iterator[tuple[int, str]]:
    """Numbered lines of a source, each with a plain newline as its end except perhaps the last.

    Raises DataError with the line's number for bytes that are no UTF-8.
    """
    number = 0
    try:
        with open_bytes(source.name) as stream:
            for number, raw in enumerate(stream, start=1):
                yield number, _decode(source, number, raw)
    except UNREADABLE as error:
        raise DataError(source.place(number), f"cannot be read: {reason(error)}") from error


def open_bytes(name: str) -> AbstractContextManager[IO[bytes]]:
    """The bytes of a file or of standard input ("-"), unpacked where the name ends in `.gz`."""
    if name == "-":
        if sys.stdin is None:
            raise DataError("standard input", "is closed", hint="give a file, or a pipe")
        return nullcontext(sys.stdin.buffer)
    if name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(name, "rb"))
    return Path(name).open("rb")


def _decode(source: Source, number: int, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{raw[error.start]:02x} at column {error.start + 1} is not UTF-8"
        raise DataError(source.place(number), found, expected="UTF-8 text", hint=_way_to_utf8(raw)) from error
    return text[:-2] + "\n" if text.endswith("\r\n") else text


def _way_to_utf8(raw: bytes) -> str:
    """What to do with a file of which this line is no UTF-8."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "convert it: iconv -f UTF-16 -t UTF-8"
    return "it seems to be no text" if b"\0" in raw else "convert it, such as iconv -f WINDOWS-1252 -t UTF-8"
