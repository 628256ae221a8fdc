from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

LEVEL: str
SUPPORTED_LEVELS: tuple[str, ...]
COMPILER: str
ELEMENT_KINDS: dict[str, int]
QUICK_KINDS: tuple[int, ...]
LOSS_OF_LOGITS: int
LOSS_OF_PROBABILITIES: int
TIER_SINGLES: int
TIER_WIDENED: int
TIER_DOUBLES: int

_T = TypeVar("_T")

def all_finite(x: object, *, allow_nan: bool = False) -> bool: ...
def has_nan(x: object) -> bool: ...
def has_inf(x: object) -> bool: ...
def search(array: NDArray[Any], question: tuple[int, int, int], parts: int) -> bool: ...
def tally(
    array: NDArray[Any], thresholds: tuple[int, int, int, int, int], parts: int, axis: int = -1
) -> tuple[tuple[int, int, int, int], int, int, NDArray[np.intp] | None]: ...
def collect_indices(
    array: NDArray[Any], question: tuple[int, int, int], parts: int, limit: int
) -> NDArray[np.intp]: ...
def undisturbed(function: Callable[..., _T], *arguments: Any) -> _T: ...
