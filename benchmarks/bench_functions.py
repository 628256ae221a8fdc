"""Elementwise functions, losses and softmax: fastfinite beside NumPy, SciPy, PyTorch, scikit-learn and a plain copy.

`benchmark.group` is job, dtype and size. Before anything is timed, answers are held against those of extended
precision: to 1 unit in the last place for elementwise functions of fastfinite. How far off each is on this array, in
such units, is in `extra_info`. PyTorch has the number of threads that fastfinite has; the rest have one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from datasets import Array, Size
from function_peers import (
    ELEMENTWISE,
    FLOATS,
    FUNCTION_PEERS,
    LOSSES,
    REAL,
    ROWS,
    FunctionPeer,
    Operands,
    exact,
    forget,
    operands,
    peers_for,
    result_for,
)
from peers import Absent, threads

SMALL = Size("10 elements", elements=10)
SIZES = (SMALL, Size("400 kB", nbytes=400_000), Size("200 MB", nbytes=200_000_000))
LARGE = SIZES[1:]
COLUMNS = 100
CHECKED = 10_000        # elements from either end
GRADIENT = "loss and gradient of logits"
# Where long double is no more than double, the reference is itself off by a unit or two.
UNITS = 1 if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else 4


def pairs(jobs: tuple[str, ...], dtypes: tuple[str, ...], **wanted: bool) -> dict[str, Any]:
    """Parameters "job, dtype, peer": each job and dtype with those that take it."""
    found = [(job, dtype, peer) for job in jobs for dtype in dtypes for peer in peers_for(job, dtype, **wanted)]
    return {"argvalues": found, "ids": [f"{job}-{dtype}-{peer.name}" for job, dtype, peer in found]}


def sizes(*wanted: Size) -> dict[str, Any]:
    return {"argvalues": wanted, "ids": [size.label for size in wanted]}


@pytest.fixture(scope="module", autouse=True)
def no_data_left() -> Iterator[None]:
    yield
    forget()


@pytest.fixture
def given(smoke: bool) -> Callable[..., Operands]:
    def make(job: str, dtype: str, size: Size, columns: int = 0) -> Operands:
        return operands(job, size.count(np.dtype(dtype), smoke), np.dtype(dtype), columns)

    return make


def units(found: Any, expected: Array, dtype: np.dtype[Any]) -> float:
    """The largest error in units in the last place of the dtype."""
    error = np.abs(np.asarray(found).astype(np.longdouble) - expected)
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(expected).astype(dtype)).astype(np.longdouble)
        return float(np.max(error / unit)) if np.isfinite(error).all() else np.inf


def ready(benchmark: Any, peer: FunctionPeer, data: Operands, check: Callable[..., float]) -> Callable[[], Any]:
    """The peer's call, once its answer was near enough; skips where it cannot be had."""
    try:
        with np.errstate(all="ignore"):
            call = peer.ready(data, result_for(data))
            answer = call()
    except Absent as reason:
        pytest.skip(str(reason))
    if not peer.other:
        benchmark.extra_info["units in the last place"] = check(peer, data, answer)
    return call


def check_elements(peer: FunctionPeer, data: Operands, answer: Any) -> float:
    """The error at both ends of an answer that has an element for each of the data."""
    dtype, worst = data[-1].dtype, 0.0
    answer = np.asarray(answer)
    assert answer.dtype == dtype and len(answer) == len(data[-1])
    for part in (slice(0, CHECKED), slice(-CHECKED, None)):
        expected = exact(peer.job, tuple(x[part] for x in data))
        worst = max(worst, units(answer[part], expected, dtype))
        near = 64 * np.finfo(dtype).eps
        assert np.allclose(answer[part].astype(np.longdouble), expected, rtol=float(near), atol=float(near))
    if peer.name.startswith("fastfinite") and peer.job in ELEMENTWISE:
        assert worst <= UNITS
    return worst


def check_mean(peer: FunctionPeer, data: Operands, answer: Any) -> float:
    """The error of a mean: that of all rows, by parts that fit into a cache."""
    step = max(1, (1 << 16) // max(1, data[-1][0].size))
    sums = [exact(peer.job, tuple(x[i : i + step] for x in data)).sum() for i in range(0, len(data[0]), step)]
    expected = np.sum(sums) / len(data[0])
    dtype = data[-1].dtype
    tolerance = 4 * float(np.finfo(dtype).eps) if peer.name.startswith("fastfinite") else 1e-3
    assert abs(float(answer) - expected) <= tolerance * expected
    return units(float(answer), expected, dtype)


def check_gradient(peer: FunctionPeer, data: Operands, answer: Any) -> float:
    loss, gradient = answer
    y, z = (x[:CHECKED].astype(np.longdouble) for x in data)
    near = 64 * float(np.finfo(data[1].dtype).eps)
    expected = exact("sigmoid", (z,)) - y
    assert np.allclose(np.asarray(gradient)[:CHECKED].astype(np.longdouble), expected, rtol=near, atol=near)
    return check_elements(peer, data, loss)


# ---- elementwise -------------------------------------------------------------------------------------


@pytest.mark.parametrize("job, dtype, peer", **pairs(ELEMENTWISE, REAL))
@pytest.mark.parametrize("size", **sizes(*SIZES))
def test_elementwise(benchmark: Any, given: Any, job: str, dtype: str, size: Size, peer: FunctionPeer) -> None:
    call = ready(benchmark, peer, given(job, dtype, size), check_elements)
    benchmark.group = f"{job}, {dtype}, {size.label}"
    with np.errstate(all="ignore"):
        benchmark(call)


@pytest.mark.parametrize("count", [1, 2], ids=["1 thread", "2 threads"])
@pytest.mark.parametrize("job, dtype, peer", **pairs(ELEMENTWISE, ("float32",), threads=True))
def test_threads(benchmark: Any, given: Any, job: str, dtype: str, peer: FunctionPeer, count: int) -> None:
    size = SIZES[-1]
    benchmark.group = f"threads, {job}, {dtype}, {size.label}"
    with threads(count):
        call = ready(benchmark, peer, given(job, dtype, size), check_elements)
        with np.errstate(all="ignore"):
            benchmark(call)


WRONG = [peer for peer in FUNCTION_PEERS if peer.wrong]


@pytest.mark.parametrize("peer", WRONG, ids=[f"{peer.job}-{peer.name}" for peer in WRONG])
def test_what_is_said_of_a_rival_is_so(peer: FunctionPeer) -> None:
    data = (np.full(64, peer.fails_on),)
    mine = next(other for other in FUNCTION_PEERS if other.job == peer.job)
    try:
        with np.errstate(all="ignore"):
            found = [units(np.asarray(one.ready(data, result_for(data))()), exact(peer.job, data), data[0].dtype)
                     for one in (mine, peer)]
    except Absent as reason:
        pytest.skip(str(reason))
    assert found[0] <= UNITS and found[1] > 100


# ---- losses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job, dtype, peer", **pairs(LOSSES, FLOATS))
@pytest.mark.parametrize("size", **sizes(*SIZES))
def test_loss(benchmark: Any, given: Any, job: str, dtype: str, size: Size, peer: FunctionPeer) -> None:
    call = ready(benchmark, peer, given(job, dtype, size), check_mean)
    benchmark.group = f"{job}, mean, {dtype}, {size.label}"
    benchmark(call)


@pytest.mark.parametrize("job, dtype, peer", **pairs((GRADIENT,), FLOATS))
@pytest.mark.parametrize("size", **sizes(*LARGE))
def test_loss_and_gradient(benchmark: Any, given: Any, job: str, dtype: str, size: Size, peer: FunctionPeer) -> None:
    call = ready(benchmark, peer, given(job, dtype, size), check_gradient)
    benchmark.group = f"{job}, {dtype}, {size.label}"
    benchmark(call)


@pytest.mark.parametrize("count", [1, 2], ids=["1 thread", "2 threads"])
@pytest.mark.parametrize("job, dtype, peer", **pairs(LOSSES, ("float32",), threads=True))
def test_loss_threads(benchmark: Any, given: Any, job: str, dtype: str, peer: FunctionPeer, count: int) -> None:
    size = SIZES[-1]
    benchmark.group = f"threads, {job}, mean, {dtype}, {size.label}"
    with threads(count):
        benchmark(ready(benchmark, peer, given(job, dtype, size), check_mean))


# ---- rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job, dtype, peer", **pairs(ROWS, FLOATS))
@pytest.mark.parametrize("size", **sizes(*LARGE))
def test_rows(benchmark: Any, given: Any, job: str, dtype: str, size: Size, peer: FunctionPeer) -> None:
    check = check_mean if job == "cross_entropy" else check_elements
    call = ready(benchmark, peer, given(job, dtype, size, COLUMNS), check)
    benchmark.group = f"{job}, rows of {COLUMNS}, {dtype}, {size.label}"
    benchmark(call)
