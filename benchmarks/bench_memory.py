"""Memory that a job takes beside its array: a table at the end of the run, no times.

Each job runs in a process of its own, twice: traced (tracemalloc, which sees NumPy's allocations), and by its peak
resident size, less that of a process that makes the array and does nothing with it.
"""

from __future__ import annotations

from typing import Any

import pytest
from datasets import size_text
from measure import extra_memory
from memory_child import JOBS


@pytest.mark.parametrize("job", JOBS)
def test_extra_memory(job: str, smoke: bool, table: Any, request: pytest.FixtureRequest) -> None:
    if smoke and not job.startswith(("all_finite, float32", "column_stats, float32")):
        pytest.skip("two processes suffice to see that the measurement runs")
    nbytes = 1_000_000 if smoke else 400_000_000
    memory = extra_memory(job, nbytes, rounds=1 if smoke else 3)
    assert memory.traced >= 0
    if not smoke:
        line = f"{job:30} traced {memory.traced / 1000:10.1f} kB   resident {memory.resident / 1000:10.1f} kB"
        table(f"memory beside an array of {size_text(nbytes)}", line)
