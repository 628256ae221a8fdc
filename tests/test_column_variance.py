"""column_variance, constant_columns and near_constant_columns."""

import numpy as np
import pytest

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "bool"])
@pytest.mark.parametrize("axis", [0, 1, -1, None, (0, 1), (0, 2), (2, 0), ()])
@pytest.mark.parametrize("ddof", [0, 1])
def test_where_numpy_is_right_the_answer_is_numpys(dtype, axis, ddof):
    if axis == () and ddof:
        pytest.skip("one value has no variance with ddof=1")
    x = (np.random.default_rng(0).standard_normal((20, 5, 7)) * 3).astype(dtype)
    right = np.var(x.astype(np.float64), axis=axis, ddof=ddof)
    found = ff.column_variance(x, axis=axis, ddof=ddof)
    assert type(found) is np.ndarray and found.dtype == np.float64 and found.shape == np.shape(right)
    np.testing.assert_allclose(found, right, rtol=1e-12)


def test_nan_propagates_unless_said_otherwise():
    x = np.array([[1.0, 1.0], [nan, 3.0], [5.0, 5.0]])
    assert np.array_equal(ff.column_variance(x), [nan, 8 / 3], equal_nan=True)
    assert ff.column_variance(x, nan_policy="omit").tolist() == [4, 8 / 3]
    with pytest.raises(ff.NonFiniteError):
        ff.column_variance(x, nan_policy="raise")


def test_out_is_filled_and_returned():
    x = np.arange(12.0).reshape(4, 3) ** 2
    for out in (np.empty(3), np.empty(6)[::2], np.empty((3, 2)).T[0]):
        assert ff.column_variance(x, out=out) is out
        np.testing.assert_array_equal(out, ff.column_variance(x))
    out = np.empty(())
    assert ff.column_variance(x, axis=None, out=out) is out and out == ff.column_variance(x, axis=None)


@pytest.mark.parametrize("out", [np.empty(2), np.empty((1, 3)), np.empty(3, np.float32), [0.0] * 3, np.empty(3, int)])
def test_an_out_that_does_not_fit_is_refused(out):
    with pytest.raises(ValueError, match=r"out must be an array of float64 of shape \(3,\)"):
        ff.column_variance(np.ones((4, 3)), out=out)


def test_a_read_only_out_is_refused():
    out = np.zeros(3)
    out.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        ff.column_variance(np.arange(12.0).reshape(4, 3), out=out)
    assert not out.any()


def test_the_kinds_of_data_on_which_other_variances_fail():
    assert ff.column_variance(np.full((10, 1), 0.1, np.float32)) == 0
    assert ff.column_variance(1e7 + np.arange(8, dtype=np.float32)[:, None]) == 5.25
    assert ff.column_variance((4e15 + np.arange(8.0))[:, None]) == 5.25
    assert ff.column_variance(np.tile(np.array([[1], [-1]], np.float16), (35_000, 1))) == 1
    assert ff.column_variance(np.full((3, 1), 3e38, np.float32)) == 0
    assert ff.column_variance(np.array([[2**62], [2**62 + 1], [2**62 + 2]])) == 2 / 3


def test_constant_columns_has_no_tolerance():
    x = np.array([[0.1, 1.0, nan, nan, inf, -0.0, 0.0], [0.1, 1 + 2**-52, nan, 2.0, inf, 0.0, 5e-324]])
    assert ff.constant_columns(x).tolist() == [True, False, False, True, True, True, False]
    assert ff.constant_columns(x.T, axis=1).tolist() == ff.constant_columns(x).tolist()
    assert ff.constant_columns(np.array([[2**62], [2**62 + 1]])).tolist() == [False]
    assert ff.constant_columns(np.ones((2, 3, 4)), axis=(0, 2)).tolist() == [True] * 3


def test_near_constant_is_a_spread_within_a_fraction_of_the_size():
    """0 < std <= rtol * sqrt(mean**2 + var)."""
    x = np.array([[1e8, 1e8, 1.0, -1.0, nan, 3.0, 1e-9], [1e8 + 2, 1e8, 2.0, 1.0, nan, 3.0 + 3e-6, -1e-9]])
    std, mean = np.array([1, 0, 0.5, 1, nan, 1.5e-6, 1e-9]), np.array([1e8 + 1, 1e8, 1.5, 0, nan, 3, 0])
    for rtol in (0, 1e-9, 1.0001e-8, 1e-6, 0.5, 2):
        with np.errstate(all="ignore"):
            right = (std > 0) & (std <= rtol * np.hypot(mean, std))
        assert ff.near_constant_columns(x, rtol=rtol).tolist() == right.tolist(), rtol
    assert ff.near_constant_columns(x.T, rtol=1e-6, axis=1).tolist() == ff.near_constant_columns(x, rtol=1e-6).tolist()


def test_near_constant_has_a_sharp_bound():
    x = np.array([[3.0], [5.0]])        # mean 4, std 1, size sqrt(17)
    assert ff.near_constant_columns(x, rtol=17**-0.5 * (1 + 1e-12)).tolist() == [True]
    assert ff.near_constant_columns(x, rtol=17**-0.5 * (1 - 1e-12)).tolist() == [False]


@pytest.mark.parametrize("rtol", [-1e-9, nan])
def test_near_constant_refuses_a_tolerance_that_is_none(rtol):
    with pytest.raises(ValueError, match="rtol must be at least 0"):
        ff.near_constant_columns(np.ones((2, 2)), rtol=rtol)


def test_huge_and_tiny_columns_are_near_constant_by_the_same_measure():
    unit = np.array([[1.0], [1 + 2**-40]])
    for scale in (1e-300, 1e-160, 1.0, 1e160, 1e300):
        assert ff.near_constant_columns(unit * scale, rtol=1e-12).tolist() == [True]
        assert ff.near_constant_columns(unit * scale, rtol=1e-13).tolist() == [False]
