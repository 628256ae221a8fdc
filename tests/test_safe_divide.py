"""safe_divide: IEEE division but for divisors of 0, of which nothing is left, neither inf nor a warning."""

import itertools

import arrays
import ml_dtypes
import numpy as np
import pytest
from elementwise import DTYPES, numbers, pool, same
from hypothesis import given
from hypothesis import strategies as st
from reference import dtype_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


@np.errstate(all="ignore")
def quotients(a, b, fill):
    """By NumPy, and what differs after it. A division of small floats in float64 and one rounding is exact."""
    small = a.dtype.itemsize == 2
    wide = [x.astype(np.float64) if small else x for x in (a, b)]
    return np.where(np.isnan(a), a, np.where(b == 0, fill, np.divide(*wide).astype(a.dtype)))


@every_dtype
@pytest.mark.parametrize("fill", [0.0, -0.0, 1, -7.5, nan, inf, -inf])
def test_every_pair_of_hard_numbers(dtype, fill):
    x = pool(dtype)[:250]
    a, b = (part.reshape(-1) for part in np.meshgrid(x, np.concatenate([x, -x, np.array([0, -0.0]).astype(x.dtype)])))
    fill = np.array(fill).astype(x.dtype)
    assert same(ff.safe_divide(a, b, fill=np.full(a.shape, fill)), quotients(a, b, fill))


@given(st.sampled_from(["float16", "float32", "float64"]), st.data())
def test_the_quotient_is_rounded_as_numpy_rounds_it(dtype, data):
    floats = st.floats(width=8 * np.dtype(dtype).itemsize)
    a, b, fill = (np.array(data.draw(st.lists(floats, min_size=20, max_size=20)), dtype) for _ in range(3))
    assert same(ff.safe_divide(a, b, fill=fill), quotients(a, b, fill))


@every_dtype
def test_special_points(dtype):
    dtype = dtype_of(dtype)
    tiny, most = (float(getattr(ml_dtypes.finfo(dtype), name)) for name in ("smallest_subnormal", "max"))
    rows = [
        (nan, 0, nan), (nan, -0.0, nan), (nan, 1, nan), (0, nan, nan), (inf, nan, nan), (1, 0, 7), (1, -0.0, 7),
        (-1, 0, 7), (0, 0, 7), (-0.0, 0, 7), (inf, 0, 7), (-inf, -0.0, 7), (tiny, 0, 7), (inf, inf, nan),
        (-inf, inf, nan), (1, inf, 0), (-1, inf, -0.0), (0, -inf, -0.0), (inf, 2, inf), (inf, -2, -inf), (0, 5, 0),
        (-0.0, 5, -0.0), (most, 0.5, inf), (most, -0.5, -inf), (most, tiny, inf), (tiny, most, 0), (tiny, 2, 0),
        (3 * tiny, 2, 2 * tiny), (tiny, -4, -0.0), (tiny, tiny, 1), (most, most, 1), (6, 3, 2), (tiny, 1, tiny),
    ]
    a, b, right = (np.array(column, np.float64).astype(dtype) for column in zip(*rows))
    for repeats in (1, 9):
        assert same(ff.safe_divide(*(np.tile(x, repeats) for x in (a, b)), fill=7), np.tile(right, repeats))
    for i in range(len(rows)):
        found = ff.safe_divide(a[i], b[i], fill=dtype.type(7))
        assert type(found) is dtype.type and same(np.asarray(found), np.asarray(right[i]))


@every_dtype
def test_a_fill_is_taken_bit_by_bit_and_only_where_it_is_needed(dtype):
    fill = numbers(dtype, 4000, 1)
    assert same(ff.safe_divide(np.ones(4000, fill.dtype), np.zeros(4000, fill.dtype), fill=fill), fill)
    a, b = numbers(dtype, 4000, 2), numbers(dtype, 4000, 3)
    b[::5], b[1::5] = 0, -0.0
    assert same(ff.safe_divide(a, b, fill=fill), quotients(a, b, fill))


@every_dtype
def test_no_fill_hides_nan(dtype):
    patterns = arrays.bad_values(dtype)["nan"]
    for size, fill in itertools.product((len(patterns), 300), (0, 1, inf)):
        a = np.resize(patterns, size)
        for b in (np.zeros_like(a), np.ones_like(a), a[::-1]):
            assert np.isnan(ff.safe_divide(a, b, fill=fill)).all()
        assert np.isnan(ff.safe_divide(np.zeros_like(a), a, fill=fill)).all()


# ---- dtype and shape ---------------------------------------------------------------------------------


@every_dtype
def test_floats_keep_their_dtype_whatever_scalar_is_the_fill(dtype):
    x = np.array([0.0, 4.0]).astype(dtype_of(dtype))
    assert ff.safe_divide(x, x).dtype == x.dtype and ff.safe_divide(x, x).tolist() == [0, 1]
    for fill in (0.5, 2, True, np.float16(0.5), np.float32(0.5), np.float64(0.5), np.int8(2), np.uint64(2), np.True_,
                 ml_dtypes.bfloat16(0.5)):
        result = ff.safe_divide(x, x, fill=fill)
        assert result.dtype == x.dtype and result.tolist() == [float(fill), 1], repr(fill)
        assert ff.safe_divide(x[0], x[0], fill=fill).dtype == x.dtype
        assert ff.safe_divide(x[0, ...], x[0, ...], fill=fill).dtype == x.dtype


@pytest.mark.parametrize("dtype", arrays.INTEGERS)
def test_integers_are_divided_as_floats(dtype):
    x = arrays.finite_values(dtype)
    with np.errstate(all="ignore"):
        right = np.where(x == 0, 0.0, x.astype(np.float64) / x)
        like_numpy = np.divide(x, x).dtype
    result = ff.safe_divide(x, x)
    assert result.dtype == like_numpy and result.tolist() == right.tolist()
    assert ff.safe_divide(x, np.float32(2)).dtype == np.divide(x, np.float32(2)).dtype


def test_python_numbers():
    assert ff.safe_divide(1, 2) == 0.5 and ff.safe_divide(1, 0) == 0 and ff.safe_divide(1, 0, fill=9) == 9
    assert ff.safe_divide(7, [2, 0], fill=nan)[0] == 3.5 and np.isnan(ff.safe_divide(7, [2, 0], fill=nan)[1])
    for pair in ((1, 2), ([1], 3), (1.0, np.int8(3)), ([], [])):
        assert ff.safe_divide(*pair).dtype == np.float64
    for dtype in arrays.NATIVE:
        x = np.ones(3, dtype)
        for pair in ((x, 3), (3, x), (x, 2.5), (2.5, x), (x, 0), (x, np.int8(3))):
            assert ff.safe_divide(*pair).dtype == ff.safe_divide(*pair, fill=1.5).dtype == dtype


def test_the_result_has_the_common_dtype():
    for a, b, fill in itertools.product(("f2", "f4", "f8"), repeat=3):
        result = ff.safe_divide(np.ones(2, a), np.zeros(2, b), fill=np.full(2, 0.1, fill))
        assert result.dtype == np.result_type(a, b, fill) and result[0] == np.array(0.1, fill).astype(result.dtype)
    brain = np.ones(2, ml_dtypes.bfloat16)
    assert ff.safe_divide(brain, np.ones(2, "f4"), fill=brain).dtype == np.float32
    assert ff.safe_divide(np.ones(2), brain).dtype == np.float64


def test_all_three_broadcast():
    a, b, fill = np.arange(1.0, 4)[:, None], np.array([0.0, 2.0]), np.arange(4.0)[:, None, None]
    result = ff.safe_divide(a, b, fill=fill)
    assert result.shape == (4, 3, 2)
    assert same(result, quotients(*(x.copy() for x in np.broadcast_arrays(a, b, fill))))
    assert ff.safe_divide(1.0, 0.0, fill=[1.0, 2.0]).tolist() == [1, 2]
    assert ff.safe_divide(np.ones((2, 0)), np.ones((1, 1))).shape == (2, 0)
    for wrong in ((np.ones(3), np.ones(2), 0.0), (np.ones(3), np.ones(3), np.ones(2))):
        with pytest.raises(ValueError):
            ff.safe_divide(wrong[0], wrong[1], fill=wrong[2])


def test_out_where_and_dtype():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([0.0, 4.0, -0.0])
    out = np.full(3, 9.0)
    assert ff.safe_divide(a, b, out=out) is out and out.tolist() == [0, 0.5, 0]
    assert ff.safe_divide(a, b, fill=nan, out=(out,)) is out and np.isnan(out[[0, 2]]).all()
    out[...] = 9
    assert ff.safe_divide(a, b, out=out, where=[True, False, False]).tolist() == [0, 9, 9]
    single = ff.safe_divide(a, 3.0, dtype=np.float32)
    assert single.dtype == np.float32 and single[1] == np.float32(2) / np.float32(3)
    whole = ff.safe_divide(np.arange(3), 2, dtype=np.float16)
    assert whole.dtype == np.float16 and whole.tolist() == [0, 0.5, 1]
    for dtype in (int, complex, np.longdouble):
        with pytest.raises(TypeError):
            ff.safe_divide(a, b, dtype=dtype)


# ---- errors ------------------------------------------------------------------------------------------


def test_what_is_no_number_is_a_type_error():
    for value in ("a", 1j, np.complex64(1), b"x", np.array(["a"]), np.datetime64("2020-01-01"), None, object(),
                  np.array([None]), np.timedelta64(1, "D"), np.zeros(1, "V4"), np.array([1], object)):
        for call in (lambda x: ff.safe_divide(x, 2.0), lambda x: ff.safe_divide(2.0, x), lambda x: ff.safe_divide(x, x),
                     lambda x: ff.safe_divide(np.ones(1), 2.0, fill=x)):
            with pytest.raises(TypeError):
                call(value)


def test_arguments():
    wrong = [((1.0,), {}), ((1.0, 2.0, 3.0), {}), ((), {"a": 1.0, "b": 2.0}), ((1.0, 2.0), {"floor": 0})]
    for positional, by_name in wrong:
        with pytest.raises(TypeError):
            ff.safe_divide(*positional, **by_name)
