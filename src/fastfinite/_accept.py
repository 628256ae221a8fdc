"""The one path by which input is accepted: NumPy's arrays, and what other libraries have.

Nothing is imported for it: who has an object of a library has the library, so its module is asked only if it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastfinite import _formats, _frames, _sparse, _tensors
from fastfinite._accepted import Accepted, Chunked, Frame, Input, Remote, Sparse, is_of, of_array

# How objects of each type are opened; None for those that NumPy takes itself.
_openers: dict[type, Callable[[Any], Input] | None] = {}
_MOST_TYPES = 1024


def accept(x: object, dtype: object = None) -> Input:
    """Accept anything that can be scanned, or refuse it with a reason; ``dtype`` names the format of raw bits."""
    opener = opener_of(type(x))
    if opener is None:
        return of_array(x, dtype)
    opened = opener(x)
    if dtype is None:
        return opened
    if not isinstance(opened, Accepted):
        raise TypeError(f"dtype= says what the bits of an array are; x is a {type(x).__name__}")
    if not opened.is_raw:
        return of_array(opened.array, dtype)
    if _formats.of_name(dtype, "dtype") != opened.format:
        raise TypeError(f"dtype={dtype!r} does not fit x, which holds {opened.label}")
    return opened


def as_array(opened: Input) -> Accepted:
    """What was accepted as one dense array that is here, if need be by a copy."""
    if isinstance(opened, (Remote, Chunked)):
        return as_array(opened.fetch())
    if isinstance(opened, Sparse):
        raise TypeError("x is sparse and would not stay so: pass a dense copy (toarray(), to_dense())")
    return _dense(opened) if isinstance(opened, Frame) else opened


def _dense(frame: Frame) -> Accepted:
    """A copy of the numbers of a frame in one array."""
    if frame.unscanned:
        raise TypeError(f"not all columns of x hold numbers ({', '.join(map(repr, frame.not_scanned))} do not); choose "
                        "those that do, for example x[list(stats.names)]")
    parts = list(frame.parts())
    dtypes = [accepted.array.dtype for accepted, _ in parts] or [np.dtype(np.float64)]
    array = np.empty(frame.shape, np.result_type(*dtypes))
    missing = np.zeros(frame.shape, np.bool_)
    for accepted, origin in parts:
        place = tuple(slice(start, start + n) for start, n in zip(origin, accepted.shape))
        array[place] = accepted.array
        if accepted.mask is not None:
            missing[place] = accepted.mask
    accepted = of_array(array)
    return accepted._replace(mask=missing, nulls=True) if missing.any() else accepted


def _open_dask(x: Any) -> Input:
    # Imported when there is something of dask: it is not quick to load.
    from fastfinite._dask import DaskInput

    return DaskInput(x)


def opener_of(kind: type) -> Callable[[Any], Input] | None:
    """The function that opens objects of a type of another library; None for NumPy's and all else."""
    try:
        return _openers[kind]
    except KeyError:
        if len(_openers) >= _MOST_TYPES:        # types that a program makes without end
            _openers.clear()
        return _openers.setdefault(kind, _find_opener(kind))


def _find_opener(kind: type) -> Callable[[Any], Input] | None:
    if issubclass(kind, (np.ndarray, np.generic, list, tuple, str, bytes, int, float, complex)):
        return None
    if _tensors.is_torch(kind):
        return _tensors.open_torch
    if _tensors.is_jax(kind):
        return _tensors.open_jax
    if _sparse.is_scipy(kind):
        return _sparse.open_scipy
    if is_of(kind, "xarray", "DataArray", "Variable"):
        return lambda x: accept(x.data)
    if is_of(kind, "dask.array", "Array") or is_of(kind, "dask.dataframe", "DataFrame", "Series", "Index") or is_of(
            kind, "dask.bag", "Bag"):
        return _open_dask
    if _frames.is_frame(kind):
        return _frames.open_frame
    if _tensors.speaks_dlpack(kind):
        return _tensors.open_dlpack
    return None
