"""Sparse arrays: the values that are stored, and their places.

The values alone answer whether all are finite, where no place is stored twice. Otherwise, and where something was
found, they are put into the order of C, and those of one place are added up, as every use of the array would do.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from fastfinite._accepted import Accepted, Array, Sparse, of_array


def is_scipy(kind: type) -> bool:
    """Whether this is a type of scipy.sparse."""
    module = sys.modules.get("scipy.sparse")
    known = tuple(filter(None, (getattr(module, name, None) for name in ("sparray", "spmatrix"))))
    return issubclass(kind, known)


def open_scipy(x: Any) -> Sparse:
    """Accept an array or matrix of scipy.sparse, of any format."""
    shape = tuple(int(n) for n in x.shape)
    if x.format in ("csr", "csc", "bsr"):
        x = _without_rest(x)
        if x.has_canonical_format:
            return Sparse(shape, of_array(x.data.reshape(-1)), lambda: _sorted_coo(x))
    # Of dia, places outside the array are left out; lil and dok are not arrays; coo may hold a place twice.
    values, coordinates = _sorted_coo(x)
    return Sparse(shape, values, lambda: (values, coordinates))


def _without_rest(x: Any) -> Any:
    """The same without what its arrays hold behind the last value; a view, whose flags are its own."""
    count = int(x.indptr[-1])
    return type(x)((x.data[:count], x.indices[:count], x.indptr), shape=x.shape, copy=False)


def _sorted_coo(x: Any) -> tuple[Accepted, Array]:
    with np.errstate(all="ignore"):
        coo = x.tocoo(copy=False)
    coordinates = np.stack([np.asarray(axis, np.intp) for axis in (getattr(coo, "coords", None) or (coo.row, coo.col))])
    order = np.lexsort(coordinates[::-1])
    values, coordinates = coo.data[order], coordinates[:, order]
    starts = np.flatnonzero(np.diff(coordinates, axis=1, prepend=-1).any(axis=0))
    if len(starts) < len(values):
        values, coordinates = _added_up(values, starts), coordinates[:, starts]
    return of_array(values), coordinates


def _added_up(values: Array, starts: Array) -> Array:
    """The sums from each start to the next, one addition after the other, as scipy.sparse makes an array dense."""
    sums = np.zeros(len(starts), values.dtype)
    place = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(values)))
    with np.errstate(all="ignore"):
        (np.logical_or if values.dtype.kind == "b" else np.add).at(sums, place, values)
    return sums
