"""Every field has the same bits for every layout, number of threads and naming of axes; extra memory is small."""

import itertools
import os
import sys

import arrays
import exact
import numpy as np
import pytest
from exact import bits_of
from hypothesis import given
from hypothesis import strategies as st
from memory import MEGABYTE, peak_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
DTYPES = ("float32", "float64")
# Around tiles, narrow tails and the width at which rows are no longer taken whole.
WIDTHS = (*range(1, 10), 15, 16, 17, 31, 33, 65, 300, 2000)


def data(dtype, shape, seed=0, bad=True):
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal(shape) * 3 + 10).astype(dtype)
    if bad and x.size > 20:
        flat = x.reshape(-1)
        flat[rng.integers(0, flat.size, 3)] = np.nan
        flat[rng.integers(0, flat.size)] = np.inf
    return x


def same_everywhere(x, layouts=arrays.LAYOUTS, **options):
    right = bits_of(ff.column_stats(x, **options))
    for name in layouts:
        if name in arrays.layouts_of(x.dtype):
            y = arrays.LAYOUTS[name](x)
            before = np.asarray(y).tobytes()
            assert bits_of(ff.column_stats(y, **options)) == right, name
            assert np.asarray(y).tobytes() == before, name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", WIDTHS)
def test_every_layout_gives_the_same_bits(dtype, columns):
    for rows in (1, 2, 15, 16, 17, 127, 128, 129, 511, 512, 513) if columns < 100 else (5, 129):
        same_everywhere(data(dtype, (rows, columns), rows))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 3, 8, 9, 33])
def test_every_layout_gives_the_same_bits_in_many_blocks(dtype, columns):
    for rows in (16383, 16384, 16385, 32769):
        x = data(dtype, (rows, columns), rows)
        same_everywhere(x, ("Fortran", "every other", "backwards", "unaligned", "swapped"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int16", "int32", "int64", "uint64", "bool"])
def test_every_layout_of_the_other_dtypes_gives_the_same_bits(dtype):
    dtype = exact.reference.dtype_of(dtype)
    for shape in ((9, 4), (300, 7), (40_000, 5)):
        rng = np.random.default_rng(shape)
        x = (rng.random(shape) * 100).astype(dtype)
        same_everywhere(x, arrays.LAYOUTS if x.size < 9000 else ("Fortran", "every other", "backwards", "swapped"))


def test_every_layout_with_the_longest_rows():
    for columns in (16383, 16384, 16385):
        same_everywhere(data("float32", (20, columns)), ("Fortran", "backwards", "swapped"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_columns_do_not_depend_on_their_neighbours(dtype):
    x = data(dtype, (17_000, 40), bad=False)
    x[:, 39] = np.nan
    whole = ff.column_stats(x)
    for j in (0, 1, 17, 38):
        alone = ff.column_stats(x[:, j].copy())
        for name in exact.FIELDS:
            assert getattr(alone, name).tobytes() == getattr(whole, name)[j].tobytes(), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_axes_of_1_to_4_dimensions(dtype):
    for shape in ((30,), (30, 4), (6, 5, 7), (3, 4, 5, 6)):
        x = data(dtype, shape)
        axes = range(len(shape))
        for chosen in itertools.chain.from_iterable(itertools.combinations(axes, n) for n in range(1, len(shape) + 1)):
            others = tuple(i for i in axes if i not in chosen)
            plain = x.transpose(chosen + others).reshape(-1, *(shape[i] for i in others)).copy()
            right = bits_of(ff.column_stats(plain))
            names = [chosen, chosen[::-1], tuple(i - len(shape) for i in chosen)]
            names += [chosen[0], chosen[0] - len(shape)] if len(chosen) == 1 else []
            names += [None] if len(chosen) == len(shape) else []
            for axis in names:
                assert bits_of(ff.column_stats(x, axis=axis)) == right, axis
            same_everywhere(x, ("Fortran", "inner axis first", "every third backwards", "swapped"), axis=chosen)


def test_the_shape_of_the_statistics_is_what_is_left():
    x = np.zeros((2, 3, 4))
    for axis, shape in ((0, (3, 4)), (-1, (2, 3)), ((0, 2), (3,)), (None, ()), ((), (2, 3, 4))):
        stats = ff.column_stats(x, axis=axis)
        assert stats.shape == shape and stats.var.shape == shape and len(stats) == np.prod(shape, dtype=int)


def test_many_blocks_of_joined_axes():
    x = data("float64", (50, 7, 60, 3))
    for axis in ((0, 2), (0, 1, 2), (1, 2), None):
        same_everywhere(x, ("Fortran", "inner axis first", "backwards"), axis=axis)


@pytest.mark.parametrize("dtype", DTYPES)
def test_broadcast_arrays_are_as_their_copies(dtype):
    row, column = data(dtype, (1, 6)), data(dtype, (20_000, 1))
    for view in (np.broadcast_to(row, (17_000, 6)), np.broadcast_to(column, (20_000, 6)),
                 np.broadcast_to(row[0, 0], (70, 3)), np.broadcast_to(row[:, None], (50, 4, 6))):
        for axis in (0, -1, None):
            assert bits_of(ff.column_stats(view, axis=axis)) == bits_of(ff.column_stats(view.copy(), axis=axis))


@given(st.data())
def test_any_view_is_as_its_copy(draw):
    base = data("float64", (12, 10, 9), 3)
    index = tuple(
        slice(draw.draw(st.integers(0, n)), draw.draw(st.integers(0, n)), draw.draw(st.sampled_from([1, 2, 3])))
        if draw.draw(st.booleans()) else slice(None, None, draw.draw(st.sampled_from([1, -1, -2])))
        for n in base.shape
    )
    view = base[index].transpose(draw.draw(st.permutations(range(3))))
    axis = draw.draw(st.sampled_from([0, 1, 2, (0, 1), (0, 2), (1, 2), None]))
    assert bits_of(ff.column_stats(view, axis=axis)) == bits_of(ff.column_stats(view.copy(), axis=axis))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F", "every other"])
def test_every_number_of_threads_gives_the_same_bits(dtype, order):
    for columns in (1, 5, 32, 300):
        rows = 40 * MEGABYTE // np.dtype(dtype).itemsize // columns
        x = np.resize(data(dtype, (rows // 7 + 1, columns)), (rows, columns))
        x = np.asfortranarray(x) if order == "F" else arrays.lay(x, step=2) if order == "every other" else x
        found = []
        for n in (1, 2, 8):
            with ff.threads(n):
                found.append(bits_of(ff.column_stats(x)))
        assert found[0] == found[1] == found[2]


# ---- memory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*DTYPES, "float16", "int64"])
@pytest.mark.parametrize("order", ["C", "F", "every other", "swapped"])
def test_extra_memory_is_small(dtype, order):
    rows = 64 * MEGABYTE // np.dtype(dtype).itemsize // 32
    if order == "every other":
        x = np.zeros((rows, 64), dtype)[:, ::2]
    else:
        swapped = order == "swapped"
        x = np.zeros((rows, 32), np.dtype(dtype).newbyteorder() if swapped else dtype, "C" if swapped else order)
    # Other dtypes come in slabs of 2**16 values; layouts that are packed have a tile of 1 MB for each thread.
    limit = 2 * MEGABYTE if dtype in DTYPES else 8 * MEGABYTE
    with ff.threads(2 if order in "CF" else 1):
        assert peak_of(lambda: ff.column_stats(x)) < limit
        assert peak_of(lambda: ff.ColumnStats().update(x)) < limit


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("order", ["C", "F"])
def test_peak_memory_of_the_process_does_not_grow(run_python, order):
    """What tracemalloc does not see: memory of the kernels and of threads."""
    code = f"""
import numpy as np
import fastfinite as ff
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
x = np.ones(({64 * MEGABYTE // 4 // 32}, 32), np.float32, order={order!r})
x[0] = 2
ff.column_stats(x[:1000])
before = peak()
ff.column_stats(x)
print(peak() - before)
"""
    assert int(run_python(code, FASTFINITE_NUM_THREADS="2")) < 2048


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_a_forked_child_gets_the_same_bits():
    x = data("float32", (700_000, 16))
    with ff.threads(2):
        right = bits_of(ff.column_stats(x))
        child = os.fork()
        if child == 0:
            os._exit(0 if bits_of(ff.column_stats(x)) == right else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
