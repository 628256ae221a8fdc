"""BadMap: the grid is the same however the rows are cut, and every bad value is in it once."""

import itertools

import numpy as np
import pytest

from fastfinite._bad_map import MOST_COLUMNS, MOST_ROWS, BadMap, told_names


def filled(bad, cuts=()):
    found = BadMap(bad.shape[1])
    edges = [0, *cuts, len(bad)]
    for first, last in itertools.pairwise(edges):
        for start, stop in found.split(first, last):
            found.add(bad[start:stop].sum(axis=0), start, np.arange(bad.shape[1]))
    return found


def binned(bad, rows, columns):
    """The grid by definition."""
    grid = np.zeros((-(-bad.shape[0] // rows), -(-bad.shape[1] // columns)), int)
    for i, j in np.argwhere(bad):
        grid[i // rows, j // columns] += 1
    return grid


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (MOST_ROWS, 2), (MOST_ROWS + 1, 2), (5000, 7), (300, 2500)])
def test_every_bad_value_is_counted_in_its_cell_however_the_rows_are_cut(shape):
    rng = np.random.default_rng(0)
    bad = rng.random(shape) < 0.1
    whole = filled(bad)
    rows, columns = whole.rows_per_bin, whole.columns_per_bin
    assert rows & (rows - 1) == 0 and MOST_ROWS / 2 * rows < max(shape[0], MOST_ROWS) <= MOST_ROWS * rows
    assert columns == -(-shape[1] // MOST_COLUMNS)
    np.testing.assert_array_equal(whole.counts, binned(bad, rows, columns))
    np.testing.assert_array_equal(whole.sizes, binned(np.ones(shape), rows, columns))
    cut = filled(bad, sorted(rng.integers(0, shape[0], 4)))
    np.testing.assert_array_equal(cut.counts, whole.counts)
    assert cut.shape == whole.shape == shape and bool(whole) == bad.any()


def test_cells_are_pooled_with_those_beside():
    bad = np.random.default_rng(2).random((50, 7)) < 0.3
    counts, sizes = filled(bad).pooled(8, 3)
    np.testing.assert_array_equal(counts, binned(bad, 8, 3))
    np.testing.assert_array_equal(sizes, binned(np.ones(bad.shape), 8, 3))


def test_columns_that_were_not_scanned_say_so_in_their_names():
    assert BadMap(3, told_names(["a", "b", "c"], {0, 2})).not_scanned.tolist() == [0, 2]
    assert BadMap(3, ["a", "b", "c"]).not_scanned.tolist() == BadMap(3).not_scanned.tolist() == []


def test_parts_of_columns_come_in_any_order():
    bad = np.random.default_rng(1).random((1000, 4)) < 0.2
    found = BadMap(4)
    for columns, first, last in (([2, 3], 500, 1000), ([0], 0, 1000), ([2, 3], 0, 500), ([1], 0, 1000)):
        for start, stop in found.split(first, last):
            found.add(bad[start:stop, columns].sum(axis=0), start, np.array(columns))
    np.testing.assert_array_equal(found.counts, filled(bad).counts)


def test_of_nothing_it_is_empty():
    found = BadMap(3)
    assert found.counts.shape == found.sizes.shape == (0, 3) and not found
    assert BadMap(0).counts.shape == (0, 0)
