"""softmax, log_softmax and logsumexp: exact in every row, along any axes, into any place; what they refuse."""

import ctypes
import itertools
import math
import platform
import re
import sys
import threading
from decimal import Decimal
from fractions import Fraction

import arrays
import numpy as np
import pytest
import row_reference as oracle
from hypothesis import given
from hypothesis import strategies as st
from loss_reference import FLOATS, canonical
from memory import MEGABYTE, peak_of
from optional import require
from reference import dtype_of
from row_reference import MODES, check, check_rows, errors, flush_to_zero, some_rows

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
MAPS = {"softmax": ff.softmax, "log_softmax": ff.log_softmax}
CALLS = {**MAPS, "logsumexp": ff.logsumexp}
both_maps = pytest.mark.parametrize("call", MAPS.values(), ids=MAPS)
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
INFO = ff.cpu_info()
LEVELS = [level for level in INFO["supported"] if level in INFO["compiled"]]
WRITABLE = [name for name in arrays.LAYOUTS if name not in ("read-only", "subclass")]


def same(one, other):
    """Equal bits of arrays or numbers, whatever nan it is."""
    one, other = np.asarray(one), np.asarray(other)
    return one.dtype == other.dtype and one.shape == other.shape and canonical(one) == canonical(other)


def answers(x, **options):
    """Everything there is to ask."""
    return [canonical(call(x, **options)) for call in CALLS.values()]


@np.errstate(all="ignore")
def ordinary(shape, dtype, seed=0):
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype_of(dtype))


# ---- exactness ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("length", oracle.LENGTHS)
def test_every_row_is_exact(length, name):
    for seed in range(4 if length < 20 else 1):
        check_rows(some_rows(name, length, seed))


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("gap", [0.0, 1e-8, 0.1, 3.3, 31.7])
@pytest.mark.parametrize("length", [256, 700])
def test_errors_of_equal_terms_do_not_add_up(length, gap, name):
    """A sum of many equal numbers rounds the same way each time."""
    x = np.full((1, length), -gap, name)
    x[0, length // 3] = 0
    check_rows(x)


@pytest.mark.parametrize("gap", [(708, 712), (744.6, 744.6), (745.2, 745.2)])
def test_many_subnormal_terms_are_not_rounded_one_by_one(gap):
    """The log of what is all but certain is minus their sum, though each is rounded to some bits, or to 0."""
    x = -np.random.default_rng(0).uniform(*gap, (1, 300))
    x[0, 7] = 0
    check_rows(x)


LN2 = math.log(2)
KNOWN = [
    ([0], [1], [0], 0), ([-7], [1], [0], -7), ([1e308], [1], [0], 1e308), ([0, 0], [0.5, 0.5], [-LN2, -LN2], LN2),
    ([1000, 1000], [0.5, 0.5], [-LN2, -LN2], 1000 + LN2), ([5e-324, 0], [0.5, 0.5], [-LN2, -LN2], LN2),
    ([40, 0], [1, 4.248354255291589e-18], [-4.248354255291589e-18, -40], 40),
    ([40, 0, 0], [1, 4.248354255291589e-18, 4.248354255291589e-18], [-8.496708510583178e-18, -40, -40], 40),
    ([0, 700], [9.859676543759770e-305, 1], [-700, -9.859676543759770e-305], 700),
    ([745, 0], [1, 5e-324], [-5e-324, -745], 745), ([746, 0], [1, 0], [0, -746], 746),
    ([1e4, 0, -1e4], [1, 0, 0], [0, -1e4, -2e4], 1e4), ([1e308, -1e308], [1, 0], [0, -inf], 1e308),
    ([-1e308, -1e308], [0.5, 0.5], [-LN2, -LN2], -1e308), ([1e300, 1e283], [1, 0], [0, -1e300], 1e300),
    ([1e300, 1e283, -1e283], [1, 0, 0], [0, -1e300, -1e300], 1e300),
    ([1e18, 3, 0.1], [1, 0, 0], [0, -1e18, -1e18], 1e18),
]


@pytest.mark.parametrize(("x", "shares", "logs", "total"), KNOWN)
def test_rows_of_known_results(x, shares, logs, total):
    """Also filled up with what has no share, to a long row."""
    for call, right in zip(CALLS.values(), (shares, logs, total)):
        for row in (np.array(x, float), np.array(x + [-inf] * 300)):
            found = np.array(call(row))[() if call is ff.logsumexp else slice(len(x))]
            with np.errstate(all="ignore"):
                near = np.abs(found - right) <= 3 * np.spacing(np.abs(right))
            assert np.all(near | (found == right)), (call.__name__, found, right)


@pytest.mark.parametrize("offset", [0, 1, 1e4, -1e4, 2.0**40, 1e300])
def test_one_number_added_to_a_row_changes_only_its_logsumexp(offset):
    x = np.array([0.0, -1.0, 0.5, 0.25]) if abs(offset) < 1e300 else np.zeros(4)
    assert same(ff.softmax(x + offset), ff.softmax(x)) and same(ff.log_softmax(x + offset), ff.log_softmax(x))
    assert ff.logsumexp(x + offset) == pytest.approx(offset + ff.logsumexp(x), rel=1e-15)


def test_the_log_of_a_sum_that_cancels_is_as_near_as_the_largest_element_allows():
    x = np.full(4, -math.log(4))
    right = oracle.softmaxes(x[None])[2][0]
    assert abs(float(right)) < 1e-15 and abs(ff.logsumexp(x) - float(right)) <= 2 * np.spacing(math.log(4))


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("length", [2, 5, 256, 5000])
def test_narrow_rows_kept_in_float64(name, length):
    """What a narrow dtype would round to 0 is there, and exact to 2**-30."""
    x = -4 * np.abs(ordinary((3, length), name)) * np.abs(ordinary((3, length), name, 1))
    x[:, -1], x[1, :1], x[2, : length // 2] = 5, -200, -inf
    shares, logs, *_ = oracle.softmaxes(x)
    for call, right in ((ff.softmax, shares), (ff.log_softmax, logs)):
        found = call(x, axis=-1, out=np.empty(x.shape))
        with np.errstate(all="ignore"):
            right = right.astype(float)
            assert np.all((found == right) | (abs(found / right - 1) < 2.0**-30)), call.__name__


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_a_logit_of_minus_inf_has_no_share_in_any_dtype(name):
    x = np.array([0, -inf, 0, -inf], dtype_of(name))
    for n in (4, 300):
        row = np.append(x, np.full(n - 4, -inf, x.dtype))
        assert same(ff.softmax(row, out=np.empty(n))[:4], np.array([0.5, 0, 0.5, 0]))
        assert same(ff.log_softmax(row, out=np.empty(n))[1::2], np.full(n // 2, -inf))


@both_maps
@pytest.mark.parametrize("kept", ["float32", "float16", "bfloat16"])
def test_results_are_rounded_once_to_a_narrower_dtype(call, kept):
    x = some_rows("float64", 20)
    right = oracle.softmaxes(x)[0 if call is ff.softmax else 1]
    found = call(x, axis=-1, out=np.empty(x.shape, dtype_of(kept)))
    check(errors(found, right), 0.5 + 2.0**-20, kept)


# ---- infinity and nan --------------------------------------------------------------------------------

SPECIAL = [
    ([0, -inf], [1, 0], [0, -inf], 0), ([-inf, 5, -inf, 5], [0, 0.5, 0, 0.5], None, None),
    ([-inf, -inf], [nan, nan], [nan, nan], -inf), ([-inf], [nan], [nan], -inf),
    ([inf], [nan], [nan], inf), ([inf, 0], [nan, nan], [nan, -inf], inf), ([inf, inf], [nan, nan], [nan, nan], inf),
    ([-inf, inf], [nan, nan], [-inf, nan], inf), ([nan, 0], [nan, nan], [nan, nan], nan), ([nan], [nan], [nan], nan),
    ([nan, inf], [nan, nan], [nan, nan], nan), ([-inf, nan], [nan, nan], [nan, nan], nan),
    ([1, inf, nan, -inf], [nan] * 4, [nan] * 4, nan),
]


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(("x", "shares", "logs", "total"), SPECIAL)
def test_infinity_and_nan(x, shares, logs, total, name):
    """Also in the midst of other rows, and in long ones, filled up with what has no share."""
    row = np.array(x, dtype_of(name))
    for call, right in zip(CALLS.values(), (shares, logs, total)):
        if right is not None:
            assert np.array_equal(np.asarray(call(row), float), right, equal_nan=True), call.__name__
        for length, place in ((20, 3), (300, 0), (300, 255), (600, 256), (600, 590)):
            rows = np.zeros((3, length), row.dtype)
            rows[1] = -inf
            rows[1, place : place + len(row)] = row
            found, alone = call(rows, axis=1), call(row)
            part = found[1] if call is ff.logsumexp else found[1, place : place + len(row)]
            assert same(part, alone) and np.isfinite(found[[0, 2]].astype(float)).all()
            assert same(found[0], found[2])


@pytest.mark.parametrize("name", FLOATS)
@every_call
def test_nan_of_every_kind_reaches_its_row_alone(call, name):
    for value in arrays.bad_values(name)["nan"]:
        for length in (1, 5, 300):
            x = np.zeros((3, length), value.dtype)
            x[1, length // 2] = value
            found = np.isnan(call(x, axis=1).astype(float)).reshape(3, -1)
            assert found[1].all() and not found[[0, 2]].any()


@every_call
def test_scipy_says_the_same_of_all_that_is_not_finite(call):
    special = require("scipy.special")
    x = np.array(list(itertools.product([0.0, 1.0, nan, inf, -inf], repeat=4)))
    with np.errstate(all="ignore"):
        right = getattr(special, call.__name__)(x, axis=1)
    np.testing.assert_allclose(call(x, axis=1), right, rtol=1e-15)


@every_call
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2)])
def test_scipy_says_the_same(call, axis):
    special = require("scipy.special")
    x = ordinary((7, 30, 11), "float64")
    right = getattr(special, call.__name__)(x, axis=axis)
    np.testing.assert_allclose(call(x, axis=axis), right, rtol=1e-13, atol=1e-15)


# ---- axes --------------------------------------------------------------------------------------------

AXES = [None, 0, 1, 3, -1, -4, np.int8(2), (), (0,), (1, 3), (0, 2), [0, -1], (-3, -2, -1), (0, 1, 2, 3)]


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 1, 70, 6)], ids=str)
def test_any_axes_are_those_of_rows(shape, axis):
    x = ordinary(shape, "float64")
    axes = tuple(range(4)) if axis is None else tuple(np.atleast_1d(np.array(axis, int)) % 4)
    others = tuple(i for i in range(4) if i not in axes)
    rows = x.transpose(*others, *axes).reshape(math.prod(shape[i] for i in others), -1)
    total = ff.logsumexp(rows, axis=1)
    assert same(ff.logsumexp(x, axis=axis), total.reshape([shape[i] for i in others])[()])
    kept = ff.logsumexp(x, axis=axis, keepdims=True)
    assert same(kept, total.reshape(np.sum(x, axis=None if axis is None else axes, keepdims=True).shape))
    for call in MAPS.values():
        found = call(x, axis=axis)
        assert found.shape == shape
        assert same(found.transpose(*others, *axes).reshape(rows.shape), call(rows, axis=1))


def test_the_order_of_axes_does_not_matter():
    x = ordinary((2, 3, 4, 5), "float64")
    for call in CALLS.values():
        np.testing.assert_allclose(call(x, axis=(3, 0)), call(x, axis=(0, 3)), rtol=1e-14)
    assert ff.logsumexp(x, axis=(3, 0)).shape == (3, 4)


@every_call
@pytest.mark.parametrize(("shape", "axis", "number", "ndim"), [
    ((2, 3), 2, 2, 2), ((2, 3), -3, -3, 2), ((2, 3), (0, 2), 2, 2), ((), 0, 0, 0), ((), -1, -1, 0), ((0,), 1, 1, 1),
])
def test_axes_out_of_range(call, shape, axis, number, ndim):
    with pytest.raises(np.exceptions.AxisError, match=f"^axis {number} is out of bounds for array of dimension {ndim}"):
        call(np.zeros(shape), axis=axis)


@every_call
@pytest.mark.parametrize("axis", [(1, 1), (0, -2), [0, 1, 0]])
def test_an_axis_twice(call, axis):
    with pytest.raises(ValueError, match=f"^axis must not name an axis twice: {re.escape(str(axis))}$"):
        call(np.zeros((2, 3)), axis=axis)


@every_call
@pytest.mark.parametrize("axis", [1.0, "0", (0.0,), (None,)])
def test_axes_that_are_no_whole_numbers(call, axis):
    with pytest.raises(TypeError):
        call(np.zeros((2, 3)), axis=axis)


# ---- single numbers and nothing at all ---------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS)
def test_single_numbers_give_numbers(name):
    kind = dtype_of(name).type
    for x in (np.array(3, kind), kind(3)):
        for call, right in zip(CALLS.values(), (1, 0, 3)):
            for options in ({}, {"axis": None}, {"axis": ()}):
                assert type(call(x, **options)) is kind and call(x, **options) == right
        assert same(ff.logsumexp(x, keepdims=True), x)
    for x in (3, 3.0, True, np.int8(3)):
        assert type(ff.softmax(x)) is type(ff.logsumexp(x)) is np.float64 and ff.logsumexp(x) == float(x)
    assert type(ff.logsumexp(np.zeros(5, kind))) is kind
    out = np.empty((), kind)
    assert ff.softmax(3, out=out) is out and out == 1


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 0, 3), (0, 0)], ids=str)
@pytest.mark.parametrize("name", [*FLOATS, "int64"])
def test_no_elements(shape, name):
    """The sum of nothing is 0, its log -inf."""
    x, dtype = np.zeros(shape, dtype_of(name)), dtype_of("float64" if name == "int64" else name)
    for axis in (None, *range(len(shape)), tuple(range(len(shape))), ()):
        for call in MAPS.values():
            assert same(call(x, axis=axis), np.zeros(shape, dtype))
            out = np.empty(shape, np.float32)
            assert call(x, axis=axis, out=out) is out
        for keepdims in (False, True):
            expected = np.full_like(np.sum(x.astype(float), axis=axis, keepdims=keepdims), -inf).astype(dtype)
            assert same(ff.logsumexp(x, axis=axis, keepdims=keepdims), expected)


def test_many_dimensions():
    x = ordinary(2**12, "float32").reshape((2,) * 12 + (1,) * 12)
    rows = x.reshape(-1, 2)
    assert same(ff.softmax(x, axis=11).reshape(-1, 2), ff.softmax(rows, axis=1))
    assert same(ff.logsumexp(x, axis=11).ravel(), ff.logsumexp(rows, axis=1))
    assert same(ff.softmax(x), ff.softmax(x.ravel()).reshape(x.shape))


# ---- dtypes ------------------------------------------------------------------------------------------


@every_call
@pytest.mark.parametrize("dtype", arrays.INTEGERS)
def test_integers_count_as_float64(call, dtype):
    values = [0, 1, 1, 0, 1] if dtype == "bool" else [0, 3, 1, 120, 119]
    x = np.resize(np.array(values, dtype), (4, 300))
    x[0, 0] = np.iinfo(dtype).max if dtype != "bool" else 1
    if dtype.startswith("i"):
        x[1] = np.iinfo(dtype).min
    for axis in (None, 0, 1):
        assert same(call(x, axis=axis), call(x.astype(np.float64), axis=axis))


@every_call
def test_lists_objects_long_doubles_and_other_byte_orders(call):
    right = call(np.array([0.5, 3, 0.25]))
    for x in ([0.5, 3, 0.25], (0.5, np.float32(3), 0.25), [Fraction(1, 2), 3, Decimal("0.25")],
              np.array([0.5, 3, 0.25], np.longdouble), np.array([0.5, 3, 0.25], object), range(3)):
        assert same(call(x), call(np.arange(3.0)) if isinstance(x, range) else right)
    for name in ("float16", "float32", "float64"):
        x = ordinary(300, name)
        assert same(call(arrays.swapped(x)), call(x))


@every_call
def test_long_doubles_beyond_float64_raise_no_warning(call):
    """What float64 does not hold is inf, or 0."""
    if np.finfo(np.longdouble).maxexp <= 1024:
        pytest.skip("long double is float64")
    x = np.array(["1e400", "1e-4000", "3", "-1e400"], np.longdouble)
    for row, right in ((x, [inf, 0, 3, -inf]), (x[1:], [0, 3, -inf])):
        assert same(call(row), call(np.array(right)))


@every_call
@pytest.mark.parametrize(("value", "dtype"), [
    ([1j, 0j], "complex128"), (np.zeros(2, np.complex64), "complex64"), (["0", "1"], "<U1"), ([b"0", b"1"], r"\|S1"),
    (np.zeros(2, "M8[s]"), "datetime64"), (np.zeros(2, "m8[s]"), "timedelta64"), (np.zeros(2, "f4,f4"), ""),
    (np.array(["0", "1"], object), "object"), (np.array([1j, 0], object), "object"), ("text", "<U4"),
    (np.zeros(2, np.clongdouble), "complex"),
])
def test_what_is_no_real_number_is_a_type_error(call, value, dtype):
    with pytest.raises(TypeError, match=f"^x must hold real numbers, not .*{dtype}"):
        call(value)


@every_call
def test_masked_arrays_are_refused(call):
    """With no advice about arguments that there are not."""
    with pytest.raises(TypeError, match=r"^x must not be a masked array(?!.*weight)"):
        call(np.ma.array([1.0, 0.0], mask=[0, 1]))


# ---- layouts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*FLOATS, "int16"])
@pytest.mark.parametrize("shape", [(601,), (37, 29), (3, 300), (5, 3, 7, 11)], ids=str)
def test_every_layout_gives_the_same_bits(dtype, shape):
    x = ordinary(shape, dtype)
    for axis in {None, 0, -1, (0, len(shape) - 1)} if len(shape) > 1 else (0,):
        right = answers(x, axis=axis)
        for name in arrays.layouts_of(dtype):
            assert answers(arrays.LAYOUTS[name](x), axis=axis) == right, (name, axis)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [10, 700])
def test_the_place_in_memory_does_not_matter(length, dtype):
    x = ordinary((21, length), dtype)
    right, memory = answers(x, axis=1), np.zeros(x.size + 20, dtype)
    for i in range(17):
        place = memory[i : i + x.size].reshape(x.shape)
        place[...] = x
        assert answers(place, axis=1) == right
    for offset in range(1, x.itemsize):
        assert answers(arrays.lay(x, offset=offset), axis=1) == right


@pytest.mark.parametrize("length", [2, 255, 256, 257, 1000])
@pytest.mark.parametrize("name", FLOATS)
def test_a_row_does_not_depend_on_the_others(length, name):
    x = ordinary((300 if length < 10 else 9, length), name)
    found = [call(x, axis=1) for call in CALLS.values()]
    for i in (0, 1, len(x) // 2, len(x) - 1):
        for call, whole in zip(CALLS.values(), found):
            assert same(whole[i], call(x[i]))
            assert same(whole[i], call(x[i:], axis=1)[0])


@given(data=st.data(), dtype=st.sampled_from(FLOATS),
       shape=st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_any_strides_at_all_are_followed(data, dtype, shape):
    """Strides of any size and sign, 0 among them."""
    base = np.resize(ordinary(100, dtype), 400)
    strides = data.draw(st.lists(st.integers(-5, 5), min_size=len(shape), max_size=len(shape)))
    view = arrays.strided(base, shape, [step * base.itemsize for step in strides], 200 * base.itemsize)
    axes = data.draw(st.none() | st.lists(st.integers(0, len(shape) - 1), unique=True).map(sorted))
    copy = np.array(view, order="C")
    assert answers(view, axis=axes) == answers(copy, axis=axes)
    out = np.empty(shape)
    assert same(ff.softmax(view, axis=axes, out=out), ff.softmax(copy, axis=axes, out=np.empty(shape)))


@every_call
def test_a_number_seen_as_many_is_many(call):
    for shape in ((3, 50), (3, 1000)):
        view = np.broadcast_to(np.float32(2.5), shape)
        for axis in (None, 0, 1):
            assert same(call(view, axis=axis), call(view.copy(), axis=axis))


def test_inputs_are_never_changed():
    x = ordinary((20, 30), "float32")
    x[3, 3], x[4, 4], x[5, 5] = nan, inf, -inf
    for layout in arrays.layouts_of("float32"):
        place = arrays.LAYOUTS[layout](x)
        before = np.asarray(place).tobytes()
        for axis in (None, 0, 1):
            answers(place, axis=axis)
            ff.softmax(place, axis=axis, out=np.empty(x.shape))
        assert np.asarray(place).tobytes() == before


# ---- where the result goes ---------------------------------------------------------------------------


@both_maps
@pytest.mark.parametrize("layout", WRITABLE)
@pytest.mark.parametrize("kept", FLOATS)
def test_out_of_any_dtype_and_layout(call, layout, kept):
    if layout not in arrays.layouts_of(kept):
        pytest.skip("has no other byte order")
    for shape, axis in (((7,), 0), ((37, 29), 1), ((37, 29), 0), ((3, 300), -1), ((3, 5, 70), (0, 2)), ((2, 9), None)):
        x = ordinary(shape, "float32")
        right = call(x, axis=axis, out=np.empty(shape, dtype_of(kept)))
        out = arrays.LAYOUTS[layout](np.zeros(shape, dtype_of(kept)))
        assert call(x, axis=axis, out=out) is out and same(np.array(out, right.dtype), right)
        if kept == "float32":
            assert same(right, call(x, axis=axis))


@both_maps
@pytest.mark.parametrize("layout", WRITABLE)
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_in_place_of_any_layout(call, layout, name):
    for shape, axis in (((37, 29), 0), ((37, 29), 1), ((37, 29), None), ((3, 700), 1)):
        x = ordinary(shape, name)
        place = arrays.LAYOUTS[layout](x)
        assert call(place, axis=axis, out=place) is place and same(np.array(place, name), call(x, axis=axis))


@both_maps
@given(shift=st.integers(-70, 70), name=st.sampled_from(["float32", "float64"]), backwards=st.booleans(),
       kept=st.sampled_from(["float16", "float32", "float64"]), length=st.sampled_from([5, 300]))
def test_out_that_overlaps_x_shifted(call, shift, name, kept, backwards, length):
    kept, n = dtype_of(kept), 600
    x = ordinary((n // length, length), name)
    buffer = np.zeros(16 * n, np.uint8)
    place = buffer[4 * n : 4 * n + x.nbytes].view(name).reshape(x.shape)
    place[...] = x
    out = buffer[4 * n + 4 * shift :][: n * kept.itemsize].view(kept)[:: -1 if backwards else 1].reshape(x.shape)
    right = call(x, axis=1, out=np.empty(x.shape, kept))
    assert call(place, axis=1, out=out) is out and same(out, right)


@both_maps
def test_out_may_be_x_seen_otherwise(call):
    for size in (20, 300):
        x = ordinary((size, size), "float64")
        for view in (x.T, x[::-1], x[:, ::-1], x.T[::-1, ::-1]):
            for axis in (0, 1, None):
                right, before = call(x, axis=axis), x.copy()
                call(x, axis=axis, out=view)
                assert same(view, right)
                x[...] = before


@both_maps
@pytest.mark.parametrize(("out", "error", "say"), [
    (np.empty(3), ValueError, "out must have the shape (4,), not (3,)"),
    (np.empty((4, 1)), ValueError, "out must have the shape (4,), not (4, 1)"),
    (np.empty((1, 4)), ValueError, "out must have the shape (4,), not (1, 4)"),
    (np.empty(()), ValueError, "out must have the shape (4,), not ()"),
    (arrays.read_only(np.empty(4)), ValueError, "out must be writeable; it is read-only"),
    (np.broadcast_to(1.0, 4), ValueError, "out must be writeable; it is read-only"),
    (np.empty(4, int), TypeError, "out must be an array of floats, not int64"),
    (np.empty(4, complex), TypeError, "out must be an array of floats, not complex128"),
    (np.empty(4, object), TypeError, "out must be an array of floats, not object"),
    (np.empty(4, np.longdouble), TypeError, "out must be an array of floats, not "),
    ([0.0] * 4, TypeError, "out must be an array of floats, not list"),
    (1.0, TypeError, "out must be an array of floats, not float"),
    ("x", TypeError, "out must be an array of floats, not str"),
    ((np.empty(4),), TypeError, "out must be an array of floats, not tuple"),
    (memoryview(np.empty(4)), TypeError, "out must be an array of floats, not memoryview"),
])
def test_out_that_cannot_be(call, out, error, say):
    with pytest.raises(error, match=f"^{re.escape(say)}"):
        call(np.zeros(4), out=out)


@both_maps
def test_a_refused_call_leaves_out_and_x_as_they_were(call):
    x, out = np.arange(6.0).reshape(2, 3), np.full((2, 3), 7.0)
    for arguments, options in (((x, 2), {"out": out}), ((x, 2), {"out": x}), ((x, (0, 0)), {"out": x}),
                               ((x.astype(complex), 0), {"out": out})):
        with pytest.raises((ValueError, TypeError)):
            call(*arguments, **options)
    assert np.array_equal(x.ravel(), range(6)) and (out == 7).all()


# ---- threads and levels ------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "layout", "length"), [
    ("float32", "C", 20), ("float32", "C", 5000), ("float64", "Fortran", 20), ("float64", "backwards", 500),
    ("float32", "C", 2_250_000),
])
def test_the_number_of_threads_does_not_matter(dtype, layout, length):
    """More than 16 MB: one thread for each 4."""
    rows = -(-(17 << 20) // np.dtype(dtype).itemsize // length)
    x = arrays.LAYOUTS[layout](np.resize(ordinary(99_991, dtype), (rows, length)))
    assert x.nbytes > 16 * MEGABYTE
    found = []
    for threads in (1, 2, 3, 4):
        with ff.threads(threads):
            found.append([call(x, axis=1) for call in CALLS.values()])
    for other in found[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(found[0], other))
    with ff.threads(3):
        ff.softmax(x, axis=1, out=x)
    assert np.array_equal(x, found[0][0])


@pytest.fixture(scope="module")
def digests():
    return {}


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_is_exact(run_python, level, digests):
    """The script looks at the distances itself."""
    found, digest = run_python("row_reference.py", FASTFINITE_CPU=level).split()
    assert found == level and len(digest) == 64
    digests[level] = digest


CHEAP = """
import hashlib
import numpy as np
from loss_reference import FLOATS, canonical
from row_reference import some_labels, some_rows
import fastfinite as ff

digest = hashlib.sha256()
for name in FLOATS:
    for length in (1, 2, 3, 10, 255, 256, 257, 1000, 5000):
        x = some_rows(name, length)
        for call in (ff.softmax, ff.log_softmax, ff.logsumexp):
            for axis in (0, 1, None):
                digest.update(canonical(call(x, axis=axis)))
        for kind in ("classes", "shares"):
            for part in ff.cross_entropy(some_labels(x.shape, kind), x, reduction="none", return_grad=True):
                digest.update(canonical(part))
print(digest.hexdigest())
"""


def test_the_levels_with_fma_give_the_same_bits(run_python):
    if not {"v3", "v4"} <= set(LEVELS):
        pytest.skip("this machine or build does not have both levels")
    assert len({run_python(CHEAP, FASTFINITE_CPU=level) for level in ("v3", "v4")}) == 1


@every_call
def test_calls_at_the_same_time_do_not_disturb_each_other(call):
    inputs = [ordinary((4000, 50), "float32", seed) for seed in range(6)]
    right = [call(x, axis=1) for x in inputs]
    found, start = [None] * len(inputs), threading.Barrier(len(inputs))

    def work(i):
        start.wait()
        with ff.threads(2):
            found[i] = [call(inputs[i], axis=1) for _ in range(5)]

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(same(one, other) for many, other in zip(found, right) for one in many)


# ---- the floating-point environment ------------------------------------------------------------------


def everything(name):
    """Calls that meet all that there is."""
    special = np.array(list(itertools.product([0, 1, nan, inf, -inf], repeat=3)), dtype_of(name))
    for x in (special, np.tile(special, 100), *(some_rows(name, length) for length in (3, 256, 300))):
        yield from (lambda call=call, x=x: call(x, axis=-1) for call in CALLS.values())
        for call, kept in itertools.product(MAPS.values(), FLOATS):
            out = np.empty(x.shape, dtype_of(kept))
            yield lambda call=call, x=x, out=out: call(x, axis=-1, out=out)


@pytest.mark.parametrize("name", FLOATS)
def test_no_floating_point_flag_is_left_behind(name):
    """Not those that NumPy would report of whatever it does next: invalid, division by 0, overflow, underflow."""
    if platform.machine() != "x86_64" or not sys.platform.startswith("linux"):
        pytest.skip("asks the C library of Linux for the flags of x86")
    flags = ctypes.CDLL("libm.so.6")
    reported = 0x01 | 0x04 | 0x08 | 0x10
    for call in everything(name):
        flags.feclearexcept(reported)
        call()
        assert flags.fetestexcept(reported) == 0


@every_call
def test_no_floating_point_flag_is_left_behind_by_threads(call):
    x = np.resize(some_rows("float64", 300), (7500, 300))
    with ff.threads(2):
        assert len(call(x, axis=1)) == len(x)


@pytest.fixture
def modes(compile_c):
    return compile_c(MODES)


SUBNORMAL = [
    ("float64", [0, -713, -740]), ("float64", [-713, 0]), ("float64", [5e-324, 1e-310]), ("float32", [0, -95, -100]),
    ("float32", [1e-40, 1e-45]), ("float64", [0, -5e-324]), ("float16", [0, -12]), ("bfloat16", [0, -90]),
]


def test_flush_to_zero_changes_nothing(modes):
    for (name, row), length in itertools.product(SUBNORMAL, (2, 3, 300)):
        with np.errstate(all="ignore"):
            rows = np.resize(np.array(row, np.float64).astype(dtype_of(name)), (5, length))
        right = answers(rows, axis=1), canonical(ff.softmax(rows, axis=1, out=np.empty(rows.shape)))
        with flush_to_zero(modes):
            found = answers(rows, axis=1), canonical(ff.softmax(rows, axis=1, out=np.empty(rows.shape)))
        assert found == right, (name, row, length)
    subnormal = np.array([[1e-310]])
    with flush_to_zero(modes):
        found = ff.logsumexp(subnormal, axis=1), ff.logsumexp(subnormal.astype(object))
    assert found[0].tobytes() == found[1].tobytes() == subnormal.tobytes()


def test_flush_to_zero_reaches_no_thread(modes):
    """Threads begin with the modes of the one that starts them."""
    x = np.zeros((1_200_000, 2))
    x[:, 1] = -713
    with ff.threads(2), flush_to_zero(modes):
        found = ff.softmax(x, axis=1)
    assert np.count_nonzero(found.view(np.int64)) == x.size


# ---- memory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["C", "Fortran", "every other", "swapped", "unaligned"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_no_memory_of_the_datas_size_is_taken(layout, axis):
    x = arrays.LAYOUTS[layout](ordinary((600, 600), "float32"))
    for kept in ("float32", "float64"):
        out = np.empty(x.shape, kept)
        for call in MAPS.values():
            assert peak_of(lambda call=call, out=out: call(x, axis=axis, out=out)) < MEGABYTE // 8
    assert peak_of(lambda: ff.logsumexp(x, axis=axis)) < MEGABYTE // 8
    assert peak_of(lambda: ff.softmax(x, axis=axis, out=x)) < MEGABYTE // 8


@both_maps
def test_a_result_takes_memory_for_itself_alone(call):
    x = ordinary((2000, 1000), "float32")
    assert peak_of(lambda: call(x, axis=1)) < x.nbytes + MEGABYTE // 8
    assert peak_of(lambda: call(x.astype(np.int8), axis=1)) < 8 * x.size + x.size + MEGABYTE // 8


GUARDED = """
import numpy as np
from guard_pages import PAGES, guarded, tables, views
from loss_reference import FLOATS, canonical
from reference import dtype_of
import fastfinite as ff

spans, done = [guarded(PAGES) for _ in range(2)], 0

def check(view, out, axis):
    global done
    view[...] = np.resize(np.linspace(-20, 3, 301), view.shape)
    x = np.array(view)
    for call in (ff.softmax, ff.log_softmax):
        right = canonical(call(x, axis=axis))
        for place in (out, view):
            assert canonical(np.array(call(view, axis=axis, out=place), dtype)) == right
        view[...] = x
    assert canonical(ff.logsumexp(view, axis=axis)) == canonical(ff.logsumexp(x, axis=axis))
    y = np.arange(len(x)) % x.shape[-1] if x.ndim == 2 else 0
    loss, gradient = ff.cross_entropy(y, view, reduction="none", grad_out=out)
    right = ff.cross_entropy(y, x, reduction="none", return_grad=True)
    assert canonical(loss) == canonical(right[0]) and canonical(np.array(out, dtype)) == canonical(right[1])
    done += 1

for name in FLOATS:
    dtype = dtype_of(name)
    for n in (1, 15, 17, 256, 257, spans[0].size // dtype.itemsize):
        for view, out in zip(*(views(span, dtype, n) for span in spans)):
            check(view, out, None)
    if name in ("float32", "float64"):
        for rows, columns in ((1, 700), (2, 257), (3, 256), (5, 255), (100, 10), (333, 3), (700, 1)):
            for view, out in zip(*(tables(span, dtype, rows, columns) for span in spans)):
                check(view, out, 0)
                check(view, out, 1)
print(done)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="protects pages of memory as Linux does")
@pytest.mark.parametrize("level", sorted({LEVELS[0], LEVELS[-1]}))
def test_nothing_outside_a_view_is_touched(run_python, level):
    assert int(run_python(GUARDED, FASTFINITE_CPU=level)) > 300
