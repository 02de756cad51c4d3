"""Resampler: one item (a volume, an image, a row) through its passes, whole or slab by slab.

An item is an array of shape (*spatial, channels), the slowest axis first. Axes are passed from
the fastest to the slowest (x, y, z), as PyTorch does; an axis that is copied is not passed.
Labels are elected, small images blended and windows averaged over all axes at once.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.passes.arithmetic import Arithmetic, Joint, Separable, choose_arithmetic
from upsample_cli.passes.averaging import Averaging, averages_windows
from upsample_cli.passes.small import choose_small
from upsample_cli.resources.scratch import scratch
from upsample_cli.sampling.axis import AxisMap, AxisPlan
from upsample_cli.sampling.modes import Method

Array = NDArray[Any]
Plans = Sequence[AxisPlan | None]

PLANS_KEPT, LARGEST_KEPT = 32, 2**19
"""How many plans wait for a resample of the same sizes, and the largest taps, in bytes, of one."""

LONG_ROW = 16
"""Values from which on a row is worth a vector loop of its own."""


_plans: OrderedDict[Any, AxisPlan] = OrderedDict()


def _kept_plan(arithmetic: Arithmetic, axis: AxisMap) -> AxisPlan:
    """Return the plan of an axis, which for a small image takes as long as its pixels."""
    own = type(arithmetic), arithmetic.method, arithmetic.coordinate_type, arithmetic.dtype
    plan = _plans.pop((own, axis), None) or arithmetic.plan(axis)
    if plan.taps.nbytes <= LARGEST_KEPT:
        _plans[own, axis] = plan
        while len(_plans) > PLANS_KEPT:
            _plans.popitem(last=False)
    return plan


class Resampler:
    """The passes from items of one shape and dtype to items of another.

    Parameters
    ----------
    axes
        One map per spatial axis, the slowest first.
    method
        Mode, align_corners and antialias.
    dtype_in, dtype_out
        Native dtypes of the elements; ``dtype_out`` defaults to ``dtype_in``.
    channels
        How many channels PyTorch's tensor would have, each an item or all interleaved: small images
        are resampled as PyTorch resamples those. None for what is no such tensor.
    """

    def __init__(
        self,
        axes: Sequence[AxisMap],
        method: Method,
        dtype_in: Any,
        dtype_out: Any = None,
        channels: int | None = None,
    ) -> None:
        self.axes = list(axes)
        self.dtype_in = np.dtype(dtype_in)
        self.dtype_out = np.dtype(dtype_out if dtype_out is not None else dtype_in)
        self.arithmetic: Arithmetic = choose_arithmetic(
            self.axes, method, self.dtype_in, self.dtype_out
        )
        self.channels, self.rest = channels, None
        if channels is not None and averages_windows(self.axes, method, self.dtype_in):
            self.arithmetic = Averaging(method, self.dtype_in)
        elif channels is not None:
            self.arithmetic, self.rest = choose_small(
                self.axes, method, self.arithmetic, self.dtype_in, channels
            )
        self.plans: Plans = [
            None if self.arithmetic.keeps(axis) else _kept_plan(self.arithmetic, axis)
            for axis in self.axes
        ]
        self.shape_in = tuple(axis.size_in for axis in self.axes)
        self.shape_out = tuple(axis.size_out for axis in self.axes)
        # What takes all axes at once needs their voxels: its planes wait as they came.
        is_separable = isinstance(self.arithmetic, Separable)
        nothing: Plans = [None] * len(self.plans[1:])
        self.plans_of_planes: Plans = [None, *(self.plans[1:] if is_separable else nothing)]
        """By these a plane is passed alone, before it waits for others of the slowest axis."""
        self.plans_of_window: Plans = [
            self.plans[0],
            *(nothing if is_separable else self.plans[1:]),
        ]
        """By these the planes are passed then."""
        self.waiting_shape = (self.shape_out if is_separable else self.shape_in)[1:]
        """The shape of a plane that waits."""

    def runs(self, begin: int, end: int) -> Iterator[tuple[int, int, "Resampler"]]:
        """Yield the items [lo, hi) of [begin, end) that one arithmetic takes, and its resampler.

        Items are numbered from the first of the first tensor, which has ``channels`` of them.
        """
        if self.rest is None:
            yield begin, end, self
            return
        assert self.channels is not None
        other = copy(self)
        other.arithmetic, other.rest = self.rest.arithmetic, None
        while begin < end:
            channel = begin % self.channels
            is_rest = channel >= self.rest.first
            stop = begin - channel + (self.channels if is_rest else self.rest.first)
            yield begin, min(stop, end), other if is_rest else self
            begin = stop

    def of_item(self, number: int) -> "Resampler":
        """Return what resamples the item of this number."""
        return next(of_run for _, _, of_run in self.runs(number, number + 1))

    def items(self, source: Array, target: Array) -> int:
        """Resample whole items: ``source`` (items, *shape_in, channels) into ``target``.

        Like ``slab``, return how many values did not fit ``dtype_out`` and were saturated.
        """
        return self.run(source, self.plans, target)

    def slab(self, source: Array, lo: int, hi: int, target: Array) -> int:
        """Resample one item into the output slab [lo, hi) of its slowest axis."""
        first, last, plans = self.window(lo, hi)
        return self.run(source[np.newaxis, first:last], plans, target[np.newaxis])

    def window(self, lo: int, hi: int) -> tuple[int, int, Plans]:
        """Return which planes [first, last) the output slab [lo, hi) reads, and its plans."""
        outer = self.plans[0]
        if outer is None:
            return lo, hi, self.plans
        first, last = outer.input_range(lo, hi)
        return first, last, [outer.part(lo, hi).moved(first), *self.plans[1:]]

    def run(self, block: Array, plans: Plans, target: Array) -> int:
        """Pass a block of elements by ``plans``, one per spatial axis, into ``target``."""
        return self.run_loaded(self.arithmetic.load(block), plans, target)

    def run_loaded(self, work: Array, plans: Plans, target: Array) -> int:
        """Do the same with a block that is already in the arithmetic's dtype."""
        destination = self.arithmetic.destination(target)
        work = apply_passes(self.arithmetic, work, plans, destination)
        return 0 if work is destination else self.arithmetic.store(work, target)


def apply_passes(
    arithmetic: Arithmetic,
    work: Array,
    plans: Plans,
    destination: Array | None = None,
    planes: Array | None = None,
) -> Array:
    """Return ``work`` (items, *spatial, channels) with every plan applied, x first.

    The last pass writes to ``destination`` if there is one; then that is what is returned. What is
    returned otherwise is scratch. ``planes`` are those of the slowest axis that are wanted.
    """
    plans = list(plans)
    to_do = [index for index, plan in enumerate(plans) if plan is not None]
    if not to_do:
        return work if planes is None else work[:, planes]
    if isinstance(arithmetic, Joint):
        return _sampled(arithmetic, work, plans, destination)
    assert isinstance(arithmetic, Separable)
    for index in reversed(to_do):
        plan = plans[index]
        assert plan is not None
        before, size_in, after = _around(work.shape, index)
        row = math.prod(after)
        is_long = row >= LONG_ROW
        picked = np.arange(math.prod(before), dtype=np.uint32).reshape(before)
        if planes is not None:
            work = work[:, planes] if is_long else work
            picked, planes = picked[:, planes], None
        outer = plans[index - 1] if index else None
        if outer is not None and not is_long:
            # Rows that the next pass does not read need no pass along them.
            used, plans[index - 1] = outer.compacted(before[-1])
            picked = picked[..., used]
        shape = (*picked.shape, plan.size_out, *after)
        is_last = index == to_do[0] and destination is not None
        target = destination if is_last else scratch(f"pass {index}", shape, arithmetic.dtype)
        assert target is not None
        if is_long:
            blocks = target.reshape(-1, plan.size_out, row)
            arithmetic.across(work.reshape(-1, size_in, row), plan, blocks)
        else:
            rows = target.reshape(picked.size, -1)
            arithmetic.along(work.reshape(-1, size_in * row), picked.reshape(-1), plan, row, rows)
        work = target
    return work


def stores_directly(resampler: Resampler) -> bool:
    """Whether the last pass writes to the target itself."""
    return resampler.arithmetic.destination(np.empty(1, resampler.dtype_out)) is not None


def pass_elements(resampler: Resampler, plans: Plans) -> int:
    """Return how many elements a plane, passed by ``plans``, has beside where it comes and goes.

    That is once loaded, if it has to be converted, and between one pass and the next.
    """
    probe = np.zeros((1, 1), resampler.dtype_in)
    sizes = list(resampler.shape_in[1:])
    is_converted = not np.may_share_memory(resampler.arithmetic.load(probe), probe)
    total = math.prod(sizes) if is_converted else 0
    if isinstance(resampler.arithmetic, Joint):
        return total
    to_do = [index for index, plan in enumerate(plans[1:]) if plan is not None]
    for index in to_do[:0:-1]:
        sizes[index] = resampler.shape_out[index + 1]
        total += math.prod(sizes)
    return total


def _sampled(arithmetic: Joint, work: Array, plans: Plans, destination: Array | None) -> Array:
    sizes = [
        size if plan is None else plan.size_out
        for plan, size in zip(plans, work.shape[1:-1], strict=True)
    ]
    shape = (len(work), *sizes, work.shape[-1])
    target = scratch("sampled", shape, arithmetic.dtype) if destination is None else destination
    arithmetic.sample(work, plans, target)
    return target


def _around(shape: tuple[int, ...], index: int) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """Split a shape (items, *spatial, channels) around spatial axis ``index``."""
    return shape[: index + 1], shape[index + 1], shape[index + 2 :]
