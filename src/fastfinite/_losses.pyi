from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from numpy.typing import NDArray

_P = ParamSpec("_P")
_T = TypeVar("_T")

def undisturbed(function: Callable[_P, _T], *arguments: _P.args, **keywords: _P.kwargs) -> _T: ...
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
