"""From one grid onto another: where each output voxel lies among the input's, by both affines."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.grid import Grid

EDGE = 0.5 + 1e-6
"""In voxels: the outer edge of a voxel from its centre, past what rounding takes off."""

LEAST_TOLERANCE, LARGEST_TOLERANCE = 1e-6, 1e-3
"""In voxels: how far off an axis places may be, for the grids to be called aligned."""

PROBES = 20
"""Voxels of each axis at which the share of a grid that lies inside another is estimated."""


@dataclass(frozen=True)
class Like:
    """A target: the grid of another volume. ``fill`` is the value of what lies outside, if said."""

    reference: str
    fill: float | None = None
    kind: ClassVar[str] = "like"
    values: ClassVar[tuple[float, ...]] = ()


@dataclass(frozen=True)
class Orientation:
    """A target: the same voxels in the order that a code such as RAS gives."""

    code: str
    kind: ClassVar[str] = "orientation"
    values: ClassVar[tuple[float, ...]] = ()


@dataclass(frozen=True)
class AlignedMap:
    """A map whose axes are those of the input in another order, direction, place and spacing.

    Output axis k runs along input axis ``order[k]``, from its end to its start if ``flips[k]``.
    ``axes`` map the outputs from ``offsets`` on that lie inside the input, along each axis; all
    other outputs lie outside. The input's voxels are counted in the output's directions.
    """

    order: tuple[int, ...]
    flips: tuple[bool, ...]
    axes: tuple[AxisMap, ...]
    offsets: tuple[int, ...]

    @property
    def copies(self) -> bool:
        """Whether every sample lies on a voxel."""
        return all(_is_whole(axis) for axis in self.axes)

    @property
    def keeps_planes(self) -> bool:
        """Whether the input's planes are needed in their order."""
        return self.order[2] == 2 and not self.flips[2]


@dataclass(frozen=True)
class VoxelMap:
    """Output voxel (i, j, k) lies at ``matrix @ (i, j, k, 1)``, in input voxels.

    shape_in, shape_out : voxels of the three axes, x first; matrix : float64 (4, 4)
    """

    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]
    matrix: NDArray[np.float64]

    @classmethod
    def between(cls, source: Grid, target: Grid) -> "VoxelMap":
        """Map the target's voxels to the source's, through the world that both lie in."""
        matrix = np.linalg.solve(source.affine, target.affine).astype(np.float64, copy=False)
        return cls(source.shape, target.shape, matrix)

    @property
    def steps(self) -> tuple[float, ...]:
        """The distance between neighbouring outputs along each axis, in input voxels."""
        return tuple(float(step) for step in np.sqrt((self.matrix[:3, :3] ** 2).sum(axis=0)))

    def inside_share(self) -> float:
        """Return about what share of the outputs lies inside the input; 0 and 1 are exact."""
        corners = product(*((0, n - 1) for n in self.shape_out))
        if self._are_inside(np.array(list(corners))).all():
            return 1.0
        probes = (np.unique(np.linspace(0, n - 1, PROBES).round()) for n in self.shape_out)
        places = np.stack(np.meshgrid(*probes), axis=-1).reshape(-1, 3)
        # No share is 1 where a corner lies outside.
        return min(float(self._are_inside(places).mean()), 1 - 1e-3)

    def _are_inside(self, places: NDArray[np.float64]) -> NDArray[np.bool_]:
        inputs = places @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        return ((inputs >= -EDGE) & (inputs < np.array(self.shape_in) - 1 + EDGE)).all(axis=1)

    def planes(self, lo: int, hi: int, reach: int) -> tuple[int, int]:
        """Return which input planes [first, last) samples of output planes [lo, hi) may read.

        ``reach`` is how many voxels a sample reads on either side. Without any, first is last.
        """
        ends = ((0, n - 1) for n in self.shape_out[:2])
        corners = np.array(list(product(*ends, (lo, hi - 1))))
        places = corners @ self.matrix[2, :3] + self.matrix[2, 3]
        depth = self.shape_in[2]
        if places.max() < -EDGE or places.min() >= depth - 1 + EDGE:
            return 0, 0
        # One part in a million more, because the kernel's additions round in another order.
        first = int(np.floor(places.min() - LEAST_TOLERANCE)) + 1 - reach
        last = int(np.floor(places.max() + LEAST_TOLERANCE)) + 1 + reach
        return min(max(first, 0), depth - 1), max(min(last, depth), 1)

    def aligned(self, tolerance: float = LEAST_TOLERANCE) -> AlignedMap | None:
        """Return the map axis by axis, if no place is further than ``tolerance`` voxels off one.

        Samples that lie on voxels within the tolerance are put there. None also if no sample lies
        inside.
        """
        edges = self.matrix[:3, :3]
        order = tuple(int(row) for row in np.abs(edges).argmax(axis=0))
        if sorted(order) != [0, 1, 2]:
            return None
        off_axis = np.abs(edges) * (np.array(self.shape_out) - 1)
        off_axis[order, range(3)] = 0
        if off_axis.sum(axis=1).max() > tolerance:
            return None
        flips = tuple(bool(edges[row, axis] < 0) for axis, row in enumerate(order))
        parts = [
            _inside(self._along(axis, row, tolerance), self.shape_out[axis])
            for axis, row in enumerate(order)
        ]
        if any(part is None for part in parts):
            return None
        found = [part for part in parts if part is not None]
        return AlignedMap(order, flips, *zip(*found, strict=True))

    def _along(self, axis: int, row: int, tolerance: float) -> AxisMap:
        """Map an output axis along an input axis, which is turned round if it runs backwards."""
        size_in, size_out = self.shape_in[row], self.shape_out[axis]
        start, step = float(self.matrix[row, 3]), float(self.matrix[row, axis])
        if step < 0:
            start, step = size_in - 1 - start, -step
        last = step * (size_out - 1)
        if abs(start - round(start)) <= tolerance and abs(last - (size_out - 1)) <= tolerance:
            start, step = float(round(start)), 1.0
        return AxisMap(size_in, size_out, start, step, is_exact=True)


def tolerance_between(source: Grid, target: Grid) -> float:
    """Return how far apart places may be, in input voxels, that float32 headers cannot tell apart.

    At least a millionth: what the arithmetic leaves.
    """
    corners = [
        np.array([*corner, 1])
        for grid in (source, target)
        for corner in product(*((0, n) for n in grid.shape))
    ]
    affines = [source.affine] * 8 + [target.affine] * 8
    farthest = max(
        float(np.abs(affine @ corner)[:3].max())
        for affine, corner in zip(affines, corners, strict=True)
    )
    rounding = float(np.finfo(np.float32).eps) * farthest / min(source.spacing)
    return min(max(LEAST_TOLERANCE, rounding), LARGEST_TOLERANCE)


def reordered(sizes: Sequence[int], order: Sequence[int], flips: Sequence[bool]) -> AlignedMap:
    """Return the map that takes every voxel along other axes, and from the other end."""
    axes = tuple(AxisMap.copied(sizes[axis]) for axis in order)
    return AlignedMap(tuple(order), tuple(flips), axes, (0, 0, 0))


def _is_whole(axis: AxisMap) -> bool:
    return axis.step == 1 and axis.start == round(axis.start)


def _inside(axis: AxisMap, size_out: int) -> tuple[AxisMap, int] | None:
    """Return the map of the outputs that lie inside, and the first of them."""
    places = axis.start + axis.step * np.arange(size_out)
    is_inside = (places >= -EDGE) & (places < axis.size_in - 1 + EDGE)
    if not is_inside.any():
        return None
    (inside,) = np.nonzero(is_inside)
    first, count = int(inside[0]), len(inside)
    if first == 0 and count == axis.size_in and axis.start == 0 and axis.step == 1:
        return AxisMap.copied(count), 0
    start = axis.start + axis.step * first
    return AxisMap(axis.size_in, count, start, axis.step, is_exact=True), first
