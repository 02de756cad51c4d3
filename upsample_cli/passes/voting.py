"""The arithmetic of label maps: labels are elected, none is mixed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels import labels
from upsample_cli.passes.arithmetic import Joint, Plans
from upsample_cli.passes.elements import store
from upsample_cli.resources.scratch import scratch
from upsample_cli.sampling.axis import AxisMap, AxisPlan, copying_plan, nearest_first
from upsample_cli.sampling.modes import Method
from upsample_cli.sampling.rows import PhasePlan, plan_rows

Array = NDArray[Any]


class Labelling(Joint):
    """Label maps: the label wins on which most weight falls, over the taps of all axes at once."""

    description = "votes, weighed in float64: labels are copied"

    def __init__(self, method: Method, element: Any) -> None:
        super().__init__(method, np.float64)
        self.element = np.dtype(element)
        self.dtype = np.dtype(f"u{self.element.itemsize}")
        is_signed = self.element.kind == "i"
        self.sign = self.dtype.type(1 << (8 * self.dtype.itemsize - 1) if is_signed else 0)
        self.kernel_arguments = (self.sign,)

    def plan(self, axis: AxisMap) -> AxisPlan:
        return nearest_first(super().plan(axis), axis)

    def load(self, block: Array) -> Array:
        return np.ascontiguousarray(block, self.element).view(self.dtype)

    def sample(self, source: Array, plans: Plans, target: Array) -> None:
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
