"""The HTML page: hostile names stay text, and in a browser it sorts, filters, turns dark and asks for nothing else."""

import base64
import hashlib
import io
import itertools
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from browser import chromium, emulate_media, emulate_width
from optional import require

from fastfinite import __version__
from fastfinite._page import MOST_ROWS, Picture, Table, Words, page

nan, inf = math.nan, math.inf
HOSTILE = {
    "<script>alert(1)</script>": "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>': None, "</style>": None,
    "</script><!--": None, "<b>" * 20: None, "'&amp;": None, "a\u202egpj.exe": "a\\u202egpj.exe", "a\0b": "a\\x00b",
    "\ud800": "\\ud800", "\x1b[31m": "\\x1b[31m", "\ufffe\x85\n": "\\ufffe\\x85\\n",
}
SHOWN = [shown or name for name, shown in HOSTILE.items()]
STATES = ["findings", "failed", "warnings", "incomplete", "done", "clean"]
SVG = """<?xml version="1.0" encoding="utf-8" standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="20pt" viewBox="0 0 {width} 20">
<defs><clipPath id="p1"><rect width="{width}" height="20"/></clipPath></defs>
<rect width="{width}" height="20" clip-path="url(#p1)"/></svg>"""
WIDE_PICTURE = Picture("where", SVG.format(width=900), SVG.format(width=800))


def paged(*parts, title="data.npy", verdict="2 non-finite values", state="findings"):
    return page(title, verdict, state, parts)


def column(*cells, title="t"):
    return Table(title, ("name", "value"), [(f"row {i}", cell) for i, cell in enumerate(cells)])


class Parsed(HTMLParser):
    """The tags of a page, which must be balanced, with their attributes and texts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append([tag, dict(attributes), ""])
        if tag not in ("meta", "link", "img"):
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for element in self.open:
            element[2] += data

    def all(self, tag, attribute=None):
        return [text if attribute is None else attributes.get(attribute)
                for name, attributes, text in self.elements if name == tag]

    def rows(self):
        cells = self.all("td")
        width = len(self.all("th"))
        return [tuple(cells[i : i + width]) for i in range(0, len(cells), width)]


def ranks(*cells):
    return [int(row.split()[1]) for row in Parsed(paged(column(*cells))).all("tr", "data-ranks")[1:]]


# ---- the text of the page ---------------------------------------------------------------------------


def test_names_are_shown_as_text_wherever_they_stand():
    names = list(HOSTILE)
    everything = "".join(names)
    text = page(everything, everything, "failed", [
        Table(everything, [*names, "n"], [[*names, 1]], everything), Words(everything, names),
        Picture(everything, SVG.format(width=1), SVG.format(width=1))])
    text.encode()
    found = Parsed(text)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert found.all("td")[:-1] == found.all("th")[:-1] == found.all("pre")[0].splitlines()[1:] == SHOWN
    for shown in (*found.all("h1"), *found.all("h2"), *found.all("title"), found.all("p")[1], *found.all("img", "alt"),
                  found.all("p")[0].removeprefix("failed ")):
        assert shown == "".join(SHOWN)
    assert len(found.all("script")) == len(found.all("style")) == 1 and len(found.all("img")) == 2


def test_numbers_have_six_digits_and_their_value_in_full_beside():
    cells = [1, -1234567, 2**64, 0.1, 1 / 3, -1e300, nan, inf, -inf, np.float64(2.5), np.int8(7), True, None, ""]
    found = Parsed(paged(column(*cells)))
    assert [row[1] for row in found.rows()] == [
        "1", "-1234567", "18446744073709551616", "0.1", "0.333333", "-1e+300", "nan", "inf", "-inf", "2.5", "7", "True",
        "", ""]
    assert list(filter(None, found.all("td", "title"))) == ["0.3333333333333333"]


def test_numbers_sort_by_their_value_and_not_by_what_is_shown():
    assert ranks(1, 0.5, -inf, inf, nan, None, 0.5) == [2, 1, 0, 3, -1, -2, 1]
    assert ranks(2**53 + 1, 2**53, float(2**53), 10**400, inf) == [1, 0, 0, 2, 3]
    assert ranks(0.1234561, 0.1234562) == [0, 1] and ranks(9, 10, "a") == [0, 1, 2]


def test_text_sorts_as_people_sort_it():
    assert ranks("column 10", "Column 2", "b", "column 2", "") == [2, 1, 0, 1, -2]
    assert ranks("9" * 5000, "1", "x" * 5000) == [1, 0, 2]


def test_states_are_badges_sorted_worst_first():
    table = column("note", "error", None, "warning")
    found = Parsed(paged(table))
    assert found.all("b") == ["findings", "note", "error", "warning"]
    assert found.all("b", "class") == [None, "told", "bad", "doubt"]
    assert [row.split()[1] for row in found.all("tr", "data-ranks")[1:]] == ["2", "0", "-2", "1"]


def test_a_column_that_is_called_like_a_state_is_only_a_name():
    assert Parsed(paged(column("text", "age"))).all("b") == ["findings"]


def test_columns_without_a_value_are_left_out():
    table = Table("t", ("a", "b", "c", "d"), [("x", None, 0, ""), ("y", "", nan, None)])
    found = Parsed(paged(table))
    assert found.all("th") == ["a", "c"] and found.rows() == [("x", "0"), ("y", "nan")]


@pytest.mark.parametrize("rows", [[], [(None, "")]])
def test_a_table_of_nothing_says_so(rows):
    found = Parsed(paged(Table("t", ("a", "b"), rows, "a note")))
    assert found.all("table") == [] and found.all("p")[1:] == ["nothing to show", "a note"]


def test_rows_must_be_as_long_as_the_head():
    for rows in ([(1,)], [(1, 2), (1,)], [(1, 2, 3)]):
        with pytest.raises(ValueError, match="table 't': rows must have 2 cells, as its head has"):
            paged(Table("t", ("a", "b"), rows))


@pytest.mark.parametrize(("more", "left_out"), [(0, []), (1, ["... and 1 more row"]), (7, ["... and 7 more rows"])])
def test_of_very_many_rows_the_first_are_shown_and_the_others_counted(more, left_out):
    found = Parsed(paged(column(*range(MOST_ROWS + more))))
    assert [row[1] for row in found.rows()] == [str(i) for i in range(MOST_ROWS)] and found.all("p")[1:] == left_out
    words = Parsed(paged(Words("w", [str(i) for i in range(MOST_ROWS + more)])))
    assert len(words.all("pre")[0].splitlines()) == MOST_ROWS + 1
    assert words.all("p")[1:] == [words.replace("row", "line") for words in left_out]


def test_words_keep_their_spaces_and_empty_lines():
    assert Parsed(paged(Words("w", ["", "  why   a < b", ""]))).all("pre") == ["\n\n  why   a < b\n"]


def test_pictures_are_images_that_hold_what_was_given():
    sources = Parsed(paged(WIDE_PICTURE)).all("img", "src")
    assert [base64.b64decode(source.removeprefix("data:image/svg+xml;base64,")).decode() for source in sources] == [
        WIDE_PICTURE.light, WIDE_PICTURE.dark]
    paged(Picture("p", "\ud800", "")).encode()


def test_the_page_is_the_same_for_the_same_input():
    parts = (column(1, 2.5, "error"), WIDE_PICTURE, Words("w", ["a"]))
    assert paged(*parts) == paged(*parts)


@pytest.mark.parametrize("state", STATES)
def test_the_verdict_says_its_state_in_words_too(state):
    found = Parsed(paged(verdict="as it is", state=state))
    assert found.all("p") == [f"{state} as it is"] and found.all("footer") == [f"fastfinite {__version__}"]


def test_the_policy_allows_the_script_of_the_page_and_pictures_in_it():
    found = Parsed(paged())
    policy = found.all("meta", "content")[found.all("meta", "http-equiv").index("Content-Security-Policy")]
    digest = base64.b64encode(hashlib.sha256(found.all("script")[0].encode()).digest()).decode()
    assert dict(rule.split(" ", 1) for rule in policy.split("; ")) == {
        "default-src": "'none'", "style-src": "'unsafe-inline'", "script-src": f"'sha256-{digest}'",
        "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}


def test_nothing_in_the_page_points_elsewhere():
    text = paged(column(1), WIDE_PICTURE)
    assert Parsed(text).all("link", "href") == ["data:,"]
    assert not re.search(r"https?:|@import|url\(|src=(?!\"data:)", text)


# ---- in a browser -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def driver():
    with chromium() as driver:
        yield driver


@pytest.fixture
def open_page(driver, tmp_path):
    """Open a page from a file; in the end it must have complained of nothing and asked for nothing."""

    def open_page(text):
        path = tmp_path / "page.html"
        path.write_text(text, encoding="utf-8")
        driver.get(path.as_uri())
        return driver

    yield open_page
    emulate_width(driver, 0)
    emulate_media(driver)
    requests = driver.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in requests if not name.startswith("data:")] == []
    assert driver.get_log("browser") == []


def cells(driver, column=0):
    """The texts of a column, of the rows that are shown."""
    return driver.execute_script(
        "return [...document.querySelectorAll('tbody tr')].filter(row => row.checkVisibility())"
        ".map(row => row.cells[arguments[0]].textContent)", column)


def style(driver, element, name):
    return driver.execute_script(f"return getComputedStyle(document.querySelector('{element}')).{name}")


def heads(driver):
    return driver.find_elements("css selector", "th[scope=col] > button")


def sorted_by(driver):
    return [head.get_attribute("aria-sort") for head in driver.find_elements("tag name", "th")]


def test_numbers_sort_both_ways_and_what_is_none_stays_last(open_page):
    driver = open_page(paged(column(10, 9, None, inf, 1e-5, nan, -inf, 9, 123456)))
    assert sorted_by(driver) == [None, None]
    heads(driver)[1].click()
    assert cells(driver, 1) == ["-inf", "1e-05", "9", "9", "10", "123456", "inf", "nan", ""]
    assert cells(driver)[2:4] == ["row 1", "row 7"] and sorted_by(driver) == [None, "ascending"]
    heads(driver)[1].click()
    assert cells(driver, 1) == ["inf", "123456", "10", "9", "9", "1e-05", "-inf", "nan", ""]
    assert cells(driver)[3:5] == ["row 1", "row 7"] and sorted_by(driver) == [None, "descending"]


def test_text_sorts_both_ways_and_one_column_at_a_time(open_page):
    driver = open_page(paged(column("b", "a 10", None, "a 9", "C")))
    heads(driver)[0].click()
    heads(driver)[1].click()
    assert cells(driver, 1) == ["a 9", "a 10", "b", "C", ""] and sorted_by(driver) == [None, "ascending"]
    heads(driver)[1].click()
    assert cells(driver, 1) == ["C", "b", "a 10", "a 9", ""]


@pytest.mark.parametrize("key", ["\ue007", " "])
def test_the_keyboard_sorts_too(open_page, key):
    driver = open_page(paged(column(2, 3, 1)))
    heads(driver)[1].send_keys(key)
    assert cells(driver, 1) == ["1", "2", "3"]
    driver.switch_to.active_element.send_keys(key)
    assert cells(driver, 1) == ["3", "2", "1"] and sorted_by(driver) == [None, "descending"]


def test_long_tables_have_a_filter_that_counts(open_page):
    driver = open_page(paged(column(*range(20), title="short"), Table(
        "long", ("name", "value"), [(f"Row {i}", 10000 + i) for i in range(21)])))
    (field,) = driver.find_elements("css selector", "input")
    assert field.accessible_name == "filter rows of long"
    shown = driver.find_element("tag name", "output")
    assert shown.text == "21 of 21 rows"
    for wanted, found in (("10003", [3]), ("rOW 1", [1, *range(10, 20)]), ("0x", []), ("row 310003", [])):
        field.clear()
        field.send_keys(wanted)
        assert cells(driver)[20:] == [f"Row {i}" for i in found] and shown.text == f"{len(found)} of 21 rows"
    field.clear()
    field.send_keys("row 1")
    heads(driver)[3].click()
    heads(driver)[3].click()
    assert cells(driver)[20:] == [f"Row {i}" for i in (*range(19, 9, -1), 1)]


def test_a_name_that_is_a_script_is_shown_as_that_text(open_page):
    driver = open_page(paged(Table("t", ["<script>alert(1)</script>"], [[name] for name in HOSTILE])))
    assert heads(driver)[0].text.startswith("<script>alert(1)</script>") and cells(driver) == SHOWN
    heads(driver)[0].click()
    assert sorted(cells(driver)) == sorted(SHOWN)
    with pytest.raises(require("selenium.common.exceptions").NoAlertPresentException):
        _ = driver.switch_to.alert.text


def test_a_script_would_not_run_even_if_it_were_not_escaped(open_page):
    attack = ("<script>document.title = 'run'</script><img src='data:,' onerror=\"document.title = 'run'\">"
              "<img src='https://example.org/x.png'><base href='https://example.org/'>")
    driver = open_page(paged(column(2, 1)).replace("<main>", "<main>" + attack))
    assert driver.title == "data.npy"
    refused = [entry["message"] for entry in driver.get_log("browser")]
    assert len(refused) == 4 and all("Content Security Policy" in message for message in refused)
    heads(driver)[1].click()
    assert cells(driver, 1) == ["1", "2"]
    driver.get("about:blank")


def test_without_scripts_all_is_there_and_no_control(open_page, driver):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        open_page(paged(column(*range(30)), WIDE_PICTURE))
        assert cells(driver, 1) == [str(i) for i in range(30)]
        assert driver.find_elements("css selector", "button, input") == []
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def shown_theme(driver):
    """By the background and by the picture."""
    light = [int(c) > 128 for c in re.findall(r"\d+", style(driver, "body", "backgroundColor"))]
    images = [image for image in driver.find_elements("tag name", "img") if image.is_displayed()]
    pictures = [image.get_attribute("class") for image in images]
    assert len(set(light)) == 1 and pictures == ["light" if light[0] else "dark"]
    return pictures[0]


def test_the_theme_is_that_of_the_system_until_another_is_chosen(open_page):
    driver = open_page(paged(WIDE_PICTURE))
    toggle = driver.find_element("css selector", "header button")
    for system in ("light", "dark"):
        emulate_media(driver, prefers_color_scheme=system)
        for chosen in ("auto", "dark", "light"):
            assert toggle.text == f"theme: {chosen}"
            assert shown_theme(driver) == (system if chosen == "auto" else chosen)
            toggle.click()
    emulate_media(driver, "print", prefers_color_scheme="dark")
    assert shown_theme(driver) == "light"


# For all elements with a text of their own: that text and its contrast, by the definition of WCAG.
CONTRASTS = """
const numbers = colour => colour.match(/[0-9.]+/g).map(Number);
const luminance = colour => numbers(colour).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return numbers(colour)[3] === 0 ? behind(element.parentElement) : colour;
};
return [...document.body.querySelectorAll(":not(script)")]
    .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .flatMap(element => ["", "::after"].map(part => {
        const pair = [getComputedStyle(element, part).color, behind(element)].map(luminance);
        return [element.textContent, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
    }));
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_has_contrast(open_page, theme):
    states = ["error", "warning", "note", "non-finite", "finite", "not scanned", "allowed", "text"]
    parts = [Table("t", ("a", "b", "c"), [(state, nan, i) for i, state in enumerate(states * 3)], "a note"),
             Words("w", ["a line"])]
    for state in STATES:
        driver = open_page(paged(*parts, state=state))
        emulate_media(driver, prefers_color_scheme=theme)
        contrasts = driver.execute_script(CONTRASTS)
        assert {*states, state, "nan", "0", "a note", "a line", "t", "24 of 24 rows"} <= {text for text, _ in contrasts}
        assert min(contrast for _, contrast in contrasts) >= 4.5


def test_on_a_telephone_the_page_does_not_scroll_sideways(open_page, driver):
    emulate_width(driver, 360)
    name = "unbroken" * 30
    wide = Table(name, [f"number {i}" for i in range(40)], [[i / 7 for i in range(40)]], name)
    open_page(paged(wide, Table("t", ("name", "why"), [(name, "word " * 40)] * 30), WIDE_PICTURE, Words(name, [name]),
                    title=name, verdict=name))
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 360
    assert driver.execute_script("return document.querySelector('.table').scrollWidth") > 360
    region, other = driver.find_elements("css selector", ".table")
    assert other.find_element("tag name", "td").rect["width"] < 180
    driver.execute_script("arguments[0].scrollLeft = 500", region)
    lefts = driver.execute_script("return [...document.querySelectorAll('td')].slice(0, 2).map(td => "
                                  "td.getBoundingClientRect().left)")
    assert lefts[0] == region.rect["x"] + 1 and lefts[1] < 0


@pytest.mark.parametrize("width", [360, 500])
def test_on_a_telephone_wordy_rows_are_lists_within_the_screen(open_page, driver, width):
    emulate_width(driver, width)
    rows = [("error", "nan", "gap " * 20, "unbroken" * 30, "impute them", 7), ("note", "inf", None, "why", "drop", nan)]
    open_page(paged(Table("t", ("severity", "cause", "what", "why", "remedy", "n"), rows, wordy=True)))
    region = driver.find_element("css selector", ".table")
    assert region.get_property("scrollWidth") <= region.get_property("clientWidth") < width
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    boxes = driver.execute_script("return [...document.querySelectorAll('td')].filter(td => td.checkVisibility())"
                                  ".map(td => [td.textContent, td.getBoundingClientRect().toJSON()])")
    assert [text for text, _ in boxes] == [
        "error", "nan", "gap " * 20, "unbroken" * 30, "impute them", "7", "note", "inf", "why", "drop", "nan"]
    assert all(0 <= box["left"] < box["right"] <= width for _, box in boxes)
    tops = [box["top"] for _, box in boxes]
    assert tops == sorted(set(tops))        # one below the other
    heads = driver.execute_script("return [...document.querySelectorAll('td')].slice(0, 6)"
                                  ".map(td => getComputedStyle(td, '::before').content)")
    assert heads == ['"severity"', '"cause"', '"what"', '"why"', '"remedy"', '"n"']


def test_a_long_wordy_table_is_filtered_on_a_telephone_too(open_page, driver):
    emulate_width(driver, 360)
    open_page(paged(Table("t", ("cause", "remedy"), [(f"cause {i}", "drop") for i in range(30)], wordy=True)))
    driver.find_element("css selector", "input").send_keys("cause 7")
    assert cells(driver) == ["cause 7"]


def test_heads_of_a_wordy_table_are_escaped_where_cells_repeat_them():
    found = Parsed(paged(Table("t", list(HOSTILE), [["x"] * len(HOSTILE)], wordy=True)))
    assert found.all("td", "data-head") == SHOWN


def shade(driver):
    """How much darker the first table is at its right edge than somewhat before it, below its cells."""
    image = require("matplotlib.image").imread(io.BytesIO(driver.get_screenshot_as_png()))
    box = driver.find_element("css selector", ".table").rect
    y, edge = int(box["y"] + box["height"]) - 20, int(box["x"] + box["width"])
    return float(image[y, edge - 40, 0] - image[y, edge - 3, 0])


def test_a_table_that_scrolls_sideways_has_a_shadow_where_there_is_more_of_it(open_page, driver):
    emulate_width(driver, 360)
    # The last row is blank but for its first cell.
    open_page(paged(Table("t", [f"n{i}" for i in range(30)], [[0.5] * 30, [0.5] + [None] * 29])))
    assert shade(driver) > 0.1
    driver.execute_script("document.querySelector('.table').scrollLeft = 1e6")
    assert shade(driver) == 0
    open_page(paged(Table("t", ["n", "text that is long enough"], [[0.5, 1], [0.5, None]])))
    assert shade(driver) == 0


def test_on_a_telephone_a_picture_keeps_a_size_that_reads(open_page, driver):
    emulate_width(driver, 360)
    open_page(paged(Picture("where", SVG.format(width=648), SVG.format(width=648))))
    image = next(image for image in driver.find_elements("tag name", "img") if image.is_displayed())
    # Letters of 8 points have some nine pixels.
    assert image.rect["width"] == 720
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 360
    box = driver.find_element("css selector", ".picture")
    assert box.get_property("clientWidth") < 360 < box.get_property("scrollWidth")
    assert "scroll" in driver.execute_script("return getComputedStyle(arguments[0], '::before').content", box)


def test_nine_columns_fit_on_a_small_screen(open_page, driver):
    emulate_width(driver, 1280)
    rows = [("a name of a column that is rather long and wraps " * 2, 10**9, 123456, 0, -1.23457e+18, 1.23457e+18,
             -1.23457e-17, 1.23457e+17, "near constant, nan, inf"), *[("x", *[1] * 7, "nan")] * 30]
    open_page(paged(Table("t", ("column", "count", "nan", "inf", "min", "max", "mean", "std", "flags"), rows)))
    region = driver.find_element("css selector", ".table")
    assert region.get_property("scrollWidth") == region.get_property("clientWidth") > 800


def test_the_head_of_a_long_table_stays_in_sight(open_page):
    driver = open_page(paged(column(*range(200))))
    region = driver.find_element("css selector", ".table")
    driver.execute_script("arguments[0].scrollTop = 2000", region)
    top = driver.execute_script("return document.querySelector('th').getBoundingClientRect().top")
    assert top == region.rect["y"] + 1


def test_pictures_of_matplotlib_do_not_meet(open_page):
    matplotlib = require("matplotlib")
    figures = require("matplotlib.figure")

    def drawn(width, colour):
        axes = (figure := figures.Figure(figsize=(width, 1))).subplots()
        axes.plot([0, 1], color=colour)
        figure.savefig(text := io.StringIO(), format="svg", metadata={"Date": None})
        return text.getvalue()

    with matplotlib.rc_context({"svg.hashsalt": "same"}):
        pictures = [Picture(f"p{width}", drawn(width, "k"), drawn(width, "w")) for width in (2, 3)]
    driver = open_page(paged(*pictures))
    emulate_media(driver, prefers_color_scheme="dark")
    images = [image for image in driver.find_elements("tag name", "img") if image.is_displayed()]
    assert [image.get_attribute("alt") for image in images] == ["p2", "p3"]
    assert [int(image.get_property("naturalWidth")) for image in images] == [192, 288]
    assert driver.find_elements("css selector", "svg, [id]") == []


def test_the_longest_table_sorts(open_page):
    values = np.random.default_rng(0).permutation(MOST_ROWS)
    driver = open_page(paged(Table("t", ("a", "b"), list(zip(values, itertools.repeat(1))))))
    heads(driver)[0].click()
    assert cells(driver) == [str(i) for i in range(MOST_ROWS)]
