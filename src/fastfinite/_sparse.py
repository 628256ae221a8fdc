"""Sparse arrays: the values that are stored, and their places.

The values alone answer whether all are finite, where no place is stored twice. Otherwise, and where something was
found, they are put into the order of C, and those of one place are added up, as every use of the array would do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastfinite._accepted import Accepted, Array, Sparse, is_of, of_array


def is_scipy(kind: type) -> bool:
    """Whether this is a type of scipy.sparse."""
    return is_of(kind, "scipy.sparse", "sparray", "spmatrix")


def open_scipy(x: Any) -> Sparse:
    """Accept an array or matrix of scipy.sparse, of any format."""
    shape = tuple(int(n) for n in x.shape)
    if x.format in ("csr", "csc", "bsr"):
        x = _without_rest(x)
    elif x.format != "coo":
        # Of dia, places outside the array are left out; lil and dok are not arrays.
        with np.errstate(all="ignore"):
            x = x.tocoo(copy=False)
    stored = of_array(x.data.reshape(-1))
    if not x.has_canonical_format and _may_overflow(stored.array):
        stored, coordinates = _sorted_coo(x)
        return Sparse(shape, stored, lambda: (stored, coordinates))
    return Sparse(shape, stored, lambda: _sorted_coo(x))


def _may_overflow(values: Array) -> bool:
    """Whether a sum of some of these may be inf where none of them is; True also where one is not finite."""
    if values.dtype.kind not in "fc" or len(values) == 0:
        return False
    parts = values.view(np.real(values).dtype)
    with np.errstate(all="ignore"):
        largest = max(parts.max(), -parts.min())
    return not largest <= np.finfo(parts.dtype).max / len(values)


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
