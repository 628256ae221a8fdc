"""Reads HDF5 files with h5py: every dataset of every group, by its path."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import IO, Any

from fastfinite import _files
from fastfinite._files import Item, NotScanned, Problem, Unreadable, library, read_with
from fastfinite._stored_arrays import FILLS, stored_array, text_problem


def read_hdf5(file: IO[bytes], size: int) -> Iterator[Item]:
    """Read the datasets of a file in the order of their names; links to other files are not followed."""
    h5py = library("h5py", "hdf5")
    with read_with("h5py"):
        opened = h5py.File(file.name, "r", locking=False)
    with opened:
        found = False
        for path, link in _links(h5py, opened):
            found = True
            try:
                item = _item(h5py, path, link, size)
            except Exception as error:      # damaged files make h5py raise nearly anything
                item = _files.problem_of(error, path)
            yield item
        if not found:
            yield Problem(None, "not scanned", "the file holds no datasets")


def _links(h5py: Any, root: Any) -> Iterator[tuple[str, Any]]:
    """Every dataset, every link that leads out of the file, and every error, once; by path."""
    waiting: list[tuple[str, Any]] = [("", root)]
    seen = set()
    while waiting:
        path, thing = waiting.pop()
        if not isinstance(thing, h5py.Group):
            yield path, thing
            continue
        try:
            with read_with("h5py"):
                about = h5py.h5o.get_info(thing.id)
                names = sorted(thing)
        except Unreadable as error:
            yield path, error
            continue
        # Groups may hold themselves.
        if (about.fileno, about.addr) not in seen:
            seen.add((about.fileno, about.addr))
            waiting += [(f"{path}/{name}".removeprefix("/"), _member(h5py, thing, name)) for name in reversed(names)
                        if not isinstance(thing.get(name, getlink=True), h5py.SoftLink)]


def _member(h5py: Any, group: Any, name: str) -> Any:
    try:
        with read_with("h5py"):
            link = group.get(name, getlink=True)
            return link if isinstance(link, h5py.ExternalLink) else group[name]
    except Unreadable as error:
        return error


def _item(h5py: Any, path: str, thing: Any, size: int) -> Item:
    if isinstance(thing, Unreadable):
        raise thing
    if isinstance(thing, h5py.ExternalLink):
        raise NotScanned(f"a link to {thing.filename!r}, which is not followed: check that file")
    if not isinstance(thing, h5py.Dataset):
        raise NotScanned(f"it is no dataset, but {type(thing).__name__}")
    with read_with("h5py"):
        dtype, shape = thing.dtype, thing.shape
        elsewhere = thing.is_virtual or thing.external
        chunks, attributes = thing.chunks, _attributes(thing)
    if elsewhere:
        raise NotScanned("its values are in other files, which are not followed: check those")
    if h5py.check_string_dtype(dtype) is not None:
        return text_problem(path, "strings")
    if h5py.check_vlen_dtype(dtype) is not None:
        # A damaged length makes HDF5 allocate as much, and there is no way to look at it first.
        raise NotScanned("it holds lists of different lengths, which cannot be read in bounded memory: "
                         "store their values in one dataset")
    if dtype.hasobject:
        raise NotScanned("it holds references, or text of any length: no numbers")
    if _overlaps(dtype):
        raise Unreadable("damaged: fields of its records overlap")
    if shape is None:       # a dataset without values
        shape = (0,)
    return stored_array(path, shape, dtype, chunks, attributes, size, lambda part: thing[part], "h5py")


def _overlaps(dtype: Any) -> bool:
    """Whether fields of records lie over each other, of which HDF5 writes past the end of memory."""
    fields = sorted(((offset, field) for field, offset, *_ in (dtype.fields or {}).values()), key=itemgetter(0))
    ends = [offset + field.itemsize for offset, field in fields]
    starts = [offset for offset, _ in fields[1:]] + [dtype.itemsize]
    return any(end > start for end, start in zip(ends, starts)) or any(_overlaps(field.base) for _, field in fields)


def _attributes(dataset: Any) -> dict[str, Any]:
    """The attributes that say what is missing; others may be damaged, and take any amount of memory."""
    present = [key for key in FILLS if key in dataset.attrs]
    # Text of any length is not read either.
    return {key: "text" if dataset.attrs.get_id(key).dtype.hasobject else dataset.attrs[key] for key in present}
