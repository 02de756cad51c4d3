"""In what numbers each dtype is computed, and what becomes of values that do not fit."""

import math
import warnings

import naive
import numpy as np
import pytest

from upsample_cli.passes.choosing import choose_arithmetic
from upsample_cli.passes.copying import Copying
from upsample_cli.passes.elements import store
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.sums import EXACT_FLOAT64, FixedPoint, Floating, HalfWeighted
from upsample_cli.passes.whole import resample_array
from upsample_cli.sampling.axis import AxisMap, plan_axis
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_size

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]


def resample(values, size, mode, dtype_out=None, antialias=False):
    """Resample the values of one item; return the output and its misfits."""
    method = Method(MODES[mode], antialias=antialias)
    sizes = size if isinstance(size, tuple) else (size,)
    axes = [axis_from_size(n, out, method) for n, out in zip(values.shape, sizes, strict=True)]
    resampler = Resampler(axes, method, values.dtype, dtype_out)
    target = np.empty((1, *sizes, 1), resampler.dtype_out)
    misfits = resample_array(resampler, values[np.newaxis, ..., np.newaxis], target, 1)
    return target[0, ..., 0], misfits


@pytest.mark.parametrize(
    ("dtype", "dtype_out", "dimensions", "mode", "kind", "working"),
    [
        ("uint8", "uint8", 2, "linear", FixedPoint, "uint8"),
        ("uint8", "uint8", 2, "cubic", FixedPoint, "uint8"),
        ("uint8", "uint8", 2, "lanczos", FixedPoint, "uint8"),
        ("uint8", "uint8", 2, "area", Floating, "float32"),
        ("uint8", "float32", 2, "linear", Floating, "float32"),
        ("uint8", "uint8", 1, "linear", Floating, "float32"),
        ("uint8", "uint8", 3, "linear", Floating, "float32"),
        ("bool", "bool", 2, "linear", Floating, "float32"),
        ("int8", "int8", 2, "linear", Floating, "float32"),
        ("int16", "int16", 3, "linear", Floating, "float32"),
        ("uint16", "uint16", 3, "cubic", Floating, "float32"),
        ("int32", "int32", 3, "linear", Floating, "float64"),
        ("uint32", "uint32", 3, "linear", Floating, "float64"),
        ("int64", "int64", 3, "linear", Floating, "float64"),
        ("uint64", "uint64", 3, "linear", Floating, "float64"),
        ("float16", "float16", 3, "linear", HalfWeighted, "float32"),
        ("float16", "float16", 2, "cubic", HalfWeighted, "float32"),
        ("float16", "float16", 2, "lanczos", Floating, "float32"),
        ("float16", "float16", 2, "area", Floating, "float32"),
        ("float16", "float32", 2, "linear", Floating, "float32"),
        ("float32", "float16", 2, "linear", Floating, "float32"),
        ("float32", "float32", 3, "linear", Floating, "float32"),
        ("float64", "float64", 3, "linear", Floating, "float64"),
        ("complex64", "complex64", 3, "linear", Floating, "float32"),
        ("complex128", "complex128", 3, "linear", Floating, "float64"),
        ("complex128", "complex128", 2, "nearest", Copying, "uint64"),
        ("complex64", "complex64", 2, "nearest-exact", Copying, "uint64"),
        ("float16", "float16", 2, "nearest", Copying, "uint16"),
        ("bool", "bool", 2, "nearest", Copying, "uint8"),
        ("int32", "float64", 2, "nearest", Copying, "uint32"),
    ],
)
def test_choice(dtype, dtype_out, dimensions, mode, kind, working):
    method = Method(MODES[mode], antialias=mode == "lanczos")
    axes = [axis_from_size(8, 5, method)] * dimensions
    arithmetic = choose_arithmetic(axes, method, np.dtype(dtype), np.dtype(dtype_out))
    assert type(arithmetic) is kind
    assert arithmetic.dtype == working
    assert arithmetic.lanes(np.dtype(dtype)) == (2 if dtype == "complex128" else 1) * (
        2 if dtype == "complex64" and kind is Floating else 1
    )


@pytest.mark.parametrize(
    ("dtype", "mode", "antialias", "n", "working"),
    [
        ("float32", "area", False, 29, "float32"),
        ("float32", "area", False, 32, "float64"),
        ("float16", "area", False, 32, "float64"),
        ("int16", "linear", True, 14, "float32"),
        ("int16", "linear", True, 16, "float64"),
        ("int16", "lanczos", True, 6, "float64"),
        ("float32", "lanczos", True, 5000, "float32"),
        ("complex64", "cubic", True, 5000, "float32"),
        ("float32", "linear", False, 5000, "float32"),
        ("int16", "cubic", False, 5000, "float32"),
    ],
)
def test_wide_sums_are_wide_where_pytorch_has_no_bits(dtype, mode, antialias, n, working):
    method = Method(MODES[mode], antialias=antialias)
    axes = [axis_from_size(7, 7, method), axis_from_size(n, 1, method)]
    assert choose_arithmetic(axes, method, np.dtype(dtype), np.dtype(dtype)).dtype == working


@pytest.mark.parametrize(
    ("dtype", "mode", "antialias"),
    [
        ("float32", "area", False),
        ("uint16", "linear", True),
        ("uint16", "cubic", True),
        ("uint16", "lanczos", True),
    ],
)
def test_wide_sums_keep_their_accuracy(dtype, mode, antialias):
    constant, _ = resample(np.full(5000, 100, dtype), 1, mode, np.float32, antialias=antialias)
    assert constant[0] == pytest.approx(100, rel=2e-6)
    values = naive.pseudo_random((5000,), dtype, 1)
    result, _ = resample(values, 1, mode, np.float32, antialias=antialias)
    expected = naive.axis_matrix(5000, 1, mode, antialias=antialias)[0] @ values.astype(float)
    assert result[0] == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize(("dtype", "group"), [("float32", 4), ("float64", 2)])
@pytest.mark.parametrize("mode", ["linear", "cubic", "lanczos"])
@pytest.mark.parametrize(("n", "out"), [(300, 4), (300, 7), (9, 20), (8, 4)])
def test_filters_of_floats_sum_in_groups_of_16_bytes(mode, dtype, group, n, out):
    method = Method(MODES[mode], antialias=True)
    plan = plan_axis(axis_from_size(n, out, method), method, np.dtype(dtype).type)
    values = naive.pseudo_random((n,), dtype, 7)
    result, _ = resample(values, out, mode, antialias=True)
    source = values[np.newaxis, :, np.newaxis]
    expected = naive.weighted_sums(source, plan.taps, plan.weights, plan.counts, group)
    assert np.array_equal(result, expected[0, :, 0])


def test_area_of_everything_is_the_mean():
    values = naive.pseudo_random((5000,), np.float32, 2)
    result, _ = resample(values, 1, "area")
    assert result[0] == pytest.approx(math.fsum(values) / 5000, rel=2e-6)


@pytest.mark.parametrize("mode", ["linear", "area"])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_round_half_to_even(dtype, mode):
    values = np.array([1, 2, 3, 4, 10, 13, 100, 103], dtype)
    result, misfits = resample(values, 4, mode)
    assert result.dtype == dtype
    assert result.tolist() == [2, 4, 12, 102]
    assert misfits == 0


@pytest.mark.parametrize("mode", ["linear", "cubic", "area", "nearest"])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_limits_of_integers_stay(dtype, mode):
    limits = np.iinfo(dtype)
    for limit in (limits.min, limits.max):
        result, _ = resample(np.full(6, limit, dtype), 9, mode)
        # In float64, sums of weights lose the last digits of 64-bit limits.
        assert max(abs(int(value) - limit) for value in result) <= abs(limit) >> 50


@pytest.mark.parametrize("dtype", INTEGERS)
def test_overshoot_saturates(dtype):
    limits = np.iinfo(dtype)
    edge = np.repeat(np.array([limits.min, limits.max], dtype), 4)
    result, misfits = resample(edge, 32, "cubic")
    assert (np.diff(result.astype(object)) >= 0)[8:24].all()
    assert limits.min in result[8:16]
    assert limits.max in result[16:24]
    assert misfits > 0


def test_uint8_images_clamp_after_each_pass():
    values = naive.pseudo_random((9, 7), np.uint8, 3)
    values[::2] = 255
    result, misfits = resample(values, (20, 31), "cubic")
    expected = naive.interpolate(
        values[np.newaxis, np.newaxis], (20, 31), "cubic", is_fixed_point=True
    )[0, 0]
    assert np.abs(result - expected).max() <= 1
    assert misfits == 0


@pytest.mark.parametrize(
    ("mode", "size", "values", "expected"),
    [
        ("linear", 3, [0, 1], [0, 1, 1]),
        ("linear", 4, [0, 1], [0, 0, 1, 1]),
        ("area", 1, [0, 1], [1]),
        ("area", 1, [0, 1, 0], [0]),
        ("cubic", 2, [1, 1], [1, 1]),
        ("nearest", 4, [0, 1], [0, 0, 1, 1]),
    ],
)
def test_booleans_are_true_from_one_half_on(mode, size, values, expected):
    result, misfits = resample(np.array(values, bool), size, mode)
    assert result.dtype == bool
    assert result.tolist() == [bool(value) for value in expected]
    assert misfits == 0


@pytest.mark.parametrize(("mode", "dtype_out"), [("area", "float16"), ("linear", "float32")])
def test_half_is_computed_in_single(mode, dtype_out):
    values = naive.pseudo_random((13,), np.float16, 4)
    single, _ = resample(values.astype(np.float32), 29, mode)
    result, _ = resample(values, 29, mode, dtype_out)
    assert np.array_equal(result, single.astype(dtype_out))


@pytest.mark.parametrize(("n", "out"), [(13, 29), (29, 13), (7, 7), (1, 5), (300, 301)])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_weights_are_of_the_dtype_of_the_data(dtype, mode, n, out):
    values = naive.pseudo_random((n,), dtype, 4)
    taps, weights = naive.interpolated_taps(n, out, mode, dtype)
    source = values.astype(np.float32)[np.newaxis, :, np.newaxis]
    counts = np.full(out, len(taps))
    expected = naive.weighted_sums(source, taps, weights, counts).astype(dtype)
    result, _ = resample(values, out, mode)
    assert np.array_equal(result, expected[0, :, 0])


def test_weights_of_exact_positions_are_not_rounded():
    axis = AxisMap(20, 20, 0.123, 0.9, is_exact=True)
    method = Method(MODES["linear"])
    half, single = (
        choose_arithmetic([axis], method, np.dtype(dtype), np.dtype(dtype)).plan(axis)
        for dtype in ("float16", "float32")
    )
    assert np.array_equal(half.weights, single.weights)
    assert not np.array_equal(half.weights, half.weights.astype(np.float16))


@pytest.mark.parametrize("mode", ["linear", "cubic", "area", "nearest", "nearest-exact"])
@pytest.mark.parametrize(("dtype", "part"), [("complex64", "float32"), ("complex128", "float64")])
@pytest.mark.parametrize("shape", [(13,), (5, 20)])
def test_complex_is_its_two_parts(shape, dtype, part, mode):
    values = np.empty(shape, dtype)
    values.real = naive.pseudo_random(shape, part, 5)
    values.imag = naive.pseudo_random(shape, part, 6)
    size = tuple(2 * n + 3 for n in shape)
    result, _ = resample(values, size, mode)
    for name in ("real", "imag"):
        expected, _ = resample(np.ascontiguousarray(getattr(values, name)), size, mode)
        assert np.array_equal(getattr(result, name), expected)


@pytest.mark.parametrize(
    ("dtype", "value", "is_inexact"),
    [
        ("int64", EXACT_FLOAT64, False),
        ("int64", EXACT_FLOAT64 + 1, True),
        ("int64", -EXACT_FLOAT64, False),
        ("int64", -EXACT_FLOAT64 - 1, True),
        ("uint64", EXACT_FLOAT64, False),
        ("uint64", 2**64 - 1, True),
        ("int32", 2**31 - 1, False),
    ],
)
def test_rounded_whole_numbers_are_noticed(dtype, value, is_inexact):
    method = Method(MODES["linear"])
    values = np.array([[1, 2, value, 3]], dtype)
    resampler = Resampler([axis_from_size(4, 8, method)], method, dtype)
    resampler.items(values[..., np.newaxis], np.empty((1, 8, 1), dtype))
    assert resampler.arithmetic.is_inexact == is_inexact
    small = np.ones((1, 4, 1), dtype)
    resampler.items(small, np.empty((1, 8, 1), dtype))
    assert resampler.arithmetic.is_inexact == is_inexact


def test_nearest_keeps_every_digit():
    values = np.array([2**63 - 1, -(2**63), 2**53 + 1], np.int64)
    method = Method(MODES["nearest"])
    resampler = Resampler([axis_from_size(3, 6, method)], method, np.int64)
    target = np.empty((1, 6, 1), np.int64)
    resampler.items(values[np.newaxis, :, np.newaxis], target)
    assert np.array_equal(target.ravel(), np.repeat(values, 2))
    assert not resampler.arithmetic.is_inexact


STORES = [
    ("float32", [0.5, 1.5, -0.5, 2.4, 2.6], "int16", [0, 2, 0, 2, 3], 0),
    ("float64", [127.4, 127.5, 128, -128.5, -129], "int8", [127, 127, 127, -128, -128], 3),
    ("float16", [70.5, 300, -1, np.nan], "uint8", [70, 255, 0, 0], 3),
    ("float32", [np.inf, -np.inf, np.nan], "int32", [2**31 - 1, -(2**31), 0], 3),
    ("float32", [2**31, -(2**31), 2.0**62], "int32", [2**31 - 1, -(2**31), 2**31 - 1], 2),
    ("float64", [2.0**63, -(2.0**63), 2.0**62], "int64", [2**63 - 1, -(2**63), 2**62], 1),
    ("float64", [2.0**64, 2.0**63, -1], "uint64", [2**64 - 1, 2**63, 0], 2),
    ("float32", [0.49, 0.5, 1, np.nan], "bool", [False, True, True, False], 0),
    ("int16", [-1, 0, 255, 256], "uint8", [0, 0, 255, 255], 2),
    ("uint8", [0, 255], "int16", [0, 255], 0),
    ("uint8", [0, 127, 128], "int8", [0, 127, 127], 1),
    ("uint64", [2**63, 5], "int64", [2**63 - 1, 5], 1),
    ("int64", [-5, 2**52], "uint64", [0, 2**52], 1),
    ("bool", [False, True], "uint8", [0, 1], 0),
    ("bool", [False, True], "int64", [0, 1], 0),
    ("bool", [False, True], "float32", [0, 1], 0),
    ("uint8", [0, 1, 7], "bool", [False, True, True], 0),
    ("float64", [1e300, -1e300, np.inf, 1.5], "float32", [np.inf, -np.inf, np.inf, 1.5], 2),
    ("float32", [70000, 1.5], "float16", [np.inf, 1.5], 1),
    ("float16", [1.5, np.inf], "float64", [1.5, np.inf], 0),
    ("complex128", [1e300 + 1j, 2 - 3j], "complex64", [complex(np.inf, 1), 2 - 3j], 1),
    ("complex64", [1 + 2j], "complex128", [1 + 2j], 0),
    ("int64", [2**40 + 1], "float64", [2**40 + 1], 0),
]


@pytest.mark.parametrize(("dtype", "values", "dtype_out", "expected", "misfits"), STORES)
def test_store(dtype, values, dtype_out, expected, misfits):
    values, expected = np.array(values, dtype), np.array(expected, dtype_out)
    before = values.copy()
    target = np.zeros(expected.shape, dtype_out)
    assert store(values, target) == misfits
    assert np.array_equal(target, expected, equal_nan=target.dtype.kind == "f")
    assert np.array_equal(values, before, equal_nan=values.dtype.kind in "fc")


@pytest.mark.parametrize("mode", ["nearest-exact", "area"])
@pytest.mark.parametrize(("dtype", "values", "dtype_out", "expected", "misfits"), STORES)
def test_conversion_while_resampling(dtype, values, dtype_out, expected, misfits, mode):
    values, expected = np.array(values, dtype), np.array(expected, dtype_out)
    result, count = resample(np.repeat(values, 2), len(values), mode, dtype_out)
    assert result.dtype == dtype_out
    assert np.array_equal(result, expected, equal_nan=result.dtype.kind == "f")
    assert count == misfits


@pytest.mark.parametrize(
    ("dtype", "dtype_out", "message"),
    [
        ("U3", "U3", "dtype <U3 cannot be resampled; use a boolean"),
        ("O", "O", "dtype object cannot be resampled"),
        ("M8[s]", "M8[s]", "cannot be resampled"),
        ("V3", "V3", "cannot be resampled"),
        ("longdouble", "longdouble", "cannot be resampled"),
        ("clongdouble", "clongdouble", "cannot be resampled"),
        ("float32", "O", "dtype object cannot be resampled"),
        ("complex64", "float32", "complex64 does not fit in float32; use complex64"),
        ("float32", "complex64", "float32 data are not complex; use a real dtype"),
    ],
)
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_refused_dtypes(mode, dtype, dtype_out, message):
    method = Method(MODES[mode])
    with pytest.raises(TypeError, match=message):
        Resampler([axis_from_size(4, 8, method)], method, dtype, dtype_out)


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS, *FLOATS, *COMPLEX])
def test_equal_sizes_are_copied_without_a_warning(dtype):
    values = np.array([0, 1, 1, 0], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result, misfits = resample(values, 4, "linear")
    assert np.array_equal(result, values)
    assert misfits == 0
