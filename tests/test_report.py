"""ScanReport and NonFiniteError: what they hold, how they read, and that they travel."""

import copy
import json
import pickle
import traceback

import numpy as np
import pytest

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def table():
    x = np.ones((4, 3), np.float32)
    x[1, 2], x[3, 0] = nan, -inf
    return x


def records():
    x = np.zeros(3, [("<b>", "f4"), ("text", "U2")])
    x["<b>"][1] = inf
    return x


REPORTS = {
    "scalar": lambda: ff.scan(1.0),
    "bad scalar": lambda: ff.scan(nan),
    "clean": lambda: ff.scan(np.ones((2, 3))),
    "one dimension": lambda: ff.scan([1, inf]),
    "table": lambda: ff.scan(table()),
    "columns": lambda: ff.scan(table(), axis=0),
    "rows": lambda: ff.scan(table(), axis=1),
    "cube": lambda: ff.scan(np.full((2, 2, 2), nan), axis=1),
    "one column": lambda: ff.scan(np.array([1, nan]), axis=0),
    "empty": lambda: ff.scan(np.ones((0, 3)), axis=0),
    "records": lambda: ff.scan(records()),
    "masked": lambda: ff.scan(np.ma.array([[nan, 1], [inf, 1]], mask=[[1, 0], [0, 0]])),
    "masked columns": lambda: ff.scan(np.ma.array([[nan, 1], [inf, 1]], mask=[[1, 0], [0, 0]]), axis=0),
    "objects": lambda: ff.scan([None, 1.0, nan]),
    "overflow": lambda: ff.scan(np.array([[1e9, 1.0]]), target_dtype="float16", axis=0),
    "integers": lambda: ff.scan(np.arange(3), axis=0),
    "integer overflow": lambda: ff.scan(np.array([10**6]), target_dtype="float16"),
    "times": lambda: ff.scan(np.array(["NaT"], "m8[s]")),
}
every_report = pytest.mark.parametrize("make", list(REPORTS.values()), ids=list(REPORTS))


@every_report
def test_reports_survive_pickle_and_copy(make):
    report = make()
    twins = [pickle.loads(pickle.dumps(report, protocol)) for protocol in PROTOCOLS]
    for twin in (*twins, copy.copy(report), copy.deepcopy(report)):
        assert type(twin) is ff.ScanReport and twin is not report
        assert twin == report and twin.to_dict() == report.to_dict() and str(twin) == str(report)
        assert bool(twin) == bool(report) and twin.totals == report.totals


@every_report
def test_reports_become_strict_json(make):
    report = make()
    plain = report.to_dict()
    again = json.loads(json.dumps(plain, allow_nan=False))
    assert again == plain
    for name in ("ok", "size", "first_kind", "dtype", "target_dtype"):
        assert again[name] == getattr(report, name)
    assert again["shape"] == list(report.shape) and again["nan"] == np.asarray(report.nan).tolist()
    assert again["first"] == (None if report.first is None else list(report.first))
    assert ("columns" in again) is (report.axis is not None)


@every_report
def test_a_report_is_true_when_nothing_was_found(make):
    report = make()
    counts = sum(np.sum(getattr(report, name)) for name in ("nan", "posinf", "neginf", "null", "overflow"))
    assert bool(report) is report.ok is bool(counts == 0)
    bad = report.nan + report.posinf + report.neginf + report.null
    size = report.size if report.axis is None else report.shape[report.axis]
    assert np.all(report.finite + bad + report.masked == size)


def test_reports_are_equal_when_they_say_the_same():
    assert ff.scan(table()) == ff.scan(np.asfortranarray(table()))
    assert ff.scan(table()) != ff.scan(table()[:, :2])
    assert ff.scan(table()) != ff.scan(table(), axis=0)
    assert ff.scan(table(), axis=0) == ff.scan(table(), axis=-2) != ff.scan(table(), axis=1)
    assert ff.scan(table()) != 5 and ff.scan(table()) != "array"
    with pytest.raises(TypeError, match="unhashable"):
        hash(ff.scan(table()))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("scalar", "array (float64 scalar) is finite: 1 value"),
        ("bad scalar", "array (float64 scalar) has 1 non-finite value: 1 nan; first nan"),
        ("clean", "array (2 x 3 float64) is finite: 6 values"),
        ("one dimension", "array (2 float64) has 1 non-finite value: 1 +inf; first +inf at index 1"),
        ("table", "array (4 x 3 float32) has 2 non-finite values: 1 nan, 1 -inf; first nan at row 1, column 2"),
        ("columns", "array (4 x 3 float32) has 2 non-finite values: 1 nan, 1 -inf; first nan at row 1, column 2; "
         "columns 0: 1, 2: 1"),
        ("rows", "array (4 x 3 float32) has 2 non-finite values: 1 nan, 1 -inf; first nan at row 1, column 2; "
         "rows 1: 1, 3: 1"),
        ("cube", "array (2 x 2 x 2 float64) has 8 non-finite values: 8 nan; first nan at index (0, 0, 0)"),
        ("one column", "array (2 float64) has 1 non-finite value: 1 nan; first nan at index 1"),
        ("empty", "array (0 x 3 float64) is finite: 0 values"),
        ("records", "array (3 record) has 1 non-finite value: 1 +inf; first +inf at index 1, field '<b>'; "
         "not scanned: 'text'"),
        ("masked", "array (2 x 2 float64) has 1 non-finite value: 1 +inf; first +inf at row 1, column 0; 1 masked"),
        ("objects", "array (3 object) has 2 non-finite values: 1 nan, 1 null; first null at index 0"),
        ("overflow",
         "array (1 x 2 float64) has 1 value that overflows float16, first at row 0, column 0; columns 0: 1"),
        ("integer overflow", "array (1 int64) has 1 value that overflows float16, first at index 0"),
        ("times", "array (1 timedelta64[s]) has 1 non-finite value: 1 nan; first nan at index 0"),
    ],
)
def test_a_report_reads_as_a_sentence(name, text):
    report = REPORTS[name]()
    assert str(report) == text
    assert repr(report) == f"<ScanReport: {text}>"


def test_with_fields_not_scanned_the_whole_is_not_called_finite():
    assert str(ff.scan(records()[:1])) == "array (1 record) has 1 finite value; not scanned: 'text'"


def test_parts_of_an_array_merge_into_its_report():
    x = np.full((10, 4), 1e6)
    x[2, 3], x[7, 0], x[8, 1] = nan, inf, nan
    for order in [(0, 3, 6), (6, 0, 3), (6, 3, 0)]:
        starts = {0: x[:3], 3: x[3:6], 6: x[6:]}
        merged = ff.ScanReport(x.shape, "float64", size=0, target_dtype="float16")
        for start in order:
            merged._merge(ff.scan(starts[start], target_dtype="float16"), (start, 0))
        assert merged == ff.scan(x, target_dtype="float16")


def test_many_bad_columns_are_not_all_listed():
    report = ff.scan(np.full((2, 20), nan), axis=0)
    assert str(report).endswith("columns 0: 2, 1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2 and 12 more")


def test_numbers_of_a_report_are_plain():
    report = ff.scan(table())
    for name in ("size", "finite", "nan", "posinf", "neginf", "null", "masked", "overflow"):
        assert type(getattr(report, name)) is int
    assert all(type(i) is int for i in report.first) and type(report.ok) is bool


def test_counts_of_columns_are_arrays_of_their_own():
    report = ff.scan(np.ones((2, 3), int), axis=0)
    report.nan[0] = 7
    assert report.posinf.tolist() == report.masked.tolist() == report.overflow.tolist() == [0, 0, 0]


@every_report
def test_notebooks_show_a_table(make):
    page = make()._repr_html_()
    assert page.startswith("<table>") and page.endswith("</table>") and page.count("<tr>") == page.count("</tr>") >= 3


def test_notebooks_get_no_markup_from_the_data():
    page = ff.scan(records())._repr_html_()
    assert "<b>" not in page and "&lt;b&gt;" in page
    x = np.zeros(1, [("a", "f4"), ("<script>", "U1")])
    assert "<script>" not in ff.scan(x)._repr_html_()


def test_notebooks_show_what_was_found():
    page = ff.scan(table(), axis=0)._repr_html_()
    for words in ("not finite", "4 x 3 float32", "12", "nan", "-inf", "first nan", "row 1, column 2"):
        assert words in page
    assert "overflow float16" in REPORTS["overflow"]()._repr_html_() and "masked" in REPORTS["masked"]()._repr_html_()


# ---- errors ------------------------------------------------------------------------------------------


def error():
    with pytest.raises(ff.NonFiniteError) as caught:
        ff.check_finite(table(), name="X", columns=["a", "b", "c"])
    return caught.value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_errors_survive_pickle_with_their_fields(protocol):
    first = error()
    again = pickle.loads(pickle.dumps(first, protocol))
    assert type(again) is ff.NonFiniteError and str(again) == str(first) and again.args == first.args
    assert again.report == first.report and again.by_column == first.by_column


def test_errors_survive_copy():
    first = error()
    for again in (copy.copy(first), copy.deepcopy(first)):
        assert str(again) == str(first) and again.report == first.report and again.by_column == first.by_column


def test_what_was_added_to_an_error_travels_with_it():
    first = error()
    first.__dict__["batch"] = 17
    if hasattr(first, "add_note"):
        first.add_note("in batch 17")
    for again in (pickle.loads(pickle.dumps(first)), copy.copy(first)):
        assert again.batch == 17 and getattr(again, "__notes__", []) == getattr(first, "__notes__", [])


def test_a_message_alone_makes_an_error():
    # Frameworks raise a worker's error again as type(error)(text).
    again = ff.NonFiniteError("Caught NonFiniteError in worker 0.\nX has 1 nan")
    assert str(again).startswith("Caught") and again.report is None and again.by_column is None
    assert isinstance(again, ValueError)
    assert str(pickle.loads(pickle.dumps(again))) == str(again)
    assert str(ff.NonFiniteError()) == ""


class FromAnApplication(ff.NonFiniteError):
    """Errors may be derived from."""


def test_derived_errors_keep_their_class():
    again = pickle.loads(pickle.dumps(FromAnApplication("no", error().report)))
    assert type(again) is FromAnApplication and again.report.nan == 1


def test_a_traceback_ends_in_the_message():
    text = "".join(traceback.format_exception(error()))
    assert text.strip().splitlines()[-1] == (
        "fastfinite.NonFiniteError: X (4 x 3 float32) has 2 non-finite values: 1 nan, 1 -inf; "
        "first nan at row 1, column 2 ('c'); columns 0 ('a'): 1, 2 ('c'): 1"
    )
