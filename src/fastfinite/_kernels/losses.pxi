# Losses of a tile of labels and predictions, with their gradients.
#
# (a) With e = exp(-|z|), the loss of a logit is max(z, 0) - y * z + log(1 + e): two terms that are never negative, so
#     nothing cancels, in either tail. Its gradient is (1 - y) * s(z) - y * s(-z), both sigmoids from the same e.
# (b) Of labels 0 and 1 the loss of a probability is one log, of p or of 1 - p with what the difference lost; only a
#     tile with other labels takes both (float32 in cache 0.9 instead of 1.5 ns).
# (c) What is rare is noted, not branched on: y - y * y has the sign bit for labels outside [0, 1] and other bits for
#     labels other than 0 and 1, so an OR of bits tells of a tile; tiles with bad labels or infinite logits are gone
#     over again. (Comparisons into masks and counts have one port of the processor: twice as slow.)
# (d) Tiers as in elementary.pxi: float32 and narrower with terms to 2**-30, summed in float64; float64 within 2 units.
# (e) The sum alone, of float32, needs no log of each element: log(a) + log(b) is log(a * b), and products of many
#     numbers 1 + e stay inside float64, as do those of 4 probabilities, of which the exponents are taken off (in cache
#     0.6 instead of 1.1 ns). The error is a rounding of a number near 1 for each element, so a block whose losses are
#     less than 1 for each 256 elements, or with anything odd in it, goes the long way.
# (f) Tiles are summed by halves, so a sum of 256 has 8 roundings behind it; the glue adds tiles with what each addition
#     lost (Knuth's two-sum).

cdef extern from * nogil:
    uint64_t LEAST_EXPONENT "0x0010000000000000u"

cdef enum:
    QUICK
    FULL

cdef enum:
    EIGHTH = 32
    PRODUCT_TILES = 32      # 128 factors of up to 2


cdef inline double variance(double y) noexcept nogil:
    """y - y**2, that of a coin: 0 for 0 and 1, and with the sign bit outside [0, 1] (-0 has it, too)."""
    return ff_fma(-y, y, y)


cdef inline uint64_t not_finite(double size) noexcept nogil:
    """A number with bit 63 for inf and nan, of an absolute value."""
    return ff_bits(size) + LEAST_EXPONENT


# ---- logits ------------------------------------------------------------------------------------------

cdef inline void logits(LossTile* tile, const float_t* y, const float_t* z, int tier) noexcept nogil:
    cdef double high[MAP_TILE]
    cdef double low[MAP_TILE]
    cdef double* loss = tile.loss
    cdef double size, head, tail, scale, base, most = ff_opaque(700.0 if tier == QUICK else 746.0)
    cdef uint64_t odd = 0
    cdef Py_ssize_t i, n = tile.filled
    for i in range(n):
        size = fabs(<double>z[i])
        odd |= not_finite(size) | ff_bits(variance(<double>y[i]))
        if tier == QUICK:
            high[i] = quick_exp_minus(most if most < size else size)
        else:
            head = full_exp_minus(most if most < size else size, &tail, &scale)
            high[i], low[i] = head * scale * TWO_64TH, tail * scale * TWO_64TH
    if tier == FULL or tile.pos_weight != NULL:
        # A pos_weight of 1 changes nothing, not even the last bit.
        weighted_logits(tile, y, z, high, low, tier)
    else:
        for i in range(n):
            if float_t is float:
                base = ff_fma(-<double>y[i], <double>z[i], <double>z[i] if z[i] > 0 else 0.0)
            else:
                # A label of float64 may be closer to 1 than a product without FMA can tell.
                base = (1.0 - y[i] if z[i] > 0 else y[i]) * fabs(z[i])
            loss[i] = base + quick_log1p_unit(high[i])
    if tile.grad != NULL:
        logit_gradients(tile, y, z, high)
    tile.bad_label = False
    if odd >> 63:
        odd_logits(tile, y, z)


cdef inline void weighted_logits(LossTile* tile, const float_t* y, const float_t* z, const double* high,
                                 const double* low, int tier) noexcept nogil:
    """((1 - y) + w * y) * log(1 + e) + (1 - y or w * y) * |z|."""
    cdef double* loss = tile.loss
    cdef double pos_weight[MAP_TILE]
    cdef double log1p[MAP_TILE]
    cdef double rest[MAP_TILE]
    cdef double one, zero, size
    cdef int64_t good = 0
    cdef Py_ssize_t i, n = tile.filled
    for i in range(n):
        pos_weight[i] = 1.0
    if tile.pos_weight != NULL:
        memcpy(pos_weight, tile.pos_weight, n * sizeof(double))
    for i in range(n):
        good += pos_weight[i] >= 0.0
    tile.bad_pos_weight = good < n
    if tier == QUICK:
        for i in range(n):
            one, zero = pos_weight[i] * <double>y[i], 1.0 - <double>y[i]
            loss[i] = ff_fma(one + zero, quick_log1p_unit(high[i]), (zero if z[i] > 0 else one) * fabs(<double>z[i]))
        return
    for i in range(n):
        log1p[i] = full_log1p_parts(high[i], low[i], &rest[i])
    for i in range(n):
        loss[i] = weighted_sum(<double>y[i], <double>z[i], pos_weight[i], log1p[i], rest[i])
    for i in range(n):
        # Beside a subnormal exponential, products would multiply what it has been rounded by.
        if 700.0 < fabs(<double>z[i]) < INFINITY:
            one, zero = pos_weight[i] * <double>y[i], 1.0 - <double>y[i]
            # By halves, since a large weight may bring it back.
            size = full_exp_minus(min(0.5 * fabs(<double>z[i]), 746.0), &log1p[i], &rest[i])
            size = (size + log1p[i]) * rest[i] * TWO_64TH
            size = (one + zero) * size * size
            loss[i] = size + (zero if z[i] > 0 else one) * fabs(<double>z[i])


cdef inline double weighted_sum(double y, double z, double weight, double log1p, double rest) noexcept nogil:
    """With what each operation loses."""
    cdef double one = weight * y, zero = 1.0 - y
    cdef double one_rest = ff_product_error(weight, y, one), zero_rest = (1.0 - zero) - y
    cdef double both = one + zero
    cdef double both_rest = ff_sum_rest(one, zero, both) + (one_rest + zero_rest)
    cdef double part = zero if z > 0.0 else one
    cdef double part_rest = zero_rest if z > 0.0 else one_rest
    cdef double base = part * fabs(z), product = both * log1p
    part_rest = ff_product_error(part, fabs(z), base) + part_rest * fabs(z)
    rest = ff_product_error(both, log1p, product) + (both * rest + both_rest * log1p)
    return sum_with_rest(base, product, rest + part_rest)


cdef inline void grad_factors(double* weight_of, double* factor, const LossTile* tile) noexcept nogil:
    """Weights, and these times the scale: before anything is divided, so that no gradient overflows that need not."""
    cdef const double* weight = tile.weight
    cdef double scale = tile.grad_scale
    cdef Py_ssize_t i, n = tile.filled
    for i in range(n):
        weight_of[i] = 1.0
    if weight != NULL:
        memcpy(weight_of, weight, n * sizeof(double))
    for i in range(n):
        factor[i] = scale * weight_of[i]


cdef inline void logit_gradients(LossTile* tile, const float_t* y, const float_t* z, const double* high) noexcept nogil:
    cdef const double* pos_weight = tile.pos_weight
    cdef double* grad = tile.grad
    cdef double positive[MAP_TILE]
    cdef double weight[MAP_TILE]
    cdef double factor[MAP_TILE]
    cdef double near, far
    cdef Py_ssize_t i, n = tile.filled
    grad_factors(weight, factor, tile)
    for i in range(n):
        positive[i] = <double>y[i]
    if pos_weight != NULL:
        for i in range(n):
            positive[i] = pos_weight[i] * <double>y[i]
    for i in range(n):
        near = near_reciprocal(1.0 + high[i])       # the sigmoid of |z|
        far = near * high[i]
        near, far = near if z[i] > 0 else far, far if z[i] > 0 else near
        near = ((1.0 - <double>y[i]) * near - positive[i] * far) * factor[i]
        grad[i] = 0.0 if weight[i] == 0.0 else near


cdef inline void odd_logits(LossTile* tile, const float_t* y, const float_t* z) noexcept nogil:
    """Of an infinite logit the loss is 0 where the label agrees, inf where it does not."""
    cdef double share
    cdef Py_ssize_t i
    for i in range(tile.filled):
        if y[i] < 0 or y[i] > 1:
            tile.bad_label = True
        if fabs(<double>z[i]) == INFINITY:
            share = 1.0 - <double>y[i] if z[i] > 0 else <double>y[i]
            if tile.pos_weight != NULL and z[i] < 0:
                share = share * tile.pos_weight[i]
            tile.loss[i] = share if share == 0.0 else share * INFINITY
            if tile.grad != NULL:
                share = (share if z[i] > 0 else -share) * tile.grad_scale
                tile.grad[i] = share if tile.weight == NULL else 0.0 if tile.weight[i] == 0 else share * tile.weight[i]


# ---- probabilities -----------------------------------------------------------------------------------

cdef inline void probabilities(LossTile* tile, const float_t* y, const float_t* p, int tier) noexcept nogil:
    cdef double value[MAP_TILE]
    cdef double lost[MAP_TILE]
    cdef double* loss = tile.loss
    cdef double label, prob, rest
    cdef uint64_t odd = 0, soft = 0
    cdef Py_ssize_t i, n = tile.filled
    for i in range(n):
        label, prob = <double>y[i], <double>p[i]
        rest = 1.0 - prob
        value[i] = prob if label == 1.0 else rest
        lost[i] = 0.0 if label == 1.0 else (1.0 - rest) - prob
        soft |= ff_bits(variance(label))
        # 0 less 1 has the sign bit, too: probabilities 0 and 1 are looked at where there is no floor.
        odd |= ff_bits(variance(prob)) | (ff_bits(variance(prob)) - 1) | ff_bits(variance(label))
    if soft:
        soft_probabilities(tile, y, p, tier)
    else:
        logs_of(loss, value, lost, tile.floor, n, tier)
        for i in range(n):
            # y - y * y is 0, or nan.
            label = <double>y[i]
            loss[i] = ff_fma(-label, label, label) - loss[i]
    if tile.grad != NULL:
        probability_gradients(tile, y, p)
    tile.bad_label = tile.bad_prob = False
    if odd >> 63:
        odd_probabilities(tile, y, p)


cdef inline double kept(double value, double lost, double floor) noexcept nogil:
    """What a difference lost, unless the floor is larger."""
    return 0.0 if (value < floor) | ((value == floor) & (lost < 0.0)) else lost


cdef inline void logs_of(double* out, const double* value, const double* lost, double floor, Py_ssize_t n,
                         int tier) noexcept nogil:
    """The log of value + lost, or of the floor."""
    cdef double x[MAP_TILE]
    cdef double delta[MAP_TILE]
    cdef Py_ssize_t i
    if tier == QUICK:
        for i in range(n):
            out[i] = quick_log(larger(value[i], floor)) + kept(value[i], lost[i], floor)
    else:
        for i in range(n):
            x[i] = larger(value[i], floor)
            delta[i] = kept(value[i], lost[i], floor) / x[i]
        full_logs(out, x, delta, n)


cdef inline void soft_probabilities(LossTile* tile, const float_t* y, const float_t* p, int tier) noexcept nogil:
    cdef double* loss = tile.loss
    cdef double value[MAP_TILE]
    cdef double lost[MAP_TILE]
    cdef double of_one[MAP_TILE]
    cdef double of_zero[MAP_TILE]
    cdef double one, zero, rest, sum
    cdef Py_ssize_t i, n = tile.filled
    for i in range(n):
        value[i], lost[i] = <double>p[i], 0.0
    logs_of(of_one, value, lost, tile.floor, n, tier)
    for i in range(n):
        value[i] = 1.0 - <double>p[i]
        lost[i] = (1.0 - value[i]) - <double>p[i]
    logs_of(of_zero, value, lost, tile.floor, n, tier)
    for i in range(n):
        zero = 1.0 - <double>y[i]
        one = <double>y[i] * of_one[i]
        rest = ff_product_error(<double>y[i], of_one[i], one) + ((1.0 - zero) - <double>y[i]) * of_zero[i]
        sum = zero * of_zero[i]
        rest += ff_product_error(zero, of_zero[i], sum)
        zero = sum
        sum = one + zero
        loss[i] = 0.0 - (sum + (ff_sum_rest(one, zero, sum) + rest))


cdef inline void odd_probabilities(LossTile* tile, const float_t* y, const float_t* p) noexcept nogil:
    """Without a floor, the logs of probabilities 0 and 1 are 0 or -inf."""
    cdef Py_ssize_t i
    for i in range(tile.filled):
        if y[i] < 0 or y[i] > 1:
            tile.bad_label = True
        if p[i] < 0 or p[i] > 1:
            tile.bad_prob = True
        if tile.floor <= 0.0 and (p[i] == 0 or p[i] == 1):
            tile.loss[i] = y[i] - y[i] if y[i] == p[i] or y[i] != y[i] else INFINITY


cdef inline void probability_gradients(LossTile* tile, const float_t* y, const float_t* p) noexcept nogil:
    """(1 - y) / (1 - p) - y / p; the derivative is 0 where the floor is taken."""
    cdef double* grad = tile.grad
    cdef Py_ssize_t n = tile.filled
    cdef double weight[MAP_TILE]
    cdef double factor[MAP_TILE]
    cdef double prob, rest, one, zero, floor = tile.floor
    cdef Py_ssize_t i
    grad_factors(weight, factor, tile)
    for i in range(n):
        prob, rest = <double>p[i], 1.0 - <double>p[i]
        one, zero = <double>y[i], 1.0 - <double>y[i]
        one = 0.0 if (one == 0.0) | (prob < floor) else one * factor[i] / prob
        zero = 0.0 if (zero == 0.0) | (rest < floor) else zero * factor[i] / rest
        grad[i] = 0.0 if weight[i] == 0.0 else zero - one


# ---- sums ----------------------------------------------------------------------------------------------

cdef inline double fold(double* x, Py_ssize_t n) noexcept nogil:
    """The sum of n numbers, a power of two, by halves; x is used up."""
    cdef Py_ssize_t i
    while n > 1:
        n //= 2
        for i in range(n):
            x[i] += x[i + n]
    return x[0]


cdef double total(double* loss, Py_ssize_t length) noexcept nogil:
    cdef double part[EIGHTH]
    cdef Py_ssize_t i
    for i in range(length, MAP_TILE):
        loss[i] = 0.0
    for i in range(EIGHTH):
        part[i] = (((loss[i] + loss[i + EIGHTH]) + (loss[i + 2 * EIGHTH] + loss[i + 3 * EIGHTH]))
                   + ((loss[i + 4 * EIGHTH] + loss[i + 5 * EIGHTH]) + (loss[i + 6 * EIGHTH] + loss[i + 7 * EIGHTH])))
    return fold(part, EIGHTH)


cdef void logits_step(ProductSum* state, const LossTile* tile) noexcept nogil:
    cdef const float* y = <const float*>tile.label
    cdef const float* z = <const float*>tile.prediction
    cdef double weight[MAP_TILE]
    cdef double factor[MAP_TILE]
    cdef double base[MAP_TILE]
    cdef double size, label, least = ff_opaque(0.0), most = ff_opaque(110.0)
    cdef uint64_t odd = 0
    cdef Py_ssize_t i, n = tile.filled
    for i in range(n):
        size = fabs(<double>z[i])
        odd |= not_finite(size)
        factor[i] = 1.0 + quick_exp_minus(most if most < size else size)
    for i in range(n):
        size, label = <double>z[i], <double>y[i]
        base[i] = ff_fma(-label, size, least if least > size else size)
        odd |= ff_bits(variance(label))
    for i in range(tile.length, MAP_TILE):
        factor[i], base[i] = 1.0, 0.0
    for i in range(QUARTER):
        state.product[i] *= (factor[i] * factor[i + QUARTER]) * (factor[i + 2 * QUARTER] * factor[i + 3 * QUARTER])
    for i in range(QUARTER):
        state.base[i] += (base[i] + base[i + QUARTER]) + (base[i + 2 * QUARTER] + base[i + 3 * QUARTER])
    count_tile(state, odd >> 63)


cdef void probabilities_step(ProductSum* state, const LossTile* tile) noexcept nogil:
    cdef const float* y = <const float*>tile.label
    cdef const float* p = <const float*>tile.prediction
    cdef double value[MAP_TILE]
    cdef double x, label, k, floor = tile.floor
    # Without a floor, probabilities 0 and 1 are odd, too.
    cdef uint64_t odd = 0, soft = 0, edge = floor <= 0.0
    cdef Py_ssize_t i, n = tile.filled
    for i in range(n):
        x, label = <double>p[i], <double>y[i]
        soft |= ff_bits(variance(label))
        odd |= ff_bits(variance(x)) | (ff_bits(variance(x)) - edge)
        value[i] = larger(x if label == 1.0 else 1.0 - x, floor)
    for i in range(tile.length, MAP_TILE):
        value[i] = 1.0
    for i in range(QUARTER):
        x = (value[i] * value[i + QUARTER]) * (value[i + 2 * QUARTER] * value[i + 3 * QUARTER])
        odd |= not_finite(x)
        state.product[i] *= 1.0 + split(x, &k)
        state.exponent[i] += k
    count_tile(state, odd >> 63 or soft)


cdef inline void count_tile(ProductSum* state, bint odd) noexcept nogil:
    state.odd |= odd
    state.tiles += 1
    if state.tiles == PRODUCT_TILES:
        take_logs(state)


cdef void take_logs(ProductSum* state) noexcept nogil:
    """Into the sum with what the products hold, and begin anew."""
    cdef double f[QUARTER]
    cdef double k[QUARTER]
    cdef double part, sign = state.sign
    cdef Py_ssize_t i
    for i in range(QUARTER):
        f[i] = split(state.product[i], &k[i])
        k[i] += state.exponent[i]
    for i in range(QUARTER):
        f[i] = sign * full_log(f[i], k[i], 0.0) + state.base[i]
        state.product[i], state.exponent[i], state.base[i] = 1.0, 0.0, 0.0
    state.tiles = 0
    part = fold(f, QUARTER)
    add_to(&state.sum, part)


# ---- weights -----------------------------------------------------------------------------------------

cdef inline void add_to(Sum* sum, double x) noexcept nogil:
    cdef double value = sum.value + x
    sum.rest += ff_sum_rest(sum.value, x, value)
    sum.value = value


cdef void add_total(Sum* sum, double* x, Py_ssize_t length) noexcept nogil:
    add_to(sum, total(x, length))


cdef void add_sums(Sum* sum, const Sum* others, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        add_to(sum, others[i].value)
        sum.rest += others[i].rest


cdef void weigh(LossTile* tile) noexcept nogil:
    """Times the weight; a weight of 0 makes 0 of inf and nan, too."""
    cdef double* loss = tile.loss
    cdef const double* weight = tile.weight
    cdef Py_ssize_t n = tile.filled
    cdef double factor
    cdef int64_t good = 0
    cdef Py_ssize_t i
    for i in range(n):
        factor = weight[i]
        good += factor >= 0.0
        loss[i] = 0.0 if factor == 0.0 else factor * loss[i]
    tile.bad_weight = good < n


cdef void logits_single(LossTile* tile) noexcept nogil:
    logits(tile, <const float*>tile.label, <const float*>tile.prediction, QUICK)


cdef void logits_quick(LossTile* tile) noexcept nogil:
    logits(tile, <const double*>tile.label, <const double*>tile.prediction, QUICK)


cdef void logits_full(LossTile* tile) noexcept nogil:
    logits(tile, <const double*>tile.label, <const double*>tile.prediction, FULL)


cdef void probabilities_single(LossTile* tile) noexcept nogil:
    probabilities(tile, <const float*>tile.label, <const float*>tile.prediction, QUICK)


cdef void probabilities_quick(LossTile* tile) noexcept nogil:
    probabilities(tile, <const double*>tile.label, <const double*>tile.prediction, QUICK)


cdef void probabilities_full(LossTile* tile) noexcept nogil:
    probabilities(tile, <const double*>tile.label, <const double*>tile.prediction, FULL)


cdef void fill_losses(KernelTable* table) noexcept:
    table.loss[OF_LOGITS][SINGLES], table.loss[OF_PROBABILITIES][SINGLES] = logits_single, probabilities_single
    table.loss[OF_LOGITS][WIDENED], table.loss[OF_PROBABILITIES][WIDENED] = logits_quick, probabilities_quick
    table.loss[OF_LOGITS][DOUBLES], table.loss[OF_PROBABILITIES][DOUBLES] = logits_full, probabilities_full
    table.step[OF_LOGITS], table.step[OF_PROBABILITIES] = logits_step, probabilities_step
    table.take_logs = take_logs
    table.weigh = weigh
    table.total, table.add_total, table.add_sums = total, add_total, add_sums
