"""cross_entropy: exact when a model is sure, right or wrong; labels, weights and gradients of every kind."""

import math
import re

import arrays
import gmpy2
import numpy as np
import pytest
import row_reference as oracle
from hypothesis import given
from hypothesis import strategies as st
from loss_reference import FLOATS, canonical, exact_sum
from memory import MEGABYTE, peak_of
from optional import require
from reference import dtype_of
from row_reference import MODES, check, check_losses, errors, flush_to_zero, some_labels, some_rows

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
loss_of = ff.cross_entropy
INTEGERS = [name for name in arrays.INTEGERS if name != "bool"]
KINDS = ("classes", "one-hot", "shares", "any")
WRITABLE = [name for name in arrays.LAYOUTS if name not in ("read-only", "subclass")]
every_kind = pytest.mark.parametrize("kind", KINDS)


def same(one, other):
    """Equal bits of arrays or numbers, whatever nan it is."""
    one, other = np.asarray(one), np.asarray(other)
    return one.dtype == other.dtype and one.shape == other.shape and canonical(one) == canonical(other)


@np.errstate(all="ignore")
def ordinary(shape, dtype="float64", seed=0):
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype_of(dtype))


def finite_rows(name, length, seed=0):
    """Rows of every kind without -inf, whose losses are numbers."""
    x = some_rows(name, length, seed)
    wide = np.abs(x.astype(np.float64)).max(-1)
    return x[wide < 1e300]


def answers(y, x, **options):
    """Everything there is to ask."""
    found = [loss_of(y, x, reduction=reduction, return_grad=True, **options) for reduction in ("mean", "sum", "none")]
    return [canonical(part) for pair in found for part in pair]


# ---- exactness ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS)
@every_kind
@pytest.mark.parametrize("length", [1, 2, 3, 10, 256, 257])
def test_each_loss_and_gradient_is_exact(length, kind, name):
    """The gradient of hard labels by its own size: softmax - 1 would cancel."""
    for seed in range(3 if length < 20 else 1):
        x = finite_rows(name, length, seed)[:: 1 if length < 20 else 2]
        check_losses(some_labels(x.shape, kind, seed=seed), x, soft=kind in ("shares", "any"))


@pytest.mark.parametrize("length", [256, 1500])
def test_errors_of_equal_terms_do_not_add_up(length):
    """A sum of many equal numbers rounds the same way each time, over classes and over soft labels."""
    x = np.full((2, length), -0.1)
    x[:, length // 3] = 0.7
    check_losses(np.array([0, length // 3]), x)
    check_losses(np.full(x.shape, 0.1), x, soft=True)


@pytest.mark.parametrize(("logits", "label", "loss"), [
    ([40, 0, 0], 0, 8.496708510583178e-18), ([40, 0], 0, 4.248354255291589e-18), ([0, 40], 0, 40.0),
    ([700, 0], 0, 9.859676543759770e-305), ([745, 0], 0, 5e-324), ([746, 0], 0, 0), ([1e300, 0], 0, 0),
    ([0, 800], 0, 800), ([800, 0, 800], 1, 800 + math.log(2)), ([0, 1e308], 0, 1e308), ([-1e308, 1e308], 0, inf),
    ([0, 0], 1, math.log(2)), ([1000, 1000], 0, math.log(2)), ([-1000] * 10, 3, math.log(10)), ([17], 0, 0),
    ([17, 0], 0, 4.139937633089748e-08), ([17, 0], 1, 17.00000004139938), ([0, -inf], 0, 0), ([0, -inf], 1, inf),
    ([0, 0, -inf], 1, math.log(2)), ([0.5, 0.5 + 2.0**-52], 0, math.log(2)), ([1e-8, -1e-8, 0], 2, math.log(3)),
    ([1e300, 1e283], 1, 1e300), ([1e4, 0, -1e4], 2, 2e4), ([-1e-320, 0], 0, math.log(2)),
])
def test_losses(logits, label, loss):
    """As a class, and as a row; alone, and among many classes that are out."""
    for more in (0, 300):
        x = np.array([logits + [-inf] * more], float)
        for y in ([label], np.eye(x.shape[1])[[label]]):
            for reduction in ("mean", "sum", "none"):
                found = float(np.ravel(loss_of(y, x, reduction=reduction))[0])
                assert found == loss or abs(found - loss) <= 3 * math.ulp(loss), (reduction, more, found)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(("gap", "label"), [(5, 0), (9, 0), (9, 1), (87, 0), (103, 0), (104, 1), (120, 0), (200, 0),
                                            (690, 0), (inf, 0)])
def test_sums_of_losses_that_narrow_dtypes_do_not_hold(gap, label, name):
    """Sums are float64, of losses that are not rounded before."""
    x = np.zeros((1000, 3), dtype_of(name))
    x[:, 1:] = -gap
    y = np.full(1000, label)
    right = 1000 * float(oracle.cross_entropy([label], x[:1])[0][0])
    assert loss_of(y, x, reduction="sum") == pytest.approx(right, rel=2.0**-30, abs=5e-321)
    assert loss_of(y, x) == pytest.approx(right / 1000, rel=2.0**-30, abs=5e-324)


# ---- infinity and nan --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("kind", ["classes", "one-hot"])
@pytest.mark.parametrize(("row", "label", "loss", "gradient"), [
    ([0, -inf, 0], 1, inf, [0.5, -1, 0.5]), ([0, -inf, 0], 0, math.log(2), [-0.5, 0, 0.5]),
    ([0, -inf, -inf], 0, 0, [0, 0, 0]), ([-inf, 0, -inf], 0, inf, [-1, 1, 0]),
    ([-inf] * 3, 0, nan, [nan] * 3), ([inf, 0, 0], 0, nan, [nan] * 3), ([inf, 0, 0], 1, nan, [nan] * 3),
    ([inf, inf, 0], 0, nan, [nan] * 3), ([inf, -inf, 0], 1, nan, [nan] * 3), ([nan, 0, 0], 1, nan, [nan] * 3),
    ([0, nan, -inf], 1, nan, [nan] * 3), ([nan, -inf, 0], 1, nan, [nan] * 3), ([nan, inf, 0], 1, nan, [nan] * 3),
])
def test_infinity_and_nan(row, label, loss, gradient, kind, name):
    """In the loss, the sum, and the gradient, also where that is float64; other rows are as they were."""
    for length in (3, 300):
        x = np.full((3, length), -inf, dtype_of(name))
        x[:, :3] = [[1, 2, 3], row, [3, 1, 2]]
        y = np.array([0, label, 2])
        y = y if kind == "classes" else np.eye(length)[y]
        for kept in (name, "float64"):
            found, slope = loss_of(y, x, reduction="none", grad_out=np.empty(x.shape, dtype_of(kept)))
            assert np.allclose(found[1].astype(float), loss, rtol=1e-2, atol=0, equal_nan=True)
            assert np.array_equal(slope[1, :3].astype(float), gradient, equal_nan=True)
            expected = nan if math.isnan(loss) else 0
            assert np.array_equal(slope[1, 3:].astype(float), np.full(length - 3, expected), equal_nan=True)
            rest = loss_of(y[[0, 2]], x[[0, 2]], reduction="none", grad_out=np.empty((2, length), dtype_of(kept)))
            assert same(found[[0, 2]], rest[0]) and same(slope[[0, 2]], rest[1])
        total = loss_of(y, x, reduction="sum")
        assert total == loss if loss == inf else math.isnan(total) == math.isnan(loss)


@pytest.mark.parametrize("name", FLOATS)
def test_nan_of_every_kind_stays(name):
    for value in arrays.bad_values(name)["nan"]:
        for length in (2, 300):
            x, y = np.zeros((2, length), value.dtype), np.full((2, length), 0.5, value.dtype)
            x[1, -1] = y[0, 0] = value
            losses, gradient = loss_of(y, x, reduction="none", return_grad=True)
            assert np.isnan(losses.astype(float)).all() and np.isnan(gradient.astype(float)).all()
            losses, gradient = loss_of([0, 0], x, reduction="none", return_grad=True)
            assert np.isnan(losses.astype(float)).tolist() == [False, True]
            assert np.isnan(gradient.astype(float)).all(1).tolist() == [False, True] and math.isnan(loss_of(y, x))


def test_a_label_of_0_has_no_part_in_the_loss():
    """Though the logit is -inf; any other has."""
    x = np.array([[0, -inf, 0]])
    for zero in (0, -0.0, False):
        assert loss_of([[0.5, zero, 0.5]], x) == pytest.approx(math.log(2), rel=1e-15)
    assert loss_of([[0.5, 5e-324, 0.5]], x) == inf


# ---- labels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS)
def test_classes_of_every_integer_dtype_and_layout(name):
    for shape in ((50, 5), (3, 4, 300)):
        x, y = ordinary(shape, name), some_labels(shape, "classes") % 120
        right = answers(y, x)
        assert answers(y.tolist(), x) == right
        for dtype in INTEGERS:
            assert answers(y.astype(dtype), x) == right
            for layout in arrays.layouts_of(dtype) if dtype in ("int16", "int64", "uint64") else ():
                assert answers(arrays.LAYOUTS[layout](y.astype(dtype)), x) == right, (dtype, layout)


@pytest.mark.parametrize("name", FLOATS)
def test_one_hot_rows_of_every_dtype_and_layout(name):
    for shape in ((50, 5), (3, 4, 300)):
        x, y = ordinary(shape, name), some_labels(shape, "one-hot", bool)
        right, classes = answers(y, x), y.argmax(-1)
        assert loss_of(y, x) == pytest.approx(loss_of(classes, x), rel=1e-15)
        assert answers(y.tolist(), x) == right
        for dtype in (*INTEGERS, *FLOATS, "longdouble", "object"):
            assert answers(y.astype(dtype_of(dtype)), x) == right, dtype
        for layout in arrays.layouts_of("float32"):
            assert answers(arrays.LAYOUTS[layout](y.astype("float32")), x) == right, layout


@pytest.mark.parametrize("dtype", FLOATS)
def test_soft_labels_count_as_the_numbers_that_they_are(dtype):
    x = finite_rows("float64", 10)
    check_losses(some_labels(x.shape, "shares", dtype_of(dtype)), x, soft=True)


@pytest.mark.parametrize(("dtype", "bad", "classes"), [
    *((dtype, bad, classes) for dtype in INTEGERS for bad, classes in ((4, 4), (100, 100), (1, 1))),
    *((dtype, np.iinfo(dtype).max, 3) for dtype in INTEGERS),
    *((dtype, bad, 4) for dtype in INTEGERS if dtype[0] == "i" for bad in (-1, np.iinfo(dtype).min)),
])
def test_classes_that_there_are_not(dtype, bad, classes):
    """Told with how many, the first, and its row."""
    x, y = np.zeros((60, classes)), np.zeros(60, dtype)
    y[[30, 59]] = bad
    say = rf"^y_true must be classes from 0 to {classes - 1}: 2 of 60 are not, the first is {bad}"
    for options in ({}, {"reduction": "none"}, {"return_grad": True}, {"weight": 0}):
        with pytest.raises(ValueError, match=f"{say} in row 30(;.*)?$"):
            loss_of(y, x, **options)
    with pytest.raises(ValueError, match=rf"{say} in row \(2, 0, 0\)(;.*)?$"):
        loss_of(y.reshape(4, 3, 5), x.reshape(4, 3, 5, classes))
    say = rf"^y_true must be classes from 0 to {classes - 1}: 1 of 1 is not, the first is {bad}\b"
    with pytest.raises(ValueError, match=say):
        loss_of(y[30], x[0])


@pytest.mark.parametrize(("label", "dtype"), [
    ([0.0, 1.0], "float64"), (np.zeros(2, np.float32), "float32"), ([True, False], "bool"),
    (arrays.clean("bfloat16", 2), "bfloat16"), (np.array([0, 1], np.longdouble), "float64"), ([nan, 0], "float64"),
])
def test_labels_for_each_row_that_are_no_integers(label, dtype):
    say = f"y_true must hold integers where it has one label for each row of logits, not {dtype}"
    with pytest.raises(TypeError, match=f"^{re.escape(say)}"):
        loss_of(label, np.zeros((2, 3)))


@pytest.mark.parametrize(("labels", "logits"), [
    ((5, 1), (5, 3)), ((1, 5), (5, 3)), ((3,), (5, 3)), ((4,), (5, 3)), ((6,), (5, 3)), ((), (5, 3)), ((1,), (5, 3)),
    ((5, 4), (5, 3)), ((3, 5), (5, 3)), ((5, 3, 1), (5, 3)), ((1,), (3,)), ((4,), (3,)), ((0,), (5, 3)),
    ((5, 0), (5, 3)), ((2, 3), (2, 3, 4, 5)), ((3, 2), (2, 3, 4)), ((6,), (2, 3, 4)), ((1,), (0, 3)),
])
@pytest.mark.parametrize("dtype", [int, float])
def test_shapes_must_match(labels, logits, dtype):
    say = re.escape(f"y_true must have the shape {logits[:-1]}, of classes, or {logits}, of rows of probabilities")
    with pytest.raises(ValueError, match=f"^{say}.*its shape is {re.escape(str(labels))}(;.*)?$"):
        loss_of(np.zeros(labels, dtype), np.zeros(logits))


@pytest.mark.parametrize(("dtype", "bad"), [
    ("int8", -1), ("int8", 2), ("uint8", 255), ("int64", -(2**63)), ("uint64", 2**64 - 1), ("float16", 1.001),
    ("float32", np.nextafter(np.float32(1), np.float32(2))), ("float32", -1e-45), ("float64", np.nextafter(1.0, 2)),
    ("float64", -5e-324), ("float64", inf), ("float64", -inf), ("bfloat16", 1.01), (">f8", 1.5),
])
def test_soft_labels_outside_0_to_1(dtype, bad):
    y = np.zeros((70, 10), dtype_of(dtype))
    y[[30, 69], [1, 9]] = bad
    say = re.escape(f"y_true must be from 0 to 1: 2 of 700 are not, the first is {y[30, 1]} at index")
    with pytest.raises(ValueError, match=rf"^{say} \(30, 1\)(;.*)?$"):
        loss_of(y, np.zeros((70, 10)))
    with pytest.raises(ValueError, match=f"^{say} 301(;.*)?$"):
        loss_of(y.ravel(), np.zeros(700))


@pytest.mark.parametrize(("value", "dtype"), [
    (np.zeros((2, 3), complex), "complex128"), ([["0"] * 3] * 2, "<U1"), (np.zeros((2, 3), "M8[s]"), "datetime64"),
    (np.array([["0"] * 3] * 2, object), "object"), (np.array([[1j] * 3] * 2, object), "object"),
])
def test_what_is_no_real_number_is_a_type_error(value, dtype):
    for arguments, options, name in (((value, np.zeros((2, 3))), {}, "y_true"), (([1, 0], value), {}, "logits"),
                                     (([1, 0], np.zeros((2, 3))), {"weight": value[0][:1]}, "weight")):
        with pytest.raises(TypeError, match=f"^{name} must hold real numbers, not .*{dtype[:2]}"):
            loss_of(*arguments, **options)


@pytest.mark.parametrize("name", ["y_true", "logits", "weight"])
def test_masked_arrays_are_refused(name):
    inputs = {"y_true": np.array([1, 0]), "logits": np.zeros((2, 3)), "weight": np.ones(2)}
    inputs[name] = np.ma.array(inputs[name], mask=inputs[name] > 1)
    with pytest.raises(TypeError, match=f"^{name} must not be a masked array"):
        loss_of(**inputs)


# ---- shapes and what is returned ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7,), (1, 7), (7, 1), (2, 3, 4), (1, 1, 1), (1,) * 20, (2,) * 8], ids=str)
@every_kind
def test_results_have_the_shape_of_the_rows(shape, kind):
    x, y = ordinary(shape), some_labels(shape, kind)
    rows = x.reshape(-1, shape[-1])
    flat = y.reshape(-1) if kind == "classes" else y.reshape(rows.shape)
    losses, gradient = loss_of(y, x, reduction="none", return_grad=True)
    right = loss_of(flat, rows, reduction="none", return_grad=True)
    assert losses.shape == shape[:-1] and gradient.shape == shape
    assert same(np.ravel(losses), right[0]) and same(gradient.reshape(rows.shape), right[1])
    assert same(loss_of(y, x), loss_of(flat, rows))


@pytest.mark.parametrize("name", [*FLOATS, "int64", "uint8", "bool", ">f4", "longdouble", "object"])
def test_dtypes_of_results(name):
    x = np.array([[0, 1, 1], [1, 0, 0]]).astype(dtype_of(name))
    dtype = dtype_of(name if name in FLOATS else "float32" if name == ">f4" else "float64")
    losses, gradient = loss_of([0, 2], x, reduction="none", return_grad=True)
    assert type(losses) is type(gradient) is np.ndarray and losses.dtype == gradient.dtype == dtype
    right = loss_of([0, 2], x.astype(dtype), reduction="none", return_grad=True)
    assert same(losses, right[0]) and same(gradient, right[1])
    for reduction in ("mean", "sum"):
        loss, gradient = loss_of([0, 2], x, reduction=reduction, return_grad=True)
        assert type(loss) is float is type(loss_of([0, 2], x, reduction=reduction)) and gradient.dtype == dtype


def test_what_was_asked_for_comes_in_order():
    y, x, grad = [0, 2], ordinary((2, 3)), np.empty((2, 3))
    right, gradient = loss_of(y, x, return_grad=True)
    assert loss_of(y, x) == loss_of(y, x, return_grad=False) == right
    for options in ({}, {"return_grad": True}, {"return_grad": False}):
        loss, found = loss_of(y, x, grad_out=grad, **options)
        assert loss == right and found is grad and same(grad, gradient)


def test_one_row():
    x = ordinary(5)
    losses, gradient = loss_of(3, x, reduction="none", return_grad=True)
    assert losses.shape == () and gradient.shape == (5,)
    right = loss_of([3], x[None], reduction="none", return_grad=True)
    assert losses == right[0][0] and same(gradient, right[1][0])
    for y in (3, np.array(3), np.uint8(3), np.eye(5)[3]):
        assert type(loss_of(y, x)) is float and loss_of(y, x) == pytest.approx(float(losses), rel=1e-15)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (0, 1), (0, 0), (2, 0, 0)], ids=str)
@pytest.mark.parametrize("name", [*FLOATS, "int64"])
@every_kind
def test_no_rows(shape, name, kind):
    x, dtype = np.zeros(shape, dtype_of(name)), dtype_of("float64" if name == "int64" else name)
    y = np.zeros(shape[:-1] if kind == "classes" else shape, int if kind == "classes" else float)
    for options in ({}, {"weight": 2}, {"weight": np.ones(shape[:-1])}):
        mean, total = loss_of(y, x, **options), loss_of(y, x, reduction="sum", **options)
        assert math.isnan(mean) and total == 0 and type(mean) is type(total) is float
        losses, gradient = loss_of(y, x, reduction="none", return_grad=True, **options)
        assert same(losses, np.zeros(shape[:-1], dtype)) and same(gradient, np.zeros(shape, dtype))


@pytest.mark.parametrize("shape", [(3, 0), (2, 3, 0), (0,)], ids=str)
def test_no_classes(shape):
    say = re.escape(f"logits must have at least one class; their shape is {shape}")
    with pytest.raises(ValueError, match=f"^{say}(;.*)?$"):
        loss_of(np.zeros(shape), np.zeros(shape))
    with pytest.raises(ValueError, match="class"):
        loss_of(np.zeros(shape[:-1], int), np.zeros(shape))


@pytest.mark.parametrize("logits", [3.0, np.float32(1), np.array(2)])
def test_logits_without_an_axis(logits):
    with pytest.raises(ValueError, match=r"^logits must have an axis of classes"):
        loss_of(0, logits)


@pytest.mark.parametrize("name", FLOATS)
def test_one_class_is_certain(name):
    x = np.array([[0], [7], [-3], [1e4], [inf], [-inf], [nan]], np.float32).astype(dtype_of(name))
    right = [0, 0, 0, 0, nan, nan, nan]
    for y in (np.zeros(7, int), np.ones((7, 1))):
        losses, gradient = loss_of(y, x, reduction="none", return_grad=True)
        assert np.array_equal(losses.astype(float), right, equal_nan=True)
        assert np.array_equal(gradient.astype(float).ravel(), right, equal_nan=True)
        assert loss_of(y[:4], x[:4]) == loss_of(y[:4], x[:4], reduction="sum") == 0


@pytest.mark.parametrize("reduction", ["Mean", "average", "", None, 0, b"mean", ["mean"], np.mean])
def test_a_reduction_that_there_is_not(reduction):
    say = re.escape(f"reduction must be one of 'mean', 'sum', 'none', not {reduction!r}")
    with pytest.raises(ValueError, match=f"^{say}(;.*)?$"):
        loss_of([1], [[0.5, 0]], reduction=reduction)


def test_only_labels_and_logits_go_without_a_name():
    with pytest.raises(TypeError, match="positional"):
        loss_of([0], [[1.0, 2.0]], "mean")


# ---- sums --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classes", "shares"])
def test_a_million_rows_are_summed_exactly(kind):
    x = np.tile(ordinary((100_000, 4)), (10, 1)) + np.repeat(np.arange(10.0), 100_000)[:, None] * [1, 0, 0, 0]
    y = some_labels(x.shape, kind)
    right = exact_sum(loss_of(y, x, reduction="none"))
    assert loss_of(y, x, reduction="sum") == pytest.approx(right, rel=1e-15, abs=0)
    assert loss_of(y, x) == pytest.approx(right / len(x), rel=1e-15, abs=0)


def test_terms_of_very_different_sizes():
    """Among them one that is larger than all the others, and losses that are small beside it."""
    x = np.zeros((300_001, 2))
    x[:, 1] = -30
    x[150_000, 1] = 1e6
    y = np.zeros(len(x), int)
    right = exact_sum(loss_of(y, x, reduction="none"))
    assert right - 1e6 > 2e-8 and loss_of(y, x, reduction="sum") == right
    weight = np.linspace(0, 3, len(x))
    right = exact_sum(loss_of(y, x, reduction="none", weight=weight))
    assert loss_of(y, x, reduction="sum", weight=weight) == pytest.approx(right, rel=1e-15, abs=0)


@pytest.mark.parametrize("name", ["float32", "float16"])
def test_narrow_logits_are_summed_in_float64_without_rounding_losses(name):
    x = ordinary((100_000, 5), name)
    y, wide = some_labels(x.shape, "classes"), x.astype(np.float64)
    losses = np.log(np.exp(wide).sum(1)) - wide[np.arange(len(x)), y]
    assert loss_of(y, x, reduction="sum") == pytest.approx(exact_sum(losses), rel=1e-9, abs=0)
    weight = np.random.default_rng(1).random(len(x))
    assert loss_of(y, x, weight=weight) == pytest.approx(exact_sum(weight * losses) / len(x), rel=1e-9, abs=0)


@pytest.mark.parametrize(("rows", "total"), [
    ([[0, 1e308]] * 3, inf), ([[0, 1e308]] * 3 + [[-inf, 0]], inf), ([[0, 1e308]] * 3 + [[nan, 0]], nan),
    ([[0, 1.5e308], [-inf, 0], [inf, 0]], nan), ([[0, 1e308], [0, 7e307]], 1.7e308), ([[-inf, 0]] * 2, inf),
    ([[-1e308, 1e308], [0, 0]], inf),
])
def test_sums_that_overflow_are_inf_without_a_word(rows, total):
    x, y = np.array(rows), np.zeros(len(rows), int)
    for labels in (y, np.eye(2)[y]):
        found = loss_of(labels, x, reduction="sum")
        assert found == total or (math.isnan(found) and math.isnan(total))
        assert math.isfinite(loss_of(labels, x)) == math.isfinite(total)


@pytest.mark.parametrize("name", FLOATS)
@every_kind
def test_a_mean_is_the_sum_over_the_number_of_rows(name, kind):
    x = finite_rows(name, 7)
    y, weight = some_labels(x.shape, kind), np.random.default_rng(1).exponential(size=len(x))
    size = 2 if kind in ("shares", "any") else 1     # of what oracle.cross_entropy returns
    for factors, options, bound in ((np.ones(len(x)), {}, 1), (weight, {"weight": weight}, 2)):
        mean, gradient = loss_of(y, x, return_grad=True, **options)
        total, slope = loss_of(y, x, reduction="sum", return_grad=True, **options)
        _, each = loss_of(y, x, reduction="none", return_grad=True, **options)
        assert mean == total / len(x) and same(slope, each)
        exact = oracle.cross_entropy(y, x)
        for found, scale in ((gradient, factors / len(x)), (slope, factors)):
            right = [multiplied(exact[i], scale[:, None]) for i in (1, size)]
            check(errors(found, *right), oracle.BOUNDS["gradient"][name] + bound + (size == 2), name)
        right = float(gmpy2.fsum(multiplied(exact[0], factors)))
        assert total == pytest.approx(right, rel=1e-15 if name == "float64" else 2.0**-30, abs=0)


@oracle.exactly
def multiplied(numbers, factors):
    """MPFR numbers by float64 numbers, without rounding."""
    factors = np.broadcast_to(factors, numbers.shape)
    return oracle.as_array([a * gmpy2.mpfr(b) for a, b in zip(numbers.flat, factors.ravel().tolist())], numbers.shape)


# ---- weights -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS)
@every_kind
def test_weighted_losses(name, kind):
    x = finite_rows(name, 6)
    y, weight = some_labels(x.shape, kind), np.random.default_rng(1).exponential(size=len(x))
    right = multiplied(oracle.cross_entropy(y, x)[0], weight)
    losses = loss_of(y, x, weight=weight, reduction="none")
    normal = np.array([abs(one) > 1e-300 for one in right])
    check(errors(losses, right)[normal], oracle.BOUNDS["loss"][name] + 0.5)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("zero", [0, -0.0, False])
@pytest.mark.parametrize("length", [2, 300])
def test_a_weight_of_0_makes_exactly_0(zero, name, length):
    """Of nan and inf, too, in the loss, the gradient and the sum."""
    x = np.full((8, length), -inf, dtype_of(name))
    x[:, :2] = [[nan, 0], [0, nan], [inf, 0], [-inf, 0], [-inf, -inf], [0, 1], [0, 0], [nan, inf]]
    soft = np.zeros((8, length))
    soft[:, 0], soft[6, 1] = 1, nan
    for y in (np.zeros(8, int), soft):
        losses, gradient = loss_of(y, x, weight=zero, reduction="none", return_grad=True)
        assert same(losses, np.zeros(8, x.dtype)) and same(gradient, np.zeros(x.shape, x.dtype))
        assert loss_of(y, x, weight=zero) == loss_of(y, x, weight=zero, reduction="sum") == 0
        weight = np.zeros(8)
        weight[5] = 2
        one, slope = loss_of(y[5:6], x[5:6], weight=2, reduction="sum", return_grad=True)
        assert loss_of(y, x, weight=weight, reduction="sum") == one
        total, gradient = loss_of(y, x, weight=weight, return_grad=True)
        assert total == one / 8 and np.isfinite(gradient.astype(float)).all() and not gradient[:5].any()
        assert np.allclose(gradient[5].astype(float), slope[0].astype(float) / 8, rtol=1e-2)


def test_a_weight_that_is_hardly_more_than_0_is_not_0():
    x = np.array([[nan, 0], [0, 0]])
    for reduction in ("mean", "sum"):
        loss, gradient = loss_of([0, 0], x, weight=5e-324, reduction=reduction, return_grad=True)
        assert math.isnan(loss) and np.isnan(gradient[0]).all() and not np.isnan(gradient[1]).any()


@pytest.mark.parametrize("shape", [(), (1,), (4,), (1, 4), (3, 1), (3, 4), (1, 1)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int8", "uint64", "bool", ">f8", "O"])
def test_weights_are_broadcast_to_the_rows(shape, dtype):
    x = ordinary((3, 4, 5))
    y = some_labels(x.shape, "classes")
    weight = np.random.default_rng(2).integers(0, 4, shape).astype(dtype_of(dtype))
    full = np.broadcast_to(weight, (3, 4)).astype(np.float64)
    assert answers(y, x, weight=weight) == answers(y, x, weight=full)
    plain, slope = loss_of(y, x, reduction="none", return_grad=True)
    losses, gradient = loss_of(y, x, reduction="none", return_grad=True, weight=weight)
    assert same(losses, full * plain) and same(gradient + 0.0, slope * full[..., None] + 0.0)


def test_factors_of_classes():
    x, class_weight = ordinary((50, 3)), np.array([1, 0, 2.5])
    y = some_labels(x.shape, "classes")
    losses = loss_of(y, x, reduction="none", weight=class_weight[y])
    assert same(losses, class_weight[y] * loss_of(y, x, reduction="none"))


@pytest.mark.parametrize(("dtype", "bad"), [
    ("float64", -1), ("float64", nan), ("float64", -5e-324), ("float64", -inf), ("float32", -1e-45), ("float16", nan),
    ("bfloat16", -2), ("int8", -3), ("int64", -(2**63)), (">f8", -1),
])
def test_bad_weights_are_named_with_their_place(dtype, bad):
    x, y, weight = np.zeros((600, 3)), np.zeros(600, int), np.ones(600, dtype_of(dtype))
    weight[[400, 599]] = bad
    say = re.escape(f"weight must be at least 0: 2 of 600 are not, the first is {weight[400]}")
    for options in ({}, {"reduction": "none"}, {"return_grad": True}):
        with pytest.raises(ValueError, match=f"^{say} at index 400(;.*)?$"):
            loss_of(y, x, weight=weight, **options)
    with pytest.raises(ValueError, match=rf"^{say} at index \(2, 0, 0\)(;.*)?$"):
        loss_of(y.reshape(3, 2, 100), x.reshape(3, 2, 100, 3), weight=weight.reshape(3, 2, 100))
    with pytest.raises(ValueError, match=r"^weight must be at least 0: "):
        loss_of(1, np.zeros(2), weight=weight[400])


@pytest.mark.parametrize("shape", [(3,), (2, 1), (1, 4, 1), (0,), (2, 2, 4), (1, 4, 5)])
def test_weights_that_do_not_broadcast(shape):
    say = re.escape(f"weight must broadcast to the shape of the losses, (1, 4); its shape is {shape}")
    with pytest.raises(ValueError, match=f"^{say}(;.*)?$"):
        loss_of(np.zeros((1, 4), int), np.zeros((1, 4, 5)), weight=np.ones(shape))


# ---- the gradient ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("logits", "label", "gradient"), [
    ([40, 0, 0], 0, [-8.496708510583178e-18, 4.248354255291589e-18, 4.248354255291589e-18]),
    ([700, 0], 0, [-9.859676543759770e-305, 9.859676543759770e-305]), ([745, 0], 0, [-5e-324, 5e-324]),
    ([0, 700], 0, [-1, 1]), ([0, 0], 1, [0.5, -0.5]), ([5], 0, [0]), ([1e300, 0], 0, [0, 0]), ([0, 1e300], 0, [-1, 1]),
    ([17, 0], 0, [-4.1399375473943306e-08, 4.1399375473943306e-08]),
])
def test_gradients(logits, label, gradient):
    """Of a class and of a one-hot row: softmax - 1 would be 0 from 37 on."""
    for y in ([label], np.eye(len(logits))[[label]]):
        _, found = loss_of(y, [[float(x) for x in logits]], return_grad=True)
        for one, right in zip(found[0].tolist(), gradient):
            assert one == right or abs(one - right) <= 4 * math.ulp(right), (found, type(y))


@every_kind
def test_the_gradient_is_the_derivative_of_the_loss(kind):
    """By differences of the exact loss."""
    x = np.array([[0, 1, -2, 0.5], [20, -20, 3, 3], [-300, 300, 0, 299], [0, 0, 0, 0]])
    y = some_labels(x.shape, kind)
    _, gradient = loss_of(y, x, reduction="sum", return_grad=True)
    for j in range(x.shape[1]):
        slope = slopes(y, x, np.arange(x.shape[1]) == j)
        np.testing.assert_allclose(gradient[:, j], slope.astype(float), rtol=1e-14, atol=1e-16)


@oracle.exactly
def slopes(y, x, where):
    step = gmpy2.exp2(-60)
    numbers = oracle.as_array(oracle.listed(x, x.shape), x.shape)
    up, down = (oracle.cross_entropy(y, numbers + sign * step * where)[0] for sign in (1, -1))
    return (up - down) / (2 * step)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("kept", FLOATS)
def test_grad_out_of_any_float_dtype(name, kept):
    x = finite_rows(name, 8)
    wide = x.astype(np.float64)
    x = x[np.ptp(wide, axis=-1) < (700 if name == "float64" else 80)]
    for kind in ("classes", "shares"):
        y, grad = some_labels(x.shape, kind), np.empty(x.shape, dtype_of(kept))
        loss, found = loss_of(y, x, reduction="sum", grad_out=grad)
        assert found is grad and loss == loss_of(y, x, reduction="sum")
        _, gradients, sizes = oracle.cross_entropy(y, x)
        size = gradients if kind == "classes" else sizes
        if kept == "float64" != name:
            assert max(abs(a - b) / abs(c) for a, b, c in zip(grad.ravel().tolist(), gradients.ravel(), size.ravel())
                       if c) < 2.0**-30
        else:
            check(errors(grad, gradients, size), oracle.BOUNDS["gradient"][kept] + 1, name, kept)
        if kept == name:
            assert same(grad, loss_of(y, x, reduction="sum", return_grad=True)[1])


@pytest.mark.parametrize("layout", WRITABLE)
@pytest.mark.parametrize("kept", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["classes", "shares"])
def test_grad_out_of_any_layout(layout, kept, kind):
    if layout not in arrays.layouts_of(kept):
        pytest.skip("has no other byte order")
    for shape in ((7,), (37, 9), (3, 5, 300)):
        x, y = ordinary(shape, "float32"), some_labels(shape, kind)
        right = loss_of(y, x, grad_out=np.empty(shape, dtype_of(kept)))
        grad = arrays.LAYOUTS[layout](np.zeros(shape, dtype_of(kept)))
        loss, found = loss_of(y, x, grad_out=grad)
        assert found is grad and loss == right[0] and same(np.array(grad, right[1].dtype), right[1])


@pytest.mark.parametrize("layout", WRITABLE)
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["classes", "shares"])
def test_in_place_of_any_layout(layout, name, kind):
    """Over the logits, and over soft labels."""
    for shape in ((37, 9), (3, 300)):
        x, y = ordinary(shape, name), some_labels(shape, kind, int if kind == "classes" else name)
        loss, right = loss_of(y, x, return_grad=True)
        place = arrays.LAYOUTS[layout](x)
        found = loss_of(y, place, grad_out=place)
        assert found[1] is place and found[0] == loss and same(np.array(place, name), right)
        if kind == "shares":
            place = arrays.LAYOUTS[layout](y)
            assert loss_of(place, x, grad_out=place)[0] == loss and same(np.array(place, name), right)


@given(shift=st.integers(-70, 70), name=st.sampled_from(["float32", "float64"]), backwards=st.booleans(),
       over=st.sampled_from(["x", "y", "weight", "classes"]), length=st.sampled_from([4, 300]),
       kept=st.sampled_from(["float16", "float32", "float64"]))
def test_grad_out_that_overlaps_an_input_shifted(shift, name, backwards, over, length, kept):
    """Logits, soft labels, weights and classes are all read before they are written over."""
    kept, shape = dtype_of(kept), (600 // length, length)
    inputs = {"x": ordinary(shape, name), "y": some_labels(shape, "shares", name),
              "weight": np.arange(1.0, shape[0] + 1), "classes": some_labels(shape, "classes")}
    buffer = np.zeros(16 * 600, np.uint8)
    values = inputs[over]
    place = buffer[2400 : 2400 + values.nbytes].view(values.dtype).reshape(values.shape)
    place[...] = values
    grad = buffer[2400 + 4 * shift :][: 600 * kept.itemsize].view(kept)[:: -1 if backwards else 1].reshape(shape)
    label = "classes" if over == "classes" else "y"
    loss, right = loss_of(inputs[label], inputs["x"], weight=inputs["weight"], grad_out=np.empty(shape, kept))
    inputs[over] = place
    found, _ = loss_of(inputs[label], inputs["x"], weight=inputs["weight"], grad_out=grad)
    assert found == loss and same(grad, right)


@pytest.mark.parametrize(("grad", "error", "say"), [
    (np.empty((2, 2)), ValueError, "grad_out must have the shape (2, 3), not (2, 2)"),
    (np.empty((3, 2)), ValueError, "grad_out must have the shape (2, 3), not (3, 2)"),
    (np.empty(2), ValueError, "grad_out must have the shape (2, 3), not (2,)"),
    (arrays.read_only(np.empty((2, 3))), ValueError, "grad_out must be writeable; it is read-only"),
    (np.broadcast_to(1.0, (2, 3)), ValueError, "grad_out must be writeable; it is read-only"),
    (np.empty((2, 3), int), TypeError, "grad_out must be an array of floats, not int64"),
    (np.empty((2, 3), complex), TypeError, "grad_out must be an array of floats, not complex128"),
    ([[0.0] * 3] * 2, TypeError, "grad_out must be an array of floats, not list"),
    (1.0, TypeError, "grad_out must be an array of floats, not float"),
])
def test_grad_out_that_cannot_be(grad, error, say):
    for reduction in ("mean", "none"):
        with pytest.raises(error, match=f"^{re.escape(say)}"):
            loss_of([0, 1], np.zeros((2, 3)), reduction=reduction, grad_out=grad)


@pytest.mark.parametrize(("label", "options"), [
    ([0, 3], {}), ([-1, 0], {}), ([0.0, 1.0], {}), ([0, 1, 2], {}), ([[0, 1, 2.0], [0, 0, 1]], {}),
    ([0, 1], {"weight": [1, -1]}), ([0, 1], {"weight": [nan, 1]}), ([0, 1], {"weight": np.ones(3)}),
    ([0, 1], {"reduction": "some"}), ([0j, 1], {}),
])
def test_refused_input_leaves_logits_as_they_were(label, options):
    x = np.arange(6.0).reshape(2, 3)
    with pytest.raises((ValueError, TypeError)):
        loss_of(label, x, grad_out=x, **options)
    assert np.array_equal(x.ravel(), range(6))


def test_bad_soft_labels_are_told_as_they_were_when_the_gradient_goes_over_them():
    y = np.array([[0, 1.0], [2.5, 0]])
    with pytest.raises(ValueError, match=r"1 of 4 is not, the first is 2.5 at index \(1, 0\)$"):
        loss_of(y, np.zeros((2, 2)), grad_out=y)
    assert y.tolist() == [[0, 1], [2.5, 0]]


# ---- layouts, threads --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*FLOATS, "int16"])
@pytest.mark.parametrize("shape", [(301,), (37, 9), (3, 300), (5, 3, 7)], ids=str)
def test_every_layout_gives_the_same_bits(dtype, shape):
    """Of logits, of soft labels, of weights, and of all three."""
    x = ordinary(shape, dtype)
    weight = np.random.default_rng(1).random(shape[:-1])
    for kind in ("classes", "shares"):
        y = some_labels(shape, kind, np.float32 if kind == "shares" else np.int32)
        right = answers(y, x, weight=weight)
        for layout in arrays.layouts_of(dtype):
            assert answers(y, arrays.LAYOUTS[layout](x), weight=weight) == right, layout
        for layout in arrays.layouts_of("float32"):
            lay = arrays.LAYOUTS[layout]
            weights = lay(weight) if weight.ndim else weight
            assert answers(lay(y) if y.ndim else y, x, weight=weights) == right, layout


@given(data=st.data(), dtype=st.sampled_from(FLOATS), shape=st.lists(st.integers(1, 7), min_size=1, max_size=4),
       kind=st.sampled_from(["classes", "any"]))
def test_any_strides_at_all_are_followed(data, dtype, shape, kind):
    """Strides of any size and sign, 0 among them."""
    shapes = [shape[:-1] if kind == "classes" else shape, shape, shape[:-1]]
    bases = [np.zeros(400, np.int16) if kind == "classes" else some_labels((400, 1), "any")[:, 0],
             np.resize(ordinary(100, dtype), 400), np.random.default_rng(1).random(400)]
    if kind == "classes":
        bases[0][:] = np.arange(400) % shape[-1]
    views = []
    for base, one in zip(bases, shapes):
        steps = data.draw(st.lists(st.integers(-5, 5), min_size=len(one), max_size=len(one)))
        views.append(arrays.strided(base, one, [step * base.itemsize for step in steps], 200 * base.itemsize))
    copies = [np.array(view, order="C") for view in views]
    assert answers(*views[:2], weight=views[2]) == answers(*copies[:2], weight=copies[2])


@pytest.mark.parametrize(("dtype", "layout", "classes"), [
    ("float32", "C", 10), ("float64", "Fortran", 10), ("float64", "backwards", 300),
])
def test_the_number_of_threads_does_not_matter(dtype, layout, classes):
    """More than 16 MB: one thread for each 4."""
    rows = -(-(17 << 20) // np.dtype(dtype).itemsize // classes)
    x = arrays.LAYOUTS[layout](np.resize(ordinary(99_991, dtype), (rows, classes)))
    y, weight = some_labels(x.shape, "classes"), np.random.default_rng(1).random(rows)
    assert x.nbytes > 16 * MEGABYTE
    found = []
    for threads in (1, 2, 3, 4):
        with ff.threads(threads):
            grad = np.empty(x.shape, dtype)
            losses, _ = loss_of(y, x, reduction="none", weight=weight, grad_out=grad)
            found.append((losses, grad, loss_of(y, x)))
    for losses, grad, mean in found[1:]:
        assert np.array_equal(losses, found[0][0]) and np.array_equal(grad, found[0][1]) and mean == found[0][2]
    with ff.threads(3):
        loss_of(y, x, reduction="none", weight=weight, grad_out=x)
    assert np.array_equal(x, found[0][1])


@pytest.mark.parametrize("threads", [1, 4])
def test_a_bad_label_deep_in_a_large_array(threads):
    x, y = np.zeros((1_200_000, 4), np.float32), np.zeros(1_200_000, np.int8)
    y[-3] = 4
    with ff.threads(threads), pytest.raises(ValueError, match=r"1 of 1200000 is not, the first is 4 in row 1199997; "):
        loss_of(y, x, grad_out=x)
    assert not x.any()


def test_inputs_are_never_changed():
    x = ordinary((20, 30), "float32")
    for kind in KINDS:
        label = some_labels(x.shape, kind, np.int16 if kind == "classes" else np.float32)
        for layout in arrays.layouts_of("float32"):
            inputs = [arrays.LAYOUTS[layout](one) for one in (label, x, np.ones(20, np.float32))]
            before = [np.asarray(one).tobytes() for one in inputs]
            answers(*inputs[:2], weight=inputs[2])
            assert [np.asarray(one).tobytes() for one in inputs] == before


# ---- the floating-point environment and memory -------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS)
def test_no_warning_of_whatever_there_is(name):
    """NumPy raises on every event in these tests."""
    for length in (3, 300):
        x = np.concatenate([some_rows(name, length), np.full((5, length), -1, dtype_of(name))])
        x[-5:, 0] = [nan, inf, -inf, 0, 1]
        x[-4, :] = -inf
        weight = np.resize([0, 1e-300, 1e300, 0.5, 5e-324, inf], len(x))
        for kind in KINDS:
            for options in ({}, {"weight": weight}, {"grad_out": np.empty(x.shape, np.float16)}):
                assert len(answers(some_labels(x.shape, kind), x, **options)) == 6


@pytest.fixture
def modes(compile_c):
    return compile_c(MODES)


SUBNORMAL = [
    ("float64", [0, -713], 0, None), ("float64", [0, -740], 0, 2.0), ("float32", [0, -95], 0, None),
    ("float64", [0, -1], 0, np.float64(1e-310)), ("float64", [0, -1], 1, np.float32(2) ** -135),
    ("float32", [1, 0], 1, np.float16(6e-8)), ("float16", [0, -12], 0, None), ("bfloat16", [0, -90], 0, None),
    ("float64", [0, -1], [1e-310, 1e-312], None), ("float32", [0, -1], np.array([2.0**-135, 0], np.float32), None),
    ("float32", [1e-40, -1e-42], 0, None), ("float64", [0, -700], 0, 1e-12),
]


def test_flush_to_zero_changes_nothing(modes):
    """In losses, gradients, weights and labels."""
    for name, row, label, weight in SUBNORMAL:
        for n in (1, 300):
            with np.errstate(all="ignore"):
                x = np.tile(np.array(row, np.float64).astype(dtype_of(name)), (n, 1))
            y = np.array([label] * n)
            options = {} if weight is None else {"weight": np.full(n, weight)}
            right = answers(y, x, **options)
            with flush_to_zero(modes):
                found = answers(y, x, **options)
            assert found == right, (name, row, label, weight, n)


def test_flush_to_zero_does_not_hide_what_is_refused(modes):
    """A subnormal number below 0 is below 0."""
    said, calls = [], [(np.array([[0.5, -5e-324]]), None), (np.array([0]), np.array([-1e-310])),
                       (np.array([0]), np.array([1 << 31 | 1], np.uint32).view(np.float32))]
    with flush_to_zero(modes):
        for y, weight in calls:
            try:
                loss_of(y, np.zeros((1, 2)), weight=weight)
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}")
    assert len(said) == 3 and said[0].startswith("ValueError: y_true must be from 0 to 1: 1 of 2 is not")
    assert all(text.startswith("ValueError: weight must be at least 0: 1 of 1 is not") for text in said[1:])


@pytest.mark.parametrize("layout", ["C", "Fortran", "every other", "swapped"])
def test_no_memory_but_8_bytes_a_row_is_taken(layout):
    """And a byte for each label while they are checked."""
    rows, classes = 6_000, 100
    x = arrays.LAYOUTS[layout](ordinary((rows, classes), "float32"))
    grad = np.empty(x.shape, np.float32)
    labels = [some_labels(x.shape, "classes"), some_labels(x.shape, "shares", np.float32),
              some_labels(x.shape, "one-hot", bool)]
    for y in labels:
        for options in ({}, {"reduction": "sum"}, {"grad_out": grad}, {"weight": np.ones(rows), "grad_out": x}):
            peak = peak_of(lambda y=y, options=options: loss_of(y, x, **options))
            assert peak < 8 * rows + y.size + MEGABYTE // 8, (y.dtype, options.keys())


# ---- the same elsewhere ------------------------------------------------------------------------------


def test_scipy_says_the_same():
    special = require("scipy.special")
    x = 4 * ordinary((500, 7))
    y = some_labels(x.shape, "classes")
    logs = special.log_softmax(x, axis=1)
    np.testing.assert_allclose(loss_of(y, x, reduction="none"), -logs[np.arange(500), y], rtol=1e-13, atol=1e-15)
    shares = some_labels(x.shape, "shares")
    np.testing.assert_allclose(loss_of(shares, x, reduction="none"), -(shares * logs).sum(1), rtol=1e-13)
    _, gradient = loss_of(shares, x, reduction="sum", return_grad=True)
    np.testing.assert_allclose(gradient, special.softmax(x, axis=1) - shares, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learn_says_the_same(weighted):
    """Its mean is over the sum of the weights."""
    metrics = require("sklearn.metrics")
    x = ordinary((400, 5))
    y = some_labels(x.shape, "classes")
    weight = np.random.default_rng(1).random(400) if weighted else np.ones(400)
    right = metrics.log_loss(y, ff.softmax(x, axis=1), sample_weight=weight if weighted else None, labels=range(5))
    assert loss_of(y, x, weight=weight, reduction="sum") / weight.sum() == pytest.approx(right, rel=1e-13)
    assert loss_of(y, x, weight=weight, reduction="sum") / weight.sum() == pytest.approx(
        metrics.log_loss(np.eye(5)[y], ff.softmax(x, axis=1), sample_weight=weight), rel=1e-13)


@pytest.mark.parametrize("length", [2, 300])
def test_two_classes_are_one_logit(length):
    z = np.linspace(-50, 50, 101)
    x = np.full((101, length), -inf)
    x[:, 0], x[:, 1] = 0, z
    y = np.arange(101) % 2
    np.testing.assert_allclose(loss_of(y, x, reduction="none"),
                               ff.binary_cross_entropy_with_logits(y, z, reduction="none"), rtol=1e-15)


def test_it_is_what_is_left_of_the_log_softmax_at_the_label():
    x = some_rows("float64", 20)[:8]
    y = some_labels(x.shape, "classes")
    logs = ff.log_softmax(x, axis=-1)[np.arange(len(x)), y]
    np.testing.assert_allclose(loss_of(y, x, reduction="none"), -logs, rtol=2e-15)
