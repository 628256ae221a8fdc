"""diagnose at its limits: both sides of every threshold, answers joined from parts, pages of more than a few causes."""

import itertools
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from diagnoses import X4, causes, codes, expected, facts, found, in_column, of_y
from optional import require

import fastfinite as ff
from fastfinite import _causes_data, _files, _formats, _page, _progress, _report_page, _scan_files, _second_look
from fastfinite._accept import accept
from fastfinite._bad_map import MOST_ROWS, BadMap
from fastfinite._cli import main
from fastfinite._file_samples import only_item, samples_of_file
from fastfinite._fill_map import TableMap
from fastfinite._labels import Labels, Rows, labels_of
from fastfinite._second_look import EmptyRows, LostDigits, Occurrences, Places, Sentinels, chunks
from fastfinite._terminal_map import lines_of, lines_on_stdout

pytestmark = pytest.mark.usefixtures("in_tmp_path", "strict_errors")
nan, inf = np.nan, np.inf
Y4 = np.array([0, 1, 1, 0])


# ---- sentinels -----------------------------------------------------------------------------------------


def test_a_sentinel_is_further_away_than_others_spread_and_than_1():
    for others, there in (((998.5, 998.5), False), ((998, 998), False), ((997.9, 997.9), True), ((0, 499.5), False),
                          ((0, 499), True), ((1498.5, 1998), False), ((1499, 1998), True)):
        assert found("sentinel", **in_column(*others, 999)) == (
            expected("sentinel", "warning", 1, 3, 2) if there else [])


@pytest.mark.parametrize(("others", "told"), [
    ((-10, -20), "(-20 to -10), 1 time"), ((10, 20), "(10 to 20), 1 time"), ((-7, -7), "(-7), 1 time")])
def test_it_is_told_what_a_sentinel_stands_apart_from(others, told):
    (cause,) = causes("sentinel", **in_column(*others, 9999))
    assert cause.what.startswith(f"9999 stands apart from all other values {told}; the first in row 2")


def test_two_other_values_are_needed_to_stand_apart_from():
    assert found("sentinel", **in_column(5, 999, 999)) == []
    assert found("sentinel", **in_column(5, 5, 999)) == expected("sentinel", "warning", 1, 3, 2)


@pytest.mark.parametrize("values", [(1, 2, 999, inf), (1, 2, -999, -inf)])
def test_a_sentinel_hides_behind_no_infinity(values):
    assert found("sentinel", **in_column(*values)) == expected("sentinel", "warning", 1, 4, 2)


def test_a_sentinel_has_64_spellings_a_millionth_away_at_most():
    for off, there in ((0.9e-6, True), (-0.9e-6, True), (1.1e-6, False), (-1.1e-6, False)):
        assert bool(found("sentinel", **in_column(0, 1, -999 * (1 + off)))) is there
    spellings = 999 + 1e-6 * np.arange(65)
    for number, told in ((4, 4), (64, 64), (65, 64)):
        causes = found("sentinel", **in_column(0, 1, *spellings[:number]))
        assert [cause[-1] for cause in causes] == list(range(2, 2 + told))


@pytest.mark.parametrize("value", [
    -99, 999, -999, -999.9, 9999, -9999, 99999, -99999, 1e20, -1e20, 1e30, -1e30, 9.96921e36, 2**15, 32767, -32768,
    -32767, 65535, 2147483647, -2147483648, 4294967295, 2**63, -(2**63), 3.4028234663852886e38, -3.4028234663852886e38,
    1.7976931348623157e308, -1.7976931348623157e308])
def test_numbers_that_mean_missing(value):
    x = in_column(0, 1, value, 1)
    assert found("sentinel", **x, target_dtype="float64") == expected("sentinel", "warning", 1, 4, 2)


@pytest.mark.parametrize("value", [99, 98, -98, 1000, 998, 9998, 1e10, 1e19, 65534, 1e36, 1e300])
def test_numbers_that_mean_what_they_say(value):
    assert found("sentinel", **in_column(0, 1, value, 1), target_dtype="float64") == []


# ---- columns without variance, of uneven scales, for exp and log ---------------------------------------


@pytest.mark.parametrize(("target", "rtol", "kind"), [
    ("float64", 1e-15, "float64"), ("float32", 1e-6, "float32"), ("float16", 1e-6, "float32")])
def test_near_constant_is_a_few_times_the_resolution_of_the_format(target, rtol, kind):
    level = np.round(np.sqrt(2) / 3 / rtol)       # the standard deviation of two equal ones and one that is 1 more
    for scale, there in ((1.02, True), (0.98, False)):
        start = np.round(scale * level)
        x = in_column(start, start + 1, start)
        assert found("near-constant", **x, target_dtype=target) == (
            expected("near-constant", "warning", 3, 3, 0) if there else [])
    (cause,) = causes("near-constant", **in_column(2 * level, 2 * level + 1, 2 * level), target_dtype=target)
    assert f"at the limit of {kind}" in cause.why


def test_constant_begins_with_two_rows():
    assert found("constant", **in_column(7, 7)) == expected("constant", "warning", 2, 2, 0)
    assert codes([[7.0]]) == []


def test_uneven_begins_at_four_orders_and_warns_at_six():
    for ratio, severity in ((1e4, "note"), (np.nextafter(1e6, 0), "note"), (1e6, "warning")):
        assert found("uneven-scale", **in_column(0, ratio)) == [("uneven-scale", severity, "X", 1, "b", 2, 1.0, None)]
    assert found("uneven-scale", **in_column(0, np.nextafter(1e4, 0))) == []


def test_uneven_names_the_columns_where_they_are_in_the_frame():
    pandas = require("pandas")
    x = pandas.DataFrame({"text": ["a", "b"], "small": [0.0, 1.0], "more": ["a", "b"], "large": [0.0, 1e5]})
    (cause,) = causes("uneven-scale", x)
    assert cause.place == "X column 3 ('large')" and "1e+05 times that of column 1 (0.5)" in cause.what


def test_exp_overflow_tells_the_largest_column_of_those_that_do():
    x = np.array([[0, 0, 0, 1], [100, 300, 200, 88], [90, 0, 0, 3.0]])
    (cause,) = causes("exp-overflow", x)
    assert facts(cause)[3:] == (1, None, 1, round(1 / 3, 12), 1)
    assert "values up to 300, in 3 columns above 88.7" in cause.what


def test_log_of_zero_is_of_columns_that_are_mostly_positive_and_skewed():
    def told(zeros, ones, large):
        values = np.repeat([0.0, 1.0, large], [zeros, ones, 1000 - zeros - ones])
        return [cause[5:] for cause in found("log-of-zero", **in_column(*values))]

    assert told(100, 880, 30.0) == [(100, 0.1, 0)] and told(101, 879, 30.0) == []       # 9 of 10 are positive
    assert told(1, 998, 11.5) == []         # its deviation is less than its mean
    assert told(100, 800, 20.0) == []       # its largest value is not ten times its mean
    assert told(100, 860, 20.0) == [(100, 0.1, 0)]


@pytest.mark.parametrize("name", [
    "float8_e4m3fn", "float8_e5m2", "float8_e4m3", "float8_e3m4", "float8_e4m3b11fnuz", "float16", "bfloat16"])
def test_overflow_is_what_the_cast_makes_of_the_limit_itself(name):
    dtype = np.float16 if name == "float16" else getattr(require("ml_dtypes"), name)
    target = _formats.of_name(name, "target_dtype")
    limit = np.float32(target.overflow_limit()[0])
    for value in (limit, np.nextafter(limit, np.float32(0)), np.nextafter(limit, np.float32(inf))):
        with np.errstate(all="ignore"):
            lost = not np.isfinite(np.array(value).astype(dtype).astype(float))
        x = in_column(0, 1, value, -value)
        assert found("overflow", **x, target_dtype=name) == (expected("overflow", "error", 2, 4, 2) if lost else [])


# ---- integers ------------------------------------------------------------------------------------------


def merged(values):
    """How many of them are others' equals in float32."""
    return len(values) - len(np.unique(values.astype(np.float32)))


def test_it_is_told_how_many_integers_become_equal():
    values = 2**24 + np.arange(2000)
    (cause,) = causes("integer-digits", values[:, None])
    assert f"1000 integers beyond 2**24, {merged(values)} of which become equal" in cause.what


@pytest.mark.parametrize("parts", [1, 3])
def test_of_more_different_integers_than_are_kept_it_is_told_that_there_are_more(monkeypatch, parts):
    monkeypatch.setattr(_second_look, "_MOST_DIFFERENT", 1)       # and so 1024
    monkeypatch.setattr(_second_look, "_CHUNK", 2000 // parts)
    for number, more in ((1024, ""), (1025, " or more")):
        values = 2**24 + np.arange(number)
        (cause,) = causes("integer-digits", np.r_[values, values][:, None])
        assert f"beyond 2**24, {merged(values[:1024])}{more} of which become equal to others" in cause.what


# ---- labels --------------------------------------------------------------------------------------------


def test_classes_are_a_thousand_at_most():
    for number, many in ((1000, False), (1001, True)):
        y = np.arange(number)
        assert labels_of(y, None).many is many
        cut = Labels(y.shape, y.dtype)
        for row in range(0, number, 100):
            cut.add(y[row : row + 100].astype(float), row)
        assert cut.many is many


def test_classes_are_fewer_than_the_root_of_the_rows():
    for rows, told in ((9, ["classes-from-one"]), (8, [])):
        y = np.arange(rows) % 3
        x = np.random.default_rng(0).random((rows, 1))
        assert codes(x, y + 1) == told and codes(x, y) == codes(x, y + 2) == []
    (cause,) = causes("class-range", X4[:3], [1, 2, 2], y_pred=np.full((3, 2), 0.5))       # of two any number of rows
    assert cause.remedy == "y - 1"
    for y in ([2, 3, 2, 3], [1, 1, 3, 3]):
        (cause,) = causes("class-range", X4, y, y_pred=np.full((4, 3), 1 / 3))
        assert cause.remedy == "encode the classes from 0 on, or widen the last layer"


def one_hot(rows, **others):
    """One-hot rows of 4 classes, the last of which have other sums."""
    y = np.eye(4)[np.arange(rows) % 4]
    for i, (total, number) in enumerate(others.values()):
        for row in range(rows - (i + 1) * number, rows - i * number):
            y[row] = [total / 2, total / 2, 0, 0]
    return y, np.random.default_rng(0).random((rows, 2))


def test_sums_of_labels_and_probabilities_may_miss_1_by_a_thousandth():
    for total, count in ((1.0009, 0), (1.0011, 1), (0.9991, 0), (0.9989, 1)):
        y, x = one_hot(100, last=(total, 1))
        assert found("one-hot", x, y) == (of_y("one-hot", "error", 1, 100, 99) if count else [])
        assert found("probability-sum", x, y_pred=y) == (
            of_y("probability-sum", "warning", 1, 100, 99, "y_pred") if count else [])


def test_labels_are_several_at_once_from_a_twentieth_of_the_rows_on():
    for number, told in ((4, ["one-hot"]), (5, [])):
        y, x = one_hot(100, last=(2, number))
        assert codes(x, y) == codes(x, y, y_pred=np.full((100, 4), 0.25)) == told
    for total, told in ((1.5, ["one-hot"]), (1.6, [])):     # from a sum of 1.5 on there are several
        y, x = one_hot(100, last=(total, 5))
        assert codes(x, y) == told
    for number, told in ((49, ["one-hot"]), (50, [])):      # where half of the rows are off, it is meant so
        y, x = one_hot(100, last=(0, number))
        assert codes(x, y) == told


def test_labels_are_one_hot_where_nine_of_ten_rows_may_be_probabilities(monkeypatch):
    monkeypatch.setattr(_files, "MAPPED_BLOCK", 800)        # a column
    for value, others in ((-0.5, []), (1.5, []), (nan, ["label-nan"])):
        for number, told in ((10, ["one-hot"]), (11, [])):
            y, x = one_hot(100, last=(0, 1))
            y[:number] = [value, 0, 0, 0]
            np.save("y.npy", np.asfortranarray(y))
            assert codes(x, y) == codes(x, "y.npy") == others + told
    y = np.zeros((40, 2, 2))
    y[:39, 0, 0] = 1
    assert codes(np.linspace(0, 1, 40), y) == []        # of more axes it is not known what they are


def test_logits_are_saturated_from_a_hundredth_on():
    x, y, z = np.random.default_rng(0).random((1000, 2)), np.arange(1000) % 2, np.linspace(-1, 1, 1000)
    for number, told in ((9, []), (10, of_y("saturated", "warning", 10, 1000, 0, "logits"))):
        assert found("saturated", x, y, logits=np.where(np.arange(1000) < number, -16.0, z)) == told


def test_two_labels_are_no_regression_and_three_beyond_0_and_1_are():
    p = [-2.0, 2.0, 3.0, 0.5]
    assert found("probability-range", X4, [-1, 2, 2, -1], y_pred=p) == of_y(
        "probability-range", "error", 3, 4, 0, "y_pred")
    assert codes(X4, [-1, 2, 3, -1], y_pred=p) == []


def test_more_than_ten_soft_labels_are_a_regression():
    for number, severity in ((10, "error"), (11, "note")):
        y = np.arange(20) % number / 16
        p = np.where(np.arange(20) == 7, 1.5, y)
        assert found("probability-range", np.linspace(0, 1, 20), y, y_pred=p) == of_y(
            "probability-range", severity, 1, 20, 7, "y_pred")
        # Whole numbers are classes.
        assert codes(np.linspace(0, 1, 20), np.arange(20) % number, y_pred=y) == ["label-range"]


def test_whole_labels_are_told_in_full_up_to_15_digits():
    (cause,) = causes("binary-labels", X4, [1e15, 999999999999999, 1e15, 1e15], target_dtype="float64")
    assert cause.what == "labels are {999999999999999, 1e+15}, not {0, 1}"


def test_six_labels_are_told():
    for number, end in ((6, "5, 6}"), (7, "5, 6, ...}")):
        (cause,) = causes("classes-from-one", np.linspace(0, 1, 49), np.arange(49) % number + 1)
        assert cause.what == "labels are {1, 2, 3, 4, " + end


def test_the_remedy_names_the_loss_that_is_meant():
    (cause,) = causes("log-of-zero", X4, Y4, y_pred=[1, 1, 1, 0])
    assert "(fastfinite.binary_cross_entropy_with_logits)" in cause.remedy
    (cause,) = causes("log-of-zero", X4, Y4, y_pred=[[0, 1, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]])
    assert "(fastfinite.cross_entropy)" in cause.remedy


def test_the_first_of_equal_logits_is_one_that_is_there():
    assert found("equal-logits", X4, Y4, logits=[nan, 2, 2, 2]) == [
        ("equal-logits", "warning", "logits", None, None, 3, 0.75, 1)]


def test_logits_in_a_column_are_of_two_classes_and_may_be_infinite():
    assert codes(X4, Y4[:, None], logits=[[-inf], [inf], [inf], [-inf]]) == ["infinite-logit"]
    assert "prediction-nan" in codes(X4, Y4, logits=[[-inf, 0], [inf, 0], [0, 1], [0, -inf]])


def test_predictions_of_no_classes_are_not_compared():
    none = np.zeros((4, 0))
    assert codes(X4, none, y_pred=none) == codes(X4, none, logits=none) == ["not-compared"]


def test_a_class_for_each_place_is_not_compared():
    logits = np.random.default_rng(0).random((4, 2, 3))
    assert codes(X4, [[0, 2], [1, 2], [0, 1], [2, 2]], logits=logits) == ["not-compared"]


def test_predictions_for_other_rows_than_the_labels_have_no_loss():
    for p in ([0.5] * 4, [[0.25, 0.25, 0.5]] * 4):
        assert codes(X4, [0, 1, 1], y_pred=p) == ["length"]


def test_of_one_row_every_shape_fits():
    assert codes(X4[:1], [1], y_pred=[[0.5]]) == codes(X4[:1], [1], logits=[[0.5]]) == []


def test_a_row_that_is_not_finite_is_of_no_wrong_sum():
    p = [[0.5, 0.5], [inf, 0.0], [0.5, 0.75], [0.5, nan]]
    assert found("probability-sum", X4, y_pred=p) == of_y("probability-sum", "warning", 1, 4, 2, "y_pred")
    assert found("prediction-nan", X4, y_pred=p) == of_y("prediction-nan", "error", 2, 4, 1, "y_pred")


def test_certain_is_told_where_no_labels_are():
    assert codes(X4, y_pred=[0, 1, 0.5, 1]) == ["certain"] and codes(X4, [0, 1, 1, 1], y_pred=[0, 1, 0.5, 1]) == []


# ---- answers of parts ----------------------------------------------------------------------------------


def data(rows=45):
    rng = np.random.default_rng(1)
    x = rng.integers(-50, 50, (rows, 6)).astype(float)
    x[:, 3:5] = 2**24 + rng.integers(0, 30, (rows, 2))
    x[::7] = x[3::14, :3] = x[4::14, 3:] = nan
    x[5, 1], x[9, 2], x[33, 5] = inf, -inf, 0.5
    x[[8, 20, 44], 0], x[[4, 41], 2] = -999, 9999
    return x


def answer(question, x, rows, columns):
    """What a question says of some rows and columns of a table."""
    asked = question.for_rows(*rows)
    here = np.arange(6)
    part = accept(x[slice(*rows), slice(*columns)])
    for chunk in chunks([(part, (rows[0], columns[0]))], here, here):
        asked.take(chunk)
    return asked


def joined(answers, axis):
    first, *others = answers
    for other in others:
        first.join(pickle.loads(pickle.dumps(other)), axis)
    return first


QUESTIONS = {
    "occurrences": (lambda x: Occurrences([0, 2, 5], np.isnan), lambda q: [q.count.tolist(), q.first.tolist()]),
    "sentinels": (lambda x: Sentinels([0, 1, 2], _causes_data._known),
                  lambda q: [q.others.tolist(), q.low.tolist(), q.high.tolist(), q.found]),
    "lost digits": (lambda x: LostDigits([0, 3, 4, 5], 24, inf), lambda q: [
        q.whole.tolist(), q.count.tolist(), q.first.tolist(), q.more.tolist(), [q.merged(i) for i in range(4)]]),
    "empty rows": (lambda x: EmptyRows(6, len(x)), lambda q: [q.count, q.first]),
    "places": (lambda x: Places(range(6), BadMap(6), np.arange(6)), lambda q: [
        q._map.counts.tolist(), q._map.shape, q._map.rows_per_bin]),
}


@pytest.mark.parametrize("rows", [45, 300])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("cuts", [((45,), (6,)), ((13, 16, 45), (6,)), ((45,), (1, 4, 6)), ((3, 21, 45), (2, 3, 6))])
@pytest.mark.parametrize("name", QUESTIONS)
def test_answers_of_parts_are_joined_to_that_of_the_whole(name, cuts, order, rows):
    make, told = QUESTIONS[name]
    x = data(rows)
    down, across = (list(itertools.pairwise([0, *cut])) for cut in ((*cuts[0][:-1], rows), cuts[1]))
    whole = told(answer(make(x), x, (0, rows), (0, 6)))
    parts = (joined((answer(make(x), x, lines, columns) for columns in across), 1) for lines in down[::order])
    question = make(x)
    question.join(joined(parts, 0), 0)
    assert told(question) == whole
    if name == "empty rows":
        assert whole == [-(-rows // 7), 0] and told(answer(make(x), x, (1, rows), (0, 6))) == [whole[0] - 1, 7]


def test_the_answers_are_those_by_definition():
    x = data()
    empty = np.iinfo(np.int64).max
    assert QUESTIONS["occurrences"][1](answer(Occurrences([0, 2, 5], np.isinf), x, (0, 45), (0, 6))) == [
        [0, 1, 0], [empty, 9, empty]]
    question = answer(QUESTIONS["sentinels"][0](x), x, (0, 45), (0, 6))
    assert question.found == [{-999.0: (3, 8)}, {}, {9999.0: (2, 4)}]
    rest = x[:, 2][np.isfinite(x[:, 2]) & (x[:, 2] != 9999)]
    assert (question.others[2], question.low[2], question.high[2]) == (len(rest), rest.min(), rest.max())
    question = answer(QUESTIONS["lost digits"][0](x), x, (0, 45), (0, 6))
    odd = np.nan_to_num(x) % 2 == 1
    assert question.whole.tolist() == [True, True, True, False]
    assert question.count[1:3].tolist() == odd[:, 3:5].sum(axis=0).tolist()
    assert question.first[1:3].tolist() == odd[:, 3:5].argmax(axis=0).tolist()
    assert question.merged(1) == merged(np.unique(x[np.isfinite(x[:, 3]), 3]))


def test_the_earliest_row_is_the_first_in_whatever_order_rows_come():
    x = np.full((6, 1), -999.0)
    question = Sentinels([0], _causes_data._known)
    first = np.arange(1)
    for row in (4, 0, 2):
        for chunk in chunks([(accept(x[row : row + 2]), (row, 0))], first, first):
            question.take(chunk)
    assert question.found == [{-999.0: (6, 0)}]
    rows = Rows()
    for start, bad in ((10, [False, True]), (4, [False, False, True]), (0, [False]), (20, [True])):
        rows.add(np.array(bad), start)
    assert (rows.count, rows.first, rows.total, rows.share) == (3, 6, 7, 3 / 7)


def test_more_integers_than_are_kept_are_seen_by_parts_together(monkeypatch):
    monkeypatch.setattr(_second_look, "_MOST_DIFFERENT", 1)
    first = np.arange(1)

    def kept(*numbers):
        answers, row = [], 0
        for start, stop in numbers:
            part = accept(np.arange(start, stop)[:, None])
            question = LostDigits([0], 24, inf)
            for chunk in chunks([(part, (row, 0))], first, first):
                question.take(chunk)
            answers.append(question)
        return bool(joined(answers, 0).more[0])

    low = 2**24
    assert not kept((low, low + 500), (low + 500, low + 1024)) and kept((low, low + 500), (low + 500, low + 1025))
    assert kept((low, low + 5), (low, low + 1025)) and kept((low, low + 1025), (low, low + 5))


LABELS = {
    "classes": (np.r_[np.arange(40) % 5 - 1, 7, 8, 9], 4),
    "fractions": (np.r_[np.arange(40), 0.5, nan, 3.25, -1e30], None),
    "many": (np.arange(1500) * 2, None),
    "none": (np.full(30, nan), 3),
    "one-hot": (np.vstack([np.eye(3)[np.arange(30) % 3], [[1, 1, 0], [nan, 0, 1], [0, 2, 0], [0, 0, 0], [0.4, 0, 0]]]),
                3),
}
ROWS = ("present", "nan", "outside", "fraction", "beyond", "inside", "off", "several")


def facts_of(labels):
    return [labels.shape, labels.many, labels.values.tolist(), labels.beyond_values.tolist(), labels.largest,
            *((name, rows.count, rows.first, rows.total) for name in ROWS for rows in [getattr(labels, name)])]


@pytest.mark.parametrize("cuts", [(), (1,), (7, 31), (10, 10, 33)])
@pytest.mark.parametrize("name", LABELS)
def test_facts_of_labels_are_joined_to_those_of_the_whole(name, cuts):
    y, classes = LABELS[name]
    first, *others = (labels_of(y[i:j], classes) for i, j in itertools.pairwise([0, *cuts, len(y)]))
    for other in others:
        first.join(other)
    assert facts_of(first) == facts_of(labels_of(y, classes))


@pytest.mark.parametrize(("rows", "cut"), [(100, 30), (1000, 100), (1000, 900), (5 * MOST_ROWS, MOST_ROWS)])
def test_maps_of_parts_are_joined_to_that_of_the_whole(rows, cut):
    bad = np.random.default_rng(0).random((rows, 5)) < 0.1

    def filled(first, last, columns):
        part = BadMap(5)
        for start, stop in part.split(first, last):
            part.add(bad[start:stop, columns].sum(axis=0), start, columns)
        return part

    every = np.arange(5)
    whole = filled(0, rows, every)
    for parts in ([(0, cut, every), (cut, rows, every)], [(0, rows, every[:2]), (0, rows, every[2:])]):
        for order in (parts, parts[::-1]):
            found = BadMap(5)
            for part in order:
                found.join(pickle.loads(pickle.dumps(filled(*part))))
            assert found.counts.tolist() == whole.counts.tolist()
            assert (found.shape, found.rows_per_bin) == (whole.shape, whole.rows_per_bin)


def test_a_map_travels_with_its_filled_bins_alone():
    part = BadMap(3, ["a", "b", "c"], depth=2)
    part.reach(300)
    part.add(np.array([4]), 17, np.array([1]))
    assert part.__getstate__()["_grid"][1].shape == (1, 3)
    again = pickle.loads(pickle.dumps(part))
    assert again.counts.tolist() == part.counts.tolist() and again.counts.shape == (75, 3)
    assert (again.names, again.depth, again.rows_per_bin, again.shape) == (["a", "b", "c"], 2, 4, (300, 3))


# ---- the page ------------------------------------------------------------------------------------------


def test_a_group_is_of_one_cause_one_input_and_one_severity():
    p = [0.5, nan, 0.5, 0.5]
    diagnosis = ff.diagnose(X4, Y4, y_pred=p, logits=p)
    assert [group[0].where for group in diagnosis.groups() if group[0].code == "prediction-nan"] == ["y_pred", "logits"]
    x = np.array([[2**24 + 1, 2**24 + 1], [2**24, 3], [5, 7]])
    groups = [[facts(cause)[1:4] for cause in group] for group in ff.diagnose(x).groups()]
    assert [("warning", "X", 0)] in groups and [("note", "X", 1)] in groups


def test_saturation_is_of_probabilities_and_logits_and_of_no_regression():
    assert ff.diagnose(X4, Y4, y_pred=[0.5, 0.25, 0.75, 0.5]).saturation.counts.sum() == 4
    assert ff.diagnose(X4, Y4, logits=[0.5, 2, 3, 4]).saturation.label == "logit"
    assert ff.diagnose(X4, [1.5, 3, -2, 8], y_pred=[0.5, 3, -1, 8]).saturation is None
    assert ff.diagnose(X4, Y4).saturation is None


def test_the_table_in_a_notebook_is_under_its_heading():
    diagnosis = ff.diagnose(np.array([[nan, 1], [2, 3]]), columns=["<b>", "c"])
    html = diagnosis._repr_html_()
    assert f"<caption>{diagnosis.heading()}</caption>" in html and html.count("<tr>") == html.count("</tr>") == 3
    assert re.findall("<t[dh]>(.*?)</t[dh]>", html)[:8] == [
        "severity", "cause", "what", "why", "remedy", "error", "nan",
        "X column 0 (&#x27;&lt;b&gt;&#x27;): 1 of 2 values are nan; the first in row 0"]


def test_lines_name_eight_columns():
    assert "8 columns: 0, 1, 2, 3, 4, 5, 6, 7; in" in str(ff.diagnose(np.ones((3, 8))))
    assert "9 columns: 0, 1, 2, 3, 4, 5, 6, 7 and 1 more; in" in str(ff.diagnose(np.ones((3, 9))))


def page_of(capsys, *arguments):
    """What the command writes into a page, without what it prints."""
    code = main([*arguments, "--html", "p.html"])
    capsys.readouterr()
    return code, Path("p.html").read_text(encoding="utf-8")


@pytest.fixture
def without_pictures(monkeypatch):
    """Drawing takes most of the time."""
    monkeypatch.setattr(_report_page._pictures, "as_svg", lambda figure: "<svg/>")
    monkeypatch.setattr(_report_page._pictures, "figure_of", lambda *arguments, **options: None)


@pytest.mark.usefixtures("without_pictures")
def test_the_page_says_clean_findings_or_failed(capsys):
    require("matplotlib")
    np.save("clean.npy", np.arange(3.0))
    np.save("bad.npy", np.array([1, nan, 3]))
    for command in ("check", "diagnose"):
        for name, code, state, colour in (("clean.npy", 0, "clean", "good"), ("bad.npy", 1, "findings", "bad"),
                                          ("none.npy", 2, "failed", "bad")):
            told, text = page_of(capsys, command, name)
            assert told == code and f'<p class="verdict {colour}"><b>{state}</b>' in text


@pytest.mark.usefixtures("without_pictures")
def test_the_page_names_the_first_overflow_and_the_array_of_a_picture(capsys):
    require("matplotlib")
    x = np.ones((4, 2))
    x[2, 1] = 70_000
    np.savez("x.npz", a=x, b=np.ones(2))
    _, text = page_of(capsys, "check", "x.npz", "--target-dtype", "float16")
    assert "<td>row 2, column 1</td>" in text
    assert re.findall('alt="(.*?)"', text) == ["x.npz: a"] * 2
    _, text = page_of(capsys, "diagnose", "x.npz", "--target-dtype", "float16")
    assert list(dict.fromkeys(re.findall('alt="(.*?)"', text))) == ["x.npz: a", "x.npz: b"]


@pytest.mark.usefixtures("without_pictures")
def test_under_the_causes_stands_what_was_looked_at_and_under_the_columns_how_many_more_there_are(capsys, monkeypatch):
    require("matplotlib")
    x = np.array([[nan, 1, 2], [2, 3, 4], [1, 2, 4]])
    np.save("x.npy", x)
    monkeypatch.setattr(_report_page, "MOST_ROWS", 2)
    _, text = page_of(capsys, "diagnose", "x.npy")
    notes = re.findall('<p class="note">(.*?)</p>', text)
    assert notes == [ff.diagnose(x).heading(), "... and 1 more column"] and _page.MOST_ROWS == 5000
    monkeypatch.setattr(_report_page, "MOST_ROWS", 3)
    assert "more column" not in page_of(capsys, "diagnose", "x.npy")[1]


# ---- files ---------------------------------------------------------------------------------------------


def test_the_label_is_told_among_the_columns_of_pictures():
    require("pyarrow")
    Path("t.csv").write_text("a,y,t\n1,0,x\n2,1,y\n", encoding="utf-8")
    samples, labels = samples_of_file(only_item("t.csv"), "y")
    assert samples.bad_map.names == ["a", "y (labels)", "t (not scanned)"] and labels.values.tolist() == [0, 1]
    assert samples.positions.tolist() == [0] and list(samples.stats.names) == ["a"]
    assert ff.diagnose("t.csv").heading() == "Diagnosis of X (2 x 3) for float32: nothing found, 1 column not scanned"
    samples, labels = samples_of_file(only_item("t.csv"))
    assert samples.bad_map.names == ["a", "y", "t (not scanned)"] and labels is None


def test_labels_that_cannot_be_read_are_told_by_their_file(capsys):
    np.save("x.npy", X4)
    np.save("y.npy", 3.0)
    assert main(["diagnose", "x.npy", "y.npy"]) == 2
    assert capsys.readouterr().err == "fastfinite: y.npy: it must have rows, and is a single number\n"


def test_a_target_of_two_columns_is_refused(capsys):
    require("pyarrow")
    table = require("pyarrow").table([[1.0, 2], [0, 1], [1, 0]], ["a", "y", "y"])
    require("pyarrow.parquet").write_table(table, "t.parquet")
    assert main(["diagnose", "t.parquet", "--target", "y"]) == 2
    assert capsys.readouterr().err == "fastfinite: t.parquet: not scanned: 2 of its columns are called 'y'\n"


def test_twenty_columns_are_listed_of_a_table_that_has_not_the_one_asked_for(capsys):
    require("pyarrow")
    for number, end in ((20, "'c19'\n"), (21, "'c19', ...\n")):
        names = [f"c{i}" for i in range(number)]
        Path("t.csv").write_text(f"{','.join(names)}\n{','.join('1' * number)}\n", encoding="utf-8")
        assert main(["diagnose", "t.csv", "--target", "y"]) == 2
        assert capsys.readouterr().err.endswith(end)


def test_the_bar_is_told_of_every_block_of_both_passes_and_hidden_before_a_line(monkeypatch, capsys):
    steps, ahead = [], []
    monkeypatch.setattr(_files, "MAPPED_BLOCK", 800)
    monkeypatch.setattr(_progress.ProgressBar, "expect", lambda bar, more: ahead.append(more))
    monkeypatch.setattr(_progress.ProgressBar, "at", lambda bar, done: steps.append(done))
    monkeypatch.setattr(_progress.ProgressBar, "hide", lambda bar: steps.append("hidden"))
    np.save("x.npy", np.where(np.arange(500) == 9, nan, np.arange(500.0)))
    main(["diagnose", "x.npy"])
    size = Path("x.npy").stat().st_size
    blocks = [800 * (1 + i) for i in range(5)]
    ends = [[0, *blocks, "hidden"], [size, *(size + block for block in blocks), "hidden"], ["hidden"]]
    assert steps == [*ends[0], *ends[1], *ends[2]] and ahead == [2 * size]
    capsys.readouterr()


# ---- maps ----------------------------------------------------------------------------------------------


def test_a_cell_of_more_bad_values_than_places_is_full():
    lists = BadMap(2)
    for start, _ in lists.split(0, 4):
        lists.add(np.array([3, 1]), start, np.arange(2))
    assert lines_of(lists, 72, 10)[0] == "0 │██│"


def test_on_the_widest_terminal_a_map_has_72_characters_and_10_lines(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for rows, columns, lines, wide in ((10, 68, 10, 72), (11, 68, 6, 39), (10, 69, 10, 39)):
        found = BadMap(columns)
        found.reach(rows)
        found.add(np.array([1]), 0, np.arange(1))
        drawn = lines_on_stdout(found)
        assert (len(drawn) - 2, len(drawn[0])) == (lines, wide)


def test_the_longest_legend_that_fits_stands_below():
    legends = ("one cell: 14 rows x 1 column; ░ some bad, █ all", "one cell: 14 rows x 1 column", "cell: 14 x 1", "")
    tall = BadMap(16)
    tall.reach(129)
    tall.add(np.array([1]), 0, np.arange(1))
    for width in range(22, 72):
        lines = lines_of(tall, width, 10)
        assert lines[-1] == ("     " + next(text for text in legends if 5 + len(text) <= width)).rstrip()


def test_lines_begin_with_as_many_digits_as_the_last_row_has():
    for rows, line in ((10, "0 │██│"), (11, " 0 │▒▒│"), (100, " 0 │░░│"), (101, "  0 │░░│")):
        tall = BadMap(2)
        tall.reach(rows)
        tall.add(np.array([1, 1]), 0, np.arange(2))
        assert lines_of(tall, 72, 10)[0] == line


def test_a_cell_stands_for_no_more_rows_than_there_are():
    for rows in (129, 130):
        tall = BadMap(2)
        tall.reach(rows)
        tall.add(np.array([1]), 0, np.array([0]))
        assert lines_of(tall, 72, 1)[-1].strip().startswith(f"one cell: {rows} rows x 1 column;")


def test_dates_are_bad_where_they_are_missing_whatever_format_is_meant():
    pyarrow = require("pyarrow")
    dates = pyarrow.array([10**15, None, 10**15, 3], pyarrow.timestamp("us"))
    require("pyarrow.parquet").write_table(pyarrow.table({"d": dates, "x": [1.0, 1e6, 2, nan]}), "t.parquet")
    (source,), _ = _files.find(["t.parquet"])
    (table,) = _files.arrays_of(source)
    found = TableMap(table, _formats.of_name("float16", "target_dtype"), False)
    list(_scan_files.scan_table(table, target_dtype=found._target, look_again=found.add))
    assert found.joined(4).counts.tolist() == [[0, 0], [1, 1], [0, 0], [0, 1]]


def test_json_of_a_diagnosis_says_what_was_given(capsys):
    np.save("x.npy", X4)
    np.save("y.npy", Y4)
    assert main(["diagnose", "x.npy", "y.npy", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["diagnoses"]
    assert told == {"file": "x.npy", "name": None, **ff.diagnose(X4, Y4).to_dict()} and told["given"] == ["X", "y"]
