"""Reads zarr folders, of version 2 and 3, with zarr: every array of every group, by its path.

The folders are walked here, not by zarr, so that one that is damaged does not hide the others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from fastfinite import _files
from fastfinite._files import Item, NotScanned, Problem, Unreadable, library, read_with
from fastfinite._stored_arrays import stored_array, text_problem

_LONGEST_METADATA = 16 << 20


def read_zarr(folder: str, size: int) -> Iterator[Item]:
    """Read the arrays of a folder in the order of their names; links to other folders are not followed."""
    zarr = library("zarr", "zarr")
    found = False
    waiting = [""]
    while waiting:
        path = waiting.pop()
        place = os.path.join(folder, path)
        names = sorted(os.listdir(place), reverse=True)
        marks = [name for name in _files.ZARR_MARKS if name in names]
        if marks:
            try:
                opened = _opened(zarr, place, marks[0])
                if isinstance(opened, zarr.Array):
                    found = True
                    yield _item(opened, path.replace(os.sep, "/") or None, size)
                    continue        # what is inside are chunks
            except Exception as error:      # damaged files make zarr raise nearly anything
                found = True
                yield _files.problem_of(error, path.replace(os.sep, "/") or None)
        waiting += [os.path.join(path, name) for name in names
                    if os.path.isdir(os.path.join(place, name)) and not os.path.islink(os.path.join(place, name))]
    if not found:
        yield Problem(None, "not scanned", "the folder holds no arrays of zarr")


def _opened(zarr: Any, place: str, mark: str) -> Any:
    path = os.path.join(place, mark)
    if os.path.getsize(path) > _LONGEST_METADATA:
        raise Unreadable(f"{mark} has more than the {_LONGEST_METADATA} bytes that are read")
    with open(path, "rb") as file:
        try:
            metadata = json.load(file)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"{mark} is damaged: {_files.shortened(str(error))}") from None
    if _names_pickle(metadata):
        raise NotScanned("its values are pickled, and nothing is ever unpickled")
    with read_with("zarr"):
        return zarr.open(place, mode="r", zarr_format=3 if mark == "zarr.json" else 2)


def _names_pickle(metadata: Any) -> bool:
    """Whether one of the filters is numcodecs' Pickle, which runs what it finds."""
    waiting = [metadata]
    while waiting:
        x = waiting.pop()
        if isinstance(x, dict):
            waiting += [value for key, value in x.items() if key != "attributes"]
        elif isinstance(x, list):
            waiting += x
        elif isinstance(x, str) and "pickle" in x.lower():
            return True
    return False


def _item(array: Any, name: str | None, size: int) -> Item:
    with read_with("zarr"):
        dtype, shape, attributes = array.dtype, array.shape, dict(array.attrs)
        chunks = getattr(array, "shards", None) or array.chunks
    if dtype.kind in "OSUT":
        return text_problem(name, str(dtype))
    return stored_array(name, shape, dtype, chunks, attributes, size, lambda part: array[part], "zarr")
