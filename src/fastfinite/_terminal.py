"""Writing to the terminal, or to wherever the output goes: what may fail there, and what must not get there."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import unicodedata
from typing import IO, Any

from fastfinite._version import __version__

# Exit codes.
CLEAN, FINDINGS, FAILED = 0, 1, 2
RED, YELLOW, PLAIN = "\033[31m", "\033[33m", "\033[0m"


class OutputError(Exception):
    """The output could not be written."""


def shown(path: str) -> str:
    """A path as valid Unicode: bytes that are not UTF-8 become escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def where(path: str, name: str | None) -> str:
    """What is called so in a file: "x.npz: a", or the path alone."""
    return shown(path) if name is None else f"{shown(path)}: {name}"


def problem_text(path: str, name: str | None, status: str, reason: str | None) -> str:
    """Why something in a file was not scanned."""
    return f"{where(path, name)}: {'' if status == 'error' else 'not scanned: '}{reason}"


def printable(text: str) -> str:
    """Escape everything that could move the cursor, change colours or hide text, so that names cannot forge output."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def wide(text: str) -> int:
    """How many columns of a terminal a text takes at most."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, room: int) -> str:
    """A text, shortened where it takes more columns of a terminal than there are; three at least."""
    if wide(text) <= room:
        return text
    while text and wide(text) > room - len("..."):
        text = text[:-1]
    return text + "..."


def encodable(text: str, stream: IO[str] | None) -> str:
    """Escape what the encoding of a stream lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def in_colour(stream: IO[str] | None) -> bool:
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty() and (os.name != "nt" or "WT_SESSION" in os.environ)


def write(line: str) -> None:
    """Write to stdout, which may be closed, full, or of an encoding that lacks a character."""
    if sys.stdout is None:      # closed by the caller; the exit code still tells
        return
    try:
        sys.stdout.write(encodable(line, sys.stdout) + "\n")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.strerror or str(error)) from error


def flush(stream: IO[str] | None) -> None:
    try:
        if stream is not None:
            stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.strerror or str(error)) from error


def complain(text: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):      # nobody is left to be told
            print(f"fastfinite: {printable(text)}", file=sys.stderr)


def flush_stdout() -> None:
    """Write out what stdout holds back."""
    flush(sys.stdout)


def write_object(key: str, lines: list[str], rest: dict[str, Any]) -> None:
    """Write one JSON object, of a list of objects that are JSON already, and of others."""
    # An entry a line: one object all the same, and one that can be read and compared by eye.
    write(f'{{"version": {json.dumps(__version__)}, "{key}": [')
    for number, line in enumerate(lines, 1):
        write(line if number == len(lines) else line + ",")
    write("], " + json.dumps(rest, allow_nan=False)[1:])
    flush(sys.stdout)


def abandon_stdout() -> None:
    """Let the interpreter's own flush at exit succeed; what is still buffered cannot be written."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
