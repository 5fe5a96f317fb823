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
from lstmtext.data.encoding import Encoded, Encoding, Run
from lstmtext.data.prepare import room
from lstmtext.errors import UserError
from lstmtext.train.ranks import Ranks

ENCODED = "encoded"
Value = TypeVar("Value")


def encoded_together(
    ranks: Ranks, work: Path, make: Callable[[Run], tuple[EncodedData, Settings]]
) -> tuple[EncodedData, Settings]:
    """What `make` has encoded, by all processes of a host, which then map the same files; in its first one's folder.

    Where that cannot be done, the process that tried says why, and the others leave.
    """
    made = None
    try:
        if ranks.local == 0:
            data, settings = make(partial(_encode, ranks))
            save_encoded(data, work / ENCODED)
            made = work / ENCODED, settings
        else:
            _encode(ranks, None)
    except UserError as error:
        _of_host(ranks, None, error)
    place, settings = _only(_of_host(ranks, made))
    return load_encoded(place), settings


def _encode(ranks: Ranks, encoding: Encoding | None) -> Encoded:
    """All rows of an encoding that the first process of a host has; each makes a part of them."""
    shared = _of_host(ranks, encoding)
    encoding, parts = _only(shared), len(shared)
    with room(encoding.work):
        counted = encoding.part(ranks.local, parts)
    every = [own for own in _of_host(ranks, counted) if own is not None]
    return encoding.joined(parts), sum(every[1:], every[0])


def _of_host(ranks: Ranks, value: Value | None, failed: UserError | None = None) -> list[Value | None]:
    """What each process of this host has. Where any has failed, it raises its error, and the others leave."""
    told = ranks.gathered((ranks.host, value, failed and int(failed.exit_code)))
    if failed is not None:
        raise failed
    for *_, code in told:
        if code is not None:
            raise SystemExit(code)
    return [own for host, own, _ in told if host == ranks.host]


def _only(values: list[Value | None]) -> Value:
    """What one process has and the others do not."""
    return next(value for value in values if value is not None)
