"""The kernel table: one struct of C function pointers, filled by each instruction-set level."""

from libc.stdint cimport int64_t


# What makes an element count, on its bits b: key = (b & mask) ^ flip, compared as a signed integer of
# the element's width. Keys at or above a threshold belong to a class; the thresholds are ordered,
# over_from <= inf_from <= nan_from, and equal where the class is empty.
ctypedef struct Format:
    int64_t mask
    int64_t flip
    int64_t over_from
    int64_t inf_from
    int64_t nan_from

# One question about one element: is its key at or above `threshold`?
ctypedef struct Question:
    int64_t mask
    int64_t flip
    int64_t threshold

cdef enum:     # what an element is
    FINITE = -1
    NAN_KIND
    POSINF_KIND
    NEGINF_KIND
    OVER_KIND
    KINDS

ctypedef struct Counts:
    Py_ssize_t of_kind[KINDS]

# Index of the first element for which the question is answered yes, or n.
ctypedef Py_ssize_t (*find_kernel)(const void* data, Py_ssize_t n, const Question* question) noexcept nogil
# Adds what data[0:n] holds to the counts; n below 2**31.
ctypedef void (*count_kernel)(const void* data, Py_ssize_t n, const Format* format, Counts* counts) noexcept nogil
# Copies rows x n elements at two strides (bytes, any alignment) into a contiguous tile, in order.
ctypedef void (*pack_kernel)(void* tile, const char* data, Py_ssize_t rows, Py_ssize_t row_stride,
                             Py_ssize_t n, Py_ssize_t stride, bint swap) noexcept nogil

cdef enum:
    BLOCK_ROWS = 16384      # rows that a block kernel takes at most
    WORKSPACE_HEAD = 64

# The statistics of one column, a row of a table of float64 for each field; what needs more than 53 bits is a pair.
cdef enum:
    COUNT           # finite values
    NANS
    POSINFS
    NEGINFS
    ZEROS
    NEGATIVES
    LOW             # smallest and largest of the values that are not nan; +inf and -inf where there is none
    LOW_REST
    HIGH
    HIGH_REST
    MEAN            # of the finite values, over 2**SCALE
    MEAN_REST
    SQUARE          # sum of their squared deviations from the mean, over 2**(2 * SCALE)
    SQUARE_REST
    SCALE
    FIELDS

# Adds a block of at most BLOCK_ROWS contiguous rows to a table whose fields are field_stride apart. `memory` is of the
# size that workspace_size gives for as many columns, its first WORKSPACE_HEAD bytes zeroed before its first use.
ctypedef void (*block_kernel)(const void* data, Py_ssize_t rows, Py_ssize_t columns, void* memory, double* table,
                              Py_ssize_t field_stride) noexcept nogil
ctypedef size_t (*workspace_size)(Py_ssize_t columns, int itemsize) noexcept nogil
ctypedef void (*merge_kernel)(double* table, Py_ssize_t field_stride, const double* other, Py_ssize_t other_stride,
                              Py_ssize_t columns) noexcept nogil
# out = (head + rest) / divisor, rounded once.
ctypedef void (*quotients_kernel)(double* out, const double* head, const double* rest, const double* divisor,
                                  Py_ssize_t n) noexcept nogil
# out = (x * unit - center) / spread, or with `inverse` x * spread + center, for `n` elements that share the three
# (step 0) or take them one by one (step 1).
ctypedef void (*affine_kernel)(void* out, const void* data, Py_ssize_t n, const double* unit, const double* center,
                               const double* spread, Py_ssize_t step, bint inverse) noexcept nogil

cdef enum:     # what an element of an array is
    HALF
    SINGLE
    DOUBLE
    BRAIN       # bfloat16
    FLOATS
    BOOLEAN = FLOATS
    INT8
    UINT8
    INT16
    UINT16
    INT32
    UINT32
    INT64
    UINT64
    TYPES

cdef enum:     # functions of one to three operands
    SIGMOID
    SIGMOID_GRAD
    LOG_SIGMOID
    SOFTPLUS
    LOGIT
    LOG_FLOOR       # of the larger of x and the second operand
    LOG_OR_FILL     # the second operand where x <= 0
    DIVIDE          # the third operand where the second is 0

cdef enum:
    MAP_TILE = 256  # elements that go through the elementwise kernels at a time; a multiple of MAP_UNIT
    QUARTER = 64    # of it
    MAP_UNIT = 16   # tiles are filled up to a multiple of it

# Between n contiguous elements and a tile of float64. Narrowing rounds once.
ctypedef void (*widen_kernel)(double* tile, const void* data, Py_ssize_t n) noexcept nogil
ctypedef void (*narrow_kernel)(void* data, const double* tile, Py_ssize_t n) noexcept nogil
# out = function(a, b, c) for n contiguous elements, a multiple of MAP_UNIT and at most MAP_TILE; out overlaps none of
# what the function reads.
ctypedef void (*map_kernel)(int function, void* out, const void* a, const void* b, const void* c,
                            Py_ssize_t n) noexcept nogil

cdef enum:     # losses
    OF_LOGITS
    OF_PROBABILITIES
    LOSSES

# What a tile of labels and predictions holds.
cdef enum:
    SINGLES         # float32
    WIDENED         # float64 made of narrower floats: terms as exact as float32 can tell
    DOUBLES
    TIERS

# A sum, and what its additions lost.
ctypedef struct Sum:
    double value
    double rest

# A tile of labels and predictions of one type, float32 or float64, readable up to a multiple of MAP_UNIT, where labels
# and predictions are valid, too; what comes of it.
ctypedef struct LossTile:
    const void* label
    const void* prediction
    const double* weight
    const double* pos_weight    # or NULL
    double* loss
    double* grad                # or NULL
    Py_ssize_t length
    Py_ssize_t filled           # the multiple of MAP_UNIT
    double floor                # of probabilities
    double grad_scale
    bint bad_label              # some are outside [0, 1]
    bint bad_prob
    bint bad_weight             # some are negative or nan
    bint bad_pos_weight

ctypedef void (*loss_kernel)(LossTile* tile) noexcept nogil
ctypedef void (*weigh_kernel)(LossTile* tile) noexcept nogil
# The sum of the losses of tiles of float32, whose logs are taken of products; begins as 0, with products of 1.
ctypedef struct ProductSum:
    double product[QUARTER]
    double exponent[QUARTER]
    double base[QUARTER]
    double sign                 # of the logs
    Sum sum
    Py_ssize_t tiles            # in the products
    bint odd                    # something is not for this way of summing

ctypedef void (*step_kernel)(ProductSum* state, const LossTile* tile) noexcept nogil
ctypedef void (*take_logs_kernel)(ProductSum* state) noexcept nogil
# The sum of a tile of MAP_TILE numbers, of which so many count.
ctypedef double (*total_kernel)(double* x, Py_ssize_t length) noexcept nogil
# Adds that, or n other sums, to a sum.
ctypedef void (*add_total_kernel)(Sum* sum, double* x, Py_ssize_t length) noexcept nogil
ctypedef void (*add_sums_kernel)(Sum* sum, const Sum* others, Py_ssize_t n) noexcept nogil

# The largest of n <= MAP_TILE numbers, nan if one is.
ctypedef double (*largest_kernel)(const double* x, Py_ssize_t n) noexcept nogil
# e = exp(x - largest) * 2**64, but 0 where x is the largest of its row; how many are. n is a multiple of MAP_UNIT, and
# below, too.
ctypedef double (*exps_kernel)(double* e, const double* x, const double* largest, Py_ssize_t n,
                               bint full) noexcept nogil
# out = e / 2**64 / sum, and 1 / sum where x is the largest; any n.
ctypedef void (*shares_kernel)(double* out, const double* x, const double* e, double largest, double sum,
                               Py_ssize_t n) noexcept nogil
# out = log(1 + x) for x >= 0, which is not inf.
ctypedef void (*logs_kernel)(double* out, const double* x, Py_ssize_t n) noexcept nogil

# Arrays of four are indexed by log2 of the element's width in bytes.
ctypedef struct KernelTable:
    find_kernel find[4]
    count_kernel count[4]
    pack_kernel pack[4]
    # Arrays of two are float32 and float64.
    block_kernel block[2]
    workspace_size block_workspace
    merge_kernel merge
    quotients_kernel quotients
    affine_kernel affine[2]
    widen_kernel widen[TYPES]
    narrow_kernel narrow[FLOATS]
    map_kernel map[FLOATS]
    loss_kernel loss[LOSSES][TIERS]
    step_kernel step[LOSSES]
    take_logs_kernel take_logs
    weigh_kernel weigh
    total_kernel total
    add_total_kernel add_total
    add_sums_kernel add_sums
    largest_kernel largest_of
    exps_kernel shifted_exps
    shares_kernel shares
    logs_kernel logs_of_sums
