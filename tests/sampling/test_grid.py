"""The affine of a resampled grid."""

import numpy as np
import pytest

from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.grid import Grid, is_usable, resampled_affine
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_size

OBLIQUE = np.array(
    [[0.9, -0.2, 0.1, -90], [0.3, 1.1, -0.4, -126], [-0.1, 0.5, 2.4, -72], [0, 0, 0, 1]]
)
SHAPE = (20, 30, 10)


def resampled(out, align_corners=False):
    method = Method(MODES["linear"], align_corners)
    axes = [axis_from_size(n, m, method) for n, m in zip(SHAPE, out, strict=True)]
    return axes, Grid(SHAPE, OBLIQUE).resampled(axes)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("out", [(40, 45, 9), (1, 30, 10), (7, 100, 1)])
def test_every_output_voxel_lies_where_it_was_sampled(out, align_corners):
    axes, grid = resampled(out, align_corners)
    assert grid.shape == out
    for voxel in [(0, 0, 0), (out[0] - 1, 0, 2), tuple(n - 1 for n in out)]:
        source = [axis.start + axis.step * o for axis, o in zip(axes, voxel, strict=True)]
        np.testing.assert_allclose(grid.affine @ [*voxel, 1], OBLIQUE @ [*source, 1], atol=1e-12)


def test_outer_edges_stay():
    _, grid = resampled((40, 45, 9))
    low, high = [-0.5] * 3, [n - 0.5 for n in SHAPE]
    np.testing.assert_allclose(grid.affine @ [*low, 1], OBLIQUE @ [*low, 1])
    out = [n - 0.5 for n in grid.shape]
    np.testing.assert_allclose(grid.affine @ [*out, 1], OBLIQUE @ [*high, 1])


def test_outer_centres_stay_with_align_corners():
    _, grid = resampled((40, 45, 9), align_corners=True)
    assert np.array_equal(grid.affine[:, 3], OBLIQUE[:, 3])
    out, corner = [n - 1 for n in grid.shape], [n - 1 for n in SHAPE]
    np.testing.assert_allclose(grid.affine @ [*out, 1], OBLIQUE @ [*corner, 1])


def test_spacing_scales_with_the_step():
    axes, grid = resampled((40, 45, 9))
    own = Grid(SHAPE, OBLIQUE).spacing
    np.testing.assert_allclose(own, np.linalg.norm(OBLIQUE[:3, :3], axis=0))
    expected = [mm * axis.step for mm, axis in zip(own, axes, strict=True)]
    np.testing.assert_allclose(grid.spacing, expected)


def test_fewer_axes_leave_the_others():
    affine = resampled_affine(OBLIQUE, [AxisMap.centred(20, 10, 2.0), AxisMap.copied(30)])
    assert np.array_equal(affine[:, 0], OBLIQUE[:, 0] * 2)
    assert np.array_equal(affine[:, 1:3], OBLIQUE[:, 1:3])
    np.testing.assert_allclose(affine[:, 3], OBLIQUE @ [0.5, 0, 0, 1])
    assert len(Grid((20, 30), OBLIQUE).spacing) == 2


def test_copied_axes_leave_the_affine():
    assert np.array_equal(resampled_affine(OBLIQUE, [AxisMap.copied(n) for n in SHAPE]), OBLIQUE)


@pytest.mark.parametrize(
    ("change", "usable"),
    [
        ((0, 0, 0.9), True),
        ((0, 3, np.nan), False),
        ((1, 1, np.inf), False),
        ((slice(None, 3), 2, 0.0), False),
    ],
)
def test_usable_affines(change, usable):
    affine = OBLIQUE.copy()
    row, column, value = change
    affine[row, column] = value
    assert is_usable(affine) is usable
