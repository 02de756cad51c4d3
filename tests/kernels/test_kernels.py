"""Every kernel against its plain-loop reference."""

import naive
import numpy as np
import pytest

from upsample_cli.kernels import convert, copying, separable
from upsample_cli.passes.sums import FixedPoint, Floating
from upsample_cli.sampling.axis import AxisPlan
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.rows import PhasePlan, plan_rows

FLOATS = [np.float32, np.float64]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
GROUPS = [(np.float32, 0), (np.float32, 4), (np.float64, 0), (np.float64, 2)]
KERNELS = ["along", "across"]
LINEAR = Method(MODES["linear"])


def weigh(kernel, arithmetic, source, plan, target):
    """Pass (blocks, size_in, row) by the kernels along or across rows, into ``target``."""
    if kernel == "across":
        arithmetic.across(source, plan, target)
        return
    blocks, _, channels = source.shape
    # Every row twice, in the other order, to see that rows are picked.
    rows = np.concatenate([source, source])[::-1].reshape(2 * blocks, -1)
    picked = np.arange(2 * blocks, dtype=np.uint32)[::-1][:blocks].copy()
    arithmetic.along(rows.copy(), picked, plan, channels, target.reshape(blocks, -1))


def floating(dtype):
    return Floating(LINEAR, dtype, dtype)


SHAPES = [
    # blocks, size_in, size_out, channels or row length, taps
    (1, 1, 1, 1, 1),
    (1, 5, 8, 1, 2),
    (3, 5, 4, 3, 2),
    (2, 6, 9, 4, 4),
    (1, 9, 3, 17, 4),
    (2, 7, 5, 1, 1),
    (3, 8, 2, 5, 3),
    (2, 9, 3, 3, 7),
    (6, 9, 5, 1, 7),
    (5, 40, 11, 3, 19),
    (16, 20, 16, 1, 7),
    (21, 40, 37, 1, 6),
    (35, 9, 8, 3, 12),
    (9, 30, 11, 1, 4),
    (9, 40, 11, 4, 19),
    (7, 40, 11, 1, 19),
    (1, 12, 2, 31, 7),
    (1, 4, 2, 2049, 1),
    (1, 3, 1, 2049, 2),
    (1, 4, 1, 2049, 4),
    (1, 5, 2, 2049, 3),
]


def plan(size_in, size_out, width, dtype, ragged):
    rng = np.random.default_rng(size_in * 100 + size_out)
    taps = rng.integers(0, size_in, (width, size_out))
    weights = rng.uniform(-1, 2, (width, size_out)).astype(dtype)
    counts = rng.integers(1, width + 1, size_out) if ragged else np.full(size_out, width)
    # An entry past the count must never be read.
    past = np.arange(width)[:, np.newaxis] >= counts
    weights[past] = np.nan if weights.dtype.kind == "f" else 999
    return taps, weights, counts


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(("dtype", "group"), GROUPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_weighted_sums(shape, dtype, ragged, group):
    blocks, size_in, size_out, length, width = shape
    source = naive.pseudo_random((blocks, size_in, length), dtype, 1) - dtype(100)
    taps, weights, counts = plan(size_in, size_out, width, dtype, ragged)
    expected = naive.weighted_sums(source, taps, weights, counts, group)
    for name in KERNELS:
        target = np.full((blocks, size_out, length), np.nan, dtype)
        axis_plan = AxisPlan(taps, weights, counts, group=group)
        weigh(name, floating(dtype), source, axis_plan, target)
        assert np.array_equal(target, expected), name


def doubling(size_in, width, dtype):
    """Return a plan of twice as many samples, regular but for the ends, in any weights."""
    taps, weights, counts = plan(size_in, 2 * size_in, width, dtype, ragged=False)
    sample = np.arange(2 * size_in)
    shifts = (sample % 2) - width // 2 + np.arange(width)[:, np.newaxis]
    taps = np.clip(sample // 2 + shifts, 0, size_in - 1)
    counts[0] = counts[-1] = 1
    return taps, weights, counts


@pytest.mark.parametrize(
    ("shape", "dtype", "turns"),
    [
        ((16, 16, 16), np.float32, True),
        ((15, 16, 16), np.float32, False),
        ((16, 15, 16), np.float32, False),
        ((16, 16, 15), np.float32, False),
        ((8, 8, 8), np.float64, True),
        ((7, 8, 8), np.float64, False),
        ((16, 2**15, 16), np.float32, False),
    ],
)
def test_rows_are_turned_where_they_fill_vectors(shape, dtype, turns):
    count, values_in, values_out = shape
    for width, ragged in ((3, False), (2, True), (2, False)):
        taps, weights, counts = plan(values_in, values_out, width, dtype, ragged)
        counts[0] = 1 if ragged else width
        _, _, work = floating(dtype).rows(AxisPlan(taps, weights, counts), values_in, 1, count)
        assert bool(work[0].size) == (turns and (width, ragged) != (2, False))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("width", "group"), [(1, 0), (2, 0), (3, 0), (3, 2), (4, 0), (4, 2), (7, 0), (7, 4)]
)
@pytest.mark.parametrize("size_in", [15, 16, 70])
def test_doubled_rows(size_in, width, channels, group):
    taps, weights, counts = doubling(size_in, width, np.float32)
    source = naive.pseudo_random((5, size_in, channels), np.float32, 6) - np.float32(100)
    rows = AxisPlan(taps, weights, counts, group=group)
    assert isinstance(plan_rows(rows, size_in, channels), PhasePlan)
    target = np.full((5, 2 * size_in, channels), np.nan, np.float32)
    weigh("along", floating(np.float32), source, rows, target)
    expected = naive.weighted_sums(source, taps, weights, counts, group)
    assert np.array_equal(target, expected)

    pixels = source.astype(np.int32).astype(np.uint8)
    whole = (weights * 2.0**12).astype(np.int32)
    pixels_out = np.full(target.shape, 77, np.uint8)
    fixed = FixedPoint(LINEAR, np.float64)
    weigh("along", fixed, pixels, AxisPlan(taps, whole, counts, 14), pixels_out)
    expected = naive.fixed_point_sums(pixels, taps, whole, counts, 14)
    assert np.array_equal(pixels_out, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_doubled_copies(dtype):
    source = np.arange(15, dtype=dtype).reshape(3, 5)
    target = np.zeros((2, 10), dtype)
    copying.doubled_rows(source, np.array([2, 0], np.uint32), target)
    assert np.array_equal(target, np.repeat(source[[2, 0]], 2, axis=1))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("kernel", KERNELS)
def test_what_is_not_finite_travels(kernel, width, dtype):
    source = np.ones((1, 8, 5), dtype)
    source[0, :5, range(5)] = np.nan
    source[0, 6] = [np.inf, -np.inf, 1, 1, 1]
    taps = np.minimum(np.arange(width)[:, np.newaxis] + np.arange(3) * 3, 7)
    weights = np.ones((width, 3), dtype)
    weights[-1] = 0
    counts = np.full(3, width)
    target = np.empty((1, 3, 5), dtype)
    weigh(kernel, floating(dtype), source, AxisPlan(taps, weights, counts), target)
    with np.errstate(invalid="ignore"):
        expected = naive.weighted_sums(source, taps, weights, counts)
    assert np.isnan(expected).any()
    assert np.array_equal(target, expected, equal_nan=True)


@pytest.mark.parametrize(("dtype", "group"), GROUPS)
@pytest.mark.parametrize("length", [1, 7, 2049])
def test_accumulated_taps_are_the_same_sum(length, dtype, group):
    source = naive.pseudo_random((1, 5, length), dtype, 2) - dtype(50)
    weights = dtype([[0.3], [-0.7], [1.1], [0.1], [0.2]])
    taps, counts = np.arange(5)[:, np.newaxis], np.array([5])
    target = np.full(length, np.nan, dtype)
    for k in range(5):
        rounded = int(AxisPlan(taps, weights, counts, group=group).rounded[0])
        separable.accumulate(source[0, k], weights[k, 0], k, rounded, target)
    expected = naive.weighted_sums(source, taps, weights, counts, group)
    assert np.array_equal(target, expected[0, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
@pytest.mark.parametrize("shape", SHAPES)
def test_copied_rows(shape, dtype):
    blocks, size_in, size_out, length, _ = shape
    rng = np.random.default_rng(3)
    source = rng.integers(0, np.iinfo(dtype).max, (blocks, size_in, length), dtype, endpoint=True)
    taps = rng.integers(0, size_in, size_out)
    target = np.zeros((blocks, size_out, length), dtype)
    copying.across_rows(source, taps, target)
    assert np.array_equal(target, source[:, taps])
    rows = source.reshape(blocks, -1)
    picked = np.arange(blocks, dtype=np.uint32)[::-1].copy()
    flat = (taps[:, np.newaxis] * length + np.arange(length)).reshape(-1).astype(np.uint32)
    along = np.zeros((blocks, size_out * length), dtype)
    copying.along_rows(rows, picked, flat, along)
    assert np.array_equal(along[::-1].reshape(target.shape), target)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("precision", [14, 22])
@pytest.mark.parametrize("shape", SHAPES)
def test_fixed_point_sums(shape, precision, ragged):
    blocks, size_in, size_out, length, width = shape
    source = naive.pseudo_random((blocks, size_in, length), np.uint8, 4)
    taps, weights, counts = plan(size_in, size_out, width, np.float64, ragged)
    weights = np.nan_to_num(weights * 2.0**14, nan=999).astype(np.int32)
    expected = naive.fixed_point_sums(source, taps, weights, counts, precision)
    for name in KERNELS:
        target = np.full((blocks, size_out, length), 77, np.uint8)
        whole = AxisPlan(taps, weights, counts, precision)
        weigh(name, FixedPoint(LINEAR, np.float64), source, whole, target)
        assert np.array_equal(target, expected), name


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1.0, 0.0], [0, 255, 9]),
        ([0.5, 0.5], [128, 128, 5]),
        ([2.0, -1.0], [0, 255, 18]),
        ([-1.0, 2.0], [255, 0, 0]),
    ],
)
@pytest.mark.parametrize("kernel", KERNELS)
def test_fixed_point_rounds_half_up_and_clamps(kernel, weights, expected):
    source = np.array([[[0, 255, 9], [255, 0, 0]]], np.uint8)
    whole = (np.array(weights)[:, np.newaxis] * 2**14).astype(np.int32)
    taps, counts = np.array([[0], [1]]), np.array([2])
    target = np.empty((1, 1, 3), np.uint8)
    whole_plan = AxisPlan(taps, whole, counts, 14)
    weigh(kernel, FixedPoint(LINEAR, np.float64), source, whole_plan, target)
    assert target[0, 0].tolist() == expected


def limits_around(dtype, source_type):
    """Return floats at, just inside and just beyond every limit, and ties."""
    info = np.iinfo(dtype)
    edges = [source_type(info.min), source_type(info.max), source_type(info.max + 1)]
    values = [np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997]
    values += [f * edge for edge in edges for f in (source_type(2), source_type(-1))]
    for edge in edges:
        values += [edge, edge - source_type(0.5), edge + source_type(0.5)]
        values += [np.nextafter(edge, source_type(end)) for end in (-np.inf, np.inf)]
    values += [np.finfo(source_type).max, np.finfo(source_type).min, 7.3, 99.9]
    return np.array(values, source_type)


@pytest.mark.parametrize("source_type", FLOATS)
@pytest.mark.parametrize(
    "name", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
)
def test_store_integers(name, source_type):
    dtype = np.dtype(name)
    info = np.iinfo(dtype)
    source = limits_around(dtype, source_type)
    target = np.full(source.size, 55, dtype)
    misfits = convert.store_integers(
        source,
        source_type(info.min),
        source_type(info.max + 1),
        dtype.type(info.min),
        dtype.type(info.max),
        target,
    )
    expected, expected_misfits = naive.store_integers(source, dtype)
    assert np.array_equal(target, expected), source[target != expected]
    assert misfits == expected_misfits
