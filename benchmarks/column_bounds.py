"""The bounds on column statistics, which bounds.py measures. `column_stats` makes all it tells, whatever a rival makes.

(a) Statistics are worked out when they are read (`var` divides, `std` takes roots), which counts on small arrays: there
    the rows of `column_variance` say what a variance costs, and rows without a bound what reading all fields does.
(b) oneDAL's bounds are those of all its moments (it has neither counts nor constants), polars' that of its variance
    alone; what else they can be asked for stands beside it without a bound.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import peers
from column_peers import PEER, read_all
from datasets import Array, Shape, matrix
from measure import Contender
from memory_child import COLUMN_JOBS
from rows import F32, F64, Plan, Row, absolute, against, memory_rows, rate, readers, show
from scaling_peers import STANDARDIZERS, UPDATES

import fastfinite as ff

NUMPY = "np.var(axis=0)"
BOTH = "np.mean and np.var"
POLARS = "polars var, its own frame"
POLARS_FIELDS = "polars, such fields, its own frame"
ONEDAL = ("oneDAL low_order_moments", "oneDAL BasicStatistics")
ONEDAL_VARIANCE = tuple(f"{name}, mean and var" for name in ONEDAL)


def ours(x: Array, statement: str = "column_stats(x)", name: str = "", **names: Any) -> Contender:
    names |= {"x": x, "column_stats": ff.column_stats, "column_variance": ff.column_variance, "read_all": read_all}
    return Contender(name or statement, statement, names)


def rivals(x: Array, *names: str) -> list[Contender]:
    """Those of the named peers that can be had."""
    found = []
    for name in names:
        peer = PEER[name]
        try:
            found.append(Contender(peer.label(x.dtype.name), "call()", {"x": x, "call": peer.ready(x)}))
        except peers.Absent as reason:
            print(f"{name} left out: {reason}", file=sys.stderr)
    return found


def named(contenders: list[Contender], *names: str) -> list[Contender]:
    return [contender for contender in contenders if contender.name.partition(" (float")[0] in names]


def compared(job: str, mine: Contender, contenders: list[Contender], bounds: dict[str, float]) -> Iterator[Row]:
    """A row for each contender, with its bound where it has one."""
    for contender in contenders:
        bound = bounds.get(contender.name.partition(" (float")[0])
        yield against(job, mine, contender, bound, rate(mine, mine.names["x"]) if bound else "")


def table_of(plan: Plan, rows: int, columns: int, dtype: np.dtype[Any], layout: str = "C") -> tuple[str, Array]:
    shape = Shape(rows // 10 if plan.quick and rows > 10_000 else rows, columns)
    return f"column_stats, {shape.label} {dtype}{'' if layout == 'C' else f', {layout}'}", matrix(shape, dtype, layout)


def columns_large(plan: Plan) -> Iterator[Row]:
    for dtype, of_numpy, of_read in ((F32, 0.11, 1.6), (F64, 0.13, 1.5)):
        job, x = table_of(plan, 1_000_000, 32, dtype)
        mine, reads = ours(x), readers(x)
        names = (NUMPY, *ONEDAL, POLARS, BOTH, POLARS_FIELDS, *ONEDAL_VARIANCE, "sklearn StandardScaler.fit")
        others = rivals(x, *names)
        plan.time(mine, *others, *reads)
        limit = min(reads, key=lambda reader: reader.best)
        yield against(job, mine, limit, of_read, f"{rate(mine, x)}, read {rate(limit, x)}")
        bounds = {NUMPY: of_numpy} | (dict.fromkeys(ONEDAL, 0.8) if dtype == F32 else {POLARS: 1.0})
        yield from compared(job, mine, others, bounds)


def columns_wide(plan: Plan) -> Iterator[Row]:
    for dtype in (F32, F64):
        for layout in ("C", "Fortran"):
            job, x = table_of(plan, 100_000, 1000, dtype, layout)
            mine, reads = ours(x), readers(x.T if layout == "Fortran" else x)
            others = rivals(x, NUMPY, *ONEDAL, *ONEDAL_VARIANCE)
            plan.time(mine, *others, *reads)
            limit = min(reads, key=lambda reader: reader.best)
            yield against(job, mine, limit, None, f"{rate(mine, x)}, read {rate(limit, x)}")
            yield from compared(job, mine, others, {NUMPY: 0.2} | dict.fromkeys(ONEDAL, 0.7))


def columns_narrow(plan: Plan) -> Iterator[Row]:
    for columns in (3, 10):
        for dtype in (F32, F64):
            job, x = table_of(plan, 1_000_000, columns, dtype)
            mine, others = ours(x), rivals(x, NUMPY, *ONEDAL)
            plan.time(mine, *others)
            yield from compared(job, mine, others, {NUMPY: 0.15})
    job, x = table_of(plan, 10_000_000, 1, F32)
    mine, others, reads = ours(x), rivals(x, NUMPY, "NumKong moments"), readers(x)
    # np.var of the column as one dimension is faster than along axis 0 of it: the rival is the faster one.
    others.append(Contender("np.var(x) of one dimension", "var(x)", {"x": x.reshape(-1), "var": np.var}))
    plan.time(mine, *others, *reads)
    yield from compared(job, mine, others, {NUMPY: 0.12, others[-1].name: 0.12, "NumKong moments": 1.4})
    yield against(job, mine, min(reads, key=lambda reader: reader.best), None)


def columns_small(plan: Plan) -> Iterator[Row]:
    for dtype in (F32, F64):
        job, x = table_of(plan, 1000, 10, dtype)
        contenders = [ours(x), ours(x, "column_variance(x)"), ours(x, "read_all(x)", "column_stats, all fields read")]
        others = rivals(x, NUMPY, *ONEDAL)
        plan.time(*contenders, *others)
        for mine, bound in zip(contenders, (0.2, 0.2, None)):
            label = job.replace("column_stats", mine.name.partition("(")[0])
            yield from compared(label, mine, others if mine is contenders[0] else named(others, NUMPY),
                                {} if bound is None else {NUMPY: bound})


def columns_batch(plan: Plan) -> Iterator[Row]:
    """No bounds: batches of few rows and many columns."""
    for rows, columns in ((32, 32), (128, 1000)):
        job, x = table_of(plan, rows, columns, F32)
        mine, others = ours(x), rivals(x, NUMPY, "sklearn _incremental_mean_and_var")
        plan.time(mine, *others)
        yield from compared(job, mine, others, {})


def columns_other_dtypes(plan: Plan) -> Iterator[Row]:
    """No bounds: what reaches the kernels in converted slabs."""
    for dtype in ("float16", "int32", "int64"):
        job, x = table_of(plan, 1_000_000, 32, np.dtype(dtype))
        mine, others = ours(x), rivals(x, NUMPY, "sklearn _incremental_mean_and_var")
        plan.time(mine, *others)
        yield from compared(job, mine, others, {})


def columns_updates(plan: Plan) -> Iterator[Row]:
    for dtype in (F32, F64):
        x = matrix(Shape(1000, 32), dtype)
        for batch, rows in ((x[0], "one row"), (x, "1000 rows")):
            found = []
            for name, prepare in UPDATES.items():
                try:
                    found.append(Contender(name, "call()", {"x": batch, "call": prepare(batch)}))
                except peers.Absent as reason:
                    print(f"{name} left out: {reason}", file=sys.stderr)
            plan.time(*found)
            job = f"update, {rows} of 32 columns, {dtype}"
            if rows == "one row":
                yield absolute(job, found[0], 3e-6)
            for rival in found[1:]:
                yield against(job, found[0], rival, None)


def columns_threads(plan: Plan) -> Iterator[Row]:
    for rows, columns, dtype, layout in (
        (3_125_000, 32, F32, "C"), (1_562_500, 32, F64, "C"), (100_000, 1000, F32, "Fortran"), (1_000_000, 32, F32, "C")
    ):
        job, x = table_of(plan, rows, columns, dtype, layout)
        one, two = ours(x, name="its own, 1 thread"), ours(x, "with threads(2): column_stats(x)", threads=ff.threads)
        with peers.threads(2):
            others = rivals(x, *ONEDAL, *ONEDAL_VARIANCE) if dtype == F32 and layout == "C" else []
            with ff.threads(1):
                plan.time(one, two, *others)
        for rival in others:
            rival.name += ", 2 threads"
        yield against(f"{job}, 2 threads", two, one, 0.6, f"{rate(two, x)}; {x.nbytes / 1e6:.0f} MB")
        for rival in others:
            all_fields = any(rival.name.startswith(f"{name} (") for name in ONEDAL)
            yield against(f"{job}, 2 threads", two, rival, 0.8 if all_fields else None)


def columns_standardize(plan: Plan) -> Iterator[Row]:
    for dtype in (F32, F64):
        _, x = table_of(plan, 1_000_000, 32, dtype)
        stats, found = ff.column_stats(x), []
        for name, prepare in STANDARDIZERS.items():
            try:
                found.append(Contender(name, "call()", {"x": x, "call": prepare(x, stats)}))
            except peers.Absent as reason:
                print(f"{name} left out: {reason}", file=sys.stderr)
        plan.time(*found)
        by_name = {contender.name: contender for contender in found}
        mine = by_name["fastfinite.standardize, out="]
        bounds = {"limit: np.copyto": 1.5, "sklearn StandardScaler.transform": 0.2} if dtype == F32 else {}
        job = f"standardize, {len(x):,} x 32 {dtype}, out="
        yield from compared(job, mine, [rival for rival in found if not rival.name.startswith("fastfinite")], bounds)
        new = by_name["fastfinite.standardize"]
        rival = by_name.get("sklearn StandardScaler.transform") or by_name["NumPy (x - mean) / std"]
        job = job.replace("out=", "new array")
        yield against(job, new, rival, None, f"{show(mine.best, 's')} with out=")


def columns_memory(plan: Plan) -> Iterator[Row]:
    yield from memory_rows(plan, COLUMN_JOBS, 2_000_000)


SECTIONS = (columns_large, columns_wide, columns_narrow, columns_small, columns_batch, columns_other_dtypes,
            columns_updates, columns_threads, columns_standardize)
