# Scans for non-finite values, on bits.
#
# (a) Every float format is data, not code. With key = (b & mask) ^ flip as a signed integer, "is not
#     finite", "is nan", "would overflow the target" and "is NaT" are all `key >= threshold`, so four loops
#     (8, 16, 32 and 64 bits) serve float16, bfloat16, float32, float64, the 8-bit floats and datetime64,
#     and no floating-point flag can be raised.
# (b) `find` keeps a running maximum over a block of fixed length and tests it once a block: two vector
#     instructions for 64 bytes with AVX-512. Blocks of 512 bytes are unrolled whole by GCC 12 and measured
#     110 to 145 GB/s in cache against 70 to 110 for blocks of 2048 bytes (v4); an OR of comparisons reached 70
#     to 110, an OR of sums as much as the maximum, but it cannot express the formats without a sign bit. AVX2 has no
#     maximum of 64-bit integers: there the signs of the differences are OR-ed (110 against 53 GB/s), where the
#     format allows. What is left of less than a block goes by lines of 64 bytes.
# (c) Prefetching PREFETCH bytes ahead is worth 10 to 45 % out of cache; 512 to 4096 measure alike.
# (d) Counting runs only on blocks that `find` stopped in, so clean data pays for `find` alone.
# (e) Layouts that are not contiguous, aligned and native are packed into a tile in the first-level cache and go
#     through the same loops.

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t
from libc.string cimport memcpy

cdef extern from "_native.h" nogil:
    void ff_prefetch(const void*)
    void ff_swap_bytes(void* data, Py_ssize_t n, int width)

cdef enum:
    BLOCK_BYTES = 512
    LINE_BYTES = 64
    PREFETCH = 2048
    UNROLL = 8

ctypedef fused bits_t:
    int8_t
    int16_t
    int32_t
    int64_t


cdef inline Py_ssize_t find(const bits_t* data, Py_ssize_t n, const Question* question) noexcept nogil:
    cdef bits_t mask = <bits_t>question.mask
    cdef bits_t flip = <bits_t>question.flip
    cdef bits_t threshold = <bits_t>question.threshold
    cdef Py_ssize_t block = BLOCK_BYTES // <Py_ssize_t>sizeof(bits_t)
    cdef Py_ssize_t line = LINE_BYTES // <Py_ssize_t>sizeof(bits_t)
    cdef Py_ssize_t i = 0, k
    cdef bits_t top
    if bits_t is int64_t:
        if flip == 0 and mask >= 0:
            while i + block <= n:
                fetch_block(<const char*>(data + i))
                top = 0
                for k in range(block):
                    top |= threshold - 1 - (data[i + k] & mask)
                if top < 0:
                    break
                i += block
    while i + block <= n:
        fetch_block(<const char*>(data + i))
        if top_key(data + i, block, mask, flip) >= threshold:
            break
        i += block
    while i + line <= n:
        if top_key(data + i, line, mask, flip) >= threshold:
            break
        i += line
    while i < n:
        if ((data[i] & mask) ^ flip) >= threshold:
            return i
        i += 1
    return n


cdef inline void fetch_block(const char* data) noexcept nogil:
    cdef int k
    for k in range(BLOCK_BYTES // LINE_BYTES):
        ff_prefetch(data + PREFETCH + k * LINE_BYTES)


cdef inline bits_t top_key(const bits_t* data, Py_ssize_t n, bits_t mask, bits_t flip) noexcept nogil:
    cdef bits_t top = (data[0] & mask) ^ flip, key
    cdef Py_ssize_t k
    for k in range(n):
        key = (data[k] & mask) ^ flip
        top = key if key > top else top
    return top


cdef inline void count(const bits_t* data, Py_ssize_t n, const Format* format, Counts* counts) noexcept nogil:
    cdef bits_t mask = <bits_t>format.mask
    cdef bits_t flip = <bits_t>format.flip
    cdef bits_t over_from = <bits_t>format.over_from
    cdef bits_t inf_from = <bits_t>format.inf_from
    cdef bits_t nan_from = <bits_t>format.nan_from
    cdef int32_t over = 0, bad = 0, nan = 0, neginf = 0
    cdef Py_ssize_t i
    cdef bits_t key
    for i in range(n):
        key = (data[i] & mask) ^ flip
        over += key >= over_from
        bad += key >= inf_from
        nan += key >= nan_from
        neginf += (key >= inf_from) & (key < nan_from) & (data[i] < 0)
    counts.of_kind[NAN_KIND] += nan
    counts.of_kind[POSINF_KIND] += bad - nan - neginf
    counts.of_kind[NEGINF_KIND] += neginf
    counts.of_kind[OVER_KIND] += over - bad


cdef inline void pack_row(bits_t* out, const char* data, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    cdef Py_ssize_t i = 0, k
    while i + UNROLL <= n:
        for k in range(UNROLL):
            memcpy(out + i + k, data + k * stride, sizeof(bits_t))
        data += UNROLL * stride
        i += UNROLL
    while i < n:
        memcpy(out + i, data, sizeof(bits_t))
        data += stride
        i += 1


cdef inline void pack(bits_t* tile, const char* data, Py_ssize_t rows, Py_ssize_t row_stride,
                      Py_ssize_t n, Py_ssize_t stride, bint swap) noexcept nogil:
    cdef bits_t* out = tile
    cdef Py_ssize_t row
    for row in range(rows):
        if stride == <Py_ssize_t>sizeof(bits_t) and n == 2:     # complex numbers: one move each
            memcpy(out, data + row * row_stride, 2 * sizeof(bits_t))
        elif stride == <Py_ssize_t>sizeof(bits_t):
            memcpy(out, data + row * row_stride, n * sizeof(bits_t))
        elif sizeof(bits_t) < 8 and stride == 2 * <Py_ssize_t>sizeof(bits_t):  # every other column: a loop of its own
            pack_row(out, data + row * row_stride, n, 2 * <Py_ssize_t>sizeof(bits_t))
        else:
            pack_row(out, data + row * row_stride, n, stride)
        out += n
    if swap:
        ff_swap_bytes(tile, rows * n, sizeof(bits_t))


cdef Py_ssize_t find_8(const void* data, Py_ssize_t n, const Question* question) noexcept nogil:
    return find(<const int8_t*>data, n, question)

cdef Py_ssize_t find_16(const void* data, Py_ssize_t n, const Question* question) noexcept nogil:
    return find(<const int16_t*>data, n, question)

cdef Py_ssize_t find_32(const void* data, Py_ssize_t n, const Question* question) noexcept nogil:
    return find(<const int32_t*>data, n, question)

cdef Py_ssize_t find_64(const void* data, Py_ssize_t n, const Question* question) noexcept nogil:
    return find(<const int64_t*>data, n, question)

cdef void count_8(const void* data, Py_ssize_t n, const Format* format, Counts* counts) noexcept nogil:
    count(<const int8_t*>data, n, format, counts)

cdef void count_16(const void* data, Py_ssize_t n, const Format* format, Counts* counts) noexcept nogil:
    count(<const int16_t*>data, n, format, counts)

cdef void count_32(const void* data, Py_ssize_t n, const Format* format, Counts* counts) noexcept nogil:
    count(<const int32_t*>data, n, format, counts)

cdef void count_64(const void* data, Py_ssize_t n, const Format* format, Counts* counts) noexcept nogil:
    count(<const int64_t*>data, n, format, counts)

cdef void pack_8(void* tile, const char* data, Py_ssize_t rows, Py_ssize_t row_stride,
                 Py_ssize_t n, Py_ssize_t stride, bint swap) noexcept nogil:
    pack(<int8_t*>tile, data, rows, row_stride, n, stride, swap)

cdef void pack_16(void* tile, const char* data, Py_ssize_t rows, Py_ssize_t row_stride,
                  Py_ssize_t n, Py_ssize_t stride, bint swap) noexcept nogil:
    pack(<int16_t*>tile, data, rows, row_stride, n, stride, swap)

cdef void pack_32(void* tile, const char* data, Py_ssize_t rows, Py_ssize_t row_stride,
                  Py_ssize_t n, Py_ssize_t stride, bint swap) noexcept nogil:
    pack(<int32_t*>tile, data, rows, row_stride, n, stride, swap)

cdef void pack_64(void* tile, const char* data, Py_ssize_t rows, Py_ssize_t row_stride,
                  Py_ssize_t n, Py_ssize_t stride, bint swap) noexcept nogil:
    pack(<int64_t*>tile, data, rows, row_stride, n, stride, swap)


cdef void fill_scan(KernelTable* table) noexcept nogil:
    table.find[0], table.find[1], table.find[2], table.find[3] = find_8, find_16, find_32, find_64
    table.count[0], table.count[1], table.count[2], table.count[3] = count_8, count_16, count_32, count_64
    table.pack[0], table.pack[1], table.pack[2], table.pack[3] = pack_8, pack_16, pack_32, pack_64
