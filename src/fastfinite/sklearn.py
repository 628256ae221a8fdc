"""An estimator for scikit-learn on the statistics of `column_stats`; needs the extra ``sklearn``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import FLOAT_DTYPES, check_is_fitted, validate_data

from fastfinite._scan import check_finite
from fastfinite._standardize import inverse_standardize, standardize
from fastfinite._statistics import ColumnStats
from fastfinite._tabulate import Floats

__all__ = ["ColumnScaler"]


class ColumnScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):    # type: ignore[misc]
    """Zero mean and unit variance, as scikit-learn's, with exact statistics in one pass.

    Parameters
    ----------
    copy : bool, default True
        False lets `transform` work in the array it is given, where its dtype and layout allow.

    Attributes
    ----------
    mean_, var_, scale_ : ndarray of float64, shape (n_features,)
        ``scale_`` is the standard deviation, and 1 for columns that are exactly constant.
    n_samples_seen_ : int or ndarray of int
        The samples that are not nan; by feature where they differ.
    stats_ : ColumnStats
        All that was counted.
    n_features_in_, feature_names_in_
        As for every estimator.

    See Also
    --------
    fastfinite.standardize

    Notes
    -----
    What differs from scikit-learn's: a column is constant only if all its values are equal, with no tolerance; float32
    data are summed in float64; inf is refused with its place. Batches given to `partial_fit` give the same result as
    all data at once, to a few units in the last place. nan is left out, and stays nan.

    Examples
    --------
    >>> import numpy as np
    >>> from fastfinite.sklearn import ColumnScaler
    >>> ColumnScaler().fit_transform(np.array([[1.0, 0.1], [3.0, 0.1]]))
    array([[-1.,  0.],
           [ 1.,  0.]])
    """

    stats_: ColumnStats
    mean_: Floats
    var_: Floats
    scale_: Floats
    n_samples_seen_: int | NDArray[np.int64]

    def __init__(self, *, copy: bool = True) -> None:
        self.copy = copy

    def fit(self, X: Any, y: Any = None) -> ColumnScaler:
        """Compute the statistics of `X`, shape (n_samples, n_features); `y` is ignored."""
        if hasattr(self, "stats_"):
            del self.stats_
        return self.partial_fit(X)

    def partial_fit(self, X: Any, y: Any = None) -> ColumnScaler:
        """Add the samples of `X`, shape (n_samples, n_features), to the statistics; `y` is ignored."""
        first = not hasattr(self, "stats_")
        X = self._validated(X, reset=first)
        stats = ColumnStats() if first else self.stats_
        stats.update(X)
        self.stats_ = stats
        self.mean_, self.var_ = stats.mean, stats.var
        self.scale_ = np.where(stats.constant | (stats.std == 0), 1.0, stats.std)
        counts = stats.count
        self.n_samples_seen_ = int(counts[0]) if (counts == counts[0]).all() else counts
        return self

    def transform(self, X: Any) -> Any:
        """Return `X`, shape (n_samples, n_features), less the mean and over the standard deviation."""
        check_is_fitted(self)
        X = self._validated(X, reset=False, copy=self.copy)
        return standardize(X, stats=self.stats_, out=X)

    def inverse_transform(self, X: Any) -> Any:
        """Return standardized `X`, shape (n_samples, n_features), as it was before."""
        check_is_fitted(self)
        X = self._validated(X, reset=False, copy=self.copy)
        return inverse_standardize(X, stats=self.stats_, out=X)

    def _validated(self, X: Any, *, reset: bool, copy: bool = False) -> Any:
        X = validate_data(self, X, reset=reset, dtype=FLOAT_DTYPES, ensure_all_finite=False, copy=copy,
                          force_writeable=not reset)
        return check_finite(X, name="X", columns=getattr(self, "feature_names_in_", None), allow_nan=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
