"""Histograms of margins: every row is counted once, and the share is that of the cause `saturated`."""

import numpy as np
import pytest

import fastfinite as ff
from fastfinite import _saturation
from fastfinite._formats import of_name
from fastfinite._saturation import saturation, saturation_of_probabilities

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
FLOAT32 = of_name("float32", "target_dtype")
EDGE = 23 * np.log(2)


def test_logits_of_one_column_keep_their_signs():
    for z in (np.array([-20.0, -1.0, 0.5, 3.0]), np.array([[-20], [-1], [0.5], [3]], np.float32)):
        found = saturation(z, FLOAT32)
        np.testing.assert_array_equal(found.counts, np.histogram(z, 100)[0])
        np.testing.assert_allclose(found.edges, np.linspace(-20, 3, 101))
        assert found.limits == (-EDGE, EDGE) and found.label == "logit" and found.share == 0.25


def test_logits_of_several_columns_give_their_margins():
    z = np.array([[1.0, 3.0, 2.5], [9.0, -9.0, 0.0], [-inf, 4.0, 3.0], [0.0, 0.0, 20.0]])
    found = saturation(z, FLOAT32)
    np.testing.assert_array_equal(found.counts, np.histogram([0.5, 9, 1, 20], 100)[0])
    assert found.limits == (EDGE,) and found.label == "largest logit less the second" and found.share == 0.25


def test_what_is_not_finite_has_no_margin_and_is_a_row_all_the_same():
    found = saturation(np.array([nan, 30.0, inf, -inf, 1.0]), FLOAT32)
    assert found.counts.sum() == 2 and found.share == 1 / 5
    found = saturation(np.array([[nan, nan], [40.0, 0.0], [1.0, nan]]), FLOAT32)
    # A class that is masked loses by as much as there is.
    assert found.counts.sum() == 2 and found.counts[-1] == 2 and found.share == 2 / 3


@pytest.mark.parametrize("shape", [(2000,), (2000, 1), (2000, 3)])
def test_the_share_is_that_of_the_cause(shape):
    z = np.random.default_rng(0).normal(size=shape) * 12
    x, y = np.random.default_rng(1).random((2000, 2)), np.arange(2000) % 2
    cause, = (cause for cause in ff.diagnose(x, y, logits=z) if cause.code == "saturated")
    assert cause.share == saturation(z, FLOAT32).share


def test_far_values_are_counted_at_the_ends():
    found = saturation(np.array([-1e300, 0.0, 1.0, 1e300]), FLOAT32)
    assert found.edges[0] == -2 * EDGE and found.edges[-1] == 2 * EDGE
    assert found.counts[0] == found.counts[-1] == 1 and found.counts.sum() == 4
    assert found.label == "logit (beyond 31.9: at the end)"


def test_probabilities_are_measured_by_their_logits():
    z = np.array([-3.0, 0.0, 2.0, 10.0])
    found = saturation_of_probabilities(1 / (1 + np.exp(-z)), FLOAT32)
    np.testing.assert_allclose(found.edges[[0, -1]], [-3, 10])
    assert found.counts.sum() == 4 and found.share == 0 and found.label == "log-odds of the probability"
    several = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    found = saturation_of_probabilities(several, FLOAT32)
    np.testing.assert_allclose(found.edges[[0, -1]], np.log([2, 8]))
    assert found.limits == (EDGE,)


def test_probabilities_of_0_and_1_are_at_the_ends():
    found = saturation_of_probabilities(np.array([0.0, 1.0, 1.0, 0.5, nan, 1.5, -0.5]), FLOAT32)
    assert found.counts[0] == 1 and found.counts[-1] == 2 and found.counts.sum() == 4 and found.share == 3 / 7
    found = saturation_of_probabilities(np.array([[0.0, 1.0], [0.5, 0.5]]), FLOAT32)
    assert found.counts[-1] == 1 and found.share == 0.5


@pytest.mark.parametrize("z", [np.empty(0), np.empty((0, 3)), np.empty((4, 0)), np.full(3, nan), np.full((2, 2), nan),
                               np.zeros((2, 2, 2))])
def test_where_there_is_no_margin_there_is_no_histogram(z):
    assert saturation(z, FLOAT32) is None and saturation_of_probabilities(z, FLOAT32) is None


def test_equal_logits_fill_one_bin():
    found = saturation(np.full(7, 3.0), FLOAT32)
    assert found.counts.max() == 7 and found.edges[0] == 2.5 and found.edges[-1] == 3.5


@pytest.mark.parametrize("shape", [(1000,), (1000, 3), (1000, 300)])
def test_the_blocks_that_rows_are_taken_in_change_nothing(monkeypatch, shape):
    z = np.random.default_rng(0).normal(size=shape) * 9
    whole = saturation(z, FLOAT32)
    monkeypatch.setattr(_saturation, "_BLOCK", 100)
    cut = saturation(z, FLOAT32)
    np.testing.assert_array_equal(whole.counts, cut.counts)
    np.testing.assert_array_equal(whole.edges, cut.edges)
    assert (whole.share, whole.label) == (cut.share, cut.label)
