"""How much memory a call takes at most, as tracemalloc sees it."""

import tracemalloc

MEGABYTE = 1 << 20


def peak_of(call):
    """The peak of the second of two calls: the first may fill caches."""
    call()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
