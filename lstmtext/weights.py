"""Named arrays on disk: safetensors, in single, half or eight-bit precision, without the rows of a table that are zero.

Many rows of a table stand for no n-gram or feature of the training data. A table of which that is true of most is
written as its other rows and their numbers; its length stands in the header. In eight bits, a wide matrix is written as
whole numbers and a scale for each row, and everything else in half precision. Arrays of whole numbers stay as they are.
Reading gives the same array again.
Letters: N rows of a table, M rows that are written, K columns.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lstmtext.config import WeightPrecision
from lstmtext.errors import ModelError
from lstmtext.text.arrays import Floats, Ints

ROWS = ".rows"
"""Ends the name of the numbers of the rows that are written."""
SCALES = ".scales"
"""Ends the name of the scales of the rows of a matrix in eight bits."""
LENGTHS = "lengths"
"""Key of the header, for the whole lengths of such tables, as JSON."""
TABLE = ".table_NK"
"""Ends the name of a table of n-grams or features."""
WEIGHTS = ".weights_N"
"""Ends the name of what its rows are multiplied with, where there is such."""
KEYS_END = ".keys_N"
"""Ends the name of the keys that tell its rows, the first of which stands for what has none."""
LEAST_ROWS = 1024
"""Of a table that is written in this way."""
LEAST_COLUMNS = 16
"""Of a matrix in eight bits: of a narrow one, the scales would take the room that is saved."""
LEVELS = 127


def pack(arrays: Mapping[str, Floats], precision: WeightPrecision = "float32") -> bytes:
    """The content of a file; below single precision, of numbers that the precision can hold, which `rounded` gives."""
    from safetensors.numpy import save

    written: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for name, array in arrays.items():
        whole = np.issubdtype(array.dtype, np.integer)
        own = np.asarray(array, dtype=array.dtype if whole else np.float32, order="C")
        rows_M = np.flatnonzero(own.reshape(len(own), -1).any(1)) if own.ndim and len(own) >= LEAST_ROWS else None
        if rows_M is not None and 2 * len(rows_M) <= len(own):
            lengths[name] = len(own)
            written[name + ROWS] = rows_M.astype(np.int32)
            own = own[rows_M]
        if whole:
            written[name] = own
        elif _in_levels(own, precision):
            written[name], written[name + SCALES] = _levels(own)
        else:
            written[name] = own.astype(np.float16) if precision != "float32" and _fits(own) else own
    return bytes(save(written, {LENGTHS: json.dumps(lengths)}))  # a single key: several would stand in random order


def rounded(arrays: Mapping[str, Floats], precision: WeightPrecision) -> dict[str, Floats]:
    """Arrays of numbers that a file of the given precision can hold, in single precision; whole numbers as they are."""
    return {name: _rounded(array, precision) for name, array in arrays.items()}


def filled_rows(arrays: Mapping[str, Floats]) -> int:
    """How many rows of tables are not zero."""
    return sum(int(np.count_nonzero(array.any(1))) for name, array in arrays.items() if name.endswith(TABLE))


def pruned(arrays: Mapping[str, Floats], rows: int) -> dict[str, Floats]:
    """Arrays whose tables have so many rows that are not zero, those of the largest norm (Joulin et al., 2016).

    Where rows are multiplied with something as they are read, it is the norm of the product. Others become zero; where
    rows are told by keys, they are left out with their keys, all but the first, as if they had never been learned.
    """
    found = dict(arrays)
    for name, array in arrays.items():
        if not name.endswith(TABLE) or rows >= len(array):
            continue
        place = name.removesuffix(TABLE)
        weighs_N = np.linalg.norm(array, axis=1) * arrays.get(place + WEIGHTS, 1.0)
        order = np.argsort(-weighs_N, kind="stable")
        if place + KEYS_END in arrays:
            kept = np.union1d([0], order[:rows])
            found |= {key: arrays[key][kept] for key in (name, place + KEYS_END, place + WEIGHTS)}
        else:
            found[name] = array.copy()
            found[name][order[rows:]] = 0.0
    return found


def unpack(path: Path, prefix: str = "") -> dict[str, Floats]:
    """The arrays of a file whose names begin with a prefix, without it, in single precision; whole ones as they are."""
    from safetensors import safe_open

    found = {}
    with safe_open(str(path), framework="numpy") as stored:
        lengths, names = _lengths(stored.metadata()), sorted(stored.keys())
        for name in names:
            if not name.startswith(prefix) or name.endswith((ROWS, SCALES)):
                continue
            array = stored.get_tensor(name)
            if name + SCALES in names or not np.issubdtype(array.dtype, np.integer):
                array = array.astype(np.float32, copy=False)
            if name + SCALES in names:
                array *= stored.get_tensor(name + SCALES)[:, None]
            if name in lengths:
                whole = np.zeros((lengths[name], *array.shape[1:]), dtype=array.dtype)
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


def _rounded(array: Floats, precision: WeightPrecision) -> Floats:
    if np.issubdtype(array.dtype, np.integer):
        return array
    if _in_levels(array, precision):
        levels_NK, scales_N = _levels(array)
        return levels_NK.astype(np.float32) * scales_N[:, None]
    return array.astype(np.float16).astype(np.float32) if precision != "float32" and _fits(array) else array


def _in_levels(array: Floats, precision: WeightPrecision) -> bool:
    wide = precision == "int8" and array.ndim == 2 and array.shape[1] >= LEAST_COLUMNS
    return wide and bool(np.isfinite(array).all())


def _levels(array_NK: Floats) -> tuple[Ints, Floats]:
    """Whole numbers up to LEVELS and the scale of each row; those of their products are the same again.

    (Of all 2^23 fractions of a number: divided by LEVELS, multiplied and divided again, each gives its scale.)
    """
    scales_N = np.abs(array_NK).max(1, initial=0.0) / np.float32(LEVELS)
    whole_NK = np.round(array_NK / np.where(scales_N > 0, scales_N, 1.0)[:, None])
    levels_NK = np.clip(whole_NK, -LEVELS, LEVELS).astype(np.int8)  # of the least numbers there are, a scale is coarse
    return levels_NK, scales_N


def _fits(array: Floats) -> bool:
    return bool(np.abs(array, dtype=np.float32).max(initial=0.0) <= np.finfo(np.float16).max)
