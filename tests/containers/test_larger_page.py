"""The page on data larger than memory is true: its examples run, as they stand there."""

import re
from pathlib import Path

from optional import require

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "larger_than_memory.md"


def test_examples_run(run_python, tmp_path):
    for library in ("dask.array", "dask.dataframe", "distributed", "zarr", "pyarrow"):
        require(library, load=False)
    code = f"""
import doctest, os, warnings
if __name__ == "__main__":
    # Dask's own call of pandas.
    warnings.filterwarnings("ignore", "The inplace keyword in DataFrame", DeprecationWarning)
    os.chdir({str(tmp_path)!r})
    result = doctest.testfile({str(PAGE)!r}, module_relative=False)
    assert result.attempted > 40 and result.failed == 0, result
"""
    run_python(code)


def test_every_block_of_python_is_run():
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 8
    assert [kind for kind, code in blocks if not code.startswith(">>> ")] == ["sh"]


def test_what_it_names_exists():
    import fastfinite as ff

    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in set(re.findall(r"\bff\.([A-Za-z_]+)", page)) if not hasattr(ff, name)] == []
    assert "(docs/larger_than_memory.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
