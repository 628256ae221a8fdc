"""The oracle of the elementary functions, three times: NumPy's float64, MPFR, and rounding once to 16 bits.

NumPy's float64 is exact to some 2**-50, which settles float32. MPFR settles float64, and the 16-bit results that lie
near the middle of two numbers. Arguments are arrays of any dtype, as the library takes them; results are float64.
Behind it: distances, the numbers to look at, and the library at every instruction-set level.
"""

import multiprocessing
import os
import re
from contextlib import suppress
from multiprocessing.shared_memory import SharedMemory

import gmpy2
import ml_dtypes
import numpy as np

NAMES = ("sigmoid", "sigmoid_grad", "log_sigmoid", "softplus", "logit", "safe_log")


# ---- in NumPy's float64 ------------------------------------------------------------------------------


@np.errstate(all="ignore")
def wide(x):
    return np.asarray(x).astype(np.float64, copy=False)


@np.errstate(all="ignore")
def sigmoid(x):
    e = np.exp(-np.abs(wide(x)))
    return np.where(wide(x) < 0, e, 1) / (1 + e)


@np.errstate(all="ignore")
def sigmoid_grad(x):
    e = np.exp(-np.abs(wide(x)))
    return e / (1 + e) ** 2


@np.errstate(all="ignore")
def softplus(x):
    return np.maximum(wide(x), 0) + np.log1p(np.exp(-np.abs(wide(x))))


def log_sigmoid(x):
    return -softplus(-wide(x))


@np.errstate(all="ignore")
def logit(p):
    """Near 1/2 the odds are near 1, and 2 * p - 1 is exact."""
    p = wide(p)
    return np.where(p < 0.25, np.log(p) - np.log1p(-p), np.log1p((2 * p - 1) / (1 - p)))


@np.errstate(all="ignore")
def safe_log(x, *, fill=None, floor=None):
    if fill is not None:
        return np.where(wide(x) <= 0, fill, np.log(wide(x)))
    return np.log(np.maximum(wide(x), smallest(x) if floor is None else floor))


@np.errstate(all="ignore")
def safe_divide(a, b, *, fill=0.0):
    return np.where((wide(b) == 0) & ~np.isnan(wide(a)), fill, wide(a) / wide(b))


def smallest(x):
    """The smallest positive number of the dtype."""
    return float(ml_dtypes.finfo(x.dtype).smallest_subnormal)


FUNCTIONS = {name: globals()[name] for name in NAMES}


# ---- in MPFR -----------------------------------------------------------------------------------------

EXACT = {
    "sigmoid": lambda x: 1 / (1 + gmpy2.exp(-x)),
    "sigmoid_grad": lambda x: gmpy2.exp(-abs(x)) / (1 + gmpy2.exp(-abs(x))) ** 2,
    "log_sigmoid": lambda x: -(max(-x, 0) + gmpy2.log1p(gmpy2.exp(-abs(x)))),
    "softplus": lambda x: max(x, 0) + gmpy2.log1p(gmpy2.exp(-abs(x))),
    "logit": lambda p: gmpy2.log(p / (1 - p)),
    "safe_log": gmpy2.log,      # of what is not below the smallest positive number
}


def true_values(name, x):
    """To 200 bits, for numbers of any dtype."""
    if name == "safe_log":
        x = np.maximum(wide(x), smallest(x))
    with gmpy2.context(precision=200):
        return [EXACT[name](gmpy2.mpfr(value)) for value in wide(x).tolist()]


def nearest_and_rest(name, x):
    """The float64 nearest to each true value, and what is left, in units in the last place of it."""
    values = true_values(name, x)
    nearest = np.array([float(value) for value in values])
    units = unit_of(nearest).tolist()
    with gmpy2.context(precision=200):
        rest = np.array([float((value - near) / unit) for value, near, unit in zip(values, nearest.tolist(), units)])
    return nearest, np.where(np.isfinite(nearest), rest, 0)


# ---- distances ---------------------------------------------------------------------------------------


def unit_of(x):
    """The unit in the last place of float32 or float64 numbers: at least that of the subnormal ones."""
    info = np.finfo(x.dtype)
    bits = np.dtype(f"u{x.dtype.itemsize}").type
    power = (x.view(bits) & np.array(np.inf, x.dtype).view(bits)).view(x.dtype)
    return np.maximum(power, info.smallest_normal).astype(np.float64) * float(info.eps)


@np.errstate(all="ignore")
def ulps(found, right, rest=0.0):
    """How many units in the last place of the true value, right + rest units, results are away from it.

    The units are those of the true value rounded to the results' dtype. inf for a wrong sign, also of a zero, for a
    nan or an inf that should not be there, and for one that should and is not.
    """
    nearest = right.astype(found.dtype)
    error = found - right
    error /= unit_of(nearest)
    error -= rest
    np.abs(error, out=error)
    odd = ~np.isfinite(error)
    if odd.any():
        found_odd, right_odd = found[odd], nearest[odd]
        error[odd] = np.where((found_odd == right_odd) | (np.isnan(found_odd) & np.isnan(right_odd)), 0, np.inf)
    signs = np.signbit(found) != np.signbit(nearest)
    if signs.any():
        error[signs & ~np.isnan(nearest)] = np.inf
    return error


def out_of_order(name, results):
    """Where results for neighbours, in the order of the numbers, go the wrong way: all rise, but sigmoid_grad.

    It rises up to 0, and falls from there on; its results must be those of numbers of one sign, by size.
    """
    before, after = results[..., :-1], results[..., 1:]
    return after > before if name == "sigmoid_grad" else after < before


def promised(function):
    """How exact a docstring says that float32 and float64 are, in units in the last place."""
    found = re.search(r"within ([\d.]+) units in the last place for float32.*?; ([\d.]+) for float64", function.__doc__)
    assert found, f"the docstring of {function.__name__} does not say how exact it is"
    return {"float32": float(found[1]), "float64": float(found[2])}


# ---- 16 bits -----------------------------------------------------------------------------------------

# Bits of the significand, and the exponent of the smallest positive number.
NARROW = {"float16": (11, -24), "bfloat16": (8, -133)}


@np.errstate(all="ignore")
def narrow_unit(x, dtype):
    """The unit in the last place that float64 numbers have in a 16-bit format."""
    digits, least = NARROW[dtype.name]
    return np.ldexp(1.0, np.maximum(np.frexp(x)[1] - digits, least))


@np.errstate(all="ignore")
def correctly_rounded(name, x):
    """The number of x's dtype, 16 bits wide, nearest to each true value, as float64: rounded once."""
    right = FUNCTIONS[name](x)
    unit = narrow_unit(right, x.dtype)
    steps = right / unit
    middle = np.abs(np.abs(steps - np.trunc(steps)) - 0.5) < 2.0**-20
    with gmpy2.context(precision=200):
        pairs = zip(true_values(name, x[middle]), unit[middle].tolist())
        steps[middle] = [float(gmpy2.rint(value / one)) for value, one in pairs]
    return np.rint(steps) * unit


# ---- numbers -----------------------------------------------------------------------------------------

LN2, ROOT2 = np.log(2), np.sqrt(2)
# Where float32 and float64 results become 0, 1, subnormal or x itself, and where ways through the kernels part.
THRESHOLDS = (16.64, 17.33, 36.74, 37.43, 87.34, 88.73, 103.28, 103.98, 110, 708.4, 709.79, 744.45, 745.14, 746, 1e30)
EDGES = (
    0, 0.25, 0.4, 0.5, 0.6, 0.75, 1, 2, 3, *THRESHOLDS, np.inf,
    *(LN2 / 2 * k for k in (1, 2, 3, 4, 5, 7, 50, 125, 126, 127, 149, 150, 1021, 1022, 1074)),
    *(ROOT2**k for k in (-2100, -297, -253, -251, -25, -23, -5, -3, -2, -1, 1, 2, 3, 5, 25, 253, 255, 2045, 2047)),
    *(1 / (1 + ROOT2**k) for k in range(-51, 53, 2)),
)
# What float64 numbers of a function are taken from: two ranges, and numbers to come close to.
RANGES = {
    "sigmoid": ((-746, 40), (-4, 4), (LN2, 1)),
    "sigmoid_grad": ((-746, 746), (-4, 4), (LN2, 1)),
    "log_sigmoid": ((-40, 746), (-4, 4), (LN2, 1)),
    "softplus": ((-746, 40), (-4, 4), (LN2, 1)),
    "logit": ((0, 1), (0.4, 0.6), (0.5, 1)),
    "safe_log": ((0, 4), (0.7, 1.5), (1, ROOT2)),
}


@np.errstate(all="ignore")
def edges(dtype, around):
    """Numbers of both signs with as many neighbours on each side, a row each; those of 0 are the smallest there are."""
    dtype = np.dtype(dtype)
    bits = np.array(EDGES).astype(dtype).view(f"i{dtype.itemsize}")[:, None] + np.arange(-around, around + 1)
    positive = np.maximum(bits, 0).astype(f"i{dtype.itemsize}").view(dtype)
    return np.concatenate([positive, -positive])


def nans(dtype):
    """Quiet and signalling ones, of both signs, of many payloads."""
    bits = np.dtype(f"u{np.dtype(dtype).itemsize}").type
    least = np.array(np.inf, dtype).view(bits)
    payloads = [least + bits(1 << i) for i in range(np.finfo(dtype).nmant)] + [~least >> bits(1) | least]
    return np.array(payloads + [one | ~(~bits(0) >> bits(1)) for one in payloads], bits).view(dtype)


def singles(count):
    """float32 spread over all bit patterns, in the order of the bits."""
    step = 2**32 // count
    return (np.arange(count, dtype=np.uint64) * step + np.arange(count) % step).astype(np.uint32).view(np.float32)


def doubles(name, count, seed):
    """float64 over the whole range of exponents, where it matters, and close to numbers where terms cancel."""
    rng = np.random.default_rng(seed)
    wide_range, narrow_range, centers = RANGES[name]
    quarter = -(-count // 4)
    most = np.array(1.0 if name == "logit" else np.finfo(np.float64).max).view(np.uint64)
    anywhere = rng.integers(0, most, quarter, np.uint64, endpoint=True).view(np.float64)
    near = rng.choice(centers, quarter) * (1 + rng.choice([-1, 1], quarter) * 2.0 ** -rng.uniform(1, 53, quarter))
    if name == "logit":
        near = np.where(near < 1, near, 2 - near)
    elif name == "safe_log":
        near *= 2.0 ** rng.choice([0, 0, 0, -1, 1, 60], quarter)
    else:
        anywhere *= rng.choice([-1, 1], quarter)
        near *= rng.integers(-2150, 2151, quarter) / 2
    return np.concatenate([anywhere, rng.uniform(*wide_range, quarter), rng.uniform(*narrow_range, quarter), near])


# ---- the library, at every level ---------------------------------------------------------------------


def serve(connection, memory_name, place, size):
    """The life of a child: evaluate the numbers at the head of the memory, results behind them; no flag is raised."""
    import fastfinite as ff

    np.seterr(all="raise")
    memory = SharedMemory(memory_name)
    connection.send(ff.cpu_info()["level"])
    with suppress(EOFError, ConnectionError):     # until the other end is closed
        while True:
            names, dtype, shape = connection.recv()
            dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))
            x = np.ndarray(shape, dtype, memory.buf)
            for i, name in enumerate(names):
                getattr(ff, name)(x, out=np.ndarray(shape, dtype, memory.buf, place + i * size))
            connection.send("done")
    memory.close()


class Levels:
    """One process for each instruction-set level, which evaluate the same numbers, of up to `size` bytes."""

    def __init__(self, levels, size):
        self.size = -(-size // 64) * 64
        self.memory = SharedMemory(create=True, size=self.size * (1 + len(levels) * len(NAMES)))
        self.connections, self.processes = {}, []
        context = multiprocessing.get_context("spawn")
        before = os.environ.get("FASTFINITE_CPU")
        for level in levels:
            self.connections[level], theirs = context.Pipe()
            os.environ["FASTFINITE_CPU"] = level
            arguments = (theirs, self.memory.name, self.place(level), self.size)
            self.processes.append(context.Process(target=serve, args=arguments, daemon=True))
            self.processes[-1].start()
            theirs.close()
        os.environ.pop("FASTFINITE_CPU") if before is None else os.environ.update(FASTFINITE_CPU=before)
        for level, connection in self.connections.items():
            assert connection.recv() == level

    def place(self, level):
        return self.size * (1 + list(self.connections).index(level) * len(NAMES))

    def ask(self, x, names=NAMES):
        assert x.nbytes <= self.size
        np.ndarray(x.shape, x.dtype, self.memory.buf)[...] = x
        self.asked = (x.shape, x.dtype, names)
        for connection in self.connections.values():
            connection.send((names, x.dtype.name, x.shape))

    def answers(self):
        """{name: {level: results}}, which the next question overwrites."""
        shape, dtype, names = self.asked
        assert all(connection.recv() == "done" for connection in self.connections.values())
        return {name: {level: np.ndarray(shape, dtype, self.memory.buf, self.place(level) + i * self.size)
                       for level in self.connections} for i, name in enumerate(names)}

    def __call__(self, x, names=NAMES):
        self.ask(x, names)
        return self.answers()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for connection in self.connections.values():
            connection.close()
        for process in self.processes:
            process.join()
        self.memory.close()
        self.memory.unlink()
