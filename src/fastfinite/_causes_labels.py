"""Causes in labels, probabilities and logits, and the rows in which they make a loss NaN or inf."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastfinite import _formats
from fastfinite._accepted import Array
from fastfinite._causes_data import exp_limit, overflow_limit
from fastfinite._diagnosis import Cause
from fastfinite._labels import SUM_TOLERANCE, Labels, Rows
from fastfinite._report import plural
from fastfinite._saturation import margins, saturation_edge
from fastfinite._second_look import as_floats

# From this share of saturated logits on, it is a warning.
_SATURATED = 0.01


def rows_cause(
    code: str, severity: str, where: str, bad: Array | Rows, what: str, why: str, remedy: str
) -> Cause:
    """A cause in rows of an input; `bad` says in which."""
    rows = bad if isinstance(bad, Rows) else Rows(bad)
    what = f"{plural(rows.count, 'row')} {what}; the first is row {rows.first}"
    return Cause(code, severity, where, what, why, remedy, count=rows.count, share=rows.share, first=rows.first)


# From this share of rows with several labels on, labels of many columns are not one-hot, but several at once.
_MULTI_LABEL = 0.05
# From this share of rows with values in [0, 1] on, labels of many columns are of classes.
_ONE_HOT = 0.9


def flat(values: Array) -> Array:
    """A single column as one axis."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def number(value: Any) -> str:
    """A label in few characters, whole ones in full."""
    return str(int(value)) if value == math.floor(value) and abs(value) < 1e15 else f"{value:g}"


def is_regression(y: Array, p: Array) -> bool:
    """Whether labels and predictions are of a regression: one of them beyond [0, 1], and many labels with fractions."""
    y, p = flat(y), flat(p)
    if y.shape != p.shape or y.dtype.kind not in "iuf":
        return False
    beyond = [((values < 0) | (values > 1)).any() for values in (y, p)]
    labels = np.unique(y[np.isfinite(y.astype(np.float64))])
    if len(labels) <= 2:
        return False
    fractions = len(labels) > 10 and bool((labels != np.floor(labels)).any())
    return bool(all(beyond)) or (fractions and any(beyond))


def classes_of(given: Array | None) -> int | None:
    """How many classes predictions are of; None where they are of two, or where there are none."""
    return given.shape[1] if given is not None and given.ndim == 2 and given.shape[1] != 1 else None


def causes_in_labels(
    y: Labels, rows: int, target: _formats.Format, given: Array | None = None, regression: bool = False
) -> Iterator[Cause]:
    """Causes in labels; `given` are the predictions, of which the shape says what the task is."""
    labels = y.shape[0]
    if labels != rows:
        yield Cause("length", "error", "y", f"{plural(labels, 'label')} for {plural(rows, 'row')} of X",
                    "samples and labels are paired wrongly, or broadcasting pairs each with every other",
                    "keep X and y together when rows are dropped or shuffled", count=abs(labels - rows))
    if not y.are_numbers:
        yield Cause("text-labels", "error", "y", f"the dtype of the labels is {y.label}: they are no numbers",
                    "losses take numbers", "encode them, for example with sklearn.preprocessing.LabelEncoder",
                    count=math.prod(y.shape), share=1.0, first=0)
        return
    if y.nan:
        yield rows_cause("label-nan", "error", "y", y.nan, "of labels that are NaN or inf",
                         "one NaN label makes the mean loss NaN", "drop these rows, or give them weight 0")
    limit, _ = overflow_limit(target)
    if y.largest >= limit:
        yield Cause("label-overflow", "error", "y", f"labels of magnitude {y.largest:.6g}, beyond {limit:.6g}",
                    f"cast to {target.name} they are inf, and so is the loss",
                    "scale the targets, for example to zero mean and unit variance", share=1 / max(labels, 1))
    if given is not None and not _pair(y.shape, given.shape):
        yield Cause("label-shape", "error", "y", f"shape {y.shape} against predictions of shape {given.shape}",
                    "they are no pairs: the loss fails, or broadcasts each against every other",
                    "predict one value a row, or one for each class of the labels", count=labels, share=1.0)
        return
    column = given is not None and given.ndim == 2 and given.shape[1] == 1
    if len(y.shape) == 2 and y.shape[1] == 1 and not column:
        yield Cause("label-shape", "warning", "y", f"shape {y.shape} where losses expect ({labels},)",
                    "against predictions of shape (n,) it broadcasts to n x n: each label meets every prediction",
                    "np.ravel(y)", count=labels, share=1.0)
    if len(y.shape) == 1 and labels > 1 and column:
        yield Cause("label-shape", "warning", "y", f"shape {y.shape} against predictions of a column, ({labels}, 1)",
                    "they broadcast to n x n: each label meets every prediction",
                    "ravel the predictions (logits.ravel(), logits.squeeze(1) of a tensor)", count=labels, share=1.0)
    if not y.present:
        return
    if y.is_single:
        yield from _classes(y, given is not None and y.classes is None, regression)
    elif len(y.shape) == 2 and not regression:
        yield from _one_hot(y)


def _pair(labels: tuple[int, ...], given: tuple[int, ...]) -> bool:
    """Whether labels and predictions of these shapes may be of the same rows."""
    labels, given = (shape[:1] if math.prod(shape[1:]) == 1 else shape for shape in (labels, given))
    # Of more axes, classes may be anywhere.
    return len(labels) == 1 or len(given) > 2 or labels[1:] == given[1:]


def _by_row(bad: Array) -> Array:
    return np.asarray(bad.any(axis=tuple(range(1, bad.ndim))))


def _classes(y: Labels, probabilities: bool, regression: bool) -> Iterator[Cause]:
    values, classes = y.values, y.classes
    shown = "{" + ", ".join(number(value) for value in values[:6]) + (", ..." if len(values) > 6 else "") + "}"
    if len(values) == 1 and y.present.total > 1:
        yield Cause("one-class", "warning", "y", f"every label is {number(values[0])}",
                    "there is nothing to tell apart: accuracy is 1 or 0 whatever is learned, ROC AUC is NaN",
                    "look at how the data were split or filtered", **_counted(y.present))
    if regression:
        return
    # Two classes of more are no matter of a binary loss, nor are two targets of a regression.
    two = len(values) == 2 and classes is None and not y.fraction
    if two and y.outside:
        yield Cause("binary-labels", "error", "y", f"labels are {shown}, not {{0, 1}}",
                    "a binary cross-entropy is unbounded below there, and accuracy against {0, 1} is 0",
                    f"(y == {number(values[-1])}).astype(int)", **_counted(y.outside))
    elif probabilities and y.outside:
        yield rows_cause("label-range", "error", "y", y.outside, "of labels outside [0, 1]",
                         "a binary cross-entropy is unbounded below there", "scale or threshold the labels")
    if two or probabilities:
        return
    if classes is None:
        if not y.fraction and values.tolist() == [-1, 0, 1]:
            yield Cause("binary-labels", "note", "y", "labels are {-1, 0, 1}",
                        "if -1 means 'unknown': a binary loss takes it as a label, and is unbounded below",
                        "give these rows weight 0, or leave them out", **_counted(y.outside))
        if not y.fraction and values[0] == 1 and _are_classes(y):
            yield Cause("classes-from-one", "note", "y", f"labels are {shown}",
                        "if they are classes: cross-entropies count from 0, and the last one does not exist for them",
                        "y - 1", **_counted(y.present))
    elif y.fraction:
        yield rows_cause("class-fraction", "error", "y", y.fraction, "of classes that are no whole numbers",
                         "a class is an index", "encode the classes from 0 on")
    elif _are_ignored(y, classes):
        yield rows_cause("ignored-class", "note", "y", y.beyond, f"labelled {number(y.beyond_values[0])}",
                         "losses that are told to ignore this label leave the rows out; others read beyond the row",
                         "pass it as ignore_index where the loss has it, or give these rows weight 0")
    elif y.beyond:
        yield rows_cause("class-range", "error", "y", y.beyond,
                         f"of classes outside 0 to {classes - 1}, for which there are {classes} columns",
                         "the loss reads beyond the row: an error, NaN, or a crash on a device",
                         "y - 1" if _are_classes(y) and values[0] == 1 else
                         "encode the classes from 0 on, or widen the last layer")


def _are_ignored(y: Labels, classes: int) -> bool:
    """Whether the labels beyond the classes are those that losses are told to leave out."""
    # Where -1 occurs and the last class does not, they are more likely to be counted from -1.
    return len(y.beyond_values) == 1 and bool(
        y.beyond_values[0] == -100 or (y.beyond_values[0] == -1 and y.values[-1] == classes - 1))


def _counted(rows: Rows) -> dict[str, Any]:
    return {"count": rows.count, "share": rows.share, "first": rows.first}


def _are_classes(y: Labels) -> bool:
    """Whether whole numbers look like classes: few, and without gaps."""
    few = not y.many and 1 < len(y.values) <= max(2.0, math.sqrt(y.present.total))
    return bool(few and y.values[-1] - y.values[0] == len(y.values) - 1)


def _one_hot(y: Labels) -> Iterator[Cause]:
    if y.inside.share < _ONE_HOT:       # several targets, not classes
        return
    # Where many rows have several labels, or most are off, they may be true at once.
    if y.off and y.off.share < 0.5 and y.several.share < _MULTI_LABEL:
        yield rows_cause("one-hot", "error", "y", y.off, "of one-hot labels that do not sum to 1",
                         "a cross-entropy weighs these rows wrongly, and a row of zeros not at all",
                         "encode them again; fastfinite.cross_entropy takes classes as they are")


def causes_in_probabilities(
    p: Array, y: Array | None, target: _formats.Format, regression: bool = False
) -> Iterator[Cause]:
    """Causes in predicted probabilities, or in the predictions of a regression."""
    values = p.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        yield rows_cause("prediction-nan", "error", "y_pred", _by_row(bad), "of predictions that are NaN or inf",
                         "the loss of these rows is NaN, and their accuracy 0",
                         "look for the NaN in the data and the parameters (fastfinite.check_parameters)")
    if regression:
        if y is not None and _are_whole(values) and _are_whole(y):
            yield Cause("predicted-classes", "note", "y_pred",
                        "every prediction is a whole number, and so is every label",
                        "classes have an accuracy, but no cross-entropy: nothing else was looked at",
                        "pass probabilities (predict_proba) or logits=", count=len(values), share=1.0)
        return
    outside = ~bad & ((values < 0) | (values > 1))
    if outside.any():
        yield rows_cause("probability-range", "error", "y_pred", _by_row(outside),
                         "of predictions outside [0, 1]", "the log of a negative number is NaN",
                         "if these are logits, pass them as logits=, and use a loss of logits")
    elif values.ndim == 2 and values.shape[1] > 1 and not _multi_label(y, values):
        off = ~bad.any(axis=1) & (np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE)
        if off.any():
            yield rows_cause("probability-sum", "warning", "y_pred", off, "of probabilities that do not sum to 1",
                             "they are no distribution: the cross-entropy has no lower bound of 0",
                             "fastfinite.softmax of the logits")
    yield from _certain(flat(rounded(values, target)), None if y is None else flat(y))


def _are_whole(values: Array) -> bool:
    present = values[np.isfinite(values)]
    return bool((present == np.floor(present)).all())


def rounded(p: Array, target: _formats.Format) -> Array:
    """Probabilities, those that are 0 or 1 in a format rounded to it."""
    return np.where(np.abs(p) <= target.value(1) / 2, 0, np.where(np.abs(1 - p) <= 2.0 ** -(target.mantissa + 2), 1, p))


def _multi_label(y: Array | None, p: Array) -> bool:
    """Whether labels of the shape of the predictions are not one of each row."""
    if y is None or y.shape != p.shape or y.dtype.kind not in "biuf":
        return False
    off = np.abs(y.astype(np.float64).sum(axis=1) - 1) > SUM_TOLERANCE
    return bool(off.mean() >= _MULTI_LABEL) if len(off) else False


def _certain(p: Array, y: Array | None) -> Iterator[Cause]:
    remedy = "use the loss of logits (fastfinite.binary_cross_entropy_with_logits), or a floor"
    if y is not None and y.dtype.kind not in "biuf":
        return
    if p.ndim == 2 and y is not None and y.ndim == 1 and len(y) == len(p):
        classes = y.astype(np.float64)
        rows = np.flatnonzero((classes >= 0) & (classes < p.shape[1]) & (classes == np.floor(classes)))
        wrong = np.zeros(len(p), np.bool_)
        wrong[rows] = p[rows, classes[rows].astype(np.intp)] == 0
        remedy = "use the loss of logits (fastfinite.cross_entropy)"
    elif p.ndim in (1, 2) and y is not None and y.shape == p.shape:
        wrong = ((p == 0) & (y > 0)) | ((p == 1) & (y < 1))
        if p.ndim == 2:
            one_of_many = not _multi_label(y, p)
            wrong = (((p == 0) & (y > 0)) if one_of_many else wrong).any(axis=1)
            remedy = "use the loss of logits (fastfinite.cross_entropy)" if one_of_many else remedy
    else:
        certain = (p == 0) | (p == 1)
        if p.ndim == 1 and y is None and certain.any():
            yield rows_cause("certain", "note", "y_pred", certain, "of probabilities of exactly 0 or 1",
                             "with the other label, the loss is the log of 0: inf",
                             "fastfinite.binary_cross_entropy floors it; of logits there is nothing to floor")
        return
    if wrong.any():
        yield rows_cause("log-of-zero", "error", "y_pred", wrong, "certain and wrong: probability 0 for the true label",
                         "log(0) is -inf, so the mean loss is inf, and NaN after the backward pass", remedy)


def causes_in_logits(logits: Array, target: _formats.Format) -> Iterator[Cause]:
    """Causes in logits."""
    values = logits.astype(np.float64)
    bad = ~np.isfinite(values)
    harmful = _by_row(np.isnan(values))
    if values.ndim == 2 and values.shape[1] > 1:        # -inf masks a class; one of them has to be left
        harmful |= (values == np.inf).any(axis=1) | (values == -np.inf).all(axis=1)
    if harmful.any():
        yield rows_cause("prediction-nan", "error", "logits", harmful, "of logits that are NaN, or inf among others",
                         "the loss of these rows is NaN or inf, and their accuracy 0",
                         "look for the NaN in the data and the parameters (fastfinite.check_parameters)")
    finite = values[~bad]
    if finite.size == 0:
        return
    if finite.size > 1 and finite.min() == finite.max():
        yield Cause("equal-logits", "warning", "logits", f"every logit is {finite[0]:g}",
                    "the model says the same of every sample: a dead layer, or weights that are all equal",
                    "look at the initialization and the learning rate", count=finite.size,
                    share=finite.size / values.size, first=int(np.argmax(_by_row(~bad))))
    edge = exp_limit(target)
    over = _by_row(np.where(bad, 0, values) > edge)
    if over.any():
        yield rows_cause("exp-overflow", "warning", "logits", over, f"of logits above {edge:.3g}",
                         f"exp of them is inf in {target.name}: a softmax or sigmoid that is written out gives NaN",
                         "fastfinite.softmax, sigmoid, cross_entropy and the losses of logits do not overflow")
    yield from _saturated(values, target)


def _saturated(values: Array, target: _formats.Format) -> Iterator[Cause]:
    if values.ndim > 2:
        return
    edge = saturation_edge(target)
    beyond = np.abs(margins(values)) > edge
    share = float(beyond.mean()) if len(beyond) else 0.0
    if share >= _SATURATED:
        yield rows_cause("saturated", "warning", "logits", beyond,
                         f"({share:.0%}) saturated: {edge:.3g} or more from undecided",
                         f"the gradient there is below the epsilon of {target.name}: these samples teach nothing",
                         "lower the learning rate or the scale of the inputs, and clip gradients")


def causes_in_loss(
    y: Array, p: Array | None, logits: Array | None, target: _formats.Format, regression: bool = False
) -> Iterator[Cause]:
    """The rows of which the loss is NaN or inf, and by which term."""
    where, values = ("y_pred", p) if logits is None else ("logits", logits)
    if values is None or y.dtype.kind not in "biuf":
        return
    labels, scores = as_floats(flat(y)), as_floats(flat(values))
    if logits is None and not regression:
        scores = rounded(scores, target)
    if labels.shape == scores.shape and labels.ndim == 1:
        terms = _terms_of_one(labels, scores, None if regression else where)
        if regression:
            limit = math.sqrt(min(overflow_limit(target)[0], sys.float_info.max))
            terms.append(("the square of the error overflows", np.isfinite(scores) & (np.abs(scores - labels) > limit)))
        if logits is not None:
            yield from _wrong_logits(labels, scores, target)
    elif scores.ndim == 2 and labels.shape in (scores.shape, scores.shape[:1]) and not _multi_label(y, scores):
        terms = _terms_of_many(labels, scores, where)
        if logits is not None:
            yield from _wrong_margins(labels, scores, target)
    else:
        return
    found = [(words, bad) for words, bad in terms if bad.any()]
    if found:
        every: Any = np.logical_or.reduce([bad for _, bad in found])
        by_term = "; ".join(f"{words} in {plural(int(bad.sum()), 'row')}" for words, bad in found)
        yield rows_cause("loss-not-finite", "error", where, every, f"of which the loss is NaN or inf ({by_term})",
                         "one of them makes the mean loss NaN or inf, and every weight after one step",
                         "mend the rows that it names: the causes of these are above")


_WRITTEN_OUT = ("written out, the loss is the log of 0, inf; a loss of logits is finite there",
                "use a loss of logits (fastfinite.binary_cross_entropy_with_logits, fastfinite.cross_entropy)")


def _wrong_logits(labels: Array, z: Array, target: _formats.Format) -> Iterator[Cause]:
    """Logits that are so sure of the wrong label that its probability is 0 in a format."""
    with np.errstate(all="ignore"):
        # 1 / (1 + exp(-z)) is 0 where exp overflows, and 1 where exp is half a unit in the last place.
        wrong = ((labels > 0) & (z < -exp_limit(target))) | ((labels < 1) & (z > (target.mantissa + 1) * math.log(2)))
        wrong &= np.isfinite(z)
    if wrong.any():
        yield rows_cause("log-of-zero", "warning", "logits", wrong,
                         f"certain and wrong: a sigmoid of the wrong label, rounded to 0 or 1 in {target.name}",
                         *_WRITTEN_OUT)
    infinite = np.isinf(z)
    if infinite.any():
        yield rows_cause("infinite-logit", "warning", "logits", infinite, "of infinite logits",
                         "the usual loss of logits, max(z, 0) - z * y + log1p(exp(-|z|)), is inf - inf there, NaN",
                         "clip them; fastfinite.binary_cross_entropy_with_logits takes them as they are")


def _wrong_margins(labels: Array, z: Array, target: _formats.Format) -> Iterator[Cause]:
    """The same of many classes: the softmax of the true one is 0."""
    true = _true_class(labels, z.shape)
    with np.errstate(all="ignore"):
        least = np.where(true & np.isfinite(z), z, np.inf).min(axis=1, initial=np.inf)
        margin = np.where(np.isfinite(z), z, -np.inf).max(axis=1, initial=-np.inf) - least
        wrong = np.isfinite(margin) & (margin > math.log(2) - math.log(target.value(1)))
    if wrong.any():
        yield rows_cause("log-of-zero", "warning", "logits", wrong,
                         f"certain and wrong: the softmax of the true class is 0 in {target.name}", *_WRITTEN_OUT)


def _terms_of_one(labels: Array, scores: Array, where: str | None) -> list[tuple[str, Array]]:
    """Of one prediction a row, where it is a probability or a logit."""
    terms: list[tuple[str, Array]] = [
        ("the label is NaN", np.isnan(labels)), ("the prediction is NaN", np.isnan(scores))]
    if where == "y_pred":
        terms += [
            ("y * log(p) with p = 0", (scores == 0) & (labels > 0)),
            ("(1 - y) * log(1 - p) with p = 1", (scores == 1) & (labels < 1)),
            ("log of a negative number", (scores < 0) | (scores > 1)),
        ]
    elif where == "logits":
        terms += [
            ("a logit of +inf against a label below 1", (scores == np.inf) & (labels < 1)),
            ("a logit of -inf against a label above 0", (scores == -np.inf) & (labels > 0)),
        ]
    return terms


def _true_class(labels: Array, shape: tuple[int, ...]) -> Array:
    """Where the true class of each row is, given as a number or one-hot."""
    if labels.ndim > 1:
        return np.asarray(labels > 0)
    known = (labels >= 0) & (labels < shape[1]) & (labels == np.floor(labels))
    true = np.zeros(shape, np.bool_)
    true[np.flatnonzero(known), labels[known].astype(np.intp)] = True
    return true


def _terms_of_many(labels: Array, scores: Array, where: str) -> list[tuple[str, Array]]:
    """Of one of many classes a row, given as a number or one-hot."""
    true = _true_class(labels, scores.shape)
    terms = [("the label is NaN", _by_row(np.isnan(labels)))]
    if where == "y_pred":
        return [
            *terms, ("the probability of the true class is NaN", (true & np.isnan(scores)).any(axis=1)),
            ("log(p) with p = 0 for the true class", (true & (scores == 0)).any(axis=1)),
            ("log of a negative number", (true & (scores < 0)).any(axis=1)),
        ]
    none = (scores == -np.inf).all(axis=1)
    return [
        *terms, ("a logit is NaN", np.isnan(scores).any(axis=1)),
        ("a logit of +inf", (scores == np.inf).any(axis=1)), ("all logits are -inf", none),
        ("a logit of -inf for the true class", (true & (scores == -np.inf)).any(axis=1) & ~none),
    ]
