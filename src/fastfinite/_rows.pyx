"""softmax, log_softmax, logsumexp and the cross-entropy of classes, over rows of any dtype and layout.

(a) The last axes of the array are the row; the walk of _tiles.pxi takes it in C order. Rows of at most MAP_TILE
    elements are taken as many at a time as a tile holds; longer ones tile by tile, in two passes or three.
(b) Sums leave out the largest element (see _kernels/rows.pxi). No sum depends on the layout or on the threads, which
    take whole rows.
"""

from libc.math cimport NAN
from libc.string cimport memset
cimport numpy as cnp
from fastfinite._core cimport kernels, thread_count
from fastfinite._kernels.table cimport *
from fastfinite._native cimport *

import numpy as np

cnp.import_array()

include "_tiles.pxi"

cdef enum:      # operands
    X
    SOFT_LABEL
    OUT

cdef enum Task:
    TO_SOFTMAX
    TO_LOG_SOFTMAX
    TO_LOGSUMEXP
    TO_CROSS_ENTROPY

SOFTMAX, LOG_SOFTMAX, LOGSUMEXP, CROSS_ENTROPY = TO_SOFTMAX, TO_LOG_SOFTMAX, TO_LOGSUMEXP, TO_CROSS_ENTROPY

ctypedef struct Job:
    Walk walk
    Task task
    bint full
    Py_ssize_t length           # of a row
    Py_ssize_t rows
    const Py_ssize_t* label     # of each row, or NULL
    const double* weight        # of each row, or NULL
    double grad_scale
    double* result              # of each row, or NULL

ctypedef struct Share:
    const Job* job
    Py_ssize_t first            # rows
    Py_ssize_t stop

# What is known of a row.
ctypedef struct Row:
    double largest
    double rest                 # the sum of exp(x - largest) but for one that is the largest
    double log                  # of 1 + rest
    Py_ssize_t label            # or -1
    double at_label             # x there
    Sum label_sum               # of soft labels
    Sum label_part              # of soft labels times (largest - x)

# Tiles of one thread.
ctypedef struct Buffers:
    double x[MAP_TILE]
    double largest[MAP_TILE]
    double e[MAP_TILE]          # exponentials * 2**64
    double y[MAP_TILE]
    double out[MAP_TILE]
    double raw[MAP_TILE]


cdef void run_rows(void* argument) noexcept nogil:
    cdef Share* share = <Share*>argument
    cdef const Job* job = share.job
    cdef Buffers buffers
    cdef Py_ssize_t row = share.first, together = MAP_TILE // job.length if job.length else 0, n
    cdef ff_environment saved
    ff_enter_environment(&saved)
    while row < share.stop:
        if together:
            n = min(together, share.stop - row)
            short_rows(job, &buffers, row, n)
        else:
            n = 1
            long_row(job, &buffers, row)
        row += n
    ff_leave_environment(&saved)


cdef inline void read(const Job* job, int which, double* tile, double* raw, Py_ssize_t start,
                      Py_ssize_t n) noexcept nogil:
    cdef const Operand* operand = &job.walk.operand[which]
    if operand.plain:
        kernels.widen[operand.kind](tile, operand.data + start * operand.itemsize, n)
    else:
        gather(&job.walk, operand, start, n, <char*>raw)
        kernels.widen[operand.kind](tile, raw, n)


cdef inline double max_with_nan(double a, double b) noexcept nogil:
    """nan if either is."""
    return b if b > a or b != b else a


cdef inline void add(Sum* sum, double x) noexcept nogil:
    cdef double value = sum.value + x
    sum.rest += ff_sum_rest(sum.value, x, value)
    sum.value = value


cdef inline void begin(const Job* job, Row* row, Py_ssize_t index) noexcept nogil:
    row.largest, row.rest = -INFINITY, 0.0
    row.label = -1 if job.label == NULL else job.label[index]
    row.at_label = 0.0
    memset(&row.label_sum, 0, sizeof(Sum))
    memset(&row.label_part, 0, sizeof(Sum))


cdef inline void look_at_labels(const Job* job, Row* row, const double* x, const double* y, Py_ssize_t start,
                                Py_ssize_t n) noexcept nogil:
    """What the labels say of elements start to start + n of a row."""
    cdef Py_ssize_t j
    cdef double difference
    if start <= row.label < start + n:
        row.at_label = x[row.label - start]
    if job.walk.operand[SOFT_LABEL].data != NULL:
        for j in range(n):
            add(&row.label_sum, y[j])
            # A label of 0 has no part in it, though the logit may be -inf.
            if y[j] != 0:
                difference = row.largest - x[j]
                add(&row.label_part, y[j] * difference)
                row.label_part.rest += y[j] * ff_difference_rest(row.largest, x[j], difference)


cdef void short_rows(const Job* job, Buffers* buffers, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    cdef Row rows[MAP_TILE]
    cdef double rest[MAP_TILE]
    cdef double logs[MAP_TILE]
    cdef Py_ssize_t length = job.length, start = first * length, n = count * length, r, j
    cdef double largest, others
    cdef Sum sum
    read(job, X, buffers.x, buffers.raw, start, n)
    if job.walk.operand[SOFT_LABEL].data != NULL:
        read(job, SOFT_LABEL, buffers.y, buffers.raw, start, n)
    for r in range(count):
        begin(job, &rows[r], first + r)
        for j in range(r * length, (r + 1) * length):
            rows[r].largest = max_with_nan(rows[r].largest, buffers.x[j])
        for j in range(r * length, (r + 1) * length):
            buffers.largest[j] = rows[r].largest
    for j in range(n, filled(n)):
        buffers.x[j] = buffers.largest[j] = 0.0
    kernels.shifted_exps(buffers.e, buffers.x, buffers.largest, filled(n), job.full)
    for r in range(count):
        largest, others = rows[r].largest, -1.0
        sum.value = sum.rest = 0.0
        for j in range(r * length, (r + 1) * length):
            add(&sum, buffers.e[j])
            others += buffers.x[j] == largest
        settle(&sum)
        rows[r].rest = sum.value * 2.0 ** -64 + others
        look_at_labels(job, &rows[r], buffers.x + r * length, buffers.y + r * length, 0, length)
        rest[r] = rows[r].rest
    for r in range(count, filled(count)):
        rest[r] = 0.0
    kernels.logs_of_sums(logs, rest, filled(count))
    for r in range(count):
        rows[r].log = logs[r]
        conclude(job, &rows[r], first + r)
        if job.walk.operand[OUT].data != NULL:
            write_part(job, &rows[r], buffers, r * length, length, 0, first + r)
    if job.walk.operand[OUT].data != NULL:
        put(&job.walk, OUT, start, n, buffers.out, buffers.raw)


cdef void long_row(const Job* job, Buffers* buffers, Py_ssize_t index) noexcept nogil:
    cdef Row row
    cdef double rest[MAP_UNIT]
    cdef double logs[MAP_UNIT]
    cdef double others = -1.0
    cdef Sum sum
    cdef Py_ssize_t length = job.length, first = index * length, start = 0, n, j
    begin(job, &row, index)
    sum.value = sum.rest = 0.0
    while start < length:
        n = min(length - start, <Py_ssize_t>MAP_TILE)
        read(job, X, buffers.x, buffers.raw, first + start, n)
        row.largest = max_with_nan(row.largest, kernels.largest_of(buffers.x, n))
        start += n
    for j in range(MAP_TILE):
        buffers.largest[j] = row.largest
    start = 0
    while start < length:
        n = min(length - start, <Py_ssize_t>MAP_TILE)
        others += take_exps(job, &row, buffers, first, start, n)
        if job.walk.operand[SOFT_LABEL].data != NULL:
            read(job, SOFT_LABEL, buffers.y, buffers.raw, first + start, n)
        look_at_labels(job, &row, buffers.x, buffers.y, start, n)
        kernels.add_total(&sum, buffers.e, n)
        start += n
    settle(&sum)
    row.rest = sum.value * 2.0 ** -64 + others
    memset(rest, 0, sizeof(rest))
    rest[0] = row.rest
    kernels.logs_of_sums(logs, rest, MAP_UNIT)
    row.log = logs[0]
    conclude(job, &row, index)
    start = 0
    while start < length and job.walk.operand[OUT].data != NULL:
        n = min(length - start, <Py_ssize_t>MAP_TILE)
        take_exps(job, &row, buffers, first, start, n)
        if job.walk.operand[SOFT_LABEL].data != NULL:
            read(job, SOFT_LABEL, buffers.y, buffers.raw, first + start, n)
        write_part(job, &row, buffers, 0, n, start, index)
        put(&job.walk, OUT, first + start, n, buffers.out, buffers.raw)
        start += n


cdef inline double take_exps(const Job* job, const Row* row, Buffers* buffers, Py_ssize_t first, Py_ssize_t start,
                             Py_ssize_t n) noexcept nogil:
    """How many of the elements are the largest."""
    cdef Py_ssize_t j
    read(job, X, buffers.x, buffers.raw, first + start, n)
    for j in range(n, filled(n)):
        buffers.x[j] = row.largest
    return kernels.shifted_exps(buffers.e, buffers.x, buffers.largest, filled(n), job.full) - (filled(n) - n)


cdef inline void conclude(const Job* job, Row* row, Py_ssize_t index) noexcept nogil:
    """The one number of a row."""
    cdef double value
    settle(&row.label_sum)
    settle(&row.label_part)
    if job.result == NULL:
        return
    if job.task == TO_LOGSUMEXP:
        value = row.largest + row.log
    elif fabs(row.largest) == INFINITY:
        value = NAN
    elif row.label >= 0:
        value = row.largest - row.at_label
        value = value + (row.log + ff_difference_rest(row.largest, row.at_label, value))
    else:
        value = row.label_part.value + (row.label_sum.value * row.log if row.label_sum.value != 0 else 0.0)
    if job.weight != NULL:
        value = 0.0 if job.weight[index] == 0 else job.weight[index] * value
    job.result[index] = value


cdef inline double share_of_others(const Row* row, double x, double e, double sum) noexcept nogil:
    return (row.rest if x == row.largest else sum - e * 2.0 ** -64) / sum


cdef inline void write_part(const Job* job, const Row* row, Buffers* buffers, Py_ssize_t at, Py_ssize_t n,
                            Py_ssize_t start, Py_ssize_t index) noexcept nogil:
    """Elements start to start + n of a row, which are at buffers.x[at] and on."""
    cdef double* out = buffers.out + at
    cdef const double* x = buffers.x + at
    cdef const double* e = buffers.e + at
    cdef const double* y = buffers.y + at
    cdef double sum = 1.0 + row.rest if fabs(row.largest) < INFINITY else NAN, scale, value, labels
    cdef Py_ssize_t j, label = row.label - start
    if job.task == TO_LOG_SOFTMAX:
        for j in range(n):
            value = x[j] - row.largest
            out[j] = value - (row.log - ff_difference_rest(x[j], row.largest, value))
        return
    kernels.shares(out, x, e, row.largest, sum, n)
    if job.task == TO_SOFTMAX:
        return
    if job.walk.operand[SOFT_LABEL].data != NULL:
        labels = row.label_sum.value
        for j in range(n):
            # With all of the label in one class, that is the share of the others.
            out[j] = out[j] * labels - y[j] if y[j] != labels else -labels * share_of_others(row, x[j], e[j], sum)
    elif 0 <= label < n:
        # softmax - 1 would cancel.
        out[label] = -share_of_others(row, x[label], e[label], sum)
    scale = job.grad_scale
    if job.weight != NULL:
        scale = scale * job.weight[index]
    if job.weight != NULL and job.weight[index] == 0.0:
        memset(out, 0, n * sizeof(double))
    elif scale != 1.0:
        for j in range(n):
            out[j] *= scale


# ---- the call ----------------------------------------------------------------------------------------

def run(int task, list arrays, list kinds, bint full, Py_ssize_t length, cnp.ndarray label, cnp.ndarray weight,
        double grad_scale, bint with_result):
    """Work through rows of the given length: their numbers as float64, or None, and the sum of these.

    ``arrays`` are logits, soft labels and the elementwise output, each of one shape or None; ``label`` and ``weight``
    have one intp and one float64 a row, or are None.
    """
    cdef Job job
    cdef Share shares[MOST_THREADS]
    cdef int nthreads, i
    cdef cnp.ndarray result = None
    cdef Sum sum
    cdef ff_environment saved
    sum.value = sum.rest = 0.0
    memset(&job, 0, sizeof(Job))
    describe_walk(&job.walk, arrays, kinds)
    job.task, job.full, job.length, job.grad_scale = <Task>task, full, length, grad_scale
    job.rows = job.walk.n // length if length else 0
    if label is not None:
        job.label = <const Py_ssize_t*>cnp.PyArray_DATA(label)
    if weight is not None:
        job.weight = <const double*>cnp.PyArray_DATA(weight)
    if with_result:
        result = np.empty(job.rows)
        job.result = <double*>cnp.PyArray_DATA(result)
    nthreads = thread_count(job.walk.n * job.walk.operand[X].itemsize, min(job.rows, <Py_ssize_t>MOST_THREADS))
    for i in range(nthreads):
        shares[i].job = &job
        shares[i].first, shares[i].stop = i * job.rows // nthreads, (i + 1) * job.rows // nthreads
    with nogil:
        ff_run_parallel(run_rows, shares, sizeof(Share), nthreads)
    if result is not None:
        ff_enter_environment(&saved)
        add_results(&sum, &job)
        settle(&sum)
        ff_leave_environment(&saved)
    return result, sum.value


cdef void add_results(Sum* sum, const Job* job) noexcept nogil:
    cdef double tile[MAP_TILE]
    cdef Py_ssize_t start = 0, n
    while start < job.rows:
        n = min(job.rows - start, <Py_ssize_t>MAP_TILE)
        memcpy(tile, job.result + start, n * sizeof(double))
        kernels.add_total(sum, tile, n)
        start += n


def round_into(cnp.ndarray out, int kind, cnp.ndarray values):
    """Round contiguous float64 to a contiguous array of another float type."""
    cdef ff_environment saved
    cdef Py_ssize_t start = 0, size = cnp.PyArray_SIZE(values), n
    ff_enter_environment(&saved)
    while start < size:
        n = min(size - start, <Py_ssize_t>MAP_TILE)
        kernels.narrow[kind](<char*>cnp.PyArray_DATA(out) + start * cnp.PyArray_ITEMSIZE(out),
                             <const double*>cnp.PyArray_DATA(values) + start, n)
        start += n
    ff_leave_environment(&saved)
