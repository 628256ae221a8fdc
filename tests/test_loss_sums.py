"""Sums of losses: exact, in one order for every layout, place and number of threads, without flags or copies."""

import contextlib
import ctypes
import itertools
import math
import platform
import sys
import threading

import arrays
import elementary_reference as elementary
import loss_reference as oracle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loss_reference import CALLS, FLOATS, NUMBERS, canonical, exact_sum, some_labels
from memory import MEGABYTE, peak_of
from reference import dtype_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
both_losses = pytest.mark.parametrize("which", CALLS)
INFO = ff.cpu_info()
LEVELS = [level for level in INFO["supported"] if level in INFO["compiled"]]
BLOCK = 65536       # elements that are summed before the sum is put to the others


@pytest.fixture(scope="module")
def normal():
    """Ten million numbers of the normal distribution."""
    return np.random.default_rng(0).standard_normal(10_000_000)


def predictions_of(which, numbers, dtype):
    """Ordinary ones."""
    if which == "logits":
        return (5 * numbers).astype(dtype)
    return ff.sigmoid(numbers).astype(dtype)


def wide_sum(which, y, x):
    """Of NumPy's float64 losses, to some 2**-48."""
    return exact_sum(CALLS[which][2](y, x))


def bits(results):
    """Of a loss alone, or with arrays and what is told, as bytes."""
    return [canonical(part) for part in (results if isinstance(results, tuple) else (results,))]


# ---- exactness ---------------------------------------------------------------------------------------


@both_losses
@pytest.mark.parametrize(("kind", "n"), [("hard", 10_000_000), ("soft", 1_000_000)])
def test_ten_million_float64_terms_are_summed_exactly(which, kind, n, normal):
    call, x = CALLS[which][0], predictions_of(which, normal[:n], np.float64)
    y = some_labels(x.shape, kind) if kind == "soft" else (normal > 0.3).astype(np.uint8)
    right = exact_sum(call(y, x, reduction="none"))
    assert call(y, x, reduction="sum") == pytest.approx(right, rel=1e-15, abs=0)
    assert call(y, x) == pytest.approx(right / x.size, rel=1e-15, abs=0)


@both_losses
def test_float64_terms_of_very_different_sizes(which):
    """Among them one that is larger than all the others, and losses that are small beside it."""
    call, n = CALLS[which][0], 300_001
    x = np.full(n, {"logits": -30.0, "probabilities": 1e-13}[which])
    x[n // 2] = {"logits": 1e10, "probabilities": 1.0}[which]
    y = np.zeros(n)
    right = exact_sum(call(y, x, reduction="none"))
    assert call(y, x, reduction="sum") == pytest.approx(right, rel=1e-15, abs=0)
    assert call(y, x, reduction="sum", return_grad=True)[0] == call(y, x, reduction="sum")
    weight = np.linspace(0, 3, n)
    right = exact_sum(call(y, x, reduction="none", weight=weight))
    assert call(y, x, reduction="sum", weight=weight) == pytest.approx(right, rel=1e-15, abs=0)


@both_losses
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_float32_is_summed_in_float64_without_rounding_terms(which, kind, normal):
    """To 1e-10, where terms rounded to float32 would leave errors of 1e-8 in a thousand of them."""
    call, x = CALLS[which][0], predictions_of(which, normal[:2_000_000], np.float32)
    y = (normal[: len(x)] > 0.3).astype(np.float32) if kind == "hard" else some_labels(x.shape, "soft", "float32")
    for n in (1000, len(x)):
        right = wide_sum(which, y[:n], x[:n])
        for options in ({}, {"weight": 1}, {"return_info": True}, {"return_grad": True}):
            found = call(y[:n], x[:n], reduction="sum", **options)
            found = found[0] if isinstance(found, tuple) else found
            assert found == pytest.approx(right, rel=1e-10, abs=0), options
        for labels in (y[:n].astype(np.float64), y[:n].astype(np.float16) if kind == "hard" else y[:n]):
            assert call(labels, x[:n], reduction="sum") == pytest.approx(right, rel=1e-10, abs=0)


CONFIDENT = [
    *(("logits", size, 1) for size in (9, 18.4, 40, 60, 87.5, 92, 103)), ("logits", -18.4, 0), ("logits", -92, 0),
    *(("probabilities", p, 0) for p in (1e-3, 1e-8, 1e-12, 1e-20, 1e-38, 1e-40, 1e-45)),
    *(("probabilities", 1 - 2.0**-k, 1) for k in (10, 20, 24)), ("logits", -103, 1), ("probabilities", 1e-45, 1),
]


@pytest.mark.parametrize(("which", "prediction", "label"), CONFIDENT)
@pytest.mark.parametrize("n", [1, 255, 4096, BLOCK + 77])
def test_float32_sums_of_models_that_are_sure(which, prediction, label, n):
    """Products of numbers 1 + loss would lose losses far below 1."""
    call, bound = CALLS[which][0], {"logits": 2.0**-32, "probabilities": 2.0**-30}[which]
    with np.errstate(under="ignore"):
        x = np.full(n, prediction, np.float32)
    y = np.full(n, label, np.float32)
    right = wide_sum(which, y, x)
    assert right > 0 and call(y, x, reduction="sum") == pytest.approx(right, rel=bound, abs=0)
    # One loss that is not small among them.
    x[n // 2] = 0.25
    right = wide_sum(which, y, x)
    assert call(y, x, reduction="sum") == pytest.approx(right, rel=bound, abs=0)


@pytest.mark.parametrize(("logit", "label"), [(105, 1), (-109, 0), (111, 1), (-120, 0), (200, 1), (700, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_sums_of_losses_that_float32_does_not_hold(logit, label, dtype):
    call, exact, _ = CALLS["logits"]
    z, y = np.full(1000, logit, dtype), np.full(1000, label, dtype)
    assert call(y, z, reduction="sum") == pytest.approx(float(exact(y, z, reduction="sum")), rel=2.0**-32, abs=0)


@pytest.mark.parametrize("floor", [1e-10, 1e-77, 1e-78, 1e-100, 1e-300, 2.3e-308, 1e-310, 5e-324])
@pytest.mark.parametrize("share", [0.001, 1])
def test_float32_sums_with_small_floors(floor, share):
    """A product of four probabilities may be below all float64."""
    p = np.where(np.random.default_rng(0).random(20_000) <= share, 0, 0.5).astype(np.float32)
    y = np.ones(p.shape, np.float32)
    right = math.fsum(oracle.wide_of_probabilities(y, p, floor))
    assert ff.binary_cross_entropy(y, p, floor=floor, reduction="sum") == pytest.approx(right, rel=1e-9)
    assert ff.binary_cross_entropy(1 - y, 1 - p, floor=floor, reduction="sum") == pytest.approx(right, rel=1e-9)


@both_losses
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 63, 64, 65, 255, 256, 257, 511, 512, 513, 8191, 8193, BLOCK - 1,
                               BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK + 255, 2 * BLOCK + 257])
def test_every_length_is_summed_to_its_end(which, dtype, n, normal):
    call, x = CALLS[which][0], predictions_of(which, normal[:n], dtype)
    x, y = np.clip(x, dtype_of(dtype).type(-60000), dtype_of(dtype).type(60000)), some_labels(n, "hard", dtype)
    right = wide_sum(which, y, x)
    assert call(y, x, reduction="sum") == pytest.approx(right, rel=1e-10)
    if n:
        last = np.zeros(n)
        last[-1] = 2
        assert call(y, x, weight=last, reduction="sum") == call(y[-1:], x[-1:], weight=2, reduction="sum")


BLOCKS = 5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("place", [2 * BLOCK + 12345, 3 * BLOCK - 1, 0])
@pytest.mark.parametrize(("which", "label", "prediction", "loss"), [
    ("logits", 1, inf, 0), ("logits", 0, -inf, 0), ("logits", 0, inf, inf), ("logits", 1, -inf, inf),
    ("logits", 1, nan, nan), ("logits", 0.25, inf, inf), ("logits", nan, 1, nan),
    ("logits", 0.25, 2, None), ("logits", -0.0, 2, None),
    ("logits", 0, 3e38, None), ("logits", 0.5, -3e38, None),
    ("probabilities", 1, nan, nan), ("probabilities", 0, nan, nan), ("probabilities", nan, 0.5, nan),
    ("probabilities", 0.25, 0.125, None), ("probabilities", -0.0, 0.125, None), ("probabilities", 1, 0, None),
    ("probabilities", 0, 1, None), ("probabilities", 1, 1, 0), ("probabilities", 0, 0, 0),
    ("probabilities", 0, -0.0, 0),
])
def test_one_odd_element_in_many_blocks(which, label, prediction, loss, place, dtype, normal):
    call, n = CALLS[which][0], BLOCKS * BLOCK
    x = predictions_of(which, normal[:n], dtype)
    y = (normal[:n] > 0.5).astype(dtype)
    rest = y.copy(), x.copy()
    rest[0][place], rest[1][place] = {"logits": (0, -1e4), "probabilities": (0, 0)}[which]
    others = call(*rest, reduction="sum")
    x[place], y[place] = prediction, label
    loss = float(CALLS[which][2](y[place], x[place : place + 1])[0]) if loss is None else loss
    assert call(y, x, reduction="sum") == pytest.approx(others + loss, rel=1e-10, nan_ok=True)


@pytest.mark.parametrize("sign", [1, -1])
@both_losses
def test_nan_of_either_sign_reaches_the_sum(which, sign):
    call = CALLS[which][0]
    for n in (1, 300, 4096, 70_000):
        for odd in (0, 1):
            pair = [np.ones(n, np.float32), np.full(n, 0.5, np.float32)]
            pair[odd][n // 2] = math.copysign(nan, sign)
            assert math.isnan(call(*pair, reduction="sum")) and math.isnan(call(*pair))


def test_without_a_floor_certain_mistakes_make_the_sum_inf():
    for n in (1, 300, 4096, 3 * BLOCK):
        for dtype in ("float32", "float64"):
            y, p = np.ones(n, dtype), np.full(n, 0.5, dtype)
            p[n // 2] = 0
            assert ff.binary_cross_entropy(y, p, floor=0) == inf == ff.binary_cross_entropy(1 - y, 1 - p, floor=0)
            y[n // 2] = 0
            right = (n - 1) * math.log(2)
            assert ff.binary_cross_entropy(y, p, floor=0, reduction="sum") == pytest.approx(right, rel=1e-9)


# ---- one order ---------------------------------------------------------------------------------------


def answers(which, y, x, **options):
    """Everything there is to ask."""
    call = CALLS[which][0]
    return [
        *bits(call(y, x, return_grad=True, return_info=True, **options)),
        *bits(call(y, x, reduction="none", return_grad=True, **options)),
        call(y, x, reduction="sum", **options).hex(), call(y, x, **options).hex(),
    ]


@both_losses
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1001,), (37, 29), (5, 3, 7, 11)], ids=str)
def test_every_layout_gives_the_same_bits_in_c_order(which, dtype, shape):
    """Of the predictions, of the labels, of weights, and of all three."""
    x = np.resize(NUMBERS[which](dtype, 700), shape)
    x[x.astype(np.float64) > 1e100] = 1
    y = some_labels(shape, "hard", dtype)
    weight = np.random.default_rng(1).integers(0, 3, shape).astype(dtype_of(dtype))
    options = {"weight": weight, **({"pos_weight": weight} if which == "logits" else {})}
    right, weighted = answers(which, y, x), answers(which, y, x, **options)
    for name in arrays.layouts_of(dtype):
        lay = arrays.LAYOUTS[name]
        for one, other in ((y, lay(x)), (lay(y), x), (lay(y), lay(x))):
            assert answers(which, one, other) == right, name
        assert answers(which, lay(y), lay(x), **{key: lay(value) for key, value in options.items()}) == weighted, name


@both_losses
@pytest.mark.parametrize("layout", ["Fortran", "every third backwards", "unaligned", "swapped", "padded rows"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layouts_of_many_blocks(which, layout, dtype, normal):
    shape = (421, 500)
    x = predictions_of(which, normal[: math.prod(shape)], dtype).reshape(shape)
    y = (normal[: x.size] > 0.3).astype(dtype).reshape(shape)
    assert answers(which, arrays.LAYOUTS[layout](y), arrays.LAYOUTS[layout](x)) == answers(which, y, x)


@both_losses
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_place_in_memory_does_not_matter(which, dtype, normal):
    n, item = 3001, np.dtype(dtype).itemsize
    x, y = predictions_of(which, normal[:n], dtype), (normal[:n] > 0.3).astype(dtype)
    right = answers(which, y, x)
    one, other = np.zeros((2, n + 20), dtype)
    for i in range(17):
        place = one[i : i + n]
        place[...] = x
        labels = other[16 - i : 16 - i + n]
        labels[...] = y
        assert answers(which, labels, place) == right
    for offset in range(1, item):
        assert answers(which, arrays.lay(y, offset=item - offset), arrays.lay(x, offset=offset)) == right


@both_losses
@pytest.mark.parametrize(("dtype", "layout"), [
    ("float32", "C"), ("float32", "Fortran"), ("float64", "C"), ("float64", "every other"), ("float64", "backwards"),
])
def test_the_number_of_threads_does_not_matter(which, layout, dtype, normal):
    """More than 16 MB: one thread for each 4."""
    n = (17 << 20) // np.dtype(dtype).itemsize // 2 // 20 * 20
    x = predictions_of(which, normal[:n], dtype).reshape(-1, 20)
    y = (normal[: x.size] > 0.3).astype(dtype).reshape(-1, 20)
    y, x = arrays.LAYOUTS[layout](y), arrays.LAYOUTS[layout](x)
    found = []
    for threads in (1, 2, 3, 4):
        with ff.threads(threads):
            call = CALLS[which][0]
            found.append([
                call(y, x, reduction="sum").hex(),
                *bits(call(y, x, return_grad=True, return_info=True, weight=y[:1])),
                *bits(call(y, x, reduction="none", return_info=True)),
            ])
    assert found[0] == found[1] == found[2] == found[3]


@both_losses
@given(
    data=st.data(), dtype=st.sampled_from(FLOATS), shape=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    kind=st.sampled_from(["hard", "soft"]), reduction=st.sampled_from(["mean", "sum", "none"]),
)
def test_any_strides_at_all_are_followed(which, data, dtype, shape, kind, reduction):
    """Strides of any size and sign, 0 among them."""
    call, exact, _ = CALLS[which]
    base = np.resize(NUMBERS[which](dtype, 100), 400)
    labels = some_labels(400, kind, dtype)
    strides = [data.draw(st.lists(st.integers(-5, 5), min_size=len(shape), max_size=len(shape))) for _ in range(2)]
    views = [arrays.strided(one, shape, [step * one.itemsize for step in steps], 200 * one.itemsize)
             for one, steps in zip((labels, base), strides)]
    copies = [np.array(view, order="C") for view in views]
    found = call(*views, reduction=reduction, return_grad=True)
    assert bits(found) == bits(call(*copies, reduction=reduction, return_grad=True))
    if reduction == "none" and views[0].size:
        assert oracle.ulps(found[0], exact(*copies, reduction="none")).max() <= 2


# ---- levels ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digests():
    return {}


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_is_exact(run_python, level, digests):
    """The script looks at the distances itself."""
    found, digest = run_python("loss_reference.py", FASTFINITE_CPU=level).split()
    assert found == level and len(digest) == 64
    digests[level] = digest


def test_the_levels_with_fma_give_the_same_bits(run_python, digests):
    if not {"v3", "v4"} <= set(LEVELS):
        pytest.skip("this machine or build does not have both levels")
    for level in ("v3", "v4"):
        if level not in digests:
            digests[level] = run_python("loss_reference.py", FASTFINITE_CPU=level).split()[1]
    assert digests["v3"] == digests["v4"]


# ---- the floating-point environment ------------------------------------------------------------------


def everything(which, dtype):
    """Calls that meet all that there is."""
    call = CALLS[which][0]
    x = np.concatenate([NUMBERS[which](dtype, 600), np.array([nan, nan], dtype_of(dtype))])
    if which == "logits":
        x = np.concatenate([x, np.array([inf, -inf] * 3, dtype_of(dtype))])
    weight = np.resize([0, 1e-300, 1e300, 0.5, 5e-324], x.shape)
    factors = [{}, {"weight": weight}, {"pos_weight": weight} if which == "logits" else {"floor": 0}]
    for y in (0, 1, 0.3, nan, 5e-324):
        for options in factors:
            for reduction in ("mean", "sum", "none"):
                labels = np.full(x.shape, y, np.float64 if y == 5e-324 else dtype_of(dtype))
                some = {"reduction": reduction, **options}
                yield lambda y=labels, some=some: call(y, x, return_grad=True, return_info=True, **some)
                yield lambda y=labels, some=some: call(y, x, **some)


@both_losses
@pytest.mark.parametrize("dtype", FLOATS)
def test_no_floating_point_flag_is_left_behind(which, dtype):
    """Not those that NumPy would report of whatever it does next: invalid, division by 0, overflow, underflow."""
    if platform.machine() != "x86_64" or not sys.platform.startswith("linux"):
        pytest.skip("asks the C library of Linux for the flags of x86")
    flags = ctypes.CDLL("libm.so.6")
    reported = 0x01 | 0x04 | 0x08 | 0x10
    for call in everything(which, dtype):
        flags.feclearexcept(reported)
        call()
        assert flags.fetestexcept(reported) == 0


@both_losses
def test_no_floating_point_flag_is_left_behind_by_threads(which):
    call, x = CALLS[which][0], np.resize(NUMBERS[which]("float64", 600), 2_000_000)
    with ff.threads(2):
        assert call(np.ones(x.shape, np.int8), x, reduction="none", return_grad=True)[0].shape == x.shape


MXCSR = """
#include <xmmintrin.h>
unsigned get_mode(void) { return _mm_getcsr(); }
void set_mode(unsigned mode) { _mm_setcsr(mode); }
"""


@pytest.fixture
def flushing(compile_c):
    """A context in which subnormal numbers are 0, on input and output, as another library may have set it."""
    mode = ctypes.CDLL(str(compile_c(MXCSR)))
    mode.get_mode.restype = ctypes.c_uint

    @contextlib.contextmanager
    def flush():
        before = mode.get_mode()
        mode.set_mode(ctypes.c_uint(before | 0x8040))
        try:
            yield
            assert mode.get_mode() & 0x8040 == 0x8040
        finally:
            mode.set_mode(ctypes.c_uint(before))

    return flush


SUBNORMAL = [
    ("logits", "float64", 713.0, 1), ("logits", "float64", -740.0, 0), ("logits", "float32", 95.0, 1),
    ("probabilities", "float64", 1e-310, 0), ("probabilities", "float64", 1e-310, 1),
    ("probabilities", "float32", 1e-40, 0), ("probabilities", "float32", 1e-40, 1), ("probabilities", "float32", 0, 1),
    ("probabilities", "float64", 0, 1), ("probabilities", "float64", 1e-310, 1e-310),
    ("logits", "float64", -5e-324, 0.5), ("logits", "float64", 1, 1e-310),
]


@pytest.mark.parametrize(("which", "dtype", "prediction", "label"), SUBNORMAL)
def test_flush_to_zero_changes_nothing(which, dtype, prediction, label, flushing):
    call = CALLS[which][0]
    for n, reduction in itertools.product((1, 300), ("none", "sum", "mean")):
        with np.errstate(under="ignore"):
            x, y = np.full(n, prediction, dtype), np.full(n, label, dtype)
        for options in ({}, {"weight": 1}, {"return_grad": True}, {"return_info": True}):
            right = call(y, x, reduction=reduction, **options)
            with flushing():
                assert np.array([1e-310])[0] + np.array([1e-310])[0] == 0
                found = call(y, x, reduction=reduction, **options)
            assert bits(found) == bits(right), (reduction, n, options)


@both_losses
def test_flush_to_zero_reaches_no_thread(which, flushing):
    """Threads begin with the modes of the one that starts them."""
    n = 1_200_000
    x, y = np.full(n, {"logits": -713.0, "probabilities": 1e-310}[which]), np.zeros(n)
    with ff.threads(2), flushing():
        found = CALLS[which][0](y, x, reduction="none")
    assert np.count_nonzero(found.view(np.int64)) == n


@pytest.mark.parametrize("floor", [1e-310, 5e-324])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_flush_to_zero_leaves_a_subnormal_floor(floor, dtype, flushing):
    y, p = np.ones(300, dtype), np.zeros(300, dtype)
    with flushing():
        found = ff.binary_cross_entropy(y, p, floor=floor)
    assert found == pytest.approx(-math.log(floor), rel=1e-9)


@both_losses
@pytest.mark.parametrize("bad", [-1e-310, -5e-324])
def test_flush_to_zero_does_not_hide_what_is_refused(which, bad, flushing):
    """A subnormal number below 0 is below 0; what says so must not fall over it."""
    call, y, w, x = CALLS[which][0], np.array([1, bad]), np.array([bad, 1]), np.full(2, 0.5)
    said = []
    with flushing():
        for labels, options in ((y, {}), (np.ones(2), {"weight": w})):
            try:
                call(labels, x, **options)
            except Exception as error:
                said.append((type(error), str(error)))
    assert [kind for kind, _ in said] == [ValueError, ValueError]
    assert "y_true must be from 0 to 1: 1 of 2 is not" in said[0][1] and said[0][1].endswith("at index 1")
    assert "weight must be at least 0: 1 of 2 is not" in said[1][1] and said[1][1].endswith("at index 0")


# ---- memory ------------------------------------------------------------------------------------------


@both_losses
@pytest.mark.parametrize("layout", ["C", "Fortran", "every other", "swapped", "unaligned"])
@pytest.mark.parametrize("labels", ["float32", "int64"])
def test_mean_and_sum_take_no_memory_of_the_datas_size(which, layout, labels):
    call = CALLS[which][0]
    x = arrays.LAYOUTS[layout](np.full((1000, 1000), 0.5, np.float32))
    y = np.zeros((1000, 1000), labels)
    grad = np.empty(x.shape, np.float32)
    weight = np.ones((1000, 1))
    for options in ({}, {"reduction": "sum"}, {"return_info": True}, {"weight": weight},
                    {"grad_out": grad, "weight": weight, "return_info": True}, {"grad_out": x, "weight": 0}):
        assert peak_of(lambda options=options: call(y, x, **options)) < MEGABYTE // 8, options


@both_losses
def test_other_results_take_memory_for_themselves_alone(which):
    call, x = CALLS[which][0], np.full(2_000_000, 0.5, np.float32)
    y = np.zeros(x.shape, np.int8)
    for options, arrays_made in (({"reduction": "none"}, 1), ({"return_grad": True}, 1),
                                 ({"reduction": "none", "return_grad": True}, 2)):
        assert peak_of(lambda options=options: call(y, x, **options)) < arrays_made * x.nbytes + MEGABYTE // 8


GUARDED = """
import sys
import numpy as np
from guard_pages import PAGES, guarded, views
from loss_reference import CALLS, FLOATS, NUMBERS, canonical, some_labels
from reference import dtype_of
import fastfinite as ff

spans, done = [guarded(PAGES) for _ in range(3)], 0

def check(which, view, labels, grad):
    global done
    call, n = CALLS[which][0], view.size
    view[...] = np.resize(NUMBERS[which](view.dtype.newbyteorder("=").name, 200), view.shape)
    labels[...] = some_labels(view.shape, dtype=labels.dtype)
    x, y = np.array(view), np.array(labels)
    for options, other in (({}, {}), ({"weight": labels}, {"weight": y})):
        loss, gradient = call(labels, view, grad_out=grad, reduction="none", **options)
        right, slope = call(y, x, grad_out=np.empty(x.shape, grad.dtype), reduction="none", **other)
        assert canonical(loss) == canonical(right) and canonical(grad) == canonical(slope)
        assert canonical(call(labels, view, **options)) == canonical(call(y, x, **other))
    done += 1

for which in CALLS:
    for name in FLOATS:
        dtype = dtype_of(name)
        for n in (1, 15, 17, 256, 257, spans[0].size // dtype.itemsize):
            for sets in zip(*(views(span, dtype, n) for span in spans)):
                check(which, *sets)
            for view, small in zip(views(spans[0], dtype, n), views(spans[1], np.dtype(np.int8), n)):
                if view.shape == small.shape:
                    check(which, view, small, np.empty(view.shape, dtype))

size = 9 << 20      # out of cache, where memory is fetched ahead, and on two threads
spans = [guarded(size // 4096) for _ in range(2)]
for which in CALLS:
    for name in ("float32", "float64"):
        n = size // np.dtype(name).itemsize
        y, x = (span.view(name) for span in spans)
        x[...], y[...] = np.resize(NUMBERS[which](name, 200), n), np.resize(some_labels(997), n)
        for cut in (slice(None), slice(1, None), slice(None, None, -2)):
            right = CALLS[which][0](y[cut].copy(), x[cut].copy(), reduction="sum")
            for threads in (1, 2):
                with ff.threads(threads):
                    assert CALLS[which][0](y[cut], x[cut], reduction="sum") == right
            done += 1
print(done)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="protects pages of memory as Linux does")
@pytest.mark.parametrize("level", sorted({LEVELS[0], LEVELS[-1]}))
def test_nothing_outside_a_view_is_touched(run_python, level):
    assert int(run_python(GUARDED, FASTFINITE_CPU=level)) > 1000


# ---- in many threads of Python -----------------------------------------------------------------------


@both_losses
def test_calls_at_the_same_time_do_not_disturb_each_other(which):
    call = CALLS[which][0]
    inputs = [(some_labels(200_000, "soft", "float32", seed), np.resize(NUMBERS[which]("float32", 3000, seed), 200_000))
              for seed in range(6)]
    right = [call(*pair, reduction="sum", return_info=True) for pair in inputs]
    found, start = [None] * len(inputs), threading.Barrier(len(inputs))

    def work(i):
        start.wait()
        with ff.threads(2):
            found[i] = [call(*inputs[i], reduction="sum", return_info=True) for _ in range(5)]

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [[one] * 5 for one in right]


@both_losses
def test_what_is_told_does_not_depend_on_the_reduction(which):
    call, x = CALLS[which][0], np.resize(NUMBERS[which]("float32", 3000), 100_000)
    y = some_labels(x.shape, "soft", "float32")
    infos = {call(y, x, reduction=reduction, return_info=True)[-1] for reduction in ("mean", "sum", "none")}
    assert len(infos) == 1
    if which == "logits":
        s = elementary.wide(ff.sigmoid(x))
        assert infos.pop().saturated == np.count_nonzero((s == 0) | (s == 1))
