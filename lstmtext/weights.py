"""Named arrays on disk: safetensors, in single or half precision, and without the rows of a table that are zero.

Most rows of a hash table stand for no feature of the training data. A table of which that is true is written as its
other rows and their numbers; its length stands in the header. Reading gives the same array again.
Letters: N rows of a table, M rows that are written.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lstmtext.errors import ModelError
from lstmtext.text.arrays import Floats

ROWS = ".rows"
"""Ends the name of the numbers of the rows that are written."""
LENGTHS = "lengths"
"""Key of the header, for the whole lengths of such tables, as JSON."""
LEAST_ROWS = 1024
"""Of a table that is written in this way."""


def pack(arrays: Mapping[str, Floats], *, half: bool = False) -> bytes:
    """The content of a file; with `half`, of numbers that half precision can hold, which `rounded` gives."""
    from safetensors.numpy import save

    written: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for name, array in arrays.items():
        own = np.asarray(array, dtype=np.float16 if half and _fits(array) else np.float32, order="C")
        rows_M = np.flatnonzero(own.reshape(len(own), -1).any(1)) if own.ndim and len(own) >= LEAST_ROWS else None
        if rows_M is not None and 2 * len(rows_M) <= len(own):
            lengths[name] = len(own)
            written[name + ROWS] = rows_M.astype(np.int32)
            own = own[rows_M]
        written[name] = own
    return bytes(save(written, {LENGTHS: json.dumps(lengths)}))  # a single key: several would stand in random order


def rounded(arrays: Mapping[str, Floats]) -> dict[str, Floats]:
    """Arrays in single precision, each of numbers that half precision can hold if that is wide enough for it."""
    return {
        name: array.astype(np.float16).astype(np.float32) if _fits(array) else array for name, array in arrays.items()
    }


def unpack(path: Path, prefix: str = "") -> dict[str, Floats]:
    """The arrays of a file whose names begin with a prefix, without it, in single precision."""
    from safetensors import safe_open

    found = {}
    with safe_open(str(path), framework="numpy") as stored:
        lengths = _lengths(stored.metadata())
        for name in stored.keys():  # noqa: SIM118  # the handle is no dict
            if not name.startswith(prefix) or name.endswith(ROWS):
                continue
            array = stored.get_tensor(name).astype(np.float32, copy=False)
            if name in lengths:
                whole = np.zeros((lengths[name], *array.shape[1:]), dtype=np.float32)
                whole[stored.get_tensor(name + ROWS)] = array
                array = whole
            found[name.removeprefix(prefix)] = array
    return found


def check_length(path: Path, name: str, wanted: int) -> None:
    """Raise ModelError where a file cannot be read, or an array in it has not so many rows."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as stored:
            present = name in stored.keys()  # noqa: SIM118
            own = stored.get_slice(name).get_shape()[0] if present else 0
            length = _lengths(stored.metadata()).get(name, own)
    except SafetensorError as error:
        raise ModelError(path, f"cannot be read: {error}", hint="train the bundle again") from error
    if not present or length != wanted:
        raise ModelError(
            path, f"'{name}' is {length if present else 'absent'}", expected=f"{wanted}, as bundle.json says"
        )


def _lengths(metadata: Mapping[str, str] | None) -> dict[str, int]:
    found: dict[str, int] = json.loads((metadata or {}).get(LENGTHS, "{}"))
    return found


def _fits(array: Floats) -> bool:
    return bool(np.abs(array, dtype=np.float32).max(initial=0.0) <= np.finfo(np.float16).max)
