"""The bounds on elementwise functions and losses, which bounds.py measures. Each job stands beside a copy of its size.

(a) In cache is 100,000 elements; out of cache are 200 MB an operand (50 MB of float16, where NumPy is slow).
    Those with "out=" in their names write into an array that is there; the others make their results, and lines of
    NumPy what lies between.
(b) The level of the kernels is fixed when fastfinite is imported: rows of one level beside another come from processes
    of their own (level_child.py), in turn, each with its own NumPy and copy beside it.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import function_peers
import numpy as np
import peers
from function_peers import (
    COPY,
    ELEMENTWISE,
    NUMPY_CLIP,
    NUMPY_DIVIDE_WHERE,
    NUMPY_LOGITS,
    NUMPY_MAXIMUM,
    NUMPY_WHERE,
    ROWS,
    SKLEARN_GRADIENT,
    operands,
    peers_for,
    result_for,
)
from measure import HERE, Contender, child
from memory_child import FUNCTION_JOBS
from rows import F32, F64, Plan, Row, against, memory_rows, rate

import fastfinite as ff

CACHED = 100_000
LARGE = 200_000_000     # bytes of an operand
F16 = np.dtype(np.float16)
COLUMNS = 100
LEVELS = ("v4", "v3")

EXP, LOG, DIVIDE = "np.exp, out=", "np.log, out=", "np.divide, out="
SIGMOID, LOG_SIGMOID = "torch.sigmoid, out=", "torch logsigmoid, out="
TORCH_LOSS, TORCH_LOGITS = "torch binary_cross_entropy", "torch binary_cross_entropy_with_logits"

# Job and dtype: the bounds in cache, and those out of cache.
Bounds = dict[str, float]
BOUNDS: dict[tuple[str, np.dtype[Any]], tuple[Bounds, Bounds]] = {
    ("sigmoid", F32): ({EXP: 1.8, NUMPY_WHERE: 0.2}, {SIGMOID: 1.0, NUMPY_WHERE: 0.1}),
    ("sigmoid", F64): ({EXP: 1.5, SIGMOID: 1.0}, {SIGMOID: 1.0}),
    ("log_sigmoid", F32): ({LOG_SIGMOID: 0.5}, {LOG_SIGMOID: 0.5, "scipy.special.log_expit, out=": 0.1}),
    ("log_sigmoid", F64): ({LOG_SIGMOID: 0.5}, {LOG_SIGMOID: 0.5, "scipy.special.log_expit, out=": 0.1}),
    ("safe_log", F32): ({LOG: 1.4}, {LOG: 1.15, NUMPY_MAXIMUM: 0.5}),
    ("safe_log", F64): ({LOG: 1.4}, {LOG: 1.15, NUMPY_MAXIMUM: 0.5}),
    ("safe_divide", F32): ({DIVIDE: 1.4}, {DIVIDE: 1.1, NUMPY_DIVIDE_WHERE: 0.5}),
    ("safe_divide", F64): ({DIVIDE: 1.4}, {DIVIDE: 1.1, NUMPY_DIVIDE_WHERE: 0.5}),
    ("binary_cross_entropy", F32): ({NUMPY_CLIP: 0.4, TORCH_LOSS: 0.1}, {NUMPY_CLIP: 0.2, TORCH_LOSS: 0.1}),
    ("binary_cross_entropy_with_logits", F32): (
        {NUMPY_LOGITS: 0.4, TORCH_LOGITS: 0.4}, {NUMPY_LOGITS: 0.15, TORCH_LOGITS: 0.15}
    ),
    ("loss and gradient of logits", F32): ({SKLEARN_GRADIENT: 0.5}, {SKLEARN_GRADIENT: 0.5}),
}
REDUCED = {"binary_cross_entropy": "mean", "binary_cross_entropy_with_logits": "mean", "cross_entropy": "mean",
           "loss and gradient of logits": "reduction none"}
# What is measured at each level, and the NumPy beside it.
LEVEL_JOBS = (
    *((job, dtype, name) for job, name in (("sigmoid", EXP), ("safe_log", LOG)) for dtype in (F32, F64)),
    ("binary_cross_entropy", F32, NUMPY_CLIP),
    ("binary_cross_entropy_with_logits", F32, NUMPY_LOGITS),
)


def contenders(job: str, n: int, dtype: np.dtype[Any], columns: int = 0, names: Sequence[str] = (),
               threads: bool = False) -> list[Contender]:
    """fastfinite and the peers of a job (those named, if any are) that can be had, on one array and into one array."""
    given = operands(job, n, dtype, columns)
    out, found = result_for(given), []
    for peer in peers_for(job, dtype.name, threads=threads):
        if names and peer.name not in names and not peer.name.startswith("fastfinite"):
            continue
        try:
            found.append(Contender(peer.name, "call()", {"x": given[-1], "call": peer.ready(given, out)}))
        except peers.Absent as reason:
            tell(f"{job}: {peer.name} left out: {reason}")
    return found


@functools.cache
def tell(note: str) -> None:
    """Print a note, once."""
    print(note, file=sys.stderr)


def label(job: str, n: int, dtype: np.dtype[Any], columns: int = 0) -> str:
    shape = f"{n // columns:,} x {columns}" if columns else f"{n:,}"
    return ", ".join(filter(None, (job, REDUCED.get(job, ""), f"{shape} {dtype}")))


def large(plan: Plan, dtype: np.dtype[Any]) -> int:
    return plan.nbytes(LARGE if dtype.itemsize > 2 else LARGE // 4) // dtype.itemsize


def compared(job: str, times: list[Contender], bounds: Bounds) -> Iterator[Row]:
    """A row for each contender but the first, with its bound where it has one."""
    mine = times[0]
    for rival in times[1:]:
        note = f"{rate(mine, mine.names['x'])}; {rate(rival, mine.names['x'])}" if rival.name == COPY else ""
        yield against(job, mine, rival, bounds.get(rival.name), note)


def measured(plan: Plan, job: str, dtypes: Sequence[np.dtype[Any]], columns: int = 0) -> Iterator[Row]:
    """The rows of a job, in cache and out of cache."""
    for dtype in dtypes:
        for n, bounds in zip((CACHED, large(plan, dtype)), BOUNDS.get((job, dtype), ({}, {}))):
            times = contenders(job, n, dtype, columns)
            with np.errstate(all="ignore"):
                plan.time(*times)
            yield from compared(label(job, n, dtype, columns), times, bounds)
            function_peers.forget()


# ---- the sections ------------------------------------------------------------------------------------


def functions_small(plan: Plan) -> Iterator[Row]:
    """Statements that call a ufunc itself: a Python function between would cost a tenth of it."""
    for job in ELEMENTWISE:
        for dtype in (F32, F64):
            given = operands(job, 10, dtype)
            names: dict[str, Any] = {"f": getattr(ff, job), "x": given[0], "y": given[-1], "out": result_for(given)}
            statement = "f(x, y, out=out)" if len(given) == 2 else "f(x, out=out)"
            rival = {"safe_log": np.log, "safe_divide": np.divide}.get(job, np.exp)
            times = [Contender(f"fastfinite.{job}", statement, names)]
            for function in dict.fromkeys((rival, np.exp)):
                one = "f(x, y, out=out)" if function is np.divide else "f(x, out=out)"
                times.append(Contender(f"np.{function.__name__}, out=", one, names | {"f": function}))
            with np.errstate(all="ignore"):
                plan.time(*times)
            # safe_log and safe_divide are functions around a ufunc: no bounds.
            yield from compared(label(job, 10, dtype), times, {EXP: 1.3} if rival is np.exp else {})


def functions_sigmoid(plan: Plan) -> Iterator[Row]:
    yield from measured(plan, "sigmoid", (F32, F64))


def functions_log_sigmoid(plan: Plan) -> Iterator[Row]:
    yield from measured(plan, "log_sigmoid", (F32, F64))


def functions_safe_log(plan: Plan) -> Iterator[Row]:
    yield from measured(plan, "safe_log", (F32, F64))


def functions_safe_divide(plan: Plan) -> Iterator[Row]:
    """1 % of the divisors are 0, for all contenders."""
    yield from measured(plan, "safe_divide", (F32, F64))


def functions_others(plan: Plan) -> Iterator[Row]:
    """No bounds."""
    for job in ("sigmoid_grad", "softplus", "logit"):
        yield from measured(plan, job, (F32, F64))


def functions_half(plan: Plan) -> Iterator[Row]:
    """No bounds."""
    for job in ELEMENTWISE:
        yield from measured(plan, job, (F16,))


def functions_losses(plan: Plan) -> Iterator[Row]:
    for job in ("binary_cross_entropy", "binary_cross_entropy_with_logits", "loss and gradient of logits"):
        yield from measured(plan, job, (F32, F64))


def functions_rows(plan: Plan) -> Iterator[Row]:
    """No bounds."""
    for job in ROWS:
        yield from measured(plan, job, (F32, F64), COLUMNS)


def functions_threads(plan: Plan) -> Iterator[Row]:
    """Rivals have their turn afterwards: threads of OpenMP spin on for a while and would take the second processor."""
    for job, dtype in (*((job, dtype) for job in ("sigmoid", "log_sigmoid", "safe_log", "safe_divide")
                         for dtype in (F32, F64)),
                       ("binary_cross_entropy", F32), ("binary_cross_entropy_with_logits", F32),
                       ("loss and gradient of logits", F32)):
        n = large(plan, dtype)
        with peers.threads(2):
            two, *rivals = contenders(job, n, dtype, threads=True)
            copy = contenders(job, n, dtype, names=(COPY,))[-1]
            one = Contender("its own, 1 thread", two.statement, two.names)
            two = Contender(two.name, "with threads(2): call()", two.names | {"threads": ff.threads})
            with ff.threads(1), np.errstate(all="ignore"):
                plan.time(one, two, copy)
                plan.time(*rivals)
        job = f"{label(job, n, dtype)}, 2 threads"
        yield against(job, two, one, 0.6, rate(two, two.names["x"]))
        for rival in rivals:
            rival.name += ", 2 threads"
            yield against(job, two, rival, None)
        copy.name += ", 1 thread"
        yield against(job, two, copy, None, rate(copy, copy.names["x"]))
        function_peers.forget()


def functions_levels(plan: Plan) -> Iterator[Row]:
    """No bounds: the kernels of one level beside those of the next lower one."""
    levels = [level for level in LEVELS if level in ff.cpu_info()["supported"] and level in ff.cpu_info()["compiled"]]
    for level in set(LEVELS) - set(levels):
        tell(f"level {level} left out: this processor or this build has none")
    if not levels:
        return
    arguments = [str(HERE / "level_child.py"), json.dumps(plan.quick)]
    times: dict[str, dict[str, dict[str, list[float]]]] = {}
    for level in [*levels, *reversed(levels)]:      # forwards and backwards, so that a slow spell meets all
        answer = child(*arguments, FASTFINITE_CPU=level)
        if answer["level"] != level:
            raise RuntimeError(f"asked for level {level} and got {answer['level']}")
        for job, of_job in answer["times"].items():
            for name, seconds in of_job.items():
                times.setdefault(job, {}).setdefault(level, {}).setdefault(name, []).extend(seconds)
    for job, of_job in times.items():
        found = {level: [Contender(name, "", {}, seconds) for name, seconds in of_level.items()]
                 for level, of_level in of_job.items()}
        for level, (mine, *rivals) in found.items():
            if level != levels[0]:
                best = found[levels[0]][0]
                best.name = f"level {levels[0]}"
                yield against(f"{job}, level {level}", mine, best, None)
            for rival in rivals:
                yield against(f"{job}, level {level}", mine, rival, None)


def functions_memory(plan: Plan) -> Iterator[Row]:
    yield from memory_rows(plan, FUNCTION_JOBS, 1_000_000)


SECTIONS = (functions_small, functions_sigmoid, functions_log_sigmoid, functions_safe_log, functions_safe_divide,
            functions_others, functions_half, functions_losses, functions_rows, functions_threads, functions_levels)


def level_times(plan: Plan) -> dict[str, dict[str, list[float]]]:
    """The seconds of each job at the level of this process: fastfinite, NumPy, a copy."""
    found = {}
    with ff.threads(1):
        for job, dtype, rival in LEVEL_JOBS:
            for n in (CACHED, large(plan, dtype)):
                times = contenders(job, n, dtype, names=(rival, COPY))
                plan.time(*times)
                found[label(job, n, dtype)] = {contender.name: contender.seconds for contender in times}
                function_peers.forget()
    return found
