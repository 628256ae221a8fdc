from typing import Any

import numpy as np
from numpy.typing import NDArray

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
) -> NDArray[np.float64] | None: ...
