"""Is it finite, how much is not, and where: fastfinite beside NumPy's idioms, other libraries and a plain read.

`benchmark.group` is job, dtype, layout, place of the bad value and size, so competitors stand side by side. Answers are
checked before anything is timed; a competitor that is wrong about an array is skipped there, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from datasets import BAD, COLUMNS, DTYPES, LAYOUTS, SIZES, Array, Size
from peers import PEERS, Absent, Call, Peer, threads
from readers import READERS, Unavailable

import fastfinite as ff

FINITE = [peer for peer in PEERS if peer.question == "finite"]
NAN = [peer for peer in PEERS if peer.question == "nan"]
PLAIN = ("float32", "float64")
SMALL, MEDIUM, LARGE = SIZES[1], SIZES[2], SIZES[4]


def each(values: Any) -> dict[str, Any]:
    """Parameters with readable ids."""
    return {"argvalues": values, "ids": [value if isinstance(value, str) else _name(value) for value in values]}


def _name(value: Any) -> str:
    return str(getattr(value, "label", None) or getattr(value, "name", value))


def pairs(dtypes: Sequence[str], peers: list[Peer]) -> dict[str, Any]:
    """Parameters "dtype, peer": each dtype with those that take it."""
    both = [(dtype, peer) for dtype in dtypes for peer in peers if dtype in peer.dtypes]
    return {"argvalues": both, "ids": [f"{dtype}-{peer.name}" for dtype, peer in both]}


def ready(peer: Peer, x: Array, expected: bool) -> Call:
    """The peer's function, once it has given the right answer; skips where it cannot."""
    try:
        call = peer.ready()
    except Absent as reason:
        pytest.skip(str(reason))
    if bool(call(x)) != expected:
        assert peer.wrong, f"{peer.name} gives a wrong answer, and nothing is known of it"
        pytest.skip(f"{peer.name} is wrong here: {peer.wrong}")
    return call


@pytest.mark.parametrize("dtype, peer", **pairs(DTYPES, FINITE))
@pytest.mark.parametrize("size", **each(SIZES))
def test_clean(benchmark: Any, make: Any, dtype: str, size: Size, peer: Peer) -> None:
    x = make(dtype, size)
    call = ready(peer, x, True)
    benchmark.group = f"all finite, {dtype}, C, clean, {size.label}"
    assert benchmark(call, x)


@pytest.mark.parametrize("reader", **each(tuple(READERS)))
@pytest.mark.parametrize("dtype", **each(DTYPES))
@pytest.mark.parametrize("size", **each(SIZES[2:]))
def test_limit(benchmark: Any, make: Any, dtype: str, size: Size, reader: str) -> None:
    x = make(dtype, size)
    try:
        read = READERS[reader]()
    except Unavailable as reason:
        pytest.skip(str(reason))
    benchmark.group = f"all finite, {dtype}, C, clean, {size.label}"
    benchmark(read, x)


@pytest.mark.parametrize("dtype, peer", **pairs(PLAIN, FINITE))
@pytest.mark.parametrize("bad", **each(BAD[1:]))
@pytest.mark.parametrize("size", **each((SMALL, MEDIUM, LARGE)))
def test_bad(benchmark: Any, make: Any, dtype: str, size: Size, bad: str, peer: Peer) -> None:
    x = make(dtype, size, bad=bad)
    call = ready(peer, x, False)
    benchmark.group = f"all finite, {dtype}, C, {bad}, {size.label}"
    assert not benchmark(call, x)


@pytest.mark.parametrize("dtype, peer", **pairs(PLAIN, [peer for peer in FINITE if not peer.contiguous]))
@pytest.mark.parametrize("layout", **each(LAYOUTS[1:]))
@pytest.mark.parametrize("size", **each(SIZES[2:4]))
def test_layout(benchmark: Any, make: Any, dtype: str, layout: str, size: Size, peer: Peer) -> None:
    x = make(dtype, size, layout)
    call = ready(peer, x, True)
    benchmark.group = f"all finite, {dtype}, {layout}, clean, {size.label}"
    assert benchmark(call, x)


@pytest.mark.parametrize("dtype, peer", **pairs(PLAIN, NAN))
@pytest.mark.parametrize("size", **each((SMALL, MEDIUM, LARGE)))
def test_has_nan(benchmark: Any, make: Any, dtype: str, size: Size, peer: Peer) -> None:
    x = make(dtype, size)
    call = ready(peer, x, True)
    benchmark.group = f"no nan, {dtype}, C, clean, {size.label}"
    assert benchmark(call, x)


@pytest.mark.parametrize("count", [1, 2], ids=["1 thread", "2 threads"])
@pytest.mark.parametrize("peer", **each([peer for peer in FINITE if peer.threads]))
def test_threads(benchmark: Any, make: Any, peer: Peer, count: int) -> None:
    x = make("float32", LARGE)
    call = ready(peer, x, True)
    benchmark.group = f"threads, float32, C, clean, {LARGE.label}"
    with threads(count):
        assert benchmark(call, x)


def _numpy_counts(x: Array) -> tuple[int, int, int]:
    return int(np.isnan(x).sum()), int(np.isposinf(x).sum()), int(np.isneginf(x).sum())


def _numpy_first(x: Array) -> int | None:
    bad = ~np.isfinite(x)
    first = int(bad.argmax())
    return first if bad[first] else None


def _numpy_columns(x: Array) -> Array:
    return np.stack([np.isnan(x).sum(axis=0), np.isposinf(x).sum(axis=0), np.isneginf(x).sum(axis=0)])


def _scan(x: Array) -> tuple[tuple[int, int, int], int | None]:
    report = ff.scan(x)
    return (report.nan, report.posinf, report.neginf), None if report.first is None else report.first[0]


def _scan_columns(x: Array) -> Array:
    report = ff.scan(x, axis=0)
    return np.stack([report.nan, report.posinf, report.neginf])


REPORTS = {
    "counts and first": {
        "fastfinite.scan": _scan,
        "NumPy": lambda x: (_numpy_counts(x), _numpy_first(x)),
    },
    "counts by column": {
        "fastfinite.scan(axis=0)": lambda x: _scan_columns(x.reshape(-1, COLUMNS)),
        "NumPy": lambda x: _numpy_columns(x.reshape(-1, COLUMNS)),
    },
    "indices": {
        "fastfinite.nonfinite": ff.nonfinite,
        "NumPy": lambda x: np.argwhere(~np.isfinite(x)),
    },
}


@pytest.mark.parametrize("job, name", [(job, name) for job, calls in REPORTS.items() for name in calls])
@pytest.mark.parametrize("faults", ["clean", "1 in 10000 bad", "all bad"])
@pytest.mark.parametrize("dtype", **each(PLAIN))
@pytest.mark.parametrize("size", **each(SIZES[2:4]))
def test_report(benchmark: Any, make: Any, dtype: str, size: Size, faults: str, job: str, name: str) -> None:
    x = make(dtype, size)
    x = x[: len(x) // COLUMNS * COLUMNS].copy()
    if faults != "clean":
        x[:: 10_000 if faults == "1 in 10000 bad" else 1] = np.nan
        x[7::20_000] = -np.inf
    expected = REPORTS[job]["NumPy"](x)
    benchmark.group = f"{job}, {dtype}, C, {faults}, {size.label}"
    answer = benchmark(REPORTS[job][name], x)
    assert np.array_equal(answer, expected) if isinstance(expected, np.ndarray) else answer == expected


@pytest.mark.parametrize("check", [ff.asarray_chkfinite, np.asarray_chkfinite], ids=["fastfinite", "NumPy"])
@pytest.mark.parametrize("size", **each((SMALL, MEDIUM, LARGE)))
def test_asarray_chkfinite(benchmark: Any, make: Any, size: Size, check: Any) -> None:
    x = make("float64", size)
    benchmark.group = f"asarray_chkfinite, float64, C, clean, {size.label}"
    assert benchmark(check, x) is x


@pytest.mark.parametrize("peer", **each([peer for peer in PEERS if peer.wrong]))
def test_what_is_said_of_an_idiom_is_so(peer: Peer) -> None:
    x = peer.fails_on
    assert x is not None
    truth = ff.all_finite(x) if peer.question == "finite" else not ff.has_nan(x)
    assert bool(peer.ready()(x)) != truth
