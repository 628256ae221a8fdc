"""Every float32, and a hunt among float64: pytest -m exhaustive, some ten minutes on two cores.

Writes docs/accuracy.md from what it found, if every bound held.
"""

import threading
from collections import defaultdict
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

import elementary_reference as oracle
import numpy as np
import pytest
from elementary_reference import NAMES, Levels, out_of_order, promised, ulps
from reference import dtype_of

import fastfinite as ff

pytestmark = pytest.mark.exhaustive
KNOWN = ("base", "v2", "v3", "v4")
INFO = ff.cpu_info()
LEVELS = [level for level in INFO["supported"] if level in INFO["compiled"]]
DOCUMENT = Path(__file__).parent.parent / "docs" / "accuracy.md"
WORKERS = 2
SPAN = 1 << 15          # sizes looked at together, with both signs: what the caches hold
SIZES = 1 << 31         # float32 of one sign
POINTS = 1_000_000      # float64 of each function

every_function = pytest.mark.parametrize("name", NAMES)


class Worst:
    """The largest error seen, the number it was for and the result; of equal ones that of the smallest bits."""

    def __init__(self):
        self.inputs, self.error, self.x, self.found = 0, -1.0, None, None

    def look(self, error, x, found):
        assert error.shape == x.shape == found.shape
        self.inputs += error.size
        i = int(error.argmax())
        if error.flat[i] > self.error:
            self.error, self.x, self.found = float(error.flat[i]), x.flat[i], found.flat[i]

    def rank(self):
        return self.error, -float(abs(self.x)), self.x > 0

    @staticmethod
    def of(parts):
        """The worst of what several workers saw."""
        parts = [part for part in parts if part.inputs]
        total, worst = Worst(), max(parts, key=Worst.rank)
        total.inputs = sum(part.inputs for part in parts)
        total.error, total.x, total.found = worst.error, worst.x, worst.found
        return total


# ---- every float32 -----------------------------------------------------------------------------------


class Sweep:
    """What one worker saw: the worst by function and level; and broken rules, how often in a block and where first."""

    def __init__(self):
        self.worst = defaultdict(Worst)
        self.broken = defaultdict(list)

    def run(self, levels, number, stop):
        np.empty(31 << 20, np.uint8)        # once freed, glibc keeps temporaries of this size: twice the speed
        with np.errstate(all="ignore"):
            for start in range(number * SPAN, SIZES, WORKERS * SPAN):
                if stop.is_set():
                    break
                self.look(levels, both_signs(start))

    def look(self, levels, x):
        levels.ask(x)
        right = {name: oracle.FUNCTIONS[name](x) for name in NAMES}
        for name, found in levels.answers().items():
            seen = []       # results that differ in bits, and their errors
            for level, results in found.items():
                error = next((error for other, error in seen if same_bits(other, results)), None)
                if error is None:
                    self.check_rules(name, level, x, results)
                    error = self.errors(results, right[name], seen)
                    seen.append((results, error))
                # The last is the first of the next block.
                self.worst[name, level].look(error[:, :-1], x[:, :-1], results[:, :-1])
            if {"v3", "v4"} <= set(found) and not same_bits(found["v3"], found["v4"]):
                self.note(name, "v4", "the same bits as v3", bits_of(found["v3"]) != bits_of(found["v4"]), x)

    def errors(self, results, right, seen):
        """Of results that differ in bits from those seen; after the first, only where they do."""
        if not seen:
            return ulps(results, right)
        others, error = seen[0]
        new = bits_of(results) != bits_of(others)
        error = error.copy()
        error[new] = ulps(results[new], right[new])
        return error

    def check_rules(self, name, level, x, results):
        """Neighbours in order, those of the next block too; the symmetries."""
        sides = results if name == "sigmoid_grad" else np.stack([results[0], -results[1]])
        self.note(name, level, "order", out_of_order(name, sides), x[:, 1:])
        if name == "sigmoid":
            total = results[0].astype(np.float64) + results[1]
            self.note(name, level, "complement", np.abs(total - 1) > 2.0**-24, x[0])
        if name == "sigmoid_grad":
            self.note(name, level, "even", (bits_of(results[0]) != bits_of(results[1])) & ~np.isnan(x[0]), x[0])

    def note(self, name, level, rule, wrong, x):
        if wrong.any():
            self.broken[name, level, rule].append((int(wrong.sum()), float(x[wrong][0]).hex()))


def both_signs(start):
    """float32 by size from the bits `start` on, and one more, for the order; and the same with the other sign."""
    size = np.minimum(np.arange(start, start + SPAN + 1), SIZES - 1).astype(np.uint32)
    return np.stack([size, size | np.uint32(SIZES)]).view(np.float32)


def bits_of(x):
    return x.view(f"u{x.dtype.itemsize}")


def same_bits(a, b):
    return np.array_equal(bits_of(a), bits_of(b))


@pytest.fixture(scope="module")
def levels():
    """For all but the sweep, which starts its own at the same time: from the same build."""
    with Levels(LEVELS, (POINTS + 8) * 8) as found:
        yield found


@pytest.fixture(scope="module")
def sweeps(levels):
    """The work of all workers, each a thread with a process for every level; the first error ends it."""
    found, stop = [Sweep() for _ in range(WORKERS)], threading.Event()
    with ExitStack() as stack:
        own = [stack.enter_context(Levels(LEVELS, 2 * (SPAN + 1) * 4)) for _ in found]
        pool = stack.enter_context(ThreadPoolExecutor(WORKERS))
        try:
            work = [pool.submit(sweep.run, own[i], i, stop) for i, sweep in enumerate(found)]
            wait(work, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
        for one in work:
            one.result()
    return found


@pytest.fixture(scope="module")
def singles(sweeps):
    """The worst float32 by function and level."""
    keys = [(name, level) for name in NAMES for level in LEVELS]
    return {key: Worst.of([sweep.worst[key] for sweep in sweeps]) for key in keys}


@every_function
def test_every_float32_is_within_one_unit(name, singles):
    for level in LEVELS:
        worst = singles[name, level]
        assert worst.inputs == 2**32, level
        assert 0 <= worst.error <= 1, (level, worst.error, float(worst.x).hex(), worst.found)


@every_function
def test_every_float32_keeps_order_and_symmetry_and_the_bits_of_levels_with_fma(name, sweeps):
    broken = {key: places for sweep in sweeps for key, places in sweep.broken.items() if key[0] == name}
    assert not broken, {key: (len(places), places[:3]) for key, places in broken.items()}


# ---- float64 -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def doubles(levels):
    """The worst float64 by function and level, of random numbers and edges, and of those that the hunt comes to."""
    found = {}
    for name in NAMES:
        for part in (oracle.doubles(name, POINTS, 10), oracle.edges(np.float64, 50).ravel(), oracle.nans(np.float64)):
            errors = look(found, "sample", name, part, levels)
            if part.size == POINTS:
                hunt(found, name, part, errors, levels)
    return found


def look(found, where, name, x, levels):
    """Note the worst of each level; return the errors by level."""
    right = oracle.nearest_and_rest(name, x)
    errors = {}
    for level, results in levels(x, [name])[name].items():
        errors[level] = ulps(results, *right)
        found.setdefault((where, name, level), Worst()).look(errors[level], x, results)
    return errors


def hunt(found, name, x, errors, levels, keep=100, children=10, rounds=300):
    """Climb from the worst numbers of each level to worse ones nearby, at any distance."""
    rng = np.random.default_rng(11)
    herds = {level: (x[order], error[order]) for level, error in errors.items() for order in [error.argsort()[-keep:]]}
    for _ in range(rounds):
        near = np.unique(np.concatenate([best for best, _ in herds.values()]))
        step = 2.0 ** rng.uniform(0, 46, (children, near.size)) * rng.choice([-1, 1], (children, near.size))
        tried = (near.view(np.int64) + step.astype(np.int64)).view(np.float64).ravel()
        errors = look(found, "hunt", name, tried, levels)
        for level, (best, error) in herds.items():
            every, first = np.unique(np.append(best, tried), return_index=True)
            every_error = np.append(error, errors[level])[first]
            order = every_error.argsort(kind="stable")[-keep:]
            herds[level] = every[order], every_error[order]


@every_function
def test_float64_is_within_one_unit(name, doubles):
    for level in LEVELS:
        sample, hunted = doubles["sample", name, level], doubles["hunt", name, level]
        assert sample.inputs > POINTS and hunted.inputs > 100_000
        assert 0 <= sample.error <= 1, (level, sample.error, float(sample.x).hex(), sample.found)
        assert 0 <= hunted.error <= 1, (level, hunted.error, float(hunted.x).hex(), hunted.found)


# ---- the document ------------------------------------------------------------------------------------

HEAD = """# How exact the elementary functions are

Written by `pytest -m exhaustive`, which measures all that is said here and fails where a bound does not hold:

```sh
python -m pytest -m exhaustive
```

Errors are in units in the last place (ULP) of the true value rounded to the dtype; among the subnormal numbers that is
the smallest of them. 0.5 is what rounding alone costs. `safe_log` is that with its default floor. The levels are the
instruction sets of `FASTFINITE_CPU`; where several are named they had their largest error in common.
"""

SINGLE = """
## float32: every number

Each function of each of the 2**32 float32, nan included, at each level, against float64 of NumPy: at most 1 ULP. Over
all neighbours the functions rise, and `sigmoid_grad` rises to 0 and falls from there; `sigmoid_grad` is even, bit by
bit; `sigmoid(x) + sigmoid(-x)` is 1 within 2**-24. nan, inf and the signs of zeros are right, and no floating-point
exception is raised.
"""

DOUBLE = """
## float64: {points:,} numbers of each function, and a hunt

Numbers over the whole range of exponents, in the range where the function is neither 0, 1 nor x, and close to where
terms cancel; all edges; then {hunted:,} or more on the way from the worst of them to worse ones nearby. Against MPFR
with 200 bits: at most 1 ULP. Larger errors than these may exist.
"""

NARROW = """
## float16 and bfloat16

Correctly rounded: of each of the 65,536 numbers of both formats each function gives the number nearest to the true
value, at each level.
"""


@pytest.mark.parametrize("dtype", oracle.NARROW)
def test_16_bits_are_correctly_rounded_at_every_level(dtype, levels):
    x = np.arange(2**16, dtype=np.uint16).view(dtype_of(dtype))
    for name, found in levels(x).items():
        right = oracle.correctly_rounded(name, x)
        for level, results in found.items():
            number = ~np.isnan(right)
            assert np.array_equal(oracle.wide(results), right, equal_nan=True), (name, level)
            assert np.array_equal(np.signbit(results)[number], np.signbit(right)[number]), (name, level)


def table(worst_of, digits):
    """The worst of each function, levels with the same worst number and result in one row."""
    yield "\n| function | level | worst, ULP | of | which is | result | true value |\n|---|---|---|---|---|---|---|\n"
    for name in NAMES:
        groups = defaultdict(list)
        for level in LEVELS:
            worst = worst_of(name, level)
            groups[worst.x.tobytes(), worst.found.tobytes()].append(level)
        for levels in groups.values():
            worst = worst_of(name, levels[0])
            value = oracle.true_values(name, np.array([worst.x]))[0]
            cells = (f"`{name}`", ", ".join(levels), f"{worst.error:.4f}", f"`{float(worst.x).hex()}`", str(worst.x),
                     str(worst.found), f"{value:.{digits}g}")
            yield f"| {' | '.join(cells)} |\n"


def test_the_document_is_written_if_every_bound_held(sweeps, singles, doubles, request):
    assert not request.session.testsfailed and not any(sweep.broken for sweep in sweeps)
    assert all(worst.error <= 1 for worst in (*singles.values(), *doubles.values()))
    if tuple(LEVELS) != KNOWN:
        pytest.skip("the document is of all levels, and this machine or build does not have them")

    def worst_double(name, level):
        return max((doubles[where, name, level] for where in ("sample", "hunt")), key=Worst.rank)

    hunted = min(worst.inputs for (where, *_), worst in doubles.items() if where == "hunt")
    text = [HEAD, SINGLE, *table(lambda name, level: singles[name, level], 12),
            DOUBLE.format(points=POINTS, hunted=hunted), *table(worst_double, 20), NARROW]
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text("".join(text))


@every_function
def test_the_docstring_promises_what_was_found(name, singles, doubles):
    found = {"float32": max(singles[name, level].error for level in LEVELS),
             "float64": max(worst.error for (_, one, _), worst in doubles.items() if one == name)}
    bounds = promised(getattr(ff, name))
    assert all(found[dtype] <= bounds[dtype] for dtype in bounds), (found, bounds)
