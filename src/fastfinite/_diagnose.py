"""`diagnose`: one call for every cause that data, labels and predictions show."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastfinite import _formats
from fastfinite._accept import accept, as_array
from fastfinite._accepted import Array, Frame
from fastfinite._causes_data import causes_in_data
from fastfinite._causes_labels import (
    causes_in_labels,
    causes_in_logits,
    causes_in_loss,
    causes_in_probabilities,
    is_regression,
)
from fastfinite._diagnosis import Cause, Diagnosis
from fastfinite._report import plural
from fastfinite._samples import Samples, samples_of
from fastfinite._second_look import as_floats


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
        The samples, as `column_stats` takes them; or the path of an .npy file, which is mapped.
    y : array_like or path, shape (rows,) or (rows, classes), optional
        Labels: classes, {0, 1}, probabilities, one-hot rows, or the targets of a regression.
    y_pred : array_like, shape (rows,) or (rows, classes), optional
        Predicted probabilities.
    logits : array_like, shape (rows,) or (rows, classes), optional
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
        If `target_dtype` is unknown, or `columns` does not match `X`.

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

    Cost: one pass of column statistics, and one more look at each column that they make suspicious.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> X = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    >>> print(ff.diagnose(X, np.array([0, 1, 1]), y_pred=np.array([0.0, 0.4, 0.0])))
    Diagnosis of X (3 x 2) for float32: 2 errors, 1 warning
    <BLANKLINE>
    ERROR log-of-zero: y_pred: 1 row certain and wrong: probability 0 for the true label; the first is row 2
        why     log(0) is -inf, so the mean loss is inf, and NaN after the backward pass
        remedy  use the loss of logits (fastfinite.binary_cross_entropy_with_logits), or a floor
    <BLANKLINE>
    ERROR loss-not-finite: y_pred: 1 row of which the loss is NaN or inf (y * log(p) with p = 0 in 1 row); the first ...
        why     one of them makes the mean loss NaN or inf, and every weight after one step
        remedy  mend what the term names; the safe losses of fastfinite have no such term but for NaN
    <BLANKLINE>
    WARNING constant: X column 1: every value is 7
        why     its standard deviation is 0: (x - mean) / std is 0 / 0, NaN in every row
        remedy  drop the column, or scale with fastfinite.standardize, which makes it 0
    """
    target = _formats.of_name(target_dtype, "target_dtype")
    with np.errstate(all="ignore"):
        return _diagnosed(X, y, y_pred, logits, target, columns)


def _diagnosed(
    x: Any, y: Any, y_pred: Any, logits: Any, target: _formats.Format, columns: Iterable[object] | None
) -> Diagnosis:
    samples = _opened(x)
    if columns is not None:
        samples.stats.name_columns(columns)
    causes = list(causes_in_data(samples, target))
    labels = None if y is None else _numbers(y, "y")
    probabilities = None if y_pred is None else _numbers(y_pred, "y_pred")
    scores = None if logits is None else _numbers(logits, "logits")
    for name, values in (("y_pred", probabilities), ("logits", scores)):
        if values is not None and values.shape[:1] != (samples.rows,):
            causes.append(Cause("length", "error", name, f"shape {values.shape} for {plural(samples.rows, 'row')} of X",
                                "predictions and samples are paired wrongly, or broadcast against each other",
                                "predict for the same rows"))
    regression = labels is not None and scores is None and probabilities is not None and is_regression(
        labels, probabilities)
    if labels is not None:
        causes += causes_in_labels(labels, samples.rows, probabilities if scores is None else scores, regression)
    if probabilities is not None:
        causes += causes_in_probabilities(probabilities, labels, regression)
    if scores is not None:
        causes += causes_in_logits(scores, target)
    if labels is not None:
        causes += causes_in_loss(labels, probabilities, scores, regression)
    return Diagnosis(causes, samples.shape, target.name, samples.stats, samples.bad_map)


def _read(x: Any, name: str) -> Any:
    """An input, or the array of the file that it is the path of."""
    if not isinstance(x, (str, os.PathLike)):
        return x
    path = os.fspath(x)
    if not str(path).lower().endswith(".npy"):
        raise ValueError(f"{name} is the path of a file that is not .npy ({path}); read it first")
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _opened(x: Any) -> Samples:
    opened = x if isinstance(x, Frame) else accept(_read(x, "X"))
    if isinstance(opened, Frame) and len(opened.shape) == 1:
        opened = as_array(opened)
    return samples_of(opened)


def _numbers(x: Any, name: str) -> Array:
    """Labels or predictions as an array, a column of a frame as one axis; labels that are no numbers as they are."""
    x = _read(x, name)
    try:
        accepted = as_array(x if isinstance(x, Frame) else accept(x))
    except TypeError:
        values: Array = np.asarray(x)
        if values.ndim == 0 or (values.dtype.kind not in "biuf" and name != "y"):
            raise
    else:
        values = accepted.array
        if accepted.is_raw and accepted.format is not None:
            values = _formats.values_of_bits(values, accepted.format)
        if accepted.mask is not None and values.dtype.kind in "biuf":
            values = as_floats(values)
            values[accepted.mask] = np.nan
    if values.dtype.kind == "O" and not any(isinstance(value, (str, bytes)) for value in values.flat):
        with contextlib.suppress(TypeError, ValueError):
            values = as_floats(values)
    if values.ndim == 0:
        raise ValueError(f"{name} must have rows; it is a single number")
    if values.dtype.kind not in "biuf" and name != "y":     # of labels that is a cause, not an error of the call
        raise TypeError(f"{name} must hold real numbers, not {values.dtype}")
    return values
