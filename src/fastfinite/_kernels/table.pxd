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

ctypedef struct Counts:
    Py_ssize_t nan
    Py_ssize_t posinf
    Py_ssize_t neginf
    Py_ssize_t over

# Index of the first element for which the question is answered yes, or n.
ctypedef Py_ssize_t (*find_kernel)(const void* data, Py_ssize_t n, const Question* question) noexcept nogil
# Adds what data[0:n] holds to the counts; n below 2**31.
ctypedef void (*count_kernel)(const void* data, Py_ssize_t n, const Format* format, Counts* counts) noexcept nogil
# Copies rows x n elements at two strides (bytes, any alignment) into a contiguous tile, in order.
ctypedef void (*pack_kernel)(void* tile, const char* data, Py_ssize_t rows, Py_ssize_t row_stride,
                             Py_ssize_t n, Py_ssize_t stride, bint swap) noexcept nogil

# Arrays of four are indexed by log2 of the element's width in bytes.
ctypedef struct KernelTable:
    find_kernel find[4]
    count_kernel count[4]
    pack_kernel pack[4]
