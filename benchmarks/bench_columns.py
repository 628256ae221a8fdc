"""Statistics of columns: fastfinite beside NumPy, other libraries and a plain read; streams, merging, standardizing.

`benchmark.group` is job, dtype, layout, nan and shape. Before anything is timed, the variances are held against exact
ones (the data are whole multiples of a power of two, summed as integers): to 4 units in the last place for fastfinite.
Rivals that add float32 in float32 say so in their names; how far off they are on this array is in `extra_info`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from column_peers import COLUMN_PEERS, FLOATS, ColumnPeer, for_columns, off, proof
from datasets import SHAPES, Array, Shape, exact_variance, matrix
from peers import Absent, threads
from readers import READERS, Unavailable
from scaling_peers import STANDARDIZERS, UPDATES, Chan, updated_variance

import fastfinite as ff

SMALL, LARGE, WIDE, ONE = Shape(1000, 10), Shape(1_000_000, 32), Shape(100_000, 1000), Shape(10_000_000, 1)
BATCH = Shape(1000, 32)


def pairs(dtypes: tuple[str, ...], **wanted: bool) -> dict[str, Any]:
    """Parameters "dtype, peer": each dtype with those that take it."""
    both = [(dtype, peer) for dtype in dtypes for peer in for_columns(dtype, **wanted)]
    return {"argvalues": both, "ids": [f"{dtype}-{peer.label(dtype)}" for dtype, peer in both]}


def shapes(*wanted: Shape) -> dict[str, Any]:
    return {"argvalues": wanted, "ids": [shape.label for shape in wanted]}


def one(dtype: str) -> dict[str, Any]:
    peers = for_columns(dtype, one_column=False, threads=True)
    return {"argvalues": peers, "ids": [peer.label(dtype) for peer in peers]}


@pytest.fixture
def data(smoke: bool) -> Callable[..., Array]:
    def make(dtype: str, shape: Shape, layout: str = "C", faults: str = "clean") -> Array:
        return matrix(shape.smoke() if smoke else shape, np.dtype(dtype), layout, faults)

    return make


_last: list[Any] = [lambda: None, None]


def exact(x: Array) -> Array:
    """The exact variances, kept of the last array asked for."""
    if _last[0]() is not x:
        _last[:] = weakref.ref(x), exact_variance(x)
    return np.asarray(_last[1])


def ready(benchmark: Any, peer: ColumnPeer, x: Array) -> Callable[[], Any]:
    """The peer's call, once its answer was near enough; skips where it cannot be had or is nonsense."""
    try:
        call = peer.ready(x)
        answer = call()
    except Absent as reason:
        pytest.skip(str(reason))
    error, tolerance = off(peer.variance(answer, x), exact(x)), peer.tolerance(x.dtype.name)
    if x.dtype.name in peer.rounds and error > tolerance:
        pytest.skip(f"{peer.label(x.dtype.name)} is off by {error:.2g} here")
    assert error <= tolerance
    benchmark.extra_info["relative error"] = error
    return call


@pytest.mark.parametrize("dtype, peer", **pairs(FLOATS, one_column=False))
@pytest.mark.parametrize("shape", **shapes(*(shape for shape in SHAPES if shape != ONE)))
def test_variance(benchmark: Any, data: Any, dtype: str, shape: Shape, peer: ColumnPeer) -> None:
    call = ready(benchmark, peer, data(dtype, shape))
    benchmark.group = f"variance of columns, {dtype}, C, clean, {shape.label}"
    benchmark(call)


@pytest.mark.parametrize("dtype, peer", **pairs(FLOATS))
def test_variance_of_one(benchmark: Any, data: Any, dtype: str, peer: ColumnPeer) -> None:
    call = ready(benchmark, peer, data(dtype, ONE))
    benchmark.group = f"variance of columns, {dtype}, C, clean, {ONE.label}"
    benchmark(call)


@pytest.mark.parametrize("reader", tuple(READERS))
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", **shapes(*(shape for shape in SHAPES if shape.rows > 1000)))
def test_limit(benchmark: Any, data: Any, dtype: str, shape: Shape, reader: str) -> None:
    x = data(dtype, shape)
    try:
        read = READERS[reader]()
    except Unavailable as reason:
        pytest.skip(str(reason))
    benchmark.group = f"variance of columns, {dtype}, C, clean, {shape.label}"
    benchmark(read, x)


@pytest.mark.parametrize("dtype, peer", **pairs(("float16", "int32", "int64"), one_column=False))
@pytest.mark.parametrize("shape", **shapes(SMALL, LARGE))
def test_dtype(benchmark: Any, data: Any, dtype: str, shape: Shape, peer: ColumnPeer) -> None:
    call = ready(benchmark, peer, data(dtype, shape))
    benchmark.group = f"variance of columns, {dtype}, C, clean, {shape.label}"
    benchmark(call)


@pytest.mark.parametrize("dtype, peer", **pairs(FLOATS, one_column=False, any_layout=True))
@pytest.mark.parametrize("layout", ["Fortran", "other columns"])
@pytest.mark.parametrize("shape", **shapes(SMALL, LARGE, WIDE))
def test_layout(benchmark: Any, data: Any, dtype: str, layout: str, shape: Shape, peer: ColumnPeer) -> None:
    call = ready(benchmark, peer, data(dtype, shape, layout))
    benchmark.group = f"variance of columns, {dtype}, {layout}, clean, {shape.label}"
    benchmark(call)


@pytest.mark.parametrize("dtype, peer", **pairs(FLOATS, one_column=False, nan=True))
@pytest.mark.parametrize("shape", **shapes(SMALL, LARGE))
def test_nan(benchmark: Any, data: Any, dtype: str, shape: Shape, peer: ColumnPeer) -> None:
    call = ready(benchmark, peer, data(dtype, shape, faults="1 % nan"))
    benchmark.group = f"variance of columns, {dtype}, C, 1 % nan, {shape.label}"
    benchmark(call)


@pytest.mark.parametrize("count", [1, 2], ids=["1 thread", "2 threads"])
@pytest.mark.parametrize("peer", **one("float32"))
def test_threads(benchmark: Any, data: Any, peer: ColumnPeer, count: int) -> None:
    x = data("float32", WIDE)
    benchmark.group = f"threads, variance of columns, float32, C, clean, {WIDE.label}"
    with threads(count):
        benchmark(ready(benchmark, peer, x))


@pytest.mark.parametrize("peer, dtype", [(peer, dtype) for peer in COLUMN_PEERS for dtype in peer.rounds],
                         ids=lambda value: getattr(value, "name", value))
def test_what_is_said_of_a_rival_is_so(peer: ColumnPeer, dtype: str) -> None:
    x = proof(dtype)
    variance = x.astype(np.float64).var(axis=0)
    try:
        found = peer.variance(peer.ready(x)(), x)
    except Absent as reason:
        pytest.skip(str(reason))
    assert off(found, variance) > (5e-4 if dtype == "float16" else 1e-2)
    assert off(ff.column_variance(x), variance) < 1e-14


# ---- constant columns --------------------------------------------------------------------------------

CONSTANT: dict[str, Callable[[Array], Any]] = {
    "fastfinite.constant_columns": ff.constant_columns,
    "x.min == x.max": lambda x: x.min(axis=0) == x.max(axis=0),
    "(x == x[0]).all": lambda x: (x == x[0]).all(axis=0),
    "np.var == 0 (misses constants)": lambda x: np.var(x, axis=0) == 0,
}


@pytest.mark.parametrize("name", CONSTANT)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", **shapes(SMALL, LARGE))
def test_constant_columns(benchmark: Any, data: Any, dtype: str, shape: Shape, name: str) -> None:
    x = data(dtype, shape).copy()
    x[:, 1] = 0.1
    expected = np.arange(x.shape[1]) == 1
    benchmark.group = f"constant columns, {dtype}, C, 1 constant, {shape.label}"
    answer = benchmark(CONSTANT[name], x)
    assert np.array_equal(answer, expected) or name.startswith("np.var")


def test_var_misses_constants() -> None:
    x = np.full((1000, 1), 0.1, np.float32)
    assert CONSTANT["fastfinite.constant_columns"](x)[0]
    assert not CONSTANT["np.var == 0 (misses constants)"](x)[0]


# ---- streams -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rows", [BATCH.rows, 1], ids=["1000 rows", "one row"])
def test_update(benchmark: Any, data: Any, rows: int, dtype: str, name: str) -> None:
    x = data(dtype, BATCH)
    batch = x if rows > 1 else x[0]
    try:
        call = UPDATES[name](batch)
        answer = call()
    except Absent as reason:
        pytest.skip(str(reason))
    expected = exact(x) if rows > 1 else np.zeros(BATCH.columns)
    assert np.allclose(updated_variance(answer), expected, rtol=1e-12, atol=1e-30)
    benchmark.group = f"update, {dtype}, {'1000 rows' if rows > 1 else 'one row'} of {BATCH.columns} columns"
    answer = benchmark(call)
    # The same rows over and over: their variance stays.
    assert np.allclose(updated_variance(answer), expected, rtol=1e-9, atol=1e-20)


def test_updates_by_rows(data: Any) -> None:
    x = data("float32", BATCH)
    stats = ff.ColumnStats()
    for row in x:
        stats.update(row)
    assert off(stats.var, exact_variance(x)) < 9e-16


@pytest.mark.parametrize("columns", [32, 1000])
def test_merge(benchmark: Any, columns: int) -> None:
    x = matrix(Shape(200, columns), np.dtype(np.float64))
    first, second = ff.column_stats(x[:80]), ff.column_stats(x[80:])
    assert off((first + second).var, exact_variance(x)) < 9e-16
    benchmark.group = f"merge, {columns} columns"
    benchmark(first.merge, second)


@pytest.mark.parametrize("columns", [32, 1000])
def test_add(benchmark: Any, columns: int) -> None:
    x = matrix(Shape(200, columns), np.dtype(np.float64))
    first, second = ff.column_stats(x[:80]), ff.column_stats(x[80:])
    benchmark.group = f"merge, {columns} columns"
    assert benchmark(first.__add__, second).count[0] == len(x)


@pytest.mark.parametrize("columns", [32, 1000])
def test_merge_with_numpy(benchmark: Any, columns: int) -> None:
    x = matrix(Shape(200, columns), np.dtype(np.float64))
    first, second = Chan(columns).update(x[:80]), Chan(columns).update(x[80:])
    benchmark.group = f"merge, {columns} columns"
    benchmark(first.add, second.count, second.mean, second.square)


# ---- standardizing -----------------------------------------------------------------------------------


def standardizer(name: str, x: Array) -> Callable[[], Any]:
    """The call, once its first answer was right: to 1 unit in the last place for fastfinite."""
    stats = ff.column_stats(x)
    try:
        call = STANDARDIZERS[name](x, stats)
    except Absent as reason:
        pytest.skip(str(reason))
    answer = call()
    if answer is not None:
        assert answer.dtype == x.dtype
        for rows in (slice(0, 1000), slice(-1000, None)):
            exact = (x[rows].astype(np.longdouble) - stats.mean) / stats.std
            unit = np.spacing(np.abs(exact).astype(x.dtype))
            bound = unit if name.startswith("fastfinite") and x.dtype == np.float32 else 8 * np.finfo(x.dtype).eps
            assert np.all(np.abs(answer[rows] - exact) <= bound)
    return call


@pytest.mark.parametrize("name", STANDARDIZERS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", ["C", "Fortran"])
@pytest.mark.parametrize("shape", **shapes(SMALL, LARGE, WIDE))
def test_standardize(benchmark: Any, data: Any, dtype: str, layout: str, shape: Shape, name: str) -> None:
    x = data(dtype, shape, layout)
    call = standardizer(name, x)
    benchmark.group = f"standardize, {dtype}, {layout}, clean, {shape.label}"
    benchmark(call)


@pytest.mark.parametrize("count", [1, 2], ids=["1 thread", "2 threads"])
@pytest.mark.parametrize("name", [name for name in STANDARDIZERS if name.startswith("fastfinite")])
def test_standardize_threads(benchmark: Any, data: Any, name: str, count: int) -> None:
    x = data("float32", WIDE)
    benchmark.group = f"threads, standardize, float32, C, clean, {WIDE.label}"
    with threads(count):
        benchmark(standardizer(name, x))
