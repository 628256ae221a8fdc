"""Extra memory: none of the data's size, whatever the layout."""


import arrays
import numpy as np
import pytest
from memory import MEGABYTE, peak_of

import fastfinite as ff


def large(dtype, layout):
    """A view of 64 MB of values."""
    rows = 64 * MEGABYTE // np.dtype(dtype).itemsize // 32
    if layout == "C":
        return np.zeros((rows, 32), dtype)
    if layout == "Fortran":
        return np.zeros((32, rows), dtype).T
    if layout == "every other":
        return np.zeros((rows, 64), dtype)[:, ::2]
    return np.zeros(rows * 32 * np.dtype(dtype).itemsize + 1, np.uint8)[1:].view(dtype).reshape(rows, 32)


CALLS = {
    "all_finite": ff.all_finite,
    "has_inf": ff.has_inf,
    "scan": ff.scan,
    "scan(axis=0)": lambda x: ff.scan(x, axis=0),
    "scan(target_dtype=)": lambda x: ff.scan(x, target_dtype="float16"),
    "check_finite": ff.check_finite,
    "asarray_chkfinite": ff.asarray_chkfinite,
    "nonfinite": ff.nonfinite,
}


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("layout", ["C", "Fortran", "every other", "unaligned"])
def test_clean_data_takes_less_than_a_megabyte(dtype, layout):
    x = large(dtype, layout)
    for name, call in CALLS.items():
        assert peak_of(lambda call=call: call(x)) < MEGABYTE, name
    with ff.threads(4):
        assert peak_of(lambda: ff.scan(x, axis=0)) < MEGABYTE


@pytest.mark.parametrize("layout", ["C", "Fortran", "every other"])
def test_bad_data_takes_no_more(layout):
    x = large("float32", layout)
    x[...] = np.nan

    def check():
        with pytest.raises(ff.NonFiniteError):
            ff.check_finite(x)

    assert peak_of(lambda: ff.scan(x)) < MEGABYTE
    assert peak_of(check) < MEGABYTE
    # As many as the limit, and one slab where the order of memory is not that of the answer.
    assert peak_of(lambda: ff.nonfinite(x, limit=10)) < 4 * MEGABYTE


def test_what_is_listed_takes_memory_for_itself_alone():
    x = large("float32", "C")
    x[::1000] = np.nan
    listed = ff.nonfinite(x)
    assert peak_of(lambda: ff.nonfinite(x)) < 6 * listed.nbytes + MEGABYTE


@pytest.mark.parametrize("dtype", ["longdouble", "int64"])
def test_slow_scans_take_chunks(dtype):
    x = arrays.clean(dtype, (1_000_000, 2)).T
    for call in (lambda: ff.scan(x, target_dtype="float16"), lambda: ff.all_finite(x)):
        assert peak_of(call) < 8 * MEGABYTE


def test_masked_arrays_take_chunks():
    x = np.ma.MaskedArray(large("float32", "C"), mask=np.zeros((524_288, 32), bool))
    x.mask[::2] = True
    x.data[7, 7] = np.nan
    for call in (lambda: ff.scan(x), lambda: ff.scan(x, axis=0), lambda: ff.all_finite(x)):
        assert peak_of(call) < 8 * MEGABYTE
