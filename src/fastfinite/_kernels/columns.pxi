# Column statistics: counts, range, mean and sum of squared deviations, in one pass over memory.
#
# (a) Rows come in blocks of BLOCK_ROWS. A block is summed about a pivot near its mean (the mean of 64 of its rows), so
#     that the squares carry no offset; where a pivot turns out to be off, the block is summed again about the mean,
#     while it is in cache.
# (b) Row i belongs to lane i mod 16, whatever the layout. Where rows lie end to end, element k of the block adds into
#     slot k mod (16 * columns), so vectors are full on any number of columns; a single contiguous column is the same
#     loop with 16 slots. With 8 lanes float32 fills half a vector:
#     10 million rows of it take 2.9 ms against 2.4.
# (c) In a slot, 8 rows are added in pairs, in registers, and then to the block's sum; that outer sum is compensated
#     (Knuth's two-sum), since a long chain of equal squares rounds the same way each time. A chain of 8 was measured
#     7.7 units in the last place off at worst, pairs 4.
# (d) Range and moments are two loops over the same 128 rows: together, the conversion of float32 needs 21 operations
#     for 16 values, apart 16, as each loop loads the width it wants.
# (e) The slots are arrays of a struct, which cannot alias: GCC 12 vectorizes the loops over them.
# (f) Lanes, blocks and batches combine in double-double arithmetic after Chan, Golub and LeVeque (1983), always
#     in the same order.
# (g) Values that are not finite turn a sum into nan or inf; then the block is summed again without them, and
#     the next block is at once. The last rows of the data are padded with nan to a whole set of 128.

from libc.math cimport INFINITY, NAN, fabs, ldexp

cdef extern from "_native.h" nogil:
    double FF_HUGE
    double FF_TINY
    void ff_prefetch_second(const void*)
    double ff_fma(double, double, double)
    double ff_product_error(double, double, double)

cdef enum:
    LANES = 16
    CHAIN = 8               # written out in add_moments
    SET_ROWS = LANES * CHAIN
    SAMPLES = 64
    TILE = 64               # slots
    SETS_OF_ONE = TILE * CHAIN // SET_ROWS      # so many sets of one column fill a tile
    LINE = 64               # bytes
    PAGE = 4096             # bytes
    STREAM_AHEAD = 256      # elements, in each of the 8 streams of wide rows
    NEAR_SET = 32768        # bytes of a set that leaves room in the first-level cache
    SCALE_BITS = 600

ctypedef struct SlotsF32:
    double pivot[TILE]
    double total[TILE]
    double square[TILE]
    double total_rest[TILE]
    double square_rest[TILE]
    float low[TILE]
    float high[TILE]
    int32_t zero[TILE]
    int32_t negative[TILE]
    int32_t finite[TILE]

ctypedef struct SlotsF64:
    double pivot[TILE]
    double total[TILE]
    double square[TILE]
    double total_rest[TILE]
    double square_rest[TILE]
    double low[TILE]
    double high[TILE]
    int64_t zero[TILE]
    int64_t negative[TILE]
    int64_t finite[TILE]

# The two go together: a function that takes both is made for float32 and for float64.
ctypedef fused slots_t:
    SlotsF32
    SlotsF64

ctypedef fused real_t:
    float
    double

ctypedef struct Pair:
    double head
    double rest


cdef inline Pair two_sum(double a, double b) noexcept nogil:
    cdef Pair sum
    cdef double back
    sum.head = a + b
    back = sum.head - a
    sum.rest = (a - (sum.head - back)) + (b - back)
    return sum


cdef inline Pair renormalized(double head, double rest) noexcept nogil:
    # Dekker's quick two-sum, for |head| >= |rest|.
    cdef Pair sum
    sum.head = head + rest
    sum.rest = rest - (sum.head - head)
    return sum


cdef inline Pair add(Pair a, Pair b) noexcept nogil:
    cdef Pair sum = two_sum(a.head, b.head), rest = two_sum(a.rest, b.rest)
    sum = renormalized(sum.head, sum.rest + rest.head)
    return renormalized(sum.head, sum.rest + rest.rest)


cdef inline Pair negated(Pair a) noexcept nogil:
    a.head, a.rest = -a.head, -a.rest
    return a


cdef inline Pair times(Pair a, Pair b) noexcept nogil:
    cdef double head = a.head * b.head
    return renormalized(head, ff_product_error(a.head, b.head, head) + (a.head * b.rest + a.rest * b.head))


cdef inline Pair times_number(Pair a, double b) noexcept nogil:
    cdef double head = a.head * b
    return renormalized(head, ff_product_error(a.head, b, head) + a.rest * b)


cdef inline Pair over_number(Pair a, double b) noexcept nogil:
    cdef double head = a.head / b, back = head * b
    return renormalized(head, (((a.head - back) - ff_product_error(head, b, back)) + a.rest) / b)


# ---- one set of 128 rows ------------------------------------------------------------------------------

cdef inline void add_range(slots_t* tile, const real_t* data, Py_ssize_t n, Py_ssize_t step) noexcept nogil:
    cdef Py_ssize_t m, q
    cdef real_t x, low, high
    cdef int32_t zero, negative
    for m in range(n):
        low, high = tile.low[m], tile.high[m]
        zero = negative = 0
        for q in range(CHAIN):
            x = data[m + q * step]
            low = x if x < low else low
            high = x if x > high else high
            if x == 0:
                zero += 1
            if x < 0:
                negative += 1
        tile.low[m] = low
        tile.high[m] = high
        tile.zero[m] += zero
        tile.negative[m] += negative


cdef inline void add_finite(slots_t* tile, const real_t* data, Py_ssize_t n, Py_ssize_t step) noexcept nogil:
    cdef Py_ssize_t m, q
    cdef real_t x
    cdef int32_t finite
    for m in range(n):
        finite = 0
        for q in range(CHAIN):
            x = data[m + q * step]
            finite += x - x == 0
        tile.finite[m] += finite


cdef inline double deviation(real_t x, double pivot, bint masked) noexcept nogil:
    cdef double value = <double>x - pivot
    if masked:
        value = value if value - value == 0 else 0
    return value


cdef inline void add_moments(slots_t* tile, const real_t* data, Py_ssize_t n, Py_ssize_t step,
                             bint masked) noexcept nogil:
    cdef Py_ssize_t m
    cdef double v0, v1, v2, v3, v4, v5, v6, v7, pivot, total, square, outer, added, back
    for m in range(n):
        pivot = tile.pivot[m]
        v0 = deviation(data[m], pivot, masked)
        v1 = deviation(data[m + step], pivot, masked)
        v2 = deviation(data[m + 2 * step], pivot, masked)
        v3 = deviation(data[m + 3 * step], pivot, masked)
        v4 = deviation(data[m + 4 * step], pivot, masked)
        v5 = deviation(data[m + 5 * step], pivot, masked)
        v6 = deviation(data[m + 6 * step], pivot, masked)
        v7 = deviation(data[m + 7 * step], pivot, masked)
        total = ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7))
        outer = tile.total[m]
        added = outer + total
        back = added - outer
        tile.total[m] = added
        tile.total_rest[m] += (outer - (added - back)) + (total - back)
        square = ((ff_fma(v1, v1, v0 * v0) + ff_fma(v3, v3, v2 * v2))
                  + (ff_fma(v5, v5, v4 * v4) + ff_fma(v7, v7, v6 * v6)))
        outer = tile.square[m]
        added = outer + square
        back = added - outer
        tile.square[m] = added
        tile.square_rest[m] += (outer - (added - back)) + (square - back)


cdef inline void add_tile(slots_t* tile, const real_t* data, Py_ssize_t n, Py_ssize_t step,
                          bint with_range, bint masked) noexcept nogil:
    # What comes next is fetched half before each loop: all at once, it would fill the line buffers and stop the core.
    if with_range:
        fetch_ahead(data, n, step, 0)
        add_range(tile, data, n, step)
        fetch_ahead(data, n, step, CHAIN // 2)
    if masked:
        add_finite(tile, data, n, step)
        add_moments(tile, data, n, step, True)
    else:
        add_moments(tile, data, n, step, False)


cdef inline void fetch_ahead(const real_t* data, Py_ssize_t n, Py_ssize_t step, Py_ssize_t first) noexcept nogil:
    cdef Py_ssize_t q, width = n * <Py_ssize_t>sizeof(real_t)
    # Narrow rows: a set is short, the next one is meant. Wide rows: each of the 8 is a stream of its own.
    cdef Py_ssize_t ahead = CHAIN * step if CHAIN * step * <Py_ssize_t>sizeof(real_t) <= NEAR_SET else STREAM_AHEAD
    for q in range(first, first + CHAIN // 2):
        fetch(<const char*>(data + q * step + ahead), width)


cdef inline void fetch_window(const real_t* data, Py_ssize_t i) noexcept nogil:
    # A single column is one stream, which the processor fetches ahead in one page only. Of the window after this one, a
    # part of each page is fetched in turn: 33 ms instead of 42 for 400 MB.
    cdef size_t part = <size_t>(SET_ROWS * sizeof(real_t))
    cdef size_t turn = <size_t>data // (part * SETS_OF_ONE) % <size_t>(PAGE // part)
    cdef size_t window = <size_t>data & ~<size_t>(SETS_OF_ONE * PAGE - 1)
    fetch(<const char*>(window + (SETS_OF_ONE + i) * PAGE + turn * part), part)


cdef inline void fetch(const char* data, Py_ssize_t nbytes) noexcept nogil:
    # Into the second-level cache: the first is for what is being added.
    cdef Py_ssize_t k = 0
    while k < nbytes:
        ff_prefetch_second(data + k)
        k += LINE


cdef inline void add_set(slots_t* tiles, const real_t* data, Py_ssize_t columns, bint with_range,
                         bint masked) noexcept nogil:
    """Add 128 rows. Full tiles have loops of constant length."""
    cdef Py_ssize_t step = LANES * columns, m = 0
    while m + TILE <= step:
        add_tile(tiles + m // TILE, data + m, TILE, step, with_range, masked)
        m += TILE
    if m < step:
        add_tile(tiles + m // TILE, data + m, step - m, step, with_range, masked)


cdef inline void add_sets_of_one(slots_t* tile, const real_t* data, bint with_range, bint masked) noexcept nogil:
    """Add the sets of a tile of a single column; their range by all slots of the tile, as its order does not matter."""
    cdef Py_ssize_t i
    if with_range:
        add_range(tile, data, TILE, TILE)
    for i in range(SETS_OF_ONE):
        if with_range:
            fetch_window(data, i)
        if masked:
            add_finite(tile, data + i * SET_ROWS, LANES, LANES)
            add_moments(tile, data + i * SET_ROWS, LANES, LANES, True)
        else:
            add_moments(tile, data + i * SET_ROWS, LANES, LANES, False)


# ---- one block ---------------------------------------------------------------------------------------

# What a block needs besides its data, in one piece of memory.
ctypedef struct Workspace:
    bint masked             # the last block had nan in it, so the next is summed without at once
    bint* improved          # whether the pivot of a column has been replaced by its mean
    double* entries         # FIELDS for each column
    void* tiles
    void* padded            # a set of rows


cdef inline void sample_pivots(slots_t* tiles, const real_t* data, Py_ssize_t rows, Py_ssize_t columns,
                               double* sums) noexcept nogil:
    """Set the pivots to the mean of some of the rows; scaled, so that it cannot overflow."""
    cdef Py_ssize_t samples = min(rows, <Py_ssize_t>SAMPLES), step = rows // samples, s, j, m, lane
    cdef const real_t* row
    cdef double* weights = sums + columns
    cdef double x
    for j in range(2 * columns):
        sums[j] = 0
    for s in range(samples):
        # Not every step-th row, but one somewhere in every step rows: data is often periodic.
        row = data + (s * step + 7 * s % step) * columns
        # The same row of the next block, so that it is here when its turn comes.
        ff_prefetch(row + BLOCK_ROWS * columns)
        for j in range(columns):
            x = row[j]
            sums[j] += x * (1.0 / SAMPLES) if x - x == 0 else 0.0
        for j in range(columns):
            weights[j] += 1.0 / SAMPLES if row[j] - row[j] == 0 else 0.0
    for j in range(columns):
        sums[j] = sums[j] / weights[j] if weights[j] > 0 else 0.0
    m = 0
    for lane in range(LANES):
        for j in range(columns):
            tiles[m // TILE].pivot[m % TILE] = sums[j]
            m += 1


cdef inline void clear_tiles(slots_t* tiles, Py_ssize_t columns, bint with_range) noexcept nogil:
    cdef Py_ssize_t i, m
    cdef slots_t* tile
    for i in range((LANES * columns + TILE - 1) // TILE):
        tile = tiles + i
        for m in range(TILE):
            tile.total[m] = tile.total_rest[m] = tile.square[m] = tile.square_rest[m] = 0
            tile.finite[m] = 0
        if with_range:
            for m in range(TILE):
                tile.low[m], tile.high[m] = INFINITY, -INFINITY
                tile.zero[m] = tile.negative[m] = 0


cdef inline void add_sets(slots_t* tiles, const real_t* data, Py_ssize_t rows, Py_ssize_t columns, real_t* padded,
                          bint with_range, bint masked) noexcept nogil:
    cdef Py_ssize_t full = rows // SET_ROWS, rest = rows - full * SET_ROWS, length = SET_ROWS * columns, i
    i = 0
    if columns == 1:
        while i + SETS_OF_ONE <= full:
            if masked:
                add_sets_of_one(tiles, data + i * SET_ROWS, with_range, True)
            else:
                add_sets_of_one(tiles, data + i * SET_ROWS, with_range, False)
            i += SETS_OF_ONE
    while i < full:
        if masked:
            add_set(tiles, data + i * length, columns, with_range, True)
        else:
            add_set(tiles, data + i * length, columns, with_range, False)
        i += 1
    if rest:
        if with_range:
            memcpy(padded, data + full * length, rest * columns * sizeof(real_t))
            for i in range(rest * columns, length):
                padded[i] = NAN
        add_set(tiles, <const real_t*>padded, columns, with_range, True)


cdef enum Verdict:
    DONE
    OFF_PIVOT       # to be summed again about the mean
    NOT_FINITE      # to be summed again without what is not finite


cdef inline void add_block(slots_t* tiles, const real_t* data, Py_ssize_t rows, Py_ssize_t columns,
                           Workspace* workspace, double* table, Py_ssize_t field_stride) noexcept nogil:
    # A column may be summed more often than it needs, for the sake of others: to the same bits, as its pivot changes
    # once at most and what is masked adds exact zeros.
    cdef bint masked = workspace.masked, first = True, again = True, any_nan = False
    cdef Py_ssize_t j
    cdef Verdict verdict
    sample_pivots(tiles, data, rows, columns, workspace.entries)
    for j in range(columns):
        workspace.improved[j] = False
    while again:
        clear_tiles(tiles, columns, first)
        add_sets(tiles, data, rows, columns, <real_t*>workspace.padded, first, masked)
        again = first = False
        any_nan = masked
        for j in range(columns):
            verdict = summarize(tiles, data + j, rows, j, columns, workspace, masked)
            again |= verdict != DONE
            any_nan |= verdict == NOT_FINITE
        masked = any_nan
    any_nan = False
    for j in range(columns):
        any_nan |= workspace.entries[FIELDS * j + NANS] > 0
        merge_column(table + j, field_stride, workspace.entries + FIELDS * j, 1)
    workspace.masked = any_nan


cdef inline Verdict summarize(slots_t* tiles, const real_t* column, Py_ssize_t rows, Py_ssize_t j, Py_ssize_t columns,
                              Workspace* workspace, bint masked) noexcept nogil:
    """Put the sums of one column into its entry, or say why they have to be made again."""
    cdef double* entry = workspace.entries + FIELDS * j
    cdef Py_ssize_t lane, m, width, n = 0 if masked else rows // SET_ROWS * SET_ROWS
    cdef real_t low = INFINITY, high = -INFINITY
    cdef Pair total, square, shift, mean, sum
    cdef double zeros = 0, negatives = 0, posinfs = 0, neginfs = 0, rest = 0, pivot
    cdef double heads[LANES]
    cdef slots_t* tile
    total.head = total.rest = 0
    for lane in range(TILE if columns == 1 else LANES):
        tile = tiles + (lane * columns + j) // TILE
        m = (lane * columns + j) % TILE
        low = tile.low[m] if tile.low[m] < low else low
        high = tile.high[m] if tile.high[m] > high else high
        zeros += tile.zero[m]
        negatives += tile.negative[m]
    for lane in range(LANES):
        tile = tiles + (lane * columns + j) // TILE
        m = (lane * columns + j) % TILE
        n += tile.finite[m]
        rest += tile.square_rest[m]
        heads[lane] = tile.square[m]
        sum = two_sum(total.head, tile.total[m])
        total.head = sum.head
        total.rest += sum.rest + tile.total_rest[m]
    pivot = tile.pivot[m]
    width = LANES // 2
    while width > 0:
        for lane in range(width):
            sum = two_sum(heads[lane], heads[lane + width])
            heads[lane] = sum.head
            rest += sum.rest
        width //= 2
    square = renormalized(heads[0], rest)
    total = renormalized(total.head, total.rest)
    if not masked and not square.head - square.head == 0:
        return NOT_FINITE
    shift = over_number(total, n if n > 0 else 1)
    mean = two_sum(pivot, shift.head)
    mean = renormalized(mean.head, mean.rest + shift.rest)
    if low == high:
        # Exactly constant: no sum may say otherwise. Adding 0 makes -0.0 the 0.0 that it equals.
        mean.head, mean.rest = low + 0.0, 0
        square.head = square.rest = 0
    elif n > 0:
        shift = times(total, shift)
        if not workspace.improved[j] and shift.head > square.head * 0.25:
            for lane in range(LANES):
                m = lane * columns + j
                tiles[m // TILE].pivot[m % TILE] = mean.head
            workspace.improved[j] = True
            return OFF_PIVOT
        square = add(square, negated(shift))
    if n < rows and (high == <real_t>INFINITY or low == -<real_t>INFINITY):
        for m in range(rows):
            posinfs += column[m * columns] == <real_t>INFINITY
            neginfs += column[m * columns] == -<real_t>INFINITY
    entry[COUNT], entry[NANS], entry[POSINFS], entry[NEGINFS] = n, rows - n - posinfs - neginfs, posinfs, neginfs
    entry[ZEROS], entry[NEGATIVES] = zeros, negatives
    entry[LOW], entry[HIGH], entry[LOW_REST], entry[HIGH_REST] = low + 0.0, high + 0.0, 0, 0
    entry[MEAN], entry[MEAN_REST] = mean.head, mean.rest
    entry[SQUARE], entry[SQUARE_REST], entry[SCALE] = square.head, square.rest, 0
    return DONE


# ---- combining ---------------------------------------------------------------------------------------

cdef inline double wanted_scale(double size) noexcept nogil:
    """The scale at which the square of a deviation of this size is a normal number: 0 but for float64's far ends."""
    if size > FF_HUGE:
        return SCALE_BITS
    return -SCALE_BITS if size < FF_TINY else 0


cdef inline void merge_column(double* table, Py_ssize_t fields, const double* other, Py_ssize_t others) noexcept nogil:
    """Add what `other` says of a column; the fields of each are so far apart."""
    cdef double n = table[COUNT * fields], k = other[COUNT * others], scale
    cdef Pair mean, shift, step, square, more
    cdef int field
    for field in range(COUNT, NEGATIVES + 1):
        table[field * fields] += other[field * others]
    if (other[LOW * others] < table[LOW * fields] or (other[LOW * others] == table[LOW * fields]
                                                      and other[LOW_REST * others] < table[LOW_REST * fields])):
        table[LOW * fields], table[LOW_REST * fields] = other[LOW * others], other[LOW_REST * others]
    if (other[HIGH * others] > table[HIGH * fields] or (other[HIGH * others] == table[HIGH * fields]
                                                        and other[HIGH_REST * others] > table[HIGH_REST * fields])):
        table[HIGH * fields], table[HIGH_REST * fields] = other[HIGH * others], other[HIGH_REST * others]
    if k == 0:
        return
    if n == 0:
        for field in range(MEAN, FIELDS):
            table[field * fields] = other[field * others]
        return
    scale = common_scale(table, fields, other, others)
    square = square_at(table, fields, scale)
    mean = mean_at(table, fields, scale)
    more = mean_at(other, others, scale)
    shift = add(more, negated(mean))
    step = over_number(times_number(shift, k), n + k)
    mean = add(mean, step)
    square = add(add(square, square_at(other, others, scale)), times_number(times(shift, step), n))
    table[MEAN * fields], table[MEAN_REST * fields] = mean.head, mean.rest
    table[SQUARE * fields], table[SQUARE_REST * fields] = square.head, square.rest
    table[SCALE * fields] = scale


cdef inline double common_scale(const double* table, Py_ssize_t fields, const double* other,
                                Py_ssize_t others) noexcept nogil:
    """The scale at which both, and the square of the distance of their means, are normal numbers."""
    cdef double scale = max(scale_of(table, fields), scale_of(other, others))
    cdef double fine = min(table[SCALE * fields], other[SCALE * others])
    cdef Pair mean = mean_at(table, fields, fine), more = mean_at(other, others, fine)
    cdef double distance = fabs(more.head - mean.head)
    if distance == 0:
        distance = fabs(more.rest - mean.rest)
    if distance == 0:
        return scale if scale >= -SCALE_BITS else 0
    if not distance - distance == 0:
        # Too far apart to be told at the finer scale, so at the other one its rounding does not matter.
        mean, more = mean_at(table, fields, 0), mean_at(other, others, 0)
        return max(scale, wanted_scale(fabs(more.head - mean.head)))
    return max(scale, wanted_scale(ldexp(distance, <int>fine)))


cdef inline double scale_of(const double* table, Py_ssize_t fields) noexcept nogil:
    # A sum of 0 has no scale of its own.
    return table[SCALE * fields] if table[SQUARE * fields] != 0 else -2 * SCALE_BITS


cdef inline Pair mean_at(const double* table, Py_ssize_t fields, double scale) noexcept nogil:
    cdef Pair mean
    cdef int by = <int>(table[SCALE * fields] - scale)
    mean.head, mean.rest = table[MEAN * fields], table[MEAN_REST * fields]
    if by != 0:
        mean.head, mean.rest = ldexp(mean.head, by), ldexp(mean.rest, by)
    return mean


cdef inline Pair square_at(const double* table, Py_ssize_t fields, double scale) noexcept nogil:
    cdef Pair square
    cdef int by = 2 * <int>(table[SCALE * fields] - scale)
    square.head, square.rest = table[SQUARE * fields], table[SQUARE_REST * fields]
    if by != 0 and square.head != 0:
        square.head, square.rest = ldexp(square.head, by), ldexp(square.rest, by)
    return square


# ---- the table ---------------------------------------------------------------------------------------

cdef size_t block_workspace(Py_ssize_t columns, int itemsize) noexcept nogil:
    # The sums of sample_pivots stand where the entries come to stand later.
    cdef size_t tiles = (LANES * columns + TILE - 1) // TILE
    return (sizeof(Workspace) + 2 * LINE + columns * (FIELDS * sizeof(double) + SET_ROWS * itemsize + sizeof(bint))
            + tiles * (sizeof(SlotsF64) if itemsize == 8 else sizeof(SlotsF32)))


cdef inline Workspace* furnish(void* memory, Py_ssize_t columns, int itemsize) noexcept nogil:
    cdef Workspace* workspace = <Workspace*>memory
    cdef char* free = <char*>(workspace + 1)
    if workspace.tiles == NULL:
        workspace.tiles = free + (LINE - <size_t>free % LINE)
        workspace.entries = <double*>(<char*>workspace.tiles + (LANES * columns + TILE - 1) // TILE * (
            sizeof(SlotsF64) if itemsize == 8 else sizeof(SlotsF32)))
        workspace.padded = workspace.entries + columns * FIELDS
        workspace.improved = <bint*>(<char*>workspace.padded + columns * SET_ROWS * itemsize)
    return workspace


cdef void block_f32(const void* data, Py_ssize_t rows, Py_ssize_t columns,
                    void* memory, double* table, Py_ssize_t field_stride) noexcept nogil:
    cdef Workspace* workspace = furnish(memory, columns, 4)
    add_block(<SlotsF32*>workspace.tiles, <const float*>data, rows, columns, workspace, table, field_stride)

cdef void block_f64(const void* data, Py_ssize_t rows, Py_ssize_t columns,
                    void* memory, double* table, Py_ssize_t field_stride) noexcept nogil:
    cdef Workspace* workspace = furnish(memory, columns, 8)
    add_block(<SlotsF64*>workspace.tiles, <const double*>data, rows, columns, workspace, table, field_stride)

cdef void merge(double* table, Py_ssize_t field_stride, const double* other, Py_ssize_t other_stride,
                Py_ssize_t columns) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(columns):
        merge_column(table + j, field_stride, other + j, other_stride)


cdef void quotients(double* out, const double* head, const double* rest, const double* divisor,
                    Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef Pair pair
    for i in range(n):
        pair.head, pair.rest = head[i], rest[i]
        out[i] = over_number(pair, divisor[i]).head


cdef inline void affine(real_t* out, const real_t* data, Py_ssize_t n, const double* unit, const double* center,
                        const double* spread, Py_ssize_t step, bint inverse) noexcept nogil:
    cdef Py_ssize_t i
    if inverse and step:
        for i in range(n):
            out[i] = <real_t>ff_fma(<double>data[i], spread[i], center[i])
    elif inverse:
        for i in range(n):
            out[i] = <real_t>ff_fma(<double>data[i], spread[0], center[0])
    elif step:
        for i in range(n):
            out[i] = <real_t>((<double>data[i] * unit[i] - center[i]) / spread[i])
    else:
        for i in range(n):
            out[i] = <real_t>((<double>data[i] * unit[0] - center[0]) / spread[0])

cdef void affine_f32(void* out, const void* data, Py_ssize_t n, const double* unit, const double* center,
                     const double* spread, Py_ssize_t step, bint inverse) noexcept nogil:
    affine(<float*>out, <const float*>data, n, unit, center, spread, step, inverse)

cdef void affine_f64(void* out, const void* data, Py_ssize_t n, const double* unit, const double* center,
                     const double* spread, Py_ssize_t step, bint inverse) noexcept nogil:
    affine(<double*>out, <const double*>data, n, unit, center, spread, step, inverse)


cdef void fill_columns(KernelTable* table) noexcept nogil:
    table.block[0], table.block[1] = block_f32, block_f64
    table.block_workspace = block_workspace
    table.merge = merge
    table.quotients = quotients
    table.affine[0], table.affine[1] = affine_f32, affine_f64
