"""Runs the column kernels over arrays of any layout, and combines what they find.

(a) The rows of an array are its reduced axes in C order, the columns its other axes. Where rows are contiguous (or
    their columns are) the kernels read the array itself; any other layout is packed, a few columns at a time.
(b) Blocks are dealt to at most UNITS units, each of consecutive blocks with a table of its own; threads take whole
    units, and the tables are merged in order. So no sum depends on the number of threads.
(c) The floating-point environment is the default one while kernels run: subnormals count whatever another library
    has set, and no exception flag is left behind.
"""

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc
from libc.math cimport INFINITY, fabs
from libc.string cimport memcpy, memset
cimport numpy as cnp
from fastfinite._core cimport kernels, thread_count
from fastfinite._kernels.table cimport *
from fastfinite._native cimport *

import numpy as np

cnp.import_array()

cdef enum:
    MAX_AXES = 64
    MOST_COLUMNS = 16384    # of a row that a kernel takes whole
    PACK_COLUMNS = 8    # a line of the cache in float64; a tile is 1 MB then
    UNITS = 32

cdef enum Way:
    ROWS        # rows are contiguous
    COLUMNS     # columns are
    PACKED

# One group of axes, innermost first, merged where they lie end to end.
ctypedef struct Axes:
    int n
    Py_ssize_t size
    Py_ssize_t length[MAX_AXES]
    Py_ssize_t stride[MAX_AXES]

ctypedef struct Work:
    const char* data
    int kind                    # 0 float32, 1 float64
    int itemsize
    bint swapped
    Way way
    Axes rows
    Axes columns
    double scale                # values are multiplied by it, 1 but for columns at float64's far ends
    double* tables              # one for each unit
    Py_ssize_t units
    Py_ssize_t blocks

ctypedef struct Share:
    const Work* work
    Py_ssize_t first            # units
    Py_ssize_t stop
    void* workspace
    char* tile
    Py_ssize_t* offsets


cdef void gather_axes(Axes* axes, cnp.ndarray array, tuple which):
    cdef int axis, last
    cdef Py_ssize_t length, stride
    axes.n, axes.size = 0, 1
    for axis in reversed(which):
        length, stride = cnp.PyArray_DIM(array, axis), cnp.PyArray_STRIDE(array, axis)
        axes.size *= length
        last = axes.n - 1
        if length == 1:
            continue
        if last >= 0 and stride == axes.stride[last] * axes.length[last]:
            axes.length[last] *= length
        else:
            axes.length[axes.n], axes.stride[axes.n] = length, stride
            axes.n += 1


cdef Py_ssize_t offset(const Axes* axes, Py_ssize_t index) noexcept nogil:
    cdef Py_ssize_t result = 0
    cdef int i
    for i in range(axes.n):
        result += index % axes.length[i] * axes.stride[i]
        index //= axes.length[i]
    return result


cdef void run_units(void* argument) noexcept nogil:
    cdef Share* share = <Share*>argument
    cdef const Work* work = share.work
    cdef Py_ssize_t columns = work.columns.size, unit, column, block
    cdef const char* data
    cdef double* table
    cdef ff_environment saved
    ff_enter_environment(&saved)
    for unit in range(share.first, share.stop):
        clear(work.tables + unit * FIELDS * columns, columns)
    if work.way == COLUMNS:
        for column in range(columns):
            data = work.data + offset(&work.columns, column)
            for unit in range(share.first, share.stop):
                table = work.tables + unit * FIELDS * columns
                for block in range(first_block(work, unit), first_block(work, unit + 1)):
                    kernels.block[work.kind](data + block * BLOCK_ROWS * work.itemsize, rows_of(work, block), 1,
                                             share.workspace, table + column, columns)
    else:
        for unit in range(share.first, share.stop):
            table = work.tables + unit * FIELDS * columns
            for block in range(first_block(work, unit), first_block(work, unit + 1)):
                if work.way == ROWS:
                    kernels.block[work.kind](work.data + block * BLOCK_ROWS * columns * work.itemsize,
                                             rows_of(work, block), columns, share.workspace, table, columns)
                else:
                    add_packed(share, block, table)
    ff_leave_environment(&saved)


cdef void add_packed(Share* share, Py_ssize_t block, double* table) noexcept nogil:
    cdef const Work* work = share.work
    cdef Py_ssize_t columns = work.columns.size, column = 0, width
    while column < columns:
        width = min(columns - column, <Py_ssize_t>PACK_COLUMNS)
        pack(share, block, column, width)
        kernels.block[work.kind](share.tile, rows_of(work, block), width, share.workspace, table + column, columns)
        column += width


cdef inline Py_ssize_t first_block(const Work* work, Py_ssize_t unit) noexcept nogil:
    return unit * work.blocks // work.units


cdef inline Py_ssize_t rows_of(const Work* work, Py_ssize_t block) noexcept nogil:
    return min(work.rows.size - block * BLOCK_ROWS, <Py_ssize_t>BLOCK_ROWS)


cdef void pack(Share* share, Py_ssize_t block, Py_ssize_t first, Py_ssize_t width) noexcept nogil:
    """Copy a block of some columns into the tile, in C order."""
    cdef const Work* work = share.work
    cdef Py_ssize_t rows = rows_of(work, block), i, j
    cdef Py_ssize_t column_offsets[PACK_COLUMNS]
    cdef const char* data
    for i in range(rows):
        share.offsets[i] = offset(&work.rows, block * BLOCK_ROWS + i)
    for j in range(width):
        column_offsets[j] = offset(&work.columns, first + j)
    if work.kind == 0:
        for i in range(rows):
            data = work.data + share.offsets[i]
            for j in range(width):
                memcpy(share.tile + 4 * (i * width + j), data + column_offsets[j], 4)
    else:
        for i in range(rows):
            data = work.data + share.offsets[i]
            for j in range(width):
                memcpy(share.tile + 8 * (i * width + j), data + column_offsets[j], 8)
    if work.swapped:
        ff_swap_bytes(share.tile, rows * width, work.itemsize)
    if work.scale != 1:
        for i in range(rows * width):
            (<double*>share.tile)[i] *= work.scale


cdef void clear(double* table, Py_ssize_t columns) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(FIELDS * columns):
        table[i] = 0
    for i in range(columns):
        table[LOW * columns + i] = INFINITY
        table[HIGH * columns + i] = -INFINITY


cdef int execute(Work* work, double* table, int nthreads) except -1 nogil:
    """Run all units and merge their tables into `table`."""
    cdef Py_ssize_t columns = work.columns.size
    cdef Share* shares = <Share*>PyMem_RawCalloc(nthreads, sizeof(Share))
    cdef Py_ssize_t widest = columns if work.way == ROWS else 1 if work.way == COLUMNS else PACK_COLUMNS
    cdef bint ready = shares != NULL
    cdef int i
    work.tables = table if work.units == 1 else <double*>PyMem_RawMalloc(work.units * FIELDS * columns * sizeof(double))
    ready = ready and work.tables != NULL
    if ready:
        for i in range(nthreads):
            shares[i].work = work
            shares[i].first, shares[i].stop = i * work.units // nthreads, (i + 1) * work.units // nthreads
            shares[i].workspace = PyMem_RawMalloc(kernels.block_workspace(widest, work.itemsize))
            if shares[i].workspace == NULL:
                ready = False
            else:       # only its head has to be: the rest of it may be large
                memset(shares[i].workspace, 0, WORKSPACE_HEAD)
            if work.way == PACKED:
                shares[i].tile = <char*>PyMem_RawMalloc(BLOCK_ROWS * PACK_COLUMNS * work.itemsize)
                shares[i].offsets = <Py_ssize_t*>PyMem_RawMalloc(BLOCK_ROWS * sizeof(Py_ssize_t))
                ready = ready and shares[i].tile != NULL and shares[i].offsets != NULL
    if ready:
        ff_run_parallel(run_units, shares, sizeof(Share), nthreads)
        if work.units > 1:
            combine(work, table)
    if shares != NULL:
        for i in range(nthreads):
            PyMem_RawFree(shares[i].workspace)
            PyMem_RawFree(shares[i].tile)
            PyMem_RawFree(shares[i].offsets)
        PyMem_RawFree(shares)
    if work.units > 1:
        PyMem_RawFree(work.tables)
    if not ready:
        with gil:
            raise MemoryError("no memory for the sums of the columns")
    return 0


cdef void combine(const Work* work, double* table) noexcept nogil:
    cdef Py_ssize_t unit, columns = work.columns.size
    cdef ff_environment saved
    ff_enter_environment(&saved)
    clear(table, columns)
    for unit in range(work.units):
        kernels.merge(table, columns, work.tables + unit * FIELDS * columns, columns, columns)
    ff_leave_environment(&saved)


def empty_table(Py_ssize_t columns):
    """A table of statistics of no rows."""
    cdef cnp.ndarray table = np.empty((FIELDS, columns))
    clear(<double*>cnp.PyArray_DATA(table), columns)
    return table


def tabulate(cnp.ndarray array, tuple row_axes, tuple column_axes, double scale=1):
    """The table of the columns of an array of float32 or float64, of any layout."""
    cdef Work work
    cdef cnp.ndarray table
    cdef int nthreads
    work.kind = 1 if cnp.PyArray_TYPE(array) == cnp.NPY_DOUBLE else 0
    work.itemsize = 8 if work.kind else 4
    work.data = <const char*>cnp.PyArray_DATA(array)
    work.swapped = not cnp.PyArray_ISNOTSWAPPED(array)
    work.scale = scale
    gather_axes(&work.rows, array, row_axes)
    gather_axes(&work.columns, array, column_axes)
    table = np.empty((FIELDS, work.columns.size))
    work.blocks = (work.rows.size + BLOCK_ROWS - 1) // BLOCK_ROWS
    if work.blocks == 0 or work.columns.size == 0:
        clear(<double*>cnp.PyArray_DATA(table), work.columns.size)
        return table
    work.units = min(work.blocks, <Py_ssize_t>UNITS)
    work.way = way_of(&work, cnp.PyArray_ISBEHAVED_RO(array) and scale == 1)
    nthreads = thread_count(work.rows.size * work.columns.size * work.itemsize, work.units)
    with nogil:
        execute(&work, <double*>cnp.PyArray_DATA(table), nthreads)
    return table


cdef Way way_of(const Work* work, bint plain):
    cdef Py_ssize_t columns = work.columns.size, row = columns * work.itemsize
    if not plain or work.rows.n > 1:
        return PACKED
    if work.rows.n == 1 and work.rows.stride[0] != row:
        return COLUMNS if work.rows.stride[0] == work.itemsize else PACKED
    if columns > 1 and not (work.columns.n == 1 and work.columns.stride[0] == work.itemsize):
        return PACKED
    return ROWS if columns <= MOST_COLUMNS else PACKED


def extremes(cnp.ndarray table):
    """Whether the squares of some column of a table may be no normal numbers; see `_tabulate.rescale_extremes`."""
    cdef Py_ssize_t columns = cnp.PyArray_DIM(table, 1), j
    cdef const double* fields = <const double*>cnp.PyArray_DATA(table)
    cdef double largest
    for j in range(columns):
        # Of values no larger the differences are no larger, of values no smaller they are 0 or more than 2**-480.
        largest = max(fabs(fields[LOW * columns + j]), fabs(fields[HIGH * columns + j]))
        if not FF_TINY * 2.0 ** 60 < largest < FF_HUGE / 4 and largest != 0:
            return True
    return False


def merge_tables(cnp.ndarray table, cnp.ndarray other):
    """Add the statistics of `other` to `table`, column by column."""
    cdef Py_ssize_t columns = cnp.PyArray_DIM(table, 1)
    cdef ff_environment saved
    if cnp.PyArray_DIM(other, 1) != columns:
        raise ValueError(f"statistics of {columns} and of {cnp.PyArray_DIM(other, 1)} columns cannot be merged: was "
                         "one of them changed by another thread meanwhile?")
    ff_enter_environment(&saved)
    kernels.merge(<double*>cnp.PyArray_DATA(table), columns, <const double*>cnp.PyArray_DATA(other), columns, columns)
    ff_leave_environment(&saved)


def quotients(cnp.ndarray head, cnp.ndarray rest, cnp.ndarray divisor):
    """``(head + rest) / divisor`` of one-dimensional arrays of float64, rounded once."""
    cdef cnp.ndarray out = np.empty_like(head)
    cdef ff_environment saved
    ff_enter_environment(&saved)
    kernels.quotients(<double*>cnp.PyArray_DATA(out), <const double*>cnp.PyArray_DATA(head),
                      <const double*>cnp.PyArray_DATA(rest), <const double*>cnp.PyArray_DATA(divisor),
                      cnp.PyArray_SIZE(out))
    ff_leave_environment(&saved)
    return out


def add_row(cnp.ndarray table, cnp.ndarray row):
    """Add one row, contiguous float32 or float64, to `table`; false, with nothing done, where it is not that."""
    cdef Py_ssize_t columns = cnp.PyArray_DIM(table, 1), i
    cdef int kind = cnp.PyArray_TYPE(row)
    cdef double* fields = <double*>cnp.PyArray_DATA(table)
    cdef const void* data = cnp.PyArray_DATA(row)
    cdef double entry[FIELDS]
    cdef ff_environment saved
    if not cnp.PyArray_ISCARRAY_RO(row) or cnp.PyArray_SIZE(row) != columns or (
            kind != cnp.NPY_FLOAT and kind != cnp.NPY_DOUBLE):
        return False
    ff_enter_environment(&saved)
    for i in range(columns):
        put_value(entry, (<const double*>data)[i] if kind == cnp.NPY_DOUBLE else (<const float*>data)[i])
        kernels.merge(fields + i, columns, entry, 1, 1)
    ff_leave_environment(&saved)
    return True


cdef void put_value(double* entry, double x) noexcept nogil:
    """The statistics of one value."""
    cdef bint finite = x - x == 0
    clear(entry, 1)
    entry[COUNT], entry[NANS] = finite, x != x
    entry[POSINFS], entry[NEGINFS] = x == INFINITY, x == -INFINITY
    entry[ZEROS], entry[NEGATIVES] = x == 0, x < 0
    if x == x:
        entry[LOW] = entry[HIGH] = x + 0.0
    if finite:
        entry[MEAN] = x + 0.0


# ---- standardizing -----------------------------------------------------------------------------------

cdef enum:
    SHARES = 64

# So many lines of so many elements, each line with parameters of its own (by_column) or all with the same.
ctypedef struct Scaling:
    int kind
    char* out
    const char* data
    Py_ssize_t lines
    Py_ssize_t length
    Py_ssize_t rest             # elements of a last, shorter line
    Py_ssize_t out_stride
    Py_ssize_t data_stride
    bint by_column
    const double* unit
    const double* center
    const double* spread
    bint inverse


cdef void scale_lines(void* argument) noexcept nogil:
    cdef Scaling* job = <Scaling*>argument
    cdef Py_ssize_t i, which, step = 0 if job.by_column else 1
    cdef ff_environment saved
    ff_enter_environment(&saved)
    for i in range(job.lines + (job.rest > 0)):
        which = i if job.by_column else 0
        kernels.affine[job.kind](job.out + i * job.out_stride, job.data + i * job.data_stride,
                                 job.length if i < job.lines else job.rest, job.unit + which, job.center + which,
                                 job.spread + which, step, job.inverse)
    ff_leave_environment(&saved)


def scale_into(cnp.ndarray out, cnp.ndarray array, cnp.ndarray unit, cnp.ndarray center, cnp.ndarray spread,
               bint inverse):
    """``out = (array * unit - center) / spread`` by column, or the inverse; false where no kernel takes the layouts.

    Both arrays are of one dtype, float32 or float64, of two dimensions, both with contiguous rows or both with
    contiguous columns. The other three are float64 and hold the columns a whole number of times, so that several narrow
    rows can be taken as one.
    """
    cdef Scaling job
    cdef Scaling jobs[SHARES]
    cdef Py_ssize_t rows = cnp.PyArray_DIM(array, 0), columns = cnp.PyArray_DIM(array, 1), size, parts, start, stop
    cdef int nthreads, i, number = cnp.PyArray_TYPE(array)
    if number != cnp.PyArray_TYPE(out) or (number != cnp.NPY_FLOAT and number != cnp.NPY_DOUBLE) or not (
            cnp.PyArray_ISBEHAVED_RO(array) and cnp.PyArray_ISBEHAVED(out)):
        return False
    job.kind = 1 if number == cnp.NPY_DOUBLE else 0
    size = 8 if job.kind else 4
    job.out, job.data = <char*>cnp.PyArray_DATA(out), <const char*>cnp.PyArray_DATA(array)
    job.unit, job.center = <const double*>cnp.PyArray_DATA(unit), <const double*>cnp.PyArray_DATA(center)
    job.spread, job.inverse = <const double*>cnp.PyArray_DATA(spread), inverse
    job.by_column, job.rest = False, 0
    if cnp.PyArray_IS_C_CONTIGUOUS(array) and cnp.PyArray_IS_C_CONTIGUOUS(out):
        job.length = cnp.PyArray_SIZE(unit)
        job.lines, job.rest = rows * columns // job.length, rows * columns % job.length
        job.out_stride = job.data_stride = job.length * size
    elif cnp.PyArray_STRIDE(array, 1) == size and cnp.PyArray_STRIDE(out, 1) == size:
        job.lines, job.length = rows, columns
        job.out_stride, job.data_stride = cnp.PyArray_STRIDE(out, 0), cnp.PyArray_STRIDE(array, 0)
    elif cnp.PyArray_STRIDE(array, 0) == size and cnp.PyArray_STRIDE(out, 0) == size:
        job.by_column = True
        job.lines, job.length = columns, rows
        job.out_stride, job.data_stride = cnp.PyArray_STRIDE(out, 1), cnp.PyArray_STRIDE(array, 1)
    else:
        return False
    parts = job.lines
    # Long columns, and fewer of them than threads, are cut across.
    if job.by_column and job.lines < SHARES:
        parts = job.length
    nthreads = thread_count(rows * columns * size, min(max(parts, 1), <Py_ssize_t>SHARES))
    for i in range(nthreads):
        jobs[i] = job
        start, stop = i * parts // nthreads, (i + 1) * parts // nthreads
        if parts == job.lines:
            jobs[i].lines = stop - start
            jobs[i].rest = job.rest if i == nthreads - 1 else 0
            jobs[i].out += start * job.out_stride
            jobs[i].data += start * job.data_stride
            if job.by_column:
                jobs[i].unit += start
                jobs[i].center += start
                jobs[i].spread += start
        else:
            jobs[i].length = stop - start
            jobs[i].out += start * size
            jobs[i].data += start * size
    with nogil:
        ff_run_parallel(scale_lines, jobs, sizeof(Scaling), nthreads)
    return True
