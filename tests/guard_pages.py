"""Run by test_layouts.py: reads views that touch memory which may not be read; a byte too many ends the process.

Pages before and after the data are made unreadable, and views are laid to end exactly at the second, begin exactly
behind the first, or both, contiguous, strided, backwards, in columns, unaligned and byte-swapped. Results of
elementwise functions are written to such views, too.
"""

import ctypes
import mmap
import sys

import arrays
import numpy as np
from elementwise import CALLS, operands, same
from reference import check_all

import fastfinite as ff

PAGE = mmap.PAGESIZE
PAGES = 6
SIZES = (1, 2, 3, 7, 16, 31, 33, 64, 65, 127, 255, 511, 513, 1025)


def guarded(pages=PAGES):
    """A readable span of memory between two unreadable pages, as an array of bytes."""
    libc = ctypes.CDLL(None, use_errno=True)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    whole = np.frombuffer(memory, np.uint8)
    for page in (0, pages + 1):
        address = ctypes.c_void_p(whole.ctypes.data + page * PAGE)
        if libc.mprotect(address, ctypes.c_size_t(PAGE), 0):
            sys.exit(f"mprotect: error {ctypes.get_errno()}")
    return whole[PAGE : (pages + 1) * PAGE]


def views(span, dtype, n):
    """Views of n elements that touch an edge of the span."""
    item = dtype.itemsize
    count = span.size // item
    whole = span[: count * item].view(dtype)
    at_end = span[span.size - count * item :].view(dtype)
    yield from (whole[:n], at_end[-n:], at_end[-n:][::-1])
    for step in (2, 3, 7):
        if n * step <= count:
            # The last element of each is the last of the span: what lies between two is never after the last.
            yield from (at_end[::-step][:n], at_end[::-step][:n][::-1], whole[::step][:n])
    for columns in (2, 5):
        rows = -(-n // columns)
        if rows * columns <= count:
            table = at_end[-rows * columns :].reshape(rows, columns)
            yield from (table, table.T, table[:, -1], table[::-1, columns // 2 :], table.T[-1:])
    if item > 1 and n + 1 < count:
        yield span[1 : 1 + n * item].view(dtype)
        yield span[span.size - 1 - n * item : -1].view(dtype)
    if dtype.isbuiltin == 1:
        yield at_end[-n:].view(dtype.newbyteorder())


def tables(span, dtype, rows, columns):
    """Tables that end at, or begin behind, an unreadable page; each with a column or a row that touches it."""
    item, n = dtype.itemsize, rows * columns
    start, end = span[: n * item].view(dtype), span[span.size - n * item :].view(dtype)
    for edge in (start, end):
        yield edge.reshape(rows, columns)
        yield edge.reshape(columns, rows).T
        yield edge.reshape(rows, columns)[::-1, ::-1]
    wide = span.size // (2 * item) // rows
    if wide >= columns:
        yield span[: 2 * rows * wide * item].view(dtype).reshape(rows, 2 * wide)[:, : 2 * columns : 2]
        last = span[span.size - 2 * rows * wide * item :].view(dtype).reshape(rows, 2 * wide)
        yield last[:, ::-2][:, :columns]
        yield last[::-1, ::-2][:, :columns]
    yield end.view(dtype.newbyteorder()).reshape(rows, columns)


def check_columns(span):
    """Statistics and standardize of tables at the edges are those of their copies; returns how many tables."""
    done = 0
    for name in ("float32", "float64"):
        dtype = np.dtype(name)
        most = span.size // dtype.itemsize
        for columns in (1, 2, 3, 7, 16, 17, 33):
            for rows in sorted({1, 2, 5, 15, 16, 17, 127, 128, 129, 511, 512, 513, most // columns}):
                if rows * columns > most:
                    continue
                for view in tables(span, dtype, rows, columns):
                    view[...] = np.arange(rows * columns).reshape(rows, columns) % 101
                    copy = np.array(view, dtype)
                    stats = ff.column_stats(copy)
                    assert ff.column_stats(view) == stats
                    assert np.array_equal(ff.standardize(view), ff.standardize(copy))
                    right = ff.standardize(copy, stats=stats)
                    assert ff.standardize(view, stats=stats, out=view) is view and np.array_equal(view, right)
                    done += 1
    return done


def check_functions(span):
    """Elementwise functions of views at the edges, the results put at the edges of another span, and in place."""
    done, other = 0, guarded()
    for name in CALLS:
        for kind in ("float16", "float32", "float64"):
            dtype = np.dtype(kind)
            for n in (1, 15, 17, 257, span.size // dtype.itemsize):
                data = operands(name, dtype, n)
                right = CALLS[name][1](*data)
                for view, out in zip(views(span, dtype, n), views(other, dtype, n)):
                    if view.shape == right.shape:
                        check_function(name, data, right, view, out)
                        done += 1
    return done


def check_large_functions():
    """The same out of cache, where memory is prefetched, and on threads."""
    done = 0
    for nbytes, threads, names in ((5 << 18, 1, CALLS), (17 << 19, 2, ("sigmoid", "safe_divide"))):
        span, other = (guarded(2 * nbytes // PAGE) for _ in range(2))
        for name in names:
            for dtype in (np.dtype("float32"), np.dtype("float64")):
                n = nbytes // dtype.itemsize
                data = [np.resize(x, n) for x in operands(name, dtype, 509)]
                right = np.resize(CALLS[name][1](*(x[:509] for x in data)), n)
                for cut in (slice(n), slice(-n, None), slice(None, None, 2), slice(None, None, -2)):
                    with ff.threads(threads):
                        check_function(name, data, right, span.view(dtype)[cut], other.view(dtype)[cut])
                    done += 1
    return done


def check_function(name, data, right, view, out):
    """Each operand in turn is the view; the others are elsewhere."""
    for i, mine in enumerate(data):
        view[...] = mine
        inputs = [*data[:i], view, *data[i + 1 :]]
        for place in (out, view):
            assert same(CALLS[name][1](*inputs, out=place), right)


def main():
    span, done = guarded(), 0
    if "--prove" in sys.argv:
        np.lib.stride_tricks.as_strided(span, (span.size + 1,)).sum()
    done += check_columns(span)
    done += check_functions(span) + check_large_functions()
    for name in (*arrays.FLOATS, *arrays.COMPLEX, *arrays.LONG, *arrays.TIMES):
        dtype = np.dtype(arrays.dtype_of(name))
        fits = [n for n in SIZES if n * dtype.itemsize <= span.size]
        for n in (*fits, span.size // dtype.itemsize):
            for view in views(span, dtype, n):
                span[:] = 0
                assert ff.all_finite(view) and ff.scan(view).ok
                if view.dtype.isnative:
                    view.flat[view.size - 1] = arrays.bad_values(name)["nan"][0]
                    report = ff.scan(view, axis=0)
                    assert (report.totals.nan, report.size) == (1, view.size) and not ff.all_finite(view)
                    assert report.first == tuple(length - 1 for length in view.shape)
                if n in (3, 65, 513):
                    check_all(ff, view, axes=range(view.ndim))
                done += 1
    for target in ("float16", "float8_e4m3fn"):
        assert ff.scan(span[-8 * 65 :].view("f8"), target_dtype=target).size == 65
    print(done)


if __name__ == "__main__":
    main()
