"""nonfinite: the indices, as np.argwhere(~np.isfinite(x)); values are also compared in test_scan.py."""

import arrays
import numpy as np
import pytest
import reference

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")


@pytest.mark.parametrize("layout", arrays.layouts_of("float32"))
@pytest.mark.parametrize("limit", [0, 1, 2, 10, 59, 10**9, 2**62, None])
def test_a_limit_keeps_the_first_in_c_order(layout, limit):
    for shape in [(600,), (20, 30), (2, 3, 100), (1, 600)]:
        x = arrays.LAYOUTS[layout](arrays.mixed("float32", shape))
        found, right = ff.nonfinite(x, limit=limit), np.argwhere(~np.isfinite(x))[:limit]
        assert found.dtype == np.intp and found.shape == right.shape and np.array_equal(found, right)


@pytest.mark.parametrize("shape", [(300, 1000), (3, 100_000), (100_000, 3), (1, 300_000), (2, 3, 50_000), (7, 40_000)])
def test_a_limit_on_data_that_does_not_lie_in_c_order(shape):
    x = np.zeros(shape[::-1], np.float32).T
    rng = np.random.default_rng(0)
    x[tuple(rng.integers(0, n, 50) for n in shape)] = np.nan
    x[tuple(n - 1 for n in shape)] = np.inf
    right = np.argwhere(~np.isfinite(x))
    for limit in (1, 5, len(right) - 1, len(right), len(right) + 1, 200_000):
        for view, expected in ((x, right), (x[::-1], None)):
            expected = np.argwhere(~np.isfinite(view)) if expected is None else expected
            assert np.array_equal(ff.nonfinite(view, limit=limit), expected[:limit])


@pytest.mark.parametrize("dtype", ["complex64", "longdouble", "object", "datetime64[ns]", "bfloat16"])
def test_other_dtypes_and_masked_arrays_have_limits_too(dtype):
    x = np.array([1, np.nan, np.inf, None, 2] * 8, object) if dtype == "object" else arrays.mixed(dtype, 40, share=0.5)
    for data in (x, np.ma.MaskedArray(x, np.arange(40) % 3 == 0)):
        right = reference.nonfinite(data)
        for limit in (0, 1, 3, len(right), 100):
            assert np.array_equal(ff.nonfinite(data, limit=limit), right[:limit])


def test_scalars_have_indices_without_numbers():
    assert ff.nonfinite(np.nan).shape == (1, 0) and ff.nonfinite(1.0).shape == (0, 0)
    assert ff.nonfinite(np.array(np.nan), limit=0).shape == (0, 0)


def test_integers_have_none():
    assert ff.nonfinite(np.arange(6).reshape(2, 3)).shape == (0, 2)


def test_the_indices_select_what_was_found():
    x = arrays.mixed("float64", (30, 40))
    assert not np.isfinite(x[tuple(ff.nonfinite(x).T)]).any()
    assert np.isfinite(np.delete(x.ravel(), np.ravel_multi_index(tuple(ff.nonfinite(x).T), x.shape))).all()


def test_repeated_elements_are_listed_each():
    x = np.broadcast_to(np.array([1.0, np.nan, np.inf]), (3, 3))
    for view in (x, x.T, x[::-1]):
        assert np.array_equal(ff.nonfinite(view), np.argwhere(~np.isfinite(view)))
        assert np.array_equal(ff.nonfinite(view, limit=3), np.argwhere(~np.isfinite(view))[:3])


def test_a_limit_ends_the_search_early():
    virtual = np.broadcast_to(np.float32(np.nan), (2**20, 2**20))
    assert ff.nonfinite(virtual, limit=3).tolist() == [[0, 0], [0, 1], [0, 2]]
    assert ff.nonfinite(np.broadcast_to(np.float32(np.nan), 2**40), limit=1).tolist() == [[0]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "datetime64[s]", "bfloat16"])
def test_no_more_is_read_than_the_limit_needs(dtype):
    nan, one = arrays.bad_values(dtype)["nan"][0], arrays.finite_values(dtype)[0]
    for view in (np.broadcast_to(nan, 2**40), np.broadcast_to(nan, (2**20, 2**20)), np.broadcast_to(nan, 2**40)[::-1]):
        assert ff.nonfinite(view, limit=1).tolist() == [[0] * view.ndim]
        assert ff.nonfinite(view, limit=0).shape == (0, view.ndim)
    rows = np.broadcast_to(np.array([nan, one], nan.dtype)[:, None], (2, 2**39))
    assert ff.nonfinite(rows, limit=2).tolist() == [[0, 0], [0, 1]]
    assert ff.nonfinite(np.broadcast_to(one, 2**40)).shape == (0, 1)


@pytest.mark.parametrize("limit", [2**63 - 1, 2**63, 2**64, 10**30])
def test_a_limit_may_be_larger_than_any_array(limit):
    x = np.array([[1, np.nan], [np.inf, 2]])
    for view in (x, x.T, x.astype(object), x.astype(np.longdouble), np.ma.array(x, mask=False)):
        assert np.array_equal(ff.nonfinite(view, limit=limit), ff.nonfinite(view))
    assert ff.nonfinite(np.float64("nan"), limit=limit).shape == (1, 0)


@pytest.mark.parametrize("limit", [-1, -(10**9)])
def test_a_negative_limit_is_refused(limit):
    with pytest.raises(ValueError, match=f"limit must be at least 0, not {limit}"):
        ff.nonfinite(np.ones(2), limit=limit)


@pytest.mark.parametrize("limit", [1.0, 1.5, "1"])
def test_a_limit_is_an_integer(limit):
    with pytest.raises(TypeError, match="limit"):
        ff.nonfinite(np.ones(2), limit=limit)
