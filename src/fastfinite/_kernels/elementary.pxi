# The elementary functions of one float64: exp, log, and the sigmoid family made of them.
#
# (a) Tiers: `quick_*` is for float32 and narrower: exact to some 2**-30, rounded once to the narrow type, so within
#     0.51 units in the last place of it. `full_*` is for float64: carries what a rounding loses (head and tail),
#     within 0.8 units. `single_log` is float32 throughout, twice as fast as the quick log, within 0.75 units; nothing
#     less would hold the pace of NumPy's. None has a branch or a table, so that loops fill vectors at every level.
# (b) exp(x) = 2**k * exp(r), k the integer nearest to x / ln(2): adding 1.5 * 2**52 rounds, and leaves k in the low
#     bits of the sum, from where a shift puts it into an exponent. log(x) = k * ln(2) + log(m), m in
#     [sqrt(1/2), sqrt(2)).
# (c) log(m) of the full tier is by s = (m - 1) / (m + 1) (FreeBSD's msun, e_log.c, explains why that keeps the error
#     below one unit), with a relative correction `delta` of m that serves log(p / (1 - p)) and log(1 - p).
# (d) sigmoid(x) is 1 / (1 + exp(-x)) in the quick tier, where float64 holds exp(104). In the full tier it is
#     e / (1 + e) or 1 / (1 + e), e = exp(-|x|); the quotient is corrected by what it left over.
# (e) Divisions are by Newton's iteration, from a guess on the bits or a parabola: 7 operations on two ports, where the
#     divider takes 16 cycles for a vector of 8 (sigmoid of float32 0.5 instead of 0.75 ns).
# (f) Polynomials are minimax (Remez's exchange in 60 digits), in even and odd parts, which halves the chain. Relative
#     errors: quick exp 2**-34.5, log 2**-30.5, log1p on [0, 1] 2**-33; full exp 2**-58, log 2**-58.5, log1p 2**-59.

from libc.math cimport INFINITY, NAN, fabs
from libc.stdint cimport int32_t, uint32_t, uint64_t

cdef extern from "_native.h" nogil:
    double ff_fma(double, double, double)
    double ff_left_over(double numerator, double quotient, double divisor)
    double ff_product_error(double, double, double product)
    double ff_sum_rest(double a, double b, double sum)
    double ff_difference_rest(double a, double b, double difference)
    uint64_t ff_bits(double)
    double ff_double(uint64_t)
    double ff_exponent(uint64_t)
    double ff_opaque(double)
    double LOG2_E "0x1.71547652b82fep+0"
    double LN2 "0x1.62e42fefa39efp-1"
    double LN2_HIGH "0x1.62e42fefa38p-1"       # 42 bits: its product with a k is exact
    double LN2_LOW "0x1.ef35793c7673p-45"
    double ROUNDER "0x1.8p52"
    double TWO64 "0x1p64"
    double TWO_64TH "0x1p-64"
    double TWO54 "0x1p54"
    double SMALLEST_NORMAL "0x1p-1022"
    float ff_fma32(float, float, float)
    uint32_t ff_bits32(float)
    float ff_float(uint32_t)
    float LN2_HIGH32 "0x1.62e4p-1f"             # 15 bits
    float LN2_LOW32 "0x1.7f7d1cp-20f"
    float TWO23 "0x1p23f"
    float SMALLEST_NORMAL32 "0x1p-126f"
    uint32_t ROOT_HALF_BITS32 "0x3f3504f3u"

cdef enum:
    EXPONENT_AT = 52

cdef extern from * nogil:
    """
    #define FF_ROOT_HALF 0x3fe6a09e667f3bcdu
    #define FF_FRACTION 0x000fffffffffffffu
    #define FF_TWO64 0x43f0000000000000u
    #define FF_RECIPROCAL 0x7fde623822fc16e6u
    """
    uint64_t ROOT_HALF_BITS "FF_ROOT_HALF"
    uint64_t FRACTION_BITS "FF_FRACTION"
    uint64_t TWO64_BITS "FF_TWO64"
    uint64_t RECIPROCAL_GUESS "FF_RECIPROCAL"


# ---- quick: for float32 and narrower -----------------------------------------------------------------

cdef inline double quick_exp_minus(double x) noexcept nogil:
    """exp(-x) for -700 <= x <= 700, nan of a float32's nan."""
    cdef double shifted = ff_fma(x, -LOG2_E, ROUNDER)
    cdef double r = ff_fma(shifted - ROUNDER, LN2, x)       # k * ln(2) - (-x), small
    cdef double rr = r * r
    cdef double even = 0.0013948195387973696, odd = -0.0001977517103916128
    even = ff_fma(even, rr, 0.04166622524403825)
    even = ff_fma(even, rr, 0.5000000104603423)
    even = ff_fma(even, rr, 0.9999999999616405)
    odd = ff_fma(odd, rr, -0.008333561160505898)
    odd = ff_fma(odd, rr, -0.16666665125282998)
    odd = ff_fma(odd, rr, -1.0000000002432932)
    return ff_double(ff_bits(ff_fma(odd, r, even)) + (ff_bits(shifted) << EXPONENT_AT))


cdef inline double quick_reciprocal(double d) noexcept nogil:
    """1 / d to 2**-38 for 1 <= d < 2**1000."""
    cdef double y = ff_double(RECIPROCAL_GUESS - ff_bits(d)), r
    r = ff_fma(-d, y, 1.0)
    y = ff_fma(y, ff_fma(r, r, r), y)
    r = ff_fma(-d, y, 1.0)
    return ff_fma(y, ff_fma(r, r, r), y)


cdef inline double quick_log1p_unit(double e) noexcept nogil:
    """log(1 + e) for 0 <= e <= 1."""
    cdef double ee = e * e
    cdef double even = 0.009080887716134632, odd = -0.0012805861669470111, p
    even = ff_fma(even, ee, 0.06400762460769321)
    even = ff_fma(even, ee, 0.13426539739692106)
    even = ff_fma(even, ee, 0.19965303361001044)
    even = ff_fma(even, ee, 0.3333316025279115)
    even = ff_fma(even, ee, 0.999999999882064)
    odd = ff_fma(odd, ee, -0.03017235625347643)
    odd = ff_fma(odd, ee, -0.10124358120563615)
    odd = ff_fma(odd, ee, -0.1645287420460007)
    odd = ff_fma(odd, ee, -0.2499661345770865)
    odd = ff_fma(odd, ee, -0.4999999650133897)
    p = ff_fma(odd, e, even)
    return p * e


cdef inline double split(double x, double* k) noexcept nogil:
    """m - 1 and k with x = m * 2**k, m in [sqrt(1/2), sqrt(2)), for a normal number x > 0."""
    cdef uint64_t shifted = ff_bits(x) - ROOT_HALF_BITS
    k[0] = ff_exponent(shifted)
    return ff_double((shifted & FRACTION_BITS) + ROOT_HALF_BITS) - 1.0


cdef inline double quick_positive_log(double x) noexcept nogil:
    """log of a float64 that is normal, > 0 and < inf."""
    cdef double k
    cdef double f = split(x, &k)
    cdef double ff = f * f
    cdef double even = 0.06725902447557454, odd = -0.1171861303446746, p
    even = ff_fma(even, ff, 0.11926078441023091)
    even = ff_fma(even, ff, 0.14212529978998692)
    even = ff_fma(even, ff, 0.20002576193974284)
    even = ff_fma(even, ff, 0.33333301602879806)
    even = ff_fma(even, ff, 1.0000000006312022)
    odd = ff_fma(odd, ff, -0.12401001836380296)
    odd = ff_fma(odd, ff, -0.1666791690233484)
    odd = ff_fma(odd, ff, -0.2500002697581309)
    odd = ff_fma(odd, ff, -0.4999999966817023)
    p = ff_fma(odd, f, even)
    return ff_fma(p, f, k * LN2)


cdef inline double quick_log(double x) noexcept nogil:
    """The same; what is not below inf (inf and nan) comes back."""
    cdef double result = quick_positive_log(x)
    return result if x < INFINITY else x


# ---- single: in float32 itself ------------------------------------------------------------------------

cdef inline float single_log(float x) noexcept nogil:
    """log of a float32 that is > 0 and < inf, within 0.75 units: k * ln(2) + f - f**2 / 2 + f**3 * q(f), with what each
    of the first sums loses."""
    cdef bint small = x < SMALLEST_NORMAL32
    cdef uint32_t shifted = ff_bits32(x * TWO23 if small else x) - ROOT_HALF_BITS32
    cdef float k = <float>(<int32_t>shifted >> 23) - (<float>23.0 if small else <float>0.0)
    cdef float f = ff_float((shifted & <uint32_t>0x007fffff) + ROOT_HALF_BITS32) - <float>1.0
    cdef float square = f * f, half = <float>0.5 * square, q = <float>-0.07860302180051804
    cdef float high = k * LN2_HIGH32, first, second, rest
    q = ff_fma32(q, f, <float>0.12881501019001007)
    q = ff_fma32(q, f, <float>-0.13128399848937988)
    q = ff_fma32(q, f, <float>0.14181195199489594)
    q = ff_fma32(q, f, <float>-0.1662459522485733)
    q = ff_fma32(q, f, <float>0.2000228762626648)
    q = ff_fma32(q, f, <float>-0.25000807642936707)
    q = ff_fma32(q, f, <float>0.33333316445350647)
    rest = ff_fma32(k, LN2_LOW32, <float>-0.5 * ff_fma32(f, f, -square))
    rest = ff_fma32(square * f, q, rest)
    first = high + f
    second = first - half
    rest += ((high - first) + f) + ((first - second) - half)
    return second + rest


# ---- full: for float64 -------------------------------------------------------------------------------

cdef inline double full_exp_minus(double x, double* tail, double* scale) noexcept nogil:
    """head with exp(-x) = (head + tail) * scale * 2**-64, for 0 <= x <= 752; nan of nan."""
    cdef double shifted = ff_fma(x, -LOG2_E, ROUNDER)
    cdef double k = shifted - ROUNDER
    cdef double exact = ff_fma(k, LN2_HIGH, x)
    cdef double r = ff_fma(k, LN2_LOW, exact)
    cdef double r_tail = ff_fma(k, LN2_LOW, exact - r)
    cdef double rr = r * r
    cdef double even = 2.763085709283037e-07, odd = -2.511762102847707e-08, head
    even = ff_fma(even, rr, 2.4801491258149264e-05)
    even = ff_fma(even, rr, 0.0013888888945575975)
    even = ff_fma(even, rr, 0.04166666666652184)
    even = ff_fma(even, rr, 0.5000000000000012)
    odd = ff_fma(odd, rr, -2.755721717168779e-06)
    odd = ff_fma(odd, rr, -0.00019841269916240437)
    odd = ff_fma(odd, rr, -0.008333333333307841)
    odd = ff_fma(odd, rr, -0.166666666666667)
    even = ff_fma(ff_fma(odd, r, even), rr, -r)
    head = 1.0 + even
    tail[0] = ff_fma(-r_tail, head, even - (head - 1.0))
    scale[0] = ff_double((ff_bits(shifted) << EXPONENT_AT) + TWO64_BITS)
    return head


cdef inline double near_reciprocal(double d) noexcept nogil:
    """1 / d for 1 <= d <= 2, within a unit."""
    cdef double y = ff_fma(ff_fma(0.32323232323232326, d, -1.4545454545454546), d, 2.121212121212121), r
    r = ff_fma(-d, y, 1.0)
    y = ff_fma(y, ff_fma(r, r, r), y)
    r = ff_fma(-d, y, 1.0)
    return ff_fma(y, ff_fma(r, r, r), y)


cdef inline double full_log1p_parts(double high, double low, double* rest) noexcept nogil:
    """t with log(1 + high + low) = t + rest, 0 <= high <= 1: by t = high / (1 + high / 2), of which the log is
    t + t**3 / 12 + t**5 / 80 + ..."""
    cdef double half = ff_fma(high, 0.5, 1.0)
    cdef double half_rest = ff_fma(0.5, low, ff_fma(high, 0.5, 1.0 - half))
    cdef double inverse = near_reciprocal(half)
    cdef double t = high * inverse
    cdef double t_rest = ff_fma(-t, half_rest, ff_left_over(high, t, half) + low) * inverse
    cdef double w = t * t
    cdef double ww = w * w
    cdef double even = 1.592731744478105e-07, odd = 8.106464285381914e-08
    even = ff_fma(even, ww, 4.059241611314883e-06)
    even = ff_fma(even, ww, 8.877805389787254e-05)
    even = ff_fma(even, ww, 0.0022321428553717074)
    even = ff_fma(even, ww, 0.08333333333333291)
    odd = ff_fma(odd, ww, 9.234262339279593e-07)
    odd = ff_fma(odd, ww, 1.878238627010383e-05)
    odd = ff_fma(odd, ww, 0.00043402781096190887)
    odd = ff_fma(odd, ww, 0.012500000000046438)
    rest[0] = ff_fma(ff_fma(odd, w, even), w * t, t_rest)
    return t


cdef inline double full_log1p_unit(double base, double high, double low) noexcept nogil:
    """base + log(1 + high + low), 0 <= high <= 1, base >= 0."""
    cdef double rest
    cdef double t = full_log1p_parts(high, low, &rest)
    return sum_with_rest(base, t, rest)


cdef inline double sum_with_rest(double a, double b, double rest) noexcept nogil:
    """a + b + rest rounded all but once, for a and b >= 0 and a small rest."""
    cdef double most = a if b < a else b
    cdef double least = b if b < a else a
    cdef double total = most + least
    return total if total == INFINITY else total + ((least - (total - most)) + rest)


cdef inline double full_log(double f, double k, double delta) noexcept nogil:
    """log((1 + f) * 2**k * (1 + delta)), f in [sqrt(1/2) - 1, sqrt(2) - 1), delta tiny or all there is (f, k 0)."""
    cdef double s = f / (2.0 + f), half = 0.5 * f * f
    cdef double z = s * s
    cdef double zz = z * z
    cdef double even = 0.14795875812695763, odd = 0.15314062539776
    even = ff_fma(even, zz, 0.18183563645008416)
    even = ff_fma(even, zz, 0.2857142874214747)
    even = ff_fma(even, zz, 0.6666666666666734)
    odd = ff_fma(odd, zz, 0.22222198591311218)
    odd = ff_fma(odd, zz, 0.39999999999416164)
    even = ff_fma(ff_fma(odd, z, even), z, half)
    return ff_fma(k, LN2_HIGH, f - (half - ff_fma(s, even, ff_fma(k, LN2_LOW, delta))))


cdef inline double full_ratio(double top, double top_tail, double high, double low) noexcept nogil:
    """(top + top_tail) / (1 + high + low), 0 <= high <= 1."""
    cdef double one = 1.0 + high
    cdef double rest = low + (high - (one - 1.0))
    cdef double inverse = near_reciprocal(one)
    cdef double quotient = top * inverse
    cdef double left = ff_fma(-quotient, rest, ff_left_over(top, quotient, one) + top_tail)
    return ff_fma(left, inverse, quotient)


cdef inline double full_sigmoid_grad(double head, double tail, double scale) noexcept nogil:
    cdef double plain = scale * TWO_64TH
    cdef double high = head * plain
    cdef double one = 1.0 + high
    cdef double rest = ff_fma(tail, plain, high - (one - 1.0))
    cdef double square = one * one
    # (one + rest)**2 = square - what it left over + 2 * one * rest
    cdef double square_rest = ff_fma(2.0 * one, rest, -ff_left_over(square, one, one))
    cdef double inverse = near_reciprocal(one)
    inverse = inverse * inverse
    cdef double quotient = head * inverse
    cdef double left = ff_fma(-quotient, square_rest, ff_left_over(head, quotient, square) + tail)
    return ff_fma(left, inverse, quotient) * scale * TWO_64TH
