"""The page on causes is true: its examples fail, are found and are mended as it says."""

import doctest
import re
from pathlib import Path

import fastfinite as ff

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "why_is_my_loss_nan.md").read_text(encoding="utf-8")


def test_examples_run():
    test = doctest.DocTestParser().get_doctest(PAGE, {}, "why_is_my_loss_nan.md", "why_is_my_loss_nan.md", 0)
    output = []
    result = doctest.DocTestRunner().run(test, out=output.append)
    assert result.attempted > 60
    assert not result.failed, "".join(output)


def test_every_block_is_run():
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) > 15
    assert all(kind == "python" and code.startswith(">>> ") for kind, code in blocks)


def test_what_it_names_exists():
    called = set(re.findall(r"\bff\.([A-Za-z_]+)", PAGE))
    assert {"diagnose", "scan", "guard"} <= called and [name for name in called if not hasattr(ff, name)] == []


def test_what_it_links_to_exists():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert links and all((ROOT / "docs" / link).is_file() for link in links)
    assert "(docs/why_is_my_loss_nan.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
