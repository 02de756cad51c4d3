"""An axis plan as the kernels read it that work within a row of interleaved values."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.sampling.axis import AxisPlan

RUN_STEP = 4
VECTOR_BYTES = 16
"""The taps that are summed at once, and the bytes that are read for them."""


@dataclass(frozen=True)
class RowPlan:
    """The taps and weights of each value of a row; ``channels`` values make up a sample.

    Value n of an output row is ``sum(weights[n, k] * row[taps[n, k]] for k in range(counts[n]))``,
    of which the first ``rounded[n]`` products are rounded, as in the axis plan.

    taps : uint32, or uint64 for rows beyond its range (values_out, width)
    weights, precision : as in the axis plan; weights (values_out, width)
    counts, rounded : int64 (values_out,)
    is_full : whether every output has as many taps as any
    """

    taps: NDArray[Any]
    weights: NDArray[Any]
    counts: NDArray[np.int64]
    rounded: NDArray[np.int64]
    precision: int
    channels: int
    is_full: bool


@dataclass(frozen=True)
class PhasePlan:
    """A plan for twice as many samples, where the taps of each phase move with the input.

    Output sample ``2 * m + p`` has the taps ``m + shifts[p, k]`` for every m in [first, last):
    what lies outside is clamped at the ends of the row, and left to ``edges``.

    shifts : int64 (2, width), in values, not samples
    weights : (2, width, values_in)
    edges : the plan of the whole row, of which the outputs outside are needed
    repeats : whether both outputs of every sample copy that sample
    """

    first: int
    last: int
    shifts: NDArray[np.int64]
    weights: NDArray[Any]
    edges: RowPlan
    repeats: bool


def plan_rows(plan: AxisPlan, size_in: int, channels: int) -> RowPlan | PhasePlan:
    """Return the plan of one axis for rows of ``size_in`` samples of ``channels`` values each."""
    key = size_in, channels
    if key not in plan.memo:
        rows = _rows(plan, size_in, channels)
        plan.memo[key] = _phases(plan, size_in, rows) or rows
    return plan.memo[key]


def _rows(plan: AxisPlan, size_in: int, channels: int) -> RowPlan:
    index_type = np.uint32 if size_in * channels < 2**32 else np.uint64
    taps = plan.taps.T[:, np.newaxis, :] * channels + np.arange(channels)[:, np.newaxis]
    return RowPlan(
        np.ascontiguousarray(taps.reshape(-1, plan.width), index_type),
        np.repeat(plan.weights.T, channels, axis=0),
        np.repeat(plan.counts, channels),
        np.repeat(plan.rounded, channels),
        plan.precision,
        channels,
        is_full=bool((plan.counts == plan.width).all()),
    )


def _phases(plan: AxisPlan, size_in: int, rows: RowPlan) -> PhasePlan | None:
    if plan.size_out != 2 * size_in:
        return None
    # (width, m, phase): how far each tap lies from input sample m
    offsets = plan.taps.reshape(plan.width, size_in, 2) - np.arange(size_in)[:, np.newaxis]
    middle = offsets[:, size_in // 2]
    is_full = (plan.counts == plan.width).reshape(size_in, 2).all(axis=1)
    is_regular = is_full & (offsets == middle[:, np.newaxis]).all(axis=(0, 2))
    first, last = _run_around(is_regular, size_in // 2)
    if 2 * (last - first) < size_in:
        return None
    weights = plan.weights.reshape(plan.width, size_in, 2).transpose(2, 0, 1)
    return PhasePlan(
        first,
        last,
        np.ascontiguousarray(middle.T * rows.channels),
        np.repeat(weights, rows.channels, axis=2),
        rows,
        repeats=plan.width == 1 and not offsets.any(),
    )


@dataclass(frozen=True)
class RunPlan:
    """A plan whose taps are runs of consecutive values, each as long as the longest in steps of 4.

    first : int64 (size_out,), the value at which each run begins, in a row's own values
    weights : int32 (size_out, taps)
    overhang : how many values past the end of a row the runs may reach
    """

    first: NDArray[np.int64]
    weights: NDArray[np.int32]
    precision: int
    channels: int
    overhang: int


def plan_runs(plan: AxisPlan, channels: int) -> RunPlan:
    """Return a whole-number plan as runs, in which a tap that occurs twice has one weight."""
    key = "runs", channels
    if key not in plan.memo:
        first = plan.taps.min(axis=0)
        offsets = plan.taps - first
        taps = -(-(int(offsets.max()) + 1) // RUN_STEP) * RUN_STEP
        weights = np.zeros((plan.size_out, taps), np.int32)
        for n, count in enumerate(plan.counts if plan.size_out < plan.width else ()):
            np.add.at(weights[n], offsets[:count, n], plan.weights[:count, n])
        for k in range(plan.width if plan.size_out >= plan.width else 0):
            outputs = np.flatnonzero(plan.counts > k)
            weights[outputs, offsets[k, outputs]] += plan.weights[k, outputs]
        overhang = taps * channels + VECTOR_BYTES
        plan.memo[key] = RunPlan(first * channels, weights, plan.precision, channels, overhang)
    return plan.memo[key]


def _run_around(is_regular: NDArray[np.bool_], middle: int) -> tuple[int, int]:
    """Return the longest half-open run of true values that holds ``middle``."""
    breaks = np.flatnonzero(~is_regular)
    position = int(np.searchsorted(breaks, middle))
    first = int(breaks[position - 1]) + 1 if position else 0
    last = int(breaks[position]) if position < len(breaks) else len(is_regular)
    return first, last
