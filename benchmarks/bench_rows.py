"""Rows of bounds.py that no other benchmark has, in the smoke mode alone: that they can still be measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import file_bounds
import loader_bounds
import pytest
from rows import Plan, Row

SECTIONS = (file_bounds.files_memory, file_bounds.files_start, *file_bounds.SECTIONS, *loader_bounds.SECTIONS)


@pytest.mark.parametrize("section", SECTIONS, ids=[section.__name__ for section in SECTIONS])
def test_rows_are_measured(section: Callable[[Plan], Iterator[Row]], smoke: bool) -> None:
    if not smoke:
        pytest.skip("bounds.py measures them")
    rows = list(section(Plan(quick=True, smoke=True)))
    assert all(math.isfinite(row.measured) and row.job for row in rows)
