"""An object that stands for another, and the end of its iterators."""

from __future__ import annotations

import contextlib
import reprlib
from collections.abc import Iterator
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


@contextlib.contextmanager
def closing(iterator: Any, loader: Any) -> Iterator[None]:
    """Close what was made to go through a loader, however the loop ends.

    A loader that is its own iterator stays open, to be gone through again, unless an error ended the loop.
    """
    try:
        yield
    except GeneratorExit:       # the loop was left early
        if iterator is not loader:
            _close(iterator)
        raise
    except BaseException:
        with contextlib.suppress(Exception):        # the first error is what matters
            _close(iterator)
        raise
    if iterator is not loader:
        _close(iterator)


def _close(iterator: Any) -> None:
    close = getattr(iterator, "close", None)
    if callable(close):
        close()
