"""Rows from CSV, TSV and JSON lines, with the line each began on.

These readers serve training and the torch-free commands alike, so that one file reads the same everywhere.
TSV is read without quoting, as its registration says (IANA text/tab-separated-values).
"""

import csv
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import accumulate, chain
from typing import Any, Protocol

from lstmtext.data.sources import Source, read_lines
from lstmtext.errors import DataError

Row = Mapping[str, object]
MOST_NESTED = 200
"""Lists and objects in each other: far below what Python's stack bears, which differs from thread to thread."""
_BRACKET_OR_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{\]}]')


class _CsvRows(Protocol):
    """What `csv.reader` makes."""

    line_num: int

    def __next__(self) -> list[str]: ...

    def __iter__(self) -> Iterator[list[str]]: ...


def read_csv(source: Source) -> Iterator[tuple[int, Row]]:
    """Rows of a CSV file with a header; fields may hold quoted commas and newlines.

    Semicolons part the fields where the first line has some and no comma, as spreadsheets write in much of Europe.
    """
    csv.field_size_limit(sys.maxsize)
    lines = (text for _, text in read_lines(source))
    first = next(lines, "")
    delimiter = ";" if ";" in first and "," not in first else ","
    return _read_delimited(source, csv.reader(chain([first], lines), delimiter=delimiter, strict=True))


def read_tsv(source: Source) -> Iterator[tuple[int, Row]]:
    """Rows of a tab-separated file with a header."""
    csv.field_size_limit(sys.maxsize)
    lines = (text for _, text in read_lines(source))
    return _read_delimited(source, csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_jsonl(source: Source) -> Iterator[tuple[int, Row]]:
    """Objects of a JSON-lines file; empty lines are passed over."""
    for number, line in read_lines(source):
        if line.strip():
            yield number, parse_object(line, source.place(number))


def parse_object(line: str, place: str) -> Row:
    """One line as a JSON object. Raises DataError with the place."""
    try:
        row = load_json(line)
    except ValueError as error:
        raise DataError(place, f"is not JSON: {error}", expected='an object, such as {"text": "…"}') from error
    if not isinstance(row, dict):
        found, expected = f"holds a JSON {type(row).__name__}", 'one object a line, such as {"text": "…"}'
        raise DataError(place, found, expected=expected, hint="jq -c '.[]' parts a list")
    return row


def load_json(line: str) -> Any:  # noqa: ANN401  # whatever JSON can hold
    """The value of one line. Halves of surrogate pairs, which only escapes can spell, become question marks.

    Raises ValueError for what is no JSON, nested more than MOST_NESTED deep, or holds a number too large to write back.
    """
    if line.count("[") + line.count("{") > MOST_NESTED and _nesting(line) > MOST_NESTED:
        raise ValueError(f"is nested more than {MOST_NESTED} deep")
    value = json.loads(line, parse_float=_finite, parse_constant=_finite)
    if "\\ud" not in line and "\\uD" not in line:
        return value
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _nesting(line: str) -> int:
    """How deep lists and objects stand in each other."""
    depths = accumulate(1 if part in "[{" else -1 for part in _BRACKET_OR_STRING.findall(line) if part[0] != '"')
    return max(depths, default=0)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is no number of JSON's, or too large")
    return value


def _read_delimited(source: Source, rows: "_CsvRows") -> Iterator[tuple[int, Row]]:
    header: list[str] | None = []
    while header == []:  # empty lines before it
        header = _next(source, rows)
    if header is None:
        return
    repeated = {name for name in header if header.count(name) > 1}
    if repeated:
        raise DataError(
            source.place(1),
            f"columns repeat: {', '.join(sorted(repeated))}",
            expected="a header of distinct names",
        )
    while True:
        line = rows.line_num + 1
        fields = _next(source, rows)
        if fields is None:
            return
        if not fields:
            continue
        if len(fields) != len(header):
            raise DataError(source.place(line), f"{len(fields)} fields", expected=f"{len(header)}, as the header has")
        yield line, dict(zip(header, fields, strict=True))


def _next(source: Source, rows: "_CsvRows") -> list[str] | None:
    line = rows.line_num + 1
    try:
        return next(rows, None)
    except csv.Error as error:
        found = f"is not {source.format.upper()}: {error}"
        raise DataError(source.place(line), found, hint="check the quotes and the line ends") from error
