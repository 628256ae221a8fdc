"""What else gives the variance of columns: NumPy, and other libraries where they are installed.

(a) A peer prepares a call without arguments: what it needs beside the array (a frame, an estimator) is made before
    anything is timed. What the call returns may hold more than variances; `variance` reads them off, with ddof 0.
(b) `rounds` names the dtypes in whose own precision a peer adds. There its variances are off, and `label` says so;
    bench_columns.py checks that it is still so, on 1e7 .. 1e7 + 7 over and over (variance 5.25), or on 3000 rows of
    float16.
(c) Absent libraries are left out, as in peers.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from peers import load

import fastfinite as ff

Array = np.ndarray[Any, Any]
Prepare = Callable[[Array], Callable[[], Any]]

FLOATS = ("float32", "float64")
NUMBERS = (*FLOATS, "int32", "int64")
EVERY = ("float16", *NUMBERS)
FIELDS = ("count", "nan", "posinf", "neginf", "zero", "negative", "min", "max", "mean", "var", "std", "constant")


def _as_is(answer: Any, x: Array) -> Any:
    return answer


@dataclass(frozen=True)
class ColumnPeer:
    name: str
    make: Callable[[], Prepare]
    variance: Callable[[Any, Array], Any] = _as_is
    dtypes: tuple[str, ...] = FLOATS
    rounds: tuple[str, ...] = ()
    omits_nan: bool = False
    one_column: bool = False
    contiguous: bool = False        # has its own copy of the data, or takes C order only: no rival for other layouts
    threads: bool = False           # its number of threads can be set

    def ready(self, x: Array) -> Callable[[], Any]:
        return _made(self.name)(x)

    def label(self, dtype: str) -> str:
        return f"{self.name} ({dtype} sums)" if dtype in self.rounds else self.name

    def tolerance(self, dtype: str) -> float:
        """How far off, at most, before it is nonsense. A float16 that is right to the last bit is 5e-4 off."""
        if dtype in self.rounds:
            return 0.5
        return 9e-16 if self.name.startswith("fastfinite") else 1e-9 if dtype == "float64" else 1e-3


@functools.cache
def _made(name: str) -> Prepare:
    return next(peer for peer in COLUMN_PEERS if peer.name == name).make()


def calls(function: Callable[..., Any], **options: Any) -> Callable[[], Prepare]:
    """A function of the array as it is."""
    return lambda: lambda x: functools.partial(function, x, **options)


# ---- fastfinite and NumPy ----------------------------------------------------------------------------


def read_all(x: Array) -> ff.ColumnStats:
    stats = ff.column_stats(x)
    for field in FIELDS:
        getattr(stats, field)
    return stats


def mean_and_variance(x: Array) -> tuple[Any, Any]:
    return np.mean(x, axis=0), np.var(x, axis=0)


def numpy_fields(x: Array) -> tuple[Any, ...]:
    """What column_stats tells, in lines of NumPy."""
    mean, variance = mean_and_variance(x)
    low, high = x.min(axis=0), x.max(axis=0)
    bad = np.isnan(x).sum(axis=0), np.isposinf(x).sum(axis=0), np.isneginf(x).sum(axis=0)
    counts = (x == 0).sum(axis=0), (x < 0).sum(axis=0)
    return mean, variance, np.sqrt(variance), low, high, low == high, *bad, *counts


# ---- other libraries ---------------------------------------------------------------------------------


def _bottleneck() -> Prepare:
    return calls(load("bottleneck").nanvar, axis=0)()


def _numbagg() -> Prepare:
    return calls(load("numbagg").nanvar, axis=0, ddof=0)()


def _pandas() -> Prepare:
    frame = load("pandas").DataFrame
    return lambda x: functools.partial(frame(x, copy=False).var, ddof=0)


def _polars(fields: bool) -> Callable[[], Prepare]:
    def make() -> Prepare:
        polars = load("polars")
        every = polars.all()
        wanted = [every.var(ddof=0).name.prefix("var ")]
        if fields:
            more = {"mean": every.mean(), "min": every.min(), "max": every.max(), "nan": every.null_count(),
                    "zero": (every == 0).sum(), "negative": (every < 0).sum()}
            wanted += [expression.name.prefix(f"{name} ") for name, expression in more.items()]
        # nan as null: polars leaves out nulls, and lets nan spread.
        return lambda x: functools.partial(polars.from_numpy(x).fill_nan(None).select, *wanted)

    return make


def _polars_variance(answer: Any, x: Array) -> Any:
    return answer.select(answer.columns[: x.shape[1]]).to_numpy()[0]


def _scaler() -> Prepare:
    scaler = load("sklearn.preprocessing").StandardScaler
    return lambda x: functools.partial(scaler().fit, x)


def _incremental() -> Prepare:
    update = load("sklearn.utils.extmath")._incremental_mean_and_var

    def prepare(x: Array) -> Callable[[], Any]:
        zeros, counts = np.zeros(x.shape[1]), np.zeros(x.shape[1], np.int64)
        return lambda: update(x, zeros, zeros, counts)

    return prepare


def _moments(estimates: str) -> Callable[[], Prepare]:
    def make() -> Prepare:
        moments = load("daal4py").low_order_moments

        def prepare(x: Array) -> Callable[[], Any]:
            kind = "float" if x.dtype == np.float32 else "double"
            return functools.partial(moments(fptype=kind, estimatesToCompute=estimates).compute, x)

        return prepare

    return make


def _basic_statistics(wanted: list[str]) -> Callable[[], Prepare]:
    def make() -> Prepare:
        statistics = load("onedal.basic_statistics").BasicStatistics
        return lambda x: functools.partial(statistics(wanted).fit, x)

    return make


def _biased(variances: Any, x: Array) -> Any:
    """oneDAL divides by n - 1."""
    return np.asarray(variances, np.float64).ravel() * ((len(x) - 1) / len(x))


def _numkong() -> Prepare:
    return lambda x: functools.partial(load("numkong").moments, x.reshape(-1))


def _numkong_variance(answer: Any, x: Array) -> Any:
    total, squares = answer
    return [squares / len(x) - (total / len(x)) ** 2]


HALF_SINGLE = ("float16", "float32")
SINGLE = ("float32",)
COLUMN_PEERS = (
    ColumnPeer("fastfinite.column_stats", calls(ff.column_stats), lambda stats, x: stats.var, EVERY, omits_nan=True,
               threads=True),
    ColumnPeer("fastfinite.column_stats, all fields read", calls(read_all), lambda stats, x: stats.var, EVERY,
               omits_nan=True),
    ColumnPeer("fastfinite.column_variance", calls(ff.column_variance, nan_policy="omit"), dtypes=EVERY, omits_nan=True,
               threads=True),
    ColumnPeer("np.var(axis=0)", calls(np.var, axis=0), dtypes=EVERY, rounds=HALF_SINGLE),
    ColumnPeer("np.var(axis=0, dtype=float64)", calls(np.var, axis=0, dtype=np.float64), dtypes=HALF_SINGLE),
    ColumnPeer("np.mean and np.var", calls(mean_and_variance), lambda answer, x: answer[1], EVERY, HALF_SINGLE),
    ColumnPeer("NumPy, the same fields", calls(numpy_fields), lambda answer, x: answer[1], NUMBERS, SINGLE),
    ColumnPeer("np.nanvar(axis=0)", calls(np.nanvar, axis=0), dtypes=EVERY, rounds=HALF_SINGLE, omits_nan=True),
    ColumnPeer("bottleneck.nanvar", _bottleneck, dtypes=NUMBERS, rounds=SINGLE, omits_nan=True),
    ColumnPeer("numbagg.nanvar", _numbagg, dtypes=NUMBERS, omits_nan=True),
    ColumnPeer("pandas var", _pandas, dtypes=EVERY, rounds=HALF_SINGLE, omits_nan=True),
    ColumnPeer("polars var, its own frame", _polars(False), _polars_variance, EVERY, omits_nan=True, contiguous=True),
    ColumnPeer("polars, such fields, its own frame", _polars(True), _polars_variance, EVERY, omits_nan=True,
               contiguous=True),
    ColumnPeer("sklearn StandardScaler.fit", _scaler, lambda answer, x: answer.var_, EVERY, omits_nan=True),
    ColumnPeer("sklearn _incremental_mean_and_var", _incremental, lambda answer, x: answer[1], EVERY, omits_nan=True),
    ColumnPeer("oneDAL low_order_moments", _moments("estimatesAll"),
               lambda answer, x: _biased(answer.variance, x), NUMBERS, SINGLE, threads=True),
    ColumnPeer("oneDAL low_order_moments, mean and var", _moments("estimatesMeanVariance"),
               lambda answer, x: _biased(answer.variance, x), NUMBERS, SINGLE, threads=True),
    ColumnPeer("oneDAL BasicStatistics", _basic_statistics(["all"]),
               lambda answer, x: _biased(answer.variance_, x), rounds=SINGLE, threads=True),
    ColumnPeer("oneDAL BasicStatistics, mean and var", _basic_statistics(["mean", "variance"]),
               lambda answer, x: _biased(answer.variance_, x), rounds=SINGLE, threads=True),
    ColumnPeer("NumKong moments", _numkong, _numkong_variance, FLOATS, SINGLE, one_column=True, contiguous=True),
)
PEER = {peer.name: peer for peer in COLUMN_PEERS}


def for_columns(dtype: str, *, one_column: bool = True, nan: bool = False, any_layout: bool = False,
                threads: bool = False) -> list[ColumnPeer]:
    """Those that take such data."""
    return [
        peer for peer in COLUMN_PEERS
        if dtype in peer.dtypes and (one_column or not peer.one_column) and (peer.omits_nan or not nan)
        and not (any_layout and peer.contiguous) and (peer.threads or not threads)
    ]


def off(found: Any, exact: Array) -> float:
    """The largest relative error of variances."""
    with np.errstate(all="ignore"):
        error = float(np.max(np.abs(np.asarray(found, np.float64).ravel() - exact) / exact))
    return error if error == error else np.inf


def proof(dtype: str) -> Array:
    """An array on which sums of the dtype's own precision give a variance that is off."""
    if dtype == "float16":
        return np.random.default_rng(2024).standard_normal((3000, 2)).astype(dtype)
    return np.tile(1e7 + np.arange(8), 1000).astype(dtype)[:, np.newaxis]
