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
