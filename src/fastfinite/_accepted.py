"""What input becomes when it is accepted, and how NumPy's own arrays are.

An array of NumPy is `Accepted`. What lies elsewhere or is not one array is accepted as one of three: a `Frame` of
columns, `Sparse` values with their places, or a `Remote` array on another device. Those are plain classes: to make one
named tuple takes 0.3 ms of the import.
"""

from __future__ import annotations

import contextlib
import functools
import numbers
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeGuard

import numpy as np

from fastfinite import _formats
from fastfinite._formats import Format

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastfinite._report import ScanReport

Array: TypeAlias = "NDArray[Any]"


class Accepted(NamedTuple):
    """Input that can be scanned.

    Attributes
    ----------
    array : ndarray
        The numbers, a view wherever there was memory to view.
    how : {"bits", "values", "finite", "fields"}
        Scanned on bits by the kernels; value by value (long double, objects); finite by type; field by field.
    format : Format or None
        For "bits", the format of an element or of its parts.
    parts : int
        2 for complex numbers scanned on bits, else 1.
    mask : ndarray or None
        True where a value is missing; of the shape of `array`.
    label : str
        The dtype as it is told to the user.
    nulls : bool
        What is missing is null, and so a finding; else it is masked, and left out.
    """

    array: Array
    how: str
    format: Format | None
    parts: int
    mask: Array | None
    label: str
    nulls: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def is_raw(self) -> bool:
        """Whether the array holds the bits of a format that its own dtype is not."""
        return self.how == "bits" and self.array.dtype.kind in "iuV" and not _formats.is_ml_dtype(self.array.dtype)


def as_column(accepted: Accepted) -> Accepted:
    """Values of one axis, or of none, as a column."""
    mask = None if accepted.mask is None else accepted.mask.reshape(-1, 1)
    return accepted._replace(array=accepted.array.reshape(-1, 1), mask=mask)


def as_floats(values: Array) -> Array:
    """Values as float64, None and other missing ones as nan."""
    with np.errstate(all="ignore"):
        floats: Array = values.astype(np.float64)
    return floats


def numbers_of(accepted: Accepted) -> Array:
    """Numbers that NumPy has; what is missing is nan."""
    values = accepted.array
    if accepted.is_raw and accepted.format is not None:
        values = _formats.values_of_bits(values, accepted.format)
    if _formats.is_ml_dtype(values.dtype):
        values = as_floats(values)
    if values.dtype.kind == "O" and not any(isinstance(value, (str, bytes)) for value in values.flat):
        with contextlib.suppress(TypeError, ValueError):
            values = as_floats(values)
    if accepted.mask is not None and values.dtype.kind in "biuf":
        values = as_floats(values)
        values[accepted.mask] = np.nan
    return values


# A part of something larger: an array of as many axes, and the index of its first element in the whole.
Part: TypeAlias = "tuple[Accepted, tuple[int, ...]]"


class Frame:
    """A table with names, or one of its columns.

    Attributes
    ----------
    shape : tuple of int
        (rows, columns), those that hold no numbers with them; (rows,) of a single column.
    label : str
        The dtype of its numbers, "mixed" where there are several.
    names : list of str
        Of all columns.
    unscanned : list of int
        Positions of the columns that are left out.
    doubtful : list of int
        Those of them that may hold numbers all the same: lists, structs, mixed objects.
    parts : callable
        Gives the numbers, some rows of some neighbouring columns at a time, views wherever they lie as NumPy has them.
    """

    __slots__ = ("doubtful", "label", "names", "parts", "shape", "unscanned")

    def __init__(
        self, shape: tuple[int, ...], label: str, names: list[str], unscanned: list[int], doubtful: list[int],
        parts: Callable[[], Iterator[Part]],
    ) -> None:
        self.shape, self.label, self.names, self.unscanned, self.doubtful = shape, label, names, unscanned, doubtful
        self.parts = parts

    @property
    def not_scanned(self) -> tuple[str, ...]:
        """The names of the columns that are left out."""
        return tuple(self.names[position] for position in self.unscanned)

    @property
    def may_hold_numbers(self) -> tuple[str, ...]:
        """The names of those of which it is not known."""
        return tuple(self.names[position] for position in self.doubtful)


class Sparse:
    """Values with their places in an array that is zero everywhere else.

    Attributes
    ----------
    shape : tuple of int
    stored : Accepted
        Values in any order. All are finite if and only if the array is.
    ordered : callable
        Gives the values in C order and their coordinates, an axis a row, each place once.
    """

    __slots__ = ("ordered", "shape", "stored")

    def __init__(
        self, shape: tuple[int, ...], stored: Accepted, ordered: Callable[[], tuple[Accepted, Array]]
    ) -> None:
        self.shape, self.stored, self.ordered = shape, stored, ordered

    @property
    def label(self) -> str:
        return f"{self.stored.label} sparse"


class Remote:
    """An array in the memory of another device.

    Attributes
    ----------
    shape : tuple of int
    label : str
    ask : callable
        Whether it holds a value of the kind that is asked for (see `_tally`), found out over there.
    fetch : callable
        Brings it here.
    """

    __slots__ = ("ask", "fetch", "label", "shape")

    def __init__(
        self, shape: tuple[int, ...], label: str, ask: Callable[[int], bool], fetch: Callable[[], Accepted | Sparse]
    ) -> None:
        self.shape, self.label, self.ask, self.fetch = shape, label, ask, fetch


class Chunked:
    """An array or table that an engine holds in chunks, and answers for itself.

    Attributes
    ----------
    shape : tuple
        Lengths that are not known are nan.
    label : str
    names : tuple of str or None
        Of the columns of a table.
    """

    shape: tuple[Any, ...]
    label: str
    names: tuple[str, ...] | None

    def ask(self, question: int) -> bool:
        """Whether it holds a value of the kind that is asked for (see `_tally`)."""
        raise NotImplementedError

    def report(self, target: Format | None, axis: int | None, allow_nan: bool) -> ScanReport:
        """Counts and places, as `_inputs.report` gives them."""
        raise NotImplementedError

    def indices(self, question: int, limit: int | None) -> Array:
        """Indices of the values of the kind that is asked for."""
        raise NotImplementedError

    def table(self, axes: tuple[int, ...] | None) -> Any:
        """The table of sums along some axes, or all: `table`, its `extent`, the `names`, and what is `unscanned`."""
        raise NotImplementedError

    def fetch(self) -> Input:
        """Bring it here."""
        raise NotImplementedError


Input: TypeAlias = "Accepted | Frame | Sparse | Remote | Chunked"


def is_of(cls: type, module: str, *names: str) -> bool:
    """Whether a class is one of these of a module, which is not imported: who has an object of it has it loaded."""
    found = sys.modules.get(module)
    # A module that another thread is importing may lack the names still, and one that stands in for it has others.
    known = (getattr(found, name, None) for name in names)
    return issubclass(cls, tuple(one for one in known if isinstance(one, type)))


def is_masked(x: object) -> TypeGuard[np.ma.MaskedArray[Any, Any]]:
    """Whether this is a masked array, without an import of numpy.ma."""
    # NumPy imports numpy.ma when it is first asked for. Asking here could leave a child that is forked meanwhile with
    # an import lock that nobody holds; and while it is not imported, or only half, there are no masked arrays.
    masked_array = getattr(sys.modules.get("numpy.ma.core"), "MaskedArray", None)
    return masked_array is not None and isinstance(x, masked_array)


def of_array(x: object, dtype: object = None, mask: Array | None = None) -> Accepted:
    """Accept an array, masked array, scalar or array-like; ``dtype`` names the format of raw bits."""
    if is_masked(x):
        cells: Any = x.mask
        mask = np.broadcast_to(cells, x.shape) if isinstance(cells, np.ndarray) or cells else None
    array = np.asarray(x)
    if dtype is not None:
        return _accept_bits(array, _formats.of_name(dtype, "dtype"), mask)
    how, form, parts, label = _traits(array.dtype)
    if array.ndim == 0 and label == "object" and not isinstance(x, (np.ndarray, numbers.Number)):
        raise TypeError(f"x must be array_like, not {type(x).__name__}")
    return Accepted(array, how, form, parts, mask, label)


@functools.lru_cache(maxsize=256)
def _traits(dtype: np.dtype[Any]) -> tuple[str, Format | None, int, str]:
    """How a dtype is scanned: the attributes of `Accepted`."""
    kind, label = dtype.kind, dtype.name
    known = _formats.of_dtype(dtype)
    if _formats.is_ml_dtype(dtype):
        if label in _formats.FINITE_BY_TYPE:
            return "finite", None, 1, label
        if known is not None:
            return "bits", known, 2 if label in _formats.COMPLEX else 1, label
    elif kind in "biu":
        return "finite", None, 1, label
    elif kind == "O" or (kind in "fc" and known is None):       # known is None: long double
        return "values", None, 1, label
    elif kind in "fcmM":
        return "bits", known, 2 if kind == "c" else 1, label
    elif dtype.names is not None:
        return "fields", None, 1, "record"
    raise TypeError(f"cannot scan dtype {dtype}: {_reason(dtype)}")


def _accept_bits(array: Array, named: Format, mask: Array | None) -> Accepted:
    if array.dtype.name == named.name or (array.dtype.kind in "uiV" and array.dtype.names is None
                                          and not _formats.is_ml_dtype(array.dtype)):
        if array.dtype.itemsize != named.itemsize:
            raise ValueError(f"dtype={named.name!r} has {named.itemsize} bytes an element, "
                             f"but x has {array.dtype.itemsize} ({array.dtype})")
        return Accepted(array, "bits", named, 1, mask, named.name)
    raise TypeError(f"dtype={named.name!r} reads x as raw bits, so x must hold unsigned integers of {named.bits} bits, "
                    f"not {array.dtype}")


def _reason(dtype: np.dtype[Any]) -> str:
    if dtype.kind in "SUT":
        return "it holds text, not numbers; convert it first, for example with astype(float)"
    if dtype.kind == "V" and not _formats.is_ml_dtype(dtype):
        return "it holds raw bytes of unknown meaning; say what they are with dtype=, for example dtype='bfloat16'"
    return "its number format is not known here"


def fields_of(accepted: Accepted) -> tuple[list[tuple[str, Accepted]], list[str]]:
    """The fields of a record array that hold numbers, nested ones by dotted names, and those that do not."""
    found: list[tuple[str, Accepted]] = []
    refused: list[str] = []
    for name in accepted.array.dtype.names or ():
        mask = None if accepted.mask is None else accepted.mask[name]
        try:
            field = of_array(accepted.array[name], mask=mask)
        except TypeError:
            refused.append(name)
            continue
        if field.how == "fields":
            inner, inner_refused = fields_of(field)
            found += [(f"{name}.{key}", value) for key, value in inner]
            refused += [f"{name}.{key}" for key in inner_refused]
        else:
            found.append((name, field))
    return found, refused
