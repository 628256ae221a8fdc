"""``fastfinite diagnose``: the causes that arrays and tables in a file show, with their labels, streamed."""

from __future__ import annotations

import argparse
import json

from fastfinite import _files, _formats, _terminal_map
from fastfinite._check import state_of
from fastfinite._diagnose import diagnosis_of
from fastfinite._diagnosis import STATES, Diagnosis
from fastfinite._file_samples import FileItem, items_of, labels_of_file, samples_of_file
from fastfinite._files import Problem
from fastfinite._formats import Format
from fastfinite._labels import Labels
from fastfinite._progress import ProgressBar
from fastfinite._report import listed, plural
from fastfinite._terminal import (
    CLEAN,
    FAILED,
    FINDINGS,
    complain,
    flush_stdout,
    printable,
    problem_text,
    shown,
    write,
    write_object,
)


class _Refused(Exception):
    """A file that cannot be diagnosed; the message says why."""


class _Plan:
    """What is to be diagnosed: arrays and tables of a file, with labels of it or of another."""

    def __init__(self, options: argparse.Namespace, bar: ProgressBar) -> None:
        if len(options.paths) > 2:
            raise _Refused(f"give the data and at most one file of labels, not {len(options.paths)} files")
        self.path = options.paths[0]
        items = _items(self.path, bar)
        self.problems = [item for item in items if isinstance(item, Problem)]
        self.items = [item for item in items if isinstance(item, FileItem)]
        # The labels: a column of the table that is the data; or an array, or the column of a table, beside it.
        self.column: str | None = options.target
        self.labels: FileItem | None = None
        if len(options.paths) == 2:
            self.labels, self.labels_column, self.column = _only(options.paths[1], bar), options.target, None
            if options.target is not None and self.labels.columns is None:
                raise _Refused(f"--target names a column of labels, and {shown(options.paths[1])} is an array")
        elif options.target is not None and not self._is_table():
            self.labels, self.labels_column, self.column = self._named(options.target, "--target"), None, None
        data = [item for item in self.items if item is not self.labels]
        self.items = data if options.array is None else [self._named(options.array, "--array")]
        if (self.labels or self.column) and len(self.items) != 1:
            raise _Refused(f"{shown(self.path)}: labels are of one array, and there are {len(self.items)}: choose with "
                           f"--array ({_names(self.items)})")
        for item in self.items:
            item.expect(2)
        if self.labels is not None:
            self.labels.expect(1)

    def _is_table(self) -> bool:
        return len(self.items) == 1 and self.items[0].columns is not None

    def _named(self, name: str, option: str) -> FileItem:
        found = [item for item in self.items if item.name == name]
        if len(found) != 1:
            raise _Refused(f"{option} {name!r} names no array of {shown(self.path)}, which has {_names(self.items)}")
        return found[0]


def _items(path: str, bar: ProgressBar) -> list[FileItem | Problem]:
    try:
        items = items_of(path, bar)
    except _files.NotScanned as error:
        raise _Refused(f"{shown(path)}: {error}") from None
    if not any(isinstance(item, FileItem) for item in items):
        reasons = [item.reason for item in items if isinstance(item, Problem)]
        raise _Refused(f"{shown(path)}: {reasons[0] if reasons else 'holds nothing'}")
    return items


def _only(path: str, bar: ProgressBar) -> FileItem:
    items = _items(path, bar)
    if len(items) != 1 or not isinstance(items[0], FileItem):
        raise _Refused(f"{shown(path)}: it holds {len(items)} arrays, and labels are one")
    return items[0]


def _names(items: list[FileItem]) -> str:
    return listed([item.name for item in items if item.name is not None]) or "none with a name"


class _Output:
    """What is printed, and gathered for pages and pictures."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options, self._gathered = options, options.gathered
        self._found: list[str] = []
        self._problems: list[str] = []
        # What was found, and in a word the worst of it.
        self._verdicts: list[str] = []
        self._state = STATES[-1]
        self.code = CLEAN

    def diagnosis(self, item: FileItem, found: Diagnosis, named: bool) -> None:
        """Tell what was found; `named` says whether there is more than one array to tell apart."""
        self.code = max(self.code, CLEAN if found else FINDINGS)
        if self._gathered is not None:
            self._gathered.diagnosis(item.where, found)
        if self._options.json:
            told = {"file": shown(item.path), "name": item.name, **found.to_dict()}
            self._found.append(json.dumps(told, allow_nan=False))
        else:
            lines = [""] * bool(self._verdicts) + [item.where] * named + str(found).splitlines()
            if found.bad_map and _terminal_map.wanted(self._options.map):
                lines += ["", *_terminal_map.lines_on_stdout(found.bad_map)]
            for line in lines:
                write(printable(line))
        self._verdicts.append(found.found())
        self._state = min(self._state, found.state, key=STATES.index)

    def problem(self, text: str) -> None:
        """Tell what could not be read."""
        self.code = FAILED
        self._problems.append(text)
        if self._gathered is not None:
            self._gathered.problem(text)
        flush_stdout()      # keeps the order where both streams go to one place
        complain(text)

    def finish(self) -> None:
        """Write what is written at the end."""
        if self._options.json:
            write_object("diagnoses", self._found, {"problems": self._problems, "exit_code": self.code})
        if self._gathered is not None:
            verdict, problems = "; ".join(self._verdicts), len(self._problems)
            if problems:
                verdict = plural(problems, "problem") + (f"; in what was read: {verdict}" if verdict else "")
            self._gathered.write(verdict, state_of(self._state, problems > 0, len(self._verdicts)))


def run(options: argparse.Namespace) -> int:
    """Run ``fastfinite diagnose``."""
    target: Format = options.target_dtype or _formats.of_name("float32", "target_dtype")
    output, bar = _Output(options), ProgressBar(options.progress, 0)
    try:
        _diagnose(_Plan(options, bar), target, output)
    except _Refused as error:
        output.problem(str(error))
    finally:
        bar.hide()
    output.finish()
    return output.code


def _diagnose(plan: _Plan, target: Format, output: _Output) -> None:
    for problem in plan.problems:
        output.problem(problem_text(plan.path, *problem))
    labels = None if plan.labels is None else _read_labels(plan.labels, plan.labels_column)
    for item in plan.items:
        problems: list[Problem] = []
        try:
            samples, own = samples_of_file(item, plan.column, problems.append)
            found = diagnosis_of(samples, target, facts=labels if own is None else own)
        except Exception as error:      # damaged files make readers raise nearly anything
            problems.append(_files.problem_of(error, item.name))
        else:
            output.diagnosis(item, found, named=len(plan.items) > 1)
        for problem in problems:
            output.problem(problem_text(plan.path, *problem))


def _read_labels(item: FileItem, column: str | None) -> Labels:
    try:
        return labels_of_file(item, column)
    except Exception as error:      # as above
        raise _Refused(f"{item.where}: {_files.reason_of(error)}") from None
