"""Timing side by side, memory and import time: what bounds.py and the benchmarks share."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import timeit
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass
class Contender:
    """A statement to time, with the names it uses. It is compiled into the timing loop, as `python -m timeit` does."""

    name: str
    statement: str
    names: dict[str, Any]
    seconds: list[float] = field(default_factory=list)      # of one execution, a number for each round

    @property
    def best(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def side_by_side(contenders: Sequence[Contender], rounds: int, slice_seconds: float) -> None:
    """Time all in turn, round after round, forwards and backwards, so that a slow spell of the machine meets all."""
    timers = []
    for contender in contenders:
        timer = timeit.Timer(contender.statement, globals=contender.names)
        timer.timeit(1)
        loops, taken = 1, timer.timeit(1)
        while taken < slice_seconds:
            loops = max(2 * loops, int(loops * slice_seconds / max(taken, 1e-9)))
            taken = timer.timeit(loops)
        timers.append((contender, timer, loops))
    for i in range(rounds):
        for contender, timer, loops in timers if i % 2 == 0 else reversed(timers):
            contender.seconds.append(timer.timeit(loops) / loops)


def child(*arguments: str, **environment: str) -> Any:
    """What a Python process prints as JSON."""
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env=os.environ | environment
    )
    if done.returncode:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


@dataclass
class Memory:
    traced: int     # bytes: peak of tracemalloc over the call
    resident: int   # bytes: peak resident size, less that of a process that makes the array alone


def extra_memory(job: str, nbytes: int, rounds: int = 3) -> Memory:
    """What a job of memory_child.JOBS takes beside its array, in processes of its own (medians of `rounds`)."""
    arguments = [str(HERE / "memory_child.py"), job, str(nbytes)]
    runs = [child(*arguments) for _ in range(rounds)]
    idle = [child(*arguments, "--idle") for _ in range(rounds)]
    resident = statistics.median(run["peak"] for run in runs) - statistics.median(run["peak"] for run in idle)
    return Memory(max(run["traced"] for run in runs), int(resident))


_IMPORT = """
import time
import numpy
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
"""


def import_times(rounds: int, module: str = "fastfinite") -> tuple[Contender, Contender, Contender]:
    """Import of the module after NumPy's, timed inside a new process; and whole processes without and with it."""
    inside = Contender(f"import {module}, after numpy", "", {})
    without = Contender("process: import numpy", "", {})
    with_it = Contender(f"process: import numpy, {module}", "", {})
    for _ in range(rounds):
        inside.seconds.append(child("-c", _IMPORT.format(statement=f"import {module}")))
        for contender, imports in ((without, "numpy"), (with_it, f"numpy, {module}")):
            start = timeit.default_timer()
            subprocess.run([sys.executable, "-c", f"import {imports}"], check=True)
            contender.seconds.append(timeit.default_timer() - start)
    return inside, without, with_it
