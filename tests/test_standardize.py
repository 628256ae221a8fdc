"""standardize and inverse_standardize, against exact quotients."""

from fractions import Fraction

import arrays
import numpy as np
import pytest
from exact import rational
from hypothesis import given
from hypothesis import strategies as st
from reference import dtype_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf


def quotient_errors(result, x, stats):
    """Of each finite element, the distance to (x - mean) / std in units in the last place of the result's dtype."""
    info = np.finfo(result.dtype)
    smallest, digits = rational(info.smallest_subnormal), info.nmant
    for index in np.ndindex(x.shape):
        mean, std = rational(stats.mean[index[1:]]), rational(stats.std[index[1:]])
        right = (rational(x[index]) - mean) / (std if std else 1)
        if right == 0:
            yield 0.0 if result[index] == 0 else inf
            continue
        exponent = abs(right).numerator.bit_length() - abs(right).denominator.bit_length()
        exponent -= abs(right) < Fraction(2) ** exponent
        unit = max(smallest, Fraction(2) ** (exponent - digits))
        yield float(abs(rational(result[index]) - right) / unit)


def numbers(dtype, shape=(70, 5), seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * 5 + np.array([0, 3, -100, 0, 1])[: shape[1]]).astype(dtype)


@pytest.mark.parametrize("seed", range(4))
def test_float32_is_within_1_ulp_of_the_exact_quotient(seed):
    for x in (numbers("float32", seed=seed), numbers("float32", seed=seed) * np.float32(1e30),
              numbers("float32", seed=seed) * np.float32(1e-30), numbers("float32", seed=seed) + np.float32(1e7)):
        stats = ff.column_stats(x)
        assert max(quotient_errors(ff.standardize(x), x, stats)) <= 0.501
        assert max(quotient_errors(ff.standardize(x, stats=stats), x, stats)) <= 0.501


def test_float32_near_the_mean_and_subnormal():
    x = np.array([[1, 0], [np.nextafter(np.float32(1), np.float32(2)), 1e-45], [1, -1e-40], [1, 3e-45]], np.float32)
    assert max(quotient_errors(ff.standardize(x), x, ff.column_stats(x))) <= 0.501
    far = ff.column_stats(np.array([[-1e38], [1e38]], np.float32))
    tiny = np.array([[1e-10], [1e-3], [-1e-6], [0]], np.float32)
    assert max(quotient_errors(ff.standardize(tiny, stats=far), tiny, far)) <= 0.501


def test_float64_is_within_2_ulp_where_the_difference_is_exact():
    rng = np.random.default_rng(0)
    for scale in (2.0**-900, 2.0**-300, 1.0, 2.0**40, 2.0**300, 2.0**900):
        x = rng.integers(-(2**20), 2**20, (64, 4)) * scale
        stats = ff.column_stats(x)      # the mean is a multiple of scale / 64
        assert max(quotient_errors(ff.standardize(x), x, stats)) <= 2


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_small_floats_are_rounded_once(dtype):
    x = numbers("float64").astype(dtype_of(dtype))
    result, stats = ff.standardize(x), ff.column_stats(x)
    assert result.dtype == x.dtype
    right = (x.astype(np.float64) - stats.mean) / stats.std
    assert np.array_equal(result.astype(np.float64), right.astype(x.dtype).astype(np.float64))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "bool"])
def test_integers_give_float64(dtype):
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, (50, 3)).astype(dtype)
    result, stats = ff.standardize(x), ff.column_stats(x)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, (x.astype(float) - stats.mean) / stats.std, rtol=1e-14, atol=1e-16)
    single = np.empty(x.shape, np.float32)
    assert ff.standardize(x, out=single) is single
    np.testing.assert_array_equal(single, result.astype(np.float32))


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_large_integers_that_differ_stay_apart(dtype):
    x = np.array([[2**62], [2**62 + 1]], dtype)
    assert ff.standardize(x).tolist() == [[-1], [1]]


# ---- constants, nan, inf -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "bool"])
def test_constant_columns_become_exactly_0(dtype):
    values = np.array([0.1, -0.0, 1 / 3, 1e4, -7.3]).astype(dtype)
    for rows in (1, 10, 9000):
        x = np.broadcast_to(values, (rows, 5)).copy()
        result = ff.standardize(x)
        assert not result.any() and np.isfinite(result).all()
        assert not ff.standardize(np.asfortranarray(x)).any()


def test_huge_tiny_and_partly_missing_constants_become_0():
    x = np.tile(np.array([[1.7e308, -1e308, 5e-324, 1e-310, 0.1]]), (20, 1))
    x[3:, 4] = nan
    result = ff.standardize(x)
    assert not result[:3].any() and np.isnan(result[3:, 4]).all() and not result[:, :4].any()
    assert not ff.standardize(np.full((5, 1), 2**62 + 1)).any()


def test_new_data_in_a_constant_column_keep_their_distance():
    stats = ff.column_stats(np.full((5, 2), 3.0))
    assert ff.standardize(np.array([[3.0, 4.5], [1.0, nan]]), stats=stats)[:, 0].tolist() == [0, -2]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_stays_nan_and_the_rest_is_scaled_by_what_is_there(dtype):
    x = np.array([[1, nan, 5], [3, nan, nan], [nan, nan, 5]], dtype)
    result = ff.standardize(x)
    assert np.array_equal(result, np.array([[-1, nan, 0], [1, nan, nan], [nan, nan, 0]]), equal_nan=True)


def test_columns_with_inf_have_no_variance_and_become_nan():
    result = ff.standardize(np.array([[inf, 1.0], [1.0, 3.0]]))
    assert np.isnan(result[:, 0]).all() and result[:, 1].tolist() == [-1, 1]
    stats = ff.column_stats(np.array([[1.0], [3.0]]))
    assert ff.standardize(np.array([[inf], [-inf], [nan]]), stats=stats)[:2].tolist() == [[inf], [-inf]]


def test_differences_that_overflow():
    x = np.array([[1e308, 1.7e308, 1e308], [-1e308, -1.7e308, 1e308], [1e308, 1.7e308, -1e308], [-1e308, -1.7e308, 0]])
    stats = ff.column_stats(x)
    result = ff.standardize(x)
    assert np.isfinite(result).all() and max(quotient_errors(result, x, stats)) <= 4
    assert result[:, 0].tolist() == [1, -1, 1, -1]
    one = ff.column_stats(np.array([[-1.7e308]]))
    with_far = ff.standardize(np.array([[-1.7e308]]), stats=one)
    assert with_far.tolist() == [[0]]


def test_masked_cells_do_not_come_out_as_numbers():
    x = np.ma.array([[1.0, 2.0], [3.0, 1e20], [5.0, 4.0]], mask=[[0, 0], [0, 1], [0, 0]])
    result = ff.standardize(x)
    assert np.ma.getmaskarray(result)[1, 1] or np.isnan(result[1, 1])
    np.testing.assert_allclose(np.asarray(result)[[0, 2], 1], [-1, 1])


# ---- layouts and out ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "int32", "int64"])
def test_every_layout_gives_the_same_bits(dtype):
    dtype = dtype_of(dtype)
    for shape in ((1, 5), (3, 1), (70, 5), (700, 5)):
        x = numbers("float64", shape).astype(dtype)
        right = ff.standardize(x)
        for name in arrays.layouts_of(dtype):
            y = arrays.LAYOUTS[name](x)
            before = np.asarray(y).tobytes()
            result = ff.standardize(y)
            assert type(result) is np.ndarray and result.dtype == (y.dtype if dtype.kind not in "biu" else np.float64)
            assert np.array_equal(result.astype(np.float64), right.astype(np.float64)), name
            assert np.asarray(y).tobytes() == before, name


def test_out_of_every_layout():
    x = numbers("float32")
    right = ff.standardize(x)
    for name, make in arrays.LAYOUTS.items():
        if name in ("read-only", "subclass"):
            continue
        out = make(np.zeros_like(x))
        assert ff.standardize(x, out=out) is out
        assert np.array_equal(out.astype(np.float32), right), name
    for dtype in ("float16", "float64"):
        out = np.empty(x.shape, dtype)
        ff.standardize(x, out=out)
        np.testing.assert_allclose(out, right, rtol=1e-3 if dtype == "float16" else 1e-6, atol=1e-3)


@pytest.mark.parametrize("layout", [name for name in arrays.LAYOUTS if name not in ("read-only", "subclass")])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_in_place(layout, dtype):
    x = numbers(dtype, (200, 5))
    right = ff.standardize(x).astype(np.float64)
    y = arrays.LAYOUTS[layout](x)
    assert ff.standardize(y, out=y) is y
    assert np.array_equal(y.astype(np.float64), right)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_place_in_many_rows_and_threads(dtype):
    x = np.resize(numbers(dtype, (3001, 5)), (16 * 2**20 // np.dtype(dtype).itemsize // 5, 5))
    right = ff.standardize(x)
    for y in (x.copy(), np.asfortranarray(x)):
        with ff.threads(3):
            ff.standardize(y, out=y)
        assert np.array_equal(y, right)


@given(st.integers(-40, 40), st.sampled_from(["float32", "float64"]), st.booleans())
def test_out_that_overlaps_x_shifted(shift, dtype, columns_first):
    buffer = numbers(dtype, (400, 1))[:, 0]
    x = buffer[50:350].reshape(60, 5)
    out = buffer[50 + shift : 350 + shift].reshape(60, 5)
    if columns_first:
        x, out = x.reshape(5, 60).T, out.reshape(5, 60).T
    right = ff.standardize(x.copy())
    assert ff.standardize(x, out=out) is out
    assert np.array_equal(out, right)


def test_out_that_overlaps_x_in_another_order_or_dtype():
    x = numbers("float64", (5, 5))
    right = ff.standardize(x)
    y = x.copy()
    assert np.array_equal(ff.standardize(y, out=y.T), right)
    y = x.copy()
    assert np.array_equal(ff.standardize(y, out=y[::-1]), right)
    y = x.copy()
    half = y.view(np.float32)[:, :5]
    assert np.array_equal(ff.standardize(y, out=half), right.astype(np.float32))


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("shift", [-6, -5, -1, 0, 1, 5, 6])
@pytest.mark.parametrize("rows", [20, 30_000])
def test_out_that_overlaps_integers_shifted(dtype, shift, rows):
    buffer = np.random.default_rng(0).integers(0, 1000, 5 * rows + 20).astype(dtype)
    x = buffer[10 : 10 + 5 * rows].reshape(rows, 5)
    out = buffer.view(np.float64)[10 + shift : 10 + shift + 5 * rows].reshape(rows, 5)
    right = ff.standardize(x.copy())
    assert ff.standardize(x, out=out) is out
    assert np.array_equal(out, right)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int8", "float16", "bool"])
@pytest.mark.parametrize("shape", [(5, 0), (0, 5), (0,), (2, 0, 3)])
def test_empty_arrays_of_every_kind(dtype, shape):
    x = np.empty(shape, dtype)
    for result in (ff.standardize(x), ff.standardize(x, stats=ff.column_stats(x))):
        assert result.shape == shape and result.dtype == (np.float16 if dtype == "float16" else np.float64)
    out = np.empty(shape)
    assert ff.standardize(x, out=out) is out


def test_statistics_of_other_data():
    train, test = numbers("float32"), numbers("float32", (9, 5), 1)
    stats = ff.ColumnStats(ddof=1).update(train[:30]).update(train[30:])
    result = ff.standardize(test, stats=stats)
    assert max(quotient_errors(result, test, stats)) <= 0.501
    assert np.array_equal(ff.standardize(np.asfortranarray(test), stats=stats), result)


def test_more_dimensions_one_and_none():
    x = np.random.default_rng(0).standard_normal((30, 3, 4))
    result = ff.standardize(x)
    np.testing.assert_allclose(result, (x - x.mean(axis=0)) / x.std(axis=0), atol=1e-14)
    assert np.array_equal(ff.standardize(x.transpose(0, 2, 1)), result.transpose(0, 2, 1))
    assert ff.standardize(np.array([1.0, 3.0])).tolist() == [-1, 1]
    for shape in ((0, 3), (3, 0), (0,)):
        assert ff.standardize(np.empty(shape)).shape == shape


def test_what_does_not_fit():
    x, stats = np.ones((4, 3)), ff.column_stats(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"x must have rows of 3 columns, as stats has; its shape is \(4, 2\)"):
        ff.standardize(np.ones((4, 2)), stats=stats)
    with pytest.raises(TypeError, match="stats must be a ColumnStats, not dict"):
        ff.standardize(x, stats={})
    for out, error, message in (
        (np.empty((4, 2)), ValueError, r"out has shape \(4, 2\), but x has shape \(4, 3\)"),
        (np.empty((4, 3), int), TypeError, "out must be an array of floats"),
        (np.empty((4, 3), complex), TypeError, "out must be an array of floats"),
        ([[0.0] * 3] * 4, TypeError, "out must be a NumPy array"),
        (arrays.read_only(x), ValueError, "out is read-only"),
    ):
        with pytest.raises(error, match=message):
            ff.standardize(x, out=out)
        with pytest.raises(error, match=message):
            ff.inverse_standardize(x, stats=stats, out=out)
    for bad in (x.astype(complex), np.zeros((2, 2), "M8[s]"), np.array([["a"]]), x.astype(object), np.ones(2, "g")):
        with pytest.raises(TypeError):
            ff.standardize(bad)
    with pytest.raises(ValueError):
        ff.standardize(1.0)


# ---- the inverse -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_inverse_brings_the_data_back(dtype):
    x = numbers(dtype, (300, 5))
    x[:, 3], x[4, 4] = 0.1, nan
    stats = ff.column_stats(x)
    for y in (x, np.asfortranarray(x), arrays.lay(x, step=2), arrays.swapped(x)):
        back = ff.inverse_standardize(ff.standardize(y, stats=stats), stats=stats)
        size = np.nanmax(np.abs(x), axis=0)
        assert back.dtype == y.dtype and (back[:, 3] == x[:, 3]).all()
        assert np.array_equal(np.isnan(back), np.isnan(x))
        assert (np.abs(np.nan_to_num(back - x)) <= 2 * np.finfo(dtype).eps * size).all()


def test_the_inverse_in_place_and_at_the_ends_of_the_range():
    x = np.array([[1e308, 1e-310, 1e-160], [-1e308, 3e-310, 3e-160]])
    stats = ff.column_stats(x)
    y = x.copy()
    ff.standardize(y, stats=stats, out=y)
    assert y.tolist() == [[1, -1, -1], [-1, 1, 1]]
    assert ff.inverse_standardize(y, stats=stats, out=y) is y
    with np.errstate(under="ignore"):
        np.testing.assert_allclose(y, x, rtol=1e-13)
    assert np.array_equal(ff.inverse_standardize(np.zeros((1, 3)), stats=stats)[0], stats.mean)
