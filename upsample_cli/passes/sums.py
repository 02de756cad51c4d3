"""The arithmetics of weighted sums: in floating point, and in whole numbers."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels import fixed_point, separable
from upsample_cli.machine_code.types import Work
from upsample_cli.passes.arithmetic import LONG_ROW, Joint, Plans, Separable, Strip
from upsample_cli.passes.columns import columns_for
from upsample_cli.passes.elements import as_real, store
from upsample_cli.resources.scratch import scratch
from upsample_cli.sampling.axis import AxisMap, AxisPlan
from upsample_cli.sampling.fixed_point import to_fixed_point
from upsample_cli.sampling.half import with_half_weights
from upsample_cli.sampling.modes import Method
from upsample_cli.sampling.rows import PhasePlan, plan_rows, plan_runs

Array = NDArray[Any]

EXACT_FLOAT64 = 2**53
"""Whole numbers beyond this lose their last digits in float64."""

PRODUCT_BYTES = 16
"""PyTorch's filters multiply as many taps as fit in this at once, which rounds their products."""

CHANNELS_OF_LANES = (1, 3, 4)
"""How many interleaved uint8 values ``machine_code.lanes`` knows how to load."""


class Floating(Separable):
    """Sums in float32 or float64; a complex element is two channels."""

    sums_planes = True

    def __init__(
        self, method: Method, coordinate_type: type[np.floating], sum_type: type[np.floating]
    ) -> None:
        super().__init__(method, coordinate_type)
        self.dtype = np.dtype(sum_type)
        self.description = self.dtype.name

    def plan(self, axis: AxisMap) -> AxisPlan:
        plan = super().plan(axis)
        group = PRODUCT_BYTES // self.dtype.itemsize if self.method.antialias else 0
        return replace(plan, weights=plan.weights.astype(self.dtype), group=group)

    def load(self, block: Array) -> Array:
        if block.dtype.kind in "iu" and block.dtype.itemsize == 8 and not self.is_inexact:
            self.is_inexact = bool(block.size) and (
                int(block.max()) > EXACT_FLOAT64 or int(block.min()) < -EXACT_FLOAT64
            )
        real = as_real(block)
        if real.dtype == self.dtype and real.flags.c_contiguous:
            return real
        work = scratch("loaded", real.shape, self.dtype)
        np.copyto(work, real)
        return work

    def along(
        self, source: Array, picked: Array, plan: AxisPlan, channels: int, target: Array
    ) -> None:
        rows, doubling, work = self.rows(plan, source.shape[1], channels, len(target))
        if doubling[1] < doubling[2]:
            separable.doubled_rows(source, picked, rows, doubling, target)
        elif work[0].size:
            separable.turned_rows(source, picked, rows, work, target)
        else:
            separable.along_rows(source, picked, rows, target)

    def rows(
        self, plan: AxisPlan, values_in: int, channels: int, count: int
    ) -> tuple[separable.RowSumPlan, separable.Doubling, Work]:
        """Return a plan along ``count`` rows as ``kernels.separable`` takes it, and its scratch."""
        rows = plan_rows(plan, values_in // channels, channels)
        if isinstance(rows, PhasePlan):
            phases = scratch("phases", (2, values_in), self.dtype)
            doubling = (channels, rows.first, rows.last, rows.shifts, rows.weights, phases)
            rows = rows.edges
        else:
            nothing = np.empty((2, 1), self.dtype)
            doubling = (channels, 0, 0, np.empty((2, 1), np.int64), nothing[np.newaxis], nothing)
        work = columns_for(rows, values_in, count, self.dtype)
        return (rows.taps, rows.weights, rows.counts, rows.rounded, rows.is_full), doubling, work

    def across(self, source: Array, plan: AxisPlan, target: Array) -> None:
        weights = plan.taps, plan.weights, plan.counts, plan.rounded
        separable.across_rows(source, weights, target)

    def destination(self, target: Array) -> Array | None:
        real = as_real(target)
        return real if real.dtype == self.dtype else None

    def store(self, block: Array, target: Array) -> int:
        return store(block, as_real(target))

    def strip(self, plans: Plans, item: Array, target: Array) -> Strip | None:
        if not self.stores_as_is(target.dtype) or len(plans) != 3 or None in plans:
            return None
        channels = item.shape[-1] * self.lanes(item.dtype)
        return self._sum_planes if channels < LONG_ROW <= channels * target.shape[-2] else None

    def _sum_planes(self, plans: Plans, item: Array, target: Array, lo: int, hi: int) -> None:
        outer, inner, along = plans
        assert outer is not None
        assert inner is not None
        assert along is not None
        source, output = as_real(item), as_real(target)
        channels = source.shape[-1]
        source = source.reshape(*source.shape[:2], -1)
        output = output.reshape(*output.shape[:2], -1)

        used_planes, outer = outer.compacted(source.shape[0])
        used_rows, inner = inner.compacted(source.shape[1])
        first, _ = outer.input_range(lo, hi)
        outer = outer.part(lo, hi).moved(first)
        room = int((outer.taps.max(axis=0) - outer.taps.min(axis=0)).max()) + 1
        separable.planes(
            source,
            used_planes[first:].astype(np.uint32),
            used_rows.astype(np.uint32),
            *self.rows(along, source.shape[2], channels, len(used_rows)),
            (inner.taps, inner.weights, inner.counts, inner.rounded),
            (outer.taps, outer.weights, outer.counts, outer.rounded),
            scratch("passed", (len(used_rows), output.shape[2]), self.dtype),
            scratch("ring", (output.shape[1], room, output.shape[2]), self.dtype),
            output,
        )


class HalfWeighted(Floating):
    """float16 as PyTorch has it: weights of float16, sums in float32, rounded after the last axis.

    Positions that are no rule of PyTorch's keep the weights that follow from them.
    """

    def plan(self, axis: AxisMap) -> AxisPlan:
        plan = super().plan(axis)
        return plan if axis.is_exact else with_half_weights(plan, self.method.mode)


class JointFloating(Joint):
    """Floats of PyTorch's, of which a kernel sums all axes at once; float16 in float32."""

    def __init__(self, method: Method, element: np.dtype[Any]) -> None:
        float_type = np.float64 if element == np.float64 else np.float32
        super().__init__(method, float_type)
        self.values = Floating(method, float_type, float_type)
        self.dtype = self.values.dtype
        self.description = self.values.description

    def keeps(self, axis: AxisMap) -> bool:  # noqa: ARG002
        """No axis is left out: what one voxel becomes is for the kernel to say."""
        return False

    def load(self, block: Array) -> Array:
        return self.values.load(block)

    def destination(self, target: Array) -> Array | None:
        return self.values.destination(target)

    def store(self, block: Array, target: Array) -> int:
        return self.values.store(block, target)


class FixedPoint(Separable):
    """uint8 images: whole-number weights, a rounding and a clamp after each pass."""

    dtype = np.dtype(np.uint8)
    description = "whole numbers (fixed point), as PyTorch does for uint8 images"

    def plan(self, axis: AxisMap) -> AxisPlan:
        plan, tap_order = super().plan(axis), self.method.mode.tap_order
        is_tapped = not self.method.antialias and plan.width == len(tap_order)
        return to_fixed_point(plan, tap_order if is_tapped else ())

    def load(self, block: Array) -> Array:
        return np.ascontiguousarray(block)

    def along(
        self, source: Array, picked: Array, plan: AxisPlan, channels: int, target: Array
    ) -> None:
        rows = plan_rows(plan, source.shape[1] // channels, channels)
        if isinstance(rows, PhasePlan):
            self._along_in_phases(source, picked, rows, target)
        elif channels in CHANNELS_OF_LANES:
            runs = plan_runs(plan, channels)
            fixed_point.along_runs(
                source,
                picked,
                runs.first,
                runs.weights,
                runs.precision,
                channels,
                scratch("padded", (4, source.shape[1] + runs.overhang), np.uint8),
                target,
            )
        else:
            weights = rows.taps, rows.weights, rows.counts
            fixed_point.along_rows(source, picked, *weights, rows.precision, target)

    def _along_in_phases(
        self, source: Array, picked: Array, plan: PhasePlan, target: Array
    ) -> None:
        edges = plan.edges
        fixed_point.doubled_rows(
            source,
            picked,
            edges.taps,
            edges.weights,
            edges.counts,
            edges.precision,
            edges.channels,
            plan.first,
            plan.last,
            plan.shifts,
            plan.weights,
            scratch("sums", (source.shape[1],), np.int32),
            scratch("phases", (2, source.shape[1]), self.dtype),
            target,
        )

    def across(self, source: Array, plan: AxisPlan, target: Array) -> None:
        sums = scratch("sums", (fixed_point.BLOCK,), np.int32)
        weights = plan.taps, plan.weights, plan.counts
        fixed_point.across_rows(source, *weights, plan.precision, sums, target)

    def destination(self, target: Array) -> Array | None:
        return target if target.dtype == self.dtype else None

    def store(self, block: Array, target: Array) -> int:
        return store(block, target)
