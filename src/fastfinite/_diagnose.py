"""`diagnose`: one call for every cause that data, labels and predictions show."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from fastfinite import _formats
from fastfinite._accept import accept, as_array
from fastfinite._accepted import Array, Chunked, Frame, Input, numbers_of
from fastfinite._causes_data import causes_in_data
from fastfinite._causes_labels import causes_in_labels
from fastfinite._causes_predictions import causes_in_logits, causes_in_loss, causes_in_probabilities
from fastfinite._diagnosis import Cause, Diagnosis
from fastfinite._file_samples import FileItem, array_of_file, labels_of_file, only_item, samples_of_file
from fastfinite._files import reason_of
from fastfinite._labels import Labels, labels_of
from fastfinite._report import plural
from fastfinite._samples import Samples, samples_of
from fastfinite._saturation import saturation, saturation_of_probabilities
from fastfinite._task import Task

Result = TypeVar("Result")


def diagnose(
    X: Any,
    y: Any = None,
    *,
    y_pred: Any = None,
    logits: Any = None,
    target_dtype: object = "float32",
    columns: Iterable[object] | None = None,
) -> Diagnosis:
    """Name every cause of a NaN loss or an accuracy of 0 that the data show, with its place and its remedy.

    Parameters
    ----------
    X : array_like, data frame or path, shape (rows, ...)
        The samples, as `column_stats` takes them; or the path of a file of one array or table, of any kind that the
        command line takes, which is streamed.
    y : array_like or path, shape (rows,) or (rows, classes), optional
        Labels: classes, {0, 1}, probabilities, one-hot rows, or the targets of a regression.
    y_pred : array_like or path, shape (rows,) or (rows, classes), optional
        Predicted probabilities.
    logits : array_like or path, shape (rows,) or (rows, classes), optional
        What they were made of.
    target_dtype : str or dtype, default "float32"
        The format that training computes in.
    columns : iterable, optional
        Names of the columns of `X`; those of frames are known.

    Returns
    -------
    Diagnosis
        True where nothing was found that breaks training. ``print`` it: a page, worst first.

    Raises
    ------
    TypeError
        If an input holds no numbers.
    ValueError
        If `target_dtype` is unknown, `columns` does not match `X`, or a file cannot be read.

    See Also
    --------
    scan, column_stats : What it is made from.
    guard, check_gradients : The same hunt inside the loop.

    Notes
    -----
    Errors break training: values that are not finite, labels that a loss cannot take, a probability of 0 for what is
    true. Warnings are likely to: columns without variance, sentinels, saturated logits. Notes are good to know.

    Which loss is meant is told by labels and predictions: two values are a binary one, several columns of predictions
    one of many classes; other numbers are targets of a regression, of which nothing is asked but to be finite.

    Cost: one pass of column statistics, and one more over the columns that they make suspicious, all together. Memory
    is O(columns), beside labels and predictions; with files, labels are streamed too where there are no predictions.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> X = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    >>> print(ff.diagnose(X, np.array([0, 1, 1]), y_pred=np.array([0.0, 0.4, 0.0])))
    Diagnosis of X (3 x 2), y and y_pred for float32: 2 errors, 1 warning
    <BLANKLINE>
    ERROR log-of-zero: y_pred: 1 row certain and wrong: probability 0 for the true label; the first is row 2
        why     log(0) is -inf, so the mean loss is inf, and NaN after the backward pass
        remedy  use the loss of logits (fastfinite.binary_cross_entropy_with_logits), or a floor
    <BLANKLINE>
    ERROR loss-not-finite: y_pred: 1 row of which the loss is NaN or inf (y * log(p) with p = 0 in 1 row); the first ...
        why     one of them makes the mean loss NaN or inf, and every weight after one step
        remedy  mend the rows that it names: the causes of these are above
    <BLANKLINE>
    WARNING constant: X column 1: every value is 7
        why     its standard deviation is 0: (x - mean) / std is 0 / 0, NaN in every row
        remedy  drop the column, or scale with fastfinite.standardize, which makes it 0
    """
    target = _formats.of_name(target_dtype, "target_dtype")
    samples = _samples(X)
    if columns is not None:
        samples.name_columns(_names(columns, len(samples.positions)))
    if y_pred is None and logits is None:
        facts = _streamed_labels(y)
        if facts is not None:
            return diagnosis_of(samples, target, facts=facts)
    labels, probabilities, scores = (None if values is None else _numbers(values, name)
                                     for name, values in (("y", y), ("y_pred", y_pred), ("logits", logits)))
    label = str(getattr(y, "dtype", ""))
    return diagnosis_of(samples, target, labels, y_pred=probabilities, logits=scores, label=label)


@np.errstate(all="ignore")
def diagnosis_of(
    samples: Samples, target: _formats.Format, y: Array | None = None, *, y_pred: Array | None = None,
    logits: Array | None = None, facts: Labels | None = None, label: str = "",
) -> Diagnosis:
    """Diagnose what has been opened; `facts` stand for labels that are not in memory, `label` is the dtype of `y`."""
    causes = list(causes_in_data(samples, target))
    for name, values in (("y_pred", y_pred), ("logits", logits)):
        if values is not None and values.shape[:1] != (samples.rows,):
            causes.append(Cause("length", "error", name,
                                f"shape {values.shape} for {plural(samples.rows, 'row')} of X",
                                "predictions and samples are paired wrongly, or broadcast against each other",
                                "predict for the same rows", count=abs(len(values) - samples.rows)))
    task = Task(y, y_pred if logits is None else logits, logits is not None)
    if y is not None:
        facts = labels_of(y, task.classes, label)
    if facts is not None:
        causes += causes_in_labels(facts, samples.rows, target, task)
    if y_pred is not None:
        causes += causes_in_probabilities(y_pred, y, target, task if logits is None else Task(y, y_pred, False))
    if logits is not None:
        causes += causes_in_logits(logits, target)
    if y is not None:
        causes += causes_in_loss(y, y_pred, logits, target, task)
    shown = None
    if logits is not None:
        shown = saturation(logits, target)
    elif y_pred is not None and task.kind != "regression":
        shown = saturation_of_probabilities(y_pred, target)
    named = {"y": facts, "y_pred": y_pred, "logits": logits}
    return Diagnosis(causes, samples, target.name, shown,
                     [name for name, values in named.items() if values is not None])


def _streamed_labels(y: Any) -> Labels | None:
    """The facts of labels that are not in memory; None of those that are."""
    if isinstance(y, (str, os.PathLike)):
        return _from_file(y, "y", labels_of_file)
    if not hasattr(type(y), "__dask_graph__"):
        return None
    try:
        opened = accept(y)
    except TypeError:       # text, which is a cause when it is here
        return None
    if not isinstance(opened, Chunked):
        return None
    # It has come from there.
    from fastfinite._dask_samples import labels_of_collection

    return labels_of_collection(opened)


def _from_file(path: Any, name: str, read: Callable[[FileItem], Result]) -> Result:
    """What is read from a file, of which an argument is the path."""
    text = os.fsdecode(path)
    try:
        os.stat(text)       # raises what open() would
        return read(only_item(text))
    except OSError as error:
        raise type(error)(error.errno, f"{name}: {error.strerror}", text) from None
    except Exception as error:      # damaged files make readers raise nearly anything
        raise ValueError(f"{name}: {text}: {reason_of(error)}") from error


def _opened(x: Any, name: str) -> Input:
    """An argument that is accepted, or an error that names it."""
    try:
        return accept(x)
    except (TypeError, ValueError) as error:
        raise type(error)(_naming(error, name)) from None


def _naming(error: Exception, name: str) -> str:
    text = str(error)
    if text.startswith(f"{name} "):
        return text
    return name + text.removeprefix("x") if text.startswith("x ") else f"{name}: {text}"


def _samples(x: Any) -> Samples:
    if isinstance(x, (str, os.PathLike)):
        return _from_file(x, "X", samples_of_file)[0]
    opened = _opened(x, "X")
    try:
        return samples_of(as_array(opened) if isinstance(opened, Frame) and len(opened.shape) == 1 else opened)
    except (TypeError, ValueError) as error:
        raise type(error)(_naming(error, "X")) from None


def _numbers(x: Any, name: str) -> Array:
    """Labels or predictions as an array, a column of a frame as one axis; labels that are no numbers as they are."""
    if isinstance(x, (str, os.PathLike)):
        x = _from_file(x, name, array_of_file)
    try:
        values = numbers_of(as_array(accept(x)))
    except (TypeError, ValueError) as error:
        values = _as_text(x) if name == "y" else np.empty(())
        if values.ndim == 0:
            raise type(error)(_naming(error, name)) from None
    if values.ndim == 0:
        raise ValueError(f"{name} must have rows; it is a single number")
    if values.dtype.kind not in "biuf" and name != "y":     # of labels that is a cause, not an error of the call
        raise TypeError(f"{name} must hold real numbers, not {values.dtype}")
    return values


def _as_text(y: Any) -> Array:
    """Labels that are no numbers as they are; of no axes where they are not even an array."""
    try:
        return np.asarray(y)
    except ValueError:      # ragged
        return np.empty(())


def _names(columns: Any, number: int) -> list[object]:
    try:
        names = list(columns)
    except TypeError:
        raise TypeError(f"columns must be an iterable of names, not {type(columns).__name__}") from None
    if len(names) != number:
        raise ValueError(f"columns must name each column of X that holds numbers: there are {number}, and "
                         f"{plural(len(names), 'name')}")
    return names
