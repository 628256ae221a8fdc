"""scan: counts, the first place, columns; of every dtype and layout, of objects, records and masked arrays."""

import numbers
from decimal import Decimal, localcontext
from fractions import Fraction

import arrays
import numpy as np
import pytest
import reference
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from reference import check_all, check_scan

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf


@pytest.mark.parametrize(("dtype", "layout"), arrays.dtypes_and_layouts((*arrays.BITS, *arrays.LONG)))
def test_counts_and_places_are_the_oracles(dtype, layout):
    shapes = [shape for size in (0, 1, 6, 40, 120, 1200) for shape in arrays.shapes_of(size)]
    for n, shape in enumerate([*shapes, (60, 100)]):
        x = arrays.LAYOUTS[layout](arrays.mixed(dtype, shape, seed=n, share=(0.02, 0.9)[n % 2]))
        check_all(ff, x, axes=range(-x.ndim, x.ndim) if x.size < 100 else range(x.ndim))


@pytest.mark.parametrize("dtype", (*arrays.BITS, *arrays.LONG, *arrays.INTEGERS, *arrays.ML_FINITE))
def test_empty_arrays_are_finite(dtype):
    for shape in [(0,), (0, 3), (3, 0), (2, 0, 4)]:
        x = np.empty(shape, reference.dtype_of(dtype))
        report = ff.scan(x)
        assert report.ok and report.size == report.finite == 0 and report.first is None
        assert ff.all_finite(x) and ff.nonfinite(x).shape == (0, len(shape))
        for axis in range(len(shape)):
            report = ff.scan(x, axis=axis)
            assert report.nan.shape == np.empty(shape).sum(axis=axis).shape and not report.nan.any() and report.ok
            assert report.columns.shape[0] == 0


def test_a_value_of_no_dimension_is_first_at_the_empty_index():
    report = ff.scan(np.array(-inf))
    assert (report.first, report.first_kind, report.neginf, report.shape) == ((), "-inf", 1, ())
    assert ff.scan(2.0).ok and ff.scan(2.0).first is None


@pytest.mark.parametrize("dtype", (*arrays.INTEGERS, *arrays.ML_FINITE))
def test_types_without_nan_have_nothing_but_finite_values(dtype):
    x = np.zeros((3, 4), reference.dtype_of(dtype))
    assert ff.scan(x).finite == 12 and ff.scan(x).ok
    by_column = ff.scan(x, axis=0)
    assert by_column.finite.tolist() == [3] * 4 and by_column.columns.tolist() == []


@pytest.mark.parametrize(
    ("x", "label"),
    [(np.ones(1, "f2"), "float16"), (np.ones(1, ">f4"), "float32"), (np.ones(1, "c8"), "complex64"),
     (np.ones(1, np.longdouble), np.dtype(np.longdouble).name), (np.ones(1, bool), "bool"),
     (np.zeros(1, "M8[ns]"), "datetime64[ns]"), (np.ones(1, reference.dtype_of("bfloat16")), "bfloat16"),
     ([None], "object"), (np.zeros(1, [("a", "f4")]), "record"), ([1.5], "float64")],
)
def test_the_report_names_the_dtype(x, label):
    assert ff.scan(x).dtype == label


# ---- by column ---------------------------------------------------------------------------------------


def test_counts_along_an_axis_are_arrays_beside_the_totals():
    x = np.ones((5, 3), np.float32)
    x[1, 2], x[4, 2], x[3, 0] = nan, inf, -inf
    report = ff.scan(x, axis=0)
    assert report.nan.tolist() == [0, 0, 1]
    assert report.posinf.tolist() == [0, 0, 1]
    assert report.neginf.tolist() == [1, 0, 0]
    assert report.finite.tolist() == [4, 5, 3]
    assert report.columns.tolist() == [0, 2]
    assert (report.first, report.first_kind, report.size, report.axis) == ((1, 2), "nan", 15, 0)
    totals = report.totals
    assert (totals.nan, totals.posinf, totals.neginf, totals.finite, totals.axis) == (1, 1, 1, 12, None)
    assert totals == ff.scan(x) and totals.totals is totals


def test_columns_of_more_dimensions_are_rows_of_indices():
    x = np.ones((4, 3, 2))
    x[1, 2, 0], x[3, 0, 1] = nan, inf
    assert ff.scan(x, axis=0).columns.tolist() == [[0, 1], [2, 0]]
    assert ff.scan(x, axis=1).columns.tolist() == [[1, 0], [3, 1]]
    assert ff.scan(x, axis=-1).columns.tolist() == [[1, 2], [3, 0]]
    assert ff.scan(x).columns is None


def test_one_dimension_has_one_column():
    report = ff.scan(np.array([nan, 1.0, nan]), axis=0)
    assert report.nan.shape == () and report.nan == 2 and report.finite == 1 and report.totals.nan == 2


def test_columns_with_overflow_are_bad_columns():
    x = np.array([[1.0, 1e30, nan], [1.0, 2.0, 1e30]])
    report = ff.scan(x, axis=0, target_dtype="float32")
    assert report.ok is False and report.columns.tolist() == [2]
    report = ff.scan(x, axis=0, target_dtype="float16")
    assert report.overflow.tolist() == [0, 1, 1] and report.columns.tolist() == [1, 2]


@pytest.mark.parametrize("axis", [2, -3, 10**9])
def test_an_axis_out_of_range_is_numpys_axis_error(axis):
    with pytest.raises(np.exceptions.AxisError):
        ff.scan(np.ones((2, 2)), axis=axis)


def test_scalars_have_no_axis_and_an_axis_is_an_integer():
    with pytest.raises(np.exceptions.AxisError):
        ff.scan(1.0, axis=0)
    for axis in (0.0, "0", (0, 1), [0, 1], [0]):
        with pytest.raises(TypeError, match="axis"):
            ff.scan(np.ones((2, 2)), axis=axis)
    assert ff.scan(np.ones((2, 2)), axis=np.int8(1)).axis == 1


# ---- odd layouts -------------------------------------------------------------------------------------


def test_the_first_is_the_first_in_c_order_of_every_layout():
    x = np.asfortranarray(np.ones((3, 4)))
    x[2, 0], x[0, 2] = inf, nan
    assert ff.scan(x).first == (0, 2) and ff.scan(x).first_kind == "nan"
    assert ff.scan(x.T).first == (0, 2) and ff.scan(x.T).first_kind == "+inf"
    assert ff.scan(x[::-1]).first == (0, 0)
    assert ff.scan(x[:, ::-1]).first == (0, 1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex128"])
def test_axes_of_length_one_may_have_any_stride(dtype):
    base = arrays.mixed(dtype, 40)
    for stride in (0, 1, -8, 3, 2**62, -(2**62)):
        item = base.itemsize
        check_all(ff, as_strided(base, (1, 40), (stride, item)), axes=(0, 1))
        check_all(ff, as_strided(base, (40, 1), (item, stride)), axes=(0, 1))
        check_all(ff, as_strided(base[:1], (1, 1), (stride, stride)), axes=(0, 1))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "float8_e4m3fn", "longdouble"])
def test_strides_of_zero_repeat_what_is_there(dtype):
    x = arrays.mixed(dtype, (1, 5, 1, 7), share=0.5)
    for view in (np.broadcast_to(x, (3, 5, 2, 7)), np.broadcast_to(x[0, :1, 0, :1], (4, 6)),
                 np.broadcast_to(x[0, :, 0, :].T[:, :, None], (7, 5, 3)), np.broadcast_to(x.T, (7, 4, 5, 2))[::-1]):
        check_all(ff, view, axes=range(view.ndim))


def test_windows_that_overlap_are_scanned_as_they_are():
    x = arrays.mixed("float32", 300)
    for view in (sliding_window_view(x, 7), sliding_window_view(x, 7).T, sliding_window_view(x, 100)[::-1, ::-3],
                 as_strided(x, (20, 10, 5), (4, 8, 4)), as_strided(x[40:], (9, 9), (-4, 4))):
        check_all(ff, view, axes=range(view.ndim))


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float64"])
def test_elements_may_overlap_in_part(dtype):
    x = arrays.mixed(dtype, 60, share=0.5)
    item, half = x.itemsize, x.itemsize // 2
    for strides in [(half, item), (item, half), (-half, half), (0, half), (half, 0), (1, item), (3, 1)]:
        view = as_strided(x[30:], (11, 9), strides)
        check_all(ff, view, axes=(0, 1))
        check_all(ff, view[None, :, ::2], axes=(0, 1, 2))


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_as_many_dimensions_as_numpy_has_are_taken(dtype):
    most = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 32
    for kept in range(6):
        # Of every second axis an element is taken, from a different side, so that no two axes can be merged.
        x = np.ones(4**8, dtype)
        x[4**8 - 1 - kept] = x[kept] = nan
        x = x.reshape((4,) * 8)[::2, :, ::-2, :, ::2, ::-1, ::-2].reshape((2, 4, 2, 4, 2, 4, 2, 4))
        shape = tuple(np.array([(n, *(1,) * (most // 8 - 1)) for n in x.shape]).ravel().tolist())
        wide = x.reshape(shape).transpose(range(most)[::-1])
        narrow = x.transpose(range(8)[::-1])
        report, right = ff.scan(wide), reference.scan(narrow)
        assert report.size == 4096 and report.nan == right.nan
        if right.first is not None:
            assert tuple(i for i, n in zip(report.first, wide.shape) if n > 1) == right.first
        assert ff.scan(wide, axis=most - 1).totals.nan == right.nan


@pytest.mark.parametrize("dtype", ["float8_e5m2", "float16", "float32", "float64", "complex64"])
def test_more_than_two_to_the_31_repeated_elements(dtype):
    base = arrays.clean(dtype, 70_000)
    base[-1] = arrays.bad_values(dtype)["nan"][0]
    base[-2] = arrays.bad_values(dtype)["neginf"][0]
    many = 40_000
    rows = np.broadcast_to(base[:, None], (70_000, many))
    columns = np.broadcast_to(base, (many, 70_000))
    assert rows.size > 2**31
    for x, first, axis in ((rows, (69_998, 0), 1), (columns, (0, 69_998), 0)):
        report = ff.scan(x)
        assert (report.nan, report.neginf, report.first, report.first_kind) == (many, many, first, "-inf")
        assert report.size == 70_000 * many and report.finite == 69_998 * many
        assert ff.scan(x, axis=axis).nan.tolist() == [0] * 69_999 + [many]
        assert ff.nonfinite(x[-1:] if x is rows else x[:2], limit=1).shape == (1, 2)
        assert not ff.all_finite(x) and ff.has_nan(x) and ff.has_inf(x)
    assert ff.all_finite(rows[:-2]) and ff.all_finite(columns[:, :-2])
    assert ff.scan(np.broadcast_to(base[-1], (2**20, 2**20))).nan == 2**40
    assert ff.scan(np.broadcast_to(base[-1], 2**40), axis=0).totals.nan == 2**40


# ---- objects -----------------------------------------------------------------------------------------

OBJECTS = {
    "finite": [0, 1.5, -(10**400), 2**70, Fraction(1, 3), Decimal("1e9999"), True, 1 + 2j, np.float32(1), np.int8(3),
               np.bool_(True), np.longdouble("1e300"), np.complex64(1j)],
    "nan": [nan, np.float16("nan"), Decimal("NaN"), Decimal("sNaN"), Decimal("-sNaN123"), complex(nan, inf),
            complex(inf, nan), np.longdouble("nan"), np.complex64(complex(0, nan)),
            np.array([0x7F800001], np.uint32).view(np.float32)[0]],
    "posinf": [inf, Decimal("Infinity"), np.float32("inf"), complex(inf, -inf), complex(0, inf)],
    "neginf": [-inf, Decimal("-Infinity"), np.longdouble("-inf"), complex(-inf, inf), complex(0, -inf)],
    "null": [None],
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in OBJECTS.items() for value in values])
def test_an_object_is_of_one_kind(kind, value):
    x = np.empty(3, object)
    x[:] = 1
    x[1] = value
    report = ff.scan(x)
    assert {name: getattr(report, name) for name in OBJECTS} == {
        name: 2 * (name == "finite") + (name == kind) for name in OBJECTS
    }
    expected = {"posinf": "+inf", "neginf": "-inf"}.get(kind, kind)
    assert (report.first, report.first_kind) == ((None, None) if kind == "finite" else ((1,), expected))
    assert ff.all_finite(x) is (kind == "finite")
    assert ff.all_finite(x, allow_nan=True) is (kind in ("finite", "nan", "null"))
    assert ff.has_nan(x) is (kind == "nan") and ff.has_inf(x) is (kind in ("posinf", "neginf"))


class Reading:
    """A number whose nan equals itself, as those of some unit and interval libraries."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return self.value

    def __eq__(self, other):
        return isinstance(other, Reading) and repr(self.value) == repr(other.value)

    def __hash__(self):
        return hash(repr(self.value))


numbers.Number.register(Reading)


def test_a_nan_that_equals_itself_is_nan():
    x = np.empty(4, object)
    x[:] = [Reading(1.0), Reading(nan), Reading(inf), Reading(-inf)]
    report = ff.scan(x)
    assert x[1] == x[1]
    assert (report.finite, report.nan, report.posinf, report.neginf) == (1, 1, 1, 1)
    assert (report.first, report.first_kind) == ((1,), "nan")
    assert not ff.all_finite(x[1:2]) and ff.all_finite(x[1:2], allow_nan=True) and ff.all_finite(x[:1])
    assert ff.has_nan(x) and not ff.has_nan(x[2:]) and ff.has_inf(x[2:]) and not ff.has_inf(x[:2])
    assert ff.nonfinite(x).tolist() == [[1], [2], [3]]


def test_objects_of_every_layout():
    rng = np.random.default_rng(1)
    values = np.empty(sum(map(len, OBJECTS.values())), object)
    values[:] = [value for each in OBJECTS.values() for value in each]
    x = rng.permutation(np.tile(values, 10))[:300].reshape(10, 5, 6)
    for view in (x, x.T, x[::-2, :, ::3], np.asfortranarray(x), np.broadcast_to(x[0], (4, 5, 6)), x[:0], x[0, 0, 0:1]):
        check_all(ff, view, axes=range(view.ndim))


def test_longer_than_a_chunk_of_objects():
    x = np.full(40_000, 1.0, object)
    x[39_999], x[20_000] = None, nan
    report = ff.scan(x)
    assert (report.null, report.nan, report.first, report.first_kind) == (1, 1, (20_000,), "nan")
    assert ff.nonfinite(x).tolist() == [[20_000], [39_999]]
    with pytest.raises(TypeError, match="flat index 39999 is of type str"):
        x[39_999] = "x"
        ff.scan(x)


def test_the_callers_decimal_context_does_not_matter():
    x = np.array([Decimal("9.99e5"), Decimal("-1e400"), Decimal("sNaN"), Decimal("Infinity")], object)
    with localcontext() as context:
        context.prec, context.Emax = 2, 3
        for trap in context.traps:
            context.traps[trap] = True
        report = ff.scan(x, target_dtype="float32")
        assert not any(context.flags.values())
    assert (report.nan, report.posinf, report.overflow, report.finite) == (1, 1, 1, 2)


# ---- records -----------------------------------------------------------------------------------------


def test_the_fields_of_records_are_scanned_together():
    x = np.zeros(4, [("name", "U4"), ("a", "f4"), ("n", "i8"), ("b", ">f8"), ("when", "M8[s]")])
    x["a"][2], x["b"][1], x["b"][3], x["when"][3] = nan, -inf, inf, "NaT"
    report = ff.scan(x)
    assert (report.nan, report.posinf, report.neginf, report.size, report.finite) == (2, 1, 1, 16, 12)
    assert (report.first, report.first_kind, report.first_field) == ((1,), "-inf", "b")
    assert report.fields == ("a", "b", "when") and report.not_scanned == ("name",)
    assert not ff.all_finite(x) and ff.has_nan(x) and ff.has_inf(x) and not ff.all_finite(x, allow_nan=True)
    assert ff.scan(x[:1]).ok and ff.scan(x[:1]).not_scanned == ("name",)
    # A yes would speak of the names too, and there is no place in it to list them.
    for verdict in (ff.all_finite, ff.has_nan, ff.has_inf, ff.check_finite):
        with pytest.raises(TypeError, match=r"cannot scan the fields 'name' of .*: they hold no numbers"):
            verdict(x[:1])
    with pytest.raises(TypeError, match="cannot scan the fields 'name' of"):
        ff.check_finite(x[:1][["name", "a", "n", "b"]], target_dtype="float16")
    assert ff.all_finite(x[:1][["a", "n", "b", "when"]])


def test_a_field_of_raw_bytes_is_not_passed_over():
    x = np.zeros(3, [("a", "f8"), ("raw", "V2"), ("in", [("b", "f4"), ("raw", "V4")])])
    assert ff.scan(x).not_scanned == ("raw", "in.raw") and ff.scan(x).ok
    for verdict in (ff.all_finite, ff.has_nan, ff.has_inf, ff.check_finite):
        with pytest.raises(TypeError, match=r"cannot scan the fields 'raw', 'in\.raw'"):
            verdict(x)
    x["in"]["b"][2], x["a"][1] = nan, -inf
    assert not ff.all_finite(x) and ff.has_nan(x) and ff.has_inf(x)
    with pytest.raises(ff.NonFiniteError, match=r"not scanned: 'raw', 'in\.raw'"):
        ff.check_finite(x)


def test_nested_records_have_dotted_names_and_arrays_in_fields_the_index_of_their_record():
    inner = np.dtype([("u", "f4"), ("tag", "S2"), ("v", "f2", (2, 3))])
    x = np.zeros((2, 3), np.dtype([("id", "i4"), ("in", inner), ("w", "c8", 2)], align=True))
    x["in"]["v"][1, 2, 1, 0] = nan
    report = ff.scan(x)
    assert (report.first, report.first_field, report.fields) == ((1, 2), "in.v", ("in.v",))
    assert report.not_scanned == ("in.tag",) and report.size == 6 * (1 + 1 + 6 + 2)
    x["w"][1, 1, 0] = complex(0, inf)
    report = ff.scan(x)
    assert (report.first, report.first_field, report.first_kind) == ((1, 1), "w", "+inf")
    assert report.fields == ("in.v", "w") and (report.nan, report.posinf) == (1, 1)


def test_of_one_record_the_first_field_is_first():
    x = np.array([(inf, nan)], [("a", "f8"), ("b", "f8")])
    assert (ff.scan(x).first_field, ff.scan(x).first_kind) == ("a", "+inf")
    assert ff.scan(x[0]).first == () and ff.scan(x[0]).first_field == "a"
    assert not ff.all_finite(x[0])


def test_overlapping_fields_and_padding_are_no_matter():
    x = np.full(3, 0xFF, np.uint8).repeat(16).view(
        {"names": ["low", "all"], "formats": ["<f4", "<u8"], "offsets": [4, 4], "itemsize": 16}
    )
    x["all"] = 0
    assert ff.all_finite(x)
    x["low"][2] = nan
    assert ff.scan(x).first == (2,)


def test_records_of_every_layout():
    x = np.zeros((4, 6), [("t", "S3"), ("a", "f8")])
    x["a"] = arrays.mixed("float64", (4, 6), share=0.4)
    for view in (x, x.T, x[::-1, ::2], np.broadcast_to(x[:1], (5, 6)), x.view(np.recarray), x[:0]):
        report, expected = ff.scan(view), reference.scan(np.asarray(view)["a"])
        check_scan(report, expected)
        assert ff.all_finite(view[["a"]]) is expected.ok


def test_records_overflow_a_target_by_field():
    x = np.zeros(3, [("a", "f8"), ("n", "i8")])
    x["n"][1], x["a"][2] = 10**6, 1e9
    report = ff.scan(x, target_dtype="float16")
    assert (report.overflow, report.first_overflow, report.fields, report.ok) == (2, (1,), ("a", "n"), False)


def test_records_have_no_axis_and_are_not_listed():
    x = np.zeros((2, 2), [("a", "f8")])
    with pytest.raises(ValueError, match="axis does not apply to records"):
        ff.scan(x, axis=0)
    with pytest.raises(TypeError, match="nonfinite does not list records"):
        ff.nonfinite(x)


# ---- masked arrays -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", (*arrays.BITS, "longdouble", "int16", "object"))
def test_masked_cells_are_missing_and_never_nan(dtype):
    rng = np.random.default_rng(3)
    if dtype in ("int16", "object"):
        values = np.resize(np.array([1, 2] if dtype == "int16" else [1, nan, None, inf], dtype), (12, 10))
    else:
        values = arrays.mixed(dtype, (12, 10), share=0.4)
    mask = rng.random(values.shape) < 0.3
    x = np.ma.MaskedArray(values, mask)
    for view in (x, x.T, x[::-1, ::3], x[:, :1], x[:0]):
        check_all(ff, view, axes=(0, 1))
    all_bad_masked = np.ma.MaskedArray(values, np.isin(reference.kinds(values), reference.BAD))
    assert ff.all_finite(all_bad_masked) and ff.scan(all_bad_masked).ok
    assert ff.scan(all_bad_masked).masked == all_bad_masked.mask.sum()


def test_masks_of_every_form():
    x = np.ma.array([1.0, nan])
    assert ff.scan(x).nan == 1 and ff.scan(x).masked == 0
    x = np.ma.array([1.0, nan], mask=True)
    assert ff.scan(x).masked == 2 and ff.scan(x).ok and ff.scan(x).finite == 0
    assert ff.scan(np.ma.masked).masked == 1 and ff.all_finite(np.ma.masked)
    assert ff.scan(np.ma.array(nan, mask=False)).nan == 1
    x = np.ma.array([[nan, 1.0], [nan, inf]], mask=[[1, 0], [1, 0]], hard_mask=True)
    report = ff.scan(x, axis=0)
    assert report.masked.tolist() == [2, 0] and report.posinf.tolist() == [0, 1] and report.columns.tolist() == [1]
    assert ff.nonfinite(x).tolist() == [[1, 1]]


def test_masked_objects_may_be_anything():
    x = np.ma.array([1.0, "text", None], mask=[0, 1, 0], dtype=object)
    assert (ff.scan(x).masked, ff.scan(x).null, ff.scan(x).first) == (1, 1, (2,))


def test_masked_records_are_masked_by_field():
    x = np.ma.zeros(3, [("a", "f8"), ("in", [("b", "f4", 2), ("s", "S1")])])
    x["a"] = np.ma.array([nan, nan, 1], mask=[1, 0, 0])
    x["in"]["b"][2, 1] = inf
    x.mask["in"]["b"][2, 1] = True
    report = ff.scan(x)
    assert (report.nan, report.posinf, report.masked) == (1, 0, 2)
    assert (report.first, report.first_field, report.fields) == ((1,), "a", ("a",))
    assert not ff.all_finite(x) and ff.scan(x[[0, 2]]).ok
    assert ff.scan(x[1]).nan == 1 and ff.scan(x[0]).masked == 1


def test_masked_cells_overflow_nothing():
    x = np.ma.array([1e9, 1e9, 1.0], mask=[0, 1, 0])
    report = ff.scan(x, target_dtype="float16")
    assert (report.overflow, report.masked, report.first_overflow) == (1, 1, (0,))
    integers = np.ma.array([10**6, 10**6, 1], mask=[1, 0, 0])
    report = ff.scan(integers, target_dtype="float16")
    assert (report.overflow, report.masked, report.first_overflow) == (1, 1, (1,))
    assert ff.scan(x, target_dtype="float16", axis=0).overflow == 1
