# How an array of any layout is visited: in the order of memory, whatever the order of its axes.
#
# (a) Axes are sorted by stride, negative ones reversed, neighbours that lie end to end merged, and axes of
#     length 1 dropped, so that C, Fortran and transposed contiguous arrays are all one run.
# (b) An axis of stride 0 repeats what is already there: it is dropped and multiplies the counts.
# (c) The place of an element in the visit (its rank) maps to its place in C order through `digits`: mixed-radix
#     digits, innermost first, each with what one step adds to the C-order index and to the column index.
# (d) A complex array is visited as its parts: one more axis of length 2 that adds nothing to an index.

cdef enum:
    MAX_AXES = 65       # NumPy allows 64 dimensions; complex numbers add one

ctypedef struct Digit:
    Py_ssize_t length
    Py_ssize_t weight
    Py_ssize_t column

ctypedef struct Layout:
    const char* data
    const char* first           # the element of C-order index 0
    Py_ssize_t size             # elements (or parts) visited
    Py_ssize_t repeat           # how many elements of the array each visited one stands for
    int itemsize
    bint plain                  # aligned and in native byte order
    bint swapped
    bint ordered                # ranks are in C order
    int naxes                   # innermost first
    Py_ssize_t length[MAX_AXES]
    Py_ssize_t stride[MAX_AXES]
    int ndigits
    Digit digit[MAX_AXES]
    Py_ssize_t index_origin     # indices of the element of rank 0
    Py_ssize_t column_origin


cdef void describe(Layout* layout, cnp.ndarray array, int parts, int column_axis):
    """Fill `layout`; with `column_axis` not negative, repeats are kept apart along the other axes."""
    cdef int ndim = cnp.PyArray_NDIM(array)
    cdef int axis, i, count = 0
    cdef Py_ssize_t length, stride, weight = 1, column = 1
    cdef Py_ssize_t strides[MAX_AXES]
    cdef Digit entry
    layout.data = layout.first = <const char*>cnp.PyArray_DATA(array)
    layout.itemsize = <int>cnp.PyArray_ITEMSIZE(array) // parts
    layout.swapped = not cnp.PyArray_ISNOTSWAPPED(array)
    # Raw bytes (dtype V2, say) have no alignment for NumPy, but are read as integers here.
    layout.plain = cnp.PyArray_ISBEHAVED_RO(array) and <size_t>layout.data % layout.itemsize == 0
    layout.size = layout.repeat = 1
    layout.index_origin = layout.column_origin = 0
    if parts == 2:
        count = insert_axis(layout, strides, 0, 0, 2, layout.itemsize, 0, 0)
    for axis in range(ndim - 1, -1, -1):
        length = cnp.PyArray_DIM(array, axis)
        stride = cnp.PyArray_STRIDE(array, axis)
        entry.length = length
        entry.weight = weight
        entry.column = 0 if axis == column_axis else column
        weight *= length
        if axis != column_axis:
            column *= length
        if length == 1:
            continue
        if length == 0:
            layout.size = 0
            layout.naxes = layout.ndigits = 0
            return
        if stride == 0 and (column_axis < 0 or axis == column_axis):
            layout.repeat *= length
            continue
        if stride < 0:
            layout.data += (length - 1) * stride
            layout.index_origin += (length - 1) * entry.weight
            layout.column_origin += (length - 1) * entry.column
            stride, entry.weight, entry.column = -stride, -entry.weight, -entry.column
        layout.plain = layout.plain and stride % layout.itemsize == 0
        count = insert_axis(layout, strides, count, parts - 1, length, stride, entry.weight, entry.column)
    layout.naxes = layout.ndigits = 0
    for i in range(count):
        entry = layout.digit[i]
        layout.size *= entry.length
        append_axis(layout, entry.length, strides[i])
        append_digit(layout, entry)
    layout.ordered = True
    weight = 0
    for i in range(layout.ndigits):
        if layout.digit[i].weight < weight:
            layout.ordered = False
        weight = layout.digit[i].weight * layout.digit[i].length


cdef int insert_axis(Layout* layout, Py_ssize_t* strides, int count, int fixed, Py_ssize_t length,
                     Py_ssize_t stride, Py_ssize_t weight, Py_ssize_t column) noexcept nogil:
    # Insertion sort by stride; of equal strides, the one that came first (nearer the last axis) stays inner. The parts
    # of a complex number stay together whatever the other strides are: the first `fixed` axes are not moved.
    cdef int i = count
    while i > fixed and strides[i - 1] > stride:
        strides[i] = strides[i - 1]
        layout.digit[i] = layout.digit[i - 1]
        i -= 1
    strides[i] = stride
    layout.digit[i].length, layout.digit[i].weight, layout.digit[i].column = length, weight, column
    return count + 1


cdef void append_axis(Layout* layout, Py_ssize_t length, Py_ssize_t stride) noexcept nogil:
    cdef int last = layout.naxes - 1
    if last >= 0 and stride == layout.length[last] * layout.stride[last]:
        layout.length[last] *= length
    else:
        layout.length[layout.naxes], layout.stride[layout.naxes] = length, stride
        layout.naxes += 1


cdef void append_digit(Layout* layout, Digit entry) noexcept nogil:
    # Digits are written over the sorted axes they are read from, never past the one being read.
    cdef int last = layout.ndigits - 1
    if (last >= 0 and entry.weight == layout.digit[last].length * layout.digit[last].weight
            and entry.column == layout.digit[last].length * layout.digit[last].column):
        layout.digit[last].length *= entry.length
    else:
        layout.digit[layout.ndigits] = entry
        layout.ndigits += 1


# A place in the visit, with its indices, that steps from one element to the next.
ctypedef struct Place:
    Py_ssize_t position[MAX_AXES]
    Py_ssize_t index
    Py_ssize_t column


cdef void seek(const Layout* layout, Place* place, Py_ssize_t rank) noexcept nogil:
    cdef int i
    cdef Py_ssize_t step
    place.index, place.column = layout.index_origin, layout.column_origin
    for i in range(layout.ndigits):
        step = rank % layout.digit[i].length
        rank //= layout.digit[i].length
        place.position[i] = step
        place.index += step * layout.digit[i].weight
        place.column += step * layout.digit[i].column


cdef inline void advance(const Layout* layout, Place* place) noexcept nogil:
    cdef int i
    cdef const Digit* digit
    for i in range(layout.ndigits):
        digit = &layout.digit[i]
        place.position[i] += 1
        if place.position[i] < digit.length:
            place.index += digit.weight
            place.column += digit.column
            return
        place.position[i] = 0
        place.index -= (digit.length - 1) * digit.weight
        place.column -= (digit.length - 1) * digit.column
