# One instruction-set level: every kernel family, and the table that holds them.

from cpython.pycapsule cimport PyCapsule_New
from fastfinite._kernels.table cimport *

include "scan.pxi"
include "columns.pxi"
include "elementary.pxi"
include "elementwise.pxi"
include "losses.pxi"
include "rows.pxi"

cdef KernelTable _table

fill_scan(&_table)
fill_columns(&_table)
fill_elementwise(&_table)
fill_losses(&_table)
fill_rows(&_table)
table = PyCapsule_New(&_table, "fastfinite.KernelTable", NULL)
