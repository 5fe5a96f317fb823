"""Weights on disk: what is read is what was written, in less space where it can be."""

import numpy as np
import pytest

from lstmtext.errors import ModelError
from lstmtext.weights import check_length, pack, rounded, unpack

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
        "flat": np.where(np.arange(4000) % 7 == 0, 1.5, 0.0).astype(np.float32),
        "none": np.zeros((2048, 2), dtype=np.float32),
        "number": np.float32(3.25).reshape(()),
        "empty": np.zeros((0, 4), dtype=np.float32),
        "huge": np.array([1e9, -1.0], dtype=np.float32),
    }


@pytest.mark.parametrize("half", [False, True])
def test_what_is_read_is_what_was_written(half, arrays, tmp_path):
    wanted = rounded(arrays) if half else arrays
    (tmp_path / "w").write_bytes(pack(wanted, half=half))
    found = unpack(tmp_path / "w")
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == np.float32
        assert np.array_equal(found[name], array), name
    assert unpack(tmp_path / "w", "th").keys() == {"in"}


def test_rows_of_zeros_take_no_space_and_half_precision_takes_half(arrays):
    thin, full = {"a": arrays["thin"]}, {"a": arrays["full"]}
    rows = int(arrays["thin"].any(1).sum())
    assert len(pack(thin)) < rows * (3 * 4 + 4) + 200
    assert len(pack(full)) > 5000 * 3 * 4
    assert len(pack(rounded(full), half=True)) < 5000 * 3 * 2 + 200


def test_what_half_precision_cannot_hold_stays_as_it_is(arrays):
    assert np.array_equal(rounded(arrays)["huge"], arrays["huge"])
    assert not np.array_equal(rounded(arrays)["full"], arrays["full"])
    np.testing.assert_allclose(rounded(arrays)["full"], arrays["full"], rtol=1e-3, atol=1e-7)


def test_lengths_are_those_of_whole_arrays(arrays, tmp_path):
    path = tmp_path / "w"
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
