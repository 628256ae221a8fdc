"""--html and --plot: what a command found is in the page and in the picture, and opens in a real browser."""

import base64
import html
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import chromium, emulate_media, emulate_width
from optional import require

import fastfinite as ff
from fastfinite import _report_page
from fastfinite._cli import main

pytestmark = pytest.mark.usefixtures("in_tmp_path")
nan, inf = np.nan, np.inf
HOSTILE = "<script>alert(1)</script>"
NAMES = ["age", HOSTILE, "$x^2$ dose", "unit"]


class Tables(HTMLParser):
    """The tables of a page by their titles, as rows of texts; how many pictures there are; and its verdict."""

    def __init__(self, text):
        super().__init__()
        self.found, self.images, self.title, self.text = {}, 0, "", None
        self.verdict = html.unescape(re.sub("<.*?>", "", re.search('<p class="verdict .*', text).group()))
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.images += tag == "img"
        if tag in ("h2", "td", "th"):
            self.text = ""
        if tag == "tr":
            self.found.setdefault(self.title, []).append([])

    def handle_data(self, data):
        if self.text is not None:
            self.text += data

    def handle_endtag(self, tag):
        if tag == "h2":
            self.title = self.text
        elif tag in ("td", "th"):
            self.found[self.title][-1].append(self.text)
        if tag in ("h2", "td", "th"):
            self.text = None


def tables(path):
    return Tables(Path(path).read_text(encoding="utf-8"))


def save_table(path="t.parquet"):
    pyarrow = require("pyarrow")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 4))
    x[40:43, 1] = nan
    x[7, 2] = inf
    x[:, 3] = 7
    columns = dict(zip(NAMES, x.T)) | {"note": ["a"] * 500, "sick": rng.integers(1, 3, 500)}
    require("pyarrow.parquet").write_table(pyarrow.table(columns), path)
    return x


def run(capsys, *arguments):
    code = main(list(arguments))
    return (code, *capsys.readouterr())


def texts(svg):
    return "".join(ElementTree.fromstring(svg).itertext())


# ---- what is in them -----------------------------------------------------------------------------------


def test_the_page_of_a_diagnosis_has_its_causes_places_columns_and_pictures(capsys):
    require("matplotlib")
    save_table()
    plain = run(capsys, "diagnose", "t.parquet", "--target", "sick")
    assert run(capsys, "diagnose", "t.parquet", "--target", "sick", "--html", "d.html") == plain    # beside the output
    found = tables("d.html")
    assert [row[:2] for row in found.found["t.parquet: 3 errors, 1 warning, 1 column not scanned"][1:]] == [
        ["error", "nan"], ["error", "inf"], ["error", "binary-labels"], ["warning", "constant"]]
    assert found.found["t.parquet: where"][1:] == [
        ["error", "nan", "X", "1", HOSTILE, "3", "0.006", "40"],
        ["error", "inf", "X", "2", "$x^2$ dose", "1", "0.002", "7"],
        ["error", "binary-labels", "y", "", "", *found.found["t.parquet: where"][3][5:]],
        ["warning", "constant", "X", "3", "unit", "500", "1", "0"]]
    columns = found.found["t.parquet: columns"]
    assert [(row[0], row[-1]) for row in columns[1:]] == [
        ("age", ""), (HOSTILE, "nan"), ("$x^2$ dose", "inf"), ("unit", "constant")]
    assert found.images == 2        # light and dark
    assert found.verdict == "findings 3 errors, 1 warning, 1 column not scanned"


def test_the_page_of_a_check_has_an_entry_a_row(capsys):
    require("matplotlib")
    save_table()
    np.save("bad.npy", np.array([[1.0, nan], [-inf, 2]]))
    Path("cut.npy").write_bytes(Path("bad.npy").read_bytes()[:-1])
    code, _, _ = run(capsys, "check", "bad.npy", "cut.npy", "t.parquet", "--html", "c.html", "--map", "never")
    head, *rows = tables("c.html").found["arrays and columns"]
    assert code == 2
    assert rows[0] == ["non-finite", "bad.npy", "", "4", "float64", "2 x 2", "1", "", "1", "row 0, column 1", ""]
    assert head == ["status", "file", "name", "values", "dtype", "shape", "nan", "+inf", "-inf", "first", "reason"]
    assert rows[1][:3] == ["error", "cut.npy", ""] and rows[1][-1].startswith("truncated")
    assert [(row[0], row[2]) for row in rows[2:]] == [
        ("finite", "age"), ("non-finite", HOSTILE), ("non-finite", "$x^2$ dose"), ("finite", "unit"), ("text", "note"),
        ("finite", "sick")]
    assert tables("c.html").images == 4     # of bad.npy and of the table


def test_the_page_of_statistics_has_every_column(capsys):
    require("matplotlib")
    x = save_table()
    np.save("wide.npy", np.ones((2, 100)))
    np.save("text.npy", np.array(["a"]))
    code, _, err = run(capsys, "stats", "t.parquet", "wide.npy", "text.npy", "--html", "s.html")
    found = tables("s.html").found
    assert code == 2 and len(found["wide.npy: columns"]) == 101
    name, count, *_, mean, std, _ = found["t.parquet: columns"][1]
    assert (name, count, mean, std) == ("age", "500", f"{x[:, 0].mean():.6g}", f"{x[:, 0].std():.6g}")
    (problem,) = err.splitlines()
    assert html.escape(problem.removeprefix("fastfinite: ")) in Path("s.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("command", "words"), [
    (["check"], ["t.parquet: 4 bad values in 2 of 6 columns"]),
    (["stats"], ["t.parquet: 5 columns, 3 of them flagged"]),
    (["diagnose", "--target", "sick"], ["t.parquet: 4 bad values in 2 of 6 columns", "4 columns, 3 of them flagged"]),
])
def test_the_picture_alone(command, words, capsys):
    require("matplotlib")
    save_table()
    run(capsys, *command, "t.parquet", "--plot", "p.svg")
    run(capsys, *command, "t.parquet", "--plot", "p.PNG")
    drawn = texts(Path("p.svg").read_text(encoding="utf-8"))
    assert all(word in drawn for word in words) and "$x^2$ dose" in drawn
    if command != ["stats"]:
        assert "note (not scanned)" in drawn
    assert Path("p.PNG").read_bytes().startswith(b"\x89PNG")


def save_columns(path="t.parquet", **columns):
    pyarrow = require("pyarrow")
    require("pyarrow.parquet").write_table(pyarrow.table(columns), path)


def verdict(capsys, *arguments):
    run(capsys, *arguments, "--html", "v.html")
    return tables("v.html").verdict


def test_statistics_give_no_verdict_and_say_how_many_columns_are_flagged(capsys):
    np.save("x.npy", np.array([[1, nan, 3.0], [2, 3, 3.0]]))
    np.save("y.npy", np.array([[1.0], [2.0]]))
    assert verdict(capsys, "stats", "x.npy") == "done 1 table in 1 file, 2 of 3 columns flagged"
    assert verdict(capsys, "stats", "x.npy", "y.npy") == "done 2 tables in 2 files, 2 of 4 columns flagged"
    np.save("text.npy", np.array(["a"]))
    assert verdict(capsys, "stats", "y.npy", "text.npy") == (
        "incomplete 1 table in 2 files, 0 of 1 column flagged, 1 problem")
    assert verdict(capsys, "stats", "text.npy") == "failed 0 tables in 1 file, 1 problem"
    save_columns(a=[1.0, 2.0], t=["a", "b"])
    assert verdict(capsys, "stats", "t.parquet") == (
        "done 1 table in 1 file, 0 of 1 column flagged, 1 column not scanned")


def test_a_diagnosis_is_clean_only_if_all_was_looked_at_and_nothing_was_found(capsys):
    clean = [1.0, 2.5, 3.5, 2.0]
    np.savez("x.npz", a=np.array([clean, clean]).T)
    assert verdict(capsys, "diagnose", "x.npz") == "clean nothing found"
    np.savez("x.npz", a=np.array([clean, [7.0] * 4]).T)
    assert verdict(capsys, "diagnose", "x.npz") == "warnings 1 warning"
    np.savez("x.npz", a=np.array([clean, clean]).T, b=np.array([clean, [nan] * 4]).T)
    assert verdict(capsys, "diagnose", "x.npz") == "findings nothing found; 1 error"
    np.savez("x.npz", a=np.array([clean, clean]).T, t=np.array(["a"]))
    assert verdict(capsys, "diagnose", "x.npz") == "incomplete 1 problem; in what was read: nothing found"
    assert verdict(capsys, "diagnose", "none.npy") == "failed 1 problem"
    save_columns(a=clean, t=list("abcd"))
    assert verdict(capsys, "diagnose", "t.parquet") == "done nothing found, 1 column not scanned"


def test_a_check_is_clean_only_if_all_was_scanned_and_nothing_was_found(capsys):
    np.save("x.npy", np.ones(3))
    assert verdict(capsys, "check", "x.npy").startswith("clean 1 array in 1 file: 1 finite;")
    save_columns(a=[1.0], t=["a"])
    assert verdict(capsys, "check", "t.parquet").startswith("done 2 columns in 1 file: 1 finite, 1 text;")
    Path("cut.npy").write_bytes(Path("x.npy").read_bytes()[:-1])
    Path("no.npy").write_bytes(b"no")
    assert verdict(capsys, "check", "x.npy", "cut.npy").startswith("incomplete 1 array in 2 files: 1 finite, 1 error;")
    assert verdict(capsys, "check", "no.npy").startswith("failed 0 arrays in 1 file: 1 error;")
    np.save("part.npy", np.array([(1.0, "a")], [("x", "f8"), ("t", "U1")]))
    assert verdict(capsys, "check", "part.npy").startswith("incomplete 1 array in 1 file: 1 not scanned;")
    np.save("bad.npy", np.array([nan]))
    assert verdict(capsys, "check", "bad.npy", "cut.npy").startswith(
        "findings 1 array in 2 files: 1 non-finite, 1 error;")


def test_the_page_tells_long_names_apart_and_quotes_what_was_not_scanned(capsys):
    names = ["a" * 40 + "x", "a" * 40 + "y"]
    save_columns(**{name: [1.0, 2.0] for name in names}, t=["a", "b"], u=["a", "b"])
    note = "not scanned: 't', 'u'"
    for command in ("stats", "diagnose"):
        assert note in run(capsys, command, "t.parquet", "--html", "n.html")[1]
        assert [row[0] for row in tables("n.html").found["t.parquet: columns"][1:]] == names
        assert note in html.unescape(Path("n.html").read_text(encoding="utf-8"))


def test_table_and_picture_of_a_diagnosis_flag_the_columns_that_its_causes_name(capsys):
    require("matplotlib")
    x = np.random.default_rng(0).normal(1e8, 1, (40, 3))
    x[::5, 1] = -999
    np.save("x.npy", x)
    for target, near in (("float64", False), ("float32", True)):
        _, out, _ = run(capsys, "diagnose", "x.npy", "--target-dtype", target, "--json", "--html", "d.html",
                        "--plot", "p.svg")
        columns = {cause["column"] for cause in json.loads(out)["diagnoses"][0]["causes"]}
        rows = tables("d.html").found["x.npy: columns"][1:]
        flags = [row[-1] if len(row) == 9 else "" for row in rows]
        assert {i for i, flag in enumerate(flags) if flag} == columns and "other causes" in flags[1]
        assert ["near constant" in flag for flag in flags] == [near, False, near]
        drawn = texts(Path("p.svg").read_text(encoding="utf-8"))
        assert f"3 columns, {len(columns)} of them flagged" in drawn and ("near constant: 2 columns" in drawn) == near


def test_a_picture_of_nothing_says_so(capsys):
    require("matplotlib")
    np.save("x.npy", np.ones(3))
    assert run(capsys, "check", "x.npy", "--plot", "p.svg")[0] == 0
    assert "1 array in 1 file: 1 finite" in texts(Path("p.svg").read_text(encoding="utf-8"))


def test_of_many_arrays_the_first_have_pictures(capsys, monkeypatch):
    require("matplotlib")
    monkeypatch.setattr(_report_page, "_MOST_PICTURES", 2)
    np.savez("x.npz", **{f"a{i}": np.array([[nan, i]]) for i in range(5)})
    run(capsys, "check", "x.npz", "--html", "c.html", "--map", "never")
    assert tables("c.html").images == 4
    assert "3 more arrays have no picture here" in Path("c.html").read_text(encoding="utf-8")


# ---- what may fail -------------------------------------------------------------------------------------


def test_without_matplotlib_a_page_has_its_tables_and_a_picture_is_refused_at_once(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    np.save("x.npy", np.array([1, nan]))
    assert run(capsys, "check", "x.npy", "--html", "c.html", "--map", "never")[0] == 1
    text = Path("c.html").read_text(encoding="utf-8")
    assert "pip install &#x27;fastfinite[plot]&#x27;" in text and Tables(text).images == 0
    assert run(capsys, "check", "x.npy", "--plot", "c.png") == (
        2, "", "fastfinite: cannot write the output: pictures need matplotlib: pip install 'fastfinite[plot]'\n")


@pytest.mark.parametrize(("arguments", "words"), [
    (["--html", "x.txt"], "argument --html: must end in .html or .htm, not 'x.txt'"),
    (["--plot", "x.jpg"], "argument --plot: must end in .png or .svg, not 'x.jpg'"),
    (["--html", "none/x.html"], "cannot write the output: none/x.html: No such file or directory"),
    (["--plot", "none/x.png"], "cannot write the output: none/x.png: No such file or directory"),
])
def test_files_that_cannot_be_written_are_errors(arguments, words, capsys):
    require("matplotlib")
    np.save("x.npy", np.ones(3))
    code, _, err = run(capsys, "check", "x.npy", *arguments)
    assert code == 2 and words in err


# ---- in a browser --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def driver():
    with chromium() as found:
        yield found


def displayed(driver):
    """The pictures that are seen: light or dark, and whether they were drawn."""
    return driver.execute_script(
        "return [...document.images].filter(i => getComputedStyle(i).display != 'none')"
        ".map(i => [i.className, i.naturalWidth > 100])")


def test_the_page_of_the_command_opens_sorts_turns_dark_and_asks_for_nothing(driver, capsys):
    require("matplotlib")
    save_table()
    run(capsys, "diagnose", "t.parquet", "--target", "sick", "--html", "d.html")
    emulate_media(driver, prefers_color_scheme="light")
    driver.get(Path("d.html").absolute().as_uri())
    head = driver.find_elements("xpath", "//h2[.='t.parquet: columns']/following::table[1]//th/button")
    assert head[0].text.startswith("column")

    def names():
        return [cell.text for cell in driver.find_elements(
            "xpath", "//h2[.='t.parquet: columns']/following::table[1]/tbody/tr/td[1]")]

    assert names() == NAMES
    head[0].click()
    assert names() == ["$x^2$ dose", HOSTILE, "age", "unit"]
    head[0].click()
    assert names() == ["unit", "age", HOSTILE, "$x^2$ dose"]
    assert displayed(driver) == [["light", True]]
    emulate_media(driver, prefers_color_scheme="dark")
    assert displayed(driver) == [["dark", True]]
    assert driver.get_log("browser") == []
    assert driver.execute_script("return performance.getEntriesByType('resource')"
                                 ".filter(entry => !entry.name.startsWith('data:')).length") == 0


def test_on_a_telephone_the_remedy_of_every_cause_is_in_sight(driver, capsys):
    require("matplotlib")
    save_table()
    run(capsys, "diagnose", "t.parquet", "--target", "sick", "--html", "d.html")
    emulate_width(driver, 360)
    try:
        driver.get(Path("d.html").absolute().as_uri())
        boxes = driver.execute_script("return [...document.querySelectorAll('[data-head=remedy], [data-head=why]')]"
                                      ".map(cell => [cell.textContent, cell.getBoundingClientRect().toJSON()])")
        assert len(boxes) == 8 and all(0 < box["left"] < box["right"] < 360 and text for text, box in boxes)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        emulate_width(driver, 0)


def test_the_dark_picture_is_drawn_for_a_dark_page(capsys):
    require("matplotlib")
    save_table()
    run(capsys, "diagnose", "t.parquet", "--html", "d.html")
    pictures = re.findall(r'class="(light|dark)" .*?base64,([^"]*)"', Path("d.html").read_text(encoding="utf-8"))
    light, dark = (base64.b64decode(data).decode() for _, data in sorted(pictures, reverse=True))
    assert "#ffffff" in light and "#16181d" in dark and texts(light) == texts(dark)


def test_reports_in_python_draw_what_the_command_draws():
    matplotlib = require("matplotlib.figure")
    x = np.array([[1.0, 5.0], [nan, 5.0]])
    figure = ff.diagnose(x, [0, 1], logits=[40.0, -1.0]).plot(matplotlib.Figure())
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "1 bad value in 1 of 2 columns, row 1 of 2", "2 columns, 2 of them flagged",
        "50% saturated: 15.9 or more from undecided"]
