"""Checks arrays on their bits: accepts layouts, owns the kernel table, spreads work over threads.

(a) `all_finite`, `has_nan` and `has_inf` answer here for plain NumPy arrays; everything else goes to
    `_scan.answer`, which accepts it and comes back with `search` or `tally`.
(b) Work is a `Job` over a range of ranks (see _layout.pxi). Its elements reach a kernel either where they are,
    or packed into a tile of TILE_BYTES on the stack. The tile starts small, so that a bad first element is
    found before much has been packed.
(c) The first element in C order and the first PROBE elements in memory are checked by the caller before any thread is
    started; a job that finds what is looked for raises the flag that the others read every SLICE_BYTES.
(d) The GIL is kept below SMALL elements: releasing it costs more than the work.
"""

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawRealloc
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t
from libc.string cimport memcpy, memset
cimport numpy as cnp
from fastfinite._kernels.table cimport *
from fastfinite._native cimport *

import os
import numpy as np
from fastfinite import _formats, _threads

cnp.import_array()

include "_layout.pxi"

cdef enum:
    TILE_BYTES = 8192
    TILE_WORDS = 1024
    FIRST_TILE = 64
    PROBE = 1024
    SMALL = 4096
    SLICE_BYTES = 1 << 18
    COUNT_BLOCK = 512
    DIRECT_BYTES = 256

cdef enum Mode:
    SEARCH      # is there one?
    TALLY       # how many of each kind, and the first
    COLLECT     # the C-order index of each

ctypedef struct Job:
    const Layout* layout
    Question question
    Format format
    Mode mode
    int parts
    Py_ssize_t start
    Py_ssize_t stop
    int* found
    Counts counts
    Py_ssize_t first            # smallest C-order index of a non-finite element, or -1
    Py_ssize_t first_over
    Py_ssize_t ncolumns         # 0: totals only
    Py_ssize_t* columns         # nan, posinf, neginf and over of each column
    Py_ssize_t* indices
    Py_ssize_t nindices
    Py_ssize_t capacity
    Py_ssize_t limit            # COLLECT ends after so many
    bint failed                 # out of memory


# ---- the kernel table (declared in _core.pxd) --------------------------------------------------------

_LEVELS = ("base", "v2", "v3", "v4")


def _import_level(level):
    # Literal imports, so that bundlers see them.
    if level == "v4":
        from fastfinite._kernels import v4 as module
    elif level == "v3":
        from fastfinite._kernels import v3 as module
    elif level == "v2":
        from fastfinite._kernels import v2 as module
    else:
        from fastfinite._kernels import base as module
    return module


def _load_kernels():
    """Import the best level that the machine has and the build holds; return its name."""
    global kernels
    supported = _LEVELS[:max(ff_x86_level(), 1)]
    wanted = os.environ.get("FASTFINITE_CPU") or None
    if wanted is not None and wanted not in _LEVELS:
        raise ImportError(f"FASTFINITE_CPU={wanted!r} is not a level; known are {', '.join(_LEVELS)}")
    if wanted is not None and wanted not in supported:
        raise ImportError(f"FASTFINITE_CPU={wanted!r} needs more than this processor and system have; "
                          f"they support {', '.join(supported)}")
    for level in (wanted,) if wanted else reversed(supported):
        try:
            module = _import_level(level)
        except ModuleNotFoundError as error:
            if wanted or level == "base":
                raise ImportError(f"this build of fastfinite holds no kernels for level {level!r}") from error
            continue
        kernels = <const KernelTable*>PyCapsule_GetPointer(module.table, "fastfinite.KernelTable")
        return level


LEVEL = _load_kernels()
SUPPORTED_LEVELS = _LEVELS[:max(ff_x86_level(), 1)]
COMPILER = (<bytes>FF_COMPILER).decode()


cdef inline int width_index(int itemsize) noexcept nogil:
    return 0 if itemsize == 1 else 1 if itemsize == 2 else 2 if itemsize == 4 else 3


# ---- visiting ----------------------------------------------------------------------------------------

cdef bint visit(Job* job, const char* data, Py_ssize_t n, Py_ssize_t rank) noexcept nogil:
    """Check n contiguous elements, the first of the given rank; true when the job is to end."""
    cdef int itemsize = job.layout.itemsize, width = width_index(itemsize)
    cdef Py_ssize_t slice_length = SLICE_BYTES // itemsize
    cdef Py_ssize_t i = 0, length, hit
    while i < n:
        if ff_load_flag(job.found):
            return True
        length = min(n - i, slice_length)
        hit = kernels.find[width](data + i * itemsize, length, &job.question)
        i += hit
        if hit < length:
            if job.mode == SEARCH:
                ff_raise_flag(job.found)
                return True
            i -= i % job.parts
            length = min(n - i, COUNT_BLOCK)
            if record(job, data + i * itemsize, length, rank + i):
                return True
            i += length
    return False


cdef bint record(Job* job, const char* data, Py_ssize_t n, Py_ssize_t rank) noexcept nogil:
    """Take down a block that holds something; true when the job is to end."""
    cdef int width = width_index(job.layout.itemsize)
    cdef Counts counts
    cdef Place place
    cdef Py_ssize_t i = 0, bad
    cdef int kind
    cdef bint counted = job.mode == TALLY and job.parts == 1 and job.ncolumns == 0
    if counted:
        memset(&counts, 0, sizeof(Counts))
        kernels.count[width](data, n, &job.format, &counts)
        bad = counts.of_kind[NAN_KIND] + counts.of_kind[POSINF_KIND] + counts.of_kind[NEGINF_KIND]
        add_counts(&job.counts, &counts)
        if ((bad == 0 or settled(job, job.first))
                and (counts.of_kind[OVER_KIND] == 0 or settled(job, job.first_over))):
            return False
    seek(job.layout, &place, rank)
    while i < n:
        kind = kind_at(job, width, data, i)
        if kind != FINITE:
            if job.mode == COLLECT:
                if not collect(job, place.index):
                    return True
            else:
                note(job, kind, &place, counted)
        i += job.parts
        advance(job.layout, &place)
        if job.parts == 2:
            advance(job.layout, &place)
    return False


cdef inline void add_counts(Counts* counts, const Counts* more) noexcept nogil:
    cdef int kind
    for kind in range(KINDS):
        counts.of_kind[kind] += more.of_kind[kind]


cdef inline int64_t key_at(const Job* job, int width, const char* data, Py_ssize_t i, int64_t* bits) noexcept nogil:
    if width == 3:
        bits[0] = (<const int64_t*>data)[i]
    elif width == 2:
        bits[0] = (<const int32_t*>data)[i]
    elif width == 1:
        bits[0] = (<const int16_t*>data)[i]
    else:
        bits[0] = (<const int8_t*>data)[i]
    return (bits[0] & job.question.mask) ^ job.question.flip


cdef inline int kind_at(const Job* job, int width, const char* data, Py_ssize_t i) noexcept nogil:
    """What an element is. Complex: nan if either part is, else inf if either part is, with the sign of the real part
    where both are, else overflowing if either part is."""
    cdef int64_t bits, imag_bits
    cdef int64_t key = key_at(job, width, data, i, &bits), imag_key
    if job.parts == 2:
        imag_key = key_at(job, width, data, i + 1, &imag_bits)
        if key < job.format.inf_from:
            bits = imag_bits
        key = max(key, imag_key)
    if key < job.question.threshold:
        return FINITE
    if key >= job.format.nan_from:
        return NAN_KIND
    if key >= job.format.inf_from:
        return NEGINF_KIND if bits < 0 else POSINF_KIND
    return OVER_KIND


cdef inline bint settled(const Job* job, Py_ssize_t first) noexcept nogil:
    """Whether no later element of this job can come before `first` in C order."""
    return first == 0 or (first > 0 and job.layout.ordered)


cdef inline void note(Job* job, int kind, const Place* place, bint counted) noexcept nogil:
    if kind == OVER_KIND:
        if job.first_over < 0 or place.index < job.first_over:
            job.first_over = place.index
    elif job.first < 0 or place.index < job.first:
        job.first = place.index
    if counted:
        return
    job.counts.of_kind[kind] += 1
    if job.ncolumns:
        job.columns[KINDS * place.column + kind] += 1


cdef inline bint collect(Job* job, Py_ssize_t index) noexcept nogil:
    cdef Py_ssize_t* grown
    cdef Py_ssize_t capacity
    if job.nindices == job.capacity:
        capacity = 2 * job.capacity + 64
        grown = <Py_ssize_t*>PyMem_RawRealloc(job.indices, capacity * sizeof(Py_ssize_t))
        if grown == NULL:
            job.failed = True
            ff_raise_flag(job.found)
            return False
        job.indices, job.capacity = grown, capacity
    job.indices[job.nindices] = index
    job.nindices += 1
    if job.nindices == job.limit:
        ff_raise_flag(job.found)
    return job.nindices < job.limit


cdef void run(void* argument) noexcept nogil:
    """Visit the ranks start to stop of a job."""
    cdef Job* job = <Job*>argument
    cdef const Layout* layout = job.layout
    cdef Py_ssize_t position[MAX_AXES]
    cdef int64_t tile[TILE_WORDS]
    cdef char* packed = <char*>tile
    cdef const char* data = layout.data
    cdef Py_ssize_t rank = job.start, rest = job.start, row, n, taken, rows
    cdef Py_ssize_t tile_length = FIRST_TILE, capacity = TILE_BYTES // layout.itemsize
    cdef Py_ssize_t stride = layout.stride[0] if layout.naxes else 0
    cdef Py_ssize_t length = layout.length[0] if layout.naxes else 1
    cdef Py_ssize_t row_stride = layout.stride[1] if layout.naxes > 1 else 0
    cdef int width = width_index(layout.itemsize), axis
    cdef bint contiguous = layout.plain and (layout.naxes == 0 or stride == layout.itemsize)
    position[0] = 0
    for axis in range(layout.naxes):
        position[axis] = rest % layout.length[axis]
        rest //= layout.length[axis]
        data += position[axis] * layout.stride[axis]
    while rank < job.stop:
        row = min(length - position[0], job.stop - rank)
        if contiguous and (row * layout.itemsize >= DIRECT_BYTES or row == job.stop - rank):
            if visit(job, data, row, rank):
                return
            step(layout, position, &data, row)
            rank += row
            continue
        n = 0
        while n < tile_length and rank + n < job.stop:
            row = min(length - position[0], job.stop - rank - n)
            if row == length and layout.naxes > 1 and length <= tile_length - n:
                rows = min((tile_length - n) // length, layout.length[1] - position[1], (job.stop - rank - n) // length)
                taken = rows * length
            else:
                rows = 1
                taken = row = min(row, tile_length - n)
            kernels.pack[width](packed + n * layout.itemsize, data, rows, row_stride, row, stride, layout.swapped)
            step(layout, position, &data, taken)
            n += taken
        if visit(job, packed, n, rank):
            return
        rank += n
        tile_length = min(4 * tile_length, capacity)


cdef inline void step(const Layout* layout, Py_ssize_t* position, const char** data, Py_ssize_t n) noexcept nogil:
    """Move n elements on, n at most to the end of the row or a number of whole rows inside the next axis."""
    cdef int axis = 0
    if layout.naxes == 0:
        return
    if n > layout.length[0]:
        axis = 1
        n //= layout.length[0]
    while True:
        position[axis] += n
        data[0] += n * layout.stride[axis]
        if position[axis] < layout.length[axis]:
            return
        data[0] -= position[axis] * layout.stride[axis]
        position[axis] = 0
        axis += 1
        n = 1
        if axis >= layout.naxes:
            return


# ---- spreading ---------------------------------------------------------------------------------------

cdef void start(Job* job, Layout* layout, int nthreads) noexcept nogil:
    """Run a job over its whole layout and leave the sums in it."""
    cdef Py_ssize_t probe = min(layout.size, <Py_ssize_t>PROBE)
    job.layout = layout
    if job.mode == SEARCH and layout.first != layout.data and layout.size and is_first_bad(job):
        ff_raise_flag(job.found)
        return
    job.start, job.stop = 0, probe
    run(job)
    if ff_load_flag(job.found) or probe == layout.size:
        return
    job.start, job.stop = probe, layout.size
    if nthreads < 2 or not start_threads(job, nthreads):
        run(job)


cdef bint is_first_bad(const Job* job) noexcept nogil:
    """Whether the first element in C order is bad: a reversed array comes to it last, and users look for it first."""
    cdef int64_t element[2]
    cdef int itemsize = job.layout.itemsize, width = width_index(itemsize)
    kernels.pack[width](element, job.layout.first, 1, 0, job.parts, itemsize, job.layout.swapped)
    return kernels.find[width](element, job.parts, &job.question) < job.parts


cdef bint start_threads(Job* job, int nthreads) noexcept nogil:
    """Run a job in equal shares; false, with nothing done, where there is no memory for it."""
    cdef Py_ssize_t share = (job.stop - job.start) // nthreads // PROBE * PROBE, i
    cdef Job* jobs = <Job*>PyMem_RawCalloc(nthreads, sizeof(Job))
    cdef bint ready = jobs != NULL
    if not ready:
        return False
    for i in range(nthreads):
        jobs[i] = job[0]
        jobs[i].start = job.start + i * share
        if i < nthreads - 1:
            jobs[i].stop = jobs[i].start + share
        if i > 0:
            memset(&jobs[i].counts, 0, sizeof(Counts))
            jobs[i].first = jobs[i].first_over = -1
            if job.ncolumns:
                jobs[i].columns = <Py_ssize_t*>PyMem_RawCalloc(KINDS * job.ncolumns, sizeof(Py_ssize_t))
                ready = ready and jobs[i].columns != NULL
    if ready:
        ff_run_parallel(run, jobs, sizeof(Job), nthreads)
        job[0] = jobs[0]
    for i in range(1, nthreads):
        if ready:
            merge(job, &jobs[i])
        if job.ncolumns:
            PyMem_RawFree(jobs[i].columns)
    PyMem_RawFree(jobs)
    return ready


cdef void merge(Job* job, const Job* other) noexcept nogil:
    cdef Py_ssize_t i
    add_counts(&job.counts, &other.counts)
    if other.first >= 0 and (job.first < 0 or other.first < job.first):
        job.first = other.first
    if other.first_over >= 0 and (job.first_over < 0 or other.first_over < job.first_over):
        job.first_over = other.first_over
    for i in range(KINDS * job.ncolumns):
        job.columns[i] += other.columns[i]


cdef Py_ssize_t _bytes_per_thread = _threads.BYTES_PER_THREAD


cdef int thread_count(Py_ssize_t nbytes, Py_ssize_t most) except -1:
    cdef Py_ssize_t useful = min(nbytes // _bytes_per_thread, most, <Py_ssize_t>FF_MAX_THREADS)
    return 1 if useful < 2 else <int>min(useful, <Py_ssize_t>_threads.count())


# ---- questions about one array -----------------------------------------------------------------------

cdef void put_format(Format* target, tuple thresholds):
    target.mask, target.flip, target.over_from, target.inf_from, target.nan_from = thresholds


cdef bint ask(cnp.ndarray array, const Question* question, int parts) except -1:
    """Whether any element answers yes, with early exit."""
    cdef Layout layout
    cdef Job job
    cdef int found = 0, nthreads
    describe(&layout, array, parts, -1)
    memset(&job, 0, sizeof(Job))
    job.question, job.mode, job.parts, job.found = question[0], SEARCH, parts, &found
    if layout.size <= SMALL:
        start(&job, &layout, 1)
    else:
        nthreads = thread_count(layout.size * layout.itemsize, layout.size)
        with nogil:
            start(&job, &layout, nthreads)
    return found != 0


def search(cnp.ndarray array, tuple question, int parts):
    """Whether any element has a key at or above the threshold of ``question`` (mask, flip, threshold)."""
    cdef Question asked
    asked.mask, asked.flip, asked.threshold = question
    return ask(array, &asked, parts)


def tally(cnp.ndarray array, tuple thresholds, int parts, int axis=-1):
    """Count every kind: ``(counts, first, first_over, columns)``.

    ``thresholds`` is (mask, flip, over_from, inf_from, nan_from); indices are C-order, -1 for none; ``columns`` has
    a row of four counts for each element of the array without ``axis``, or is None where ``axis`` is negative.
    """
    cdef Layout layout
    cdef Job job
    cdef int found = 0, nthreads, kind
    cdef cnp.ndarray columns = None
    describe(&layout, array, parts, axis)
    memset(&job, 0, sizeof(Job))
    put_format(&job.format, thresholds)
    job.question.mask, job.question.flip = job.format.mask, job.format.flip
    job.question.threshold = job.format.over_from
    job.mode, job.parts, job.found = TALLY, parts, &found
    job.first = job.first_over = -1
    if axis >= 0:
        shape = (<object>array).shape
        columns = np.zeros(shape[:axis] + shape[axis + 1:] + (KINDS,), np.intp)
        job.columns = <Py_ssize_t*>cnp.PyArray_DATA(columns)
        job.ncolumns = columns.size // KINDS
    nthreads = thread_count(layout.size * layout.itemsize, layout.size)
    with nogil:
        start(&job, &layout, nthreads)
    if columns is not None and layout.repeat != 1:
        columns *= layout.repeat
    for kind in range(KINDS):
        job.counts.of_kind[kind] *= layout.repeat
    counts = (job.counts.of_kind[NAN_KIND], job.counts.of_kind[POSINF_KIND], job.counts.of_kind[NEGINF_KIND],
              job.counts.of_kind[OVER_KIND])
    return counts, job.first, job.first_over, columns


def collect_indices(cnp.ndarray array, tuple question, int parts, Py_ssize_t limit):
    """C-order indices of the elements that answer yes, in the order of memory, ``limit`` at most."""
    cdef Layout layout
    cdef Job job
    cdef int found = 0
    cdef cnp.npy_intp n
    # Repeats are elements of their own here, so no axis may be dropped: ask as if for columns of another array.
    describe(&layout, array, parts, MAX_AXES)
    memset(&job, 0, sizeof(Job))
    job.question.mask, job.question.flip, job.question.threshold = question
    job.format.inf_from = job.format.nan_from = job.question.threshold
    job.mode, job.parts, job.found, job.limit = COLLECT, parts, &found, limit
    try:
        with nogil:
            start(&job, &layout, 1)
        if job.failed:
            raise MemoryError("no memory for the indices of the non-finite values")
        n = job.nindices
        result = np.empty(n, np.intp)
        memcpy(cnp.PyArray_DATA(result), job.indices, n * sizeof(Py_ssize_t))
        return result
    finally:
        PyMem_RawFree(job.indices)


# ---- the three fast answers --------------------------------------------------------------------------

cdef enum:
    NTYPES = 24
    NON_FINITE = 0
    NAN_ONLY = 1
    INF_ONLY = 2

# Questions by NumPy type number, for the types that are answered here; parts is 0 for all others.
cdef Question _questions[3][NTYPES]
cdef int _parts[NTYPES]


cdef void _fill_questions():
    cdef int kind, number
    memset(_parts, 0, sizeof(_parts))
    for name, parts in (("float16", 1), ("float32", 1), ("float64", 1), ("complex64", 2), ("complex128", 2)):
        number = np.dtype(name).num
        _parts[number] = parts
        for kind, question in enumerate(_formats.of_dtype(np.dtype(name)).questions()):
            (_questions[kind][number].mask, _questions[kind][number].flip,
             _questions[kind][number].threshold) = question


_fill_questions()
from fastfinite import _scan    # noqa: E402 - after what it needs of this module is there


cdef bint answer(object x, int kind) except -1:
    cdef int number
    cdef cnp.ndarray array
    cdef Py_ssize_t n
    if cnp.PyArray_CheckExact(x):
        array = <cnp.ndarray>x
        number = cnp.PyArray_TYPE(array)
        if cnp.PyTypeNum_ISINTEGER(number) or cnp.PyTypeNum_ISBOOL(number):
            return False
        # A complex value with a NaN in one part counts as NaN, so inf alone is a question about pairs.
        if 0 <= number < NTYPES and _parts[number] and not (kind == INF_ONLY and _parts[number] == 2):
            n = cnp.PyArray_SIZE(array) * _parts[number]
            if n <= SMALL and cnp.PyArray_ISCARRAY_RO(array):
                return kernels.find[width_index(<int>cnp.PyArray_ITEMSIZE(array) // _parts[number])](
                    cnp.PyArray_DATA(array), n, &_questions[kind][number]) < n
            return ask(array, &_questions[kind][number], _parts[number])
    return _scan.answer(x, kind)


def all_finite(x, *, bint allow_nan=False):
    """Return whether every value is finite.

    Parameters
    ----------
    x : array_like
        Any shape, layout and real or complex dtype; see `scan` for the dtypes.
    allow_nan : bool, default False
        Let nan (and None, NaT) pass; inf is still refused.

    Returns
    -------
    bool
        True for an empty array and for integers. Masked cells of masked arrays are left out.

    Raises
    ------
    TypeError
        If the dtype cannot be scanned (text, raw bytes, objects that are no numbers), with the reason.

    See Also
    --------
    scan : How many of each kind, and where the first one is.
    check_finite : Raise instead.

    Notes
    -----
    Exact, on bits: no rounding, no floating-point flag, no warning. Cost: one pass at the speed of memory, which ends
    within a block of the first bad value; no temporary, whatever the layout.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.all_finite(np.array([1.0, 2.0]))
    True
    >>> ff.all_finite(np.array([1.0, np.nan]))
    False
    >>> ff.all_finite(np.array([1.0, np.nan]), allow_nan=True)
    True
    """
    return not answer(x, INF_ONLY if allow_nan else NON_FINITE)


def has_nan(x):
    """Return whether any value is nan (NaT in datetimes).

    Parameters
    ----------
    x : array_like
        As for `all_finite`.

    Returns
    -------
    bool

    Raises
    ------
    TypeError
        If the dtype cannot be scanned.

    Notes
    -----
    Cost: as `all_finite`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.has_nan(np.array([1.0, np.inf])), ff.has_nan(np.array([1.0, np.nan]))
    (False, True)
    """
    return answer(x, NAN_ONLY)


def has_inf(x):
    """Return whether any value is +inf or -inf.

    Parameters
    ----------
    x : array_like
        As for `all_finite`.

    Returns
    -------
    bool
        A complex value with nan in one part counts as nan, not as inf.

    Raises
    ------
    TypeError
        If the dtype cannot be scanned.

    Notes
    -----
    Cost: as `all_finite`; for complex numbers, the whole array is read.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.has_inf(np.array([1.0, -np.inf])), ff.has_inf(np.array([1.0, np.nan]))
    (True, False)
    """
    return answer(x, INF_ONLY)


# ---- for the losses ----------------------------------------------------------------------------------

# Element types by the numbers of the kernel table, and those whose terms are of the quick tier.
ELEMENT_KINDS = {"float16": HALF, "float32": SINGLE, "float64": DOUBLE, "bfloat16": BRAIN, "bool": BOOLEAN,
                 "int8": INT8, "uint8": UINT8, "int16": INT16, "uint16": UINT16, "int32": INT32, "uint32": UINT32,
                 "int64": INT64, "uint64": UINT64}
QUICK_KINDS = (HALF, SINGLE, BRAIN)
LOSS_OF_LOGITS, LOSS_OF_PROBABILITIES = OF_LOGITS, OF_PROBABILITIES
TIER_SINGLES, TIER_WIDENED, TIER_DOUBLES = SINGLES, WIDENED, DOUBLES


def undisturbed(function, *arguments):
    """Call a function in the default floating-point environment: subnormals count whatever another library has set."""
    cdef ff_environment saved
    ff_enter_environment(&saved)
    try:
        return function(*arguments)
    finally:
        ff_leave_environment(&saved)
