"""The oracle of the losses: what the formulas give of the given numbers, in 200 bits; sums without any rounding.

Losses and gradients are arrays of MPFR numbers, so that a distance from them is the library's error alone. For arrays
too large for that, `wide_*` is the same in NumPy's float64, exact to some 2**-50. Behind it: the numbers to look at.
Run as a script, it looks at the library at one instruction-set level, and prints a digest of the results.
"""

import functools
import hashlib
import itertools
import math

import elementary_reference as elementary
import gmpy2
import ml_dtypes
import numpy as np
from reference import dtype_of

import fastfinite as ff

PRECISION = 200
FLOATS = ("float16", "float32", "float64", "bfloat16")
# Labels, alone in an array: hard, soft, and soft as the smallest and the largest numbers that are.
LABELS = (0.0, 1.0, 0.3, 0.5, 0.9999, 1e-30, 1 - 2.0**-53, 5e-324)


# ---- one element -------------------------------------------------------------------------------------


def exactly(function):
    """Evaluate a function in many bits; Python's numbers and NumPy's become MPFR's without rounding."""

    @functools.wraps(function)
    def call(*args, **options):
        with gmpy2.context(precision=PRECISION):
            return function(*args, **options)

    return call


def share(factor, value):
    """A product in which 0 wins over inf; nan wins over both."""
    return factor if factor == 0 and not gmpy2.is_nan(value) else factor * value


def softplus(z):
    return max(z, gmpy2.mpfr(0)) + gmpy2.log1p(gmpy2.exp(-abs(z)))


def sigmoid(z):
    return 1 / (1 + gmpy2.exp(-z))


def of_logit(y, z, pos_weight):
    """The loss, and the two parts of which the gradient is the difference."""
    if gmpy2.is_nan(z) or gmpy2.is_nan(y):
        return (gmpy2.nan(),) * 3
    one, zero = y * pos_weight, 1 - y
    return share(one, softplus(-z)) + share(zero, softplus(z)), zero * sigmoid(z), one * sigmoid(-z)


def of_probability(y, p, floor):
    if gmpy2.is_nan(p) or gmpy2.is_nan(y):
        return (gmpy2.nan(),) * 3
    with gmpy2.context(precision=1200):
        rest = 1 - p        # without rounding
    log_one = gmpy2.log(max(p, floor))
    log_zero = gmpy2.log(floor) if rest < floor else gmpy2.log1p(-p)
    loss = abs(share(y, log_one) + share(1 - y, log_zero))
    plus = gmpy2.mpfr(0) if y == 1 or rest < floor else (1 - y) / rest
    minus = gmpy2.mpfr(0) if y == 0 or p < floor else y / p
    return loss, plus, minus


# ---- arrays ------------------------------------------------------------------------------------------


def listed(x, shape):
    """Python's numbers of an array."""
    x = np.broadcast_to(np.asarray(x), shape)
    x = x.astype(np.float64) if x.dtype.name == "bfloat16" else x
    return [gmpy2.mpfr(int(value) if isinstance(value, bool) else value) for value in x.ravel().tolist()]


def as_array(values, shape):
    result = np.empty(len(values), object)
    result[:] = values
    return result.reshape(shape)


def smallest(x):
    """The smallest positive number of the dtype of predictions; integers are float64."""
    name = np.asarray(x).dtype.newbyteorder("=").name
    return float(ml_dtypes.finfo(dtype_of(name)).smallest_subnormal) if name in FLOATS else 5e-324


def combined(parts, weights, shape, reduction, return_parts):
    """Of losses and parts of gradients: what was asked for, after weights."""
    scale = 1 / gmpy2.mpfr(len(parts)) if reduction == "mean" and parts else gmpy2.mpfr(1)
    losses = [weight if weight == 0 else weight * loss for (loss, _, _), weight in zip(parts, weights)]
    if reduction == "none":
        loss = as_array(losses, shape)
    elif reduction == "sum":
        loss = gmpy2.fsum(losses)
    else:
        loss = gmpy2.fsum(losses) / len(losses) if losses else gmpy2.nan()
    if not return_parts:
        return loss
    both = [as_array([scale * weight if weight == 0 else scale * weight * part[i]
                      for part, weight in zip(parts, weights)], shape) for i in (1, 2)]
    return loss, *both


@exactly
def binary_cross_entropy_with_logits(y_true, logits, *, reduction="mean", weight=None, pos_weight=None,
                                     return_parts=False):
    """The loss and, where asked for, the two parts of which the gradient is the difference."""
    shape = np.shape(logits)
    rows = zip(*(listed(1 if x is None else x, shape) for x in (y_true, logits, pos_weight)))
    weights = listed(1 if weight is None else weight, shape)
    return combined([of_logit(*row) for row in rows], weights, shape, reduction, return_parts)


@exactly
def binary_cross_entropy(y_true, y_prob, *, reduction="mean", weight=None, floor=None, return_parts=False):
    shape = np.shape(y_prob)
    floor = gmpy2.mpfr(smallest(y_prob) if floor is None else floor)
    rows = zip(listed(y_true, shape), listed(y_prob, shape))
    weights = listed(1 if weight is None else weight, shape)
    return combined([of_probability(*row, floor) for row in rows], weights, shape, reduction, return_parts)


# ---- the same in NumPy's float64 ---------------------------------------------------------------------


@np.errstate(all="ignore")
def wide_with_logits(y, z):
    y = elementary.wide(y)
    return y * elementary.softplus(-elementary.wide(z)) + (1 - y) * elementary.softplus(z)


@np.errstate(all="ignore")
def wide_of_probabilities(y, p, floor=None):
    floor = smallest(p) if floor is None else floor
    y, p = elementary.wide(y), elementary.wide(p)
    one, zero = np.log(np.maximum(p, floor)), np.where(1 - p < floor, np.log(floor), np.log1p(-p))
    return np.abs(np.where(y == 0, 0, y * one) + np.where(y == 1, 0, (1 - y) * zero))


def exact_sum(terms):
    """Rounded once."""
    return math.fsum(itertools.chain.from_iterable(part.tolist() for part in np.array_split(terms, 64)))


# ---- distances ---------------------------------------------------------------------------------------

# Bits of the significand, the exponent of the smallest positive number, and the exponent that overflows.
FORMATS = {
    "float16": (11, -24, 16), "float32": (24, -149, 128), "float64": (53, -1074, 1024), "bfloat16": (8, -133, 128),
}


def unit_of(right, name):
    """The unit in the last place that a number has in a format."""
    digits, least, _ = FORMATS[name]
    return gmpy2.exp2(max(gmpy2.get_exp(right) - digits, least) if right else least)


def rounds_to_inf(right, name):
    digits, _, top = FORMATS[name]
    return abs(right) >= gmpy2.exp2(top) - gmpy2.exp2(top - digits - 1)


def distance(found, right, name):
    if gmpy2.is_nan(right):
        return 0.0 if found != found else math.inf
    if rounds_to_inf(right, name):
        return 0.0 if found == math.copysign(math.inf, right) else math.inf
    if not math.isfinite(found):
        return math.inf
    return float(abs(gmpy2.mpfr(found) - right) / unit_of(right, name))


@exactly
def ulps(found, right):
    """How many units in the last place of the true values, in the format of the results, results are away from them."""
    found = np.asarray(found)
    name = found.dtype.newbyteorder("=").name
    pairs = zip(found.astype(np.float64).ravel().tolist(), np.ravel(right).tolist())
    return np.array([distance(one, other, name) for one, other in pairs]).reshape(found.shape)


@exactly
def gradient_errors(found, plus, minus):
    """Distances of gradients from plus - minus, relative to the larger of the two, beyond half a unit of the format."""
    found = np.asarray(found)
    name = found.dtype.newbyteorder("=").name
    errors = []
    for one, up, down in zip(found.astype(np.float64).ravel().tolist(), np.ravel(plus), np.ravel(minus)):
        right, most = up - down, max(up, down)
        if rounds_to_inf(right, name) and abs(one) == float(ml_dtypes.finfo(dtype_of(name)).max):
            # Gradients of floored logs end at the largest number.
            errors.append(0.0 if (one > 0) == (right > 0) else math.inf)
            continue
        if gmpy2.is_nan(right) or rounds_to_inf(right, name) or not math.isfinite(one):
            errors.append(distance(one, right, name))
            continue
        beyond = max(0, abs(gmpy2.mpfr(one) - right) - unit_of(right, name) / 2)
        errors.append(float(beyond / most) if most else math.inf if beyond else 0.0)
    return np.array(errors)


@exactly
def relative(found, right):
    """The relative error of one number."""
    return float(abs((gmpy2.mpfr(found) - right) / right)) if right else math.inf if found else 0.0


# ---- numbers -----------------------------------------------------------------------------------------

CALLS = {
    "logits": (ff.binary_cross_entropy_with_logits, binary_cross_entropy_with_logits, wide_with_logits),
    "probabilities": (ff.binary_cross_entropy, binary_cross_entropy, wide_of_probabilities),
}
TAILS = (0, 5e-324, 1e-310, 1e-45, 1e-8, 0.5, 1, 15, 16, 16.5, 17, 17.5, 36.7, 37.5, 50, 87, 88.8, 100, 103.9, 104, 110,
         111, 708.5, 709.7, 745, 745.2, 746, 750, 1e4, 8e7, 1e30, 1e300, 1e308, 1.7976931348623157e308)
NEAR_0 = (0, 5e-324, 1e-310, 3e-308, 1e-45, 1e-40, 2e-38, 1e-30, 2.0**-54, 2.0**-53, 1e-8, 2.0**-24, 1e-3, 0.1)
NEAR_1 = (2.0**-53, 2.0**-52, 1e-15, 2.0**-25, 2.0**-24, 1e-7, 2.0**-11, 1e-3, 0.1, 0.4999999, 0.5)


def as_finite(values, name):
    """Numbers of a dtype; those that it does not hold are its largest."""
    largest = float(ml_dtypes.finfo(dtype_of(name)).max)
    return np.clip(np.asarray(values, np.float64), -largest, largest).astype(dtype_of(name))


@np.errstate(all="ignore")
def some_logits(name, count, seed=0):
    """Tails of both signs, ordinary logits of several sizes, and all exponents."""
    rng = np.random.default_rng(seed)
    ordinary = [rng.standard_normal(count // 4) * scale for scale in (1, 10, 300)]
    exponents = 10.0 ** rng.uniform(-320, 308, count // 4) * rng.choice([-1, 1], count // 4)
    return as_finite(np.concatenate([TAILS, np.negative(TAILS), *ordinary, exponents]), name)


@np.errstate(all="ignore")
def some_probabilities(name, count, seed=0):
    """Both ends of [0, 1], all of it, all exponents, and as close to 1."""
    rng = np.random.default_rng(seed)
    near_1 = 1 - 2.0 ** -rng.uniform(1, 54, count // 4)
    exponents = 10.0 ** rng.uniform(-323, 0, count // 4)
    values = [NEAR_0, np.subtract(1, NEAR_1), [1], rng.random(count // 4), 0.5 + rng.normal(0, 1e-4, count // 4)]
    return as_finite(np.concatenate([*values, near_1, exponents]), name)


NUMBERS = {"logits": some_logits, "probabilities": some_probabilities}


def some_labels(shape, kind="hard", dtype="float64", seed=0):
    """Labels 0 and 1, or any."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 2, shape) if kind == "hard" else rng.random(shape)).astype(dtype_of(dtype))


# ---- one level ---------------------------------------------------------------------------------------


def canonical(result):
    """Bytes in which every nan is the same."""
    result = np.array(result)
    if result.dtype.kind not in "biu":
        result[result != result] = np.nan
    return result.tobytes()


def answers():
    """Results of every kind for all dtypes; losses and their distances are looked at on the way."""
    for (which, (call, exact, _)), name in itertools.product(CALLS.items(), FLOATS):
        x = NUMBERS[which](name, 1200)
        weight = np.resize([0, 0.25, 3], x.shape)
        factors = [{}, {"weight": weight}, *([{"pos_weight": weight}] if which == "logits" else [{"floor": 1e-7}])]
        for kind, options in itertools.product(("hard", "soft"), factors):
            y = some_labels(x.shape, kind)
            losses, gradient = call(y, x, reduction="none", return_grad=True, **options)
            if not options:
                worst = ulps(losses, exact(y, x, reduction="none")).max()
                assert worst <= (2 if name == "float64" else 0.516), (which, name, kind, worst)
            yield from (losses, gradient, call(y, x, **options))
        for n in (1, 255, 257, 65536 + 300):
            yield call(some_labels(n, dtype="float32"), np.resize(x, n), reduction="sum")
            yield call(some_labels(n, "soft", "float32"), np.resize(x, n), reduction="sum")


def main():
    np.seterr(all="raise")
    found = hashlib.sha256(b"".join(map(canonical, answers())))
    print(ff.cpu_info()["level"], found.hexdigest())


if __name__ == "__main__":
    main()
