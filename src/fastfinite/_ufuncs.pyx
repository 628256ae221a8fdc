"""The elementwise functions, as NumPy ufuncs over the kernels.

(a) A loop of a ufunc goes through its elements by tiles of MAP_TILE, read and written where they are if they lie end to
    end, else by way of the stack.
(b) Large calls are spread over threads here, inside the loop, which NumPy calls without the GIL. The parts are elements
    on their own, so nothing depends on where they are cut.
(c) The loops run in the default floating-point environment (subnormals kept, no traps) and leave no flag behind, so
    none of these functions ever warns. A loop has no way to raise: a setting of threads that is no number leaves it
    to one.
(d) Loops for bfloat16 are registered when a user-defined dtype is first met: ml_dtypes may be imported before or after.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
cimport numpy as cnp
from fastfinite._core cimport kernels, thread_count
from fastfinite._kernels.table cimport *
from fastfinite._native cimport *

import _thread
import math
import sys
import numpy as np
from fastfinite import _formats, _function_docs

cnp.import_array()
cnp.import_ufunc()

cdef extern from "Python.h":
    int Py_AddPendingCall(int (*function)(void*) except -1, void* argument)

cdef enum:
    MOST_OPERANDS = 3
    LINE = 64
    AHEAD = 1024            # bytes that inputs and output are prefetched ahead
    FAR_TILE_BYTES = 512    # of a tile out of cache: more lines at once than can be on their way hold up the loads
    FAR = 1 << 20           # bytes from which an array is not in the second-level cache, and prefetching pays
    MOST_THREADS = 64
    WORTH_THREADS = 1 << 20     # elements below which no thread is thought of

# What the loop of a ufunc is for; NumPy hands it to the loop.
ctypedef struct Loop:
    int function
    int kind
    int given               # operands beside the output
    int operands            # that the function reads

ctypedef struct Part:
    const Loop* loop
    const char* data[MOST_OPERANDS]
    Py_ssize_t stride[MOST_OPERANDS]
    char* out
    Py_ssize_t out_stride
    Py_ssize_t n
    bint apart                  # the output shares no memory with an operand
    bint in_steps               # an element may be read after one before it was written, and must see it

cdef Py_ssize_t[FLOATS] _itemsize = [2, 4, 8, 2]
# The log of the smallest positive number of each kind, which the log of the others is taken for.
cdef uint64_t _least_log[FLOATS]


# ---- running -----------------------------------------------------------------------------------------

cdef void run(void* argument) noexcept nogil:
    """Work on one part, tile by tile."""
    cdef Part* part = <Part*>argument
    cdef uint64_t tiles[MOST_OPERANDS][MAP_TILE + MAP_UNIT]
    cdef uint64_t result[MAP_TILE]
    cdef const void* operand[MOST_OPERANDS]
    cdef int kind = part.loop.kind, i
    cdef Py_ssize_t itemsize = _itemsize[kind], start = 0, n, filled
    cdef int width = 1 if itemsize == 2 else 2 if itemsize == 4 else 3
    cdef const char* at
    cdef char* out
    cdef bint far = part.n * itemsize >= FAR
    cdef Py_ssize_t tile = 1 if part.in_steps else FAR_TILE_BYTES // itemsize if far else MAP_TILE
    cdef bint direct = part.out_stride == itemsize and part.apart
    cdef ff_environment saved
    ff_enter_environment(&saved)
    filled = min((part.n + MAP_UNIT - 1) // MAP_UNIT * MAP_UNIT, <Py_ssize_t>MAP_TILE)
    for i in range(MOST_OPERANDS):
        operand[i] = tiles[0]
        if i < part.loop.operands:
            operand[i] = tiles[i]
            if part.stride[i] == 0:
                kernels.pack[width](tiles[i], part.data[i], 1, 0, filled, 0, False)
    while start < part.n:
        n = min(part.n - start, tile)
        filled = (n + MAP_UNIT - 1) // MAP_UNIT * MAP_UNIT
        for i in range(part.loop.operands):
            at = part.data[i] + start * part.stride[i]
            if part.stride[i] == 0:
                continue
            if part.stride[i] == itemsize:
                if far:
                    prefetch_tile(at + AHEAD)
                if n == filled:
                    operand[i] = at
                    continue
            operand[i] = tiles[i]
            # The last MAP_UNIT or more elements, of a constant number of bytes: no call.
            memset(<char*>tiles[i] + (filled - MAP_UNIT) * itemsize, 0, MAP_UNIT * sizeof(uint64_t))
            if part.stride[i] == itemsize:
                memcpy(tiles[i], at, n * itemsize)
            else:
                kernels.pack[width](tiles[i], at, 1, 0, n, part.stride[i], False)
        out = part.out + start * part.out_stride
        if direct and far:
            prefetch_tile_write(out + AHEAD)
        if direct and n == filled:
            kernels.map[kind](part.loop.function, out, operand[0], operand[1], operand[2], filled)
        else:
            kernels.map[kind](part.loop.function, result, operand[0], operand[1], operand[2], filled)
            store_strided(out, part.out_stride, result, itemsize, n)
        start += n
    ff_leave_environment(&saved)


cdef inline void store_strided(char* out, Py_ssize_t stride, const void* tile, Py_ssize_t itemsize,
                               Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if stride == itemsize:
        memcpy(out, tile, n * itemsize)
    elif itemsize == 2:
        for i in range(n):
            (<uint16_t*>(out + i * stride))[0] = (<const uint16_t*>tile)[i]
    elif itemsize == 4:
        for i in range(n):
            (<uint32_t*>(out + i * stride))[0] = (<const uint32_t*>tile)[i]
    else:
        for i in range(n):
            (<uint64_t*>(out + i * stride))[0] = (<const uint64_t*>tile)[i]


cdef inline void prefetch_tile(const char* data) noexcept nogil:
    cdef Py_ssize_t line
    for line in range(FAR_TILE_BYTES // LINE):
        ff_prefetch(data + line * LINE)


cdef inline void prefetch_tile_write(const char* data) noexcept nogil:
    cdef Py_ssize_t line
    for line in range(FAR_TILE_BYTES // LINE):
        ff_prefetch_write(data + line * LINE)


cdef void run_loop(char** args, cnp.npy_intp* dimensions, cnp.npy_intp* steps, void* data) noexcept nogil:
    """What NumPy calls."""
    cdef Part part
    cdef const Loop* loop = <const Loop*>data
    cdef bint alone = False
    cdef int i
    part.loop, part.n = loop, dimensions[0]
    for i in range(MOST_OPERANDS):
        # What was not given is the fill of a log.
        part.data[i] = args[i] if i < loop.given else <char*>&_least_log[loop.kind]
        part.stride[i] = steps[i] if i < loop.given else 0
    part.out, part.out_stride = args[loop.given], steps[loop.given]
    part.apart, part.in_steps = True, part.out_stride == 0
    for i in range(loop.given):
        if meet(part.data[i], part.stride[i], part.out, part.out_stride, part.n, _itemsize[loop.kind]):
            part.apart = False
            if part.data[i] != part.out or part.stride[i] != part.out_stride:
                # NumPy lets an operand run ahead of the output, which then overwrites what has been read; in
                # `accumulate` it is one element behind.
                part.in_steps |= not runs_ahead(part.data[i], part.stride[i], part.out, part.out_stride)
                alone = True
    if alone or part.n < WORTH_THREADS or part.out_stride == 0 or not run_parts(&part):
        run(&part)


cdef inline bint runs_ahead(const char* a, Py_ssize_t stride_a, const char* b, Py_ssize_t stride_b) noexcept nogil:
    """Whether no element of a lies behind the same element of b, in the direction of both."""
    if stride_b > 0:
        return a >= b and stride_a >= stride_b
    return a <= b and stride_a <= stride_b


cdef inline bint meet(const char* a, Py_ssize_t stride_a, const char* b, Py_ssize_t stride_b, Py_ssize_t n,
                      Py_ssize_t itemsize) noexcept nogil:
    """Whether the stretches of memory of two operands overlap."""
    cdef Py_ssize_t span_a = (n - 1) * stride_a, span_b = (n - 1) * stride_b
    return (a + min(span_a, <Py_ssize_t>0) < b + max(span_b, <Py_ssize_t>0) + itemsize
            and b + min(span_b, <Py_ssize_t>0) < a + max(span_a, <Py_ssize_t>0) + itemsize)


cdef bint run_parts(const Part* whole) noexcept nogil:
    """Run a loop on several threads; false, with nothing done, where one is enough."""
    cdef Part parts[MOST_THREADS]
    cdef Py_ssize_t share, start
    cdef int count = wanted_threads(whole.n * _itemsize[whole.loop.kind]), i, j
    if count < 2:
        return False
    share = (whole.n + count * MAP_TILE - 1) // (count * MAP_TILE) * MAP_TILE
    for i in range(count):
        start = min(i * share, whole.n)
        parts[i] = whole[0]
        parts[i].n = min(share, whole.n - start)
        parts[i].out += start * whole.out_stride
        for j in range(MOST_OPERANDS):
            parts[i].data[j] += start * whole.stride[j]
    ff_run_parallel(run, parts, sizeof(Part), count)
    return True


cdef int wanted_threads(Py_ssize_t nbytes) noexcept with gil:
    try:
        return thread_count(nbytes, MOST_THREADS)
    except ValueError:
        return 1
    except BaseException as error:
        # Python ran, and with it the handler of a signal: its exception is raised when the loop is over.
        Py_INCREF(error)
        Py_AddPendingCall(raise_later, <void*>error)
        return 1


cdef int raise_later(void* error) except -1:
    exception = <object><PyObject*>error
    Py_DECREF(exception)
    raise exception


# ---- making the ufuncs -------------------------------------------------------------------------------

cdef extern from "numpy/ufuncobject.h":
    ctypedef struct PyArrayObject:
        pass
    ctypedef struct PyArray_Descr:
        pass
    ctypedef enum NPY_CASTING:
        pass
    ctypedef struct PyUFuncObject
    ctypedef int PyUFunc_TypeResolutionFunc(PyUFuncObject* ufunc, NPY_CASTING casting, PyArrayObject** operands,
                                            PyObject* type_tup, PyArray_Descr** out_dtypes) except -1
    ctypedef struct PyUFuncObject:
        int nargs
        PyUFunc_TypeResolutionFunc* type_resolver

# One row a ufunc: name, function, operands given, operands that the function reads.
_UFUNCS = (
    ("sigmoid", SIGMOID, 1, 1),
    ("sigmoid_grad", SIGMOID_GRAD, 1, 1),
    ("log_sigmoid", LOG_SIGMOID, 1, 1),
    ("softplus", SOFTPLUS, 1, 1),
    ("logit", LOGIT, 1, 1),
    ("_log", LOG_OR_FILL, 1, 2),
    ("_log_floor", LOG_FLOOR, 2, 2),
    ("_log_or_fill", LOG_OR_FILL, 2, 2),
    ("_divide", DIVIDE, 3, 3),
)

cdef enum:
    UFUNCS = 9
    NATIVE_KINDS = BRAIN    # those before it are NumPy's own

assert len(_UFUNCS) == UFUNCS

cdef Loop _loops[UFUNCS][FLOATS]
cdef void* _datas[UFUNCS][FLOATS]
cdef char _types[UFUNCS][FLOATS * (MOST_OPERANDS + 1)]
cdef cnp.PyUFuncGenericFunction[FLOATS] _functions
cdef PyUFunc_TypeResolutionFunc* _resolve_by_numpy = NULL
cdef int _brain_loops = 0     # a flag: whether those for bfloat16 are registered
_registering = _thread.allocate_lock()
_made = []      # the ufuncs, and the bytes that NumPy points into


cdef int resolve(PyUFuncObject* ufunc, NPY_CASTING casting, PyArrayObject** operands, PyObject* type_tup,
                 PyArray_Descr** out_dtypes) except -1:
    """NumPy's choice of a loop, after the loops for bfloat16 are there if an operand may need them."""
    cdef int i
    if not ff_load_flag(&_brain_loops):
        for i in range(ufunc.nargs):
            if operands[i] != NULL and cnp.PyTypeNum_ISUSERDEF(cnp.PyArray_TYPE(<cnp.ndarray>operands[i])):
                register_brain_loops()
                break
    return _resolve_by_numpy(ufunc, casting, operands, type_tup, out_dtypes)


cdef int register_brain_loops() except -1:
    cdef int[MOST_OPERANDS + 1] numbers
    cdef int i, number
    bfloat16 = getattr(sys.modules.get("ml_dtypes"), "bfloat16", None)
    if bfloat16 is None:
        return 0
    with _registering:
        if ff_load_flag(&_brain_loops):
            return 0
        number = np.dtype(bfloat16).num
        for i in range(MOST_OPERANDS + 1):
            numbers[i] = number
        for i in range(UFUNCS):
            cnp.PyUFunc_RegisterLoopForType(_made[i][0], number, <cnp.PyUFuncGenericFunction>run_loop, numbers,
                                            &_loops[i][BRAIN])
        ff_raise_flag(&_brain_loops)
    return 0


def _make(int index, name, int function, int given, int operands):
    global _resolve_by_numpy
    cdef int kind, i
    cdef bytes name_bytes = name.encode(), doc = _function_docs.DOCS.get(name, "").encode()
    for kind in range(FLOATS):
        _functions[kind] = <cnp.PyUFuncGenericFunction>run_loop
        _loops[index][kind].function, _loops[index][kind].kind = function, kind
        _loops[index][kind].given, _loops[index][kind].operands = given, operands
        _datas[index][kind] = &_loops[index][kind]
    for i in range(given + 1):
        _types[index][i] = cnp.NPY_FLOAT16
        _types[index][given + 1 + i] = cnp.NPY_FLOAT
        _types[index][2 * (given + 1) + i] = cnp.NPY_DOUBLE
    made = cnp.PyUFunc_FromFuncAndData(_functions, _datas[index], _types[index], NATIVE_KINDS, given, 1,
                                       cnp.PyUFunc_None, name_bytes, doc, 0)
    _resolve_by_numpy = (<PyUFuncObject*>made).type_resolver
    (<PyUFuncObject*>made).type_resolver = resolve
    _made.append((made, name_bytes, doc))
    globals()[name] = made


def _fill_least_logs():
    cdef double value
    cdef int kind
    for kind, name in ((HALF, "float16"), (SINGLE, "float32"), (DOUBLE, "float64"), (BRAIN, "bfloat16")):
        value = math.log(_formats.SMALLEST[name])
        kernels.narrow[kind](&_least_log[kind], &value, 1)


_fill_least_logs()
for _index, _row in enumerate(_UFUNCS):
    _make(_index, *_row)
