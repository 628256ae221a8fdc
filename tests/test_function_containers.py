"""Elementwise functions of pandas, xarray, dask and torch: what comes back is of the kind that went in."""

import numpy as np
import pytest
from elementwise import UFUNCS
from optional import require

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
VALUES = np.array([0.0, 1.0, -1.0, 0.5, nan, inf])
FILLS = np.arange(10.0, 16.0)
# By name: the call, of the data and a second array of its kind.
CALLS = {
    **{ufunc.__name__: lambda x, _, ufunc=ufunc: ufunc(x) for ufunc in UFUNCS},
    "safe_log": lambda x, _: ff.safe_log(x),
    "safe_log(fill=scalar)": lambda x, _: ff.safe_log(x, fill=-9),
    "safe_log(fill=array)": lambda x, other: ff.safe_log(x, fill=other),
    "safe_log(floor=scalar)": lambda x, _: ff.safe_log(x, floor=0.25),
    "safe_log(floor=array)": lambda x, other: ff.safe_log(x, floor=other),
    "safe_divide by itself": lambda x, _: ff.safe_divide(x, x),
    "safe_divide by a number": lambda x, _: ff.safe_divide(x, 4.0, fill=nan),
    "safe_divide of a number": lambda x, _: ff.safe_divide(1.0, x, fill=7),
    "safe_divide(fill=array)": lambda x, other: ff.safe_divide(other, x, fill=other),
}
OPERANDS_OF_ONE_NUMBER = [CALLS["safe_divide by a number"], CALLS["safe_divide of a number"]]
every_call = pytest.mark.parametrize("call", list(CALLS.values()), ids=list(CALLS))


def equal(found, right):
    """Equal values, nan too, of equal dtype."""
    found = np.asarray(found)
    return found.dtype == right.dtype and np.array_equal(found, right, equal_nan=True)


# ---- pandas ------------------------------------------------------------------------------------------


@pytest.fixture
def pd():
    return require("pandas")


@every_call
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_series_and_frames(call, dtype, pd):
    values, fills = VALUES.astype(dtype), FILLS.astype(dtype)
    index = list("abcdef")
    series, other = pd.Series(values, index, name="x"), pd.Series(fills, index, name="x")
    before = series.copy()
    result = call(series, other)
    assert type(result) is pd.Series and result.name == "x" and result.index.equals(series.index)
    assert equal(result, call(values, fills)) and series.equals(before)
    frame = pd.DataFrame(values.reshape(3, 2), [5, 7, 9], ["p", "q"])
    other = pd.DataFrame(fills.reshape(3, 2), [5, 7, 9], ["p", "q"])
    result = call(frame, other)
    assert type(result) is pd.DataFrame and result.index.equals(frame.index) and list(result) == ["p", "q"]
    if call in OPERANDS_OF_ONE_NUMBER:
        result = result.astype(dtype)       # a number beside a frame pandas makes an array of float64
    assert equal(result, call(values, fills).reshape(3, 2))


def test_series_meet_by_their_labels(pd):
    x = pd.Series([0.0, 1.0, -1.0], list("abc"))
    fill = pd.Series([1.0, 2.0, 3.0], list("cba"))
    assert ff.safe_log(x, fill=fill).to_dict() == {"a": 3, "b": 0, "c": 1}
    assert ff.safe_divide(fill, x, fill=fill).to_dict() == {"a": 3, "b": 2, "c": -1}


def test_columns_of_integers_and_of_more_than_one_dtype(pd):
    frame = pd.DataFrame({"whole": [0, 1, -5], "part": [0.5, 2.0, 0.0]})
    assert equal(ff.safe_log(frame, fill=-1), ff.safe_log(frame.to_numpy(), fill=-1))
    assert equal(ff.sigmoid(frame["whole"]), ff.sigmoid(np.array([0, 1, -5])))
    for wrong in (pd.Series(["a", "b"]), pd.Series([1j]), frame.assign(text=["x", "y", "z"])):
        for call in (ff.sigmoid, ff.safe_log):
            with pytest.raises(TypeError):
                call(wrong)


@pytest.mark.parametrize("dtype", ["Float64", "Int64", "Float32"])
def test_missing_values_stay_missing(dtype, pd):
    x = pd.Series([0, 1, None], dtype=dtype)
    for result, first, second in ((ff.sigmoid(x), 0.5, ff.sigmoid(x.dtype.type(1))), (ff.safe_log(x, fill=3), 3, 0),
                                  (ff.safe_divide(x, x, fill=4), 4, 1)):
        assert type(result) is pd.Series and result.isna().tolist() == [False, False, True]
        assert result.tolist()[:2] == [first, second]


def test_pandas_takes_out_and_dtype(pd):
    frame = pd.DataFrame({"p": [0.0, 1.0], "q": [2.0, -1.0]})
    right = ff.sigmoid(frame.to_numpy())
    assert equal(ff.sigmoid(frame, dtype=np.float32), ff.sigmoid(frame.to_numpy(), dtype=np.float32))
    ff.sigmoid(frame, out=frame)
    assert equal(frame, right)
    out = np.empty(2)
    ff.safe_log(frame["p"], fill=0, out=out)
    assert equal(out, ff.safe_log(right[:, 0]))


def test_an_index_becomes_an_index(pd):
    assert ff.sigmoid(pd.Index([0.0, 800.0])).equals(pd.Index([0.5, 1.0]))


@pytest.mark.parametrize("kind", ["Series", "DataFrame"])
def test_a_floor_of_pandas_below_0_or_nan_is_named(kind, pd):
    for values, named in (([1.0, -2.0], "-2.0"), ([nan, 1.0], "nan")):
        floor = getattr(pd, kind)(values)
        for x in (np.ones((2, 1)), floor, 0.0):
            with pytest.raises(ValueError, match=f"^floor must be at least 0, not {named}$"):
                ff.safe_log(x, floor=floor)


# ---- xarray ------------------------------------------------------------------------------------------


@pytest.fixture
def xr():
    return require("xarray")


@every_call
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_arrays(call, dtype, xr):
    values, fills = VALUES.astype(dtype).reshape(3, 2), FILLS.astype(dtype).reshape(3, 2)
    coordinates = {"row": [5, 7, 9], "far": ("row", [1.0, 2.0, 3.0])}
    x = xr.DataArray(values, dims=("row", "column"), coords=coordinates, name="x")
    other = xr.DataArray(fills, dims=("row", "column"), coords=coordinates, name="x")
    result = call(x, other)
    assert type(result) is xr.DataArray and result.dims == x.dims and result.name == "x"
    assert set(result.coords) == {"row", "far"} and all(result.coords[name].equals(x.coords[name]) for name in x.coords)
    assert equal(result, call(values, fills))
    dataset = xr.Dataset({"x": x})
    assert equal(call(dataset, xr.Dataset({"x": other}))["x"], call(values, fills))


def test_data_arrays_broadcast_by_the_names_of_dimensions(xr):
    x = xr.DataArray([[0.0, 1.0], [2.0, -1.0]], dims=("row", "column"))
    result = ff.safe_log(x, fill=xr.DataArray([10.0, 20.0], dims="column"))
    assert equal(result, ff.safe_log(x.values, fill=np.array([10.0, 20.0])))
    result = ff.safe_log(x, fill=xr.DataArray([10.0, 20.0], dims="row"))
    assert equal(result, ff.safe_log(x.values, fill=np.array([[10.0], [20.0]])))
    result = ff.safe_divide(x, x, fill=xr.DataArray([10.0, 20.0, 30.0], dims="new"))
    assert result.dims == ("row", "column", "new") and result[0, 0].values.tolist() == [10, 20, 30]


def test_a_floor_of_xarray_below_0_or_nan_is_named(xr):
    for values, named in (([1.0, -2.0], "-2.0"), ([nan, 1.0], "nan")):
        floor = xr.DataArray(values, dims="row")
        for x in (np.ones(2), floor):
            with pytest.raises(ValueError, match=f"^floor must be at least 0, not {named}$"):
                ff.safe_log(x, floor=floor)


# ---- dask --------------------------------------------------------------------------------------------


@pytest.fixture
def da():
    return require("dask.array")


@every_call
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dask_arrays_stay_lazy(call, dtype, da):
    dask = require("dask")

    def refuse(*_, **__):
        raise AssertionError("computed too early")

    values, fills = np.resize(VALUES, 3000).astype(dtype), np.resize(FILLS, 3000).astype(dtype)
    x, other = da.from_array(values, chunks=700), da.from_array(fills, chunks=700)
    with dask.config.set(scheduler=refuse):
        result = call(x, other)
    assert type(result) is da.Array and result.chunks == x.chunks and result.shape == x.shape
    assert result.dtype == dtype
    for scheduler in ("synchronous", "threads"):
        assert equal(result.compute(scheduler=scheduler), call(values, fills))


def test_dask_beside_numpy_and_of_many_dimensions(da):
    values = np.resize(VALUES, (30, 40))
    x = da.from_array(values, chunks=(7, 11))
    fill = np.arange(40.0)
    assert equal(ff.safe_log(x, fill=fill).compute(), ff.safe_log(values, fill=fill))
    assert equal(ff.safe_log(values, fill=x).compute(), ff.safe_log(values, fill=values))
    assert equal(ff.safe_divide(fill, x[:, :1], fill=x).compute(), ff.safe_divide(fill, values[:, :1], fill=values))
    assert equal(ff.sigmoid(x, dtype="float32").compute(), ff.sigmoid(values, dtype="float32"))
    assert equal(ff.sigmoid(x[::3, ::-2]).compute(), ff.sigmoid(values[::3, ::-2]))


def test_xarray_over_dask_stays_lazy(xr, da):
    x = xr.DataArray(VALUES, dims="row").chunk({"row": 2})
    result = ff.safe_log(ff.sigmoid(x), fill=x)
    assert type(result) is xr.DataArray and type(result.data) is da.Array
    assert equal(result.compute(), ff.safe_log(ff.sigmoid(VALUES), fill=VALUES))


def test_dask_refuses_what_numpy_refuses(da):
    with pytest.raises(TypeError):
        ff.sigmoid(da.ones(3, dtype=complex))


# ---- torch -------------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return require("torch")


# torch 2.13 knows the old form of __array_wrap__ alone, of which NumPy warns, for its own ufuncs too.
torch_warns = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


@torch_warns
@every_call
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_tensors(call, dtype, torch):
    values, fills = VALUES.astype(dtype), FILLS.astype(dtype)
    x, other = torch.from_numpy(values.copy()), torch.from_numpy(fills.copy())
    result = call(x, other)
    assert type(result) is torch.Tensor and result.dtype == x.dtype and result.shape == x.shape
    assert equal(result.numpy(), call(values, fills)) and equal(x.numpy(), values)
    wide = torch.from_numpy(values.reshape(2, 3).copy())
    result = call(wide.t(), torch.from_numpy(fills.reshape(2, 3).copy()).t())
    assert equal(result.numpy(), call(values, fills).reshape(2, 3).T)
    assert equal(call(x[::2], other[::2]).numpy(), call(values[::2].copy(), fills[::2].copy()))


@torch_warns
def test_tensors_of_integers_and_of_one_number(torch):
    assert equal(ff.sigmoid(torch.tensor([0, 1])).numpy(), ff.sigmoid(np.array([0, 1])))
    one = ff.softplus(torch.tensor(0.0))
    assert type(one) is torch.Tensor and one.dtype == torch.float32 and one.item() == ff.softplus(np.float32(0))
    empty = ff.safe_log(torch.zeros((0, 3)))
    assert type(empty) is torch.Tensor and empty.shape == (0, 3)


@torch_warns
def test_memory_shared_with_a_tensor_is_worked_on_in_place(torch):
    x = torch.tensor([0.0, 1.0, -1.0])
    right = ff.sigmoid(x.numpy().copy())
    ff.sigmoid(x.numpy(), out=x.numpy())
    assert equal(x.numpy(), right)


@torch_warns
def test_a_floor_of_torch_below_0_or_nan_is_named(torch):
    for values, named in (([1.0, -2.0], "-2.0"), ([nan, 1.0], "nan")):
        floor = torch.tensor(values, dtype=torch.float64)
        for x in (np.ones(2), floor):
            with pytest.raises(ValueError, match=f"^floor must be at least 0, not {named}$"):
                ff.safe_log(x, floor=floor)


def test_what_a_tensor_cannot_hand_over_is_refused(torch):
    with pytest.raises(RuntimeError, match="requires grad"):
        ff.sigmoid(torch.zeros(3, requires_grad=True))
    with pytest.raises(TypeError):
        ff.sigmoid(torch.zeros(3, dtype=torch.complex64))
