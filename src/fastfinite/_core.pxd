"""What the other extension modules use of this one."""

from fastfinite._kernels.table cimport KernelTable

# The kernels of the level in use.
cdef const KernelTable* kernels
