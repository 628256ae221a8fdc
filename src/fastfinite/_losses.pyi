from typing import Any

from numpy.typing import NDArray

def run(
    loss: int,
    arrays: list[NDArray[Any] | None],
    kinds: list[int],
    tier: int,
    floor: float,
    grad_scale: float = 1,
    saturation: tuple[float, float] = (0, 0),
    summed: bool = False,
    counted: bool = False,
) -> tuple[float, tuple[bool, bool, bool, bool], tuple[int, int, int]]: ...
