"""One axis: where the samples lie, and which voxels each weighs."""

import math
from fractions import Fraction

import naive
import numpy as np
import pytest

from upsample_cli.sampling.axis import AxisMap, plan_axis
from upsample_cli.sampling.fixed_point import to_fixed_point
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_scale, axis_from_size

METHODS = [
    Method(MODES[name], bool(align_corners), bool(antialias))
    for name, align_corners, antialias in [
        ("nearest", 0, 0),
        ("nearest-exact", 0, 0),
        ("linear", 0, 0),
        ("linear", 1, 0),
        ("linear", 0, 1),
        ("linear", 1, 1),
        ("cubic", 0, 0),
        ("cubic", 1, 0),
        ("cubic", 0, 1),
        ("cubic", 1, 1),
        ("area", 0, 0),
        ("lanczos", 0, 1),
    ]
]
PAIRS = [(1, 1), (1, 4), (4, 1), (2, 3), (7, 7), (7, 14), (14, 7), (10, 33), (100, 9), (88, 119)]
SCALES = [(7, 1.1), (7, 2.0), (10, 0.31), (33, 1.0), (5, 3.7), (88, 120 / 88), (1, 1.9), (9, 0.12)]


def label(method):
    switches = [name for name in ("align_corners", "antialias") if getattr(method, name)]
    return "+".join([method.mode.name, *switches])


def maps_of(method):
    yield from ((axis_from_size(n, out, method), None) for n, out in PAIRS)
    yield from ((axis_from_scale(n, scale, method), scale) for n, scale in SCALES)


def dense(plan, size_in):
    matrix = np.zeros((plan.size_out, size_in))
    for o in range(plan.size_out):
        for k in range(plan.counts[o]):
            matrix[o, plan.taps[k, o]] += plan.weights[k, o]
    return matrix


every_method = pytest.mark.parametrize("method", METHODS, ids=label)
both_floats = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@every_method
@both_floats
def test_taps_and_weights_are_well_formed(method, dtype):
    for axis, _ in maps_of(method):
        plan = plan_axis(axis, method, dtype)
        past = np.arange(plan.width)[:, np.newaxis] >= plan.counts
        assert plan.size_out == axis.size_out
        assert plan.taps.shape == plan.weights.shape == (plan.width, axis.size_out)
        assert plan.taps.dtype == plan.counts.dtype == np.int64
        assert plan.weights.dtype == dtype
        assert 0 <= plan.taps.min() <= plan.taps.max() < axis.size_in
        assert plan.counts.min() >= 1
        assert plan.counts.max() == plan.width
        assert not plan.weights[past].any()
        np.testing.assert_allclose(plan.weights.sum(axis=0), 1, atol=30 * np.finfo(dtype).eps)


@every_method
@both_floats
def test_dependencies_are_monotone(method, dtype):
    for axis, _ in maps_of(method):
        taps = plan_axis(axis, method, dtype).taps
        assert (np.diff(taps.min(axis=0)) >= 0).all()
        assert (np.diff(taps.max(axis=0)) >= 0).all()


@every_method
@both_floats
def test_weights_are_the_formulae(method, dtype):
    name = method.mode.name
    for axis, scale in maps_of(method):
        expected = naive.axis_matrix(
            axis.size_in,
            axis.size_out,
            name,
            None if name == "area" else scale,
            method.align_corners,
            method.antialias,
            dtype,
        )
        error = 2e-5 if dtype == np.float32 else 1e-13
        plan = plan_axis(axis, method, dtype)
        np.testing.assert_allclose(dense(plan, axis.size_in), expected, atol=error)


@every_method
def test_inner_part_equals_the_whole(method):
    for axis, _ in maps_of(method):
        plan = plan_axis(axis, method, np.float64)
        whole = dense(plan, axis.size_in)
        for lo in range(0, axis.size_out, 5):
            hi = min(lo + 3, axis.size_out)
            first, last = plan.input_range(lo, hi)
            part = plan.part(lo, hi)
            assert part.size_out == hi - lo
            assert (first, last) == (part.taps.min(), part.taps.max() + 1)
            assert np.array_equal(dense(part, axis.size_in), whole[lo:hi])
            moved = part.moved(first)
            assert np.array_equal(dense(moved, last - first), whole[lo:hi, first:last])
            capacity = last - first + 1
            ring = np.full(capacity, -1)
            ring[np.arange(first, last) % capacity] = np.arange(first, last)
            assert np.array_equal(ring[part.wrapped(capacity).taps], part.taps)


@both_floats
@pytest.mark.parametrize("name", ["linear", "cubic"])
def test_align_corners_of_a_lone_sample(name, dtype):
    method = Method(MODES[name], align_corners=True)
    for n, out in [(1, 1), (1, 5), (5, 1)]:
        plan = plan_axis(axis_from_size(n, out, method), method, dtype)
        expected = np.zeros((out, n))
        expected[:, 0] = 1
        assert np.array_equal(dense(plan, n), expected)


def test_align_corners_of_a_filter_moves_the_step_alone():
    method = Method(MODES["linear"], align_corners=True, antialias=True)
    axis = axis_from_size(9, 5, method)
    assert axis == AxisMap.centred(9, 5, 2.0)
    assert axis_from_size(9, 1, method) == AxisMap(9, 1, 0.0, 9.0)


@pytest.mark.parametrize(("n", "out"), [(7, 3), (10, 4), (3, 10), (5, 5), (1, 6), (1000, 7)])
def test_area_covers_what_the_output_voxel_touches(n, out):
    method = Method(MODES["area"])
    plan = plan_axis(axis_from_size(n, out, method), method, np.float64)
    for o in range(out):
        begin, end = Fraction(o * n, out), Fraction((o + 1) * n, out)
        touched = [j for j in range(n) if j < end and j + 1 > begin]
        assert list(plan.taps[: plan.counts[o], o]) == touched
        assert (plan.weights[: plan.counts[o], o] == 1 / len(touched)).all()


def test_maps_place_their_samples():
    centred = AxisMap.centred(10, 4, 2.5)
    assert centred.is_centred
    assert not centred.is_copy
    assert np.array_equal(centred.source(np.float64), [0.75, 3.25, 5.75, 8.25])
    cornered = AxisMap.cornered(10, 4)
    assert not cornered.is_centred
    assert np.array_equal(cornered.source(np.float32), np.float32([0, 3, 6, 9]))
    copied = AxisMap.copied(3)
    assert copied.is_copy
    assert np.array_equal(copied.source(np.float64), [0, 1, 2])
    assert not AxisMap.centred(3, 3, 1.1).is_copy
    assert not AxisMap.centred(3, 4, 1.0).is_copy


@pytest.mark.parametrize(("n", "out"), PAIRS)
def test_maps_share_edges_or_corners(n, out):
    centred = axis_from_size(n, out, Method(MODES["linear"]))
    assert centred.start - centred.step / 2 == pytest.approx(-0.5)
    assert centred.start + centred.step * (out - 0.5) == pytest.approx(n - 0.5)
    cornered = axis_from_size(n, out, Method(MODES["cubic"], align_corners=True))
    if n > 1 and out > 1:
        assert cornered.start == 0
        assert cornered.step * (out - 1) == pytest.approx(n - 1)
    assert cornered.step > 0


def test_float32_coordinates_round_once():
    axis = AxisMap.centred(100, 1000, 1 / 3)
    step, half = np.float32(1 / 3), np.float32(0.5)
    expected = [naive.fma(step, np.float32(i) + half, -half) for i in range(1000)]
    assert np.array_equal(axis.source(np.float32), expected)


def test_fixed_point_weights():
    method = Method(MODES["cubic"])
    for n, out in PAIRS:
        plan = plan_axis(axis_from_size(n, out, method), method, np.float64)
        fixed = to_fixed_point(plan)
        whole = naive.axis_matrix(n, out, "cubic")
        assert fixed.weights.dtype == np.int32
        assert len({(o, j) for o in range(out) for j in fixed.taps[: fixed.counts[o], o]}) == sum(
            fixed.counts
        )
        unit = 2.0**-fixed.precision
        np.testing.assert_allclose(dense(fixed, n) * unit, whole, atol=0.51 * unit)
        largest = fixed.weights.max()
        assert 2**14 - 1 <= largest < 2**15 or fixed.precision == 22


@pytest.mark.parametrize("size", [*range(185, 200), 384, *range(570, 580)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_fixed_point_precision_is_that_of_the_largest_sum_on_the_way(size, align_corners):
    """One less than the input: the last voxel's near taps weigh more before the far one joins."""
    method = Method(MODES["cubic"], align_corners)
    axis = axis_from_size(size, size - 1, method)
    order = method.mode.tap_order
    fixed = to_fixed_point(plan_axis(axis, method, np.float64), order)
    weights = []
    for place in axis.source(np.float64):
        left, voxels = math.floor(place), {}
        for tap in range(left - 1, left + 3):
            voxel = min(max(tap, 0), size - 1)
            voxels.setdefault(voxel, []).append(naive.keys(place - tap, -0.75))
        weights.append(list(voxels.values()))
    assert fixed.precision == naive.fixed_point_precision(weights)


def test_fixed_point_is_one_whichever_axis_is_walked_through():
    for size_in, size_out in ((200, 3), (40, 39)):
        plan = plan_axis(axis_from_size(size_in, size_out, METHODS[-1]), METHODS[-1], np.float64)
        walked = [to_fixed_point(plan.part(n, n + 1)) for n in range(size_out)]
        whole = to_fixed_point(plan)
        for n, one in enumerate(walked):
            count = int(one.counts[0])
            exponent = float(2.0 ** (one.precision - whole.precision))
            assert whole.taps[:count, n].tolist() == one.taps[:count, 0].tolist()
            apart = one.weights[:count, 0] / exponent - whole.weights[:count, n]
            assert np.abs(apart).max() <= 1
