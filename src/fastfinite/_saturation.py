"""How far predictions are from undecided: the one definition of saturation, and its histogram.

(a) Of one logit a row the margin is the logit itself, of several the largest less the second. (b) Beyond the edge,
mantissa * log(2), the gradient of a sigmoid or softmax is below the epsilon of the target format. (c) Probabilities
are measured by the logits that they stand for. (d) Rows are taken some at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from fastfinite._accepted import Array
from fastfinite._formats import Format

_BINS = 100
# Margins of more edges than these are counted in the bins at the ends.
_REACH = 2
# About so many values are taken at a time.
_BLOCK = 1 << 18


class Histogram:
    """Counts of margins.

    Attributes
    ----------
    edges : ndarray of float
        Of the bins, one more than there are counts; what lies beyond them is counted in the first and the last bin.
    counts : ndarray of int
    limits : tuple of float
        Where saturation begins: (-edge, edge) of margins with a sign, else (edge,).
    label : str
        What was counted.
    share : float
        Of all rows, how many are saturated.
    """

    edges: Array
    counts: Array
    limits: tuple[float, ...]
    label: str
    share: float

    __slots__ = ("counts", "edges", "label", "limits", "share")

    def __init__(self, edges: Array, counts: Array, limits: tuple[float, ...], label: str, share: float) -> None:
        self.edges, self.counts, self.limits, self.label, self.share = edges, counts, limits, label, share


def saturation_edge(target: Format) -> float:
    """The margin from which on the gradient of a sigmoid or softmax is below the epsilon of the format."""
    return target.mantissa * math.log(2)


def margins(logits: Array) -> Array:
    """By row of float64, the margin; nan where there is none. A logit that is not finite counts as a masked class."""
    bad = ~np.isfinite(logits)
    if not _several(logits):
        return np.where(bad, np.nan, logits).reshape(len(logits))
    top = np.partition(np.where(bad, -np.inf, logits), -2, axis=1)[:, -2:]
    with np.errstate(invalid="ignore"):
        return np.asarray(top[:, 1] - top[:, 0])


def saturation(logits: Array, target: Format) -> Histogram | None:
    """The margins of logits; None where there are none."""
    label = "largest logit less the second" if _several(logits) else "logit"
    return _histogram(logits, lambda block: block, target, label)


def saturation_of_probabilities(p: Array, target: Format) -> Histogram | None:
    """The margins of the logits that probabilities stand for; None where there are none."""
    if _several(p):
        return _histogram(p, np.log, target, "log of the largest probability over the second")
    # Of exactly 0 or 1 the logit is infinite, which is a masked class; here it is as far as can be.
    largest = np.finfo(np.float64).max
    return _histogram(p, lambda block: np.clip(np.log(block) - np.log1p(-block), -largest, largest), target,
                      "log-odds of the probability")


def _several(values: Array) -> bool:
    return values.ndim == 2 and values.shape[1] > 1


def _histogram(values: Array, logits_of: Callable[[Array], Array], target: Format, label: str) -> Histogram | None:
    if values.ndim not in (1, 2) or values.size == 0:
        return None
    edge = saturation_edge(target)

    def blocks() -> Iterator[Array]:
        rows = max(1, _BLOCK // (values.size // len(values)))
        for start in range(0, len(values), rows):
            with np.errstate(all="ignore"):
                found = margins(logits_of(values[start : start + rows].astype(np.float64)))
            yield found[~np.isnan(found)]

    reach = _REACH * edge
    low, high, beyond, all_shown = math.inf, -math.inf, 0, True
    for found in blocks():
        beyond += int(np.count_nonzero(np.abs(found) > edge))
        shown = np.clip(found, -reach, reach)
        all_shown = all_shown and np.array_equal(shown, found)
        low, high = min(low, shown.min(initial=math.inf)), max(high, shown.max(initial=-math.inf))
    if low > high:
        return None
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    counts = np.zeros(_BINS, np.int64)
    for found in blocks():
        counts += np.histogram(np.clip(found, low, high), edges)[0]
    if not all_shown:
        label += f" (beyond {reach:.3g}: at the end)"
    limits = (edge,) if _several(values) else (-edge, edge)
    return Histogram(edges, counts, limits, label, beyond / len(values))
