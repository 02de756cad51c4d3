"""Transposed convolution of arrays in memory: items of shape (channels, depth, height, width)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels import transposed
from upsample_cli.machine_code.tile import ROWS, VECTOR_BYTES
from upsample_cli.resources.threads import run_all
from upsample_cli.sampling.windows import Window

Array = NDArray[Any]
Indices = NDArray[np.int64]

PART_BYTES = 2**14
"""The part of an output row, of one channel, that is summed at once; it stays in the L1 cache."""

TASK_PRODUCTS = 2**25
"""The multiplications that pay for a task's overhead."""

MANY_PHASES = 2**14
"""More phases than this would cost more memory than they save time."""


@dataclass(frozen=True)
class _Axis:
    """One axis of the gathering: outputs ``o + padding = stride * q + phase``, taps ``q - shift``.

    ``first`` and ``last`` bound the input voxels that any output reads; some lie outside.
    """

    window: Window
    size_in: int
    size_out: int

    @property
    def positions(self) -> Indices:
        return np.arange(self.window.kernel, dtype=np.int64) * self.window.dilation

    @property
    def shifts(self) -> Indices:
        return self.positions // self.window.stride

    @property
    def phases(self) -> Indices:
        return self.positions % self.window.stride

    @property
    def first_q(self) -> int:
        return self.window.padding // self.window.stride

    @property
    def first(self) -> int:
        return self.first_q - int(self.shifts[-1])

    @property
    def last(self) -> int:
        return (self.window.padding + self.size_out - 1) // self.window.stride

    @property
    def extent(self) -> int:
        return self.last - self.first + 1


def transposed_array(
    source: Array,
    weight: Array,
    bias: Array,
    windows: Sequence[Window],
    target: Array,
    threads: int,
) -> None:
    """Fill ``target`` with the transposed convolution of ``source``.

    Parameters
    ----------
    source
        float32 or float64, of shape (items, groups, channels in, depth, height, width).
    weight
        (groups, channels in, channels out, *kernel), of the same dtype, as everything else.
    bias
        (groups, channels out).
    target
        (items, groups, channels out, *spatial), written in full.
    """
    if not _gathers(weight, windows):
        _scatter(source, weight, bias, windows, target)
        return
    axes = _axes(windows, source.shape[3:], target.shape[3:])
    padded = _pad(source, axes)
    channels, *extents = source.shape[2], *(axis.extent for axis in axes)
    plane, row = math.prod(extents[1:]), extents[2]
    volume = plane * extents[0]
    offsets, weights, starts = _terms(weight, axes, (volume, plane, row, 1))
    biases = np.zeros((len(bias), weights.shape[0] // len(bias) * ROWS), bias.dtype)
    biases[:, : bias.shape[1]] = bias
    axis_table = np.array(
        [[axis.window.stride, axis.window.padding, axis.first_q] for axis in axes], np.int64
    ).T.copy()
    stride, lanes = windows[2].stride, VECTOR_BYTES // source.itemsize
    part = max(1, PART_BYTES // stride // VECTOR_BYTES) * lanes
    rows = math.prod(target.shape[:2] + target.shape[3:5]) * -(-target.shape[5] // (stride * part))

    def fill(lo: int, hi: int) -> int:
        scratch = np.empty(stride * ROWS * part, source.dtype)
        layout = np.array([channels * volume, plane, row, 1], np.int64)
        transposed.transposed_rows(
            *(padded, offsets, weights, starts, biases.ravel(), axis_table, layout),
            *(part, lo, min(hi, rows), scratch, target),
        )
        return 0

    phases = math.prod(window.stride for window in windows)
    products = weights.size * min(stride * part, target.shape[5]) // phases
    per_task = max(1, TASK_PRODUCTS * len(bias) // max(1, products))
    run_all([partial(fill, lo, lo + per_task) for lo in range(0, rows, per_task)], threads)


def scratch_elements(
    source: Sequence[int], weight: Array, windows: Sequence[Window], target: Sequence[int]
) -> int:
    """Return how many elements `transposed_array` allocates, for these shapes and this weight."""
    outputs = math.prod(target)
    if _gathers(weight, windows):
        axes = _axes(windows, source[3:], target[3:])
        # The offsets and the order of the taps are int64.
        return math.prod(source[:3]) * math.prod(axis.extent for axis in axes) + 4 * weight.size
    full = _full_sizes(source[3:], windows, target[3:])
    products = math.prod(target[:3]) * math.prod(source[3:])
    return math.prod(target[:3]) * math.prod(full) + products + outputs


def _gathers(weight: Array, windows: Sequence[Window]) -> bool:
    # The zeros around the input would turn infinite weights into NaN.
    phases = math.prod(window.stride for window in windows)
    return phases <= MANY_PHASES and bool(np.isfinite(weight).all())


def _axes(
    windows: Sequence[Window], sizes_in: Sequence[int], sizes_out: Sequence[int]
) -> list[_Axis]:
    return [_Axis(*of_axis) for of_axis in zip(windows, sizes_in, sizes_out, strict=True)]


def _full_sizes(
    sizes_in: Sequence[int], windows: Sequence[Window], sizes_out: Sequence[int]
) -> list[int]:
    """Return what the stamps reach, and the output, before the padding is cut off."""
    return [
        max((n - 1) * w.stride + w.extent, w.padding + out)
        for n, w, out in zip(sizes_in, windows, sizes_out, strict=True)
    ]


def _pad(source: Array, axes: Sequence[_Axis]) -> Array:
    """Return the voxels from ``first`` to ``last`` of each axis, flat, 0 outside the input.

    A vector more than that follows, because the kernel reads whole vectors.
    """
    shape = (*source.shape[:3], *(axis.extent for axis in axes))
    flat = np.zeros(math.prod(shape) + VECTOR_BYTES // source.itemsize, source.dtype)
    block = flat[: math.prod(shape)].reshape(shape)
    here, there = [], []
    for axis in axes:
        lo, hi = max(axis.first, 0), min(axis.last + 1, axis.size_in)
        here.append(slice(lo - axis.first, max(lo, hi) - axis.first))
        there.append(slice(lo, max(lo, hi)))
    block[_within(here)] = source[_within(there)]
    return flat


def _terms(
    weight: Array, axes: Sequence[_Axis], distances: tuple[int, int, int, int]
) -> tuple[Indices, Array, Indices]:
    """Return offsets, weights and starts as the kernel takes them: taps sorted by their phase."""
    groups, channels, outputs = weight.shape[:3]
    strides = [axis.window.stride for axis in axes]
    grid = np.meshgrid(*(axis.phases for axis in axes), indexing="ij")
    phase = np.ravel_multi_index(grid, strides).ravel()
    order = np.argsort(phase, kind="stable")
    counts = np.bincount(phase, minlength=math.prod(strides)) * channels
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    places = np.meshgrid(*(axis.shifts[-1] - axis.shifts for axis in axes), indexing="ij")
    within = sum(place * step for place, step in zip(places, distances[1:], strict=True))
    channel = np.arange(channels, dtype=np.int64) * distances[0]
    offsets = (np.ravel(within)[order][:, np.newaxis] + channel).ravel()
    blocks = -(-outputs // ROWS)
    packed = np.zeros((groups, len(order), channels, blocks * ROWS), weight.dtype)
    taps = weight.reshape(groups, channels, outputs, -1)[..., order]
    packed[..., :outputs] = taps.transpose(0, 3, 1, 2)
    packed = packed.reshape(groups, -1, blocks, ROWS).transpose(0, 2, 1, 3)
    return offsets, np.ascontiguousarray(packed).reshape(groups * blocks, -1), starts


def _scatter(
    source: Array, weight: Array, bias: Array, windows: Sequence[Window], target: Array
) -> None:
    """Add each tap's product to the outputs that it reaches: slower, and without any zeros."""
    sizes = source.shape[3:]
    full = _full_sizes(sizes, windows, target.shape[3:])
    total = np.zeros((*target.shape[:3], *full), target.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        for tap in np.ndindex(weight.shape[3:]):
            reached = [
                slice(k * w.dilation, k * w.dilation + (n - 1) * w.stride + 1, w.stride)
                for k, w, n in zip(tap, windows, sizes, strict=True)
            ]
            product = np.einsum("ngcdhw,gco->ngodhw", source, weight[_within(tap)])
            total[_within(reached)] += product
        kept = [
            slice(w.padding, w.padding + n) for w, n in zip(windows, target.shape[3:], strict=True)
        ]
        target[...] = total[_within(kept)] + bias[..., np.newaxis, np.newaxis, np.newaxis]


def _within(place: Sequence[slice | int]) -> Any:
    """Return the subscript of a place in the last axes."""
    return (..., *place)
