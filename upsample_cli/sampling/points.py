"""Values of a volume at any points, for comparing volumes on different grids."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.sampling.modes import Floats

SNAP = 1e-4
"""In voxels: how near to a voxel's centre a point is taken to be on it, as float32 headers tell."""


def positions_of(
    to_voxels: NDArray[np.float64], shape: Sequence[int], first: int, last: int
) -> Floats:
    """Return where voxels of one grid lie among the voxels of another, (3, last - first), x first.

    Parameters
    ----------
    to_voxels
        4×4 matrix from the one's voxel indices to the other's, x first.
    shape
        The one's shape (z, y, x).
    first, last
        The half-open range of its voxels, counted x fastest.
    """
    index = np.stack(np.unravel_index(np.arange(first, last), shape)[::-1])
    found = to_voxels[:3, :3] @ index + to_voxels[:3, 3:]
    whole = np.rint(found)
    return np.where(np.abs(found - whole) <= SNAP, whole, found)


def is_within(positions: Floats, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Tell which points (3, points) lie in the field of view of a volume of ``shape`` (z, y, x)."""
    ends = np.array(shape[::-1])[:, np.newaxis] - 0.5 + SNAP
    return np.asarray(((positions >= -0.5 - SNAP) & (positions <= ends)).all(axis=0))


def linear_at(volume: NDArray[Any], positions: Floats) -> NDArray[Any]:
    """Return the trilinear values at points, (points, channels); outer voxels reach to their edges.

    Parameters
    ----------
    volume
        (z, y, x, channels).
    positions
        (3, points), in voxels, x first.
    """
    left, fraction = [], []
    for position, size in zip(positions[::-1], volume.shape[:3], strict=True):
        clamped = np.clip(position, 0, size - 1)
        left.append(np.floor(clamped).astype(np.intp))
        fraction.append(clamped - left[-1])
    total = np.zeros(
        (positions.shape[1], volume.shape[3]), np.result_type(volume.dtype, np.float64)
    )
    for side in product((0, 1), repeat=3):
        weight = np.ones(positions.shape[1])
        for step, part in zip(side, fraction, strict=True):
            weight = weight * (part if step else 1 - part)
        taken = np.flatnonzero(weight)  # a NaN that has no weight is no neighbour
        index = tuple(axis[taken] + step for axis, step in zip(left, side, strict=True))
        total[taken] += weight[taken, np.newaxis] * volume[index]
    return total


def nearest_at(volume: NDArray[Any], positions: Floats) -> NDArray[Any]:
    """Return the nearest voxels' values at points; arguments as in ``linear_at``."""
    index = [
        np.clip(np.floor(position + 0.5), 0, size - 1).astype(np.intp)
        for position, size in zip(positions[::-1], volume.shape[:3], strict=True)
    ]
    return np.asarray(volume[tuple(index)])
