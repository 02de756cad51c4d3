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

from upsample_cli.passes.arithmetic import Arithmetic, Plans, planned_shape
from upsample_cli.passes.choosing import choose_for_tensor
from upsample_cli.sampling.axis import AxisMap, AxisPlan
from upsample_cli.sampling.modes import Method

Array = NDArray[Any]

PLANS_KEPT, LARGEST_KEPT = 32, 2**19
"""How many plans wait for a resample of the same sizes, and the largest taps, in bytes, of one."""

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
        self.channels = channels
        self.arithmetic, self.rest = choose_for_tensor(
            self.axes, method, self.dtype_in, self.dtype_out, channels
        )
        self.plans: Plans = [
            None if self.arithmetic.keeps(axis) else _kept_plan(self.arithmetic, axis)
            for axis in self.axes
        ]
        self.shape_in = tuple(axis.size_in for axis in self.axes)
        self.shape_out = tuple(axis.size_out for axis in self.axes)
        self.plans_of_planes, self.plans_of_ring = self.arithmetic.split(self.plans)
        """By the first a plane is passed alone, before it waits for others of the slowest axis;
        by the second the planes are passed then."""
        self.waiting_shape = planned_shape(self.plans_of_planes, self.shape_in)[1:]
        """The shape of a plane that waits."""

    @property
    def is_bare(self) -> bool:
        """Whether nothing lies between an item and its output: no other dtype, and no pass."""
        return self.arithmetic.is_bare and self.dtype_in == self.dtype_out

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
        first, last, plans = self.part(lo, hi)
        return self.run(source[np.newaxis, first:last], plans, target[np.newaxis])

    def part(self, lo: int, hi: int) -> tuple[int, int, Plans]:
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
        work = self.arithmetic.apply(work, plans, destination)
        return 0 if work is destination else self.arithmetic.store(work, target)


def pass_elements(resampler: Resampler, plans: Plans) -> int:
    """Return how many elements a plane, passed by ``plans``, has beside where it comes and goes.

    That is once loaded, if it has to be converted, and between one pass and the next.
    """
    arithmetic, plane = resampler.arithmetic, resampler.shape_in[1:]
    loaded = 0 if arithmetic.loads_as_is(resampler.dtype_in) else math.prod(plane)
    return loaded + sum(map(math.prod, arithmetic.between(plans[1:], plane)))
