"""Resampler: one item (a volume, an image, a row) through its passes, whole or slab by slab.

An item is an array of shape (*spatial, channels), the slowest axis first. Axes are passed from
the fastest to the slowest (x, y, z), as PyTorch does; an axis that is copied is not passed.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.passes.arithmetic import Arithmetic, choose_arithmetic
from upsample_cli.sampling.axis import AxisMap, AxisPlan
from upsample_cli.sampling.modes import Method
from upsample_cli.threads import run_all

Array = NDArray[Any]
Plans = Sequence[AxisPlan | None]

SLAB_BYTES = 4 * 2**20
"""The size at which a slab of output pays for its overhead and still fits in a cache."""


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
    """

    def __init__(
        self,
        axes: Sequence[AxisMap],
        method: Method,
        dtype_in: Any,
        dtype_out: Any = None,
    ) -> None:
        self.axes = list(axes)
        self.dtype_in = np.dtype(dtype_in)
        self.dtype_out = np.dtype(dtype_out if dtype_out is not None else dtype_in)
        self.arithmetic: Arithmetic = choose_arithmetic(
            self.axes, method, self.dtype_in, self.dtype_out
        )
        self.plans: Plans = [
            None if axis.is_copy else self.arithmetic.plan(axis) for axis in self.axes
        ]
        self.shape_in = tuple(axis.size_in for axis in self.axes)
        self.shape_out = tuple(axis.size_out for axis in self.axes)

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
    arithmetic: Arithmetic, work: Array, plans: Plans, destination: Array | None = None
) -> Array:
    """Return ``work`` (items, *spatial, channels) with every plan applied, x first.

    The last pass writes to ``destination`` if there is one; then that is what is returned.
    """
    to_do = [index for index, plan in enumerate(plans) if plan is not None]
    for index in reversed(to_do):
        plan = plans[index]
        assert plan is not None
        before, after = work.shape[: index + 1], work.shape[index + 2 :]
        is_last = index == to_do[0] and destination is not None
        shape = (*before, plan.size_out, *after)
        target = destination if is_last else np.empty(shape, arithmetic.dtype)
        assert target is not None
        rows, length = math.prod(before), math.prod(after)
        arithmetic.weigh(work.reshape(rows, -1, length), plan, target.reshape(rows, -1, length))
        work = target
    return work


def resample_array(resampler: Resampler, source: Array, target: Array, threads: int) -> int:
    """Resample an array in memory: (items, *shape_in, channels) into ``target``.

    Small items go to the threads in groups, large ones in slabs; the bits are the same.
    Return how many values did not fit the output dtype and were saturated.
    """
    if not target.size:
        return 0
    item_bytes = target[0].nbytes
    tasks: list[Callable[[], int]] = []
    if item_bytes <= SLAB_BYTES:
        per_task = max(1, SLAB_BYTES // max(item_bytes, source[0].nbytes))
        for lo in range(0, len(source), per_task):
            part = slice(lo, lo + per_task)
            tasks.append(partial(resampler.items, source[part], target[part]))
    else:
        size = resampler.shape_out[0]
        per_task = max(1, SLAB_BYTES * size // item_bytes)
        for item, out in zip(source, target, strict=True):
            for lo in range(0, size, per_task):
                hi = min(lo + per_task, size)
                tasks.append(partial(resampler.slab, item, lo, hi, out[lo:hi]))
    return sum(run_all(tasks, threads))
