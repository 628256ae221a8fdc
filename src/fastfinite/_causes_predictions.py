"""Causes in predicted probabilities and logits, and the rows in which they make a loss NaN or inf."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastfinite import _formats
from fastfinite._accepted import Array, as_floats
from fastfinite._causes_labels import rows_cause
from fastfinite._diagnosis import Cause
from fastfinite._labels import SUM_TOLERANCE
from fastfinite._report import plural
from fastfinite._saturation import margins, saturation_edge
from fastfinite._task import Task, flat

# From this share of saturated logits on, it is a warning.
_SATURATED = 0.01


def _by_row(bad: Array) -> Array:
    """Rows with one that is bad."""
    return np.asarray(bad.any(axis=tuple(range(1, bad.ndim))))


def causes_in_probabilities(p: Array, y: Array | None, target: _formats.Format, task: Task) -> Iterator[Cause]:
    """Causes in predicted probabilities, or in the predictions of a regression."""
    values = p.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        yield rows_cause("prediction-nan", "error", "y_pred", _by_row(bad), "of predictions that are NaN or inf",
                         "the loss of these rows is NaN, and their accuracy 0",
                         "look for the NaN in the data and the parameters (fastfinite.check_parameters)")
    if task.kind == "regression":
        inside = y is not None and bool(((y >= 0) & (y <= 1)).all())
        outside = ~bad & ((values < 0) | (values > 1))
        if inside and outside.any():
            yield rows_cause("probability-range", "note", "y_pred", _by_row(outside),
                             "of predictions outside [0, 1], where all labels are inside",
                             "they are taken for a regression; of probabilities the log of a negative number is NaN",
                             "if these are logits, pass them as logits=, and use a loss of logits")
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
    elif task.kind == "many":
        off = ~bad.any(axis=1) & (np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE)
        if off.any():
            yield rows_cause("probability-sum", "warning", "y_pred", off, "of probabilities that do not sum to 1",
                             "they are no distribution: the cross-entropy has no lower bound of 0",
                             "fastfinite.softmax of the logits")
    if y is None and task.kind == "binary":
        p = flat(rounded(values, target))
        certain = (p == 0) | (p == 1)
        if certain.any():
            yield rows_cause("certain", "note", "y_pred", _by_row(certain), "of probabilities of exactly 0 or 1",
                             "with the other label, the loss is the log of 0: inf",
                             "fastfinite.binary_cross_entropy floors it; of logits there is nothing to floor")


def _are_whole(values: Array) -> bool:
    present = values[np.isfinite(values)]
    return bool((present == np.floor(present)).all())


def rounded(p: Array, target: _formats.Format) -> Array:
    """Probabilities, those that are 0 or 1 in a format rounded to it."""
    return np.where(np.abs(p) <= target.value(1) / 2, 0, np.where(np.abs(1 - p) <= 2.0 ** -(target.mantissa + 2), 1, p))


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
    edge = target.exp_limit()
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


# ---- the loss ------------------------------------------------------------------------------------------


class _Term(NamedTuple):
    """A term of a loss that is NaN or inf in some rows; `certain` where the prediction is sure of the wrong label."""

    words: str
    bad: Array
    certain: bool = False


def causes_in_loss(
    y: Array, y_pred: Array | None, logits: Array | None, target: _formats.Format, task: Task
) -> Iterator[Cause]:
    """The rows of which the loss is NaN or inf, and by which term."""
    where, values = ("y_pred", y_pred) if logits is None else ("logits", logits)
    if values is None or y.dtype.kind not in "biuf" or not task.pairs or len(y) != len(values):
        return
    labels, scores = as_floats(flat(y)), as_floats(flat(values))
    if task.kind == "unknown" or (labels.shape != scores.shape and task.kind != "many"):
        yield Cause("not-compared", "note", where,
                    f"labels of shape {y.shape} and predictions of shape {values.shape}: their loss was not looked at",
                    "which axis has the classes is not known",
                    "reshape them to rows of one prediction, or of one for each class")
        return
    if task.kind == "regression":
        terms = [*_missing(labels, scores), _Term("the prediction is inf", np.isinf(scores)),
                 _Term("the square of the error overflows", _too_far(labels, scores, target))]
    elif task.kind == "many":
        terms = _terms_of_many(labels, scores if logits is not None else rounded(scores, target), where)
    elif logits is None:
        terms = [*_missing(labels, scores), *_terms_of_probabilities(labels, rounded(scores, target))]
    else:
        terms = [*_missing(labels, scores), *_terms_of_logits(labels, scores)]
    terms = [term._replace(bad=_by_row(term.bad)) for term in terms if term.bad.any()]
    certain = [term.bad for term in terms if term.certain]
    if certain:
        with_logits = "cross_entropy" if task.kind == "many" else "binary_cross_entropy_with_logits"
        yield rows_cause("log-of-zero", "error", "y_pred", np.logical_or.reduce(certain),
                         "certain and wrong: probability 0 for the true label",
                         "log(0) is -inf, so the mean loss is inf, and NaN after the backward pass",
                         f"use the loss of logits (fastfinite.{with_logits}), or a floor")
    if terms:
        by_term = "; ".join(f"{term.words} in {plural(int(term.bad.sum()), 'row')}" for term in terms)
        yield rows_cause("loss-not-finite", "error", where, np.logical_or.reduce([term.bad for term in terms]),
                         f"of which the loss is NaN or inf ({by_term})",
                         "one of them makes the mean loss NaN or inf, and every weight after one step",
                         "mend the rows that it names: the causes of these are above")
    if logits is not None:
        yield from _wrong_margins(labels, scores, target) if task.kind == "many" else _wrong_logits(
            labels, scores, target)


def _missing(labels: Array, scores: Array) -> list[_Term]:
    return [_Term("the label is NaN or inf", ~np.isfinite(labels)), _Term("the prediction is NaN", np.isnan(scores))]


def _too_far(labels: Array, scores: Array, target: _formats.Format) -> Array:
    limit = math.sqrt(min(target.float_limit()[0], sys.float_info.max))
    with np.errstate(all="ignore"):
        return np.asarray(np.isfinite(scores) & (np.abs(scores - labels) > limit))


def _terms_of_probabilities(labels: Array, p: Array) -> list[_Term]:
    """Of labels in [0, 1], one a prediction."""
    return [
        _Term("y * log(p) with p = 0", (p == 0) & (labels > 0), True),
        _Term("(1 - y) * log(1 - p) with p = 1", (p == 1) & (labels < 1), True),
        _Term("log of a negative number", (p < 0) | (p > 1)),
    ]


def _terms_of_logits(labels: Array, z: Array) -> list[_Term]:
    return [
        _Term("a logit of +inf against a label below 1", (z == np.inf) & (labels < 1)),
        _Term("a logit of -inf against a label above 0", (z == -np.inf) & (labels > 0)),
    ]


def _terms_of_many(labels: Array, scores: Array, where: str) -> list[_Term]:
    """Of one of many classes a row, given as a number or one-hot."""
    true = _true_class(labels, scores.shape)
    missing = _Term("the label is NaN or inf", _by_row(~np.isfinite(labels)))
    if where == "y_pred":
        return [
            missing, _Term("the probability of the true class is NaN or inf", true & ~np.isfinite(scores)),
            _Term("log(p) with p = 0 for the true class", true & (scores == 0), True),
            _Term("log of a negative number", true & (scores < 0)),
        ]
    none = (scores == -np.inf).all(axis=1)
    return [
        missing, _Term("a logit is NaN", np.isnan(scores)), _Term("a logit of +inf", scores == np.inf),
        _Term("all logits are -inf", none),
        _Term("a logit of -inf for the true class", (true & (scores == -np.inf)).any(axis=1) & ~none),
    ]


def _true_class(labels: Array, shape: tuple[int, ...]) -> Array:
    """Where the true class of each row is, given as a number or one-hot."""
    if labels.ndim > 1:
        return np.asarray(labels > 0)
    known = (labels >= 0) & (labels < shape[1]) & (labels == np.floor(labels))
    true = np.zeros(shape, np.bool_)
    true[np.flatnonzero(known), labels[known].astype(np.intp)] = True
    return true


_WRITTEN_OUT = ("written out, the loss is the log of 0, inf; a loss of logits is finite there",
                "use a loss of logits (fastfinite.binary_cross_entropy_with_logits, fastfinite.cross_entropy)")


def _wrong_logits(labels: Array, z: Array, target: _formats.Format) -> Iterator[Cause]:
    """Logits that are so sure of the wrong label that its probability is 0 in a format."""
    with np.errstate(all="ignore"):
        # 1 / (1 + exp(-z)) is 0 where exp overflows, and 1 where exp is half a unit in the last place.
        wrong = ((labels > 0) & (z < -target.exp_limit())) | ((labels < 1) & (z > (target.mantissa + 1) * math.log(2)))
        wrong &= np.isfinite(z)
    if wrong.any():
        yield rows_cause("log-of-zero", "warning", "logits", _by_row(wrong),
                         f"certain and wrong: a sigmoid of the wrong label, rounded to 0 or 1 in {target.name}",
                         *_WRITTEN_OUT)
    infinite = np.isinf(z)
    if infinite.any():
        yield rows_cause("infinite-logit", "warning", "logits", _by_row(infinite), "of infinite logits",
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
