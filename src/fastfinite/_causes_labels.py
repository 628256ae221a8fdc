"""Causes in labels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from fastfinite import _formats
from fastfinite._accepted import Array
from fastfinite._diagnosis import Cause
from fastfinite._labels import MULTI_LABEL, Labels, Rows
from fastfinite._report import plural
from fastfinite._task import Task


def rows_cause(
    code: str, severity: str, where: str, bad: Array | Rows, what: str, why: str, remedy: str
) -> Cause:
    """A cause in rows of an input; `bad` says in which."""
    rows = bad if isinstance(bad, Rows) else Rows(bad)
    what = f"{plural(rows.count, 'row')} {what}; the first is row {rows.first}"
    return Cause(code, severity, where, what, why, remedy, count=rows.count, share=rows.share, first=rows.first)


# From this share of rows with values in [0, 1] on, labels of many columns are of classes.
_ONE_HOT = 0.9


def number(value: Any) -> str:
    """A label in few characters, whole ones in full."""
    return str(int(value)) if value == math.floor(value) and abs(value) < 1e15 else f"{value:g}"


def causes_in_labels(y: Labels, rows: int, target: _formats.Format, task: Task) -> Iterator[Cause]:
    """Causes in labels."""
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
    limit, _ = target.float_limit()
    if y.largest >= limit:
        yield Cause("label-overflow", "error", "y", f"labels of magnitude {y.largest:.6g}, beyond {limit:.6g}",
                    f"cast to {target.name} they are inf, and so is the loss",
                    "scale the targets, for example to zero mean and unit variance", share=1 / max(labels, 1))
    if not task.pairs:
        yield Cause("label-shape", "error", "y", f"shape {y.shape} against predictions of shape {task.shape}",
                    "they are no pairs: the loss fails, or broadcasts each against every other",
                    "predict one value a row, or one for each class of the labels", count=labels, share=1.0)
        return
    column = task.shape is not None and task.shape[1:] == (1,)
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
        yield from _classes(y, task)
    elif task.kind in ("many", "several") and y.outside:
        yield _out_of_range(y)
    elif len(y.shape) == 2 and task.kind != "regression":
        yield from _one_hot(y)


def _out_of_range(y: Labels) -> Cause:
    return rows_cause("label-range", "error", "y", y.outside, "of labels outside [0, 1]",
                      "a cross-entropy is unbounded below there", "scale or threshold the labels")


def _classes(y: Labels, task: Task) -> Iterator[Cause]:
    values, classes = y.values, task.classes
    shown = "{" + ", ".join(number(value) for value in values[:6]) + (", ..." if len(values) > 6 else "") + "}"
    if len(values) == 1 and y.present.total > 1:
        yield Cause("one-class", "warning", "y", f"every label is {number(values[0])}",
                    "there is nothing to tell apart: accuracy is 1 or 0 whatever is learned, ROC AUC is NaN",
                    "look at how the data were split or filtered", **_counted(y.present))
    if task.kind in ("regression", "unknown"):
        return
    # Two classes of more are no matter of a binary loss, nor are two targets of a regression.
    two = len(values) == 2 and classes is None and not y.fraction
    if two and y.outside:
        yield Cause("binary-labels", "error", "y", f"labels are {shown}, not {{0, 1}}",
                    "a binary cross-entropy is unbounded below there, and accuracy against {0, 1} is 0",
                    f"(y == {number(values[-1])}).astype(int)", **_counted(y.outside))
    elif task.kind == "binary" and y.outside:
        yield _out_of_range(y)
    if two or task.kind == "binary":
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
    # Where -1 occurs and the first or last class does not, -1 is more likely to be a class.
    return len(y.beyond_values) == 1 and bool(
        y.beyond_values[0] == -100 or (y.beyond_values[0] == -1 and 0 in y.values and y.values[-1] == classes - 1))


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
    if y.off and y.off.share < 0.5 and y.several.share < MULTI_LABEL:
        yield rows_cause("one-hot", "error", "y", y.off, "of one-hot labels that do not sum to 1",
                         "a cross-entropy weighs these rows wrongly, and a row of zeros not at all",
                         "encode them again; fastfinite.cross_entropy takes classes as they are")
