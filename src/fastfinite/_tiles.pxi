# Walking through several arrays of one shape in C order by tiles, whatever their memory looks like.
#
# Axes that every array lays end to end are made one, so that most walks have one axis. An array of one run of aligned,
# native elements is read where it is; of any other, elements are packed a tile at a time.

from libc.math cimport INFINITY, fabs
from libc.string cimport memcpy

cdef enum:
    MAX_AXES = 64
    OPERANDS = 6
    MOST_THREADS = 64

# An array, or none (data NULL).
ctypedef struct Operand:
    char* data
    Py_ssize_t stride[MAX_AXES]
    int kind
    Py_ssize_t itemsize
    int width                   # log2 of it
    bint swapped
    bint plain                  # one run of aligned, native elements

ctypedef struct Walk:
    Operand operand[OPERANDS]
    int naxes                   # innermost first
    Py_ssize_t length[MAX_AXES]
    Py_ssize_t n


cdef inline Py_ssize_t locate(const Walk* walk, Py_ssize_t index, Py_ssize_t* position) noexcept nogil:
    """The position of an element by axes; how many follow it in its row, itself with them."""
    cdef int axis
    for axis in range(walk.naxes):
        position[axis] = index % walk.length[axis]
        index //= walk.length[axis]
    return walk.length[0] - position[0] if walk.naxes else 1


cdef inline char* address(const Walk* walk, const Operand* operand, const Py_ssize_t* position) noexcept nogil:
    cdef char* data = operand.data
    cdef int axis
    for axis in range(walk.naxes):
        data += position[axis] * operand.stride[axis]
    return data


cdef void gather(const Walk* walk, const Operand* operand, Py_ssize_t start, Py_ssize_t n, char* tile) noexcept nogil:
    """Pack n elements from the start-th on."""
    cdef Py_ssize_t position[MAX_AXES]
    cdef Py_ssize_t done = 0, row
    while done < n:
        row = min(locate(walk, start + done, position), n - done)
        kernels.pack[operand.width](tile + done * operand.itemsize, address(walk, operand, position), 1, 0, row,
                                    operand.stride[0] if walk.naxes else 0, operand.swapped)
        done += row


cdef void scatter(const Walk* walk, const Operand* operand, Py_ssize_t start, Py_ssize_t n,
                  const char* tile) noexcept nogil:
    cdef Py_ssize_t position[MAX_AXES]
    cdef Py_ssize_t done = 0, row, i, stride = operand.stride[0] if walk.naxes else 0
    cdef char* at
    while done < n:
        row = min(locate(walk, start + done, position), n - done)
        at = address(walk, operand, position)
        if stride == operand.itemsize:
            memcpy(at, tile + done * operand.itemsize, row * operand.itemsize)
        else:
            for i in range(row):
                memcpy(at + i * stride, tile + (done + i) * operand.itemsize, operand.itemsize)
        done += row


cdef inline void put(const Walk* walk, int which, Py_ssize_t start, Py_ssize_t n, const double* tile,
                     double* raw) noexcept nogil:
    """Round n numbers to an array's type, from the start-th element on."""
    cdef double turned[MAP_TILE]
    cdef const Operand* operand = &walk.operand[which]
    if operand.plain:
        kernels.narrow[operand.kind](operand.data + start * operand.itemsize, tile, n)
        return
    kernels.narrow[operand.kind](raw, tile, n)
    if operand.swapped:
        kernels.pack[operand.width](turned, <const char*>raw, 1, 0, n, operand.itemsize, True)
        raw = turned
    scatter(walk, operand, start, n, <const char*>raw)


cdef inline void settle(Sum* sum) noexcept nogil:
    """The value with the rest; beside inf or nan that means nothing."""
    if fabs(sum.value) < INFINITY:
        sum.value += sum.rest
    sum.rest = 0.0


cdef inline Py_ssize_t filled(Py_ssize_t n) noexcept nogil:
    return (n + MAP_UNIT - 1) // MAP_UNIT * MAP_UNIT


cdef int describe_walk(Walk* walk, list arrays, list kinds) except -1:
    """Strides of all arrays by axes, innermost first; axes that every array lays end to end are made one."""
    cdef cnp.ndarray model = next(array for array in arrays if array is not None), array
    cdef int axis, which, last
    cdef Py_ssize_t length
    cdef bint merged
    walk.naxes, walk.n = 0, cnp.PyArray_SIZE(model)
    for which in range(len(arrays)):
        if arrays[which] is None:
            continue
        array = arrays[which]
        walk.operand[which].data = <char*>cnp.PyArray_DATA(array)
        walk.operand[which].kind = kinds[which]
        walk.operand[which].itemsize = cnp.PyArray_ITEMSIZE(array)
        walk.operand[which].swapped = cnp.PyArray_ISBYTESWAPPED(array)
        walk.operand[which].width = {1: 0, 2: 1, 4: 2, 8: 3}[walk.operand[which].itemsize]
    for axis in reversed(range(cnp.PyArray_NDIM(model))):
        length, last = cnp.PyArray_DIM(model, axis), walk.naxes - 1
        if length == 1:
            continue
        merged = last >= 0
        for which in range(OPERANDS):
            if merged and walk.operand[which].data != NULL:
                array = arrays[which]
                merged = cnp.PyArray_STRIDE(array, axis) == walk.operand[which].stride[last] * walk.length[last]
        if merged:
            walk.length[last] *= length
            continue
        for which in range(OPERANDS):
            if walk.operand[which].data != NULL:
                array = arrays[which]
                walk.operand[which].stride[walk.naxes] = cnp.PyArray_STRIDE(array, axis)
        walk.length[walk.naxes] = length
        walk.naxes += 1
    for which in range(OPERANDS):
        if walk.operand[which].data != NULL:
            array = arrays[which]
            walk.operand[which].plain = cnp.PyArray_ISBEHAVED_RO(array) and (
                walk.naxes == 0 or walk.naxes == 1 and walk.operand[which].stride[0] == walk.operand[which].itemsize)
    return 0
