"""Where each output sample lies on its axis, and which voxels it weighs: the only coordinates.

The rules are PyTorch 2.13's (``aten/src/ATen/native/UpSample.h`` and its CPU kernels), down to
the precision in which each coordinate is rounded.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.sampling.modes import MODES, Floats, Method, Mode
from upsample_cli.sampling.rounding import fused_multiply_add

EDGE_SLACK = 1e-9
"""In voxels: an edge that rounding has moved this far past a voxel does not cover it."""


@dataclass(frozen=True)
class AxisMap:
    """Output sample i of an axis lies at ``start + step * i``, in input voxels (float64).

    A voxel's centre is at its whole number. The kernels' taps and the header's affine both
    follow from this map, so they cannot disagree. With ``is_exact`` the taps are those of the
    float64 positions, whatever the data; else positions are rounded as PyTorch rounds them.
    """

    size_in: int
    size_out: int
    start: float
    step: float
    is_exact: bool = field(default=False, repr=False)

    @classmethod
    def centred(cls, size_in: int, size_out: int, step: float) -> "AxisMap":
        """Half-pixel sampling: the outer edges of the first voxels coincide."""
        return cls(size_in, size_out, (step - 1) / 2, step)

    @classmethod
    def cornered(cls, size_in: int, size_out: int) -> "AxisMap":
        """``align_corners``: the centres of the first and of the last voxels coincide.

        PyTorch's step of 0, for a lone sample in or out, would leave the output voxel without a
        size. A lone output sample sits on voxel 0 and spans the axis; copies of a lone voxel
        share its extent.
        """
        if size_out == 1:
            return cls(size_in, 1, 0.0, float(size_in))
        if size_in == 1:
            return cls.centred(1, size_out, 1 / size_out)
        return cls(size_in, size_out, 0.0, (size_in - 1) / (size_out - 1))

    @classmethod
    def copied(cls, size: int) -> "AxisMap":
        """Leave an axis as it is."""
        return cls(size, size, 0.0, 1.0)

    @property
    def is_copy(self) -> bool:
        """Whether every output voxel is the input voxel of the same index."""
        return self == AxisMap.copied(self.size_in)

    @property
    def is_centred(self) -> bool:
        """Whether the samples follow the half-pixel rule."""
        return self.start == (self.step - 1) / 2

    @property
    def edge_shifts(self) -> tuple[float, float]:
        """By how many input voxels the first and the last outer edge move, forward positive."""
        first = self.start - self.step / 2
        return first + 0.5, first + self.step * self.size_out - (self.size_in - 0.5)

    def inverse(self) -> "AxisMap":
        """Return the map that samples this one's output where this one's input lies."""
        step = 1 / self.step
        if self.is_centred:
            return AxisMap.centred(self.size_out, self.size_in, step)
        return AxisMap(self.size_out, self.size_in, -self.start * step, step)

    def source(self, float_type: type[np.floating]) -> Floats:
        """Return the samples' positions, shape (size_out,), rounded as PyTorch rounds them."""
        index = np.arange(self.size_out, dtype=float_type)
        step = float_type(self.step)
        if self.is_centred:
            half = float_type(0.5)
            return fused_multiply_add(step, index + half, -half)
        return np.asarray(step * index + float_type(self.start))


@dataclass(frozen=True)
class AxisPlan:
    """The voxels that each output sample of an axis sums, in the order of summation.

    Output o is ``sum(weights[k, o] * input[taps[k, o]] for k in range(counts[o]))``, summed from
    k = 0 on: the products of the first ``rounded[o]`` taps are rounded before they are added, the
    rest are fused multiply-adds. Entries past ``counts[o]`` repeat a valid tap with weight 0 and
    are never read.

    taps : int64 (width, size_out)
    weights : float, or int32 in units of ``2**-precision`` (width, size_out)
    counts : int64 (size_out,)
    group : how many taps after the first have their products rounded together; 0 if none
    memo : what has been derived from this plan, for those who derive it
    """

    taps: NDArray[np.int64]
    weights: NDArray[Any]
    counts: NDArray[np.int64]
    precision: int = 0
    group: int = 0
    memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def width(self) -> int:
        """The largest number of taps of any output."""
        return len(self.taps)

    @property
    def size_out(self) -> int:
        """The number of outputs."""
        return len(self.counts)

    @property
    def rounded(self) -> NDArray[np.int64]:
        """How many products of each output are rounded: the first, and whole groups after it."""
        if not self.group:
            return np.ones_like(self.counts)
        return 1 + (self.counts - 1) // self.group * self.group

    def input_range(self, lo: int, hi: int) -> tuple[int, int]:
        """Return the half-open range of input voxels that outputs [lo, hi) read."""
        taps = self.taps[:, lo:hi]
        return int(taps.min()), int(taps.max()) + 1

    def part(self, lo: int, hi: int) -> "AxisPlan":
        """Return the plan of outputs [lo, hi) alone."""
        return replace(
            self,
            taps=np.ascontiguousarray(self.taps[:, lo:hi]),
            weights=np.ascontiguousarray(self.weights[:, lo:hi]),
            counts=self.counts[lo:hi],
        )

    def compacted(self, size_in: int) -> tuple[NDArray[np.int64], "AxisPlan"]:
        """Return which voxels any output reads, ascending, and the plan for these alone."""
        if "compacted" not in self.memo:
            is_used = np.zeros(size_in, np.bool_)
            is_used[self.taps] = True
            used = np.flatnonzero(is_used)
            position = np.cumsum(is_used) - 1
            self.memo["compacted"] = used, replace(self, taps=position[self.taps])
        return self.memo["compacted"]

    def readers(self, size_in: int) -> NDArray[np.int64]:
        """Return the outputs [begin, end) that read around each input voxel (size_in, 2)."""
        if "readers" not in self.memo:
            voxel = np.arange(size_in)
            begin = np.searchsorted(self.taps.max(axis=0), voxel)
            end = np.searchsorted(self.taps.min(axis=0), voxel, side="right")
            self.memo["readers"] = np.stack([begin, end], axis=1)
        return self.memo["readers"]

    def moved(self, origin: int) -> "AxisPlan":
        """Return the plan for an input that begins at voxel ``origin``."""
        return replace(self, taps=self.taps - origin)

    def wrapped(self, capacity: int) -> "AxisPlan":
        """Return the plan for a ring of ``capacity`` voxels, where voxel j lies at j % capacity."""
        return replace(self, taps=self.taps % capacity)


def plan_axis(axis: AxisMap, method: Method, float_type: type[np.floating]) -> AxisPlan:
    """Return the taps and weights that ``method`` gives one axis.

    ``float_type`` is the precision of coordinates and weights: float32 for float32 data and
    whatever is computed in it, float64 otherwise.
    """
    if axis.is_exact:
        float_type = np.float64
    if method.mode.copies:
        return _single(_nearest_index(axis, method.mode, float_type), float_type)
    if method.mode.averages:
        return _area(axis, float_type)
    if method.antialias:
        return _filtered(axis, method, float_type)
    if method.align_corners and 1 in (axis.size_in, axis.size_out):
        return _single(np.zeros(axis.size_out, np.int64), float_type)
    return _interpolating(axis, method.mode, float_type)


def copying_plan(size: int) -> AxisPlan:
    """Return the plan of an axis that stays as it is, for those who have no other word for it."""
    return _single(np.arange(size), np.float64)


def nearest_first(plan: AxisPlan, axis: AxisMap) -> AxisPlan:
    """Return the plan with the voxel nearest to each sample, as in nearest-exact, as tap 0."""
    nearest = _nearest_index(axis, MODES["nearest-exact"], np.float64)
    rank = np.argmax(plan.taps == nearest, axis=0)
    order = np.arange(plan.width)[:, np.newaxis]
    order = np.where(order == 0, rank, np.where(order <= rank, order - 1, order))
    return replace(
        plan,
        taps=np.take_along_axis(plan.taps, order, axis=0),
        weights=np.take_along_axis(plan.weights, order, axis=0),
    )


def _single(index: NDArray[np.int64], float_type: type[np.floating]) -> AxisPlan:
    ones = np.ones(index.size, np.int64)
    return AxisPlan(index[np.newaxis], ones[np.newaxis].astype(float_type), ones)


def _nearest_index(axis: AxisMap, mode: Mode, float_type: type[np.floating]) -> NDArray[np.int64]:
    if mode.name == "nearest":
        position = float_type(axis.step) * np.arange(axis.size_out, dtype=float_type)
    else:
        position = np.maximum(axis.source(float_type), 0) + float_type(0.5)
    return np.asarray(np.clip(_floor(axis, position), 0, axis.size_in - 1))


def _floor(axis: AxisMap, position: Floats) -> NDArray[np.int64]:
    # PyTorch calls floorf, so that a float64 position is rounded to float32 first.
    rounded = position if axis.is_exact else position.astype(np.float32)
    return np.floor(rounded).astype(np.int64)


def _interpolating(axis: AxisMap, mode: Mode, float_type: type[np.floating]) -> AxisPlan:
    assert mode.tap_weights is not None
    position = axis.source(float_type)
    if len(mode.tap_order) == 2:
        position = np.maximum(position, 0)
    left = np.minimum(_floor(axis, position), axis.size_in - 1)
    # Where the floor was of a rounded position, this may be negative.
    fraction = np.clip(position - left.astype(float_type), 0, 1).astype(float_type)
    weights = mode.tap_weights(fraction)
    first = 1 - len(mode.tap_order) // 2
    taps = [np.clip(left + first + k, 0, axis.size_in - 1) for k in mode.tap_order]
    counts = np.full(axis.size_out, len(taps), np.int64)
    return AxisPlan(np.stack(taps), np.stack([weights[k] for k in mode.tap_order]), counts)


def _filtered(axis: AxisMap, method: Method, float_type: type[np.floating]) -> AxisPlan:
    mode = method.mode
    assert mode.filter is not None
    # PyTorch filters around 0 here; the map's step is the size that the header gives the voxel.
    step = float_type(0 if method.align_corners and axis.size_out == 1 else axis.step)
    stretch = max(step, float_type(1))
    support = float_type(mode.support) * stretch
    centre = step * (np.arange(axis.size_out, dtype=float_type) + float_type(0.5))
    # The halves are C++ doubles, which make the sum and the product one, even of float32.
    first = np.maximum(_truncated_sum(centre - support), 0)
    last = np.minimum(_truncated_sum(centre + support), axis.size_in)
    first = np.minimum(first, axis.size_in - 1)
    counts = np.clip(last - first, 1, 2 * int(np.ceil(support)) + 1)
    taps, inside = _runs(first, counts)
    offset = (taps.astype(float_type) - centre).astype(np.float64) + 0.5
    squeeze = float_type(1) / stretch
    weights = np.where(inside, mode.filter((offset * squeeze).astype(float_type)), 0)
    total = _running_sum(weights)
    weights = np.divide(weights, total, out=weights, where=total != 0)
    return AxisPlan(taps, weights.astype(float_type, copy=False), counts)


def _truncated_sum(edge: Floats) -> NDArray[np.int64]:
    return np.trunc(edge.astype(np.float64) + 0.5).astype(np.int64)


def _area(axis: AxisMap, float_type: type[np.floating]) -> AxisPlan:
    index = np.arange(axis.size_out, dtype=np.int64)
    if axis.step == axis.size_in / axis.size_out:
        first = index * axis.size_in // axis.size_out
        last = -(-(index + 1) * axis.size_in // axis.size_out)
    else:
        edge = axis.start + 0.5 + axis.step * (index - 0.5)
        first = np.floor(edge + EDGE_SLACK).astype(np.int64)
        last = np.ceil(edge + axis.step - EDGE_SLACK).astype(np.int64)
        first, last = np.maximum(first, 0), np.minimum(last, axis.size_in)
    taps, inside = _runs(first, last - first)
    weights = np.where(inside, 1 / (last - first), 0).astype(float_type)
    return AxisPlan(taps, weights, last - first)


def _runs(
    first: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    k = np.arange(int(counts.max()), dtype=np.int64)[:, np.newaxis]
    return first + np.minimum(k, counts - 1), k < counts


def _running_sum(weights: Floats) -> Floats:
    total = np.zeros(weights.shape[1], weights.dtype)
    for row in weights:
        total += row
    return total
