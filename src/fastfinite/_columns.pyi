from typing import Any

import numpy as np
from numpy.typing import NDArray

def empty_table(columns: int) -> NDArray[np.float64]: ...
def tabulate(
    array: NDArray[Any], row_axes: tuple[int, ...], column_axes: tuple[int, ...], scale: float = 1
) -> NDArray[np.float64]: ...
def merge_tables(table: NDArray[np.float64], other: NDArray[np.float64]) -> None: ...
def quotients(
    head: NDArray[np.float64], rest: NDArray[np.float64], divisor: NDArray[np.float64]
) -> NDArray[np.float64]: ...
def add_few_rows(table: NDArray[np.float64], rows: NDArray[Any]) -> bool: ...
def scale_into(
    out: NDArray[Any],
    array: NDArray[Any],
    unit: NDArray[np.float64],
    center: NDArray[np.float64],
    spread: NDArray[np.float64],
    inverse: bool,
) -> bool: ...
