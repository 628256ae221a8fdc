"""column_stats: every field, of every real dtype, against exact rational numbers."""

import threading
from decimal import Decimal
from fractions import Fraction

import arrays
import exact
import numpy as np
import pytest
from exact import check_stats
from optional import require
from reference import dtype_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
INTEGERS = [np.dtype(name) for name in arrays.INTEGERS if name != "bool"]
SIZES = (1, 2, 3, 15, 16, 17, 127, 128, 129, 200)


def stats_of(x, **options):
    """The statistics of an array that stays as it was."""
    before = x.tobytes()
    stats = ff.column_stats(x, **options)
    assert x.tobytes() == before
    return stats


def integers(dtype, shape, seed=0):
    """Over the whole range, both ends among them."""
    info = np.iinfo(dtype)
    rng = np.random.default_rng(seed)
    values = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    values.ravel()[:: 5] = info.max
    values.ravel()[3 :: 7] = info.min
    return values


# ---- dtypes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("kinds", ["finite", "nan", "inf", "every kind"])
def test_floats_with_and_without_bad_values(dtype, kinds):
    rng = np.random.default_rng(5)
    for size in SIZES:
        x = (rng.standard_normal((size, 4)) * 10).astype(dtype_of(dtype))
        for kind, values in arrays.bad_values(dtype).items():
            if kinds == "every kind" or kinds in kind:
                where = rng.random(x.shape) < 0.2
                x[where] = rng.choice(values, int(np.count_nonzero(where)))
        check_stats(stats_of(x), x)
        check_stats(stats_of(x, ddof=1), x, ddof=1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_floats_at_the_edges_of_their_range(dtype):
    x = arrays.finite_values(dtype)[:, None]
    check_stats(stats_of(x), x)
    check_stats(stats_of(np.abs(x)), np.abs(x))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integers_over_their_whole_range(dtype):
    for size in SIZES:
        x = integers(dtype, (size, 3), size)
        check_stats(stats_of(x, ddof=1), x, ddof=1)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("end", ["min", "max"])
def test_integers_one_apart_at_the_end_of_their_range_are_not_constant(dtype, end):
    limit = int(getattr(np.iinfo(dtype), end))
    inner = limit + (1 if end == "min" else -1)
    x = np.array([[limit, limit], [inner, limit], [limit, limit]], dtype)
    stats = stats_of(x)
    check_stats(stats, x)
    assert stats.constant.tolist() == [False, True] and stats.var[1] == 0


@pytest.mark.parametrize(
    "values",
    [[2**62, 2**62 + 1], [2**53, 2**53 + 1], [-(2**62), -(2**62) - 1], [2**63 - 1, -(2**63)],
     [2**63 - 1, 2**63 - 2, -(2**63), -(2**63) + 1, 0]],
)
def test_64_bit_integers_beyond_float64(values):
    x = np.array(values, np.int64)[:, None]
    check_stats(stats_of(x), x)
    check_stats(stats_of(x[:1]), x[:1])
    many = np.tile(x, (300, 1))
    check_stats(stats_of(many), many)


def test_unsigned_64_bit_integers_near_their_end():
    for values in ([2**64 - 1, 2**64 - 2], [2**64 - 1, 0], [2**63, 2**63 - 1, 2**63 + 1], [2**64 - 1] * 3):
        x = np.array(values, np.uint64)[:, None]
        check_stats(stats_of(x), x)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", "int64", "uint64"])
def test_integers_in_more_rows_than_a_slab(dtype):
    x = integers(np.dtype(dtype), (50_000, 5))
    check_stats(stats_of(x), x)


def test_bool_counts_as_0_and_1():
    x = np.array([[True, True, False], [False, True, False], [True, True, False]])
    stats = stats_of(x)
    check_stats(stats, x.astype(np.int8))
    assert stats.constant.tolist() == [False, True, True] and stats.zero.tolist() == [1, 0, 3]


def test_long_double_keeps_all_its_bits():
    if np.finfo(np.longdouble).nmant <= 52:
        pytest.skip("long double is float64 here")
    eps = np.finfo(np.longdouble).eps
    x = np.array([[1 + eps, 1 + eps, nan], [1, 1 + eps, -inf], [1, 1 + eps, 1]], np.longdouble)
    stats = stats_of(x)
    assert stats.constant.tolist() == [False, True, False]
    for j in range(2):
        moments = exact.Exact(list(x[:, j]))
        exact.check_var_and_std(stats.var[j], stats.std[j], moments.var(), moments.std())
        assert stats.mean[j] == exact.rounded(moments.mean)
    assert (stats.nan[2], stats.neginf[2], stats.negative[2], stats.min[2]) == (1, 1, 1, -inf)


def test_objects_are_exact_numbers():
    third = Fraction(1, 3)
    x = np.array([[2**70, third, Decimal("0.1"), None], [2**70 + 1, third, Decimal("0.3"), 1],
                  [2**70, third, Decimal("NaN"), 2.5]], object)
    stats = ff.column_stats(x)
    assert stats.constant.tolist() == [False, True, False, False]
    assert stats.nan.tolist() == [0, 0, 1, 1] and stats.count.tolist() == [3, 3, 2, 2]
    columns = [x[:, 0], x[:, 1], x[:2, 2], x[1:, 3]]
    for j, column in enumerate(columns):
        moments = exact.Exact(list(column))
        assert stats.mean[j] == exact.rounded(moments.mean)
        exact.check_var_and_std(stats.var[j], stats.std[j], moments.var(), moments.std())


def test_objects_one_apart_beyond_float64_digits_are_not_constant():
    x = np.array([[10**40, 10**40], [10**40 + 1, 10**40]], object)
    for table in (x, np.asfortranarray(x), x[::-1]):
        stats = ff.column_stats(table)
        assert stats.constant.tolist() == [False, True] and stats.var.tolist() == [0.25, 0]
        assert ff.constant_columns(table).tolist() == [False, True]


@pytest.mark.skipif(np.finfo(np.longdouble).minexp >= -10_000, reason="long double is no wider than float64 here")
def test_long_doubles_below_float64_are_not_constant():
    x = np.array([["1e-4000", "1e-4000"], ["2e-4000", "1e-4000"]]).astype(np.longdouble)
    for table in (x, x.astype(object)):
        assert ff.constant_columns(table).tolist() == [False, True]
        assert ff.column_stats(table).constant.tolist() == [False, True]


def test_objects_with_inf_and_nothing_else():
    x = np.array([[Decimal("Infinity"), None], [Decimal("-Infinity"), nan]], object)
    stats = ff.column_stats(x)
    assert stats.posinf.tolist() == [1, 0] and stats.neginf.tolist() == [1, 0] and stats.count.tolist() == [2, 0]
    assert stats.nan.tolist() == [0, 2] and np.isnan(stats.mean).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint64", "bool", "object"])
def test_masked_cells_are_left_out(dtype):
    rng = np.random.default_rng(3)
    data = rng.integers(0, 2, (500, 4)).astype(dtype)
    mask = rng.random(data.shape) < 0.3
    mask[:, 3] = True
    stats = ff.column_stats(np.ma.array(data, mask=mask))
    assert stats.count.tolist() == (~mask).sum(axis=0).tolist() and not stats.nan.any()
    for j in range(3):
        exact.check_column(stats, j, data[~mask[:, j], j].astype(np.float64))
    assert np.isnan(stats.mean[3]) and not stats.constant[3]


@pytest.mark.parametrize("layout", ["C", "Fortran", "every other", "backwards", "unaligned", "swapped",
                                    "swapped, every other", "field of a record"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int16", "int32", "int64", "uint64"])
def test_masked_arrays_of_every_layout_and_byte_order(dtype, layout):
    rng = np.random.default_rng(7)
    low, high = {"float16": (-2000, 2000), "int16": (-30_000, 30_000)}.get(dtype, (0, 2**31 - 1))
    if dtype == "float32":
        high = 2**24
    values = rng.integers(low, high, (140, 3)).astype(dtype)
    mask = rng.random(values.shape) < 0.3
    right = [exact.column_of(values[~mask[:, j], j]) for j in range(3)]
    x = np.ma.MaskedArray(arrays.LAYOUTS[layout](values), mask)
    stats = ff.column_stats(x)
    for j in range(3):
        exact.check_column(stats, j, values[~mask[:, j], j])
    assert ff.column_variance(x).tolist() == stats.var.tolist()
    assert ff.constant_columns(x).tolist() == [column.constant for column in right]


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<i8", ">i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_masked_doubles_are_not_summed_as_singles(dtype, order):
    x = np.ma.array(np.array([[1e8, 1], [1e8 + 1, 1], [1e8 + 2, 1], [0, 7]], dtype, order=order), mask=False)
    x[3] = np.ma.masked
    stats = ff.column_stats(x)
    assert stats.var.tolist() == [2 / 3, 0] and stats.mean.tolist() == [1e8 + 1, 1]
    assert ff.column_variance(x).tolist() == [2 / 3, 0] and ff.constant_columns(x).tolist() == [False, True]


def test_a_masked_nan_is_not_counted_and_a_bare_one_is():
    x = np.ma.array([[nan, nan], [1, nan], [inf, 3]], mask=[[1, 0], [0, 0], [1, 0]])
    stats = ff.column_stats(x)
    assert stats.nan.tolist() == [0, 2] and stats.count.tolist() == [1, 1] and stats.posinf.tolist() == [0, 0]
    assert stats.constant.tolist() == [True, True]


@pytest.mark.parametrize(
    ("x", "why"),
    [(np.ones((2, 2), complex), "complex numbers have no order"), (np.zeros((2, 1), "M8[s]"), "dates have no variance"),
     (np.zeros((2, 1), "m8[s]"), "dates have no variance"), (np.array([["a"]]), "text"),
     (np.zeros(2, [("a", "f4")]), "fields"), (np.array([[1j]], object), "complex"), (np.array([["a"]], object), "str")],
)
@pytest.mark.parametrize("function", ["column_stats", "column_variance", "constant_columns", "near_constant_columns"])
def test_what_has_no_variance_is_refused(function, x, why):
    options = {"rtol": 1e-6} if function == "near_constant_columns" else {}
    with pytest.raises(TypeError, match=why):
        getattr(ff, function)(x, **options)


# ---- what is there and what is not -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint64", "bool", "object"])
def test_no_rows(dtype):
    stats = stats_of(np.empty((0, 3), dtype))
    assert not stats.count.any() and not stats.constant.any() and not stats.nan.any() and len(stats) == 3
    for name in ("min", "max", "mean", "var", "std"):
        assert np.isnan(getattr(stats, name)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "bool", "object"])
def test_no_columns(dtype):
    stats = stats_of(np.empty((3, 0), dtype))
    assert len(stats) == 0 and all(getattr(stats, name).shape == (0,) for name in exact.FIELDS)


def test_one_row():
    x = np.array([[1.5, -0.0, inf, nan, 5e-324, 1.7e308]])
    for ddof in (0, 1, 2):
        check_stats(stats_of(x, ddof=ddof), x, ddof)
    assert stats_of(x).var.tolist()[:2] == [0, 0] and np.isnan(stats_of(x, ddof=1).var).all()
    assert stats_of(x).constant.tolist() == [True, True, True, False, True, True]


@pytest.mark.parametrize("ddof", [0, 1, 2, 3, 4, 100])
def test_ddof_of_as_many_as_there_are_values_gives_nan(ddof):
    x = np.array([[1.0, nan], [2.0, 5.0], [4.0, 7.0]], np.float32)
    stats = stats_of(x, ddof=ddof)
    check_stats(stats, x, ddof)
    assert np.isnan(stats.var).tolist() == [ddof >= 3, ddof >= 2]


def test_ddof_beyond_64_bits():
    x = np.array([[1.0, 5.0], [2.0, 5.0]])
    for ddof in (2**63, 2**100):
        assert np.isnan(stats_of(x, ddof=ddof).var).all() and np.isnan(stats_of(x, ddof=ddof).std).all()
        stats = stats_of(x, ddof=-ddof)
        assert (stats.var >= 0).all() and (stats.var < 1e-15).all() and stats.ddof == -ddof


def test_inf_is_data():
    x = np.array([[inf, -inf, inf, 1, inf, nan], [1, 2, -inf, nan, inf, nan]])
    stats = stats_of(x)
    assert np.array_equal(stats.mean, [inf, -inf, nan, 1, inf, nan], equal_nan=True)
    assert np.array_equal(stats.var, [nan, nan, nan, 0, nan, nan], equal_nan=True)
    assert np.array_equal(stats.min, [1, -inf, -inf, 1, inf, nan], equal_nan=True)
    assert np.array_equal(stats.max, [inf, 2, inf, 1, inf, nan], equal_nan=True)
    assert stats.constant.tolist() == [False, False, False, True, True, False]
    assert stats.count.tolist() == [2, 2, 2, 1, 2, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bad_values_anywhere_in_many_rows(dtype):
    rng = np.random.default_rng(1)
    for rows in (16383, 16384, 16385, 20_000):
        x = rng.standard_normal((rows, 6)).astype(dtype)
        x[0, 0], x[-1, 1], x[rows // 2, 2] = nan, nan, nan
        x[16_000:, 3] = nan
        x[rng.random(rows) < 0.5, 4] = inf
        x[100, 5], x[101, 5] = -inf, nan
        check_stats(stats_of(x), x)


def test_nan_policy():
    x = np.array([[1.0, 2.0], [nan, 4.0]])
    assert stats_of(x).mean.tolist() == [1, 3]
    found = stats_of(x, nan_policy="propagate")
    for name in ("min", "max", "mean", "var", "std"):
        assert np.isnan(getattr(found, name)).tolist() == [True, False], name
    assert found.count.tolist() == [1, 2] and found.nan.tolist() == [1, 0]
    with pytest.raises(ff.NonFiniteError, match=r"first nan at row 1, column 0"):
        ff.column_stats(x, nan_policy="raise")
    assert stats_of(np.array([[inf]]), nan_policy="raise").posinf == 1
    with pytest.raises(ValueError, match="nan_policy must be one of 'omit', 'propagate', 'raise', not 'drop'"):
        ff.column_stats(x, nan_policy="drop")


def test_wrong_arguments():
    x = np.ones((3, 2))
    for axis in (2, -3, (0, 2)):
        with pytest.raises(ValueError, match="axis"):
            ff.column_stats(x, axis=axis)
    with pytest.raises(ValueError, match="twice"):
        ff.column_stats(x, axis=(0, -2))
    with pytest.raises(TypeError):
        ff.column_stats(x, ddof=0.5)
    with pytest.raises(ValueError):
        ff.column_stats(1.0)
    assert ff.column_stats(1.0, axis=None).mean == 1


@pytest.mark.parametrize("ddof", [1.0, "1", None])
def test_a_ddof_that_is_no_integer_is_named(ddof):
    for call in (lambda: ff.column_stats(np.ones((3, 2)), ddof=ddof), lambda: ff.ColumnStats(ddof=ddof)):
        with pytest.raises(TypeError, match="ddof"):
            call()


def test_nan_refused_is_named_with_its_place_and_column():
    x = np.array([[inf, 1.0], [2.0, nan], [nan, nan]])
    with pytest.raises(ff.NonFiniteError) as caught:
        ff.column_stats(x, nan_policy="raise")
    message = str(caught.value)
    assert "3 nan; first nan at row 1, column 1" in message and "inf" not in message
    pandas = require("pandas")
    with pytest.raises(ff.NonFiniteError, match=r"first nan at row 1, column 1 \('height'\)") as caught:
        ff.column_stats(pandas.DataFrame(x, columns=["age", "height"]), nan_policy="raise")
    assert "inf" not in str(caught.value)


def test_a_data_frame_names_the_columns():
    pandas = require("pandas")
    frame = pandas.DataFrame({"age": [1.0, 2.0], "height": [3, 4]}, index=[7, 3])
    assert ff.column_stats(frame).names == ("age", "height") and ff.column_stats(frame.to_numpy()).names is None


# ---- constants ---------------------------------------------------------------------------------------

NUMBERS = [0.1, -0.09853293, np.log(1e-5), 1 / 3, 1e308, -1.7e308, 5e-324, -3e-310, 1e-160, 2.0**53 + 1, -15.942385]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 3, 15, 17, 128, 129, 513, 16385, 20_000])
def test_constants_are_exactly_constant(dtype, rows):
    with np.errstate(all="ignore"):
        values = np.array(NUMBERS).astype(dtype)
    values = values[np.isfinite(values)]
    stats = stats_of(np.broadcast_to(values, (rows, len(values))).copy())
    assert stats.constant.all() and not stats.var.any() and not stats.std.any()
    assert np.array_equal(stats.mean, values) and np.array_equal(stats.min, values)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constants_are_exactly_constant_among_nan(dtype):
    x = np.full((20_000, 3), 0.1, dtype)
    x[::3, 0] = x[:17_000, 1] = x[5:, 2] = nan
    stats = stats_of(x)
    assert stats.constant.all() and not stats.var.any() and (stats.mean == x[1, 0]).all()


def test_constants_are_exactly_constant_when_streamed():
    values = np.array(NUMBERS)
    stream = ff.ColumnStats()
    for rows in (1, 7, 16384, 1, 1, 20_000, 3):
        stream.update(np.broadcast_to(values, (rows, len(values))))
        stream.update(values)
        stream = stream + ff.column_stats(np.broadcast_to(values, (2, len(values))))
    assert stream.constant.all() and not stream.var.any() and np.array_equal(stream.mean, values)


def test_two_million_ones_and_a_million_rows_of_one_tenth():
    ones = np.broadcast_to(np.float32(1), (2_000_000, 2))
    assert stats_of(ones).mean.tolist() == [1, 1] and not stats_of(ones).var.any()
    tenths = np.full((1_000_000, 1), 0.1, np.float32)
    assert stats_of(tenths).mean == np.float64(np.float32(0.1)) and stats_of(tenths).constant.all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_zeros_of_both_signs_are_one_constant(dtype):
    x = np.zeros((100, 3), dtype)
    x[::2, 0] = x[:, 1] = -0.0
    stats = stats_of(x)
    assert stats.constant.all() and (stats.zero == 100).all() and not stats.negative.any() and not stats.var.any()
    for field in (stats.min, stats.max, stats.mean):
        assert not np.signbit(field).any()


def test_the_smallest_differences_are_not_constant():
    x = np.array([[0.0, 5e-324, 1.0, -0.0], [5e-324, 1e-323, 1 + 2**-52, -5e-324]])
    assert not stats_of(x).constant.any()
    assert not stats_of(np.tile(x, (5000, 1))).constant.any()
    x = np.array([[0.0, 1.0], [1e-45, 1 + 2**-23]], np.float32)
    assert not stats_of(x).constant.any()


# ---- the process -------------------------------------------------------------------------------------


def test_eight_python_threads_at_once():
    rng = np.random.default_rng(0)
    data = [rng.standard_normal((30_000, 5)).astype(np.float32) for _ in range(8)]
    right = [exact.bits_of(ff.column_stats(x)) for x in data]
    wrong = []

    def work(x, expected):
        for _ in range(5):
            if exact.bits_of(ff.column_stats(x)) != expected:
                wrong.append(x)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(data, right)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_flush_to_zero_changes_no_count_and_no_range(run_python, compile_c):
    library = compile_c("""
        #include <xmmintrin.h>
        void flush(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }
        unsigned state(void) { return _mm_getcsr() & 0x8040; }
    """)
    code = """
import ctypes, sys
import numpy as np
import exact
import fastfinite as ff
import warnings
warnings.simplefilter("ignore")     # numpy warns of flushed subnormals
library = ctypes.CDLL(sys.argv[1])
tiny32, tiny64 = np.uint32(1).view(np.float32), np.uint64(1).view(np.float64)
cases = []
for tiny in (tiny32, tiny64):
    x = np.zeros((100, 4), tiny.dtype)
    x[50, 0], x[:, 1], x[3, 2], x[:50, 3] = tiny, tiny, -tiny, -0.0
    cases += [x, np.asfortranarray(x), x[:, ::-1], np.tile(x, (100, 1))]
def facts(x):
    stats = ff.column_stats(x)
    stream = ff.ColumnStats().update(x[:60]).update(x[60]).update(x[61:])
    return [(name, field.view(np.uint64).tolist() if field.dtype == float else field.tolist()) for s in (stats, stream)
            for name in (*exact.COUNTS, "min", "max", "constant") for field in [getattr(s, name)]]
right = [facts(x) for x in cases]
library.flush()
found = [facts(x) for x in cases]
assert library.state() == 0x8040
assert found == right
constant = dict(right[0])["constant"]
assert constant == [False, True, False, True], constant
print("same")
"""
    assert run_python(code, library) == "same"
