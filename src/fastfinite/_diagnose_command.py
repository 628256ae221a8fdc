"""``fastfinite diagnose``: the causes that arrays and tables in a file show, with their labels, streamed."""

from __future__ import annotations

import argparse
import json

from fastfinite import _files, _formats, _terminal_map
from fastfinite._check import CLEAN, FAILED, FINDINGS
from fastfinite._diagnose import diagnosis_of
from fastfinite._diagnosis import Diagnosis
from fastfinite._file_samples import FileItem, items_of, labels_of_file, listed, samples_of_file
from fastfinite._files import Problem
from fastfinite._formats import Format
from fastfinite._labels import Labels
from fastfinite._terminal import complain, flush_stdout, printable, shown, write, write_object


class _Refused(Exception):
    """A file that cannot be diagnosed; the message says why."""


class _Plan:
    """What is to be diagnosed: arrays and tables of a file, with labels of it or of another."""

    def __init__(self, options: argparse.Namespace) -> None:
        if len(options.paths) > 2:
            raise _Refused(f"give the data and at most one file of labels, not {len(options.paths)} files")
        if options.target is not None and len(options.paths) == 2:
            raise _Refused("--target takes the place of a file of labels: give one of them")
        self.path = options.paths[0]
        items = _items(self.path, options)
        self.problems = [item for item in items if isinstance(item, Problem)]
        self.items = [item for item in items if isinstance(item, FileItem)]
        # The column of a table that holds the labels; or else the array, of the same file or of another.
        self.column: str | None = None
        self.labels: FileItem | None = None
        if options.array is not None:
            chosen = self._named(options.array, "--array")
        if options.target is not None:
            if len(self.items) == 1 and self.items[0].columns is not None:
                self.column = options.target
            else:
                self.labels = self._named(options.target, "--target")
                self.items.remove(self.labels)
        if options.array is not None:
            self.items = [chosen]
        if len(options.paths) == 2:
            self.labels = _only(options.paths[1], options)
        if (self.labels or self.column) and len(self.items) != 1:
            raise _Refused(f"{shown(self.path)}: the labels are of one array, and it holds {len(self.items)} beside "
                           f"them: choose with --array ({_names(self.items)})")

    def _named(self, name: str, option: str) -> FileItem:
        found = [item for item in self.items if item.name == name]
        if len(found) != 1:
            raise _Refused(f"{option} {name!r} names no array of {shown(self.path)}, which has {_names(self.items)}")
        return found[0]


def _items(path: str, options: argparse.Namespace) -> list[FileItem | Problem]:
    items = items_of(path, options.progress)
    if not any(isinstance(item, FileItem) for item in items):
        reasons = [item.reason for item in items if isinstance(item, Problem)]
        raise _Refused(f"{shown(path)}: {reasons[0] if reasons else 'holds nothing'}")
    return items


def _only(path: str, options: argparse.Namespace) -> FileItem:
    items = _items(path, options)
    if len(items) != 1 or not isinstance(items[0], FileItem):
        raise _Refused(f"{shown(path)}: it holds {len(items)} arrays, and labels are one")
    return items[0]


def _names(items: list[FileItem]) -> str:
    return listed([item.name for item in items if item.name is not None]) or "none with a name"


def run(options: argparse.Namespace) -> int:
    """Run ``fastfinite diagnose``."""
    target: Format = options.target_dtype or _formats.of_name("float32", "target_dtype")
    code, lines, verdicts = CLEAN, [], []
    try:
        plan = _Plan(options)
        labels = None if plan.labels is None else _read_labels(plan.labels)
    except (_Refused, _files.NotScanned) as error:
        complain(str(error))
        return FAILED
    for problem in plan.problems:
        _complain_of(plan.path, problem, options)
    for number, item in enumerate(plan.items):
        problems: list[Problem] = []
        found = _diagnosed(item, plan.column, labels, target, problems)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            where = shown(item.path) if item.name is None else f"{shown(item.path)}: {item.name}"
            if options.json:
                told = {"file": shown(item.path), "name": item.name, **found.to_dict()}
                lines.append(json.dumps(told, allow_nan=False))
            else:
                _print(where if len(plan.items) > 1 else None, number, found, _terminal_map.wanted(options.map))
            if options.gathered is not None:
                options.gathered.diagnosis(where, found)
                verdicts.append(found.found())
        for problem in problems:
            _complain_of(plan.path, problem, options)
        code = max(code, FAILED if problems else CLEAN if found else FINDINGS)
    code = FAILED if plan.problems else code
    if options.json:
        write_object("diagnoses", lines, {"exit_code": code})
    if options.gathered is not None:
        options.gathered.write("; ".join(verdicts), code)
    return code


def _print(where: str | None, number: int, found: Diagnosis, with_map: bool) -> None:
    lines = [] if where is None else [where]
    lines += str(found).splitlines()
    if with_map and found.bad_map:
        lines += ["", *_terminal_map.lines_on_stdout(found.bad_map)]
    for line in ["", *lines] if number else lines:
        write(printable(line))


def _read_labels(item: FileItem) -> Labels:
    try:
        return labels_of_file(item)
    except Exception as error:      # damaged files make readers raise nearly anything
        where = shown(item.path) if item.name is None else f"{shown(item.path)}: {item.name}"
        raise _Refused(f"{where}: {_files.reason_of(error)}") from None


def _diagnosed(
    item: FileItem, column: str | None, labels: Labels | None, target: Format, problems: list[Problem]
) -> Diagnosis | Problem:
    try:
        samples, own = samples_of_file(item, column, problems.append)
        return diagnosis_of(samples, target, facts=labels if own is None else own)
    except Exception as error:      # as above
        return _files.problem_of(error, item.name)


def _complain_of(path: str, problem: Problem, options: argparse.Namespace) -> None:
    flush_stdout()      # keeps the order where both streams go to one place
    where = shown(path) if problem.name is None else f"{shown(path)}: {problem.name}"
    text = f"{where}: {'' if problem.status == 'error' else 'not scanned: '}{problem.reason}"
    complain(text)
    if options.gathered is not None:
        options.gathered.problem(text)
