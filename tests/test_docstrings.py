"""Every public name is documented: the examples run, the parameters are those of the signature.

Ufuncs keep their docstrings as text, to which NumPy adds the signature in front, and belong to no module.
"""

import doctest
import importlib
import inspect
import re

import numpy as np
import pytest
from optional import require

import fastfinite as ff

NAMES = [name for name in ff.__all__ if name != "__version__"]


def documented():
    for name in NAMES:
        thing = getattr(ff, name)
        yield name, thing
        if inspect.isclass(thing):
            for key, member in vars(thing).items():
                if not key.startswith("_") and callable(member):
                    yield f"{name}.{key}", member


def text_of(thing):
    """The docstring as it was written, indentation taken off."""
    text = inspect.cleandoc(thing.__doc__)
    if isinstance(thing, np.ufunc):
        signature, _, text = text.partition("\n\n")
        assert signature.startswith(f"{thing.__name__}(x, /, out=None, *, where=True,") and "\n" not in signature
    return text


def sections(thing):
    """The numpydoc sections of a docstring, by heading."""
    parts = re.split(r"^([A-Z][A-Za-z ]+)\n-+$", text_of(thing), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


@pytest.mark.parametrize("name", NAMES)
def test_public_names_live_in_the_package(name):
    thing = getattr(ff, name)
    assert thing.__name__ == name
    if not isinstance(thing, np.ufunc):
        assert thing.__module__ == "fastfinite"


def run_examples(name, thing):
    test = doctest.DocTestParser().get_doctest(text_of(thing), {}, name, None, 0)
    output = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=output.append)
    assert result.failed == 0, "".join(output)


@pytest.mark.parametrize(("name", "thing"), list(documented()))
def test_examples_of_docstrings_run(name, thing):
    if name.endswith(".plot"):
        require("matplotlib")
    run_examples(name, thing)


@pytest.mark.parametrize("name", NAMES)
def test_public_docstrings_have_their_sections(name):
    thing = getattr(ff, name)
    found = sections(thing)
    first_line = text_of(thing).splitlines()[0]
    assert first_line.endswith((".", ":")) and len(first_line) <= 120
    if inspect.isclass(thing):
        assert {"Attributes", "Parameters"} & set(found) or issubclass(thing, Warning)
        return
    # Of a ufunc's many keywords only the usual ones have an entry.
    is_ufunc = isinstance(thing, np.ufunc)
    parameters = ["x", "out", "where", "**kwargs"] if is_ufunc else list(inspect.signature(thing).parameters)
    documented = [word for line in re.findall(r"^([\w*][\w*, ]*?)(?: :.*)?$", found.get("Parameters", ""), re.MULTILINE)
                  for word in line.split(", ")]
    assert documented == parameters
    assert "Examples" in found
    if is_ufunc:
        assert {"Raises", "See Also", "Notes"} <= set(found)
    assert ("Returns" in found) is (name != "set_num_threads")


@pytest.mark.parametrize(("name", "thing"), list(documented()))
def test_docstrings_fit_the_page_and_name_what_there_is(name, thing):
    assert max(map(len, text_of(thing).splitlines())) <= 120
    related = re.findall(r"^(\w[\w., ]*) :", sections(thing).get("See Also", ""), re.MULTILINE)
    assert all(hasattr(ff, word) or hasattr(np, word) for line in related for word in line.split(", "))
    for rule, header in re.findall(r"^(=+(?:  =+)+)\n(.+)\n\1$", text_of(thing), re.MULTILINE):
        table = text_of(thing).partition(f"{rule}\n{header}\n{rule}\n")[2].partition(f"\n{rule}")[0]
        gaps = [match.start() for match in re.finditer("  =", rule)]
        for line in (header, *table.splitlines()):
            assert all(line[gap : gap + 2].strip() == "" for gap in gaps), f"not in the columns of its table: {line}"


OF_DASK = ["all_finite", "check_finite", "column_stats", "constant_columns", "diagnose", "scan", "standardize"]


@pytest.mark.parametrize("name", OF_DASK)
def test_functions_of_collections_are_documented(name):
    require("dask.array")
    thing = getattr(importlib.import_module("fastfinite.dask"), name)
    run_examples(name, thing)
    found = sections(thing)
    assert {"Parameters", "Returns", "Raises", "Notes", "Examples"} <= set(found)
    documented = [word for line in re.findall(r"^([\w*][\w*, ]*?)(?: :.*)?$", found["Parameters"], re.MULTILINE)
                  for word in line.split(", ")]
    options = {"options": "**options"}
    assert documented == [options.get(parameter, parameter) for parameter in inspect.signature(thing).parameters]
    assert text_of(thing).splitlines()[0].endswith((".", "`")) and max(map(len, text_of(thing).splitlines())) <= 120


def test_the_module_of_collections_is_documented():
    require("dask.array")
    module = importlib.import_module("fastfinite.dask")
    assert sorted(module.__all__) == OF_DASK
    run_examples("fastfinite.dask", module)


def test_attributes_of_a_report_are_those_documented():
    report = ff.scan(1.0)
    lines = re.findall(r"^(\w[\w, ]*) :", sections(ff.ScanReport)["Attributes"], re.MULTILINE)
    names = [word for line in lines for word in line.split(", ")]
    assert len(names) > 15
    for name in names:
        getattr(report, name)
    public = {name for name in dir(report) if not name.startswith("_") and not callable(getattr(report, name))}
    assert public - set(names) <= {"bad"}


def test_the_package_tells_what_it_offers():
    for name in NAMES:
        assert name in ff.__doc__ or name in ("ScanReport",)
    assert sorted(ff.__all__) == sorted(set(ff.__all__))
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", ff.__version__)
