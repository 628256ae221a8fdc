"""The bounds on collections of dask: workers, dask's own expressions, chunks, memory. Sections of bounds.py.

Clusters are of processes of one thread on the loopback, which hold their chunks; "threads" is the scheduler of this
process, whose chunks are slices of an array.
"""

from __future__ import annotations

import functools
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import numpy as np
import peers
from datasets import size_text
from measure import Contender, side_by_side
from memory_child import peak_resident
from rows import Plan, Row, absolute, against, show

import fastfinite as ff

COLUMNS = 32
CHUNKS = 16
TINY = 10
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "all_finite": ff.all_finite, "scan": ff.scan, "scan(axis=0)": functools.partial(ff.scan, axis=0),
    "column_stats": ff.column_stats,
}
# The expression of dask that is nearest, and at most how much of its time is ours.
EXPRESSIONS: dict[str, tuple[str, Callable[[Any], Any], float]] = {
    "all_finite": ("isfinite(x).all()", lambda x: np.isfinite(x).all().compute(), 0.6),
    "column_stats": ("x.var(axis=0)", lambda x: x.var(axis=0).compute(), 0.25),
}
Section: TypeAlias = "Callable[[Plan], Iterator[Row]]"


def needing_dask(section: Section) -> Section:
    @functools.wraps(section)
    def rows(plan: Plan) -> Iterator[Row]:
        try:
            for module in ("dask.array", "distributed", "zarr"):
                peers.load(module)
        except peers.Absent as reason:
            print(f"{section.__name__} left out: {reason}", file=sys.stderr)
            return
        yield from section(plan)

    return rows


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    options: dict[str, Any] = {"threads_per_worker": 1, "processes": True, "memory_limit": "1GiB"}
    with (
        LocalCluster(n_workers=workers, dashboard_address=":0", **options) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client


def pool(workers: int) -> Callable[[], Any]:
    """The threaded scheduler, as a context."""
    import dask

    return functools.partial(dask.config.set, scheduler="threads", num_workers=workers)


def asked(name: str, ask: Callable[[Any], Any], x: Any, scheduler: Callable[[], Any]) -> Contender:
    names = {"x": x, "ask": ask, "scheduler": scheduler, "renamed": renamed}
    return Contender(name, "with scheduler(): ask(renamed(x))", names)


_numbers = itertools.count()


def renamed(x: Any) -> Any:
    """The same collection, of which a cluster does not have the answer from the last time; fused with what follows."""
    return x.map_blocks(itself, token=f"renamed-{next(_numbers)}", meta=x._meta)


def itself(block: Any) -> Any:
    return block


def time(plan: Plan, *contenders: Contender) -> None:
    side_by_side(contenders, 3 if plan.quick else 15, 0)


def normal(nbytes: int, chunks: int = CHUNKS) -> Any:
    """Numbers that are made where they are asked for."""
    import dask.array as da

    rows = nbytes // (8 * COLUMNS * chunks)
    return da.random.default_rng(0).normal(size=(chunks * rows, COLUMNS), chunks=(rows, COLUMNS))


def in_memory(x: Any) -> Any:
    import dask.array as da

    return da.from_array(x.compute(scheduler="threads"), chunks=x.chunks)


def held(x: Any, client: Any) -> Any:
    """A collection whose chunks the workers hold."""
    from distributed import wait

    with client.as_current():
        x = x.persist()
        wait(x)
    return x


@needing_dask
def dask_workers(plan: Plan) -> Iterator[Row]:
    """Data in memory for the threads; in files, larger than a worker may hold, for the cluster."""
    x = normal(plan.nbytes(1_600_000_000))
    text = f"{size_text(x.nbytes)} float64"
    here = in_memory(x)
    for name, ask in QUESTIONS.items():
        one, two = (asked(f"{n} in the pool", ask, here, pool(n)) for n in (1, 2))
        time(plan, one, two)
        yield against(f"{name}, threads, 2 workers, {text}", two, one, 0.65)
    del here
    with cluster(1) as small, cluster(2) as large, tempfile.TemporaryDirectory() as folder:
        stored = in_zarr(x, folder)
        for name, ask in QUESTIONS.items():
            one, two = (asked(f"{len(client.nthreads())} in the cluster", ask, stored, client.as_current)
                        for client in (small, large))
            side_by_side((one, two), 3 if plan.quick else 5, 0)
            yield against(f"{name}, cluster, zarr, 2 workers, {text}", two, one, 0.65)


@needing_dask
def dask_expressions(plan: Plan) -> Iterator[Row]:
    x = normal(plan.nbytes(480_000_000))
    with ExitStack() as stack:
        client = stack.enter_context(cluster(2))
        stored = in_zarr(x, stack.enter_context(tempfile.TemporaryDirectory()))
        sources = {
            "threads, in memory": (in_memory(x), pool(2)), "threads, zarr": (stored, pool(2)),
            "cluster, held": (held(x, client), client.as_current), "cluster, zarr": (stored, client.as_current),
        }
        for where, (source, scheduler) in sources.items():
            reads = asked("a read of the chunks", lambda x: x.map_blocks(touched, dtype=object).compute(),
                          source, scheduler)
            for name, (label, expression, bound) in EXPRESSIONS.items():
                mine = asked(name, QUESTIONS[name], source, scheduler)
                rival = asked(label, expression, source, scheduler)
                reads.seconds = []
                time(plan, mine, rival, reads)
                yield against(f"{name}, {where}", mine, rival, bound, f"chunks alone {show(reads.best, 's')}")


def touched(block: Any) -> Any:
    """Nothing of a chunk, once it is there."""
    return np.empty((1,) * block.ndim, object)


def in_zarr(x: Any, folder: str) -> Any:
    """The same chunks in files, not compressed."""
    import dask.array as da
    import zarr

    array = zarr.create_array(store=folder, shape=x.shape, chunks=x.chunksize, dtype=x.dtype, compressors=None)
    array[:] = x.compute(scheduler="threads")
    return da.from_zarr(array)


@needing_dask
def dask_chunks(plan: Plan) -> Iterator[Row]:
    """What a chunk takes beside the kernel: the time of many that are tiny, less that of having them."""
    from distributed import wait

    x = normal(8 * TINY * COLUMNS * (n := plan.nbytes(10_000)), n)
    loaded = asked("the chunks alone", lambda x: x.persist(), here := in_memory(x), pool(2))
    yield from each_chunk(plan, "threads", here, pool(2), loaded)
    x = normal(8 * TINY * COLUMNS * (n := plan.nbytes(1000)), n)
    with cluster(2) as client:
        loaded = asked("the chunks alone", lambda x: wait(x.persist()), x, client.as_current)
        yield from each_chunk(plan, "cluster", x, client.as_current, loaded)


def each_chunk(plan: Plan, where: str, x: Any, scheduler: Callable[[], Any], loaded: Contender) -> Iterator[Row]:
    for name, ask in QUESTIONS.items():
        mine = asked(name, ask, x, scheduler)
        loaded.seconds = []
        side_by_side((mine, loaded), 3 if plan.quick else 7, 0)
        mine.seconds = [(more - less) / x.npartitions for more, less in zip(mine.seconds, loaded.seconds)]
        row = absolute(f"{name}, {where}, a chunk of {x.npartitions:,}", mine, 1e-3)
        row.note += f"; to have it {show(loaded.best / x.npartitions, 's')}"
        yield row


@needing_dask
def dask_memory(plan: Plan) -> Iterator[Row]:
    x = normal(plan.nbytes(1_280_000_000), 20)
    chunk = x.nbytes // 20
    for name, ask in QUESTIONS.items():
        with cluster(2) as client:
            try:
                idle = client.run(forgotten_peak)
            except OSError as reason:
                print(f"memory of workers left out: {reason}", file=sys.stderr)
                return
            with client.as_current():
                ask(x)
            peak = client.run(peak_resident)
        more = max(peak[worker] - idle[worker] for worker in peak)
        yield Row(f"{name}, resident memory of a worker", more, "B", "", None, None, None, 2 * chunk + 100_000_000,
                  f"chunks of {size_text(chunk)}; an idle worker has {show(max(idle.values()), 'B')}")


def forgotten_peak() -> int:
    """What this process has now, from where its peak is counted again."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    return peak_resident()


@needing_dask
def dask_kernels(plan: Plan) -> Iterator[Row]:
    """What is done with one chunk, beside the function of arrays that does the same."""
    from fastfinite import _dask_parts as parts

    opener = parts.open_array
    tasks = {
        "all_finite": functools.partial(parts.answer_of, opener=opener, question=ff._formats.NON_FINITE, end=False),
        "scan": made(parts.ScanPart, target=None, axis=None, allow_nan=False),
        "scan(axis=0)": made(parts.ScanPart, target=None, axis=0, allow_nan=False),
        "column_stats": made(parts.TablePart, axes=(0,)),
    }
    for nbytes in map(plan.nbytes, (8_000_000, 32_000_000, 128_000_000)):
        x = np.random.default_rng(0).normal(size=(nbytes // (8 * COLUMNS), COLUMNS))
        for name, task in tasks.items():
            mine = Contender(f"task of {name}", "ask(x)", {"x": x, "ask": task})
            bare = Contender(f"{name} of the array", "ask(x)", {"x": x, "ask": QUESTIONS[name]})
            plan.time(mine, bare)
            yield against(f"{name}, in a chunk of {size_text(nbytes)}", mine, bare, 1.05)


def made(part: Callable[..., Any], **options: Any) -> Callable[[Any], Any]:
    from fastfinite import _dask_parts as parts

    return functools.partial(parts.known_of, opener=parts.open_array, make=functools.partial(part, **options))


SECTIONS = (dask_workers, dask_expressions, dask_chunks, dask_memory, dask_kernels)
