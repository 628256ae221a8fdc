"""binary_cross_entropy_with_logits: exact in both tails, at infinity, and in its gradient."""

import math

import arrays
import elementary_reference as elementary
import gmpy2
import loss_reference as oracle
import numpy as np
import pytest
from loss_reference import FLOATS, LABELS, gradient_errors, relative, some_labels, some_logits, ulps
from optional import require
from reference import dtype_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
loss_of, exact_of = ff.binary_cross_entropy_with_logits, oracle.binary_cross_entropy_with_logits

# In units in the last place: 2**-32 before it is rounded, for all but float64.
BOUNDS = {"float64": 2, "float32": 0.5 + 2.0**-8, "float16": 0.5 + 2.0**-21, "bfloat16": 0.5 + 2.0**-24}
GRADIENT_BOUNDS = {"float64": 1e-15, "float32": 2.0**-32, "float16": 2.0**-32, "bfloat16": 2.0**-32}


def check(found, right, x, bound):
    error = ulps(found, right)
    worst = int(error.argmax())
    assert error.flat[worst] <= bound, (error.flat[worst], float(x.flat[worst]).hex(), found.flat[worst])
    assert not np.signbit(found[~np.isnan(found)]).any()


def check_gradient(found, parts, x, bound):
    error = gradient_errors(found, *parts)
    worst = int(error.argmax())
    assert error[worst] <= bound, (error[worst], float(x.flat[worst]).hex(), found.flat[worst])


# ---- the loss ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("label", [*LABELS, "hard", "soft"])
def test_each_loss_and_gradient_is_exact(label, name):
    z = some_logits(name, 800)
    y = some_labels(z.shape, label) if isinstance(label, str) else np.full(z.shape, label)
    right, *parts = exact_of(y, z, reduction="none", return_parts=True)
    found, gradient = loss_of(y, z, reduction="none", return_grad=True)
    assert found.dtype == gradient.dtype == z.dtype and found.shape == gradient.shape == z.shape
    check(found, right, z, BOUNDS[name])
    check_gradient(gradient, parts, z, GRADIENT_BOUNDS[name])
    assert np.isfinite(found).all()


@pytest.mark.parametrize("label", [0, 1, 0.3])
def test_float64_at_all_edges_and_exponents(label):
    parts = [elementary.doubles("softplus", 2000, seed) for seed in (0, 1)]
    z = np.concatenate([*parts, -parts[1], elementary.edges(np.float64, 2).ravel()])
    check(loss_of(np.full(z.shape, label), z, reduction="none"), exact_of(label, z, reduction="none"), z, 2)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_float32_over_all_bit_patterns(kind):
    """NumPy's float64 is exact to some 2**-22 units of float32."""
    z = np.concatenate([elementary.singles(1 << 18), elementary.edges(np.float32, 100).ravel()])
    y = some_labels(z.shape, kind, "float32")
    error = elementary.ulps(loss_of(y, z, reduction="none"), oracle.wide_with_logits(y, z))
    error[np.isinf(z)] = 0
    assert error.max() <= BOUNDS["float32"]


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("label", [0, 1, 0.3])
def test_every_16_bit_logit_is_all_but_correctly_rounded(label, name):
    z = np.arange(1 << 16, dtype=np.uint16).view(dtype_of(name))
    z = z[np.isfinite(z.astype(np.float32))]
    found = loss_of(np.full(z.shape, label), z, reduction="none")
    right = oracle.wide_with_logits(label, z)
    error = np.abs(found.astype(np.float64) - right) / elementary.narrow_unit(right, z.dtype)
    assert error.max() <= 0.5 + 2.0**-20


@pytest.mark.parametrize(("label", "logit", "loss"), [
    (1, 17, 4.139937633089748e-08), (0, -17, 4.139937633089748e-08), (1, -17, 17.000000041399375),
    (1, 50, 1.9287498479639178e-22), (0, 50, 50), (1, 100, 3.720075976020836e-44), (0, -100, 3.720075976020836e-44),
    (1, -100, 100), (1, 745, 5e-324), (0, -745, 5e-324), (0, 745, 745), (1, 746, 0), (0, 8e7, 8e7), (1, 8e7, 0),
    (1, -1e308, 1e308), (0, 1e308, 1e308), (1, 1e308, 0), (0.5, 1e308, 5e307), (0, 0, 0.6931471805599453),
    (1, 5e-324, 0.6931471805599453), (0, -1e-310, 0.6931471805599453), (0.5, 0, 0.6931471805599453),
    (-0.0, -100, 3.720075976020836e-44), (1, 709, 1.216780750623423e-308), (1e-300, -1e5, 1e-295),
])
def test_tails(label, logit, loss):
    y, z = np.array([label], float), np.array([logit], float)
    assert ulps(np.float64(loss), exact_of(y, z)) <= 0.51
    for reduction in ("mean", "sum", "none"):
        found = np.ravel(loss_of(y, z, reduction=reduction))[0]
        assert found == loss or abs(found - loss) <= 2 * math.ulp(loss), reduction


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(("label", "logit", "loss", "gradient"), [
    (1, inf, 0, 0), (0, -inf, 0, 0), (1, -inf, inf, -1), (0, inf, inf, 1), (0.25, inf, inf, 0.75),
    (0.25, -inf, inf, -0.25), (nan, 1, nan, nan), (nan, inf, nan, nan), (nan, -inf, nan, nan), (0, nan, nan, nan),
    (1, nan, nan, nan), (0.5, nan, nan, nan), (-0.0, -inf, 0, 0),
])
def test_infinite_logits_and_nan(label, logit, loss, gradient, name):
    z = np.array([1, logit, 2, -3], dtype_of(name))
    y = np.array([0, label, 0.5, 1], dtype_of(name))
    found, slope = loss_of(y, z, reduction="none", return_grad=True)
    assert np.array_equal(found.astype(float)[1], loss, equal_nan=True)
    assert np.array_equal(slope.astype(float)[1], gradient, equal_nan=True)
    rest, rest_slope = loss_of(y[[0, 2, 3]], z[[0, 2, 3]], reduction="none", return_grad=True)
    assert np.array_equal(found[[0, 2, 3]], rest) and np.array_equal(slope[[0, 2, 3]], rest_slope)
    total = loss_of(y, z, reduction="sum")
    if math.isfinite(loss):
        assert total == pytest.approx(loss_of(y[[0, 2, 3]], z[[0, 2, 3]], reduction="sum"), rel=1e-9)
    else:
        assert np.array_equal(total, loss, equal_nan=True)


@pytest.mark.parametrize("name", FLOATS)
def test_nan_of_every_kind_stays(name):
    for values in arrays.bad_values(name)["nan"].reshape(-1, 1):
        for y, z in ((values, [1.0]), (np.array([1.0]), values), (values, values)):
            found, gradient, info = loss_of(y, z, reduction="none", return_grad=True, return_info=True)
            assert np.isnan(found).all() and np.isnan(gradient).all() and info.nan == 1
            assert math.isnan(loss_of(y, z))


# ---- pos_weight --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("label", [0, 1, "hard", "soft"])
@pytest.mark.parametrize("pos_weight", [0, 0.37, 1, 7, "any"])
def test_pos_weight_is_exact(label, pos_weight, name):
    """Where the unweighted loss is a normal number; what is below, is looked at on its own."""
    z = some_logits(name, 400)
    z = z[np.abs(z.astype(np.float64)) < 700] if name == "float64" else z
    y = some_labels(z.shape, label) if isinstance(label, str) else np.full(z.shape, label)
    factor = np.random.default_rng(1).exponential(size=z.shape) if pos_weight == "any" else pos_weight
    right, *parts = exact_of(y, z, pos_weight=factor, reduction="none", return_parts=True)
    found, gradient = loss_of(y, z, pos_weight=factor, reduction="none", return_grad=True)
    check(found, right, z, BOUNDS[name])
    check_gradient(gradient, parts, z, GRADIENT_BOUNDS[name])
    total = loss_of(y, z, pos_weight=factor, reduction="sum")
    assert relative(total, gmpy2.fsum(right)) <= (1e-15 if name == "float64" else 2.0**-32)


@pytest.mark.parametrize("pos_weight", [7, 1000, 1e10])
def test_pos_weight_of_a_loss_below_the_normal_numbers(pos_weight):
    z = np.linspace(708, 746, 200)
    y = np.ones(z.shape)
    check(loss_of(y, z, pos_weight=pos_weight, reduction="none"),
          exact_of(y, z, pos_weight=pos_weight, reduction="none"), z, 2)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("kind", ["hard", "soft"])
@pytest.mark.parametrize("one", [1, np.ones((1, 1), np.float16)], ids=["number", "array"])
def test_pos_weight_of_1_changes_nothing(one, kind, name):
    z = some_logits(name, 2000).reshape(4, -1)
    y = some_labels(z.shape, kind)
    plain = loss_of(y, z, reduction="none", return_grad=True)
    weighted = loss_of(y, z, pos_weight=one, reduction="none", return_grad=True)
    assert plain[1].tobytes() == weighted[1].tobytes()
    different = np.count_nonzero(plain[0] != weighted[0])
    assert different == 0


def test_pos_weight_of_0_and_infinite_logits():
    y, z = np.array([1, 0.5, 1, 0, 0.5, 1]), np.array([-inf, -inf, 3, inf, inf, nan])
    found, gradient = loss_of(y, z, pos_weight=0, reduction="none", return_grad=True)
    assert np.array_equal(found, [0, 0, 0, inf, inf, nan], equal_nan=True)
    assert np.array_equal(gradient, [0, 0, 0, 1, 0.5, nan], equal_nan=True)
    found = loss_of(y, z, pos_weight=2, reduction="none")
    assert np.array_equal(found[[0, 1, 3, 4, 5]], [inf, inf, inf, inf, nan], equal_nan=True)


def test_pos_weight_and_weight_multiply():
    z = some_logits("float64", 1000)
    z = z[np.abs(z) < 700]
    y = some_labels(z.shape, "soft")
    w, p = np.random.default_rng(2).exponential(size=(2, *z.shape))
    right, *parts = exact_of(y, z, weight=w, pos_weight=p, reduction="none", return_parts=True)
    found, gradient = loss_of(y, z, weight=w, pos_weight=p, reduction="none", return_grad=True)
    check(found, right, z, 2.5)     # the product is rounded once more
    check_gradient(gradient, parts, z, 2e-15)


# ---- the gradient ------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [0, 1])
def test_the_gradient_of_hard_labels_is_exact_in_both_tails(label):
    """s(z) - 1 would be 0 from z = 37 on."""
    z = np.concatenate([np.linspace(-708, 708, 2001), 10.0 ** np.linspace(-300, 2, 200)])
    _, *parts = exact_of(label, z, reduction="none", return_parts=True)
    _, gradient = loss_of(np.full(z.shape, label), z, reduction="none", return_grad=True)
    assert (gradient <= 0).all() if label else (gradient >= 0).all()
    errors = [relative(found, one - other) for found, one, other in zip(gradient.tolist(), *parts)]
    assert max(errors) <= 1e-15


@pytest.mark.parametrize(("label", "logit", "gradient"), [
    (1, 50, -1.9287498479639178e-22), (0, -50, 1.9287498479639178e-22), (1, 100, -3.720075976020836e-44),
    (1, 700, -9.859676543759770e-305), (0, -745, 5e-324), (1, 745, -5e-324), (0, 50, 1), (1, -50, -1), (1, 1e308, 0),
    (0, -1e308, 0), (0, 1e308, 1), (0.5, 0, 0), (0.25, 0, 0.25), (0.75, 800, 0.25), (0.75, -800, -0.75),
])
def test_gradients(label, logit, gradient):
    _, found = loss_of([label], [float(logit)], return_grad=True)
    assert found[0] == gradient or abs(found[0] - gradient) <= 4 * math.ulp(gradient)


@pytest.mark.parametrize("label", [0, 1, 0.3, 1e-9])
@pytest.mark.parametrize("pos_weight", [1, 2.5])
def test_the_gradient_is_the_derivative_of_the_loss(label, pos_weight):
    """By differences of the exact loss."""
    z = np.concatenate([np.linspace(-40, 40, 41), [-300, 300]])
    with gmpy2.context(precision=oracle.PRECISION):
        step = gmpy2.exp2(-60)
        y, factor = gmpy2.mpfr(label), gmpy2.mpfr(pos_weight)
        slopes = [(oracle.of_logit(y, x + step, factor)[0] - oracle.of_logit(y, x - step, factor)[0]) / (2 * step)
                  for x in map(gmpy2.mpfr, z.tolist())]
    _, gradient = loss_of(np.full(z.shape, label), z, pos_weight=pos_weight, reduction="sum", return_grad=True)
    np.testing.assert_allclose(gradient, [float(slope) for slope in slopes], rtol=1e-14, atol=1e-35)


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_gradients_of_a_narrow_dtype_may_be_kept_in_float64(name):
    z = some_logits("float32", 1000).astype(name)
    z = z[np.abs(z) < 100]
    y = some_labels(z.shape, "soft")
    wide = np.empty(z.shape)
    found = loss_of(y, z, reduction="sum", grad_out=wide)
    assert found[1] is wide
    _, *parts = exact_of(y, z, reduction="none", return_parts=True)
    check_gradient(wide, parts, z, GRADIENT_BOUNDS[name])


@pytest.mark.parametrize("name", ["float16", "float32", "bfloat16"])
@pytest.mark.parametrize(("label", "logit", "gradient"), [(1, inf, 0), (0, -inf, 0), (0, inf, 1), (1, -inf, -1)])
def test_gradients_of_infinite_logits_kept_in_float64(label, logit, gradient, name):
    wide = np.empty(1)
    loss_of(np.array([label], np.float32), np.array([logit], dtype_of(name)), grad_out=wide)
    assert wide[0] == gradient


# ---- what is told ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS)
def test_saturated_are_those_whose_sigmoid_is_0_or_1(name):
    """Also next to where it begins, and whatever labels and weights are."""
    dtype = dtype_of(name)
    z = np.concatenate([some_logits(name, 1000), arrays.bad_values(name)["posinf"], arrays.bad_values(name)["neginf"]])
    bits = f"i{dtype.itemsize}"
    edges = np.array([8.3, 9, 9.7, 17, 17.3, 36.7, 37.4, 88.7, 92.9, 103.97, 744.4, 745.1], dtype)
    near = (edges.view(bits)[:, None] + np.arange(-40, 41)).astype(bits).ravel().view(dtype)
    z = np.concatenate([z, near, -near, np.array([nan], dtype)])
    s = ff.sigmoid(z)
    for options in ({}, {"weight": 0}, {"pos_weight": 3}):
        *_, info = loss_of(some_labels(z.shape), z, return_info=True, **options)
        assert info == (0, np.count_nonzero((s == 0) | (s == 1)), 1) and type(info) is ff.LossInfo
    certain = [loss_of([0], np.array([x], dtype), return_info=True)[1].saturated for x in (1, 5, -5, 800, -800)]
    assert certain == [0, 0, 0, 1, 1]


def test_saturated_integers_are_counted_as_float64():
    *_, info = loss_of([0, 1, 0, 1, 0], [36, 38, -744, -746, 0], return_info=True)
    assert info.saturated == 2


# ---- the same elsewhere ------------------------------------------------------------------------------


def test_scipy_says_the_same():
    special = require("scipy.special")
    z = np.random.default_rng(0).standard_normal(2000) * 20
    y = some_labels(z.shape, "soft")
    right = -(y * special.log_expit(z) + (1 - y) * special.log_expit(-z))
    np.testing.assert_allclose(loss_of(y, z, reduction="none"), right, rtol=1e-14)


def test_the_loss_of_the_probabilities_is_the_same_where_they_hold_what_the_logits_say():
    z = np.linspace(-30, 5, 1001)
    y = some_labels(z.shape)
    np.testing.assert_allclose(loss_of(y, z, reduction="none"),
                               ff.binary_cross_entropy(y, ff.sigmoid(z), reduction="none"), rtol=3e-14)
