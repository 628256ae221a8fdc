# One instruction-set level: every kernel family, and the table that holds them.

from cpython.pycapsule cimport PyCapsule_New
from fastfinite._kernels.table cimport *

include "scan.pxi"
include "columns.pxi"

cdef KernelTable _table

fill_scan(&_table)
fill_columns(&_table)
table = PyCapsule_New(&_table, "fastfinite.KernelTable", NULL)
