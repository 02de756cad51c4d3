"""From a size, a scale or a spacing to axis maps."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import (
    LARGEST_AXIS,
    Target,
    axis_from_scale,
    axis_from_size,
    axis_from_spacing,
)

LINEAR = Method(MODES["linear"])
CUBIC = Method(MODES["cubic"])
AREA = Method(MODES["area"])
CORNERS = Method(MODES["linear"], align_corners=True)


@pytest.mark.parametrize(
    ("n", "scale", "out"),
    [
        (88, 120 / 88, 119),
        (10, 1.0, 10),
        (10, 1.19, 11),
        (3, 0.34, 1),
        (10, 0.1, 1),
        (50, 1 / 50, 1),
        (100, 0.29, 28),
        (1, 1.99, 1),
        (7, 3, 21),
    ],
)
def test_scale_truncates(n, scale, out):
    axis = axis_from_scale(n, scale, CUBIC)
    assert axis == AxisMap.centred(n, out, 1 / scale)
    assert axis_from_scale(n, scale, CUBIC, recompute=True) == AxisMap.centred(n, out, n / out)
    assert axis_from_scale(n, scale, AREA) == AxisMap.centred(n, out, n / out)


def test_size_gives_its_step():
    assert axis_from_size(10, 4, CUBIC) == AxisMap(10, 4, 0.75, 2.5)
    assert axis_from_size(10, 4, CORNERS) == AxisMap(10, 4, 0.0, 3.0)


@pytest.mark.parametrize("name", MODES)
def test_equal_size_is_a_copy_in_the_linear_family_alone(name):
    method = Method(MODES[name], antialias=name == "lanczos")
    axis = axis_from_scale(10, 1.05, method)
    is_equal_step = name == "area"
    assert axis.size_out == 10
    assert axis.is_copy == (name in ("linear", "lanczos", "label") or is_equal_step)


@pytest.mark.parametrize(("n", "out"), [(9, 9), (5, 17), (17, 5)])
def test_align_corners_ignores_the_scale(n, out):
    assert axis_from_scale(n, (out + 0.3) / n, CORNERS) == axis_from_size(n, out, CORNERS)


@pytest.mark.parametrize(
    ("n", "spacing", "wanted", "out"),
    [(10, 1.0, 2.0, 5), (10, 1.0, 3.0, 3), (10, 0.7, 0.3, 23), (3, 1.0, 9.0, 1), (7, 1.0, 1.0, 7)],
)
def test_spacing_is_exact(n, spacing, wanted, out):
    axis = axis_from_spacing(n, spacing, wanted, LINEAR)
    assert axis.size_out == out
    assert axis.step == wanted / spacing
    assert axis.start == (axis.step - 1) / 2


def test_spacing_keeps_its_step_where_the_size_stays():
    axis = axis_from_spacing(10, 1.0, 1.01, LINEAR)
    assert (axis.size_out, axis.step) == (10, 1.01)
    assert not axis.is_copy


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: axis_from_size(4, 0, LINEAR), "a size of 0 leaves no sample"),
        (lambda: axis_from_size(4, -3, LINEAR), "a size of -3 leaves no sample"),
        (lambda: axis_from_size(4, LARGEST_AXIS + 1, LINEAR), "is too large"),
        (lambda: axis_from_scale(4, 0, LINEAR), "a scale of 0 is not possible"),
        (lambda: axis_from_scale(4, -1, LINEAR), "a scale of -1 is not possible"),
        (lambda: axis_from_scale(4, math.nan, LINEAR), "a scale of nan is not possible"),
        (lambda: axis_from_scale(4, math.inf, LINEAR), "a scale of inf is not possible"),
        (lambda: axis_from_scale(4, 0.2, LINEAR), "leaves no sample of 4; use at least 0.25"),
        (lambda: axis_from_scale(49, 1 / 49, LINEAR), "leaves no sample of 49"),
        (lambda: axis_from_scale(4, 0.2, AREA), "leaves no sample of 4"),
        (lambda: axis_from_scale(4, 1e300, LINEAR), "is too large"),
        (lambda: axis_from_spacing(4, 1.0, 0.0, LINEAR), "a spacing of 0 is not possible"),
        (lambda: axis_from_spacing(4, 1.0, -1.0, LINEAR), "a spacing of -1 is not possible"),
        (lambda: axis_from_spacing(4, 1.0, math.nan, LINEAR), "a spacing of nan"),
        (lambda: axis_from_spacing(4, 1.0, 1e-300, LINEAR), "is out of proportion"),
        (lambda: axis_from_spacing(4, 1.0, 1e30, LINEAR), "is out of proportion"),
        (lambda: axis_from_spacing(4, 1.0, 1e39, LINEAR), "is not possible"),
        (lambda: axis_from_spacing(4, 1.0, 1.0, CORNERS), "does not go with align_corners"),
    ],
)
def test_impossible_axes(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("kind", "values", "sizes", "out"),
    [
        ("size", (8,), (4, 5, 6), (8, 8, 8)),
        ("size", (8, 9, 10), (4, 5, 6), (8, 9, 10)),
        ("size", (512, None), (1000, 500), (512, 256)),
        ("size", (None, 512), (1000, 500), (1024, 512)),
        ("size", (None, 1), (1, 500), (1, 1)),
        ("scale", (2,), (4, 5, 6), (8, 10, 12)),
        ("scale", (2, 1, 0.5), (4, 5, 6), (8, 5, 3)),
        ("spacing", (2.0,), (4, 5, 6), (2, 5, 9)),
        ("spacing", (1.0, 1.0, 1.0), (4, 5, 6), (4, 10, 18)),
    ],
)
def test_target_gives_one_map_per_axis(kind, values, sizes, out):
    axes = Target(kind, values).axes(sizes, (1.0, 2.0, 3.0)[: len(sizes)], LINEAR)
    assert tuple(axis.size_in for axis in axes) == sizes
    assert tuple(axis.size_out for axis in axes) == out


def test_target_recomputes_a_scale():
    (axis,) = Target("scale", (120 / 88,)).axes((88,), None, LINEAR, recompute=True)
    assert axis == axis_from_size(88, 119, LINEAR)


@pytest.mark.parametrize(
    ("target", "sizes", "recompute", "message"),
    [
        (Target("size", (8, 9)), (4, 5, 6), False, "2 numbers were given for 3 axes; give 1 or 3"),
        (Target("scale", (1, 2, 3)), (4, 5), False, "3 numbers were given for 2 axes"),
        (Target("size", (None, 9, 9)), (4, 5, 6), False, "can be left out for images only"),
        (Target("size", (None, None)), (4, 5), False, "only one of the two"),
        (Target("size", (None,)), (4, 5), False, "only one of the two"),
        (Target("size", (8,)), (4, 5), True, "recompute_scale_factor goes with a scale only"),
        (Target("spacing", (8,)), (4, 5), False, "only volumes have a voxel spacing"),
        (Target("spacing", (8, None)), (4, 5), False, "only volumes have a voxel spacing"),
        (Target("isotropic", (None,)), (4, 5), False, "only volumes have a voxel spacing"),
        (Target("isotropic", (1,)), (4, 5), True, "recompute_scale_factor goes with a scale only"),
        (Target("max-size", (0,)), (4, 5), False, "a size of 0 leaves no sample"),
        (Target("max-size", (-4,)), (4, 5), False, "a size of -4 leaves no sample"),
        (Target("fit", (0, 9)), (4, 5), False, "a size of 0 leaves no sample"),
        (Target("fit", (float("inf"),) * 2), (4, 5), False, "too large"),
        (Target("fit", (9, 9)), (4, 5, 6), False, "only what has a width and a height"),
    ],
)
def test_targets_that_do_not_fit(target, sizes, recompute, message):
    with pytest.raises(ValueError, match=message):
        target.axes(sizes, None, LINEAR, recompute=recompute)


def test_a_spacing_that_the_header_already_has_is_a_copy():
    own = float(np.float32(1.2))
    assert axis_from_spacing(7, own, 1.2, LINEAR).is_copy
    assert not axis_from_spacing(7, own, 1.2001, LINEAR).is_copy


def sizes_out(target, sizes, spacing=None):
    return tuple(axis.size_out for axis in target.axes(sizes, spacing, LINEAR))


@pytest.mark.parametrize(
    ("target", "out"),
    [
        (Target("spacing", (1, 1, None)), (20, 40, 8)),
        (Target("spacing", (None, 1, 2)), (10, 40, 12)),
        (Target("spacing", (None,)), (10, 20, 8)),
        (Target("isotropic", (None,)), (10, 20, 12)),
        (Target("isotropic", (1.5,)), (13, 27, 16)),
        (Target("max-size", (10,)), (5, 10, 4)),
        (Target("max-size", (1,)), (1, 1, 1)),
        (Target("max-size", (20,)), (10, 20, 8)),
        (Target("max-size", (2000,)), (10, 20, 8)),
    ],
    ids=str,
)
def test_targets_for_volumes(target, out):
    assert sizes_out(target, (10, 20, 8), (2.0, 2.0, 3.0)) == out


def test_what_is_kept_is_a_copy():
    own = float(np.float32(1.1))
    axes = Target("spacing", (2.0, None)).axes((8, 7), (1.0, own), LINEAR)
    assert [axis.is_copy for axis in axes] == [False, True]
    axes = Target("isotropic", (None,)).axes((8, 7), (1.0, 3.0), LINEAR)
    assert [axis.step for axis in axes] == [1.0, 1.0 / 3.0]
    assert axes[0].is_copy
    assert all(axis.is_copy for axis in Target("max-size", (9,)).axes((8, 7), None, LINEAR))


@pytest.mark.parametrize(
    ("sizes", "box", "out"),
    [
        ((320, 240), (100, 100), (100, 75)),
        ((320, 240), (1000, 300), (400, 300)),
        ((320, 240), (640, 480), (640, 480)),
        ((240, 320), (100, 1000), (100, 133)),
        ((1000, 3), (10, 10), (10, 1)),
        ((7, 7), (5, 9), (5, 5)),
        ((1, 1), (3, 2), (2, 2)),
    ],
)
def test_an_image_fits_in_its_box_and_touches_it(sizes, box, out):
    assert sizes_out(Target("fit", box), sizes) == out


@settings(max_examples=200)
@given(*[st.integers(1, 5000)] * 4)
def test_a_fit_is_never_larger_than_its_box(width, height, wide, high):
    out = sizes_out(Target("fit", (wide, high)), (width, height))
    assert out[0] <= wide
    assert out[1] <= high
    assert out[0] == wide or out[1] == high


@settings(max_examples=100)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=3), st.integers(1, 4000))
def test_the_longest_side_is_at_most_what_was_asked(sizes, most):
    out = sizes_out(Target("max-size", (most,)), sizes)
    assert max(out) == min(most, max(sizes))


@pytest.mark.parametrize(
    ("axis", "shifts"),
    [
        (AxisMap.centred(10, 5, 2.0), (0, 0)),
        (AxisMap.centred(10, 17, 1 / 1.7), (0, 0)),
        (AxisMap.centred(10, 3, 3.0), (0, -1)),
        (AxisMap.cornered(10, 19), (0.25, -0.25)),
        (AxisMap.copied(4), (0, 0)),
    ],
)
def test_how_far_the_outer_edges_move(axis, shifts):
    assert axis.edge_shifts == pytest.approx(shifts, abs=1e-12)
