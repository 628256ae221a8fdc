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
    if x.format in ("csr", "csc", "bsr") and x.has_canonical_format:
        # The arrays may go on behind the last value.
        return Sparse(shape, of_array(x.data[: x.indptr[-1]].reshape(-1)), lambda: _sorted_coo(x))
    # Of dia, places outside the array are left out; lil and dok are not arrays; coo may hold a place twice.
    values, coordinates = _sorted_coo(x)
    return Sparse(shape, values, lambda: (values, coordinates))


def _sorted_coo(x: Any) -> tuple[Accepted, Array]:
    with np.errstate(all="ignore"):
        coo = x.tocoo(copy=False)
    coordinates = np.stack([np.asarray(axis, np.intp) for axis in (getattr(coo, "coords", None) or (coo.row, coo.col))])
    order = np.lexsort(coordinates[::-1])
    values, coordinates = coo.data[order], coordinates[:, order]
    starts = np.flatnonzero(np.diff(coordinates, axis=1, prepend=-1).any(axis=0))
    if len(starts) < len(values):
        add = np.logical_or if values.dtype.kind == "b" else np.add
        with np.errstate(all="ignore"):
            values, coordinates = add.reduceat(values, starts, dtype=values.dtype), coordinates[:, starts]
    return of_array(values), coordinates
