"""The command line: ``fastfinite check``, ``stats``, ``diagnose`` and ``bench``.

Results go to stdout, those of `check` a line for each array or column; what could not be scanned goes to stderr, one
line each, as with grep. With ``--json`` everything is in one object on stdout. The exit code is 0 for all clean, 1 for
findings, 2 where something could not be read or scanned, whatever else was found.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from fastfinite import _check, _files, _formats, _stats_command
from fastfinite._formats import Format
from fastfinite._terminal import CLEAN, FAILED, OutputError, abandon_stdout, complain, flush
from fastfinite._threads import get_num_threads, threads
from fastfinite._version import __version__

# As shells report processes ended by SIGINT and SIGPIPE.
INTERRUPTED, BROKEN_PIPE = 130, 141


# ------------------------------------------------------------------------------------------------ arguments


def _threads_argument(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not text.strip("0"):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text.lstrip("0")[:20])


def _file_argument(*suffixes: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not text.lower().endswith(suffixes):
            raise argparse.ArgumentTypeError(f"must end in {' or '.join(suffixes)}, not {text!r}")
        return text

    return check


def _format_argument(text: str) -> Format:
    try:
        return _formats.of_name(text, "target_dtype")
    except (ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; each subcommand sets `run`."""
    parser = argparse.ArgumentParser(
        prog="fastfinite",
        description="Finds the numerical causes of a NaN loss in files of arrays and tables: values that are not "
        "finite, columns without variance, labels that a loss cannot take.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fastfinite {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_check(commands)
    _add_stats(commands)
    _add_diagnose(commands)
    _add_bench(commands)
    return parser


def _parsed(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """Parse the arguments; paths may stand before, between and after the options."""
    options, more = parser.parse_known_args(argv)
    end = more.index("--") if "--" in more else len(more)
    takes_paths = "paths" in options
    unknown = [text for text in more[:end] if text.startswith("-")] if takes_paths else more
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if takes_paths:
        options.paths += more[:end] + more[end + 1 :]
    return options


def _add_check(commands: Any) -> None:
    parser = commands.add_parser(
        "check",
        help="find nan and inf in files",
        description="Find nan and inf in files, at the speed of the disk or of memory.",
        epilog="Exit code: 0 all clean, 1 findings, 2 something could not be read or scanned. "
        f"File types: {_files.known()}. Nothing is ever unpickled.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_check.check, command="check")
    _add_paths(parser)
    _add_files(parser)
    add = parser.add_argument
    add("--columns", action="store_true", help="list the bad columns of two-dimensional arrays")
    add("--allow-nan", action="store_true", help="nan is no finding, inf is")
    add(
        "--target-dtype", type=_format_argument, metavar="NAME",
        help="find also finite values that become inf when cast to float16, float32, bfloat16, ...",
    )
    add("--quiet", action="store_true", help="print only what is not clean")
    _add_map(parser)
    _add_running(parser)


def _add_stats(commands: Any) -> None:
    parser = commands.add_parser(
        "stats",
        help="count, range, mean and standard deviation of columns in files",
        description="Print count, range, mean and standard deviation of the columns of tables and arrays in files. The "
        "columns of an array are its last axis; an array of one axis is one column.",
        epilog="Exit code: 0, or 2 where something could not be read. "
        f"File types: {_files.known()}. Nothing is ever unpickled.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_stats_command.stats, command="stats")
    _add_paths(parser)
    _add_files(parser)
    _add_running(parser)


def _add_diagnose(commands: Any) -> None:
    parser = commands.add_parser(
        "diagnose",
        help="name the causes of a NaN loss or an accuracy of 0",
        description="Name the causes of a NaN loss or an accuracy of 0 that the arrays or the table of a file show, "
        "with their labels: where each is, why it harms, and what to do.",
        epilog="Exit code: 0 no error, 1 errors found, 2 something could not be read. "
        f"File types: {_files.known()}. Files are read twice, and never held in memory.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_diagnose, command="diagnose")
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="the data, and after it a file of labels")
    _add_files(parser)
    _add_map(parser)
    add("--target", metavar="NAME", help="the column of the table, or the array of the file, that holds the labels")
    add("--array", metavar="NAME", help="the array of the file that holds the data (all of them if not given)")
    add("--json", action="store_true", help="print one JSON object")
    add(
        "--target-dtype", type=_format_argument, metavar="NAME",
        help="the format that training computes in: float32 (default), float16, bfloat16, ...",
    )
    _add_running(parser)


def _diagnose(options: argparse.Namespace) -> int:
    # Imported for this command alone: the others start sooner.
    from fastfinite import _diagnose_command

    return _diagnose_command.run(options)


def _add_bench(commands: Any) -> None:
    parser = commands.add_parser(
        "bench",
        help="how fast this build is on this machine, beside NumPy",
        description="Time the main calls on this machine, beside what one would write in NumPy: about two minutes, and "
        "1 GB of memory.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_bench, command="bench", html=None, plot=None)
    parser.add_argument("--quick", action="store_true", help="float32 alone: some ten seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    _add_threads(parser)


def _bench(options: argparse.Namespace) -> int:
    # Imported for this command alone: the others start sooner.
    from fastfinite import _bench_command

    return _bench_command.run(options)


def _add_paths(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="file, folder (searched whole) or pattern such as 'data/**/*.npy'"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--html", type=_file_argument(".html", ".htm"), metavar="FILE.html", help="write a page of tables and pictures")
    add("--plot", type=_file_argument(".png", ".svg"), metavar="FILE.png|svg", help="write a picture of what was found")


def _add_map(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--map", choices=("auto", "always", "never"), default="auto",
        help="draw where the bad values are, in text: on a terminal (default), always, never",
    )


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=_threads_argument, metavar="N", help="use at most N threads")


def _add_running(parser: argparse.ArgumentParser) -> None:
    _add_threads(parser)
    parser.add_argument(
        "--progress", choices=("auto", "always", "never"), default="auto",
        help="progress bar: on a terminal after a second (default), always, never",
    )


# ------------------------------------------------------------------------------------------------ running


def _run(options: argparse.Namespace) -> int:
    try:
        number = options.threads or get_num_threads()
    except ValueError as error:     # the environment names a number that is none
        complain(str(error))
        return FAILED
    options.gathered = None
    if options.html is not None or options.plot is not None:
        # Imported where a page or picture is asked for: the others start sooner.
        from fastfinite._report_page import Gathered

        options.gathered = Gathered(options)
    with threads(number):
        code: int = options.run(options)
    return code


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
            code = _run(options)
        except SystemExit as stop:      # argparse: help, version, usage errors
            code = FAILED if stop.code not in (0, None) else CLEAN
        flush(sys.stdout)
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        abandon_stdout()
        return BROKEN_PIPE
    except OutputError as error:
        abandon_stdout()
        complain(f"cannot write the output: {error}")
        return FAILED
    except Exception as defect:
        # Of this program. The interpreter would exit with 1, which here says that the files were read.
        sys.excepthook(type(defect), defect, defect.__traceback__)
        return FAILED
    return code
