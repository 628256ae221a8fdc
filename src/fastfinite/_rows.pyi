from typing import Any

import numpy as np
from numpy.typing import NDArray

SOFTMAX: int
LOG_SOFTMAX: int
LOGSUMEXP: int
CROSS_ENTROPY: int

def run(
    task: int,
    arrays: list[NDArray[Any] | None],
    kinds: list[int],
    full: bool,
    length: int,
    label: NDArray[np.intp] | None,
    weight: NDArray[np.float64] | None,
    grad_scale: float,
    with_result: bool,
) -> tuple[NDArray[np.float64] | None, float]: ...
def round_into(out: NDArray[Any], kind: int, values: NDArray[np.float64]) -> None: ...
