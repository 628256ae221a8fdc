"""``fastfinite bench``: how fast this build is on this machine, beside what one would write in NumPy.

(a) Every job has a size that stays in the cache and one that does not, in float32 and, unless ``--quick``, float64.
(b) fastfinite and NumPy take turns, so that both meet the same machine; shown is the least time of each, as everything
    else that runs can only add to it.
(c) Jobs that are lost are printed like those that are won. NumPy uses one thread, and fastfinite what it is given.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import fastfinite as ff
from fastfinite._accepted import Array
from fastfinite._terminal import CLEAN, flush_stdout, printable, write, write_object

_COLUMNS = 32
_UNITS = (("ns", 1e9), ("us", 1e6), ("ms", 1e3), ("s", 1.0))


class Plan(NamedTuple):
    """What is run: dtypes, bytes of an array in the cache and of one that is not, and seconds for each line."""

    dtypes: tuple[str, ...]
    in_cache: int
    out_of_cache: int
    seconds: float


FULL = Plan(("float32", "float64"), 256 << 10, 128 << 20, 4.0)
QUICK = Plan(("float32",), 256 << 10, 64 << 20, 0.5)


class Data(NamedTuple):
    """What the jobs of a size and dtype work on; all is finite, which takes the longest."""

    label: str
    x: Array
    table: Array
    labels: Array       # of the rows of the table
    probabilities: Array
    y: Array            # of the probabilities


class Job(NamedTuple):
    """A call, and what one would write in its place."""

    name: str
    ours: Callable[[Data], Any]
    theirs: Callable[[Data], Any]
    rival: str


class Result(NamedTuple):
    """A job at one size, with the least seconds of both."""

    job: str
    data: str
    rival: str
    seconds: float
    numpy_seconds: float

    @property
    def ratio(self) -> float:
        """How many times as fast as NumPy."""
        return self.numpy_seconds / self.seconds


def _clipped(d: Data) -> Array:
    # The smallest step of the dtype below 1: with less, 1 - p would be 0.
    epsilon = np.finfo(d.probabilities.dtype).eps
    return np.clip(d.probabilities, epsilon, 1 - epsilon)


def _cross_entropy(d: Data) -> Any:
    p = _clipped(d)
    return -np.mean(d.y * np.log(p) + (1 - d.y) * np.log(1 - p))


JOBS = (
    Job("all_finite", lambda d: ff.all_finite(d.x), lambda d: np.isfinite(d.x).all(), "isfinite(x).all()"),
    Job(
        "scan, axis=0",
        lambda d: ff.scan(d.table, axis=0),
        lambda d: (np.isnan(d.table).sum(axis=0), np.isinf(d.table).sum(axis=0)),
        "isnan(x).sum(axis=0), isinf(x).sum(axis=0)",
    ),
    Job(
        "column_stats",
        lambda d: ff.column_stats(d.table).var,
        lambda d: np.var(d.table, axis=0),
        "var(x, axis=0)",
    ),
    Job("sigmoid", lambda d: ff.sigmoid(d.x), lambda d: 1 / (1 + np.exp(-d.x)), "1 / (1 + exp(-x))"),
    Job(
        "safe_log",
        lambda d: ff.safe_log(d.probabilities),
        lambda d: np.log(np.maximum(d.probabilities, np.finfo(d.probabilities.dtype).tiny)),
        "log(maximum(x, tiny))",
    ),
    Job(
        "binary_cross_entropy",
        lambda d: ff.binary_cross_entropy(d.y, d.probabilities),
        _cross_entropy,
        "mean of y * log(p) + (1 - y) * log(1 - p), p clipped",
    ),
    Job(
        "diagnose",
        lambda d: ff.diagnose(d.table, d.labels),
        lambda d: (np.isnan(d.table).any(), np.isinf(d.table).any(), np.var(d.table, axis=0), np.unique(d.labels)),
        "isnan, isinf, var(axis=0), unique(y)",
    ),
)


def run(options: argparse.Namespace) -> int:
    """Run ``fastfinite bench``."""
    plan, machine = QUICK if options.quick else FULL, about()
    lines = []
    if not options.json:
        for line in heading(machine):
            write(printable(line))
    for result in results(plan):
        if options.json:
            lines.append(json.dumps({**result._asdict(), "ratio": result.ratio}))
        else:
            write(line_of(result))
            flush_stdout()
    if options.json:
        write_object("jobs", lines, machine)
    return CLEAN


def about() -> dict[str, Any]:
    """What decides the numbers: the machine, and the versions."""
    info = ff.cpu_info()
    return {
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "level": info["level"],
        "compiler": info["compiler"],
        "threads": info["threads"],
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:     # not on macOS and Windows
        pass
    return platform.processor() or platform.machine()


def results(plan: Plan) -> Iterator[Result]:
    """Measure job by job, each at all sizes."""
    made = [
        make(dtype, size, where)
        for size, where in ((plan.in_cache, "in cache"), (plan.out_of_cache, "out of cache"))
        for dtype in plan.dtypes
    ]
    for job in JOBS:
        for data in made:
            yield measure(job, data, plan.seconds)


def make(dtype: str, nbytes: int, where: str) -> Data:
    """Data of a dtype whose `x` and `table` take about so many bytes."""
    random = np.random.default_rng(0)
    rows = max(2, nbytes // np.dtype(dtype).itemsize // _COLUMNS)
    table = random.standard_normal((rows, _COLUMNS), np.dtype(dtype).type)
    x = table.reshape(-1)
    probabilities = ff.sigmoid(x)
    y = (random.random(x.shape, np.float32) < probabilities).astype(dtype)
    return Data(f"{x.size:,} {dtype}, {where}", x, table, np.arange(rows) % 2, probabilities, y)


def measure(job: Job, data: Data, seconds: float) -> Result:
    """Let both take turns for so many seconds, and at least three times."""
    end = time.perf_counter() + seconds
    ours = theirs = float("inf")
    rounds = 0
    while rounds < 3 or time.perf_counter() < end:
        ours = min(ours, _time(job.ours, data))
        theirs = min(theirs, _time(job.theirs, data))
        rounds += 1
    return Result(job.name, data.label, job.rival, ours, theirs)


def _time(function: Callable[[Data], Any], data: Data) -> float:
    start = time.perf_counter()
    function(data)
    return time.perf_counter() - start


def heading(machine: dict[str, Any]) -> Iterator[str]:
    """The lines above the table."""
    yield f"fastfinite {ff.__version__}, NumPy {machine['numpy']}, Python {machine['python']}, {machine['system']}"
    yield f"{machine['processor']}; kernels {machine['level']} by {machine['compiler']}"
    yield f"threads: {machine['threads']}, NumPy 1; least times; NumPy's over fastfinite's: below 1x is lost"
    yield _row("job", "data", "fastfinite", "NumPy", "ratio", "NumPy's way")


def line_of(result: Result) -> str:
    """The line of the table."""
    ratio = f"{result.ratio:.2g}x" if result.ratio < 10 else f"{result.ratio:.0f}x"
    return _row(result.job, result.data, _seconds(result.seconds), _seconds(result.numpy_seconds), ratio, result.rival)


def _row(job: str, data: str, ours: str, theirs: str, ratio: str, rival: str) -> str:
    return f"{job:<20}  {data:<32}  {ours:>10}  {theirs:>8}  {ratio:>6}  {rival}"


def _seconds(seconds: float) -> str:
    """Three figures, and a unit."""
    unit, factor = next((entry for entry in _UNITS if seconds * entry[1] < 999.5), _UNITS[-1])
    return f"{seconds * factor:#.3g}".rstrip(".") + f" {unit}"
