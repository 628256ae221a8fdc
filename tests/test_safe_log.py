"""safe_log: what becomes of x <= 0, by default, with a fill and with a floor; what both do to dtype and shape."""

import arrays
import ml_dtypes
import numpy as np
import pytest
from elementwise import DTYPES, numbers, pool, same
from reference import dtype_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def smallest(dtype):
    return float(ml_dtypes.finfo(dtype_of(dtype)).smallest_subnormal)


def log(x):
    """The log of each x > 0, in long double, rounded to its dtype; elsewhere what NumPy says."""
    with np.errstate(all="ignore"):
        wide = np.log(np.asarray(x).astype(np.longdouble))
        return wide.astype(np.float64).astype(x.dtype)


def close(found, right):
    """Equal, or one step apart."""
    with np.errstate(all="ignore"):
        step = found.view(f"i{found.dtype.itemsize}") - right.view(f"i{right.dtype.itemsize}")
        return found.dtype == right.dtype and bool(((abs(step) <= 1) | np.isnan(found) & np.isnan(right)).all())


@pytest.fixture
def points():
    """The numbers that are not above 0, by dtype, and some that are."""

    def of(dtype):
        dtype = dtype_of(dtype)
        tiny, most = smallest(dtype), float(ml_dtypes.finfo(dtype).max)
        bad = np.array([0.0, -0.0, -tiny, -1.0, -most, -inf]).astype(dtype)
        return bad, np.array([tiny, 3 * tiny, 0.25, 1.0, 3.0, most, inf]).astype(dtype)

    return of


# ---- values ------------------------------------------------------------------------------------------


@every_dtype
def test_by_default_the_smallest_number_takes_the_place_of_what_has_no_log(dtype, points):
    bad, good = points(dtype)
    right = log(np.array(smallest(dtype)).astype(dtype_of(dtype)))
    for size in (len(bad), 300):
        assert same(ff.safe_log(np.resize(bad, size)), np.full(size, right))
    assert close(ff.safe_log(good), log(good)) and ff.safe_log(good[-1]) == inf and ff.safe_log(good[3]) == 0
    assert np.isfinite(ff.safe_log(np.concatenate([bad, good[:-1]]))).all()
    expected = {"float16": -16.64, "float32": -103.28, "float64": -744.44, "bfloat16": -92.0}
    assert abs(float(right) - expected[dtype]) < 0.2


@every_dtype
@pytest.mark.parametrize("fill", [0.0, -0.0, -5, -99.0, 3, nan, inf, -inf, True])
def test_a_fill_is_the_result_where_x_is_not_above_0(dtype, fill, points):
    bad, good = points(dtype)
    result = ff.safe_log(np.concatenate([bad, good]), fill=fill)
    assert result.dtype == dtype_of(dtype)
    assert same(result[: len(bad)], np.full(len(bad), fill).astype(dtype_of(dtype)))
    assert same(result[len(bad) :], ff.safe_log(good))


@every_dtype
def test_a_floor_holds_the_log_up(dtype, points):
    bad, good = points(dtype)
    x = np.concatenate([bad, good])
    for floor in (smallest(dtype), 0.25, 0.5, 1.0, 2, 1000, inf, True):
        place = np.array(floor).astype(dtype_of(dtype))
        result = ff.safe_log(x, floor=floor)
        assert result.dtype == dtype_of(dtype)
        assert same(result, ff.safe_log(np.maximum(x, place))), floor
        assert same(ff.safe_log(x, floor=np.full(x.shape, place)), result), floor
    assert same(ff.safe_log(x, floor=smallest(dtype)), ff.safe_log(x))


@every_dtype
def test_a_floor_of_0_is_the_log_of_a_limit(dtype, points):
    """Not of the sign: what is below 0 is 0 first."""
    bad, good = points(dtype)
    for floor in (0, 0.0, -0.0, False, np.float32(0), np.zeros(1, dtype_of(dtype)), -np.zeros(1, dtype_of(dtype))):
        assert same(ff.safe_log(bad, floor=floor), np.full(bad.shape, -inf).astype(bad.dtype)), floor
        assert same(ff.safe_log(good, floor=floor), ff.safe_log(good))


@every_dtype
def test_no_fill_and_no_floor_hides_nan(dtype):
    patterns = arrays.bad_values(dtype)["nan"]
    for x in (patterns, np.tile(patterns, 30), patterns[:1].reshape(())):
        for options in ({}, {"fill": 0}, {"fill": -inf}, {"floor": 0}, {"floor": 1}, {"floor": inf},
                        {"fill": np.zeros(x.shape, x.dtype)}, {"floor": np.ones(x.shape, x.dtype)}):
            assert np.isnan(ff.safe_log(x, **options)).all(), options


@every_dtype
def test_a_fill_is_taken_bit_by_bit_and_only_where_it_is_needed(dtype):
    fill = numbers(dtype, 4000, 1)
    result = ff.safe_log(np.zeros(4000, dtype_of(dtype)), fill=fill)
    assert same(result, fill)
    x = numbers(dtype, 4000)
    with np.errstate(all="ignore"):
        right = np.where(x <= 0, fill, ff.safe_log(x))
    assert same(ff.safe_log(x, fill=fill), right)


@every_dtype
def test_the_log_of_the_smallest_and_the_largest_numbers_is_exact(dtype):
    x = np.abs(pool(dtype))
    with np.errstate(all="ignore"):
        x = np.sort(x[(x > 0) & (x < inf)])
    assert close(ff.safe_log(x), log(x))
    assert (np.diff(ff.safe_log(x).astype(np.float64)) >= 0).all()


def test_as_a_scalar():
    assert ff.safe_log(0.0) == -744.4400719213812 and ff.safe_log(1) == 0 and ff.safe_log(-3.0, fill=2) == 2
    for x in (np.float16(-1), np.float32(0), np.float64(0), ml_dtypes.bfloat16(-2)):
        for options in ({}, {"fill": -1}, {"floor": 1}):
            assert type(ff.safe_log(x, **options)) is type(x)
    for result in (ff.safe_log(0.0), ff.safe_log(0, fill=1), ff.safe_log([], fill=1), ff.safe_log([1, 2], floor=0.5)):
        assert result.dtype == np.float64


# ---- dtype and shape ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", arrays.INTEGERS)
def test_integers_promote_as_for_log(dtype):
    x = arrays.finite_values(dtype)
    with np.errstate(all="ignore"):
        right = np.log(x).dtype
    assert ff.safe_log(x).dtype == right and same(ff.safe_log(x), ff.safe_log(x.astype(right)))
    # NumPy's rule for an integer beside a float of Python: float64 it is, where it is not float16.
    assert same(ff.safe_log(x, fill=-5), ff.safe_log(x.astype(ff.safe_log(x, fill=-5).dtype), fill=-5))


SCALARS = [0.5, 2, True, np.float16(0.5), np.float32(0.5), np.float64(0.5), np.int8(2), np.int64(2), np.uint64(2),
           np.True_]


@every_dtype
@pytest.mark.parametrize("option", ["fill", "floor"])
@pytest.mark.parametrize("scalar", SCALARS, ids=[f"{type(scalar).__name__} {scalar}" for scalar in SCALARS])
def test_a_scalar_does_not_widen_the_result(dtype, option, scalar):
    x = np.array([0.0, 4.0]).astype(dtype_of(dtype))
    result = ff.safe_log(x, **{option: scalar})
    right = ff.safe_log(x, **{option: np.full(2, scalar).astype(x.dtype)})
    assert result.dtype == x.dtype and same(result, right)
    assert ff.safe_log(x[0], **{option: scalar}).dtype == x.dtype
    assert ff.safe_log(x[0], **{option: scalar}) == right[0]


@pytest.mark.parametrize("option", ["fill", "floor"])
def test_a_scalar_of_bfloat16_does_not_widen_the_result(option):
    for dtype in DTYPES:
        x = np.array([0.0, 4.0]).astype(dtype_of(dtype))
        assert ff.safe_log(x, **{option: ml_dtypes.bfloat16(0.5)}).dtype == x.dtype


@pytest.mark.parametrize("option", ["fill", "floor"])
def test_an_array_widens_the_result_in_dtype_and_shape(option):
    x = np.array([[0.0], [4.0]], np.float32)
    for other, dtype in (("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("i1", "f4"), ("i2", "f4"), ("i4", "f8")):
        for value in (np.arange(1, 4).astype(other), np.ones((5, 2, 1), other), np.ones((), other), np.ones(1, other)):
            result = ff.safe_log(x, **{option: value})
            # Before NumPy 2, an array without axes does not widen.
            common = np.dtype(dtype) if value.ndim else np.result_type(x, value)
            assert result.dtype == common and result.shape == np.broadcast_shapes(x.shape, value.shape)
            wide, value = np.broadcast_arrays(x.astype(common), value.astype(common))
            right = np.where(wide > 0, ff.safe_log(wide), value) if option == "fill" else ff.safe_log(
                np.maximum(wide, value))
            assert same(np.asarray(result), right)
    assert ff.safe_log(0.0, **{option: [1.0, 2.0]}).shape == (2,)
    assert ff.safe_log(x, **{option: np.ones((0,))}).shape == (2, 0)
    with pytest.raises(ValueError):
        ff.safe_log(np.zeros(3), **{option: np.ones(2)})


def test_out_where_and_dtype_go_with_all():
    x = np.array([0.0, 1.0, 4.0, -1.0])
    for options in ({}, {"fill": -9.0}, {"floor": 0.5}, {"fill": np.ones(4)}, {"floor": np.ones(4)}):
        right = ff.safe_log(x, **options)
        out = np.empty(4)
        assert ff.safe_log(x, out=out, **options) is out and same(out, right)
        assert ff.safe_log(x, out=(out,), **options) is out
        out[...] = 7
        ff.safe_log(x, out=out, where=x != 1, **options)
        assert same(out, np.where(x == 1, 7, right))
        single = ff.safe_log(x, dtype=np.float32, **options)
        assert single.dtype == np.float32 and single[2] == np.float32(right[2])
        with pytest.raises(TypeError):
            ff.safe_log(x, dtype=int, **options)
    # The default floor is of the dtype that is computed in.
    assert ff.safe_log(np.float32(0), dtype=np.float64) == ff.safe_log(0.0)
    assert ff.safe_log(np.zeros(1), dtype=np.float32)[0] == ff.safe_log(np.float32(0))


# ---- errors ------------------------------------------------------------------------------------------


def test_fill_and_floor_exclude_each_other():
    for fill, floor in ((0, 1), (nan, 0), (np.zeros(3), np.ones(3)), (0, -1)):
        with pytest.raises(ValueError, match="fill and floor exclude each other"):
            ff.safe_log(np.ones(3), fill=fill, floor=floor)
    assert ff.safe_log(1.0, fill=None, floor=None) == 0


NO_FLOORS = [
    (-1, "-1"), (-0.5, "-0.5"), (-inf, "-inf"), (nan, "nan"), (np.float32(-2), "-2.0"), (np.float16(nan), "nan"),
    (np.int8(-3), "-3"), (np.array(-3.0), "-3.0"), (np.array([1, -2.5, -3]), "-2.5"), (np.array([[1, nan]]), "nan"),
    (np.array([0, -4]), "-4"), (np.array([1, -1], ">f4"), "-1.0"), ([1.0, -2.0], "-2.0"), ((nan, 1.0), "nan"),
    ([[1], [-7]], "-7"), (ml_dtypes.bfloat16(-1), "-1"), (np.array([1, -1], ml_dtypes.bfloat16), "-1"),
    (np.array([1, nan], ml_dtypes.bfloat16), "nan"), (-(10**400), "-1000"),
]


@pytest.mark.parametrize("number", range(len(NO_FLOORS)), ids=[f"{type(f).__name__} {name}" for f, name in NO_FLOORS])
def test_a_floor_below_0_or_nan_is_named(number):
    floor, named = NO_FLOORS[number]
    for x in (np.ones(2), np.ones(2, np.float32), np.array([[0.0, nan]]), 3):
        with pytest.raises(ValueError, match=f"^floor must be at least 0, not {named}"):
            ff.safe_log(x, floor=floor)


def test_masked_floors_and_those_of_other_kinds():
    x = np.zeros(3)
    masked = np.ma.MaskedArray([0.5, 1.0, -1.0], [False, True, True])
    assert ff.safe_log(x, floor=np.ma.MaskedArray([1.0] * 3, True)).mask.all()
    assert ff.safe_log(x, floor=masked).mask.tolist() == [False, True, True]
    floor = np.ones(3).view(arrays.Subclass)
    assert type(ff.safe_log(x, floor=floor)) is arrays.Subclass
    assert not np.asarray(ff.safe_log(x, floor=floor)).any()


def test_a_positive_floor_that_the_dtype_cannot_hold_still_keeps_inf_away():
    """1e-12 is 0 in float16: as close as can be is the smallest number, not no floor."""
    for dtype, floor in (("float16", 1e-12), ("float32", 1e-60), ("bfloat16", 1e-60), ("float16", np.float64(1e-9))):
        assert np.isfinite(ff.safe_log(np.zeros(3, dtype_of(dtype)), floor=floor)).all()


@pytest.mark.parametrize("option", ["fill", "floor"])
def test_fills_and_floors_that_are_no_numbers_are_type_errors(option):
    for value in ("a", 1j, np.complex64(1), b"x", np.array(["a", "b"]), np.datetime64("2020-01-01"), {}, object(),
                  np.array([1, None]), np.timedelta64(1, "D"), np.zeros(2, "V4")):
        with pytest.raises(TypeError):
            ff.safe_log(np.ones(2), **{option: value})
    if np.finfo(np.longdouble).nmant > 52:
        with pytest.raises(TypeError):
            ff.safe_log(np.ones(2), **{option: np.ones(2, np.longdouble)})


def test_arguments():
    for call in (lambda: ff.safe_log(), lambda: ff.safe_log(1.0, 2.0), lambda: ff.safe_log(x=1.0),
                 lambda: ff.safe_log(1.0, base=2)):
        with pytest.raises(TypeError):
            call()
