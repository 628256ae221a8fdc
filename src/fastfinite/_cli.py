"""The command line: ``fastfinite check PATH...``.

Results go to stdout, one line an array; what could not be scanned goes to stderr, one line each, as with grep. With
``--json`` everything is in one object on stdout. The exit code is 0 for all clean, 1 for findings, 2 where something
could not be read or scanned, whatever else was found.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np

from fastfinite import _files, _formats
from fastfinite._files import COLUMN_COUNTS, FileArray, Problem, Scanned, Source
from fastfinite._formats import Format
from fastfinite._progress import ProgressBar
from fastfinite._report import KINDS, ScanReport, describe
from fastfinite._threads import get_num_threads, threads
from fastfinite._version import __version__

CLEAN, FINDINGS, FAILED = 0, 1, 2
# As shells report processes ended by SIGINT and SIGPIPE.
INTERRUPTED, BROKEN_PIPE = 130, 141
# What --allow-nan lets pass.
_NAN_KINDS = ("nan", "null")
# Lines of --columns for one array, in text.
_LISTED_COLUMNS = 50
_RED, _YELLOW, _PLAIN = "\033[31m", "\033[33m", "\033[0m"


class OutputError(Exception):
    """The output could not be written."""


# ------------------------------------------------------------------------------------------------ arguments


def _threads_argument(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not text.strip("0"):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text.lstrip("0")[:20])


def _format_argument(text: str) -> Format:
    try:
        return _formats.of_name(text, "target_dtype")
    except (ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; each subcommand sets `run`."""
    parser = argparse.ArgumentParser(
        prog="fastfinite",
        description="Finds the values that are not finite in files of arrays.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fastfinite {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_check(commands)
    return parser


def _parsed(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """Parse the arguments; paths may stand before, between and after the options."""
    options, more = parser.parse_known_args(argv)
    end = more.index("--") if "--" in more else len(more)
    unknown = [text for text in more[:end] if text.startswith("-")]
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    options.paths += more[:end] + more[end + 1 :]
    return options


def _add_check(commands: Any) -> None:
    parser = commands.add_parser(
        "check",
        help="find nan and inf in files",
        description="Find nan and inf in files, at the speed of the disk or of memory.",
        epilog="Exit code: 0 all clean, 1 findings, 2 something could not be read or scanned. "
        f"File types: {', '.join(_files.READERS)}. Nothing is ever unpickled.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=check)
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="file, folder (searched whole) or pattern such as 'data/**/*.npy'")
    add("--json", action="store_true", help="print one JSON object")
    add("--columns", action="store_true", help="list the bad columns of two-dimensional arrays")
    add("--allow-nan", action="store_true", help="nan is no finding, inf is")
    add(
        "--target-dtype", type=_format_argument, metavar="NAME",
        help="find also finite values that become inf when cast to float16, float32, bfloat16, ...",
    )
    add("--quiet", action="store_true", help="print only what is not clean")
    add("--threads", type=_threads_argument, metavar="N", help="use at most N threads")
    add(
        "--progress", choices=("auto", "always", "never"), default="auto",
        help="progress bar: on a terminal after a second (default), always, never",
    )


# ------------------------------------------------------------------------------------------------ checking


class Entry(NamedTuple):
    """One line of the result: an array that was scanned, or something that was not, and why."""

    file: str
    name: str | None
    status: str
    reason: str | None = None
    array: FileArray | None = None
    scanned: Scanned | None = None

    @property
    def code(self) -> int:
        """The exit code that this entry alone would give."""
        if self.status in ("error", "not scanned") or (self.scanned and self.scanned.report.not_scanned):
            return FAILED
        return FINDINGS if self.status == "non-finite" else CLEAN


def check(options: argparse.Namespace) -> int:
    """Run ``fastfinite check``."""
    try:
        number = options.threads or get_num_threads()
    except ValueError as error:     # the environment names a number that is none
        _complain(str(error))
        return FAILED
    with threads(number):
        return _check(options)


def _check(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    sources, skipped = _files.find(options.paths)
    bar = ProgressBar(options.progress, sum(source.size for source in sources))
    output = _JsonOutput(options) if options.json else _TextOutput(options, bar)
    summary = Summary(files=len(sources), skipped=skipped)
    try:
        for entry in _entries(sources, options, bar):
            summary.add(entry)
            output.add(entry)
    finally:
        bar.hide()
    summary.seconds = time.perf_counter() - start
    output.finish(summary)
    return summary.code


def _entries(sources: list[Source], options: argparse.Namespace, bar: ProgressBar) -> Iterator[Entry]:
    done = 0.0
    for source in sources:
        within = done
        for item in _files.arrays_of(source):
            if isinstance(item, Problem):
                yield Entry(source.path, item.name, item.status, item.reason)
                continue
            yield _scanned(source, item, options, bar, within)
            within += item.stored
            bar.at(within)
        done += source.size
        bar.at(done)


def _scanned(source: Source, array: FileArray, options: argparse.Namespace, bar: ProgressBar, start: float) -> Entry:
    position = start

    def advance(share: float) -> None:
        nonlocal position
        position += share * array.stored
        bar.at(position)

    try:
        scanned = _files.scan_array(
            array, target_dtype=options.target_dtype, columns=options.columns, allow_nan=options.allow_nan,
            advance=advance,
        )
    except TypeError as error:
        return Entry(source.path, array.name, "not scanned", _files.reason_of(error), array)
    except Exception as error:      # damaged data make readers raise nearly anything; the others are still checked
        return Entry(source.path, array.name, "error", _files.reason_of(error), array)
    report = scanned.report
    if not _passes(report, options.allow_nan):
        return Entry(source.path, array.name, "non-finite", None, array, scanned)
    if report.not_scanned:
        reason = "fields that hold no numbers: " + ", ".join(map(repr, report.not_scanned))
        return Entry(source.path, array.name, "not scanned", reason, array, scanned)
    return Entry(source.path, array.name, "finite" if report.ok else "allowed", None, array, scanned)


def _passes(report: ScanReport, allow_nan: bool) -> bool:
    if allow_nan:
        return not (report.posinf or report.neginf or report.overflow)
    return report.ok


class Summary:
    """Counts over all entries."""

    def __init__(self, files: int, skipped: int) -> None:
        self.files, self.skipped = files, skipped
        self.arrays = self.finite = self.allowed = self.non_finite = self.not_scanned = self.errors = 0
        self.bytes = 0
        self.seconds = 0.0
        self.code = CLEAN

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        self.arrays += entry.array is not None
        self.finite += entry.status == "finite"
        self.allowed += entry.status == "allowed"
        self.non_finite += entry.status == "non-finite"
        self.not_scanned += entry.status == "not scanned"
        self.errors += entry.status == "error"
        self.bytes += entry.scanned.bytes_read if entry.scanned else 0
        self.code = max(self.code, entry.code)

    @property
    def rate(self) -> float | None:
        """GB/s, where anything was read."""
        return self.bytes / self.seconds / 1e9 if self.bytes and self.seconds > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "files": self.files,
            "arrays": self.arrays,
            "finite": self.finite,
            "allowed": self.allowed,
            "non_finite": self.non_finite,
            "not_scanned": self.not_scanned,
            "errors": self.errors,
            "skipped_files": self.skipped,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 6),
            "gb_per_s": None if self.rate is None else round(self.rate, 3),
            "exit_code": self.code,
        }

    def __str__(self) -> str:
        counts = [
            f"{number} {what}"
            for number, what in (
                (self.finite, "finite"),
                (self.allowed, "with nan allowed"),
                (self.non_finite, "non-finite"),
                (self.not_scanned, "not scanned"),
                (self.errors, "error" if self.errors == 1 else "errors"),
            )
            if number
        ]
        text = f"{_many(self.arrays, 'array')} in {_many(self.files, 'file')}: {', '.join(counts) or 'nothing to scan'}"
        text += f"; {_size(self.bytes)} read in {self.seconds:.3f} s"
        if self.rate is not None:
            text += f" ({_size(round(self.rate * 1e9))}/s)"
        if self.skipped:
            text += f"; {_many(self.skipped, 'file')} of other types skipped"
        return text


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _size(number: int) -> str:
    if number < 1000:
        return _many(number, "byte")
    size, units = float(number), iter(("kB", "MB", "GB", "TB", "PB", "EB"))
    unit = ""
    while size >= 999.5:
        size, unit = size / 1000, next(units)
    return f"{size:.3g} {unit}"


# ------------------------------------------------------------------------------------------------ output


class _TextOutput:
    """A line an array on stdout, problems on stderr."""

    def __init__(self, options: argparse.Namespace, bar: ProgressBar) -> None:
        self._quiet, self._allow_nan, self._bar = options.quiet, options.allow_nan, bar
        self._colour = _in_colour(sys.stdout)

    def add(self, entry: Entry) -> None:
        if self._quiet and entry.code == CLEAN:
            return
        self._bar.hide()
        where = _shown(entry.file) if entry.name is None else f"{_shown(entry.file)}: {entry.name}"
        if entry.scanned is None:
            _flush(sys.stdout)      # keeps the order where both streams go to one place
            reason = f"not scanned: {entry.reason}" if entry.status == "not scanned" else str(entry.reason)
            _complain(f"{where}: {reason}")
            return
        colour = _RED if entry.status == "non-finite" else _YELLOW if entry.code == FAILED else None
        self._line(describe(entry.scanned.report, name=where, allow_nan=self._allow_nan), colour)
        bad = _bad_columns(entry.scanned.columns, self._allow_nan)
        for column in bad[:_LISTED_COLUMNS]:
            self._line("  " + _column_text(column, self._allow_nan), colour)
        if len(bad) > _LISTED_COLUMNS:
            self._line(f"  ... and {len(bad) - _LISTED_COLUMNS} more columns (--json lists all)", colour)

    def finish(self, summary: Summary) -> None:
        if not (self._quiet and summary.code == CLEAN):
            self._line(str(summary))
        _flush(sys.stdout)

    def _line(self, text: str, colour: str | None = None) -> None:
        text = printable(text)
        _write(f"{colour}{text}{_PLAIN}" if colour and self._colour else text)


class _JsonOutput:
    """One object on stdout, at the end."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._quiet, self._allow_nan = options.quiet, options.allow_nan
        self._arrays: list[str] = []

    def add(self, entry: Entry) -> None:
        if not (self._quiet and entry.code == CLEAN):
            self._arrays.append(json.dumps(_json_entry(entry, self._allow_nan), allow_nan=False))

    def finish(self, summary: Summary) -> None:
        # An array a line: one object all the same, and one that can be read and compared by eye.
        _write(f'{{"version": {json.dumps(__version__)}, "arrays": [')
        for number, line in enumerate(self._arrays, 1):
            _write(line if number == len(self._arrays) else line + ",")
        _write(f'], "summary": {json.dumps(summary.to_dict(), allow_nan=False)}}}')
        _flush(sys.stdout)


def _json_entry(entry: Entry, allow_nan: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "file": _shown(entry.file),
        "name": entry.name,
        "status": entry.status,
        "reason": entry.reason,
    }
    # The same keys for every entry: what was not scanned has null for its counts.
    values = entry.scanned.report.to_dict() if entry.scanned else dict.fromkeys(ScanReport((), "", size=0).to_dict())
    del values["ok"]
    if entry.array is not None:
        values["shape"] = list(entry.array.shape)
        values["dtype"] = values["dtype"] or str(entry.array.dtype)
    if entry.scanned and entry.scanned.columns is not None:
        values["columns"] = _bad_columns(entry.scanned.columns, allow_nan)
    return result | values


def _bad_columns(columns: dict[str, Any] | None, allow_nan: bool) -> list[dict[str, int]]:
    """The columns with findings, ascending, each with all its counts."""
    found = [np.flatnonzero(count) for kind, count in (columns or {}).items() if not (allow_nan and kind in _NAN_KINDS)]
    if not columns or not found:
        return []
    zeros = dict.fromkeys(COLUMN_COUNTS, 0)
    return [
        {"column": int(i), **zeros, **{kind: int(count[i]) for kind, count in columns.items()}}
        for i in np.unique(np.concatenate(found))
    ]


def _column_text(column: dict[str, int], allow_nan: bool) -> str:
    names = {**KINDS, "overflow": "overflow"}
    kinds = [kind for kind in COLUMN_COUNTS if column[kind] and not (allow_nan and kind in _NAN_KINDS)]
    return f"column {column['column']}: " + ", ".join(f"{column[kind]} {names[kind]}" for kind in kinds)


def _shown(path: str) -> str:
    """A path as valid Unicode: bytes that are not UTF-8 become escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """Escape everything that could move the cursor, change colours or hide text, so that names cannot forge output."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _in_colour(stream: IO[str] | None) -> bool:
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty() and (os.name != "nt" or "WT_SESSION" in os.environ)


def _write(line: str) -> None:
    """Write to stdout, which may be closed, full, or of an encoding that lacks a character."""
    if sys.stdout is None:      # closed by the caller; the exit code still tells
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = line.encode(encoding, "backslashreplace").decode(encoding)
    try:
        sys.stdout.write(text + "\n")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.strerror or str(error)) from error


def _flush(stream: IO[str] | None) -> None:
    try:
        if stream is not None:
            stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.strerror or str(error)) from error


def _complain(text: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):      # nobody is left to be told
            print(f"fastfinite: {printable(text)}", file=sys.stderr)


def _abandon_stdout() -> None:
    """Let the interpreter's own flush at exit succeed; what is still buffered cannot be written."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        The arguments without the program's name; those of the process if not given.

    Returns
    -------
    int
        The exit code.
    """
    try:
        try:
            options = _parsed(make_parser(), argv)
            code: int = options.run(options)
        except SystemExit as stop:      # argparse: help, version, usage errors
            code = FAILED if stop.code not in (0, None) else CLEAN
        _flush(sys.stdout)
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()
        return BROKEN_PIPE
    except OutputError as error:
        _abandon_stdout()
        _complain(f"cannot write the output: {error}")
        return FAILED
    except Exception:
        # A defect of this program. The interpreter would exit with 1, which here says that the files were read.
        sys.excepthook(*sys.exc_info())
        return FAILED
    return code
