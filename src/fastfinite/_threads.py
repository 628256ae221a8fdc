"""How many threads a call may use: the one place that decides.

In this order: the ``threads`` context, ``set_num_threads``, ``FASTFINITE_NUM_THREADS``, ``OMP_NUM_THREADS``, and else
the processors that this process may use, at most `BANDWIDTH_CAP`. What was chosen in a parent process does not reach
its multiprocessing children: a worker uses one thread unless it asks for more itself.
"""

from __future__ import annotations

import contextvars
import math
import operator
import os
import sys
from types import TracebackType

# A few cores saturate the memory of one socket; more threads than this cost more to start than they bring.
BANDWIDTH_CAP = 8
# A thread starts to work 20 to 65 us after its creation, the time to read up to 1 MB; each is given more than that.
BYTES_PER_THREAD = 4 << 20

# More is never used; a larger number means as many as possible.
_MOST = 2**31 - 1

_VARIABLES = ("FASTFINITE_NUM_THREADS", "OMP_NUM_THREADS")
# (process id, number): a number that was set in another process is not ours.
_chosen: tuple[int, int] | None = None
_in_context: contextvars.ContextVar[tuple[int, int] | None] = contextvars.ContextVar("fastfinite_threads", default=None)


def _checked(n: object, name: str) -> int:
    try:
        number = operator.index(n)      # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"{name} must be a whole number of at least 1, not {n!r}") from None
    if number < 1 or isinstance(n, bool):
        raise ValueError(f"{name} must be a whole number of at least 1, not {n!r}")
    return min(number, _MOST)


def _from_environment() -> int | None:
    for variable in _VARIABLES:
        text = os.environ.get(variable, "").strip()
        if text:
            # OpenMP allows a list, one number for each level of nesting; the first is ours.
            first = text.partition(",")[0].strip()
            digits = first.lstrip("0")
            if not (first.isascii() and first.isdigit()) or not digits:
                raise ValueError(
                    f"the environment variable {variable} must be a whole number of at least 1, not {text!r}"
                )
            # Python refuses to read more than some thousand digits.
            return min(int(digits[:20]), _MOST)
    return None


def in_worker() -> bool:
    """Whether this is a child process of multiprocessing (a data-loader worker is one)."""
    module = sys.modules.get("multiprocessing.process")
    return module is not None and module.parent_process() is not None


def _cgroup_limit() -> int | None:
    """Processors that the control group grants, rounded up; None where it sets no limit."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="utf-8") as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        try:
            with open("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", encoding="utf-8") as file:
                quota = file.read()
            with open("/sys/fs/cgroup/cpu/cpu.cfs_period_us", encoding="utf-8") as file:
                period = file.read()
        except (OSError, ValueError):
            return None
    try:
        limit = math.ceil(int(quota) / int(period))
    except (ValueError, ZeroDivisionError):     # "max": no limit
        return None
    return limit if limit > 0 else None


def _processors() -> int:
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:      # not on macOS and Windows
        usable = os.cpu_count() or 1
    return min(usable, _cgroup_limit() or usable, BANDWIDTH_CAP)


def count() -> int:
    """The number of threads that a large call would use now."""
    pid = os.getpid()
    for choice in (_in_context.get(), _chosen):
        if choice is not None and choice[0] == pid:
            return choice[1]
    if in_worker():
        return 1
    inherited = _in_context.get() or _chosen
    if inherited is not None:       # a plain fork() keeps what its parent chose
        return inherited[1]
    return _from_environment() or _processors()


def get_num_threads() -> int:
    """Return the number of threads that a large call would use now.

    Returns
    -------
    int
        What `threads` or `set_num_threads` chose; else ``FASTFINITE_NUM_THREADS``, else ``OMP_NUM_THREADS``; else the
        processors that this process may use (affinity and control group), at most 8; 1 in a multiprocessing child.

    Raises
    ------
    ValueError
        If the environment variable that decides does not hold a whole number of at least 1.

    Examples
    --------
    >>> import fastfinite as ff
    >>> with ff.threads(2):
    ...     ff.get_num_threads()
    2
    """
    return count()


def set_num_threads(n: int | None) -> None:
    """Choose how many threads a large call uses in this process.

    Threads are started inside a call and joined before it returns, and only when each has megabytes to read. The
    results do not depend on their number.

    Parameters
    ----------
    n : int or None
        At least 1. None goes back to the environment and the machine.

    Raises
    ------
    ValueError
        If `n` is not a whole number of at least 1.

    Examples
    --------
    >>> import fastfinite as ff
    >>> ff.set_num_threads(1)
    >>> ff.get_num_threads()
    1
    >>> ff.set_num_threads(None)
    """
    global _chosen
    _chosen = None if n is None else (os.getpid(), _checked(n, "n"))


class threads:
    """Context in which large calls use ``n`` threads; Python threads that run beside it are not affected.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    ValueError
        If `n` is not a whole number of at least 1.

    Examples
    --------
    >>> import fastfinite as ff
    >>> with ff.threads(1):
    ...     ff.get_num_threads()
    1
    """

    def __init__(self, n: int) -> None:
        self._n = _checked(n, "n")
        self._tokens: list[contextvars.Token[tuple[int, int] | None]] = []

    def __enter__(self) -> None:
        self._tokens.append(_in_context.set((os.getpid(), self._n)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _in_context.reset(self._tokens.pop())
