"""The data of a training of several processes: each host has them once, and each of its processes encodes a part.

The first of a host streams the files into Arrow files, splits the records and learns the tokenizer. Then each process
streams its own part of them through that tokenizer into a file of its own, and all map the files of all.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData, load_encoded, save_encoded
from lstmtext.data.prepare import room
from lstmtext.data.rows import MadeRows, MakeRows, RowMaking
from lstmtext.errors import UserError
from lstmtext.train.ranks import Ranks

ENCODED = "encoded"
Value = TypeVar("Value")


def encoded_together(
    ranks: Ranks, work: Path, make: Callable[[MakeRows], tuple[EncodedData, Settings]]
) -> tuple[EncodedData, Settings]:
    """What `make` has encoded by all processes of a host, which then map the same files, in its first one's folder.

    Where that cannot be done, the process that tried says why, and the others leave.
    """
    made = None
    try:
        if ranks.local == 0:
            data, settings = make(partial(_make_rows, ranks))
            with room(work):
                save_encoded(data, work / ENCODED)
            made = work / ENCODED, settings
        else:
            _make_rows(ranks, None)
    except UserError as error:
        _of_host(ranks, None, error)
    place, settings = _only(_of_host(ranks, made))
    return load_encoded(place), settings


def _make_rows(ranks: Ranks, making: RowMaking | None) -> MadeRows:
    """All rows, of which each process of the host makes a part; its first one knows how."""
    shared = _of_host(ranks, making)
    making, parts = _only(shared), len(shared)
    with room(making.work):
        counted = making.part(ranks.local, parts)
    every = [own for own in _of_host(ranks, counted) if own is not None]
    return MadeRows(making.joined(parts), sum(every[1:], every[0]))


def _of_host(ranks: Ranks, value: Value | None, failed: UserError | None = None) -> list[Value | None]:
    """What each process of this host has. Where any of all has failed, it raises its error, and the others leave."""
    codes = ranks.gathered(failed and int(failed.exit_code))
    if failed is not None:
        raise failed
    for code in codes:
        if code is not None:
            raise SystemExit(code)
    return ranks.gathered_on_host(value)  # other hosts have other files


def _only(values: list[Value | None]) -> Value:
    """What one process has and the others do not."""
    return next(value for value in values if value is not None)
