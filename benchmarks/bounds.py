"""Measures every bound in one run, beside the rival it names: `python benchmarks/bounds.py`.

Each row times fastfinite and its rival in turn, forwards and backwards, round after round, and compares the fastest
round of each; the ratio of the medians stands beside it and tells how much the machine wavered. One thread unless the
row says 2. A row with no bound is there for information: the closest rivals, won or lost.
"""

from __future__ import annotations

import os

for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import argparse  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from dataclasses import asdict  # noqa: E402
from typing import Any  # noqa: E402

import column_bounds  # noqa: E402
import dask_bounds  # noqa: E402
import file_bounds  # noqa: E402
import function_bounds  # noqa: E402
import loader_bounds  # noqa: E402
import numpy as np  # noqa: E402
import peers  # noqa: E402
from datasets import COLUMNS, Array, dataset, dtype_of, matrix, size_text  # noqa: E402
from measure import Contender, import_times  # noqa: E402
from memory_child import SCAN_JOBS  # noqa: E402
from rows import F32, F64, Plan, Row, absolute, against, memory_rows, rate, readers, show  # noqa: E402

import fastfinite as ff  # noqa: E402

ALL_FINITE = "all_finite(x)"
PLAIN = "isfinite(x).all()"


def ours(x: Array, statement: str = ALL_FINITE, name: str = "") -> Contender:
    names = {"x": x, "all_finite": ff.all_finite, "scan": ff.scan, "threads": ff.threads}
    return Contender(name or statement, statement, names)


def numpys(x: Array, statement: str = PLAIN) -> Contender:
    return Contender(f"np.{statement}", statement, {"x": x, "isfinite": np.isfinite, "dot": np.dot})


# ---- the rows ----------------------------------------------------------------------------------------


def small_and_cached(plan: Plan) -> Iterator[Row]:
    for n, dtype, bound in ((10, F64, 0.1), (1000, F32, 0.2), (100_000, F32, 0.6), (50_000, F64, 0.6)):
        x = dataset(n, dtype)
        job = f"all_finite, {f'{n:,}' if n < 10_000 else size_text(x.nbytes)} {dtype}"
        mine, rival, trick = ours(x), numpys(x), numpys(x, "isfinite(dot(x, x))")
        plan.time(mine, rival, trick)
        if n == 10:
            yield absolute(job, mine, 60e-9)
        yield against(job, mine, rival, bound)
        yield against(job, mine, trick, None, "false alarms")


def large(plan: Plan) -> Iterator[Row]:
    for dtype in (F32, F64):
        x = dataset(plan.nbytes(400_000_000) // dtype.itemsize, dtype)
        job = f"all_finite, {size_text(x.nbytes)} {dtype}"
        mine, rival, trick, reads = ours(x), numpys(x), numpys(x, "isfinite(dot(x, x))"), readers(x)
        plan.time(mine, rival, trick, *reads)
        limit = min(reads, key=lambda reader: reader.best)
        yield against(job, mine, limit, 1.1, f"{rate(mine, x)}, read {rate(limit, x)}")
        yield against(job, mine, rival, 0.6)
        yield against(job, mine, trick, None, "false alarms")
        for reader in reads:
            if reader is not limit:
                yield against(job, mine, reader, None, f"read {rate(reader, x)}")


def two_threads(plan: Plan) -> Iterator[Row]:
    x = dataset(plan.nbytes(400_000_000) // F32.itemsize, F32)
    job = f"all_finite, {size_text(x.nbytes)} float32, 2 threads"
    one = ours(x, name="its own, 1 thread")
    two = ours(x, "with threads(2): all_finite(x)")
    with peers.threads(2):
        rivals = []
        for peer in peers.PEERS:
            if peer.name.startswith("oneDAL"):
                try:
                    rivals.append(Contender(f"{peer.name}, 2 threads", "check(x)", {"x": x, "check": peer.ready()}))
                except peers.Absent as reason:
                    print(f"{peer.name} left out: {reason}", file=sys.stderr)
        with ff.threads(1):
            plan.time(one, two, *rivals)
    yield against(job, two, one, 0.6, rate(two, x))
    for rival in rivals:
        yield against(job, two, rival, 1.0, f"theirs {rate(rival, x)}")


def half_precision(plan: Plan) -> Iterator[Row]:
    nbytes = plan.nbytes(200_000_000)
    single = dataset(nbytes // 4, F32)
    pairs = [("all_finite, float16", ours(dataset(nbytes // 2, np.dtype(np.float16))), ours(single))]
    bits = dataset(nbytes // 2, np.dtype(np.uint16))
    pairs.append(("scan, bfloat16 bits", ours(bits, "scan(x, dtype='bfloat16')"), ours(single, "scan(x)")))
    try:
        pairs.append(("all_finite, bfloat16", ours(bits.view(dtype_of("bfloat16"))), ours(single)))
    except ImportError:
        print("bfloat16 arrays left out: ml_dtypes is not installed", file=sys.stderr)
    for job, mine, rival in pairs:
        plan.time(mine, rival)
        rival.name = f"float32, {rival.name}"
        yield against(f"{job}, {size_text(nbytes)}", mine, rival, 1 / 0.9, rate(mine, single))


def scans(plan: Plan) -> Iterator[Row]:
    x = dataset(plan.nbytes(400_000_000) // F32.itemsize, F32)
    mine, rival = ours(x, "scan(x)"), ours(x)
    plan.time(mine, rival)
    yield against(f"scan, {size_text(x.nbytes)} float32", mine, rival, 1.3)
    rows = 100_000 if plan.quick else 1_000_000
    x = dataset(rows * COLUMNS, F32).reshape(rows, COLUMNS)
    mine, rival = ours(x, "scan(x, axis=0)"), ours(x)
    plan.time(mine, rival)
    yield against(f"scan(axis=0), {rows:,} x {COLUMNS} float32", mine, rival, 1.5)


def bad_first(plan: Plan) -> Iterator[Row]:
    for n in (8, 1000, 100_000, plan.nbytes(400_000_000) // F32.itemsize):
        x = dataset(n, F32, bad="bad first")
        for count in (1, 2) if x.nbytes > 4_000_000 else (1,):
            mine = ours(x)
            with ff.threads(count):
                plan.time(mine)
            label = ", 2 threads" if count == 2 else ""
            yield absolute(f"first bad, {size_text(x.nbytes)} float32{label}", mine, 1e-6)
    for layout in ("other columns", "Fortran"):
        x = dataset(10_000_000, F32, layout, "bad first")
        mine = ours(x)
        plan.time(mine)
        yield absolute(f"first bad, {size_text(x.nbytes)} float32, {layout}", mine, 1e-6)
    x = dataset(10_000_000, F32, "reversed", "bad first")
    mine = ours(x)
    plan.time(mine)
    yield absolute(f"first bad, {size_text(x.nbytes)} float32, reversed", mine, 1e-6)


def layouts(plan: Plan) -> Iterator[Row]:
    for layout in ("other columns", "Fortran", "reversed", "left half"):
        for dtype in (np.dtype(np.float16), F32, F64):
            for nbytes in (4000, 400_000, plan.nbytes(200_000_000)):
                x = dataset(nbytes // dtype.itemsize, dtype, layout)
                mine, rival = ours(x), numpys(x)
                plan.time(mine, rival)
                bound = None if layout == "left half" else 1.0
                yield against(f"{layout}, {size_text(nbytes)} {dtype}", mine, rival, bound)


def memory(plan: Plan) -> Iterator[Row]:
    yield from memory_rows(plan, SCAN_JOBS, 1_000_000)


def imports(plan: Plan) -> Iterator[Row]:
    inside, without, with_it = import_times(5 if plan.quick else 25)
    yield absolute("import, after numpy", inside, 10e-3)
    more, medians = with_it.best - without.best, with_it.median - without.median
    note = f"fastest less fastest; of the medians {show(medians, 's')}"
    yield Row("import, whole process less numpy's", more, "s", "", None, None, None, 10e-3, note)


# Memory and imports first: their processes are then started from a small one.
SECTIONS = (imports, memory, column_bounds.columns_memory, function_bounds.functions_memory, file_bounds.files_memory,
            file_bounds.files_start, small_and_cached, large, two_threads, half_precision, scans, bad_first, layouts,
            *column_bounds.SECTIONS, *function_bounds.SECTIONS, *loader_bounds.SECTIONS, *file_bounds.SECTIONS,
            *dask_bounds.SECTIONS)


# ---- the table ---------------------------------------------------------------------------------------


def cells(row: Row) -> list[str]:
    bound = "" if row.bound is None else show(row.bound, row.unit) if row.ratio is None else f"{row.bound:.3g}x"
    return [
        row.job,
        show(row.measured, row.unit),
        row.rival,
        show(row.theirs, row.unit),
        "" if row.ratio is None else f"{row.ratio:.2f}",
        "" if row.median_ratio is None else f"{row.median_ratio:.2f}",
        bound,
        {True: "yes", False: "NO", None: "-"}[row.met],
        row.note,
    ]


HEAD = ["job", "measured", "rival", "theirs", "ratio", "medians", "at most", "met", ""]


def print_table(rows: list[Row]) -> None:
    lines = [HEAD, *(cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")


def load() -> list[float] | None:
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None


def processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="PATH", help="write the rows and the setting there, too")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data and fewer rounds, for a first look")
    parser.add_argument("--only", metavar="WORD", default="", help="the sections with this word in their name: "
                        + ", ".join(section.__name__ for section in SECTIONS))
    options = parser.parse_args()
    plan = Plan(options.quick)
    setting: dict[str, Any] = {
        "processor": processor(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "packages": peers.versions(),
        "fastfinite": ff.cpu_info(),
        "quick": options.quick,
        "load_before": load(),
    }
    rows: list[Row] = []
    with peers.threads(1):
        for section in SECTIONS:
            if options.only in section.__name__:
                print(f"measuring {section.__name__} ...", file=sys.stderr)
                rows += section(plan)
                dataset.cache_clear()
                matrix.cache_clear()
    setting["load_after"] = load()
    print_table(rows)
    bounded = [row for row in rows if row.met is not None]
    print(f"\n{sum(bool(row.met) for row in bounded)} of {len(bounded)} bounds met; "
          f"load before {setting['load_before']}, after {setting['load_after']}; {setting['processor']}, "
          f"level {ff.cpu_info()['level']}, NumPy {np.__version__}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"setting": setting, "rows": [asdict(row) | {"met": row.met} for row in rows]}, file, indent=1)


if __name__ == "__main__":
    main()
