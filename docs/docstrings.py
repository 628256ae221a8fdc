"""What mkdocstrings makes of the docstrings of the package, which are numpydoc's.

(a) Python modules are read, not run. Names that were compiled have a signature in a stub, and their docstring at run
    time only; ufuncs have neither, and get the signature that NumPy writes in front of it.
(b) Parameters that share an entry get one each. Names in backticks become links; so do those of "See Also". Tables of
    reStructuredText become Markdown's.
"""

from __future__ import annotations

import inspect
import re

import griffe
import numpy as np

import fastfinite

TABLE = re.compile(r"^(=+(?:  =+)+)\n(.+)\n\1\n((?:.+\n)+?)\1$", re.MULTILINE)
RELATED = re.compile(r"^([\w.]+(?:, [\w.]+)*)(?: : (.*(?:\n +.*)*))?$", re.MULTILINE)
TOGETHER = re.compile(r"^(\w+(?:, \w+)+)(.*\n(?: +.*\n)*)", re.MULTILINE)
# Not those in examples.
NAME = re.compile(r"^(?!\s*(?:>>>|\.\.\.) )(.*)$", re.MULTILINE)


def link(name: str) -> str:
    """A name of the package as a link to it; any other as code."""
    bare = name.removeprefix("fastfinite.")
    return f"[`{name}`][fastfinite.{bare}]" if bare in fastfinite.__all__ else f"`{name}`"


def as_markdown(text: str) -> str:
    text = TABLE.sub(markdown_table, text)
    head, heading, rest = text.partition("Parameters\n----------\n")
    if heading:
        parameters, end, rest = rest.partition("\n\n")
        text = head + heading + TOGETHER.sub(one_by_one, parameters + "\n") + end[1:] + rest
    head, heading, rest = text.partition("See Also\n--------\n")
    if heading:
        related, end, rest = rest.partition("\n\n")
        text = head + heading + RELATED.sub(related_item, related) + end + rest
    return NAME.sub(lambda line: re.sub(r"(?<![`\[])`([\w.]+)`(?!`)", lambda name: link(name[1]), line[0]), text)


def markdown_table(table: re.Match[str]) -> str:
    starts = [rule.start() for rule in re.finditer("=+", table[1])]
    ends = [*starts[1:], None]
    rows = [[line[i:j].strip() for i, j in zip(starts, ends)] for line in (table[2], *table[3].splitlines())]
    rows.insert(1, ["---"] * len(starts))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def one_by_one(entry: re.Match[str]) -> str:
    """Parameters that share a text, each with its own, since they have each a default of their own."""
    return "".join(name + entry[2] for name in entry[1].split(", "))


def related_item(entry: re.Match[str]) -> str:
    names = ", ".join(link(name) for name in entry[1].split(", "))
    return f"- {names}" + (f": {' '.join(entry[2].split())}" if entry[2] else "")


class Docstrings(griffe.Extension):
    """Completes what was read of the package."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: object) -> None:
        for name in fastfinite.__all__:
            found, thing = pkg[name], getattr(fastfinite, name)
            found = found.final_target if found.is_alias else found
            if isinstance(thing, np.ufunc):
                found.parent.set_member(name, as_function(thing))
            elif found.docstring is None and name != "__version__":
                found.docstring = griffe.Docstring(inspect.cleandoc(thing.__doc__), parent=found)
        rewrite(pkg)


def as_function(ufunc: np.ufunc) -> griffe.Function:
    """A ufunc as the function that its users see."""
    _, _, text = inspect.cleandoc(ufunc.__doc__).partition("\n\n")
    kinds = griffe.ParameterKind
    parameters = griffe.Parameters(
        griffe.Parameter("x", kind=kinds.positional_only),
        griffe.Parameter("out", kind=kinds.positional_or_keyword, default="None"),
        griffe.Parameter("where", kind=kinds.keyword_only, default="True"),
        griffe.Parameter("kwargs", kind=kinds.var_keyword),
    )
    function = griffe.Function(ufunc.__name__, parameters=parameters)
    function.docstring = griffe.Docstring(text, parent=function)
    return function


def rewrite(thing: griffe.Object) -> None:
    """Make Markdown of all docstrings below."""
    if thing.docstring is not None:
        thing.docstring.value = as_markdown(thing.docstring.value)
    for member in thing.members.values():
        if not member.is_alias:
            rewrite(member)
