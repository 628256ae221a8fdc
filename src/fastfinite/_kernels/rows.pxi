# Exponentials of rows and logs of their sums: softmax, logsumexp and the cross-entropy of classes.
#
# (a) A row is shifted by its largest number, whose exponential is then exactly 1 and is left out of the sum: what
#     remains is log(1 + rest), which keeps its relative accuracy when one class is all but certain.
# (b) Exponentials are kept 2**64 times too large, so that sums of those that are subnormal lose nothing.
# (c) Each element comes with the largest of its own row, so that a tile may hold many short rows.

cdef double largest_of(const double* x, Py_ssize_t n) noexcept nogil:
    """The largest of at most MAP_TILE numbers; nan if one is."""
    cdef double part[MAP_TILE]
    cdef Py_ssize_t i, half = MAP_TILE // 2
    for i in range(n):
        part[i] = x[i]
    for i in range(n, MAP_TILE):
        part[i] = -INFINITY
    while half >= 1:
        for i in range(half):
            part[i] = part[i + half] if (part[i + half] > part[i]) | (part[i + half] != part[i + half]) else part[i]
        half //= 2
    return part[0]


cdef double shifted_exps(double* e, const double* x, const double* largest, Py_ssize_t n, bint full) noexcept nogil:
    """exp(x - largest) * 2**64, and 0 where x is the largest; both may be inf or nan. Returns how many are."""
    cdef int64_t count = 0
    cdef double size, head, tail, scale, most = ff_opaque(752.0 if full else 700.0)
    cdef Py_ssize_t i
    if full:
        for i in range(n):
            size = largest[i] - x[i]
            head = full_exp_minus(most if most < size else size, &tail, &scale)
            # What the difference lost counts as a factor.
            head += ff_fma(-head, ff_difference_rest(largest[i], x[i], size) if size < most else 0.0, tail)
            e[i] = head * scale
    else:
        for i in range(n):
            size = largest[i] - x[i]
            e[i] = quick_exp_minus(most if most < size else size) * TWO64
    for i in range(n):
        # Beyond that, what is left out is less than 1e-326 each.
        e[i] = 0.0 if (x[i] == largest[i]) | (largest[i] - x[i] > most) else e[i]
        count += x[i] == largest[i]
    return <double>count


cdef void shares(double* out, const double* x, const double* e, double largest, double sum,
                 Py_ssize_t n) noexcept nogil:
    """e / 2**64 / sum, with 1 for the first where x is the largest."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (TWO64 if x[i] == largest else e[i]) / sum * TWO_64TH


cdef void logs_of_sums(double* out, const double* x, Py_ssize_t n) noexcept nogil:
    """log(1 + x) for x >= 0."""
    cdef double f[MAP_TILE]
    cdef double k[MAP_TILE]
    cdef double delta[MAP_TILE]
    cdef double one, larger_part, smaller_part
    cdef Py_ssize_t i
    for i in range(n):
        one = 1.0 + x[i]
        larger_part = x[i] if x[i] > 1.0 else 1.0
        smaller_part = 1.0 if x[i] > 1.0 else x[i]
        delta[i] = (smaller_part - (one - larger_part)) / one
        f[i] = split(one, &k[i])
    for i in range(n):
        out[i] = full_log(f[i], k[i], delta[i])


cdef void fill_rows(KernelTable* table) noexcept:
    table.largest_of, table.shifted_exps, table.shares = largest_of, shifted_exps, shares
    table.logs_of_sums = logs_of_sums
