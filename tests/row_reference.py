"""The oracle of softmax, log_softmax, logsumexp and the cross-entropy of classes: the formulas in 200 bits, by rows.

Behind it: the rows to look at, and how far the library is from the oracle there. Run as a script, it looks at one
instruction-set level, and prints a digest of the results.
"""

import contextlib
import ctypes
import hashlib
import itertools
import math
import re

import gmpy2
import numpy as np
from loss_reference import FLOATS, as_array, as_finite, canonical, distance, exactly, listed, unit_of

import fastfinite as ff


def promised(function, words):
    """How exact a docstring says that results are, in units in the last place of each dtype; 1 of all narrow ones."""
    found = re.search(words, " ".join(function.__doc__.split()))
    assert found, f"the docstring of {function.__name__} does not say how exact it is"
    return dict.fromkeys(FLOATS, 1) | {"float64": int(found[1])}


BOUNDS = {
    **{call.__name__: promised(call, r"within (\d+) units in the last place of float64, 1 of float32")
       for call in (ff.softmax, ff.log_softmax)},
    "logsumexp": promised(ff.logsumexp, r"within (\d+) units in the last place, where the largest element does not"),
    "loss": promised(ff.cross_entropy, r"each loss within (\d+) units in the last place"),
}
# A gradient is a softmax, or what it lacks of 1, with one more rounding.
BOUNDS["gradient"] = {name: bound + 1 for name, bound in BOUNDS["softmax"].items()}


# ---- rows of MPFR numbers ----------------------------------------------------------------------------


def rows_of(x):
    n = np.shape(x)[-1]
    numbers = listed(x, np.shape(x))
    return [numbers[i : i + n] for i in range(0, len(numbers), n)]


def exps(row):
    """exp(x - largest), the sum of all but one that is the largest, and which that is."""
    place = row.index(max(row))
    e = [gmpy2.exp(x - row[place]) for x in row]
    return e, gmpy2.fsum([gmpy2.mpfr(0), *e[:place], *e[place + 1 :]]), place


@exactly
def softmaxes(x):
    """softmax, log_softmax and logsumexp over the last axis, and the largest of each row; no nan, no inf alone."""
    shares, logs, sums, most = [], [], [], []
    for row in rows_of(x):
        e, rest, place = exps(row)
        shares += [one / (1 + rest) for one in e]
        logs += [value - row[place] - gmpy2.log1p(rest) for value in row]
        sums.append(row[place] + gmpy2.log1p(rest))
        most.append(row[place])
    shape = np.shape(x)
    return as_array(shares, shape), as_array(logs, shape), as_array(sums, shape[:-1]), as_array(most, shape[:-1])


@exactly
def cross_entropy(y_true, logits):
    """Losses, gradients that cancel nothing, and the larger of softmax and label, whose difference those are."""
    losses, gradients, sizes = [], [], []
    for row, label in zip(rows_of(logits), rows_of(as_rows(y_true, np.shape(logits)))):
        e, rest, place = exps(row)
        log, whole = gmpy2.log1p(rest), gmpy2.fsum(label)
        losses.append(gmpy2.fsum([part * (row[place] - value + log) for part, value in zip(label, row) if part]))
        for i, (one, part) in enumerate(zip(e, label)):
            others = rest if i == place else 1 + rest - one
            gradients.append((one * (whole - part) - part * others) / (1 + rest))
            sizes.append(max(one * whole / (1 + rest), part))
    shape = np.shape(logits)
    return as_array(losses, shape[:-1]), as_array(gradients, shape), as_array(sizes, shape)


def as_rows(y_true, shape):
    """Labels as rows, one-hot where they are classes."""
    return y_true if np.shape(y_true) == tuple(shape) else np.eye(shape[-1])[np.asarray(y_true)]


# ---- distances ---------------------------------------------------------------------------------------


@exactly
def errors(found, right, size=None):
    """Distances in the units that the true values have in the format of the results, or that `size` has."""
    found = np.asarray(found)
    name = found.dtype.newbyteorder("=").name
    sizes = np.ravel(right if size is None else size).tolist()
    result = []
    for one, value, most in zip(found.astype(np.float64).ravel().tolist(), np.ravel(right).tolist(), sizes):
        error = distance(one, value, name)
        if 0 < error < math.inf and most is not value:
            error *= float(unit_of(value, name) / unit_of(most, name))
        result.append(error)
    return np.array(result).reshape(found.shape)


def check(error, bound, *told):
    """All distances are within a bound; else what the worst is, and what else is told of it."""
    worst = int(error.argmax()) if error.size else 0
    assert not error.size or error.flat[worst] <= bound, (error.flat[worst], worst, *told)


def check_rows(x):
    """The three functions of rows of a float dtype."""
    name = x.dtype.newbyteorder("=").name
    shares, logs, sums, most = softmaxes(x)
    found = ff.softmax(x, axis=-1)
    assert found.dtype == x.dtype and found.shape == x.shape and not np.signbit(found).any()
    check(errors(found, shares), BOUNDS["softmax"][name], "softmax", name, x.shape)
    logs_found = ff.log_softmax(x, axis=-1)
    check(errors(logs_found, logs), BOUNDS["log_softmax"][name], "log_softmax", name, x.shape)
    sums_found = ff.logsumexp(x, axis=-1)
    size = as_array([max(abs(a), abs(b)) for a, b in zip(sums.ravel(), most.ravel())], sums.shape)
    check(errors(sums_found, sums, size), BOUNDS["logsumexp"][name], "logsumexp", name, x.shape)
    return found, logs_found, sums_found


def check_losses(y, x, soft=False):
    """Each loss, and the gradient: by its own size where labels are hard, by what it is the difference of elsewhere."""
    name = x.dtype.newbyteorder("=").name
    right, gradients, sizes = cross_entropy(y, x)
    losses, gradient = ff.cross_entropy(y, x, reduction="none", return_grad=True)
    assert losses.dtype == gradient.dtype == x.dtype.newbyteorder("=")
    assert losses.shape == x.shape[:-1] and gradient.shape == x.shape
    check(errors(losses, right), BOUNDS["loss"][name], "loss", name, x.shape)
    bound = BOUNDS["gradient"][name] + soft
    check(errors(gradient, gradients, sizes if soft else None), bound, "gradient", name, x.shape)
    return losses, gradient


# ---- rows --------------------------------------------------------------------------------------------

LENGTHS = (1, 2, 3, 10, 255, 256, 257, 1000, 5000)
SCALES = (1e-8, 1e-3, 0.1, 1, 10, 300, 1e4)
# How far below the largest number others are certain to lose, and where their share is subnormal, then 0.
FAR = {"float64": (30, 708, 746), "float32": (12, 87, 104), "float16": (5, 9.7, 17.4), "bfloat16": (4, 87, 93)}


@np.errstate(all="ignore")
def some_rows(name, length, seed=0):
    """A row of every kind: of each scale, of ties, of neighbours, with a largest that is all but certain, with -inf.

    Of long rows only some, for the oracle takes its time.
    """
    rng = np.random.default_rng(seed)
    certain, subnormal, zero = FAR[name]
    place = rng.integers(length)
    rows = [rng.standard_normal(length) * scale for scale in SCALES]
    rows += [np.full(length, 0.1), 3.0 * rng.integers(0, 2, length), 1000 + rng.standard_normal(length),
             1 - rng.integers(0, 9, length) * 2.0**-52, 10.0 ** rng.uniform(-320, 308, length) * rng.choice([-1, 1])]
    for least, most in ((certain, zero), (subnormal, zero), (certain, 2 * certain), (0.1, 0.1), (zero, 5 * zero)):
        rows.append(-rng.uniform(least, most, length))
        rows[-1][place] = 0
    result = as_finite(np.stack(rows), name)
    without = result[[3, 4, -3]]
    without[:, rng.random(length) < 0.5] = -np.inf
    without[:, place] = 0
    result = np.concatenate([result, without])
    return result if length < 1000 else result[1::3] if length < 5000 else result[3::5]


def some_labels(shape, kind, dtype=None, seed=0):
    """Classes, one-hot rows, rows that sum to 1, or any rows of numbers from 0 to 1."""
    rng = np.random.default_rng(seed)
    if kind == "classes":
        return rng.integers(0, shape[-1], shape[:-1]).astype(dtype or np.int64)
    if kind == "one-hot":
        return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])].astype(dtype or np.float64)
    rows = rng.random(shape)
    return (rows / rows.sum(-1, keepdims=True) if kind == "shares" else rows).astype(dtype or np.float64)


# ---- subnormals as 0 ---------------------------------------------------------------------------------

MODES = """
#include <xmmintrin.h>
unsigned get_mode(void) { return _mm_getcsr(); }
void set_mode(unsigned mode) { _mm_setcsr(mode); }
"""


@contextlib.contextmanager
def flush_to_zero(mode):
    """Subnormal numbers are 0, on input and output, as another library may have set it; `mode` is MODES compiled."""
    mode = ctypes.CDLL(str(mode))
    mode.get_mode.restype = ctypes.c_uint
    before = mode.get_mode()
    mode.set_mode(ctypes.c_uint(before | 0x8040))
    try:
        assert np.array([1e-310])[0] + np.array([1e-310])[0] == 0
        yield
        assert mode.get_mode() & 0x8040 == 0x8040
    finally:
        mode.set_mode(ctypes.c_uint(before))


# ---- one level ---------------------------------------------------------------------------------------


def answers():
    """Results of every kind; how far they are from the oracle is looked at on the way."""
    for name, length in itertools.product(FLOATS, (1, 3, 10, 256, 300)):
        if length > 10 and name not in ("float32", "float64"):
            continue
        x = some_rows(name, length)[:: 1 if length < 256 else 3]
        yield from check_rows(x)
        finite = x[np.isfinite(x.astype(np.float64)).all(-1)]
        for kind in ("classes", "shares"):
            y = some_labels(finite.shape, kind)
            yield from check_losses(y, finite, soft=kind == "shares")
            weight = np.arange(len(finite)) / 4
            for reduction in ("mean", "sum"):
                yield from ff.cross_entropy(y, finite, reduction=reduction, weight=weight, return_grad=True)
        yield ff.softmax(x, axis=None, out=np.empty(x.shape))
        yield from (ff.logsumexp(x, axis=0), ff.log_softmax(x, axis=0))


def main():
    np.seterr(all="raise")
    found = hashlib.sha256(b"".join(map(canonical, answers())))
    print(ff.cpu_info()["level"], found.hexdigest())


if __name__ == "__main__":
    main()
