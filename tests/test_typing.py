"""What a user's type checker sees is what there is: types, names, parameters and defaults.

The files of tests/typing are checked by mypy, and never run. There, an ``ignore`` marks what a checker has to refuse.
"""

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from optional import require

import fastfinite as ff

HERE = Path(__file__).parent
SOURCES = Path(ff.__file__).parent
STUBS = sorted(path.stem for path in SOURCES.glob("*.pyi"))
# Of the constants in stubs.
TYPES = {"str": str, "int": int, "tuple": tuple, "dict": dict, "np.ufunc": np.ufunc}


def test_mypy_agrees_with_the_types_of_all_that_is_public(tmp_path, monkeypatch):
    require("mypy", load=False)
    from mypy import api

    if "site-packages" not in SOURCES.parts:
        monkeypatch.setenv("MYPYPATH", str(SOURCES.parent))
    monkeypatch.chdir(tmp_path)
    options = ["--strict", "--config-file", str(HERE.parent / "pyproject.toml"), "--python-executable", sys.executable]
    out, err, code = api.run([*options, "--cache-dir", str(tmp_path), str(HERE / "typing")])
    assert (code, err) == (0, ""), out + err


def test_every_public_name_is_in_a_file_that_mypy_checks():
    text = "".join(path.read_text(encoding="utf-8") for path in (HERE / "typing").glob("*.py"))
    assert [name for name in ff.__all__ if f"ff.{name}" not in text] == []


@pytest.mark.parametrize("name", STUBS)
def test_stubs_have_the_names_parameters_and_defaults_of_their_modules(name):
    module = importlib.import_module(f"fastfinite.{name}")
    for node in ast.parse((SOURCES / f"{name}.pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            assert stub_parameters(node) == parameters(getattr(module, node.name)), node.name
        elif isinstance(node, ast.AnnAssign):
            kind = TYPES[ast.unparse(node.annotation).partition("[")[0]]
            assert isinstance(getattr(module, node.target.id), kind), node.target.id


def stub_parameters(node):
    """Name, kind and default of each parameter."""
    given, named = node.args, node.args.kwonlyargs
    places = [*given.posonlyargs, *given.args]
    none = inspect.Parameter.empty
    defaults = [none] * (len(places) - len(given.defaults)) + [ast.literal_eval(value) for value in given.defaults]
    found = [(entry.arg, "positional", default) for entry, default in zip(places, defaults)]
    found += [(given.vararg.arg, "several", none)] if given.vararg else []
    return found + [(entry.arg, "keyword", none if default is None else ast.literal_eval(default))
                    for entry, default in zip(named, given.kw_defaults)]


def parameters(function):
    kinds = {inspect.Parameter.KEYWORD_ONLY: "keyword", inspect.Parameter.VAR_POSITIONAL: "several"}
    return [(entry.name, kinds.get(entry.kind, "positional"), entry.default)
            for entry in inspect.signature(function).parameters.values()]


def test_every_extension_module_has_a_stub():
    compiled = {path.name.partition(".")[0] for path in SOURCES.iterdir() if path.suffix in (".so", ".pyd")}
    assert compiled == set(STUBS)


@pytest.mark.parametrize("name", [name for name in ff.__all__ if inspect.isroutine(getattr(ff, name))])
def test_defaults_in_docstrings_are_those_of_the_function(name):
    function = getattr(ff, name)
    said = re.findall(r"^    (\w+) : .*, default (\S+)$", function.__doc__, re.MULTILINE)
    defaults = {key: entry.default for key, entry in inspect.signature(function).parameters.items()}
    assert {key: ast.literal_eval(value) for key, value in said} == {key: defaults[key] for key, _ in said}


@pytest.mark.parametrize("name", ["fastfinite.sklearn", "fastfinite.dask"])
def test_public_modules_of_other_libraries_say_what_they_export(name):
    require(name.rpartition(".")[2])
    module = importlib.import_module(name)
    for public in module.__all__:
        thing = getattr(module, public)
        function = thing.__init__ if inspect.isclass(thing) else thing
        hints = inspect.signature(function).parameters.values()
        assert all(entry.annotation is not inspect.Parameter.empty for entry in hints if entry.name != "self")
        assert thing.__doc__
