"""The pages are true: their examples run, their commands print what is shown, and nothing public is left out.

Pages are the README and all of docs/. A block is one of these: doctest, which is run; a console, whose commands are run
in a folder of their own with examples/ in it, where `cat` makes the file that it shows; commands of a shell, to install
or measure. Callbacks are run by tests/containers/test_page.py, the map of the README by tests/test_terminal_map.py.
"""

import ast
import contextlib
import doctest
import inspect
import io
import re
import shlex
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from optional import require

import fastfinite as ff
from fastfinite import _cli

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
         for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))}
# Their imports warn, or their calls of others.
FRAMEWORKS = {"torch", "tensorflow", "datasets", "dask"}

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TIMES = re.compile(r" in [\d.]+ s \(.*?\)")


def blocks(page, kind):
    return [code for found, code in BLOCK.findall(PAGES[page]) if found == kind]


def pages_with(kind, first=""):
    return [page for page in PAGES if any(code.startswith(first) for code in blocks(page, kind))]


# ---- Python --------------------------------------------------------------------------------------------


def imported(page):
    """The libraries that the examples of a page import."""
    found = set()
    for example in doctest.DocTestParser().get_examples(PAGES[page]):
        for node in ast.walk(ast.parse(example.source)):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


@pytest.mark.parametrize("page", pages_with("python", ">>> "))
def test_examples_run(page, run_python, tmp_path):
    libraries = imported(page)
    for library in libraries:
        require(library, load=False)
    lenient = "import warnings; warnings.resetwarnings(); warnings.simplefilter('ignore')\n"
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    expected = sum(1 for _ in doctest.DocTestParser().get_examples(PAGES[page]))
    run_python(f"""{lenient if libraries & FRAMEWORKS else ""}
import doctest, os
os.chdir({str(tmp_path)!r})
result = doctest.testfile({str(ROOT / page)!r}, module_relative=False)
assert (result.attempted, result.failed) == ({expected}, 0), result
""", **quiet)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run(page):
    for kind, code in BLOCK.findall(PAGES[page]):
        if kind == "python":
            assert code.startswith((">>> ", "class CheckFinite(")), code
        elif kind == "console":
            assert code.startswith("$ "), code
        elif kind == "sh":
            programs = {line.split()[0] for line in code.splitlines()}
            assert programs <= {"python", "python3", "pip", ".venv/bin/pip"}, code
        else:
            assert kind == "" and "one cell:" in code, f"nothing runs this block:\n{code}"
    assert PAGES[page].count("\n```") == 2 * len(BLOCK.findall(PAGES[page]))


@pytest.mark.parametrize("page", PAGES)
def test_what_it_names_exists(page):
    assert [name for name in re.findall(r"\bff\.([A-Za-z_]+)", PAGES[page]) if not hasattr(ff, name)] == []
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    known = re.findall(r"^(\w+) = ", project.partition("[project.optional-dependencies]")[2].partition("\n[")[0], re.M)
    extras = ",".join(re.findall(r"'(?:fastfinite|\.)\[([\w,]+)\]'", PAGES[page]))
    assert set(extras.split(",")) <= {*known, ""}


@pytest.mark.parametrize("page", PAGES)
def test_what_it_links_to_exists(page):
    text = BLOCK.sub("", PAGES[page])
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (ROOT / page).parent.joinpath(link).is_file()] == []


# ---- the command line ----------------------------------------------------------------------------------


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Run one command of a console block: what it printed, on both streams."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fastfinite"])
    code = 0

    def run(command, shown):
        nonlocal code
        program, *arguments = shlex.split(command)
        if program == "cat":
            Path(*arguments).write_text(shown, encoding="utf-8")
            return shown
        if program == "echo":
            assert arguments == ["$?"]
            return f"{code}\n"
        assert program == "fastfinite"
        printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = _cli.main(arguments)
        printed.flush()
        return printed.buffer.getvalue().decode("utf-8")

    return run


@pytest.mark.parametrize("page", pages_with("console"))
def test_commands_print_what_is_shown(page, shell):
    if page != "README.md":
        require("matplotlib")
    require("pyarrow")
    for block in blocks(page, "console"):
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            assert TIMES.sub("", shell(command, shown)) == TIMES.sub("", shown), command


# ---- the reference, the site ---------------------------------------------------------------------------


def test_the_reference_has_every_public_name():
    from fastfinite import dask

    require("sklearn")
    text = "\n".join(text for page, text in PAGES.items() if page.startswith("docs/api/"))
    listed = re.findall(r"^::: fastfinite\.([\w.]+)$", text, re.MULTILINE)
    names = [name for name in ff.__all__ if name != "__version__"]
    assert sorted(listed) == sorted([*names, "sklearn.ColumnScaler", *(f"dask.{name}" for name in dask.__all__)])


def test_the_list_of_names_leads_to_each_and_says_what_its_docstring_says():
    row = re.compile(r"^\| \[`(\w+)`\]\((\w+\.md)#fastfinite\.(\w+)\) \| (.*) \|$", re.MULTILINE)
    rows = row.findall(PAGES["docs/api/index.md"])
    assert sorted(name for name, *_ in rows) == sorted(name for name in ff.__all__ if name != "__version__")
    for name, page, anchor, summary in rows:
        assert anchor == name and f"\n::: fastfinite.{name}\n" in PAGES[f"docs/api/{page}"]
        text = inspect.cleandoc(getattr(ff, name).__doc__)
        if isinstance(getattr(ff, name), np.ufunc):
            text = text.partition("\n\n")[2]
        assert summary == text.splitlines()[0]


def test_the_navigation_has_every_page():
    navigation = require("yaml").safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]

    def files(entry):
        if isinstance(entry, str):
            return [entry]
        return [file for part in (entry if isinstance(entry, list) else entry.values()) for file in files(part)]

    assert sorted(files(navigation)) == sorted(page.removeprefix("docs/") for page in PAGES if page != "README.md")


def test_the_readme_leads_to_the_pages():
    assert {"docs/index.md", "docs/why_is_my_loss_nan.md", "docs/data_loaders.md"} <= set(
        re.findall(r"\]\((docs/\w+\.md)\)", PAGES["README.md"]))


# ---- coming from elsewhere -----------------------------------------------------------------------------

ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \| .*\|$", PAGES["docs/coming_from.md"], re.MULTILINE)


@pytest.fixture(scope="module")
def names_of_the_page():
    """What the first block of the page defines."""
    names = {}
    for example in doctest.DocTestParser().get_examples(blocks("docs/coming_from.md", "python")[0]):
        exec(example.source, names)
    return names


@pytest.mark.parametrize(("elsewhere", "here"), ROWS)
def test_both_sides_of_a_row_agree(elsewhere, here, names_of_the_page):
    names = dict(names_of_the_page)
    for word, module in {"scipy.special": "scipy.special", "scipy.stats": "scipy.stats", "sklearn": "sklearn.metrics",
                         "bottleneck": "bottleneck"}.items():
        if word in elsewhere:
            require(module)
            names[word.partition(".")[0]] = require(word.partition(".")[0])
    if "Scaler" in elsewhere or "Threshold" in elsewhere:
        names |= {"StandardScaler": require("sklearn.preprocessing").StandardScaler,
                  "VarianceThreshold": require("sklearn.feature_selection").VarianceThreshold,
                  "ColumnScaler": require("fastfinite.sklearn").ColumnScaler}
    if "t_" in elsewhere:
        torch = require("torch")
        names |= {"torch": torch, "F": torch.nn.functional}
        names |= {f"t_{name}": torch.from_numpy(names[name].astype(float if name == "y" else names[name].dtype))
                  for name in ("x", "z", "p", "y", "L", "classes")}
    if "df" in elsewhere:
        names["df"] = require("pandas").DataFrame(names["gaps"], columns=["a", "b", "c"]).assign(text="text")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # Of the way torch hands its tensors to ufuncs.
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs, ours = eval(elsewhere, names), eval(here, names)
    if theirs is None:
        # It only raises.
        for code in (elsewhere, here):
            with pytest.raises(ValueError):
                eval(code, {**names, "X": names["x"]})
    else:
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-9)


def test_the_rows_are_there():
    assert len(ROWS) > 40
