"""Rows of the table that bounds.py prints: how one is measured, and what is in it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from datasets import Array, size_text
from measure import Contender, extra_memory, side_by_side
from readers import READERS, Unavailable

F32 = np.dtype(np.float32)
F64 = np.dtype(np.float64)


@dataclass
class Row:
    job: str
    measured: float
    unit: str                       # "s" or "B"
    rival: str                      # "" where the bound is a number of seconds or bytes
    theirs: float | None
    ratio: float | None             # measured / theirs
    median_ratio: float | None
    bound: float | None             # of the ratio, or of the measured number where there is no rival
    note: str = ""

    @property
    def met(self) -> bool | None:
        value = self.measured if self.ratio is None else self.ratio
        return None if self.bound is None else value <= self.bound


@dataclass
class Plan:
    """How much to measure."""

    quick: bool
    smoke: bool = False     # to see that it works

    def nbytes(self, full: int) -> int:
        return full // 10_000 if self.smoke else full // 10 if self.quick else full

    def time(self, *contenders: Contender, large: bool = False) -> None:
        large |= any(isinstance(c.names.get("x"), np.ndarray) and c.names["x"].nbytes > 4_000_000 for c in contenders)
        rounds = 1 if self.smoke else 5 if self.quick else 15 if large else 31
        side_by_side(contenders, rounds, 0 if self.smoke else 0.001 if self.quick else 0.005)


def readers(x: Array) -> list[Contender]:
    found = []
    for name, make in READERS.items():
        try:
            found.append(Contender(name, "read(x)", {"x": x, "read": make()}))
        except Unavailable as reason:
            print(f"{name} left out: {reason}", file=sys.stderr)
    return found


def against(job: str, mine: Contender, rival: Contender, bound: float | None, note: str = "") -> Row:
    return Row(
        job, mine.best, "s", rival.name, rival.best, mine.best / rival.best, mine.median / rival.median, bound, note
    )


def absolute(job: str, mine: Contender, seconds: float) -> Row:
    return Row(job, mine.best, "s", "", None, None, None, seconds, f"median {show(mine.median, 's')}")


def rate(contender: Contender, x: Array) -> str:
    return speed(contender, x.nbytes)


def speed(contender: Contender, nbytes: int) -> str:
    return f"{nbytes / contender.best / 1e9:.1f} GB/s"


def memory_rows(plan: Plan, jobs: Collection[str], most: int) -> Iterator[Row]:
    nbytes = plan.nbytes(400_000_000)
    for job in jobs:
        extra = extra_memory(job, nbytes, rounds=1 if plan.quick else 3)
        bound = None if job.startswith("rival") else most
        for kind, measured in (("traced", extra.traced), ("resident", extra.resident)):
            note = f"{size_text(nbytes)} of data"
            yield Row(f"{kind} memory, {job}", measured, "B", "", None, None, None, bound, note)


def show(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "B":
        return f"{value / 1e6:.1f} MB" if value >= 1e7 else f"{value / 1000:.1f} kB"
    for scale, name in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {name}"
    return f"{value / 1e-9:.3g} ns"
