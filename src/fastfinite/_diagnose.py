"""`diagnose`: one call for every cause that data, labels and predictions show."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from fastfinite import _formats, _inputs
from fastfinite._accept import accept, as_array
from fastfinite._accepted import Accepted, Array, Frame, Input, Remote, Sparse
from fastfinite._causes_data import Columns, as_floats, causes_in_data
from fastfinite._causes_labels import (
    causes_in_labels,
    causes_in_logits,
    causes_in_loss,
    causes_in_probabilities,
    is_regression,
    rows_cause,
)
from fastfinite._diagnosis import Cause, Diagnosis
from fastfinite._report import plural
from fastfinite._statistics import stats_of


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
    opened, shape = _opened(x)
    known = _columns(opened)
    if columns is not None:
        known.stats.name_columns(columns)
    causes = list(causes_in_data(known, target))
    causes += _bad_rows(known)
    labels = None if y is None else _numbers(y, "y")
    probabilities = None if y_pred is None else _numbers(y_pred, "y_pred")
    scores = None if logits is None else _numbers(logits, "logits")
    for name, values in (("y_pred", probabilities), ("logits", scores)):
        if values is not None and values.shape[:1] != (known.rows,):
            causes.append(Cause("length", "error", name, f"shape {values.shape} for {plural(known.rows, 'row')} of X",
                                "predictions and samples are paired wrongly, or broadcast against each other",
                                "predict for the same rows"))
    regression = labels is not None and scores is None and probabilities is not None and is_regression(
        labels, probabilities)
    if labels is not None:
        causes += causes_in_labels(labels, known.rows, probabilities if scores is None else scores, regression)
    if probabilities is not None:
        causes += causes_in_probabilities(probabilities, labels, regression)
    if scores is not None:
        causes += causes_in_logits(scores, target)
    if labels is not None:
        causes += causes_in_loss(labels, probabilities, scores, regression)
    return Diagnosis(causes, shape, target.name, known.stats.not_scanned)


def _read(x: Any, name: str) -> Any:
    """An input, or the array of the file that it is the path of."""
    if not isinstance(x, (str, os.PathLike)):
        return x
    path = os.fspath(x)
    if not str(path).lower().endswith(".npy"):
        raise ValueError(f"{name} is the path of a file that is not .npy ({path}); read it first")
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _opened(x: Any) -> tuple[Input, tuple[int, ...]]:
    """The samples as rows of columns, all axes but the first; and their shape as it was."""
    opened = x if isinstance(x, Frame) else accept(_read(x, "X"))
    if isinstance(opened, Remote):
        opened = opened.fetch()
    if isinstance(opened, Frame) and len(opened.shape) == 1:
        opened = as_array(opened)
    shape = opened.shape
    if not shape:
        raise ValueError("X must have rows; it is a single number")
    if len(shape) == 2:
        return opened, shape
    if isinstance(opened, Accepted):
        wide = (shape[0], math.prod(shape[1:]))
        mask = None if opened.mask is None else opened.mask.reshape(wide)
        return opened._replace(array=opened.array.reshape(wide), mask=mask), shape
    raise ValueError(f"X must have two axes, or be a dense array; its shape is {shape}")


def _columns(opened: Input) -> Columns:
    """The statistics of the columns, and how to read one of them again."""
    stats = stats_of(opened)
    data, _ = _inputs.numbers_only(opened)
    left_out = set(opened.unscanned) if isinstance(opened, Frame) else set()
    positions = [i for i in range(opened.shape[1]) if i not in left_out] if isinstance(opened, Frame) else None
    if isinstance(data, Sparse):
        return Columns(stats, data.shape[0], _columns_of_sparse(data), positions)
    assert isinstance(data, (Accepted, Frame))
    return Columns(stats, data.shape[0], _columns_of_parts(data), positions)


def _columns_of_parts(data: Accepted | Frame) -> Callable[[int], Array]:
    """Gives columns, of parts that are taken when the first is asked for: most often none is."""

    @functools.cache
    def by_column() -> dict[int, list[tuple[Accepted, int]]]:
        found: dict[int, list[tuple[Accepted, int]]] = {}
        for accepted, origin in data.parts() if isinstance(data, Frame) else [(data, (0, 0))]:
            for i in range(accepted.shape[1]):
                found.setdefault(origin[1] + i, []).append((accepted, i))
        return found

    def column(i: int) -> Array:
        values = [_values(accepted, place) for accepted, place in by_column()[i]]
        return values[0] if len(values) == 1 else np.concatenate(values)

    return column


def _columns_of_sparse(x: Sparse) -> Callable[[int], Array]:
    """Gives columns with their zeros, of values that are sorted when the first is asked for."""

    sorted_once = functools.cache(lambda: _inputs.by_column(x))

    def column(i: int) -> Array:
        values, row, columns = sorted_once()
        first, stop = np.searchsorted(columns, (i, i + 1))
        dense = np.zeros(x.shape[0], values.array.dtype)
        dense[row[first:stop]] = values.array[first:stop]
        return dense

    return column


def _values(accepted: Accepted, i: int) -> Array:
    """A column as numbers that NumPy has: nulls as nan, masked ones as another value of the column."""
    values = accepted.array[:, i]
    if accepted.is_raw and accepted.format is not None:
        values = _formats.values_of_bits(values, accepted.format)
    missing = None if accepted.mask is None else accepted.mask[:, i]
    if missing is not None and missing.any():
        values = values.astype(np.float64)
        present = values[~missing & np.isfinite(values)]
        values[missing] = np.nan if accepted.nulls or len(present) == 0 else present[0]
    return np.asarray(values)


def _bad_rows(columns: Columns) -> Iterator[Cause]:
    """Rows of which nothing is a number: a failed join, an empty line."""
    stats = columns.stats
    missing = stats.nan
    if len(stats) < 2 or not missing.all():
        return
    empty = np.ones(columns.rows, np.bool_)
    for column in np.argsort(missing, kind="stable"):
        empty &= np.isnan(as_floats(columns.column(int(column))))
        if not empty.any():
            return
    yield rows_cause("empty-row", "error", "X", empty, "without any number",
                     "nothing can be imputed from nothing: the loss of these rows is NaN",
                     "drop them; they often come from a join that found no partner")


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
