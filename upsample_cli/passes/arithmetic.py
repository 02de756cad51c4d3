"""In what numbers a resample is computed, and how its axes are passed: what an arithmetic answers.

Each arithmetic loads a block into its own dtype, makes the plan of an axis, and stores; between
them, the separable ones pass along or across rows, and the joint ones take all axes at once.
Blocks are C-contiguous, of shape (items, *spatial, channels). ``choosing`` says which is taken.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.resources.scratch import scratch
from upsample_cli.sampling.axis import AxisMap, AxisPlan, plan_axis
from upsample_cli.sampling.modes import Method

Array = NDArray[Any]
Plans = Sequence[AxisPlan | None]
"""One per spatial axis, the slowest first; None for an axis that is copied."""

Strip = Callable[[Plans, Array, Array, int, int], None]
"""What fills outputs [lo, hi) of the slowest axis of an item by one kernel.

It takes the plans, the item (*shape_in, channels), the part of the target, lo and hi.
"""

LONG_ROW = 16
"""Values from which on a row is worth a vector loop of its own."""


class Arithmetic(ABC):
    """How the elements of a block are loaded, weighed and stored.

    ``dtype`` is the dtype between load and store. ``is_inexact`` is set by a load that had to
    round whole numbers beyond 2**53.
    """

    dtype: np.dtype[Any]
    description: str
    is_inexact: bool = False

    is_bare: bool = False
    """Whether nothing lies between an item and its output, where neither is converted."""
    sums_planes: bool = False
    """Whether an output plane is a sum to which each input plane can be added as it comes."""
    kernel_arguments: tuple[Any, ...] = ()
    """What a kernel that samples by places takes of it, beside data of ``dtype``."""

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

    def loads_as_is(self, element: np.dtype[Any]) -> bool:
        """Whether elements are loaded as the bytes that they are."""
        probe = np.zeros((1, 1), element)
        return np.may_share_memory(self.load(probe), probe)

    def stores_as_is(self, element: np.dtype[Any]) -> bool:
        """Whether the last pass writes to a target of such elements itself."""
        return self.destination(np.empty(1, element)) is not None

    @abstractmethod
    def load(self, block: Array) -> Array:
        """Return a C-contiguous block of ``dtype``; the block itself where it already is one."""

    @abstractmethod
    def destination(self, target: Array) -> Array | None:
        """Return a view of ``target`` that a pass can write to, or None if store must convert."""

    @abstractmethod
    def store(self, block: Array, target: Array) -> int:
        """Convert into ``target``'s dtype; return how many values did not fit."""

    @abstractmethod
    def apply(
        self,
        work: Array,
        plans: Plans,
        destination: Array | None = None,
        planes: Array | None = None,
    ) -> Array:
        """Return ``work`` (items, *spatial, channels) with every plan applied.

        The last pass writes to ``destination`` if there is one; then that is what is returned. What
        is returned otherwise is scratch, or ``work`` where no axis has a plan. ``planes`` are those
        of the slowest axis that are wanted, which has no plan then.
        """

    @abstractmethod
    def split(self, plans: Plans) -> tuple[Plans, Plans]:
        """Return what of ``plans`` passes a plane alone, and what passes planes together then."""

    def between(self, plans: Plans, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:  # noqa: ARG002
        """Yield the spatial shapes that ``shape`` has between one pass and the next."""
        yield from ()

    def strip(self, plans: Plans, item: Array, target: Array) -> Strip | None:  # noqa: ARG002
        """Return what resamples an item into a target of its dtype by one kernel; None if none can.

        Nothing between the axes leaves the cache then.
        """
        return None


class Separable(Arithmetic):
    """An arithmetic that passes one axis after the other, from the fastest to the slowest."""

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

    def apply(
        self,
        work: Array,
        plans: Plans,
        destination: Array | None = None,
        planes: Array | None = None,
    ) -> Array:
        plans = list(plans)
        to_do = _planned(plans)
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
            target = destination if is_last else scratch(f"pass {index}", shape, self.dtype)
            assert target is not None
            if is_long:
                blocks = target.reshape(-1, plan.size_out, row)
                self.across(work.reshape(-1, size_in, row), plan, blocks)
            else:
                rows = target.reshape(picked.size, -1)
                self.along(work.reshape(-1, size_in * row), picked.reshape(-1), plan, row, rows)
            work = target
        return work if planes is None else work[:, planes]

    def split(self, plans: Plans) -> tuple[Plans, Plans]:
        return [None, *plans[1:]], [plans[0], *[None] * len(plans[1:])]

    def between(self, plans: Plans, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        sizes = list(shape)
        for index in _planned(plans)[:0:-1]:
            plan = plans[index]
            assert plan is not None
            sizes[index] = plan.size_out
            yield tuple(sizes)


class Joint(Arithmetic):
    """An arithmetic that takes all axes at once, and so needs their voxels as they came."""

    is_bare = True

    @abstractmethod
    def sample(self, source: Array, plans: Plans, target: Array) -> None:
        """Fill ``target`` from ``source``, both (items, *spatial, channels), by a plan per axis."""

    def apply(
        self,
        work: Array,
        plans: Plans,
        destination: Array | None = None,
        planes: Array | None = None,
    ) -> Array:
        if not _planned(plans):
            return work if planes is None else work[:, planes]
        shape = (len(work), *planned_shape(plans, work.shape[1:-1]), work.shape[-1])
        target = scratch("sampled", shape, self.dtype) if destination is None else destination
        self.sample(work, plans, target)
        return target

    def split(self, plans: Plans) -> tuple[Plans, Plans]:
        return [None] * len(plans), plans


def planned_shape(plans: Plans, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the spatial shape that ``shape`` becomes by a plan per axis."""
    return tuple(
        size if plan is None else plan.size_out for plan, size in zip(plans, shape, strict=True)
    )


def _planned(plans: Plans) -> list[int]:
    return [index for index, plan in enumerate(plans) if plan is not None]


def _around(shape: tuple[int, ...], index: int) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """Split a shape (items, *spatial, channels) around spatial axis ``index``."""
    return shape[: index + 1], shape[index + 1], shape[index + 2 :]
