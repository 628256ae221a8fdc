"""Data frames of every library, made of columns, and the arrays of the same numbers."""

from typing import NamedTuple

import arrays
import numpy as np
import pytest
from optional import require
from same_as_array import check_like

DTYPES = (*arrays.NATIVE, *arrays.INTEGERS)


class Column(NamedTuple):
    values: np.ndarray
    missing: np.ndarray


def column(dtype, rows=25, nulls=True, seed=0):
    """Values at the edges of a dtype, bad ones where it has them, some of them missing."""
    values = arrays.mixed(dtype, rows, seed, 0.3) if dtype in arrays.NATIVE else arrays.clean(dtype, rows)
    return Column(values, (np.random.default_rng(seed).random(rows) < 0.2) & nulls)


def equivalent(columns):
    """The array of objects of a frame's numbers: None where a value is missing."""
    rows = len(columns[0].values)
    result = np.empty((rows, len(columns)), object)
    for i, (values, missing) in enumerate(columns):
        result[:, i] = [None if gone else value for value, gone in zip(values.tolist(), missing)]
    return result


def named(columns):
    return {f"c{i}": one for i, one in enumerate(columns)}


def arrow_array(one):
    return require("pyarrow").array(one.values, mask=one.missing)


def pandas_numpy(columns):
    pandas = require("pandas")
    return pandas.DataFrame({name: one.values for name, one in columns.items()})


def pandas_nullable(columns):
    pandas = require("pandas")
    kinds = {"f": pandas.arrays.FloatingArray, "b": pandas.arrays.BooleanArray}
    return pandas.DataFrame({
        name: kinds.get(one.values.dtype.kind, pandas.arrays.IntegerArray)(one.values, one.missing)
        for name, one in columns.items()
    })


def pandas_arrow(columns):
    pandas = require("pandas")
    extended = pandas.arrays.ArrowExtensionArray
    return pandas.DataFrame({name: extended(arrow_array(one)) for name, one in columns.items()})


def polars_frame(columns):
    polars = require("polars")
    return polars.DataFrame({
        name: polars.Series(name, one.values).scatter(np.flatnonzero(one.missing), None)
        for name, one in columns.items()
    })


def arrow_table(columns):
    pyarrow = require("pyarrow")
    return pyarrow.table({name: arrow_array(one) for name, one in columns.items()})


def arrow_batch(columns):
    pyarrow = require("pyarrow")
    return pyarrow.record_batch({name: arrow_array(one) for name, one in columns.items()})


def chunked_table(columns):
    """In chunks of uneven lengths, each a slice that begins within a byte of its validity bitmap."""
    pyarrow = require("pyarrow")

    def chunks(one):
        rows, gap = len(one.values), np.zeros(3, one.values.dtype)
        for start, stop in ((0, rows // 3), (rows // 3, rows // 3), (rows // 3, rows // 2), (rows // 2, rows)):
            values = np.concatenate([gap, one.values[start:stop], gap])
            missing = np.concatenate([[True] * 3, one.missing[start:stop], [True] * 3])
            yield arrow_array(Column(values, missing)).slice(3, stop - start)

    return pyarrow.table({name: pyarrow.chunked_array(list(chunks(one))) for name, one in columns.items()})


def chunked_polars(columns):
    polars = require("polars")
    rows = len(next(iter(columns.values())).values)
    frame = polars_frame(columns)
    return polars.concat([frame[: rows // 3], frame[rows // 3 :]], rechunk=False)


def through_narwhals(module, make):
    def wrapped(columns):
        return require(module).from_native(make(columns))

    return wrapped


# Those that can tell a missing value from nan.
WITH_NULLS = {
    "pandas nullable": pandas_nullable,
    "pandas Arrow": pandas_arrow,
    "polars": polars_frame,
    "polars in chunks": chunked_polars,
    "pyarrow table": arrow_table,
    "pyarrow chunks": chunked_table,
    "pyarrow record batch": arrow_batch,
    "narwhals of polars": through_narwhals("narwhals", polars_frame),
    "narwhals v1 of pyarrow": through_narwhals("narwhals.stable.v1", arrow_table),
    "narwhals v2 of pandas nullable": through_narwhals("narwhals.stable.v2", pandas_nullable),
}
LIBRARIES = {
    "pandas": pandas_numpy,
    "narwhals v2 of pandas": through_narwhals("narwhals.stable.v2", pandas_numpy),
    **WITH_NULLS,
}
each_library = pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
with_nulls = pytest.mark.parametrize("make", WITH_NULLS.values(), ids=WITH_NULLS)


def takes(make, dtype):
    """Not float16 for the nullable columns of pandas, which it does not have."""
    return dtype != "float16" or make not in (pandas_nullable, WITH_NULLS["narwhals v2 of pandas nullable"])


def each_pair(libraries, dtypes):
    """Each of the libraries with each of the dtypes that it has."""
    pairs = [pytest.param(make, dtype, id=f"{name}-{dtype}")
             for dtype in dtypes for name, make in libraries.items() if takes(make, dtype)]
    return pytest.mark.parametrize(("make", "dtype"), pairs)


def check_frame(frame, values, target_dtype="float16"):
    """Every answer is that of the array of the frame's values; messages have other words, names among them."""
    check_like(frame, values, (None, target_dtype), told_alike=False)


def same_statistics(found, right):
    """To the last bit, whatever the names."""
    nameless = {"names": None, "frame_names": None}
    return found.to_dict() | nameless == right.to_dict() | nameless
