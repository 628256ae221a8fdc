"""Runs the loss kernels over labels and predictions of any dtype and layout, in C order.

(a) Elements are taken in C order, whatever the memory looks like, by tiles of MAP_TILE: read where they are if they are
    float32 or float64 end to end, else packed and widened. So the sum has one order for every layout.
(b) Tiles make blocks of BLOCK elements, each with a sum of its own, a float64 and what it lost; the blocks are added in
    order. Threads take whole blocks, so the sum does not depend on their number.
(c) Kernels only tell that something is not allowed; which and where is looked up by the caller, who raises.
"""

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from libc.string cimport memset
cimport numpy as cnp
from fastfinite._core cimport kernels, thread_count
from fastfinite._kernels.table cimport *
from fastfinite._native cimport *

cnp.import_array()

include "_tiles.pxi"

cdef enum:
    BLOCK = 65536
    LINE = 64
    AHEAD = 2048
    FAR = 1 << 20
    SMALL = 4096        # elements below which the GIL is kept

cdef enum:              # operands of a loss
    LABEL
    PREDICTION
    WEIGHT
    POS_WEIGHT
    LOSS_OUT
    GRAD_OUT
    LAST_OPERAND

cdef double[FLOATS] _largest
_largest[HALF], _largest[SINGLE], _largest[DOUBLE], _largest[BRAIN] = (
    65504.0, 2.0 ** 128 - 2.0 ** 104, 2.0 ** 1023 * (2.0 - 2.0 ** -52), 2.0 ** 128 - 2.0 ** 120)

ctypedef struct Job:
    Walk walk
    int loss
    int tier
    double floor
    double grad_scale
    double lowest               # logits outside (lowest, highest) saturate
    double highest
    bint summed
    bint counted
    bint far                    # not in the second-level cache, so that prefetching pays
    Sum* sums                   # one a block

ctypedef struct Share:
    const Job* job
    Py_ssize_t first            # blocks
    Py_ssize_t stop
    bint bad_label
    bint bad_prob
    bint bad_weight
    bint bad_pos_weight
    Py_ssize_t floored
    Py_ssize_t saturated
    Py_ssize_t nans


# ---- one tile ----------------------------------------------------------------------------------------

cdef inline const void* as_read(const Job* job, int which, bint single, Py_ssize_t start, Py_ssize_t n, double pad,
                                double* wide, double* raw) noexcept nogil:
    """A tile of float32 (`single`) or float64, where it is or in one of the buffers, filled up with `pad`."""
    cdef const Operand* operand = &job.walk.operand[which]
    cdef bint same = operand.kind == (SINGLE if single else DOUBLE)
    cdef Py_ssize_t i
    cdef char* at = operand.data + start * operand.itemsize
    if operand.plain:
        if job.far:
            for i in range(MAP_TILE * operand.itemsize // LINE):
                ff_prefetch(at + AHEAD + i * LINE)
        if same and n == MAP_TILE:
            return at
    else:
        gather(&job.walk, operand, start, n, <char*>raw)
        at = <char*>raw
    if same:
        memcpy(wide, at, n * operand.itemsize)
    else:
        kernels.widen[operand.kind](wide, at, n)
    for i in range(n, MAP_TILE if n < MAP_TILE else n):
        if single:
            (<float*>wide)[i] = <float>pad
        else:
            wide[i] = pad
    return wide


cdef void run_blocks(void* argument) noexcept nogil:
    cdef Share* share = <Share*>argument
    cdef const Job* job = share.job
    cdef Py_ssize_t block
    cdef bint alone = job.tier == SINGLES and only_sum(job)
    cdef ff_environment saved
    ff_enter_environment(&saved)
    for block in range(share.first, share.stop):
        if not alone or not sum_products(job, block):
            run_block(share, block)
    ff_leave_environment(&saved)


cdef bint sum_products(const Job* job, Py_ssize_t block) noexcept nogil:
    """The sum of a block of float32 by products; false where that is not exact."""
    cdef double buffers[3][MAP_TILE]
    cdef ProductSum state
    cdef LossTile tile
    cdef Py_ssize_t start = block * BLOCK, stop = min((block + 1) * BLOCK, job.walk.n), n, i
    memset(&state, 0, sizeof(ProductSum))
    for i in range(QUARTER):
        state.product[i] = 1.0
    state.sign = 1.0 if job.loss == OF_LOGITS else -1.0
    tile.floor = job.floor
    while start < stop:
        n = min(stop - start, <Py_ssize_t>MAP_TILE)
        read(job, &tile, start, n, buffers[0], buffers[1], buffers[2])
        kernels.step[job.loss](&state, &tile)
        start += n
    kernels.take_logs(&state)
    job.sums[block] = state.sum
    return not state.odd and state.sum.value >= <double>(stop - block * BLOCK) / MAP_TILE


cdef inline void read(const Job* job, LossTile* tile, Py_ssize_t start, Py_ssize_t n, double* label, double* prediction,
                      double* raw) noexcept nogil:
    cdef bint single = job.tier == SINGLES
    tile.length, tile.filled = n, filled(n)
    tile.label = as_read(job, LABEL, single, start, n, 0.0, label, raw)
    tile.prediction = as_read(job, PREDICTION, single, start, n, 0.5, prediction, raw)


cdef void run_block(Share* share, Py_ssize_t block) noexcept nogil:
    cdef const Job* job = share.job
    cdef double buffers[7][MAP_TILE]
    cdef LossTile tile
    cdef Py_ssize_t start = block * BLOCK, stop = min((block + 1) * BLOCK, job.walk.n), n
    cdef Sum sum
    sum.value = sum.rest = 0.0
    memset(&tile, 0, sizeof(LossTile))
    tile.loss, tile.floor, tile.grad_scale = buffers[4], job.floor, job.grad_scale
    if job.walk.operand[GRAD_OUT].data != NULL:
        tile.grad = buffers[5]
    while start < stop:
        n = min(stop - start, <Py_ssize_t>MAP_TILE)
        read(job, &tile, start, n, buffers[0], buffers[1], buffers[6])
        if job.walk.operand[POS_WEIGHT].data != NULL:
            tile.pos_weight = <const double*>as_read(job, POS_WEIGHT, False, start, n, 1.0, buffers[2], buffers[6])
        if job.walk.operand[WEIGHT].data != NULL:
            tile.weight = <const double*>as_read(job, WEIGHT, False, start, n, 1.0, buffers[3], buffers[6])
        kernels.loss[job.loss][job.tier](&tile)
        if job.counted:
            count(share, &tile, n)
        if tile.weight != NULL:
            kernels.weigh(&tile)
        share.bad_label |= tile.bad_label
        share.bad_prob |= tile.bad_prob
        share.bad_weight |= tile.bad_weight
        share.bad_pos_weight |= tile.bad_pos_weight
        if tile.grad != NULL:
            if job.loss == OF_PROBABILITIES and job.floor > 0.0:
                limit(tile.grad, _largest[job.walk.operand[GRAD_OUT].kind], n)
            put(&job.walk, GRAD_OUT, start, n, tile.grad, buffers[6])
        if job.walk.operand[LOSS_OUT].data != NULL:
            put(&job.walk, LOSS_OUT, start, n, tile.loss, buffers[6])
        if job.summed:
            kernels.add_total(&sum, tile.loss, n)
        start += n
    job.sums[block] = sum


cdef inline void limit(double* x, double most, Py_ssize_t n) noexcept nogil:
    """Where logs have a floor, gradients have a ceiling: the largest number of their type. nan passes."""
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = most if x[i] > most else -most if x[i] < -most else x[i]


cdef inline bint only_sum(const Job* job) noexcept nogil:
    """Whether nothing but the sum is asked for, and no factors; of a floor, products of 4 must be normal numbers."""
    cdef int which
    if 0.0 < job.floor < 2.0 ** -149:
        return False
    for which in range(WEIGHT, LAST_OPERAND):
        if job.walk.operand[which].data != NULL:
            return False
    return not job.counted


cdef inline double element(const void* tile, bint single, Py_ssize_t i) noexcept nogil:
    return <double>(<const float*>tile)[i] if single else (<const double*>tile)[i]


cdef void count(Share* share, const LossTile* tile, Py_ssize_t n) noexcept nogil:
    """Before weights: floored and saturated predictions, and losses that are nan."""
    cdef const Job* job = share.job
    cdef bint single = job.tier == SINGLES
    cdef double y, x
    cdef Py_ssize_t i
    for i in range(n):
        y, x = element(tile.label, single, i), element(tile.prediction, single, i)
        share.nans += tile.loss[i] != tile.loss[i]
        if job.loss == OF_PROBABILITIES:
            share.floored += (y > 0.0 and x < job.floor) or (y < 1.0 and 1.0 - x < job.floor)
            share.saturated += x == 0.0 or x == 1.0
        else:
            share.saturated += x < job.lowest or x > job.highest


# ---- the call -----------------------------------------------------------------------------------------

def run(int loss, list arrays, list kinds, int tier, double floor, double grad_scale=1, tuple saturation=(0, 0),
        bint summed=False, bint counted=False):
    """Work through arrays of one shape: ``(sum, flags, (floored, saturated, nans))``.

    ``arrays`` are labels, predictions, weights, pos_weights, losses out, gradients out, each an array or None, with
    ``kinds`` as in the kernel table; flags tell of labels, probabilities, weights and pos_weights that are not allowed.
    """
    cdef Job job
    cdef Share shares[MOST_THREADS]
    cdef Py_ssize_t blocks, nbytes
    cdef int nthreads, i
    cdef Sum sum
    cdef ff_environment saved
    memset(&job, 0, sizeof(Job))
    job.loss, job.tier, job.floor, job.grad_scale = loss, tier, floor, grad_scale
    job.summed, job.counted = summed, counted
    job.lowest, job.highest = saturation
    describe_walk(&job.walk, arrays, kinds)
    blocks = (job.walk.n + BLOCK - 1) // BLOCK
    nbytes = job.walk.n * (job.walk.operand[LABEL].itemsize + job.walk.operand[PREDICTION].itemsize)
    nthreads = thread_count(nbytes, min(blocks, <Py_ssize_t>MOST_THREADS))
    memset(shares, 0, sizeof(shares))
    job.far = nbytes >= FAR
    job.sums = <Sum*>PyMem_RawCalloc(blocks + 1, sizeof(Sum))
    if job.sums == NULL:
        raise MemoryError("no memory for the sums of blocks")
    for i in range(nthreads):
        shares[i].job = &job
        shares[i].first, shares[i].stop = i * blocks // nthreads, (i + 1) * blocks // nthreads
    if job.walk.n <= SMALL:
        run_blocks(&shares[0])
    else:
        with nogil:
            ff_run_parallel(run_blocks, shares, sizeof(Share), nthreads)
    for i in range(1, nthreads):
        shares[0].bad_label |= shares[i].bad_label
        shares[0].bad_prob |= shares[i].bad_prob
        shares[0].bad_weight |= shares[i].bad_weight
        shares[0].bad_pos_weight |= shares[i].bad_pos_weight
        shares[0].floored += shares[i].floored
        shares[0].saturated += shares[i].saturated
        shares[0].nans += shares[i].nans
    sum.value = sum.rest = 0.0
    ff_enter_environment(&saved)
    kernels.add_sums(&sum, job.sums, blocks)
    settle(&sum)
    ff_leave_environment(&saved)
    PyMem_RawFree(job.sums)
    flags = (shares[0].bad_label, shares[0].bad_prob, shares[0].bad_weight, shares[0].bad_pos_weight)
    return sum.value, flags, (shares[0].floored, shares[0].saturated, shares[0].nans)
