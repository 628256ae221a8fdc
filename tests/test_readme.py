"""The README is true: its Python examples run, and its commands are those that work."""

import doctest
import re
import sys
from pathlib import Path

from optional import require

from fastfinite import _cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_examples_run():
    require("pandas")
    test = doctest.DocTestParser().get_doctest(README, {}, "README.md", "README.md", 0)
    output = []
    result = doctest.DocTestRunner().run(test, out=output.append)
    assert result.attempted > 10
    assert not result.failed, "".join(output)


def test_the_command_line_prints_what_is_shown(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    (block,) = re.findall(r"\$ fastfinite (check .*)\n((?:.*\n)+?)\$ echo \$\?\n(\d)\n", README)
    command, shown, code = block
    monkeypatch.setattr(sys, "argv", ["fastfinite"])
    assert _cli.main(command.split()) == int(code)
    timeless = re.compile(r" in [\d.]+ s \(.*\)")
    assert timeless.sub("", capsys.readouterr().out) == timeless.sub("", shown)
