"""The command line in a process of its own: `command_child.py ARGUMENTS` prints exit code and peak memory as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import sys

from memory_child import peak_resident

from fastfinite._cli import main


def run(*arguments: str) -> int:
    """A command of fastfinite, whose output is thrown away; its exit code."""
    with contextlib.redirect_stdout(io.StringIO()):
        return main([*arguments, "--progress", "never"])


if __name__ == "__main__":
    code = run(*sys.argv[1:])
    json.dump({"code": code, "peak": peak_resident()}, sys.stdout)
