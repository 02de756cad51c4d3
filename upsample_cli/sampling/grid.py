"""Grid: where the voxels of a volume are in the world; the only affine arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations, permutations, product

import numpy as np
from numpy.typing import NDArray

from upsample_cli.sampling.axis import AxisMap

FLATTEST = 1e-6
"""A voxel's volume, relative to its edges' product, that float32 fields cannot tell from 0."""

FARTHEST, FINEST = 1e30, 1e-30
"""In any unit: no voxel is so far off, or so small; float32 fields hold what becomes of others."""

OF_A_VOXEL = 1e-3
"""The part of the smallest voxel's side by which corners of equal grids may differ."""

OF_A_NUMBER = 8 * float(np.finfo(np.float32).eps)
"""The part of a number that float32 fields may lose."""


@dataclass(frozen=True)
class Grid:
    """A shape in voxels, x first, and the 4×4 affine from voxel indices to world coordinates."""

    shape: tuple[int, ...]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> tuple[float, ...]:
        """The distance between neighbouring voxels along each axis, in the affine's unit."""
        columns = self.affine[:3, : len(self.shape)]
        return tuple(float(length) for length in np.sqrt((columns**2).sum(axis=0)))

    @property
    def corners(self) -> NDArray[np.float64]:
        """Where the outer edges of the corner voxels are, shape (8, 3), in the affine's unit.

        x varies slowest; an axis that the data lack is one voxel wide.
        """
        ends = [(-0.5, n - 0.5) for n in (*self.shape, 1, 1)[:3]]
        indices = np.stack([*(axis.ravel() for axis in np.meshgrid(*ends, indexing="ij"))], axis=-1)
        return np.asarray(indices @ self.affine[:3, :3].T + self.affine[:3, 3])

    def distance(self, other: "Grid") -> float:
        """Return how far corners are from those of another grid, at most, in the affine's unit.

        The order and directions of the other's axes are those that bring its corners nearest.
        """
        theirs = other.corners.reshape(2, 2, 2, 3)
        flips = chain.from_iterable(combinations(range(3), count) for count in range(4))
        candidates = (
            np.flip(theirs.transpose(*order, 3), flip).reshape(8, 3)
            for order, flip in product(permutations(range(3)), flips)
        )
        return min(
            float(np.linalg.norm(corners - self.corners, axis=1).max()) for corners in candidates
        )

    def resampled(self, axes: Sequence[AxisMap]) -> "Grid":
        """Return the grid on which the samples of ``axes`` (x first) lie."""
        return Grid(tuple(axis.size_out for axis in axes), resampled_affine(self.affine, axes))


def corner_tolerance(*grids: Grid) -> float:
    """Return how far corners of grids may be apart, in the affine's unit, and count as equal."""
    smallest = min(min(grid.spacing) for grid in grids)
    farthest = max(float(np.abs(grid.corners).max()) for grid in grids)
    return max(OF_A_VOXEL * smallest, OF_A_NUMBER * farthest)


def resampled_affine(affine: NDArray[np.float64], axes: Sequence[AxisMap]) -> NDArray[np.float64]:
    """Return ``affine @ [diag(step) | start]``, for up to three axes, x first."""
    to_input = np.eye(4)
    for row, axis in enumerate(axes):
        to_input[row, row] = axis.step
        to_input[row, 3] = axis.start
    return np.asarray(affine @ to_input)


def is_within_reach(affine: NDArray[np.float64]) -> bool:
    """Whether an affine is finite, and none of its numbers is too large to be computed with."""
    return bool(np.isfinite(affine).all() and np.abs(affine).max() < FARTHEST)


def is_usable(affine: NDArray[np.float64]) -> bool:
    """Whether an affine can be computed with, and gives every voxel a volume beyond rounding."""
    if not is_within_reach(affine):
        return False
    lengths = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if lengths.min() < FINEST:
        return False
    # Of directions, because the volume itself may be too small for a number.
    return bool(abs(np.linalg.det(affine[:3, :3] / lengths)) > FLATTEST)
