"""The estimator: scikit-learn's own checks, and where it differs from scikit-learn's scaler."""

import numpy as np
import pytest
from optional import require

import fastfinite as ff

Theirs = require("sklearn.preprocessing").StandardScaler
parametrize_with_checks = require("sklearn.utils.estimator_checks").parametrize_with_checks

from fastfinite.sklearn import ColumnScaler  # noqa: E402 - it imports scikit-learn


@pytest.mark.filterwarnings("ignore")       # scikit-learn's checks warn of what they try
@parametrize_with_checks([ColumnScaler()])
def test_it_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_ordinary_data_is_scaled_as_scikit_learn_does():
    x = np.random.default_rng(0).normal(5, 2, (1000, 7))
    x[3, 2] = np.nan
    ours, theirs = ColumnScaler().fit(x), Theirs().fit(x)
    np.testing.assert_allclose(ours.mean_, theirs.mean_, rtol=1e-14)
    np.testing.assert_allclose(ours.var_, theirs.var_, rtol=1e-13)
    assert ours.n_samples_seen_.tolist() == theirs.n_samples_seen_.tolist()
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x), rtol=1e-12, atol=1e-14)


def test_batches_give_what_all_data_give():
    x = np.random.default_rng(1).normal(1e8, 1, (999, 3))
    whole, stream = ColumnScaler().fit(x), ColumnScaler()
    for part in np.array_split(x, 7):
        stream.partial_fit(part)
    np.testing.assert_allclose(stream.var_, whole.var_, rtol=1e-15)
    assert stream.n_samples_seen_ == whole.n_samples_seen_ == 999


def test_a_column_that_varies_by_less_than_its_rounding_is_not_called_constant():
    x = (4e15 + np.arange(8.0))[:, None]
    assert Theirs().fit(x).scale_ == [1.0]
    assert ColumnScaler().fit(x).scale_ == pytest.approx([5.25**0.5])


def test_inf_is_refused_by_the_name_of_its_column():
    pandas = require("pandas")
    frame = pandas.DataFrame({"height": [1.0, 2.0], "age": [3.0, np.inf]})
    with pytest.raises(ff.NonFiniteError, match=r"X \(2 x 2 float64\) has 1 infinite value.*column 1 \('age'\)"):
        ColumnScaler().fit(frame)


def test_the_inverse_and_work_in_place():
    x = np.random.default_rng(2).normal(3, 2, (50, 4)).astype(np.float32)
    scaler = ColumnScaler(copy=False).fit(x)
    before = x.copy()
    assert scaler.transform(x) is x
    assert x.dtype == np.float32
    np.testing.assert_allclose(scaler.inverse_transform(x), before, rtol=1e-6, atol=1e-6)
