# Elementwise functions, a tile of contiguous elements at a time.
#
# (a) float32 and narrower are worked on in float64 and rounded once; float16 and bfloat16 go by way of a tile of
#     float64, so that they are rounded correctly.
# (b) A function is a few short loops over the tile, not a long one. The scheduler of a processor holds some 100
#     instructions: of a loop of 50 that wait for each other only two rounds overlap (sigmoid of float64 1.7 ns), of
#     loops of 20 enough to keep both ports busy (1.1 ns). The way through the first-level cache is free: loads and
#     stores have ports of their own.
# (c) Rounding to 11 or 8 bits is by adding and subtracting a power of two, 2**42 or 2**45 times the one below the
#     value.
# (d) Tiles are filled up to a multiple of MAP_UNIT, so no element meets other instructions than its neighbours.
# (e) Division is done in the type itself: float64 has half as many lanes as float32, and a divider of the same speed.

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "_native.h" nogil:
    float TWO_24TH "0x1p-24f"
    double LEAST_NORMAL_HALF "0x1p-14"
    double TWO130 "0x1p130"

ctypedef fused number_t:
    int8_t
    uint8_t
    int16_t
    uint16_t
    int32_t
    uint32_t
    int64_t
    uint64_t
    float
    double

ctypedef fused float_t:
    float
    double


# ---- other types and float64 -------------------------------------------------------------------------

cdef inline void widen_numbers(double* tile, const number_t* data, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        tile[i] = <double>data[i]


cdef inline float of_half(uint32_t bits) noexcept nogil:
    """Without a subnormal float32 on the way, which costs the processor 150 cycles."""
    cdef uint32_t size = bits & 0x7fff
    cdef float normal = ff_float((size << 13) + (<uint32_t>(112 if size < 0x7c00 else 224) << 23))
    cdef float value = <float><int32_t>size * TWO_24TH if size < 0x400 else normal
    return ff_float(ff_bits32(value) | (bits & 0x8000) << 16)


cdef inline double rounder(double size, uint64_t least, int dropped) noexcept nogil:
    """What to add to and subtract from a number >= 0 to round it to 52 - dropped bits behind its first, or to those of
    a number with the exponent `least`."""
    cdef uint64_t exponent = ff_bits(size) & <uint64_t>0x7ff0000000000000
    return ff_double((least if exponent < least else exponent) + (<uint64_t>dropped << EXPONENT_AT))


cdef inline uint32_t half_ready(double x) noexcept nogil:
    """The bits of the float16 nearest to x."""
    cdef double size = fabs(x)
    size = 65536.0 if size > 65536.0 else size
    cdef double unit = rounder(size, <uint64_t>(1023 - 14) << EXPONENT_AT, 42)
    cdef uint32_t normal = (ff_bits32(<float>((size + unit) - unit)) >> 13) - (112 << 10)
    # Of a subnormal the sum ends in the bits.
    cdef uint32_t bits = normal if size >= LEAST_NORMAL_HALF else <uint32_t>ff_bits(size + unit) & 0x7ff
    bits = bits if size == size else <uint32_t>0x7e00
    return bits | (ff_bits32(<float>x) >> 16 & 0x8000)


cdef inline uint32_t brain_ready(double x) noexcept nogil:
    """The bits of the bfloat16 nearest to x."""
    cdef double size = fabs(x)
    size = TWO130 if size > TWO130 else size
    cdef double unit = rounder(size, <uint64_t>(1023 - 126) << EXPONENT_AT, 45)
    return (ff_bits32(<float>((size + unit) - unit)) | (ff_bits32(<float>x) & <uint32_t>0x80000000)) >> 16


cdef void widen_int8(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    widen_numbers(tile, <const int8_t*>data, n)


cdef void widen_uint8(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    widen_numbers(tile, <const uint8_t*>data, n)


cdef void widen_int16(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    widen_numbers(tile, <const int16_t*>data, n)


cdef void widen_uint16(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    widen_numbers(tile, <const uint16_t*>data, n)


cdef void widen_int32(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    widen_numbers(tile, <const int32_t*>data, n)


cdef void widen_uint32(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    widen_numbers(tile, <const uint32_t*>data, n)


cdef void widen_int64(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    widen_numbers(tile, <const int64_t*>data, n)


cdef void widen_uint64(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    widen_numbers(tile, <const uint64_t*>data, n)


cdef void widen_single(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    widen_numbers(tile, <const float*>data, n)


cdef void widen_double(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    widen_numbers(tile, <const double*>data, n)


cdef void widen_half(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        tile[i] = <double>of_half((<const uint16_t*>data)[i])


cdef void widen_brain(double* tile, const void* data, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        tile[i] = <double>ff_float(<uint32_t>(<const uint16_t*>data)[i] << 16)


cdef void narrow_single(void* data, const double* tile, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        (<float*>data)[i] = <float>tile[i]


cdef void narrow_double(void* data, const double* tile, Py_ssize_t n) noexcept nogil:
    memcpy(data, tile, n * sizeof(double))


cdef void narrow_half(void* data, const double* tile, Py_ssize_t n) noexcept nogil:
    cdef uint32_t ready[MAP_TILE]
    cdef Py_ssize_t i
    for i in range(n):
        ready[i] = half_ready(tile[i])
    for i in range(n):
        (<uint16_t*>data)[i] = <uint16_t>ready[i]


cdef void narrow_brain(void* data, const double* tile, Py_ssize_t n) noexcept nogil:
    cdef uint32_t ready[MAP_TILE]
    cdef Py_ssize_t i
    for i in range(n):
        ready[i] = brain_ready(tile[i])
    for i in range(n):
        (<uint16_t*>data)[i] = <uint16_t>ready[i]


# ---- functions over tiles ----------------------------------------------------------------------------

cdef inline double larger(double x, double floor) noexcept nogil:
    """nan where x is."""
    return floor if x < floor else x


cdef inline double log_of_floor(double log_x, double x, double floor) noexcept nogil:
    """The log of the larger, x; a floor of 0 or less is no protection, and nan is none either."""
    log_x = -INFINITY if x == 0.0 else log_x
    log_x = NAN if x < 0.0 else log_x
    return floor if floor != floor else log_x


cdef inline double logit_of_odds(double odds, double log_odds) noexcept nogil:
    log_odds = log_odds if odds > 0.0 else NAN
    return -INFINITY if odds == 0.0 else log_odds


cdef inline void divide(float_t* out, const float_t* a, const float_t* b, const float_t* fill,
                        Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef float_t x, y, other, value
    for i in range(n):
        x, y, other = a[i], b[i], fill[i]
        value = other if y == 0 else x / y
        out[i] = value if x == x else x


cdef inline float_t type_log(float_t x) noexcept nogil:
    """log of a number > 0 and < inf: of float32 in itself, of what was widened in float64."""
    if float_t is float:
        return single_log(x)
    else:
        return quick_positive_log(x)


cdef inline void quick_tails(double* e, const float_t* x, Py_ssize_t n) noexcept nogil:
    """exp(-|x|), 110 for what is larger."""
    cdef Py_ssize_t i
    cdef double size, most = ff_opaque(110.0)
    for i in range(n):
        size = fabs(<double>x[i])
        e[i] = quick_exp_minus(most if most < size else size)


cdef inline void quick_map(int function, float_t* out, const float_t* a, const float_t* b, const float_t* c,
                           Py_ssize_t n) noexcept nogil:
    cdef double e[MAP_TILE]
    cdef double x, y, least = ff_opaque(-110.0), most = ff_opaque(110.0)
    cdef float_t value, tops, infinite = <float_t>INFINITY
    cdef Py_ssize_t i
    if function == SIGMOID:
        for i in range(n):
            x = <double>a[i]
            x = most if most < x else x
            e[i] = quick_exp_minus(least if least > x else x)
        for i in range(n):
            out[i] = <float_t>quick_reciprocal(1.0 + e[i])
    elif function == SIGMOID_GRAD:
        quick_tails(e, a, n)
        for i in range(n):
            y = quick_reciprocal(1.0 + e[i])
            out[i] = <float_t>(e[i] * y * y)
    elif function == LOG_SIGMOID:
        quick_tails(e, a, n)
        for i in range(n):
            out[i] = <float_t>((<double>a[i] if a[i] < 0 else 0.0) - quick_log1p_unit(e[i]))
    elif function == SOFTPLUS:
        quick_tails(e, a, n)
        for i in range(n):
            out[i] = <float_t>((<double>a[i] if a[i] > 0 else 0.0) + quick_log1p_unit(e[i]))
    elif function == LOGIT:
        for i in range(n):
            e[i] = <double>a[i] / (1.0 - <double>a[i])
        for i in range(n):
            out[i] = <float_t>logit_of_odds(e[i], quick_log(e[i]))
    elif function == LOG_FLOOR:
        for i in range(n):
            value = b[i] if a[i] < b[i] else a[i]
            tops = type_log(value)
            tops = tops if value < infinite else value
            tops = -infinite if value == 0 else tops
            tops = <float_t>NAN if value < 0 else tops
            out[i] = b[i] if b[i] != b[i] else tops
    elif function == LOG_OR_FILL:
        for i in range(n):
            # Chosen among numbers of the type, of which a vector holds more.
            value = type_log(a[i])
            value = value if a[i] < infinite else a[i]
            out[i] = b[i] if a[i] <= 0 else value
    else:
        divide(out, a, b, c, n)


cdef inline void full_tails(double* head, double* tail, double* scale, const double* x, Py_ssize_t n) noexcept nogil:
    """exp(-|x|) as (head + tail) * scale * 2**-64."""
    cdef Py_ssize_t i
    cdef double size, most = ff_opaque(746.0)
    for i in range(n):
        size = fabs(x[i])
        head[i] = full_exp_minus(most if most < size else size, &tail[i], &scale[i])


cdef inline void full_parts(double* high, double* low, const double* x, Py_ssize_t n) noexcept nogil:
    """exp(-|x|) as high + low, high rounded where it is subnormal."""
    cdef Py_ssize_t i
    cdef double size, head, tail, scale, most = ff_opaque(746.0)
    for i in range(n):
        size = fabs(x[i])
        head = full_exp_minus(most if most < size else size, &tail, &scale)
        # Where the tail might be subnormal it is rounded into the head, while both are of full precision.
        # In two steps: 2**-1075 alone would be 0.
        high[i] = (head if size < 64.0 else head + tail) * scale * TWO_64TH
        low[i] = (tail if size < 64.0 else 0.0) * scale * TWO_64TH


cdef inline void full_logs(double* out, const double* x, const double* delta, Py_ssize_t n) noexcept nogil:
    """log(x * (1 + delta)) of any x > 0; what is not below inf (inf and nan) comes back."""
    cdef double f[MAP_TILE]
    cdef double k[MAP_TILE]
    cdef double result
    cdef bint small
    cdef Py_ssize_t i
    for i in range(n):
        small = x[i] < SMALLEST_NORMAL
        f[i] = split(x[i] * TWO54 if small else x[i], &k[i])
        k[i] = k[i] - (54.0 if small else 0.0)
    for i in range(n):
        result = full_log(f[i], k[i], delta[i])
        out[i] = result if x[i] < INFINITY else x[i]


cdef void full_map(int function, void* result, const void* first, const void* second, const void* third,
                   Py_ssize_t n) noexcept nogil:
    cdef double* out = <double*>result
    cdef const double* a = <const double*>first
    cdef const double* b = <const double*>second
    cdef double head[MAP_TILE]
    cdef double tail[MAP_TILE]
    cdef double scale[MAP_TILE]
    cdef double high[MAP_TILE]
    cdef double low[MAP_TILE]
    cdef double x, rest, unit, most = ff_opaque(746.0)
    cdef Py_ssize_t i
    if function == SIGMOID:
        for i in range(n):
            x = fabs(a[i])
            x = full_exp_minus(most if most < x else x, &rest, &unit)
            high[i], low[i] = x * (unit * TWO_64TH), rest * (unit * TWO_64TH)
            # The numerator is e for x < 0, else 1.
            head[i] = x if a[i] < 0.0 else 1.0
            tail[i] = rest if a[i] < 0.0 else 0.0
            scale[i] = unit if a[i] < 0.0 else TWO64
        for i in range(n):
            out[i] = full_ratio(head[i], tail[i], high[i], low[i]) * scale[i] * TWO_64TH
    elif function == SIGMOID_GRAD:
        full_tails(head, tail, scale, a, n)
        for i in range(n):
            out[i] = full_sigmoid_grad(head[i], tail[i], scale[i])
    elif function == LOG_SIGMOID:
        full_parts(high, low, a, n)
        for i in range(n):
            out[i] = -full_log1p_unit(-a[i] if a[i] < 0.0 else 0.0, high[i], low[i])
    elif function == SOFTPLUS:
        full_parts(high, low, a, n)
        for i in range(n):
            out[i] = full_log1p_unit(a[i] if a[i] > 0.0 else 0.0, high[i], low[i])
    elif function == LOGIT:
        for i in range(n):
            x = a[i]
            rest = 1.0 - x
            head[i] = x / rest
            tail[i] = ff_fma(-head[i], (1.0 - rest) - x, ff_left_over(x, head[i], rest)) / x
        full_logs(scale, head, tail, n)
        for i in range(n):
            out[i] = logit_of_odds(head[i], scale[i])
    elif function == LOG_FLOOR:
        for i in range(n):
            head[i], tail[i] = larger(a[i], b[i]), 0.0
        full_logs(scale, head, tail, n)
        for i in range(n):
            out[i] = log_of_floor(scale[i], head[i], b[i])
    elif function == LOG_OR_FILL:
        for i in range(n):
            tail[i] = 0.0
        full_logs(scale, a, tail, n)
        for i in range(n):
            out[i] = b[i] if a[i] <= 0.0 else scale[i]
    else:
        divide(out, a, b, <const double*>third, n)


cdef void map_single(int function, void* out, const void* a, const void* b, const void* c, Py_ssize_t n) noexcept nogil:
    quick_map(function, <float*>out, <const float*>a, <const float*>b, <const float*>c, n)


cdef inline void map_widened(widen_kernel widen, narrow_kernel narrow, int function, void* out, const void* a,
                             const void* b, const void* c, Py_ssize_t n) noexcept nogil:
    cdef double x[4 * MAP_TILE]
    cdef double* y = x + MAP_TILE
    cdef double* z = y + MAP_TILE
    cdef double* result = z + MAP_TILE
    widen(x, a, n)
    if function >= LOG_FLOOR:
        widen(y, b, n)
    if function == DIVIDE:
        widen(z, c, n)
    quick_map(function, result, x, y, z, n)
    narrow(out, result, n)


cdef void map_half(int function, void* out, const void* a, const void* b, const void* c, Py_ssize_t n) noexcept nogil:
    map_widened(widen_half, narrow_half, function, out, a, b, c, n)


cdef void map_brain(int function, void* out, const void* a, const void* b, const void* c, Py_ssize_t n) noexcept nogil:
    map_widened(widen_brain, narrow_brain, function, out, a, b, c, n)


cdef void fill_elementwise(KernelTable* table) noexcept:
    table.widen[HALF], table.widen[BRAIN] = widen_half, widen_brain
    table.widen[SINGLE], table.widen[DOUBLE] = widen_single, widen_double
    table.widen[BOOLEAN] = table.widen[UINT8] = widen_uint8
    table.widen[INT8], table.widen[INT16], table.widen[UINT16] = widen_int8, widen_int16, widen_uint16
    table.widen[INT32], table.widen[UINT32] = widen_int32, widen_uint32
    table.widen[INT64], table.widen[UINT64] = widen_int64, widen_uint64
    table.narrow[HALF], table.narrow[BRAIN] = narrow_half, narrow_brain
    table.narrow[SINGLE], table.narrow[DOUBLE] = narrow_single, narrow_double
    table.map[HALF], table.map[SINGLE], table.map[DOUBLE] = map_half, map_single, full_map
    table.map[BRAIN] = map_brain
