"""An object that stands for another."""

from __future__ import annotations

import reprlib
from typing import Any


class Proxy:
    """Passes what it does not have itself through to the object it stands for, dunder names excepted."""

    # Attributes of the proxy itself.
    _own = frozenset(("_wrapped",))

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        # Half-made objects, as copy and pickle make them, have nothing to pass on to.
        if name in self._own or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._wrapped, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in self._own:
            object.__setattr__(self, name, value)
        else:
            setattr(self._wrapped, name, value)

    def __len__(self) -> int:
        return len(self._wrapped)

    def __bool__(self) -> bool:
        return bool(self._wrapped)

    def __repr__(self) -> str:
        return f"<guarded {reprlib.repr(self._wrapped)}>"

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self._wrapped)})
