"""Everything answers as the NumPy array of the same numbers does: the checks, and arrays and strategies for them."""

import arrays
import numpy as np
import pytest
import reference
from hypothesis import strategies as st
from refusals import raised

import fastfinite as ff
from fastfinite._accept import accept, as_array

nan, inf = np.nan, np.inf
COMPLEX = ("complex64", "complex128")
# Sums of these are the same in every order.
NUMBERS = (0.0, -0.0, 1.0, -2.0, nan, inf, -inf)


# ---- checks ------------------------------------------------------------------------------------------


def check_like(x, dense, targets=(None, "float16", "float8_e5m2"), told_alike=True):
    """Every answer about `x` is what the oracle says of the array, and so are the words unless it has its own."""
    reference.check_all(ff, x, range(dense.ndim), dense=dense, targets=targets)
    kind = reference.kinds(dense)
    places = np.argwhere(np.isin(kind, reference.BAD))
    for limit in (2, 3):
        found = ff.nonfinite(x, limit=limit)
        assert found.dtype == np.intp and found.shape == places[:limit].shape and np.array_equal(found, places[:limit])
    for allow_nan, faults in ((False, reference.BAD), (True, (reference.POSINF, reference.NEGINF))):
        first = reference.first_of(np.isin(kind, faults))
        if first is None:
            assert ff.check_finite(x, allow_nan=allow_nan) is x
            continue
        errors = [raised(one, allow_nan=allow_nan) for one in ((x, dense) if told_alike else (x,))]
        for error in errors:
            assert (error.report.first, error.report.first_kind) == (first, reference.LABELS[int(kind[first])])
        if told_alike:
            assert str(errors[0]).replace(" sparse)", ")").replace(" sparse scalar)", " scalar)") == str(errors[1])


def check_statistics(x, dense):
    """Of small arrays, which are one block of rows, to the last bit."""
    for axis in (None, *range(dense.ndim)):
        right = ff.column_stats(dense, axis=axis)
        for same_axis in (axis,) if axis is None else (axis, axis - dense.ndim):
            assert ff.column_stats(x, axis=same_axis) == right, same_axis
    if dense.ndim:
        stream, right = ff.ColumnStats(), ff.ColumnStats()
        assert stream.update(x).update(x) == right.update(dense).update(dense)
        assert stream.mean.tobytes() == right.mean.tobytes() and stream.var.tobytes() == right.var.tobytes()


def check_close_statistics(found, dense):
    """Statistics are those of the array; of an array of objects they are worked out in fractions, and round less."""
    right = ff.column_stats(dense)
    assert found.shape == right.shape
    for name in ("count", "nan", "posinf", "neginf", "zero", "negative", "constant"):
        assert np.array_equal(getattr(found, name), getattr(right, name)), name
    with np.errstate(all="ignore"):
        for name in ("min", "max"):
            assert np.array_equal(getattr(found, name), getattr(right, name), equal_nan=True), name
        for name in ("var", "std"):
            assert np.allclose(getattr(found, name), getattr(right, name), 1e-13, 0, equal_nan=True), name
        spread = 1e-13 * np.nan_to_num(right.std, posinf=0)
        assert np.isclose(found.mean, right.mean, 1e-13, spread, equal_nan=True).all()


def check_arguments(make):
    """Names, axes, policies and batches are taken as for arrays by what `make` makes of an array."""
    dense = np.array([[0, 1], [nan, 2], [3, inf]], np.float32)
    x = make(dense)
    assert str(raised(x, name="X", columns=["age", "height"])) == (
        "X (3 x 2 float32) has 2 non-finite values: 1 nan, 1 +inf; first nan at row 1, column 0 ('age'); "
        "columns 0 ('age'): 1, 1 ('height'): 1"
    )
    assert ff.scan(x, axis=-1) == ff.scan(dense, axis=-1)
    with pytest.raises(np.exceptions.AxisError):
        ff.scan(x, axis=2)
    assert ff.column_stats(x, nan_policy="propagate", ddof=1) == ff.column_stats(dense, nan_policy="propagate", ddof=1)
    with pytest.raises(ff.NonFiniteError, match=r"x .*1 nan; first nan at row 1, column 0"):
        ff.column_stats(x, nan_policy="raise")
    with pytest.raises(ff.NonFiniteError, match=r"batch .*1 nan; first nan at row 1, column 0"):
        ff.ColumnStats(nan_policy="raise").update(x)
    stream = ff.ColumnStats().update(x).update(make(dense[0])).update(dense)
    assert stream == ff.ColumnStats().update(dense).update(dense[0]).update(dense)
    with pytest.raises(ValueError, match="batch has 3 columns, but the statistics are of 2 columns"):
        stream.update(make(np.ones((2, 3), np.float32)))


def check_unchanged(make):
    """Nothing that is asked changes the memory of what `make` makes of an array."""
    before = arrays.mixed("float32", (7, 6), share=0.3)
    dense = before.copy()
    x = make(dense)
    check_like(x, before)
    check_statistics(x, before)
    assert dense.tobytes() == before.tobytes() == as_array(accept(x)).array.tobytes()


# ---- arrays ------------------------------------------------------------------------------------------


def example(dtype, shape=(7, 6)):
    """Finite numbers, and for floats those that are not, too."""
    return arrays.clean(dtype, shape) if dtype in arrays.INTEGERS else arrays.mixed(dtype, shape, share=0.3)


class OnlyDLPack:
    """An array of some library: nothing but the protocol leads to its memory."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@np.errstate(all="ignore")
def mostly_zeros(dtype="float64", shape=(7, 6), seed=0):
    """Mostly zeros, with everything else among the rest."""
    dtype = reference.dtype_of(dtype)
    rng = np.random.default_rng(seed)
    if dtype.kind == "b":
        values = np.array([1])
    elif dtype.kind in "iu":
        values = np.array([1, np.iinfo(dtype).max, np.iinfo(dtype).min, 3], dtype)
    else:
        values = np.array([1, -2, 7e4, nan, inf, -inf])
    if dtype.kind == "c":
        values = np.append(values, [complex(nan, inf), complex(1, -inf), complex(-inf, inf), complex(7e4, 1)])
    values = values.astype(dtype)
    return np.where(rng.random(shape) < 0.4, rng.choice(values, shape), dtype.type(0))


# ---- values at places --------------------------------------------------------------------------------


@st.composite
def stored(draw, *, ndims=(2,), hybrid=False, numbers=NUMBERS):
    """A shape, places in it, some of them the same, and the values there; in hybrid ones the last axes are dense."""
    ndim = draw(st.sampled_from(ndims))
    shape = draw(st.tuples(*[st.integers(1, 4)] * ndim))
    axes = draw(st.integers(1, ndim)) if hybrid else ndim
    places = draw(st.lists(st.tuples(*[st.integers(0, n - 1) for n in shape[:axes]]), max_size=12))
    size = len(places) * int(np.prod(shape[axes:]))
    values = np.array(draw(st.lists(st.sampled_from(numbers), min_size=size, max_size=size)), float)
    return shape, np.array(places, int).reshape(-1, axes), values.reshape(len(places), *shape[axes:])


def summed(shape, places, values, dtype="float64"):
    """The array in which values of one place are added up."""
    dense = np.zeros(shape, dtype)
    with np.errstate(all="ignore"):
        np.add.at(dense, tuple(places.T), values.astype(dtype))
    return dense
