"""Weights on disk: what is read is what was written, in less space where it can be."""

import numpy as np
import pytest

from lstmtext.errors import ModelError
from lstmtext.weights import check_length, pack, pruned, rounded, unpack

RNG = np.random.default_rng(0)


def table(rows: int, share: float) -> np.ndarray:
    """A table of which about so large a share of the rows is not zero."""
    made = RNG.normal(size=(rows, 3)).astype(np.float32)
    made[RNG.random(rows) > share] = 0.0
    return made


@pytest.fixture
def arrays():
    return {
        "thin": table(5000, 0.1),
        "full": table(5000, 0.9),
        "small": table(100, 0.1),
        "wide": RNG.normal(size=(40, 33)).astype(np.float32) * np.geomspace(1e-6, 1e3, 40, dtype=np.float32)[:, None],
        "wide and thin": table(3000, 0.1)[:, [0, 1, 2] * 7] * RNG.normal(size=21).astype(np.float32),
        "many": RNG.normal(size=(4000, 16)).astype(np.float32),
        "least": np.repeat(np.arange(1, 400, dtype=np.int32).view(np.float32)[:, None], 20, axis=1),
        "endless": np.where(np.eye(20) > 0, np.inf, 1.0).astype(np.float32),
        "flat": np.where(np.arange(4000) % 7 == 0, 1.5, 0.0).astype(np.float32),
        "none": np.zeros((2048, 2), dtype=np.float32),
        "number": np.float32(3.25).reshape(()),
        "empty": np.zeros((0, 4), dtype=np.float32),
        "huge": np.array([1e9, -1.0], dtype=np.float32),
        "keys": np.linspace(1, 2**31 - 1, 3000).astype(np.int32),
        "low keys": np.arange(1, 3001, dtype=np.int32),  # that half precision could hold, most of them
        "few keys": np.where(np.arange(3000) < 2000, 0, 2**31 - 3000 + np.arange(3000)).astype(np.int32),
    }


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_what_is_read_is_what_was_written(precision, arrays, tmp_path):
    wanted = rounded(arrays, precision)
    (tmp_path / "w").write_bytes(pack(wanted, precision))
    found = unpack(tmp_path / "w")
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == (np.int32 if "keys" in name else np.float32)
        assert "keys" not in name or np.array_equal(array, arrays[name]), "whole numbers stay as they are"
        assert np.array_equal(found[name], array), name
    assert unpack(tmp_path / "w", "th").keys() == {"in"}


def test_rows_of_zeros_take_no_space_and_lower_precisions_take_less(arrays):
    thin, full, wide = ({"a": arrays[name]} for name in ("thin", "full", "wide"))
    rows = int(arrays["thin"].any(1).sum())
    assert len(pack(thin)) < rows * (3 * 4 + 4) + 200
    assert len(pack(full)) > 5000 * 3 * 4
    for precision in ("float16", "int8"):  # a narrow table has no use for eight bits
        assert len(pack(rounded(full, precision), precision)) < 5000 * 3 * 2 + 200
    assert len(pack(rounded(wide, "int8"), "int8")) < 40 * (33 + 4) + 250


def test_eight_bits_are_wrong_by_a_253rd_of_the_widest_number_of_a_row_at_most(arrays):
    for name in ("wide", "wide and thin"):
        widest_N1 = np.abs(arrays[name]).max(1, keepdims=True)
        assert (np.abs(rounded(arrays, "int8")[name] - arrays[name]) <= widest_N1 / 253).all()
    assert np.array_equal(rounded(arrays, "int8")["full"], rounded(arrays, "float16")["full"])
    least = arrays["least"]  # multiples of the least number there is, of which no scale can be a part: at worst zeros
    assert (np.abs(rounded(arrays, "int8")["least"] - least) <= least).all()
    assert np.array_equal(rounded(arrays, "int8")["endless"], arrays["endless"])


def test_what_half_precision_cannot_hold_stays_as_it_is(arrays):
    halves = rounded(arrays, "float16")
    assert np.array_equal(halves["huge"], arrays["huge"])
    assert not np.array_equal(halves["full"], arrays["full"])
    np.testing.assert_allclose(halves["full"], arrays["full"], rtol=1e-3, atol=1e-7)


def test_lengths_are_those_of_whole_arrays(arrays, tmp_path):
    path = tmp_path / "w"
    path.write_bytes(pack(arrays, "int8"))
    check_length(path, "wide and thin", 3000)
    path.write_bytes(pack(arrays))
    check_length(path, "thin", 5000)
    check_length(path, "full", 5000)
    for name, wanted, said in (("thin", 5001, "'thin' is 5000"), ("other", 2, "'other' is absent")):
        with pytest.raises(ModelError, match=said):
            check_length(path, name, wanted)
    path.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be read"):
        check_length(path, "thin", 5000)


def test_the_same_arrays_give_the_same_bytes(arrays):
    tables = {f"table {place}": arrays["thin"] for place in range(8)}
    assert len({pack(tables) for _ in range(20)}) == 1


def test_of_a_table_the_rows_that_weigh_most_are_kept():
    arrays = {"bypass.table_NK": table(2000, 0.9), "output.weight": table(2000, 0.9)}
    made = pruned(arrays, 500)
    norms = np.linalg.norm(arrays["bypass.table_NK"], axis=1)
    kept = made["bypass.table_NK"].any(1)
    assert kept.sum() == 500
    assert norms[kept].min() >= norms[~kept].max()
    np.testing.assert_array_equal(made["bypass.table_NK"][kept], arrays["bypass.table_NK"][kept])
    np.testing.assert_array_equal(made["output.weight"], arrays["output.weight"])
    np.testing.assert_array_equal(pruned(arrays, 2000)["bypass.table_NK"], arrays["bypass.table_NK"])


def test_rows_that_are_told_by_keys_go_with_their_keys():
    keys, weighs = np.arange(0, 4000, 2, dtype=np.int32), np.linspace(0, 9, 2000, dtype=np.float32)
    arrays = {"bypass.table_NK": table(2000, 1.0), "bypass.keys_N": keys, "bypass.weights_N": weighs}
    made = pruned(arrays, 500)
    products = np.linalg.norm(arrays["bypass.table_NK"], axis=1) * weighs
    kept = [0, *sorted(np.argsort(-products, kind="stable")[:500])]
    for name, array in made.items():
        np.testing.assert_array_equal(array, arrays[name][kept])


def test_rows_that_are_multiplied_as_they_are_read_weigh_as_their_product():
    arrays = {"bypass.table_NK": np.ones((2000, 2), np.float32), "bypass.weights_N": np.linspace(1, 9, 2000)}
    kept = pruned(arrays, 500)["bypass.table_NK"].any(1)
    assert np.flatnonzero(kept).tolist() == [*range(1500, 2000)]
