"""What the other extension modules use of this one."""

from fastfinite._kernels.table cimport KernelTable

# The kernels of the level in use.
cdef const KernelTable* kernels

# How many threads are worth starting for so many bytes, where the work has at most so many parts.
cdef int thread_count(Py_ssize_t nbytes, Py_ssize_t most) except -1
