"""diagnose: every cause where it is, none where it nearly is; any container; real clean data; the page it prints."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from diagnoses import X4, codes, expected, facts, found, in_column, of_y
from optional import require

import fastfinite as ff
from fastfinite import _causes_data, _labels, _second_look

pytestmark = pytest.mark.usefixtures("strict_errors", "chunks")
nan, inf = np.nan, np.inf
SOURCE = Path(ff.__file__).parent
RANDOM = np.random.default_rng(0)


@pytest.fixture(params=["whole", "in small chunks"])
def chunks(request, monkeypatch):
    """Every answer is the same, however the rows are cut for the second look, and labels."""
    if request.param != "whole":
        monkeypatch.setattr(_second_look, "_CHUNK", 1)
        monkeypatch.setattr(_second_look, "_LEAST_ROWS", 3)
        monkeypatch.setattr(_labels, "_ROWS", 3)


# ---- data ----------------------------------------------------------------------------------------------


def test_nan_and_inf():
    assert found("nan", **in_column(1, nan, 3, nan)) == expected("nan", "error", 2, 4, 1)
    assert found("all-nan", **in_column(nan, nan)) == expected("all-nan", "error", 2, 2, 0)
    assert found("nan", **in_column(nan, nan)) == found("all-nan", **in_column(nan, 1)) == []
    assert found("all-inf", **in_column(inf, -inf)) == expected("all-inf", "error", 2, 2, 0)
    assert found("inf", **in_column(1, 2, -inf, inf)) == expected("inf", "error", 2, 4, 2)
    largest = np.finfo("f8").max
    assert not ff.diagnose(**in_column(1, 2, largest, -largest), target_dtype="float64").errors


def test_none_is_nan():
    assert found("nan", [[0.0, 1], [1.0, None], [2.0, 3]], columns="ab") == expected("nan", "error", 1, 3, 1)


LIMITS = {
    "float16": (65520.0, 65519.0),
    "bfloat16": (2.0**128 - 2.0**119, 2.0**128 - 2.0**119 - 2.0**100),
    "float32": (2.0**128 - 2.0**103, 2.0**128 - 2.0**103 - 2.0**80),
}


@pytest.mark.parametrize("target", LIMITS)
@pytest.mark.parametrize("sign", [1, -1])
def test_overflow_begins_halfway_past_the_largest(target, sign):
    limit, below = LIMITS[target]
    over = in_column(1.5, 0, sign * limit, sign * limit)
    assert found("overflow", **over, target_dtype=target) == expected("overflow", "error", 2, 4, 2)
    assert found("overflow", **in_column(1.5, 0, sign * below, 3), target_dtype=target) == []
    assert found("overflow", **over, target_dtype="float64") == []
    assert found("overflow", **in_column(1.5, 0, inf, 3), target_dtype=target) == []       # inf is inf, not overflow


@pytest.mark.parametrize("target", ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"])
def test_every_target_takes_ordinary_data(target):
    diagnosis = ff.diagnose(X4, [0, 1, 0, 1], logits=[-1.0, 1, -1, 1], target_dtype=target)
    assert diagnosis and diagnosis.target_dtype == target


@pytest.mark.parametrize(("target", "digits"), [("float32", 24), ("float16", 11), ("bfloat16", 8), ("float64", 53)])
def test_integers_that_lose_digits(target, digits):
    start = 2**digits
    x = in_column(start, start + 1, 5, 6, dtype=np.int64)
    assert found("integer-digits", **x, target_dtype=target) == expected("integer-digits", "warning", 1, 4, 1)
    # To the limit all are exact, and beyond it those are that end in zeros.
    for values in ((start - 1, start, 5), (start + 2, start + 4, 5), (2**62, 2**61, -(2**63)), (2**14, -(2**15), 5)):
        assert found("integer-digits", **in_column(*values, dtype=np.int64), target_dtype=target) == []
    # Where digits go, but no two become equal, no sample is taken for another.
    x = in_column(start + 1, 7, 5, dtype=np.int64)
    assert found("integer-digits", **x, target_dtype=target) == expected("integer-digits", "note", 1, 3, 0)


def test_integers_that_overflow_lose_no_digits():
    assert found("integer-digits", **in_column(1, 70001, 2, dtype=np.int32), target_dtype="float16") == []


def test_identifiers_that_became_floats_lose_digits_too():
    x = in_column(2**24 + 1, nan, 2**24, 3)
    assert found("integer-digits", **x) == expected("integer-digits", "warning", 1, 4, 0)
    assert found("integer-digits", **in_column(2**24 + 1, 0.5, 2**24, 3)) == []
    assert found("integer-digits", **in_column(1e20, 1, 2, 3)) == []
    x = in_column(2**64 - 1, 2**64 - 2, 1, dtype=np.uint64)
    assert found("integer-digits", **x) == expected("integer-digits", "warning", 2, 3, 0)


@pytest.mark.parametrize("value", _causes_data.SENTINELS)
def test_sentinels(value):
    x = in_column(1.25, 2.0, value, 3.0, value)
    assert found("sentinel", **x, target_dtype="float64") == expected("sentinel", "warning", 2, 5, 2)
    if abs(value) < 1e38:
        single = {**x, "X": x["X"].astype(np.float32)}
        assert found("sentinel", **single) == expected("sentinel", "warning", 2, 5, 2)
    for near in ((0.9 * value, 2.0, value, 3.0), (0.6 * value, 0.0, value, 1.0)):     # the rest reaches near
        assert found("sentinel", **in_column(*near)) == []
    # However much of the column it is.
    assert found("sentinel", **in_column(value, value, value, 2.0, 3.0), target_dtype="float64") == expected(
        "sentinel", "warning", 3, 5, 0)


def test_sentinels_hide_neither_each_other_nor_behind_inf():
    causes = [cause for cause in ff.diagnose(np.r_[RANDOM.random(20), -999, 999, -9999, inf][:, None])
              if cause.code == "sentinel"]
    assert [(cause.first, cause.count) for cause in causes] == [(22, 1), (20, 1), (21, 1)]


@pytest.mark.parametrize("values", [range(1, 1000), range(1, 10000), np.r_[np.arange(2000.0), 9999, 9000]])
def test_numbers_that_are_reached_are_no_sentinels(values):
    assert "sentinel" not in codes(np.array(values)[:, None])


def test_a_negative_sentinel_among_positive_numbers_stands_apart_however_wide_they_spread():
    assert found("sentinel", **in_column(0, 1e5, -999, 300)) == expected("sentinel", "warning", 1, 4, 2)
    assert found("sentinel", **in_column(-1, 1e5, -999, 300)) == found("sentinel", **in_column(0, 1e5, 999, 300)) == []


def test_constant():
    assert found("constant", **in_column(7, 7, 7)) == expected("constant", "warning", 3, 3, 0)
    assert found("constant", **in_column(nan, 7, 7)) == expected("constant", "warning", 2, 3, 1)
    assert found("constant", **in_column(7, 7, np.nextafter(7, 8))) == []
    assert found("constant", [[7.0, 1.0]]) == []        # of one row everything is


@pytest.mark.parametrize("make", ["pandas", "polars", "pyarrow"])
def test_integers_beside_nulls_keep_their_digits(make):
    library = require(make)
    ids = [None, *(2**60 + i for i in range(1, 8))]
    x = library.DataFrame({"id": library.array(ids, dtype="Int64")}) if make == "pandas" else (
        library.table if make == "pyarrow" else library.DataFrame)({"id": ids})
    assert found("integer-digits", x) == [("integer-digits", "warning", "X", 0, "id", 7, 7 / 8, 1)]


def test_integers_in_object_arrays_lose_digits_too():
    for start, count in ((2**24, 2), (2**63, 2), (-(2**60), 2)):
        x = np.array([[start], [start + 1], [None], [start + 3]], object)
        assert found("integer-digits", x)[0][5:] == (count, count / 4, 1)
    assert found("integer-digits", np.array([[2**24 + 1], [0.5]], object)) == []
    assert found("integer-digits", np.array([[2**64 + 1], [1]], object)) == []        # no integer of NumPy's


def test_columns_are_named_where_they_are():
    pandas = require("pandas")
    x = pandas.DataFrame({"t": list("abc"), "u": [1.0, 2, nan], "v": [1.0, 2, 3]})
    diagnosis = ff.diagnose(x, columns=["U", "V"])
    assert [cause.place for cause in diagnosis] == ["X column 1 ('U')"]
    assert diagnosis.bad_map.names == ["t (not scanned)", "U", "V"]


def test_columns_that_may_hold_numbers_are_told():
    pyarrow = require("pyarrow")
    x = pyarrow.table({"a": [1.0, 2.0, 4.0], "l": [[1.0], [2.0], []], "n": pyarrow.nulls(3), "t": list("abc")})
    (cause,) = ff.diagnose(x)
    assert (cause.code, cause.severity, cause.count) == ("not-scanned", "warning", 2) and "'l', 'n'" in cause.what


@pytest.mark.parametrize("target", ["float32", "float16", "bfloat16"])
def test_underflow(target):
    least = {"float32": 2.0**-149, "float16": 2.0**-24, "bfloat16": 2.0**-133}[target]
    under = in_column(least / 2, -least / 4, least / 3)
    assert found("underflow", **under, target_dtype=target) == expected("underflow", "warning", 3, 3, None)
    assert found("underflow", **under, target_dtype="float64") == []
    assert found("underflow", **in_column(0, 0, 0.51 * least), target_dtype=target) == []
    assert found("underflow", **in_column(0, 0, 0), target_dtype=target) == []


def test_what_never_varies_in_images_is_no_more_than_a_note():
    x = RANDOM.random((5, 2, 3))
    x[:, 1, 2] = 7
    x[3, 0, 1] = nan
    assert [facts(cause)[:6] for cause in ff.diagnose(x)] == [
        ("nan", "error", "X", 1, "[0, 1]", 1), ("constant", "note", "X", 5, "[1, 2]", 5)]


def test_near_constant():
    assert found("near-constant", **in_column(1e8, 1e8 + 1, 1e8)) == expected("near-constant", "warning", 3, 3, 0)
    assert found("near-constant", **in_column(nan, 1e8 + 1, 1e8)) == expected("near-constant", "warning", 2, 3, 1)
    assert found("near-constant", **in_column(1e5, 1e5 + 1, 1e5)) == []
    assert found("near-constant", **in_column(1e8, 1e8 + 1, 1e8), target_dtype="float64") == []
    assert found("near-constant", **in_column(1e15, 1e15 + 1, 1e15), target_dtype="float64")


def test_uneven_scale():
    for ratio, severity in ((1.01e4, "note"), (0.99e6, "note"), (1.01e6, "warning")):
        x = {"X": np.array([[0.0, 0.0], [1.0, ratio]]), "columns": "ab"}
        assert found("uneven-scale", **x) == [("uneven-scale", severity, "X", 1, "b", 2, 1.0, None)]
    assert found("uneven-scale", np.array([[0.0, 0.0, 5.0], [1.0, 0.99e4, 5.0]])) == []    # a constant has no scale
    assert found("uneven-scale", np.array([[0.0], [1e9]])) == []


@pytest.mark.parametrize(("target", "limit"), [("float16", 11.09), ("float32", 88.72), ("float64", 709.78)])
def test_exp_overflow(target, limit):
    x = in_column(0, limit + 0.01, 5, limit + 1)
    assert found("exp-overflow", **x, target_dtype=target) == expected("exp-overflow", "note", 2, 4, 1)
    assert found("exp-overflow", **in_column(0, limit - 0.01, -1e4), target_dtype=target) == []


def test_log_of_zero_in_a_positive_skewed_column():
    prices = np.exp(np.linspace(-3, 8, 99))
    assert found("log-of-zero", **in_column(*prices, 0)) == expected("log-of-zero", "note", 1, 100, 99)
    assert found("log-of-zero", **in_column(*prices, 1e-9)) == []
    assert found("log-of-zero", **in_column(*prices, *[0] * 30)) == []          # zeros are what it is made of
    assert found("log-of-zero", **in_column(*range(100))) == []                 # not skewed
    assert found("log-of-zero", **in_column(*prices, -999)) == []               # a sentinel, which is told


def test_empty_row():
    x = np.array([[1.0, 2.0], [nan, nan], [3.0, nan], [nan, nan]])
    assert found("empty-row", x) == [("empty-row", "error", "X", None, None, 2, 0.5, 1)]
    assert found("empty-row", x[[0, 2]]) == found("empty-row", x[:, :1]) == []
    x[[1, 3], 0] = inf
    assert found("empty-row", x) == []


# ---- labels --------------------------------------------------------------------------------------------


def test_label_nan():
    assert found("label-nan", X4, [0, 1, nan, inf]) == of_y("label-nan", "error", 2, 4, 2)
    assert found("label-nan", X4, np.array([0, 1, None, 1], object)) == of_y("label-nan", "error", 1, 4, 2)
    assert found("label-nan", X4, [[0, 1], [nan, nan], [1, 0], [1, 0]]) == of_y("label-nan", "error", 1, 4, 1)
    assert found("label-nan", X4, np.ma.array([0, 1, 1, 1], mask=[0, 0, 0, 1])) == of_y("label-nan", "error", 1, 4, 3)
    assert codes(X4, [0.0, 1, 1, 0]) == []
    assert codes(X4, [nan] * 4) == ["label-nan"]


def test_length():
    assert found("length", X4, [0, 1, 1]) == [("length", "error", "y", None, None, 1, 0.0, None)]
    assert found("length", X4, [0, 1, 1, 0], y_pred=[0.5] * 3, logits=[1.0, 2.0]) == [
        ("length", "error", where, None, None, count, 0.0, None) for where, count in (("y_pred", 1), ("logits", 2))]
    assert codes(X4, [0, 1, 1, 0]) == []


def test_text_labels():
    objects = [np.array(list("abab"), object), np.array(["a", None, "b", "a"], object)]
    for y in (list("abab"), *objects, np.zeros(4, complex), np.zeros(4, "M8[D]")):
        assert found("text-labels", X4, y) == of_y("text-labels", "error", 4, 4, 0)
    assert codes(X4, np.array([0, 1, 1, 0], object)) == []


def test_label_shape():
    y, p = np.array([0, 1, 1, 0]), np.array([0.2, 0.7, 0.6, 0.1])
    shape = [("label-shape", "warning", "y", None, None, 4, 1.0, None)]
    assert found("label-shape", X4, y[:, None]) == found("label-shape", X4, y[:, None], y_pred=p) == shape
    assert found("label-shape", X4, y, y_pred=p[:, None]) == found("label-shape", X4, y, logits=p[:, None]) == shape
    assert codes(X4, y[:, None], y_pred=p[:, None]) == codes(X4, y, y_pred=p) == []


def test_one_class():
    for value in (0, 1, 3.0, True):
        assert found("one-class", X4, [value] * 4) == of_y("one-class", "warning", 4, 4, 0)
    assert codes(X4, [0, 0, 0, 1]) == codes(X4[:1], [1]) == []
    assert codes(X4, [True] * 4) == ["one-class"]


def test_binary_labels():
    assert found("binary-labels", X4, [1, 2, 2, 1]) == of_y("binary-labels", "error", 2, 4, 1)
    assert found("binary-labels", X4, [1, -1, -1, 1]) == of_y("binary-labels", "error", 2, 4, 1)
    for y in ([0, 1, 1, 0], [0.0, 1, 1, 0], [True, False, True, True], [0.1, 0.9, 0.1, 0.9], [1.5, 3.25, 1.5, 1.5]):
        assert codes(X4, y) == []
    # Two of three classes.
    assert codes(X4, [0, 2, 0, 2], y_pred=np.full((4, 3), 1 / 3)) == []


def test_label_range():
    assert found("label-range", X4, [0, 1, 2, -1], y_pred=[0.5] * 4) == of_y("label-range", "error", 2, 4, 2)
    assert codes(X4, [0, 1, 0.5, 0.25], y_pred=[0.5, 0.5, 0.5, 0.25]) == codes(X4, [0, 1, 2, -1.5]) == []


def test_classes_that_do_not_fit_the_predictions():
    p = np.full((4, 3), 1 / 3)
    assert found("class-fraction", X4, [0, 1.5, 2, 1], y_pred=p) == of_y("class-fraction", "error", 1, 4, 1)
    assert found("class-range", X4, [0, 1, 3, -1], y_pred=p) == of_y("class-range", "error", 2, 4, 2)
    assert found("class-range", X4, [1, 2, 3, 1], logits=np.eye(4)[:, :3]) == of_y("class-range", "error", 1, 4, 2)
    assert codes(X4, [0, 1, 2, 1], y_pred=p) == codes(X4, [0.0, 1, 2, 1], y_pred=p) == []


def test_classes_from_one():
    y = np.arange(30) % 3 + 1
    x = RANDOM.random((30, 2))
    assert found("classes-from-one", x, y) == of_y("classes-from-one", "note", 30, 30, 0)
    assert codes(x, y - 1) == codes(x, y * 2) == codes(x, y + 0.5) == codes(x, np.arange(30) + 1) == []


def test_one_hot():
    y = np.eye(3)[[0, 1, 2, 0]]
    assert codes(X4, y) == codes(X4, [[0.25, 0.75]] * 4) == codes(X4, X4) == []
    y[2] = 0
    assert found("one-hot", X4, y) == of_y("one-hot", "error", 1, 4, 2)
    several = (RANDOM.random((200, 4)) < 0.5).astype(int)
    mostly_one = np.eye(4)[RANDOM.integers(0, 4, 200)]
    mostly_one[::5, 0] = mostly_one[::5, 1] = 1
    for y in (several, mostly_one):
        assert codes(RANDOM.random((200, 2)), y, y_pred=np.full((200, 4), 0.3)) == []


# ---- predictions ---------------------------------------------------------------------------------------

Y4 = np.array([0, 1, 1, 0])


def of_p(*arguments):
    return of_y(*arguments, where="y_pred")


def test_prediction_nan():
    several = [[0.5, 0.5], [nan, 0.5], [0.5, 0.5], [inf, 0]]
    for where, p in (("y_pred", [0.5, nan, 0.5, inf]), ("y_pred", several), ("logits", several)):
        assert found("prediction-nan", X4, Y4, **{where: p}) == of_y("prediction-nan", "error", 2, 4, 1, where)
    one = found("prediction-nan", X4, Y4, logits=[0.5, nan, 0.5, 1])
    assert one == of_y("prediction-nan", "error", 1, 4, 1, "logits")
    assert codes(X4, Y4, y_pred=[0.1, 0.9, 0.9, 0.1]) == []


def test_infinite_logits_of_a_finite_loss_are_no_cause():
    # -inf masks a class; and where the label agrees, the loss of an infinite logit is 0.
    assert codes(X4, Y4, logits=[[0.5, 1, -inf], [-inf, 2, 1], [1, 0.5, -inf], [0.1, 0, 1]]) == []
    assert "prediction-nan" in codes(X4, Y4, logits=[[-inf, -inf], [0, 1], [1, 0], [1, 2]])
    assert not {"prediction-nan", "loss-not-finite"} & set(codes(X4, Y4, logits=[-inf, inf, inf, -inf]))
    assert "loss-not-finite" in codes(X4, Y4, logits=[inf, inf, inf, -inf])


def test_labels_are_told_in_full():
    (cause,) = [cause for cause in ff.diagnose(X4, [1000001, 1000002, 1000002, 1000001]) if cause.where == "y"]
    assert "{1000001, 1000002}" in cause.what and cause.remedy == "(y == 1000002).astype(int)"


def test_labels_to_be_ignored_are_a_note():
    logits = np.eye(4)[:, :3]
    for label in (-100, -1):
        causes = [(c.code, c.severity, c.count, c.first) for c in ff.diagnose(X4, [0, label, 2, label], logits=logits)]
        assert causes == [("ignored-class", "note", 2, 1)]
    assert "class-range" in codes(X4, [0, -2, 2, 1], logits=logits)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "int4"])
def test_labels_and_predictions_of_other_formats(name):
    dtype = getattr(require("ml_dtypes"), name)
    assert codes(X4, np.array([0, 1, 1, 0], dtype), y_pred=np.array([0, 1, 1, 0], dtype)) == []
    assert codes(X4, np.array([1, 2, 2, 1], dtype)) == ["binary-labels"]


@pytest.mark.parametrize("dtype", [float, object, int])
def test_masked_labels_are_missing(dtype):
    y = np.ma.array(np.array([0, 5, 1, 0], dtype), mask=[0, 1, 0, 0])
    assert found("label-nan", X4, y) == of_y("label-nan", "error", 1, 4, 1)
    assert codes(X4, Y4, y_pred=y) == ["prediction-nan", "loss-not-finite"]


def test_masked_cells_are_not_the_first_of_anything():
    X = np.ma.MaskedArray([[1.0, 1], [2, 2], [nan, 3], [4, 4]], [[1, 0], [0, 0], [0, 0], [0, 0]])
    (cause,) = [cause for cause in ff.diagnose(X) if cause.code == "nan"]
    assert (cause.column, cause.count, cause.first) == (0, 1, 2)


def test_probability_range():
    assert found("probability-range", X4, Y4, y_pred=[0.5, 1.1, -0.1, 0]) == of_p("probability-range", "error", 2, 4, 1)
    assert codes(X4, Y4, y_pred=[0.0, 1.0, 1.0, 0.5]) == []
    # Beyond [0, 1] like their targets, they are of a regression.
    assert codes(X4, [1.5, 3, -2, 8], y_pred=[2.5, 3, -1, 8]) == codes(X4, X4, y_pred=X4 + 1) == []
    assert codes(X4, [1.5, 3, -2, 8], y_pred=[2.5, nan, -1, 8]) == ["prediction-nan", "loss-not-finite"]


def test_probability_sum():
    p = np.array([[0.5, 0.5], [0.6, 0.5], [0.1, 0.9], [0.2, 0.8]])
    assert found("probability-sum", X4, Y4, y_pred=p) == of_p("probability-sum", "warning", 1, 4, 1)
    p[1, 0] = 0.5009
    assert codes(X4, Y4, y_pred=p) == codes(X4, Y4, y_pred=p.astype(np.float16)) == []


def test_certain():
    assert found("certain", X4, y_pred=[0.5, 1, 0, 0.5]) == of_p("certain", "note", 2, 4, 1)
    tiny = [0.5, 1 - 1e-16, 1e-300, 0.5]
    assert codes(X4, y_pred=tiny, target_dtype="float64") == []
    assert found("certain", X4, y_pred=tiny) == of_p("certain", "note", 2, 4, 1)        # rounded to float32


def test_log_of_zero():
    wrong = of_p("log-of-zero", "error", 2, 4, 0)
    assert found("log-of-zero", X4, Y4, y_pred=[1, 0, 0.5, 0.5]) == wrong
    assert found("log-of-zero", X4, Y4[:, None], y_pred=[[1], [0], [0.5], [0.5]]) == wrong
    certain = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    for y in (Y4, Y4.astype(float), Y4[:, None], np.eye(3)[Y4]):
        assert found("log-of-zero", X4, y, y_pred=certain) == wrong
    assert found("log-of-zero", X4, [nan, 1, 1, 0], y_pred=certain) == of_p("log-of-zero", "error", 1, 4, 1)
    several = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0]])
    assert found("log-of-zero", X4, several, y_pred=[[0, 1, 0], [0, 1, 1], [1, 1, 1], [0.5, 0, 1]]) == of_p(
        "log-of-zero", "error", 2, 4, 0)
    # Certain and right.
    assert codes(X4, Y4, y_pred=[0, 1, 1, 0]) == codes(X4, Y4, y_pred=np.eye(3)[Y4]) == []
    assert codes(X4, several, y_pred=several) == codes(X4, np.eye(3)[Y4], y_pred=np.eye(3)[Y4]) == []
    # Tiny is not 0.
    tiny = [5e-324, 5e-324, 1, 1 - 1e-16]
    assert codes(X4, [0, 1, 1, 0], y_pred=tiny, target_dtype="float64") == []
    assert found("log-of-zero", X4, [0, 1, 1, 0], y_pred=tiny) == of_p("log-of-zero", "error", 2, 4, 1)
    for target, least, half in (("float32", 2.0**-149, 2.0**-24), ("float16", 2.0**-24, 2.0**-11),
                                ("bfloat16", 2.0**-133, 2.0**-8)):
        for p in ([least, 1 - half], [0.51 * least, 1 - 0.51 * half]):
            assert codes(X4[:2], [1, 0], y_pred=p, target_dtype=target) == []
        for p in ([0.5 * least, 1 - 0.5 * half], [0, 1]):
            assert found("log-of-zero", X4[:2], [1, 0], y_pred=p, target_dtype=target) == of_p(
                "log-of-zero", "error", 2, 2, 0)


def test_equal_logits():
    for z in ([2.0] * 4, [[0.0, 0.0]] * 4):
        count = np.size(z)
        assert found("equal-logits", X4, Y4, logits=z) == [
            ("equal-logits", "warning", "logits", None, None, count, 1.0, 0)]
    assert codes(X4, Y4, logits=[2, 2, 2, 2.5]) == codes(X4[:1], [1], logits=[2.0]) == []


def test_logits_beyond_exp():
    for target, limit in (("float32", 88.72), ("float16", 11.09), ("float64", 709.78)):
        z = [0.0, limit + 0.01, 1.0, -2 * limit]
        assert found("exp-overflow", X4, Y4, logits=z, target_dtype=target) == of_y(
            "exp-overflow", "warning", 1, 4, 1, "logits")
        assert found("exp-overflow", X4, Y4, logits=[0, limit - 0.01, 1, -2 * limit], target_dtype=target) == []


def test_saturated():
    edge = 23 * np.log(2)
    x, y = RANDOM.random((200, 2)), np.arange(200) % 2
    z = np.zeros(200)
    z[[7, 50]] = -edge - 0.01, edge + 0.01
    for logits in (z, z[:, None], np.stack([z, 0 * z], axis=1), np.stack([z, 0 * z, 0 * z - 99], axis=1)):
        assert found("saturated", x, y, logits=logits) == of_y("saturated", "warning", 2, 200, 7, "logits")
        fewer = logits.copy()
        fewer[50] = 0                                                           # too few to speak of
        assert found("saturated", x, y, logits=fewer) == []
        assert found("saturated", x, y, logits=logits / 1.01) == []
    assert found("saturated", x, y, logits=np.full((200, 2), 80.0) + z[:, None] / 99) == []     # as sure as undecided


TERMS = {
    "the label is NaN or inf": ("y_pred", nan, 0.5),
    "the prediction is NaN": ("y_pred", 1, nan),
    "y * log(p) with p = 0": ("y_pred", 1, 0.0),
    "(1 - y) * log(1 - p) with p = 1": ("y_pred", 0, 1.0),
    "log of a negative number": ("y_pred", 1, -0.25),
    "a logit of +inf against a label below 1": ("logits", 0, inf),
    "a logit of -inf against a label above 0": ("logits", 1, -inf),
}


@pytest.mark.parametrize("term", TERMS)
def test_the_term_of_a_loss_that_is_not_finite(term):
    where, label, value = TERMS[term]
    y, p = [0, 1, label, 0], [0.25, 0.75, value, 0.5]
    for shape in ((4,), (4, 1)):
        given = {where: np.reshape(p, shape)}
        assert found("loss-not-finite", X4, np.reshape(y, shape), **given) == of_y(
            "loss-not-finite", "error", 1, 4, 2, where)
        (cause,) = [one for one in ff.diagnose(X4, np.reshape(y, shape), **given) if one.code == "loss-not-finite"]
        assert f"({term} in 1 row)" in cause.what
    assert "loss-not-finite" not in codes(X4, [0, 1, 1, 0], **{where: [0, 1, 1, 0.0]})
    assert "loss-not-finite" not in codes(X4, [0, 1, 1, 0], logits=[-inf, inf, 5, 0.0])


@pytest.mark.parametrize(("target", "low", "high"), [
    ("float32", 88.723, 24 * np.log(2)), ("float64", 709.783, 53 * np.log(2)), ("float16", 11.0904, 11 * np.log(2))])
def test_logits_that_are_sure_of_the_wrong_label(target, low, high):
    warned = of_y("log-of-zero", "warning", 2, 4, 0, "logits")
    for z in ([high + 0.001, -low - 0.001, 1, -1], [np.finfo("f4").max, np.finfo("f4").min, 1, -1]):
        for shape in ((4,), (4, 1)):
            given = {"logits": np.reshape(z, shape), "target_dtype": target}
            assert found("log-of-zero", X4, Y4.reshape(shape), **given) == warned
    near = [high - 0.001, -low + 0.001, 1, -1]
    assert found("log-of-zero", X4, Y4, logits=near, target_dtype=target) == []
    right = [-low - 1, high + 1, 1, -1]
    assert found("log-of-zero", X4, Y4, logits=right, target_dtype=target) == []


@pytest.mark.parametrize(("target", "gap"), [("float32", 150 * np.log(2)), ("float64", 1075 * np.log(2))])
def test_logits_of_many_classes_that_are_sure_of_the_wrong_one(target, gap):
    z = np.array([[0, gap + 0.001, 0], [1, 0, 2], [gap - 1, 0, gap - 1], [0.0, -gap - 1, 1]])
    for y in (Y4, np.eye(3)[Y4]):
        assert found("log-of-zero", X4, y, logits=z, target_dtype=target) == of_y(
            "log-of-zero", "warning", 1, 4, 0, "logits")
    z[0, 1] = gap - 0.001
    assert found("log-of-zero", X4, Y4, logits=z, target_dtype=target) == []


def test_infinite_logits():
    assert found("infinite-logit", X4, Y4, logits=[-inf, inf, 1, -1]) == of_y(
        "infinite-logit", "warning", 2, 4, 0, "logits")
    assert found("infinite-logit", X4, Y4, logits=[-50.0, 50, 1, -1]) == []


def test_targets_that_overflow():
    x = X4.astype("f4")
    assert found("label-overflow", x, [1, 2.5, 1e39, 3]) == [
        ("label-overflow", "error", "y", None, None, 0, 0.25, None)]
    assert found("label-overflow", x, [1, 2.5, 65520, 3], target_dtype="float16") != []
    assert found("label-overflow", x, [1, 2.5, 65519, inf], target_dtype="float16") == []
    assert found("label-overflow", x, [1, 2.5, 1e38, 3]) == []


def test_errors_whose_square_overflows():
    y = [1.5, 2.5, -3.5, 8]
    over = found("loss-not-finite", X4, y, y_pred=[1, 2, 1.9e19, 8])
    assert over == of_p("loss-not-finite", "error", 1, 4, 2)
    assert codes(X4, y, y_pred=[1, 2, 1.8e19, 8]) == []
    assert codes(X4, y, y_pred=[1, 2, 1.9e19, 8], target_dtype="float64") == []


@pytest.mark.parametrize(("labels", "given"), [
    ((4, 3), (4, 2)), ((4, 3), (4, 4)), ((4, 3), (4, 1)), ((4, 2), (4,)), ((4, 3, 2), (4, 3))])
def test_labels_and_predictions_that_are_no_pairs(labels, given):
    for name in ("y_pred", "logits"):
        assert found("label-shape", X4, np.zeros(labels), **{name: np.full(given, 0.5)}) == [
            ("label-shape", "error", "y", None, None, 4, 1.0, None)]


@pytest.mark.parametrize(("labels", "given"), [
    ((4,), (4, 3)), ((4, 1), (4, 1)), ((4, 3), (4, 3)), ((4, 5, 5), (4, 3, 5, 5)), ((4,), (4, 1, 1))])
def test_labels_and_predictions_that_may_be_pairs(labels, given):
    assert found("label-shape", X4, np.zeros(labels), logits=RANDOM.random(given)) == []


def test_labels_of_several_classes_at_once():
    y = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [0, 0, 0]])
    p, z = np.full((4, 3), 0.5), RANDOM.normal(size=(4, 3))
    assert codes(X4, y, y_pred=p) == codes(X4, y, logits=z) == []
    assert found("label-range", X4, 2 * y, y_pred=p) == of_y("label-range", "error", 3, 4, 0)
    assert found("label-range", X4, 2 * y - 1, logits=z) == of_y("label-range", "error", 4, 4, 0)
    p[1, 2], z[2, 0] = 0, -inf
    for given, row in (({"y_pred": p}, 1), ({"logits": z}, 2)):
        (where,) = given
        assert found("loss-not-finite", X4, y, **given) == of_y("loss-not-finite", "error", 1, 4, row, where)


def test_labels_of_minus_one_and_one_are_no_classes():
    p = np.full((4, 2), 0.5)
    for name in ("y_pred", "logits"):
        assert found("class-range", X4, [-1, 1, 1, -1], **{name: p}) == of_y("class-range", "error", 2, 4, 0)


def test_logits_passed_as_predictions_of_soft_labels_are_told():
    y, p = np.linspace(0, 1, 20), np.linspace(-3, 3, 20)
    assert found("probability-range", RANDOM.random((20, 1)), y, y_pred=p) == of_p(
        "probability-range", "note", 17, 20, 0)


def test_predicted_classes_have_no_loss():
    y = np.array([0, 1, 2, 1])
    assert found("predicted-classes", X4, y, y_pred=[0, 1, 1, 2]) == [
        ("predicted-classes", "note", "y_pred", None, None, 4, 1.0, None)]
    assert codes(X4, y, y_pred=[0.5, 1, 1.5, 2]) == []


def test_minus_one_is_a_class_where_the_last_one_is_missing():
    logits = np.eye(4)[:, :3]
    assert found("class-range", X4, [-1, 0, 1, -1], logits=logits) == of_y("class-range", "error", 2, 4, 0)
    assert found("ignored-class", X4, [-1, 0, 2, -1], logits=logits) == of_y("ignored-class", "note", 2, 4, 0)
    assert found("binary-labels", X4, [-1, 0, 1, 1]) == of_y("binary-labels", "note", 1, 4, 0)
    assert found("binary-labels", X4, [-2, 0, 1, 1]) == []


MANY = {
    "the label is NaN or inf": ("y_pred", nan, [0.2, 0.3, 0.5]),
    "the probability of the true class is NaN or inf": ("y_pred", 1, [0.5, nan, 0.5]),
    "log(p) with p = 0 for the true class": ("y_pred", 1, [0.5, 0, 0.5]),
    "log of a negative number": ("y_pred", 1, [0.5, -0.5, 1]),
    "a logit is NaN": ("logits", 1, [nan, 1, 2]),
    "a logit of +inf": ("logits", 1, [0, inf, 2]),
    "all logits are -inf": ("logits", 1, [-inf] * 3),
    "a logit of -inf for the true class": ("logits", 1, [0, -inf, 2]),
}


@pytest.mark.parametrize("term", MANY)
def test_the_term_of_a_loss_of_many_classes_that_is_not_finite(term):
    where, label, scores = MANY[term]
    y, p = np.array([0, 1, label, 0]), np.array([[0.5, 0.25, 0.25]] * 2 + [scores] + [[0.2, 0.3, 0.5]])
    one_hot = np.where(np.isnan(y)[:, None], nan, np.eye(3)[np.nan_to_num(y).astype(int)])
    for labels in (y, y[:, None], one_hot):
        assert found("loss-not-finite", X4, labels, **{where: p}) == of_y("loss-not-finite", "error", 1, 4, 2, where)
        (cause,) = [one for one in ff.diagnose(X4, labels, **{where: p}) if one.code == "loss-not-finite"]
        assert f"({term} in 1 row)" in cause.what


def test_what_the_loss_of_many_classes_does_not_look_at_is_no_term_of_it():
    y = [0, 1, 2, 0]
    masked = np.array([[0.5, 1, -inf], [-inf, 0.5, 2], [1, 1, 1], [0.1, 1, -inf]])
    assert "loss-not-finite" not in codes(X4, y, logits=masked)
    assert "loss-not-finite" not in codes(X4, y, y_pred=[[0.5, nan, 0.5], [0, 1, 0], [0.5, 0, 0.5], [1, 0, 0]])


# ---- data that are as they should be -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"])
@pytest.mark.parametrize("as_frame", [False, True])
def test_clean_real_data(name, as_frame):
    load = getattr(require("sklearn.datasets"), f"load_{name}")
    if as_frame:
        require("pandas")
    data = load(as_frame=as_frame)
    diagnosis = ff.diagnose(data.data, data.target)
    serious = [(cause.code, cause.column) for cause in diagnosis if cause.severity != "note"]
    assert diagnosis and serious == ([("constant", i) for i in (0, 32, 39)] if name == "digits" else [])


def plausible():
    normal = RANDOM.normal(size=(500, 4))
    yield "standardized", normal
    yield "embeddings", (normal / np.linalg.norm(normal, axis=1, keepdims=True)).astype(np.float16)
    yield "log-returns and prices", np.c_[normal[:, 0] * 1e-3, 100 + 10 * normal[:, 1]]
    yield "one-hot", np.eye(4)[RANDOM.integers(0, 4, 500)]
    yield "rarely one", (np.arange(5000) == 77)[:, None] + np.zeros((1, 2))
    yield "binary", RANDOM.integers(0, 2, (500, 3))
    yield "bool", RANDOM.random((500, 3)) < 0.5
    yield "counts", RANDOM.poisson(2, (500, 3))
    yield "prices with zeros", np.exp(3 + 2 * normal) * (RANDOM.random((500, 4)) > 0.05)
    yield "ages", RANDOM.integers(0, 100, (500, 1))
    yield "years", RANDOM.integers(1990, 2030, (500, 1))
    yield "identifiers", np.arange(500)[:, None]
    yield "images", RANDOM.integers(0, 256, (50, 28, 28), np.uint8)
    yield "images of floats", RANDOM.integers(0, 256, (50, 8, 8, 3)).astype(np.float32)
    yield "clipped sound", np.clip(normal * 20000, -32768, 32767).astype(np.int16)
    yield "seconds of hours", 1.7e9 + 3600 * np.arange(500.0)[:, None]
    yield "places on Earth", np.c_[48 + normal[:, 0], 2 + normal[:, 1]]


@pytest.mark.parametrize("x", [pytest.param(x, id=name) for name, x in plausible()])
def test_plausible_data(x):
    assert [cause for cause in ff.diagnose(x) if cause.severity != "note"] == []


# ---- containers ----------------------------------------------------------------------------------------

BAD = np.array([[0.5, nan, 7.0], [1.5, 2.0, 7.0], [2.5, 4.0, 7.0]])
ITS = [("nan", 1, 0), ("constant", 2, 0)]


def places(x, *arguments, **options):
    return [(cause.code, cause.column, cause.first) for cause in ff.diagnose(x, *arguments, **options)]


@pytest.mark.parametrize("make", [
    np.asarray, np.asfortranarray, np.ndarray.tolist, lambda x: x.astype(np.float16), lambda x: x.astype(object),
    lambda x: x.astype(np.longdouble), lambda x: x.astype(">f4"), lambda x: x[::-1][::-1], lambda x: x[:, :, None],
    lambda x: np.ma.array(np.r_[x, x], mask=np.repeat([[False], [True]], 3, axis=0) & np.ones(3, bool)),
])
def test_arrays(make):
    assert places(make(BAD)) == ITS


def test_masked_cells_are_left_out():
    assert places(np.ma.array(BAD, mask=np.isnan(BAD))) == [("constant", 2, 0)]


def test_arrays_of_more_axes_are_rows_of_columns():
    x = RANDOM.random((5, 2, 3, 4))
    x[3, 1, 2, 3] = inf
    diagnosis = ff.diagnose(x)
    assert diagnosis.shape == (5, 2, 3, 4) and places(x) == [("inf", 23, 3)]


def test_files(tmp_path):
    for name, values in (("x.npy", BAD), ("y.npy", [1, 2, 1])):
        np.save(tmp_path / name, values)
    for kind in (str, Path):
        assert places(kind(tmp_path / "x.npy"), kind(tmp_path / "y.npy")) == [("nan", 1, 0), ("binary-labels", None, 1),
                                                                             ("constant", 2, 0)]


def test_pandas():
    pd = require("pandas")
    frame = pd.DataFrame({"city": ["x", "y", "z"], "age": BAD[:, 0], "pay": BAD[:, 1], "unit": [7, 7, 7]})
    diagnosis = ff.diagnose(frame, pd.Series([1, 2, None], dtype="Int64"))
    assert [facts(cause) for cause in diagnosis] == [
        ("nan", "error", "X", 2, "pay", 1, round(1 / 3, 12), 0),
        *of_y("label-nan", "error", 1, 3, 2), *of_y("binary-labels", "error", 1, 3, 1),
        ("constant", "warning", "X", 3, "unit", 3, 1.0, 0),
    ]
    assert diagnosis.not_scanned == ("city",) and "not scanned: 'city'" in str(diagnosis)
    assert places(pd.Series([1, None, 3.0])) == [("nan", 0, 1)]
    assert codes(X4, pd.Series(list("abab"))) == codes(X4, pd.Series(list("abab"), dtype="category")) == ["text-labels"]
    assert codes(X4, pd.Series([1, 0, 1, 0], dtype="category")) == []
    nulls = pd.DataFrame({"n": pd.array([1, None, 3], "Int64")})
    assert places(nulls) == [("nan", 0, 1)]


def test_polars():
    pl = require("polars")
    require("narwhals")
    frame = pl.DataFrame({"city": ["x", "y", "z"], "pay": [None, 2, 3], "unit": [7, 7, 7]})
    diagnosis = ff.diagnose(frame, pl.Series("y", [0, 1, 1]), y_pred=pl.Series("p", [0.5, 0.0, 0.5]))
    assert [(cause.code, cause.column, cause.name, cause.first) for cause in diagnosis] == [
        ("nan", 1, "pay", 0), ("log-of-zero", None, None, 1), ("loss-not-finite", None, None, 1),
        ("constant", 2, "unit", 0)]
    assert diagnosis.not_scanned == ("city",)


def test_torch():
    torch = require("torch")
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        x = torch.tensor(BAD, dtype=dtype)
        assert places(x) == ITS
        y, p = torch.tensor([0, 1, 1]), torch.tensor([[1.0], [0.5], [0.5]], dtype=dtype)
        assert codes(torch.rand(3, 2), y.to(dtype), y_pred=p) == ["log-of-zero", "loss-not-finite", "label-shape"]
    parameter = torch.ones(3, requires_grad=True)
    assert codes(torch.rand(3, 2), torch.tensor([0, 1, 1]), logits=parameter) == ["equal-logits"]


def test_sparse():
    sparse = require("scipy.sparse")
    for kind in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
        x = np.zeros((4, 3))
        x[0, 1], x[2, 1], x[3, 2] = 1.5, nan, 1e39
        assert places(kind(x))[:2] == [("nan", 1, 2), ("overflow", 2, 3)]
        with pytest.raises(TypeError, match=r"^y is sparse"):
            ff.diagnose(x, kind(x[:, :1]))


def test_empty_and_tiny():
    for x in ([[1.0, 2.0]], [[1.0]], [[1.0], [2.0]], [1.0, 2.0]):
        diagnosis = ff.diagnose(x)
        assert diagnosis and len(diagnosis) == 0 and str(diagnosis).endswith(": nothing found")
    none = np.empty(0)
    for x, what in ((np.empty((0, 3)), "no rows"), (np.empty((3, 0)), "no columns"), (np.empty((0, 0)), "no rows")):
        (cause,) = ff.diagnose(x)
        assert (cause.code, cause.severity) == ("empty", "error") and f"there are {what}" in cause.what
    assert codes(np.empty((0, 3)), none, y_pred=none, logits=none) == ["empty"]
    assert codes(np.empty((0, 3)), none, y_pred=np.empty((0, 4)), logits=np.empty((0, 4))) == ["empty"]


def test_logits_of_more_axes():
    assert codes(X4, np.eye(4)[:, :2], logits=RANDOM.random((4, 2, 3))) == ["not-compared"]
    y, p = np.ones((4, 2, 2)), np.full((4, 2, 2), 0.5)
    p[2, 1, 0] = 0
    assert codes(X4, y, y_pred=p) == ["log-of-zero", "loss-not-finite"]
    assert found("label-range", X4, 7 * y, y_pred=p) == of_y("label-range", "error", 4, 4, 0)


def test_of_many_columns_the_worst_is_told():
    x = np.array([[1.0, 2], [3, nan], [nan, nan], [5, 6]])
    page = str(ff.diagnose(x))
    assert "X, 2 columns: 0, 1; in X column 1: 2 of 4 values are nan; the first in row 1\n" in page
    page = str(ff.diagnose(np.vstack([[[nan, 2]], x, [[1, nan]]])))
    assert "in X column 1: 3 of 6 values are nan; the first in row 2; the first of all in row 0\n" in page


def test_inputs_are_left_as_they_are():
    x, y, p = BAD.copy(), np.array([1.0, nan, 2.0]), np.array([0.0, 1.0, nan])
    masked = np.ma.array(y, mask=[1, 0, 0])
    copies = x.copy(), y.copy(), p.copy()
    ff.diagnose(x, masked, y_pred=p, logits=p)
    for before, after in zip(copies, (x, y, p)):
        assert np.array_equal(before, after, equal_nan=True)
    for array in (x, y, p):
        array.flags.writeable = False
    assert len(ff.diagnose(x, y, y_pred=p, logits=p)) > 3


# ---- the diagnosis -------------------------------------------------------------------------------------


def test_worst_first():
    x = np.array([[1.0, 7.0, 0.0, nan], [2.0, 7.0, 2e5, 1], [3.0, 7.0, 1e4, 2]])
    diagnosis = ff.diagnose(x, [1, 2, 1])
    assert [cause.severity for cause in diagnosis] == ["error"] * 2 + ["warning"] + ["note"] * 2
    assert list(diagnosis) == diagnosis.causes and len(diagnosis) == 5 and diagnosis.errors == diagnosis.causes[:2]
    assert not diagnosis and bool(ff.diagnose(x[:, :3]))


PAGE = """\
Diagnosis of X (4 x 3) and y for float16: 2 errors, 2 warnings, 1 note

ERROR nan: X column 0 ('age'): 1 of 4 values are nan; the first in row 3
    why     every sum that it enters is NaN: the mean, the loss, then every weight
    remedy  drop the rows or impute them (sklearn.impute.SimpleImputer); in a loop, fastfinite.guard finds them

ERROR binary-labels: y: labels are {1, 2}, not {0, 1}
    why     a binary cross-entropy is unbounded below there, and accuracy against {0, 1} is 0
    remedy  (y == 2).astype(int)

WARNING constant: X, 2 columns: 1 ('one'), 2 ('two'); in X column 1 ('one'): every value is 7
    why     its standard deviation is 0: (x - mean) / std is 0 / 0, NaN in every row
    remedy  drop the column, or scale with fastfinite.standardize, which makes it 0

NOTE exp-overflow: X column 0 ('age'): values up to 31, in 1 column above 11.1
    why     exp of a number above 11.1 is inf in float16: in a softmax or a sigmoid that is written out
    remedy  standardize, or use fastfinite.softmax, sigmoid and logsumexp, which do not overflow"""


def test_the_page():
    x = np.array([[31, 7, 8], [2, 7, 8], [3, 7, 8], [nan, 7, 8]])
    diagnosis = ff.diagnose(x, [1, 2, 1, 1], columns=["age", "one", "two"], target_dtype="float16")
    assert str(diagnosis) == PAGE
    assert repr(diagnosis) == "<Diagnosis of X (4 x 3) and y for float16: 2 errors, 2 warnings, 1 note>"
    assert repr(diagnosis.causes[0]) == (
        "<Cause: error nan: X column 0 ('age'): 1 of 4 values are nan; the first in row 3>")


def test_long_lists_of_columns_are_cut():
    assert "20 columns: 0, 1, 2, 3, 4, 5, 6, 7 and 12 more;" in str(ff.diagnose(np.ones((3, 20))))


def test_to_dict_is_strict_json():
    x = np.array([[nan, 7, 1e20, 0], [2, 7, -inf, 2**24 + 1], [3, 7, 1, 1], [nan, 7, 2, 2]])
    diagnosis = ff.diagnose(x, [1, 2, nan, 1], y_pred=[0.0, nan, 2, 1], logits=[inf, nan, 1e3, 5], columns="abcd")
    read = json.loads(json.dumps(diagnosis.to_dict(), allow_nan=False))
    assert read == diagnosis.to_dict()
    assert read["ok"] is False and read["shape"] == [4, 4] and len(read["causes"]) == len(diagnosis) > 8
    assert read["causes"][0]["code"] == "nan" and read["causes"][0]["name"] == "a"


def test_html_escapes_names():
    html = ff.diagnose(np.ones((3, 1)), columns=["<b>&"])._repr_html_()
    assert "&lt;b&gt;&amp;" in html and "<b>" not in html and html.count("<tr>") == 2


@pytest.mark.parametrize(("arguments", "options", "error", "words"), [
    ((3.0,), {}, ValueError, "X must have rows; it is a single number"),
    ((X4, 1), {}, ValueError, "y must have rows; it is a single number"),
    ((X4, Y4), {"y_pred": 0.5}, ValueError, "y_pred must have rows"),
    ((X4, Y4), {"logits": 0.5}, ValueError, "logits must have rows"),
    ((None,), {}, TypeError, "^X must be array_like, not NoneType"),
    ((X4, object()), {}, TypeError, "y must be array_like, not object"),
    ((X4,), {"y_pred": object()}, TypeError, "y_pred must be array_like, not object"),
    ((["a", "b"],), {}, TypeError, "it holds text, not numbers"),
    ((X4.astype(complex),), {}, TypeError, "complex numbers have no order"),
    ((X4, Y4), {"y_pred": list("abab")}, TypeError, "it holds text, not numbers"),
    ((X4, Y4), {"y_pred": np.array(list("abab"), object)}, TypeError, "y_pred must hold real numbers, not object"),
    ((X4, Y4), {"logits": np.zeros(4, complex)}, TypeError, "logits must hold real numbers, not complex128"),
    ((X4,), {"columns": 5}, TypeError, "columns must be an iterable of names, not int"),
    ((X4, Y4), {"y_pred": ["a"] * 4}, TypeError, "^y_pred: cannot scan dtype <U1"),
    ((X4, Y4), {"logits": [[1, 2], [3]]}, ValueError, "^logits: "),
    ((X4, [[1, 2], [3]]), {}, ValueError, "^y: "),
    ((X4,), {"target_dtype": "int8"}, ValueError, "target_dtype='int8' is not a floating-point format"),
    ((X4,), {"columns": ["a"]}, ValueError, "each column of X that holds numbers: there are 2, and 1 name"),
    (("absent.npy",), {}, FileNotFoundError, "absent.npy"),
])
def test_bad_arguments(arguments, options, error, words):
    with pytest.raises(error, match=words):
        ff.diagnose(*arguments, **options)


def test_what_the_remedies_name_exists():
    named = set()
    for file in ("_causes_data.py", "_causes_labels.py", "_diagnose.py"):
        text = re.sub(r"^(from|import) .*$", "", (SOURCE / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
        named |= set(re.findall(r"\bfastfinite\.([A-Za-z]\w*)", text))
    assert {"standardize", "guard", "safe_log", "cross_entropy"} <= named
    assert [name for name in named - {"sklearn"} if not hasattr(ff, name)] == []
