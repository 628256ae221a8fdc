"""Updates, merging and standardizing by fastfinite, NumPy and scikit-learn, as calls prepared before they are timed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from datasets import Array
from peers import load

import fastfinite as ff

Call = Callable[[], Any]


# ---- updates: a call adds the same rows once more ----------------------------------------------------


def _partial_fit(x: Array) -> Call:
    scaler = load("sklearn.preprocessing").StandardScaler()
    return functools.partial(scaler.partial_fit, np.atleast_2d(x))


def _incremental(x: Array) -> Call:
    update = load("sklearn.utils.extmath")._incremental_mean_and_var
    rows = np.atleast_2d(x)
    state = [np.zeros(rows.shape[1]), np.zeros(rows.shape[1]), np.zeros(rows.shape[1], np.int64)]

    def call() -> list[Any]:
        state[:] = update(rows, *state)
        return state

    return call


class Chan:
    """What one writes with NumPy alone, in float64: the sums of batches, combined after Chan, Golub and LeVeque."""

    def __init__(self, columns: int) -> None:
        self.count = 0
        self.mean, self.square = np.zeros(columns), np.zeros(columns)

    def update(self, x: Array) -> Chan:
        rows = np.atleast_2d(x)
        mean = rows.mean(axis=0, dtype=np.float64)
        return self.add(len(rows), mean, ((rows - mean) ** 2).sum(axis=0))

    def add(self, count: int, mean: Array, square: Array) -> Chan:
        total, shift = self.count + count, mean - self.mean
        self.square += square + shift * shift * (self.count * count / total)
        self.mean += shift * (count / total)
        self.count = total
        return self


UPDATES: dict[str, Callable[[Array], Call]] = {
    "fastfinite update": lambda x: functools.partial(ff.ColumnStats().update, x),
    "NumPy, Chan's formula": lambda x: functools.partial(Chan(x.shape[-1]).update, x),
    "sklearn StandardScaler.partial_fit": _partial_fit,
    "sklearn _incremental_mean_and_var": _incremental,
}


def updated_variance(answer: Any) -> Array:
    """The variance in what the call of an update returns."""
    if isinstance(answer, list):
        return np.asarray(answer[1])
    if isinstance(answer, Chan):
        return answer.square / answer.count
    return np.asarray(answer.var if isinstance(answer, ff.ColumnStats) else answer.var_)


# ---- standardizing: statistics are given -------------------------------------------------------------


def _transform(in_place: bool) -> Callable[[Array, ff.ColumnStats], Call]:
    def prepare(x: Array, stats: ff.ColumnStats) -> Call:
        scaler = load("sklearn.preprocessing").StandardScaler(copy=not in_place)
        scaler.fit(np.zeros((2, x.shape[1]), x.dtype))
        scaler.mean_, scaler.scale_ = stats.mean, stats.std
        return functools.partial(scaler.transform, x.copy() if in_place else x)

    return prepare


def _fastfinite_into(x: Array, stats: ff.ColumnStats) -> Call:
    return functools.partial(ff.standardize, x, stats=stats, out=np.zeros_like(x))


def _numpy(x: Array, stats: ff.ColumnStats) -> Call:
    mean, std = stats.mean.astype(x.dtype), stats.std.astype(x.dtype)
    return lambda: (x - mean) / std


def _numpy_into(x: Array, stats: ff.ColumnStats) -> Call:
    mean, std, out = stats.mean.astype(x.dtype), stats.std.astype(x.dtype), np.zeros_like(x)
    return lambda: np.divide(np.subtract(x, mean, out=out), std, out=out)


def _copyto(x: Array, stats: ff.ColumnStats) -> Call:
    return functools.partial(np.copyto, np.zeros_like(x), x)


# An in-place transform changes its own copy each time, so only its first answer is that of the others.
STANDARDIZERS: dict[str, Callable[[Array, ff.ColumnStats], Call]] = {
    "fastfinite.standardize": lambda x, stats: functools.partial(ff.standardize, x, stats=stats),
    "fastfinite.standardize, out=": _fastfinite_into,
    "NumPy (x - mean) / std": _numpy,
    "NumPy subtract, divide, out=": _numpy_into,
    "sklearn StandardScaler.transform": _transform(False),
    "sklearn StandardScaler.transform, in place": _transform(True),
    "limit: np.copyto": _copyto,
}
