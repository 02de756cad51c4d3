"""The arithmetic of the nearest modes: nothing is computed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels import copying
from upsample_cli.passes.arithmetic import Plans, Separable, Strip
from upsample_cli.passes.elements import store
from upsample_cli.sampling.axis import AxisPlan
from upsample_cli.sampling.modes import Method
from upsample_cli.sampling.rows import PhasePlan, plan_rows

Array = NDArray[Any]


class Copying(Separable):
    """The nearest modes: elements of any dtype move as bits."""

    description = "nothing: values are copied"
    is_bare = True

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

    def strip(self, plans: Plans, item: Array, target: Array) -> Strip | None:  # noqa: ARG002
        return self._copy_planes if len(plans) > 1 else None

    def _copy_planes(self, plans: Plans, item: Array, target: Array, lo: int, hi: int) -> None:
        source, output = self.load(item), target.view(self.dtype)
        outer, *rest = [
            np.arange(size) if plan is None else plan.taps[0]
            for plan, size in zip(plans, item.shape[:-1], strict=True)
        ]
        if len(rest) == 1:  # an image is a volume of one plane
            source, output = source[np.newaxis], output[np.newaxis]
            planes, rows = np.zeros(1, np.int64), outer[lo:hi]
        else:
            planes, rows = outer[lo:hi], rest[0]
        kind, values = self.within_rows(plans[-1], source.shape[2], source.shape[3])
        copying.planes(
            source.reshape(*source.shape[:2], -1),
            planes,
            rows,
            values,
            kind,
            output.reshape(*output.shape[:2], -1),
        )
