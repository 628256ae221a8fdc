"""binary_cross_entropy, and what both binary losses accept, refuse and give back."""

import math
import re
from decimal import Decimal
from fractions import Fraction

import arrays
import elementary_reference as elementary
import gmpy2
import loss_reference as oracle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loss_reference import CALLS, FLOATS, LABELS, NUMBERS, gradient_errors, relative, some_labels, ulps
from optional import require
from reference import dtype_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
loss_of, exact_of = ff.binary_cross_entropy, oracle.binary_cross_entropy

# In units in the last place: 2**-30 before it is rounded, for all but float64.
BOUNDS = {"float64": 2, "float32": 0.5 + 2.0**-6, "float16": 0.5 + 2.0**-19, "bfloat16": 0.5 + 2.0**-22}
GRADIENT_BOUNDS = {"float64": 1e-15, "float32": 2.0**-32, "float16": 2.0**-32, "bfloat16": 2.0**-32}
both_losses = pytest.mark.parametrize("which", CALLS)
ARGUMENTS = {"logits": "logits", "probabilities": "y_prob"}
# Predictions that both losses take.
COMMON = np.array([0.5, 0.25, 0.75, 0.125, 1.0, 0.0, 0.5, 0.875])


def check(found, right, x, bound):
    error = ulps(found, right)
    worst = int(error.argmax())
    assert error.flat[worst] <= bound, (error.flat[worst], float(x.flat[worst]).hex(), found.flat[worst])
    assert not np.signbit(found[~np.isnan(found)]).any()


def check_gradient(found, parts, x, bound):
    error = gradient_errors(found, *parts)
    worst = int(error.argmax())
    assert error[worst] <= bound, (error[worst], float(x.flat[worst]).hex(), found.flat[worst])


def same(one, other):
    """Equal bits of arrays or numbers, whatever nan it is."""
    one, other = np.asarray(one), np.asarray(other)
    return one.dtype == other.dtype and one.shape == other.shape and oracle.canonical(one) == oracle.canonical(other)


# ---- the loss of probabilities -----------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("floor", [None, 0, 0.01])
@pytest.mark.parametrize("label", [*LABELS, "hard", "soft"])
def test_each_loss_and_gradient_is_exact(label, floor, name):
    p = oracle.some_probabilities(name, 400)
    y = some_labels(p.shape, label) if isinstance(label, str) else np.full(p.shape, label)
    right, *parts = exact_of(y, p, floor=floor, reduction="none", return_parts=True)
    found, gradient = loss_of(y, p, floor=floor, reduction="none", return_grad=True)
    assert found.dtype == gradient.dtype == p.dtype and found.shape == gradient.shape == p.shape
    check(found, right, p, BOUNDS[name])
    check_gradient(gradient, parts, p, GRADIENT_BOUNDS[name])
    assert floor == 0 or np.isfinite(found).all()


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("floor", [0.9, 0.999, 1 - 2.0**-20, 1e-300, 1e-310])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_floors_near_1_and_0(name, floor, label):
    p = oracle.some_probabilities(name, 600)
    check(loss_of(np.full(p.shape, label), p, floor=floor, reduction="none"),
          exact_of(label, p, floor=floor, reduction="none"), p, BOUNDS[name])


@pytest.mark.parametrize("label", [0, 1, 0.3])
def test_float64_at_all_edges_and_exponents(label):
    p = np.concatenate([elementary.doubles("logit", 4000, 0), elementary.edges(np.float64, 3).ravel()])
    p = p[(p >= 0) & (p <= 1)]
    check(loss_of(np.full(p.shape, label), p, reduction="none"), exact_of(label, p, reduction="none"), p, 2)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_float32_over_all_bit_patterns(kind):
    """NumPy's float64 is exact to some 2**-22 units of float32."""
    p = np.concatenate([elementary.singles(1 << 19), elementary.edges(np.float32, 100).ravel()])
    p = p[(p >= 0) & (p <= 1)]
    y = some_labels(p.shape, kind, "float32")
    error = elementary.ulps(loss_of(y, p, reduction="none"), oracle.wide_of_probabilities(y, p))
    assert error.max() <= BOUNDS["float32"] and len(p) > 100_000


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("label", [0, 1, 0.3])
def test_every_16_bit_probability_is_all_but_correctly_rounded(label, name):
    last = np.array(1, dtype_of(name)).view(np.uint16)
    p = np.arange(last + 1, dtype=np.uint16).view(dtype_of(name))
    found = loss_of(np.full(p.shape, label), p, reduction="none")
    right = oracle.wide_of_probabilities(label, p)
    error = np.abs(found.astype(np.float64) - right) / elementary.narrow_unit(right, p.dtype)
    assert error.max() <= 0.5 + 2.0**-20


@pytest.mark.parametrize(("name", "label", "prob", "loss"), [
    ("float64", 1, 0, 744.4400719213812), ("float64", 0, 1, 744.4400719213812), ("float64", 1, 1, 0),
    ("float64", 0, 0, 0), ("float64", 0, -0.0, 0), ("float64", 1, 5e-324, 744.4400719213812),
    ("float64", 0, 5e-324, 5e-324), ("float64", 0, 1e-45, 1e-45), ("float64", 1, 1e-45, 103.61632918473205),
    ("float64", 1, 1 - 2.0**-53, 2.0**-53), ("float64", 0, 1 - 2.0**-53, 36.7368005696771),
    ("float64", 1, 1 - 2.0**-24, 5.96046465517e-08), ("float64", 0.5, 0, 372.2200359606906),
    ("float64", 0, 2.0**-53, 1.1102230246251566e-16), ("float64", 0, 1e-8, 1.000000005e-08),
    ("float32", 1, 0, 103.278929903), ("float32", 0, 1, 103.278929903), ("float32", 0, 1e-45, 2.0**-149),
    ("float32", 1, 1 - 2.0**-24, 5.96046465517e-08), ("float32", 0, 1 - 2.0**-24, 16.6355323334),
    ("float16", 1, 0, 16.635), ("float16", 0, 1 - 2.0**-11, 7.625), ("float16", 1, 1 - 2.0**-11, 2.0**-11),
    ("bfloat16", 1, 0, 92.1888), ("bfloat16", 0, 1 - 2.0**-8, 5.545), ("float64", 0.5, 0.5, math.log(2)),
])
def test_near_0_and_1(name, label, prob, loss):
    y, p = np.array([label], float), np.array([prob], dtype_of(name))
    found = loss_of(y, p, reduction="none")
    check(found, exact_of(y, p, reduction="none"), p, BOUNDS[name])
    assert float(found[0]) == pytest.approx(loss, rel={"float64": 1e-11, "float32": 1e-7}.get(name, 1e-2), abs=0)
    for reduction in ("mean", "sum"):
        assert loss_of(y, p, reduction=reduction) == pytest.approx(float(exact_of(y, p)), rel=2.0**-30, abs=0)


@pytest.mark.parametrize("name", FLOATS)
def test_without_a_floor_certain_mistakes_are_inf_and_the_rest_is_not(name):
    y = np.array([1, 0, 1, 0, 0.5, 0.5, 0.5, nan, nan], dtype_of(name))
    p = np.array([0, 1, 1, 0, 0, 1, 0.5, 0, 1], dtype_of(name))
    found, gradient = loss_of(y, p, floor=0, reduction="none", return_grad=True)
    expected = np.array([inf, inf, 0, 0, inf, inf, math.log(2), nan, nan], p.dtype)
    assert same(found, expected)
    assert same(gradient, np.array([-inf, inf, -1, 1, -inf, inf, 0, nan, nan], p.dtype))
    assert loss_of(y[:6], p[:6], floor=0) == inf and loss_of(y[2:4], p[2:4], floor=0) == 0
    assert np.isfinite(loss_of(y[:7], p[:7]))


@pytest.mark.parametrize("name", FLOATS)
def test_nan_of_every_kind_stays(name):
    for values in arrays.bad_values(name)["nan"].reshape(-1, 1):
        for y, p in ((values, [0.5]), (np.array([1.0]), values), (np.array([0], np.int8), values), (values, values)):
            for floor in (None, 0):
                found, gradient, info = loss_of(y, p, floor=floor, reduction="none", return_grad=True, return_info=True)
                assert np.isnan(found).all() and np.isnan(gradient).all() and info.nan == 1
                assert math.isnan(loss_of(y, p, floor=floor))


def test_integers_are_certain_probabilities():
    y, p = np.array([0, 1, 0, 1, 0.5]), np.array([0, 1, 1, 0, 1])
    for dtype in arrays.INTEGERS:
        found = loss_of(y, p.astype(dtype), reduction="none")
        assert same(found, loss_of(y, p.astype(np.float64), reduction="none"))
        assert same(loss_of(y, p.astype(dtype)), loss_of(y, p.astype(np.float64)))


# ---- floors and what is told -------------------------------------------------------------------------


@pytest.mark.parametrize("floor", [1, 1.5, -1e-9, -5e-324, nan, inf, -inf, np.float32(-1)])
def test_a_floor_that_is_none(floor):
    with pytest.raises(ValueError, match="floor must be at least 0 and less than 1, not "):
        loss_of([1], [0.5], floor=floor)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("floor", [None, 0, 0.125, 0.75])
@pytest.mark.parametrize("factors", [{}, {"weight": 0}, {"weight": 3}])
def test_floored_certain_and_nan_are_counted(name, floor, factors):
    edges = np.array([0.125, 0.875, 0.75, 0.25, nan, nan], dtype_of(name))
    p = np.concatenate([oracle.some_probabilities(name, 800), edges])
    y = np.resize([0, 1, 0.5, nan, -0.0], p.shape)
    wide, least = p.astype(np.float64), oracle.smallest(p) if floor is None else floor
    floored = ((y > 0) & (wide < least)) | ((y < 1) & (1 - wide < least))
    expected = (floored.sum(), ((wide == 0) | (wide == 1)).sum(), (np.isnan(y) | np.isnan(wide)).sum())
    losses, info = loss_of(y, p, floor=floor, reduction="none", return_info=True, **factors)
    assert info == expected and all(type(value) is int for value in info)
    assert type(info) is ff.LossInfo and info._fields == ("floored", "saturated", "nan")
    assert same(losses, loss_of(y, p, floor=floor, reduction="none", **factors))
    assert loss_of(y, p, floor=floor, return_info=True)[1] == expected


def test_the_gradient_is_0_where_the_loss_does_not_change():
    y = np.array([1, 1, 0, 0, 0.5, 0.5, 1])
    p = np.array([0.1, 0.25, 0.9, 0.75, 0.1, 0.9, 0.2])
    _, gradient = loss_of(y, p, floor=0.25, reduction="sum", return_grad=True)
    np.testing.assert_allclose(gradient, [0, -4, 0, 4, 0.5 / 0.9, -0.5 / 0.9, 0], rtol=1e-15)


@pytest.mark.parametrize("label", [0, 1, 0.3, 1e-9])
def test_the_gradient_is_the_derivative_of_the_loss(label):
    """By differences of the exact loss."""
    p = np.concatenate([np.linspace(0.001, 0.999, 41), [1e-30, 1 - 2.0**-30]])
    with gmpy2.context(precision=oracle.PRECISION):
        step, y, floor = gmpy2.exp2(-150), gmpy2.mpfr(label), gmpy2.mpfr(5e-324)
        slopes = [(oracle.of_probability(y, x + step, floor)[0] - oracle.of_probability(y, x - step, floor)[0])
                  / (2 * step) for x in map(gmpy2.mpfr, p.tolist())]
    _, gradient = loss_of(np.full(p.shape, label), p, reduction="sum", return_grad=True)
    np.testing.assert_allclose(gradient, [float(slope) for slope in slopes], rtol=1e-12)


def test_a_mean_divides_the_gradient_before_it_could_overflow():
    p = np.array([1e-309, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    _, gradient = loss_of(np.ones(10), p, return_grad=True)
    assert gradient[0] == pytest.approx(-1e308, rel=1e-14)
    _, gradient = loss_of(np.ones(10), p, weight=0.01, reduction="sum", return_grad=True)
    assert gradient[0] == pytest.approx(-1e307, rel=1e-14)


# ---- labels of every kind ----------------------------------------------------------------------------


@both_losses
@pytest.mark.parametrize("name", FLOATS)
def test_hard_labels_of_every_dtype_give_the_same(which, name):
    x = NUMBERS[which](name, 500)
    y = some_labels(x.shape, dtype=name)
    call = CALLS[which][0]
    right = call(y, x, reduction="none", return_grad=True)
    total = call(y, x)
    for dtype in (*arrays.INTEGERS, *FLOATS):
        labels = y.astype(dtype_of(dtype))
        swapped = [labels.astype(labels.dtype.newbyteorder())] if "swapped" in arrays.layouts_of(dtype) else []
        for one in (labels, labels.tolist(), *swapped):
            found = call(one, x, reduction="none", return_grad=True)
            assert same(found[0], right[0]) and same(found[1], right[1]), (dtype, type(one))
            assert call(one, x) == pytest.approx(total, rel=1e-9)


@both_losses
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_soft_labels_count_as_the_numbers_that_they_are(which, name, dtype):
    call, exact, _ = CALLS[which]
    x = NUMBERS[which](name, 200)
    y = some_labels(x.shape, "soft", dtype)
    check(call(y, x, reduction="none"), exact(y, x, reduction="none"), x, BOUNDS[name])


@both_losses
def test_lists_numbers_objects_and_long_doubles(which):
    call = CALLS[which][0]
    right = call(np.array([0, 1, 0.5]), np.array([0.25, 0.5, 0.75]), reduction="none")
    for y in ([0, 1, 0.5], (0, True, 0.5), [0, 1, Fraction(1, 2)], [Decimal(0), 1, Decimal("0.5")],
              np.array([0, 1, 0.5], np.longdouble), np.array([0, 1, 0.5], object), np.array([0, 9, 1, 9, 0.5])[::2]):
        for x in ([0.25, 0.5, 0.75], np.array([0.25, 0.5, 0.75], np.longdouble), np.array([0.25, 0.5, 0.75], object)):
            assert same(call(y, x, reduction="none"), right)


@both_losses
def test_scalars_give_scalars(which):
    call = CALLS[which][0]
    right = call(np.array([1.0]), np.array([0.25]), return_grad=True)
    for y, x in ((1, 0.25), (True, np.float64(0.25)), (np.array(1), np.array(0.25)), (np.int8(1), 0.25)):
        assert type(call(y, x)) is float and call(y, x) == right[0] == call(y, x, reduction="sum")
        loss, gradient, info = call(y, x, reduction="none", return_grad=True, return_info=True)
        assert loss.shape == gradient.shape == () and (loss, gradient) == (right[0], right[1][0]) and info == (0, 0, 0)


@both_losses
@pytest.mark.parametrize(("dtype", "bad"), [
    ("int8", -1), ("int8", 2), ("uint8", 255), ("int16", -300), ("uint16", 7), ("int32", 2), ("uint32", 2**32 - 1),
    ("int64", -(2**63)), ("int64", 2**63 - 1), ("uint64", 2**64 - 1), ("float16", 1.001), ("float16", -6e-8),
    ("float32", np.nextafter(np.float32(1), np.float32(2))), ("float32", -1e-45), ("float32", inf), ("float32", -inf),
    ("float64", np.nextafter(1.0, 2)), ("float64", -5e-324), ("float64", inf), ("bfloat16", 1.01), ("bfloat16", -1),
    (">f8", 1.5), (">i4", 2),
])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_labels_outside_0_to_1(which, dtype, bad, name):
    """Told with how many, the first, and where it is."""
    call = CALLS[which][0]
    x = np.full(700, 0.5, name)
    y = np.zeros(700, dtype_of(dtype))
    y[[300, 699]] = bad
    say = re.escape(f"y_true must be from 0 to 1: 2 of 700 are not, the first is {y[300]}")
    for reduction in ("mean", "none"):
        with pytest.raises(ValueError, match=f"^{say} at index 300(;.*)?$"):
            call(y, x, reduction=reduction)
    with pytest.raises(ValueError, match=rf"^{say} at index \(2, 1, 6\)(;.*)?$"):
        call(y.reshape(5, 10, 14), x.reshape(5, 10, 14))
    with pytest.raises(ValueError, match=rf"^{say} at index \(20, 5\)(;.*)?$"):
        call(y.reshape(10, 70).T[:, ::-1], x.reshape(10, 70).T)
    say = re.escape(f"y_true must be from 0 to 1: 1 of 1 is not, the first is {y[300]}")
    with pytest.raises(ValueError, match=f"^{say}(;.*)?$"):
        call(y[300], x[0])


@pytest.mark.parametrize(("dtype", "bad"), [
    ("int8", -1), ("uint8", 2), ("int64", 2**63 - 1), ("uint64", 2**64 - 1), ("float16", 1.001), ("float16", -6e-8),
    ("float32", np.nextafter(np.float32(1), np.float32(2))), ("float32", -1e-45), ("float32", inf), ("float32", -inf),
    ("float64", np.nextafter(1.0, 2)), ("float64", -5e-324), ("float64", 1e300), ("bfloat16", 1.01), (">f4", 3),
])
@pytest.mark.parametrize("floor", [None, 0, 0.5])
@pytest.mark.parametrize("label", [0, 1, 0.5])
def test_probabilities_outside_0_to_1(dtype, bad, floor, label):
    p = np.zeros(700, dtype_of(dtype))
    p[[300, 699]] = bad
    y = np.full(700, label, np.float32)
    say = re.escape(f"y_prob must be from 0 to 1: 2 of 700 are not, the first is {p[300]}")
    for reduction in ("mean", "none"):
        with pytest.raises(ValueError, match=f"^{say} at index 300(;.*)?$"):
            loss_of(y, p, floor=floor, reduction=reduction)
    with pytest.raises(ValueError, match=rf"^{say} at index \(4, 20\)(;.*)?$"):
        loss_of(y.reshape(10, 70), p.reshape(10, 70), floor=floor)


@both_losses
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_bad_labels_and_probabilities_deep_in_large_arrays(which, threads, name):
    """In the part of the last thread, and in two parts; nan is none of them."""
    call = CALLS[which][0]
    n = (20 << 20) // np.dtype(name).itemsize // 2
    y, x = np.zeros(n, name), np.full(n, 0.5, name)
    y[7] = x[9] = nan
    y[n - 1] = 2
    with ff.threads(threads):
        with pytest.raises(ValueError, match=f"y_true must be .*: 1 of {n} is not, the first is 2.0 at index {n - 1}$"):
            call(y, x)
        y[n // 3] = -1
        with pytest.raises(ValueError, match=f"2 of {n} are not, the first is -1.0 at index {n // 3}; "):
            call(y, x, reduction="sum")
        with pytest.raises(ValueError, match=rf"2 of {n} are not, the first is -1.0 at index \(0, {n // 3}\); "):
            call(y[None], x[None], weight=0)
        y[[n // 3, n - 1]] = 1
        if which == "probabilities":
            x[n - 2] = 1.5
            with pytest.raises(ValueError, match=f"y_prob .*: 1 of {n} is not, the first is 1.5 at index {n - 2}; "):
                call(y, x)
            x[n - 2] = 0.5
        assert math.isnan(call(y, x))


@both_losses
@pytest.mark.parametrize(("value", "dtype"), [
    ([1j, 0j], "complex128"), (np.zeros(2, np.complex64), "complex64"), (["0", "1"], "<U1"), ([b"0", b"1"], r"\|S1"),
    (np.zeros(2, "M8[s]"), "datetime64"), (np.zeros(2, "m8[s]"), "timedelta64"), (np.zeros(2, "f4,f4"), ""),
    (np.array(["a", "b"], object), "object"), (np.array([1j, 0], object), "object"),
    (np.array(["0", "1"], object), "object"), (np.zeros(2, np.clongdouble), "complex"),
])
def test_what_is_no_real_number_is_a_type_error(which, value, dtype):
    call, name = CALLS[which][0], ARGUMENTS[which]
    for arguments, options, say in (((value, [0.5, 0.5]), {}, "y_true"), (([1, 0], value), {}, name),
                                    (([1, 0], [0.5, 0.5]), {"weight": value}, "weight")):
        with pytest.raises(TypeError, match=f"^{say} must hold real numbers, not .*{dtype}"):
            call(*arguments, **options)


@both_losses
def test_masked_arrays_are_refused_with_the_way_out(which):
    call, masked = CALLS[which][0], np.ma.array([1.0, 0.0], mask=[0, 1])
    for arguments, options, say in (((masked, [0.5, 0.5]), {}, "y_true"), (([1, 0], masked), {}, ARGUMENTS[which]),
                                    (([1, 0], [0.5, 0.5]), {"weight": masked}, "weight")):
        with pytest.raises(TypeError, match=f"^{say} must not be a masked array; fill it"):
            call(*arguments, **options)


@both_losses
@pytest.mark.parametrize("text", ["1e400", "-1e400", "1e-4000"])
def test_long_doubles_beyond_float64_raise_no_warning(which, text):
    """What float64 does not hold is inf, or 0."""
    if np.finfo(np.longdouble).maxexp <= 1024:
        pytest.skip("long double is float64")
    x = np.array([text], np.longdouble)
    if which == "probabilities" and text != "1e-4000":
        with pytest.raises(ValueError, match="y_prob must be from 0 to 1"):
            loss_of([1], x)
    else:
        with np.errstate(all="ignore"):
            rounded = x.astype(np.float64)
        assert same(CALLS[which][0]([1], x), CALLS[which][0]([1], rounded))


# ---- shapes ------------------------------------------------------------------------------------------


@both_losses
@pytest.mark.parametrize(("labels", "predictions"), [
    ((5,), (5, 1)), ((5, 1), (5,)), ((5,), (1, 5)), ((1,), (5,)), ((5,), (1,)), ((), (5,)), ((5,), ()),
    ((2, 3), (3, 2)), ((0,), (1,)), ((0,), (0, 3)), ((1,), ()),
])
def test_shapes_must_be_equal(which, labels, predictions):
    say = re.escape(f"y_true and {ARGUMENTS[which]} must have the same shape, not {labels} and {predictions}; "
                    "they are not broadcast")
    with pytest.raises(ValueError, match=f"^{say}"):
        CALLS[which][0](np.zeros(labels), np.zeros(predictions))


@both_losses
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 0, 3)])
@pytest.mark.parametrize("name", [*FLOATS, "int64"])
def test_no_elements(which, shape, name):
    call, y, x = CALLS[which][0], np.zeros(shape, np.int8), np.zeros(shape, dtype_of(name))
    dtype = np.dtype(np.float64) if name == "int64" else x.dtype
    assert math.isnan(call(y, x)) and call(y, x, reduction="sum") == 0.0
    assert type(call(y, x)) is type(call(y, x, reduction="sum")) is float
    losses, gradient, info = call(y, x, reduction="none", return_grad=True, return_info=True, weight=np.ones(shape[-1]))
    assert losses.shape == gradient.shape == shape and losses.dtype == gradient.dtype == dtype and info == (0, 0, 0)
    assert same(call(y, x, return_grad=True)[1], gradient)


@both_losses
@pytest.mark.parametrize("shape", [(7,), (1, 7), (7, 1), (2, 3, 4), (1, 1, 1), (1,) * 32, (2,) * 10])
def test_results_have_the_shape_of_the_predictions(which, shape):
    call, n = CALLS[which][0], math.prod(shape)
    x, y = np.resize(COMMON, n), np.resize([0, 1, 0.5], n)
    right = call(y, x, reduction="none", return_grad=True)
    found = call(y.reshape(shape), x.reshape(shape), reduction="none", return_grad=True)
    assert all(same(one, other.reshape(shape)) for one, other in zip(found, right))
    assert same(call(y, x), call(y.reshape(shape), x.reshape(shape)))


# ---- what is returned --------------------------------------------------------------------------------


@both_losses
@pytest.mark.parametrize("name", [*FLOATS, "int64", "bool", ">f4"])
def test_dtypes_of_results(which, name):
    call, x = CALLS[which][0], np.array([0, 1, 1, 0]).astype(dtype_of(name))
    y, dtype = np.array([0, 1, 1, 0]), {"int64": "float64", "bool": "float64", ">f4": "float32"}.get(name, name)
    losses, gradient = call(y, x, reduction="none", return_grad=True)
    assert type(losses) is type(gradient) is np.ndarray and losses.dtype == gradient.dtype == dtype_of(dtype)
    assert losses.flags.c_contiguous
    for reduction in ("mean", "sum"):
        loss, gradient = call(y, x, reduction=reduction, return_grad=True)
        assert type(loss) is float and type(call(y, x, reduction=reduction)) is float
        assert gradient.dtype == dtype_of(dtype)


@both_losses
def test_what_was_asked_for_comes_in_order(which):
    call, grad = CALLS[which][0], np.empty(3)
    y, x = [0, 1, 1], [0.5, 0.25, 0.75]
    right = call(y, x)
    assert type(call(y, x, return_grad=True)) is tuple and len(call(y, x, return_grad=True)) == 2
    loss, gradient, info = call(y, x, return_grad=True, return_info=True)
    assert loss == right and gradient.shape == (3,) and type(info) is ff.LossInfo
    loss, info = call(y, x, return_info=True)
    assert loss == right and type(info) is ff.LossInfo
    for options in ({}, {"return_grad": True}, {"return_grad": False}):
        loss, found = call(y, x, grad_out=grad, **options)
        assert loss == right and found is grad and same(grad, gradient)


@both_losses
@pytest.mark.parametrize("reduction", ["Mean", "average", "", None, 0, b"mean", ["mean"], np.mean])
def test_a_reduction_that_there_is_not(which, reduction):
    say = re.escape(f"reduction must be one of 'mean', 'sum', 'none', not {reduction!r}")
    with pytest.raises(ValueError, match=f"^{say}(;.*)?$"):
        CALLS[which][0]([1], [0.5], reduction=reduction)


@both_losses
@pytest.mark.parametrize("name", FLOATS)
def test_mean_is_the_sum_over_the_number_of_elements(which, name):
    call, exact, _ = CALLS[which]
    x = NUMBERS[which](name, 300)
    wide = np.abs(x.astype(np.float64))
    x = x[(wide < 1e300) & ((wide > 1e-300) | (wide == 0))]
    y, weight = some_labels(x.shape, "soft"), np.random.default_rng(1).random(x.shape)
    for options in ({}, {"weight": weight}):
        mean, gradient = call(y, x, return_grad=True, **options)
        total, slope = call(y, x, reduction="sum", return_grad=True, **options)
        _, each = call(y, x, reduction="none", return_grad=True, **options)
        assert mean == total / x.size and same(slope, each)
        _, *parts = exact(y, x, return_parts=True, **options)
        check_gradient(gradient, parts, x, 2 * GRADIENT_BOUNDS[name])
        right = exact(y, x, reduction="sum", **options)
        assert relative(total, right) <= (1e-15 if name == "float64" else 2.0**-30)


# ---- weights -----------------------------------------------------------------------------------------


@both_losses
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_weighted_losses_gradients_and_sums(which, name, kind):
    call, exact, _ = CALLS[which]
    x = NUMBERS[which](name, 600)
    y = some_labels(x.shape, kind)
    wide = x.astype(np.float64)
    keep = (np.abs(wide) < 1e100) if which == "logits" else (wide == 0) | (wide > 1e-30)
    keep &= (np.abs(wide) < 650) if name == "float64" else True
    x, y = x[keep], y[keep]
    weight = np.random.default_rng(1).exponential(size=x.shape)
    right, *parts = exact(y, x, weight=weight, reduction="none", return_parts=True)
    losses, gradient = call(y, x, weight=weight, reduction="none", return_grad=True)
    check(losses, right, x, BOUNDS[name] + (0.5 if name == "float64" else 0))       # the product is rounded once more
    check_gradient(gradient, parts, x, 2 * GRADIENT_BOUNDS[name])
    assert relative(call(y, x, weight=weight, reduction="sum"), gmpy2.fsum(right)) <= (
        1e-15 if name == "float64" else 2.0**-30)


@both_losses
@pytest.mark.parametrize("weight", [7.0, 1e10])
def test_weights_of_losses_below_the_normal_numbers(which, weight):
    """The units in which such a loss is rounded are multiplied, too."""
    call, exact, _ = CALLS[which]
    x = np.linspace(-746, -708, 200) if which == "logits" else np.arange(1, 200) ** 8 * 5e-324
    y = np.zeros(x.shape)
    check(call(y, x, weight=weight, reduction="none"), exact(y, x, weight=weight, reduction="none"), x, weight)


@both_losses
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("zero", [0, -0.0, False])
def test_a_weight_of_0_makes_exactly_0(which, zero, name):
    """Of nan and inf, too, in the loss, the gradient and the sum."""
    call = CALLS[which][0]
    worst = {"logits": [inf, -inf, nan, 1, -5], "probabilities": [0, 1, nan, 0.5, 1]}[which]
    x = np.array([*worst, *worst], dtype_of(name))
    y = np.array([0, 1, 1, nan, nan, 1, 0, 0, 0.5, 0], dtype_of(name))
    options = {"floor": 0} if which == "probabilities" else {}
    losses, gradient = call(y, x, weight=zero, reduction="none", return_grad=True, **options)
    assert same(losses, np.zeros(10, x.dtype)) and same(gradient, losses)
    assert call(y, x, weight=zero, **options) == 0 and call(y, x, weight=zero, reduction="sum", **options) == 0
    weight = np.zeros(10)
    weight[8] = 2
    one = call(y[8:9], x[8:9], **options)
    assert call(y, x, weight=weight, reduction="sum", **options) == pytest.approx(2 * one, rel=1e-9)
    assert call(y, x, weight=weight, **options) == pytest.approx(2 * one / 10, rel=1e-9)
    *_, info = call(y, x, weight=zero, return_info=True, **options)
    assert info.nan == 4 and info.saturated >= 3


@both_losses
@pytest.mark.parametrize("shape", [(), (1,), (4,), (1, 4), (3, 1), (3, 4), (1, 1)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int8", "uint64", "bool", ">f8", "O"])
def test_weights_are_broadcast(which, shape, dtype):
    call, x = CALLS[which][0], np.resize(COMMON, (3, 4))
    y = some_labels(x.shape, "soft")
    weight = np.random.default_rng(2).integers(0, 4, shape).astype(dtype_of(dtype))
    full = np.broadcast_to(weight, x.shape).astype(np.float64)
    names = ["weight", *(["pos_weight"] if which == "logits" else [])]
    for name in names:
        found = call(y, x, reduction="none", return_grad=True, **{name: weight})
        right = call(y, x, reduction="none", return_grad=True, **{name: full})
        assert all(same(one, other) for one, other in zip(found, right))
        assert call(y, x, **{name: weight}) == call(y, x, **{name: full})
    plain = call(y, x, reduction="none")
    np.testing.assert_allclose(call(y, x, reduction="none", weight=weight), full * plain, rtol=1e-15)


WEIGHTS = [("logits", "weight"), ("logits", "pos_weight"), ("probabilities", "weight")]


@pytest.mark.parametrize(("which", "name"), WEIGHTS)
@pytest.mark.parametrize(("dtype", "bad"), [
    ("float64", -1), ("float64", nan), ("float64", -5e-324), ("float64", -inf), ("float32", -1e-45), ("float16", nan),
    ("bfloat16", -2), ("int8", -3), ("int64", -(2**63)), (">f8", -1),
])
def test_bad_weights_are_named_with_their_place(which, name, dtype, bad):
    call, x = CALLS[which][0], np.full(600, 0.5)
    weight = np.ones(600, dtype_of(dtype))
    weight[[400, 599]] = bad
    say = re.escape(f"{name} must be at least 0: 2 of 600 are not, the first is {weight[400]}")
    for reduction in ("mean", "none"):
        with pytest.raises(ValueError, match=f"^{say} at index 400(;.*)?$"):
            call(np.ones(600), x, reduction=reduction, **{name: weight})
    with pytest.raises(ValueError, match=rf"^{say} at index \(2, 0, 0\)(;.*)?$"):
        call(np.ones((3, 2, 100)), x.reshape(3, 2, 100), **{name: weight.reshape(3, 2, 100)})
    with pytest.raises(ValueError, match=rf"^{name} must be at least 0: .*the first is .* at index \(0, 1\)$"):
        call(np.ones((2, 2)), np.full((2, 2), 0.5), **{name: weight[[0, 400]]})
    with pytest.raises(ValueError, match=f"^{name} must be at least 0: "):
        call(1, 0.5, **{name: weight[400]})


@pytest.mark.parametrize(("which", "name"), WEIGHTS)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_bad_weight_deep_in_a_large_array(which, name, threads):
    call, n = CALLS[which][0], 2_200_000
    y, x, weight = np.ones(n, np.float32), np.full(n, 0.5, np.float32), np.ones(n, np.float32)
    weight[n - 3] = -0.5
    with ff.threads(threads), pytest.raises(
            ValueError, match=f"^{name} must be at least 0: 1 of {n} is not, the first is -0.5 at index {n - 3}$"):
        call(y, x, **{name: weight})


@pytest.mark.parametrize(("which", "name"), WEIGHTS)
@pytest.mark.parametrize("shape", [(3,), (2, 1), (1, 4, 1), (0,), (2, 2, 4)])
def test_weights_that_do_not_broadcast(which, name, shape):
    say = re.escape(f"{name} must broadcast to the shape of the losses, (1, 4); its shape is {shape}")
    with pytest.raises(ValueError, match=f"^{say}(;.*)?$"):
        CALLS[which][0](np.ones((1, 4)), np.full((1, 4), 0.5), **{name: np.ones(shape)})


@both_losses
def test_weights_do_not_change_what_is_told(which):
    call, x = CALLS[which][0], NUMBERS[which]("float32", 500)
    y = np.resize([0, 1, nan, 0.5], x.shape)
    plain = call(y, x, return_info=True)[1]
    assert plain.nan == np.isnan(y).sum() and plain.saturated > 5
    for weight in (0, 2, np.zeros(x.shape)):
        assert call(y, x, weight=weight, return_info=True)[1] == plain


# ---- where the gradient goes -------------------------------------------------------------------------


@both_losses
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("kept", FLOATS)
def test_grad_out_of_any_float_dtype(which, name, kept):
    call, exact, _ = CALLS[which]
    x = NUMBERS[which](name, 200)
    y = some_labels(x.shape, "soft")
    grad = np.empty(x.shape, dtype_of(kept))
    loss, found = call(y, x, reduction="sum", grad_out=grad)
    assert found is grad and loss == call(y, x, reduction="sum", return_grad=True)[0]
    wide = np.abs(x.astype(np.float64))
    near = (wide < 80) if which == "logits" else (wide > 1e-100)
    _, *parts = exact(y, x, reduction="none", return_parts=True)
    bound = max(GRADIENT_BOUNDS[name], 1e-15)
    check_gradient(grad[near], [part[near] for part in parts], x[near], bound)
    if kept == name:
        assert same(grad, call(y, x, reduction="sum", return_grad=True)[1])


@both_losses
@pytest.mark.parametrize("layout", [name for name in arrays.LAYOUTS if name not in ("read-only", "subclass")])
@pytest.mark.parametrize("kept", ["float32", "float64", "float16", "bfloat16"])
def test_grad_out_of_any_layout(which, layout, kept):
    if layout not in arrays.layouts_of(kept):
        pytest.skip("has no other byte order")
    call = CALLS[which][0]
    for shape in ((7,), (37, 29), (3, 5, 70)):
        x, y = np.resize(NUMBERS[which]("float32", 300), shape), some_labels(shape, "soft", "float32")
        right = np.empty(shape, dtype_of(kept))
        call(y, x, grad_out=right)
        grad = arrays.LAYOUTS[layout](np.zeros(shape, dtype_of(kept)))
        loss, found = call(y, x, grad_out=grad)
        assert found is grad and loss == call(y, x, grad_out=right)[0]
        assert same(np.array(grad, right.dtype), right)


@both_losses
@pytest.mark.parametrize("layout", [name for name in arrays.LAYOUTS if name not in ("read-only", "subclass")])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_in_place_of_any_layout(which, layout, name):
    """Over the predictions, and over the labels."""
    call, shape = CALLS[which][0], (37, 29)
    x, y = np.resize(NUMBERS[which](name, 300), shape), some_labels(shape, "soft", name)
    loss, right = call(y, x, return_grad=True)
    place = arrays.LAYOUTS[layout](x)
    found = call(y, place, grad_out=place)
    assert found[1] is place and found[0] == pytest.approx(loss, rel=1e-12) and same(np.array(place, x.dtype), right)
    place = arrays.LAYOUTS[layout](y)
    assert call(place, x, grad_out=place)[0] == found[0] and same(np.array(place, x.dtype), right)


@both_losses
@given(shift=st.integers(-70, 70), name=st.sampled_from(["float32", "float64"]), over=st.sampled_from(["y", "x", "w"]),
       kept=st.sampled_from(["float16", "float32", "float64"]), backwards=st.booleans())
def test_grad_out_that_overlaps_an_input_shifted(which, shift, name, over, kept, backwards):
    call, n = CALLS[which][0], 300
    item, kept = np.dtype(name).itemsize, dtype_of(kept)
    inputs = {"y": some_labels(n, "soft", name), "x": np.resize(COMMON, n).astype(name),
              "w": some_labels(n, "hard", name)}
    buffer = np.zeros(16 * n, np.uint8)
    place = buffer[4 * n : 4 * n + n * item].view(name)
    place[...] = inputs[over]
    grad = buffer[4 * n + 4 * shift :][: n * kept.itemsize].view(kept)[:: -1 if backwards else 1]
    right = np.empty(n, kept)
    loss, _ = call(inputs["y"], inputs["x"], weight=inputs["w"], grad_out=right)
    inputs[over] = place
    found, _ = call(inputs["y"], inputs["x"], weight=inputs["w"], grad_out=grad)
    assert found == loss and same(grad, right)


@both_losses
@pytest.mark.parametrize("shift", [-300, -1, 0, 1, 300])
@pytest.mark.parametrize("over", ["y", "x"])
def test_overlaps_in_large_arrays_and_threads(which, shift, over):
    call, n = CALLS[which][0], 1_300_000
    inputs = {"y": np.resize(some_labels(1999, "soft", "float32"), n), "x": np.resize(COMMON.astype("float32"), n)}
    loss, right = call(inputs["y"], inputs["x"], return_grad=True)
    buffer = np.zeros(n + 600, np.float32)
    buffer[300 : 300 + n] = inputs[over]
    inputs[over] = buffer[300 : 300 + n]
    with ff.threads(2):
        found, gradient = call(inputs["y"], inputs["x"], grad_out=buffer[300 + shift :][:n])
    assert found == loss and same(gradient, right)


@both_losses
def test_overlap_with_a_broadcast_weight(which):
    call, x = CALLS[which][0], np.resize(COMMON, (50, 8))
    y = some_labels(x.shape, "soft")
    right = call(y, x.copy(), weight=COMMON, reduction="sum", return_grad=True)
    loss, gradient = call(y, x, weight=x[3], reduction="sum", grad_out=x)
    assert loss == right[0] and gradient is x and same(x, right[1])


@both_losses
@pytest.mark.parametrize(("grad", "error", "say"), [
    (np.empty(3), ValueError, "grad_out must have the shape (4,), not (3,)"),
    (np.empty((4, 1)), ValueError, "grad_out must have the shape (4,), not (4, 1)"),
    (np.empty(()), ValueError, "grad_out must have the shape (4,), not ()"),
    (arrays.read_only(np.empty(4)), ValueError, "grad_out must be writeable; it is read-only"),
    (np.broadcast_to(1.0, 4), ValueError, "grad_out must be writeable; it is read-only"),
    (np.empty(4, int), TypeError, "grad_out must be an array of floats, not int64"),
    (np.empty(4, complex), TypeError, "grad_out must be an array of floats, not complex128"),
    (np.empty(4, bool), TypeError, "grad_out must be an array of floats, not bool"),
    (np.empty(4, object), TypeError, "grad_out must be an array of floats, not object"),
    (np.empty(4, np.longdouble), TypeError, "grad_out must be an array of floats, not "),
    ([0.0] * 4, TypeError, "grad_out must be an array of floats, not list"),
    (1.0, TypeError, "grad_out must be an array of floats, not float"),
    (memoryview(np.empty(4)), TypeError, "grad_out must be an array of floats, not memoryview"),
])
def test_grad_out_that_cannot_be(which, grad, error, say):
    for reduction in ("mean", "none"):
        with pytest.raises(error, match=f"^{re.escape(say)}"):
            CALLS[which][0](np.ones(4), np.full(4, 0.5), reduction=reduction, grad_out=grad)


@both_losses
@pytest.mark.parametrize("bad", [2.0, -1.0, 1e9])
def test_bad_labels_are_told_as_they_were_when_the_gradient_goes_over_them(which, bad):
    y = np.array([0, bad, 1, 0.5])
    with pytest.raises(ValueError, match=f"^y_true must be from 0 to 1: 1 of 4 is not, the first is {bad} at index 1"):
        CALLS[which][0](y, np.full(4, 0.25), grad_out=y)


@pytest.mark.parametrize(("label", "bad"), [(0, 1.5), (1, 1.5), (0, -0.5), (1, -0.5), (0.5, 3.0)])
def test_bad_probabilities_are_told_as_they_were_when_the_gradient_goes_over_them(label, bad):
    p = np.array([0.5, 0.25, bad, 0.5])
    say = f"^y_prob must be from 0 to 1: 1 of 4 is not, the first is {bad} at index 2; "
    with pytest.raises(ValueError, match=say):
        loss_of(np.full(4, label), p, grad_out=p)


@pytest.mark.parametrize(("which", "name"), WEIGHTS)
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_bad_weights_are_told_as_they_were_when_the_gradient_goes_over_them(which, name, label):
    weight = np.array([1, 1, -1.5, 1])
    with pytest.raises(ValueError, match=f"^{name} must be at least 0: 1 of 4 is not, the first is -1.5 at index 2$"):
        CALLS[which][0](np.full(4, label), np.full(4, 0.5), grad_out=weight, **{name: weight})


@both_losses
def test_inputs_are_never_changed(which):
    call, x = CALLS[which][0], np.resize(NUMBERS[which]("float32", 300), (20, 30))
    factors = ["weight", *(["pos_weight"] if which == "logits" else [])]
    for layout in arrays.layouts_of("float32"):
        inputs = [arrays.LAYOUTS[layout](values.astype(np.float32)) for values in (some_labels(x.shape, "soft"), x)]
        weights = {name: arrays.LAYOUTS[layout](np.full(x.shape, 2, np.float32)) for name in factors}
        before = [np.asarray(one).tobytes() for one in (*inputs, *weights.values())]
        for reduction in ("mean", "none"):
            call(*inputs, reduction=reduction, return_grad=True, return_info=True, **weights)
        assert [np.asarray(one).tobytes() for one in (*inputs, *weights.values())] == before


# ---- the same elsewhere ------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learn_says_the_same(weighted):
    """Its mean is over the sum of the weights."""
    metrics = require("sklearn.metrics")
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 3000), rng.random(3000)
    weight = rng.random(3000) if weighted else None
    with np.errstate(all="ignore"):
        right = metrics.log_loss(y, p, sample_weight=weight, normalize=False)
        mean = metrics.log_loss(y, p, sample_weight=weight)
    assert loss_of(y, p, weight=weight, reduction="sum") == pytest.approx(right, rel=1e-13)
    count = 3000 if weight is None else weight.sum()
    assert loss_of(y, p, weight=weight) * 3000 / count == pytest.approx(mean, rel=1e-13)
    logits = np.log(p / (1 - p))
    found = ff.binary_cross_entropy_with_logits(y, logits, weight=weight, reduction="sum")
    assert found == pytest.approx(right, rel=1e-13)


def test_scipy_says_the_same():
    special = require("scipy.special")
    p = oracle.some_probabilities("float64", 1000)
    y = some_labels(p.shape, "soft")
    with np.errstate(all="ignore"):
        right = -(special.xlogy(y, p) + special.xlog1py(1 - y, -p))
    np.testing.assert_allclose(loss_of(y, p, floor=0, reduction="none"), right, rtol=1e-14)
