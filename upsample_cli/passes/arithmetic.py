"""In what numbers a resample is computed: copied, in floating or fixed point, or by a vote.

Each arithmetic loads a block into its own dtype, makes the plan of an axis, and stores; between
them, the separable ones pass along or across rows, and the joint ones take all axes at once.
Blocks are C-contiguous, of shape (items, *spatial, channels).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels import copying, fixed_point, labels, separable
from upsample_cli.machine_code.types import Work
from upsample_cli.passes.columns import columns_for
from upsample_cli.passes.elements import as_real, store
from upsample_cli.resources.scratch import scratch
from upsample_cli.sampling.axis import AxisMap, AxisPlan, copying_plan, nearest_first, plan_axis
from upsample_cli.sampling.fixed_point import to_fixed_point
from upsample_cli.sampling.half import with_half_weights
from upsample_cli.sampling.modes import Method
from upsample_cli.sampling.rows import PhasePlan, plan_rows, plan_windows

Array = NDArray[Any]

EXACT_FLOAT64 = 2**53
"""Whole numbers beyond this lose their last digits in float64."""

FLOAT32_TAPS = 32
"""Sums of more taps than this run in float64, so that their error stays below 2e-6, unless it is
PyTorch that sums them in float32."""

PRODUCT_BYTES = 16
"""PyTorch's filters multiply as many taps as fit in this at once, which rounds their products."""

CHANNELS_OF_LANES = (1, 3, 4)
"""How many interleaved uint8 values ``kernels.lanes`` knows how to load."""


class Arithmetic(ABC):
    """How the elements of a block are loaded, weighed and stored.

    ``dtype`` is the dtype between load and store. ``is_inexact`` is set by a load that had to
    round whole numbers beyond 2**53.
    """

    dtype: np.dtype[Any]
    description: str
    is_inexact: bool = False

    def __init__(self, method: Method, coordinate_type: type[np.floating]) -> None:
        self.method = method
        self.coordinate_type = coordinate_type

    def plan(self, axis: AxisMap) -> AxisPlan:
        """Return the taps and weights of one axis."""
        return plan_axis(axis, self.method, self.coordinate_type)

    def keeps(self, axis: AxisMap) -> bool:
        """Whether an axis stays as it is, so that it has no plan."""
        return axis.is_copy

    def lanes(self, element: np.dtype[Any]) -> int:
        """Return how many values of ``dtype`` one element becomes."""
        return self.load(np.zeros((1, 1), element)).size

    @abstractmethod
    def load(self, block: Array) -> Array:
        """Return a C-contiguous block of ``dtype``; the block itself where it already is one."""

    @abstractmethod
    def destination(self, target: Array) -> Array | None:
        """Return a view of ``target`` that a pass can write to, or None if store must convert."""

    @abstractmethod
    def store(self, block: Array, target: Array) -> int:
        """Convert into ``target``'s dtype; return how many values did not fit."""


class Separable(Arithmetic):
    """An arithmetic that passes one axis after the other."""

    @abstractmethod
    def along(
        self, source: Array, picked: Array, plan: AxisPlan, channels: int, target: Array
    ) -> None:
        """Fill ``target`` (rows, values_out) from rows ``picked`` of ``source`` (…, values_in).

        ``channels`` values of a row make up one sample.
        """

    @abstractmethod
    def across(self, source: Array, plan: AxisPlan, target: Array) -> None:
        """Fill ``target`` (before, size_out, row) from ``source`` (before, size_in, row)."""


class Joint(Arithmetic):
    """An arithmetic that takes all axes at once."""

    @abstractmethod
    def sample(self, source: Array, plans: Sequence[AxisPlan | None], target: Array) -> None:
        """Fill ``target`` from ``source``, both (items, *spatial, channels), by a plan per axis."""


class Copying(Separable):
    """The nearest modes: elements of any dtype move as bits."""

    description = "nothing: values are copied"

    def __init__(self, method: Method, coordinate_type: type[np.floating], element: Any) -> None:
        super().__init__(method, coordinate_type)
        self.element = np.dtype(element)
        self.dtype = np.dtype(f"u{min(self.element.itemsize, 8)}")

    def load(self, block: Array) -> Array:
        return np.ascontiguousarray(block, self.element).view(self.dtype)

    def along(
        self, source: Array, picked: Array, plan: AxisPlan, channels: int, target: Array
    ) -> None:
        kind, taps = self.within_rows(plan, source.shape[1] // channels, channels)
        if kind == copying.DOUBLED:
            copying.doubled_rows(source, picked, target)
        else:
            copying.along_rows(source, picked, taps, target)

    def within_rows(self, plan: AxisPlan | None, size_in: int, channels: int) -> tuple[int, Array]:
        """Return how ``kernels.copying`` passes rows by a plan, and the taps that it needs."""
        if plan is None:
            return copying.KEPT, np.empty(0, np.uint32)
        rows = plan_rows(plan, size_in, channels)
        if isinstance(rows, PhasePlan):
            is_double = channels == 1 and rows.repeats
            return copying.DOUBLED if is_double else copying.GATHERED, rows.edges.taps[:, 0]
        return copying.GATHERED, rows.taps[:, 0]

    def across(self, source: Array, plan: AxisPlan, target: Array) -> None:
        copying.across_rows(source, plan.taps[0], target)

    def destination(self, target: Array) -> Array | None:
        return target.view(self.dtype) if target.dtype == self.element else None

    def store(self, block: Array, target: Array) -> int:
        return store(block.view(self.element), target)


class Floating(Separable):
    """Sums in float32 or float64; a complex element is two channels."""

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


class HalfWeighted(Floating):
    """float16 as PyTorch has it: weights of float16, sums in float32, rounded after the last axis.

    Positions that are no rule of PyTorch's keep the weights that follow from them.
    """

    def plan(self, axis: AxisMap) -> AxisPlan:
        plan = super().plan(axis)
        return plan if axis.is_exact else with_half_weights(plan, self.method.mode)


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
            windows = plan_windows(plan, channels)
            fixed_point.along_windows(
                source,
                picked,
                windows.first,
                windows.weights,
                windows.precision,
                channels,
                scratch("padded", (4, source.shape[1] + windows.overhang), np.uint8),
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


class Labelling(Joint):
    """Label maps: the label wins on which most weight falls, over the taps of all axes at once."""

    description = "votes, weighed in float64: labels are copied"

    def __init__(self, method: Method, element: Any) -> None:
        super().__init__(method, np.float64)
        self.element = np.dtype(element)
        self.dtype = np.dtype(f"u{self.element.itemsize}")
        is_signed = self.element.kind == "i"
        self.sign = self.dtype.type(1 << (8 * self.dtype.itemsize - 1) if is_signed else 0)

    def plan(self, axis: AxisMap) -> AxisPlan:
        return nearest_first(super().plan(axis), axis)

    def load(self, block: Array) -> Array:
        return np.ascontiguousarray(block, self.element).view(self.dtype)

    def sample(self, source: Array, plans: Sequence[AxisPlan | None], target: Array) -> None:
        spatial = source.shape[1:-1]
        outer, inner, along = [copying_plan(1)] * (3 - len(spatial)) + [
            copying_plan(size) if plan is None else plan
            for plan, size in zip(plans, spatial, strict=True)
        ]
        rows = plan_rows(along, spatial[-1], 1)
        rows = rows.edges if isinstance(rows, PhasePlan) else rows
        read = outer.width * inner.width
        most = read * along.width
        labels.vote(
            _as_volumes(source),
            (outer.taps, outer.weights, outer.counts),
            (inner.taps, inner.weights, inner.counts),
            (rows.taps, rows.weights, rows.counts),
            along.readers(spatial[-1]),
            self.sign,
            (scratch("places", (read, 2), np.int64), scratch("shares", (read,), np.float64)),
            scratch("marks", spatial[-1:], np.uint8),
            scratch("agreed", spatial[-1:], np.float64),
            (scratch("ballot", (most,), self.dtype), scratch("votes", (most,), np.float64)),
            _as_volumes(target),
        )

    def destination(self, target: Array) -> Array | None:
        return target.view(self.dtype) if target.dtype == self.element else None

    def store(self, block: Array, target: Array) -> int:
        return store(block.view(self.element), target)


def _as_volumes(block: Array) -> Array:
    """View (items, *spatial, 1) of up to three spatial axes as (items, planes, rows, values)."""
    spatial = (1, 1, *block.shape[1:-1])[-3:]
    return block.reshape(len(block), *spatial)


def is_fixed_point(
    method: Method, dtype_in: np.dtype[Any], dtype_out: np.dtype[Any], dimensions: int
) -> bool:
    """Whether PyTorch computes such data, uint8 images, in whole numbers."""
    is_image = dtype_in == dtype_out == np.uint8 and dimensions == 2
    return is_image and method.mode.blurs and not method.mode.averages


def copied_where_equal(axes: list[AxisMap]) -> list[AxisMap]:
    """Copy each axis whose size stays, whatever its scale factor: PyTorch's fixed-point rule."""
    return [
        AxisMap.copied(axis.size_in) if axis.size_in == axis.size_out else axis for axis in axes
    ]


def choose_arithmetic(
    axes: list[AxisMap], method: Method, dtype_in: np.dtype[Any], dtype_out: np.dtype[Any]
) -> Arithmetic:
    """Return the arithmetic that PyTorch uses, or where PyTorch refuses, the project's rule.

    Raises
    ------
    TypeError
        If a dtype cannot be resampled, or not into the other.
    """
    check_dtypes(dtype_in, dtype_out)
    is_double = dtype_in in (np.float64, np.complex128)
    if method.mode.votes:
        check_labels(dtype_in, dtype_out)
        return Labelling(method, dtype_in)
    if method.mode.copies:
        return Copying(method, np.float64 if is_double else np.float32, dtype_in)
    if is_fixed_point(method, dtype_in, dtype_out, len(axes)):
        return FixedPoint(method, np.float64)
    if is_double or (dtype_in.kind in "iu" and dtype_in.itemsize >= 4):
        return Floating(method, np.float64, np.float64)
    if dtype_in == dtype_out == np.float16 and not (method.antialias or method.mode.averages):
        return HalfWeighted(method, np.float32, np.float32)
    widest = max(axis.step for axis in axes) * 2 * max(method.mode.support, 0.5) + 2
    is_filter_of_ours = method.antialias and dtype_in.kind not in "fc"
    is_wide = widest > FLOAT32_TAPS and (is_filter_of_ours or method.mode.averages)
    return Floating(method, np.float32, np.float64 if is_wide else np.float32)


def check_dtypes(dtype_in: np.dtype[Any], dtype_out: np.dtype[Any]) -> None:
    """Raise a TypeError for dtypes that have no resampling rule."""
    for dtype in (dtype_in, dtype_out):
        if dtype.kind not in "biufc" or dtype in (np.longdouble, np.clongdouble):
            raise TypeError(
                f"dtype {dtype} cannot be resampled; use a boolean, an integer, float16, float32, "
                "float64, complex64 or complex128"
            )
    if dtype_in.kind == "c" and dtype_out.kind != "c":
        raise TypeError(f"{dtype_in} does not fit in {dtype_out}; use complex64 or complex128")
    if dtype_in.kind != "c" and dtype_out.kind == "c":
        raise TypeError(f"{dtype_in} data are not complex; use a real dtype such as float32")


def check_labels(dtype_in: np.dtype[Any], dtype_out: np.dtype[Any]) -> None:
    """Raise a TypeError for dtypes that do not hold labels."""
    for dtype in (dtype_in, dtype_out):
        if dtype.kind not in "biu":
            raise TypeError(f"mode label takes whole numbers, not {dtype}; use nearest-exact")
