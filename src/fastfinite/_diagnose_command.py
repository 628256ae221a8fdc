"""``fastfinite diagnose``: the causes that an array or a table in a file shows, with its labels.

Arrays are mapped. The numbers of a table are held in memory: suspicious columns are looked at again.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from fastfinite import _files
from fastfinite._accepted import Array, Frame
from fastfinite._check import CLEAN, FAILED, FINDINGS
from fastfinite._diagnose import diagnose
from fastfinite._files import FileArray, FileTable, Problem
from fastfinite._progress import ProgressBar
from fastfinite._scan_files import TableNumbers
from fastfinite._terminal import complain, printable, shown, write


class _Refused(Exception):
    """A file that cannot be diagnosed; the message says why."""


def run(options: argparse.Namespace) -> int:
    """Run ``fastfinite diagnose``."""
    target = options.target_dtype.name if options.target_dtype else "float32"
    problems: list[Problem] = []
    try:
        if len(options.paths) > 2:
            raise _Refused(f"give the data and at most one file of labels, not {len(options.paths)} files")
        data = _load(options.paths[0], options, problems)
        labels: object = None
        if options.target is not None:
            if not isinstance(data, Frame) or len(options.paths) == 2:
                raise _Refused("--target names a column of a table, and takes the place of a file of labels")
            data, labels = _split(data, options.target)
        elif len(options.paths) == 2:
            labels = _load(options.paths[1], options, problems)
            if isinstance(labels, Frame):
                raise _Refused(f"{shown(options.paths[1])}: labels are read from .npy files; name a column of the data "
                               "with --target")
        found = diagnose(data, labels, target_dtype=target)
        found.not_scanned = tuple(name for name in found.not_scanned if name != options.target)
    except (_Refused, TypeError, ValueError, OSError) as error:
        complain(_files.reason_of(error))
        return FAILED
    for problem in problems:
        complain(f"{problem.name}: not scanned: {problem.reason}")
    if options.json:
        write(json.dumps(found.to_dict(), allow_nan=False))
    else:
        for line in str(found).splitlines():
            write(printable(line))
    return FAILED if problems else CLEAN if found else FINDINGS


def _load(path: str, options: argparse.Namespace, problems: list[Problem]) -> Array | Frame:
    """The one array or table of a file; columns of numbers that cannot be scanned are problems."""
    sources, _ = _files.find([path])
    bar = ProgressBar(options.progress, sum(source.size for source in sources))
    loaded: Array | Frame | None = None
    try:
        for _, item in bar.through(sources):
            if isinstance(item, Problem):
                raise _Refused(f"{shown(path)}: {item.reason}")
            if loaded is not None or not (isinstance(item, FileTable) or path.lower().endswith(".npy")):
                raise _Refused(f"{shown(path)}: diagnose takes a table, or an .npy file of one array")
            loaded = _table(item, bar, problems) if isinstance(item, FileTable) else _mapped(path, item)
    finally:
        bar.hide()
    if loaded is None:
        raise _Refused(f"{shown(path)}: holds nothing")
    return loaded


def _mapped(path: str, array: FileArray) -> Array:
    if array.dtype.kind == "V":
        raise _Refused(f"{shown(path)}: its dtype {array.dtype} holds no numbers that are known")
    values: Array = np.load(path, mmap_mode="r" if np.prod(array.shape) else None, allow_pickle=False)
    return values


def _table(table: FileTable, bar: ProgressBar, problems: list[Problem]) -> Frame:
    numbers = TableNumbers(table, bar.advance)
    parts = list(numbers.parts())
    problems += numbers.problems()
    # The values of lists have no row that is theirs alone.
    left_out = numbers.left_out() | numbers.lists
    kept = [part for part in parts if part[1][1] not in left_out]
    return Frame((numbers.rows, len(numbers.names)), "mixed", numbers.names, sorted(left_out), [], lambda: iter(kept))


def _split(table: Frame, name: str) -> tuple[Frame, Frame]:
    """The other columns, and the one of the labels."""
    if name not in table.names:
        raise _Refused(f"--target {name!r} is no column of the table; its columns are "
                       f"{', '.join(map(repr, table.names[:20]))}")
    target = table.names.index(name)
    if target in table.unscanned:
        raise _Refused(f"--target {name!r} holds no numbers: encode the classes as numbers")
    ours = [part for part in table.parts() if part[1][1] == target]
    others = [part for part in table.parts() if part[1][1] != target]
    labels = [(part._replace(array=part.array[:, 0], mask=None if part.mask is None else part.mask[:, 0]), (row,))
              for part, (row, _) in ours]
    rest = Frame(table.shape, table.label, table.names, sorted({*table.unscanned, target}), [], lambda: iter(others))
    return rest, Frame((table.shape[0],), "mixed", [name], [], [], lambda: iter(labels))
