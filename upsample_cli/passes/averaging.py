"""The area mode of floats in one and two dimensions, whole window by whole window."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels.averaging import average
from upsample_cli.passes.arithmetic import Floating, Joint
from upsample_cli.sampling.axis import AxisMap, AxisPlan, copying_plan
from upsample_cli.sampling.modes import Method

Array = NDArray[Any]


def averages_windows(axes: Sequence[AxisMap], method: Method, element: np.dtype[Any]) -> bool:
    """Whether PyTorch 2.13 sums such windows in C order, in float32 or float64.

    That is ``adaptive_avg_pool2d``, which the 1-D case is as well. It takes floats alone, and one
    mean of everything is ``Tensor.mean`` there, which sums in an order of its own.
    """
    if not method.mode.averages or element.kind != "f" or len(axes) > 2:
        return False
    return any(axis.size_out > 1 for axis in axes)


class Averaging(Joint):
    """Means over windows, which end in the last bit otherwise than a mean along x, then y."""

    def __init__(self, method: Method, element: np.dtype[Any]) -> None:
        float_type = np.float64 if element == np.float64 else np.float32
        super().__init__(method, float_type)
        self.values = Floating(method, float_type, float_type)
        self.dtype = self.values.dtype
        self.description = self.values.description

    def keeps(self, axis: AxisMap) -> bool:  # noqa: ARG002
        """No axis is left out: one voxel is a window as well."""
        return False

    def load(self, block: Array) -> Array:
        return self.values.load(block)

    def sample(self, source: Array, plans: Sequence[AxisPlan | None], target: Array) -> None:
        *outer, columns = plans
        rows = outer[0] if outer else copying_plan(1)
        assert rows is not None
        assert columns is not None
        source, target = (_as_images(block) for block in (source, target))
        average(
            source.reshape(*source.shape[:2], -1),
            (rows.taps, rows.counts),
            _of_values(columns, source.shape[-1], self.dtype),
            int(columns.counts.min()),
            target.reshape(*target.shape[:2], -1),
        )

    def destination(self, target: Array) -> Array | None:
        return self.values.destination(target)

    def store(self, block: Array, target: Array) -> int:
        return self.values.store(block, target)


def _as_images(block: Array) -> Array:
    return block if block.ndim == 4 else block[:, np.newaxis]


def _of_values(
    columns: AxisPlan, channels: int, dtype: np.dtype[Any]
) -> tuple[Array, Array, Array]:
    """Return taps (width, values), counts, and counts as floats, of the values of a row."""
    key = "windows of values", channels
    if key not in columns.memo:
        taps = columns.taps[..., np.newaxis] * channels + np.arange(channels)
        counts = np.repeat(columns.counts, channels)
        values = taps.reshape(columns.width, -1).astype(np.uint32)
        columns.memo[key] = values, counts, counts.astype(dtype)
    return columns.memo[key]
