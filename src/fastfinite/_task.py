"""`Task`: which loss labels and predictions are for. It is decided once, and everything else follows it."""

from __future__ import annotations

import math

import numpy as np

from fastfinite._accepted import Array
from fastfinite._labels import MULTI_LABEL, SUM_TOLERANCE

# More labels than these, with fractions among them, are targets of a regression.
_MOST_PROBABILITIES = 10


class Task:
    """What is predicted.

    Attributes
    ----------
    kind : {"labels", "binary", "many", "several", "regression", "unknown"}
        No predictions; of two classes, one of many, several of many at once; numbers; of more axes than are known here.
    classes : int or None
        How many there are to choose from.
    shape : tuple of int or None
        Of the predictions.
    pairs : bool
        Whether labels and predictions may be of the same rows, by their shapes.
    """

    def __init__(self, y: Array | None, predictions: Array | None, are_logits: bool) -> None:
        self.kind, self.classes = "labels", None
        self.shape = None if predictions is None else predictions.shape
        self.pairs = True
        if predictions is None:
            return
        if y is not None:
            self.pairs = _pair(y.shape, predictions.shape)
        known = y is not None and y.dtype.kind in "biuf"
        if y is not None and known and not are_logits and _is_regression(flat(y), flat(predictions)):
            self.kind = "regression"
        elif predictions.ndim > 2 or 0 in predictions.shape[1:]:
            # Each value may have a label of its own.
            self.kind = "several" if y is not None and y.shape == predictions.shape and predictions.size else "unknown"
        elif math.prod(predictions.shape[1:]) == 1:
            self.kind = "binary"
        else:
            self.classes = predictions.shape[1]
            several = y is not None and known and y.shape == predictions.shape and _are_several(y)
            self.kind = "several" if several else "many"


def flat(values: Array) -> Array:
    """A single column as one axis."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _pair(labels: tuple[int, ...], given: tuple[int, ...]) -> bool:
    labels, given = (shape[:1] if math.prod(shape[1:]) == 1 else shape for shape in (labels, given))
    # Of more axes, classes may be anywhere.
    return len(labels) == 1 or len(given) > 2 or labels[1:] == given[1:]


def _is_regression(y: Array, p: Array) -> bool:
    """Whether one of them is beyond [0, 1], and there are many labels with fractions; or both are."""
    if y.shape != p.shape:
        return False
    beyond = [((values < 0) | (values > 1)).any() for values in (y, p)]
    labels = np.unique(y[np.isfinite(y.astype(np.float64))])
    if len(labels) <= 2:
        return False
    fractions = len(labels) > _MOST_PROBABILITIES and bool((labels != np.floor(labels)).any())
    return bool(all(beyond)) or (fractions and any(beyond))


def _are_several(y: Array) -> bool:
    """Whether rows of labels are not of one class each."""
    off = np.abs(y.astype(np.float64).sum(axis=1) - 1) > SUM_TOLERANCE
    return bool(off.mean() >= MULTI_LABEL) if len(off) else False
