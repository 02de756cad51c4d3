"""The arithmetics of small images, where PyTorch has other code: see ``sampling.small``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels import small
from upsample_cli.passes.arithmetic import Arithmetic, Plans
from upsample_cli.passes.copying import Copying
from upsample_cli.passes.sums import JointFloating
from upsample_cli.resources.scratch import scratch
from upsample_cli.sampling.axis import AxisMap, AxisPlan
from upsample_cli.sampling.modes import Method
from upsample_cli.sampling.small import (
    GROUP_ORDER,
    REST_ORDER,
    in_groups,
    is_small,
    keeps_size,
    plan_small_linear,
    plan_small_nearest,
)

Array = NDArray[Any]


class SmallCopying(Copying):
    """The nearest modes onto small images."""

    def __init__(self, method: Method, element: np.dtype[Any]) -> None:
        super().__init__(method, np.float32, element)

    def keeps(self, axis: AxisMap) -> bool:
        return keeps_size(axis, self.method)

    def plan(self, axis: AxisMap) -> AxisPlan:
        return plan_small_nearest(axis, self.method)


class SmallBlending(JointFloating):
    """Bilinear onto small images, in the order that PyTorch has for ``dtype`` and the channels.

    No axis is left out: an infinity times a weight of 0 is a part of the result.
    """

    def __init__(self, method: Method, element: np.dtype[Any], *, is_group: bool) -> None:
        super().__init__(method, element)
        self.description = f"{self.dtype.name}, as PyTorch does for small images"
        self.order = (GROUP_ORDER if is_group else REST_ORDER)[element.name]

    def plan(self, axis: AxisMap) -> AxisPlan:
        return plan_small_linear(axis, self.method, self.coordinate_type)

    def sample(self, source: Array, plans: Plans, target: Array) -> None:
        rows, columns = plans
        assert rows is not None
        assert columns is not None
        channels = source.shape[-1]
        values_out = columns.size_out * channels
        small.blend(
            source.reshape(*source.shape[:2], -1),
            (rows.taps, rows.weights),
            _of_values(columns, channels),
            self.order,
            scratch("lines", (2, 2, values_out), self.dtype),
            scratch("held", (2,), np.int64),
            target.reshape(*target.shape[:2], -1),
        )


def _of_values(columns: AxisPlan, channels: int) -> tuple[Array, Array]:
    """Return taps and weights (2, values) of the interleaved values of a row."""
    if channels == 1:
        return columns.taps, columns.weights
    key = "values", channels
    if key not in columns.memo:
        taps = columns.taps[..., np.newaxis] * channels + np.arange(channels)
        columns.memo[key] = taps.reshape(2, -1), np.repeat(columns.weights, channels, axis=1)
    return columns.memo[key]


@dataclass(frozen=True)
class Rest:
    """The channels that fill no whole group, from ``first`` on, and their arithmetic."""

    first: int
    arithmetic: Arithmetic


def choose_small(
    axes: Sequence[AxisMap],
    method: Method,
    general: Arithmetic,
    element: np.dtype[Any],
    channels: int,
) -> tuple[Arithmetic, Rest | None]:
    """Return the arithmetic for a tensor of such channels, and what the last ones need apart.

    That is ``general``, which takes images of any size, wherever PyTorch takes its general code.
    """
    if not is_small(axes, channels):
        return general, None
    if method.mode.copies:
        return SmallCopying(method, element), None
    if method.mode.name != "linear" or method.antialias or element.name not in GROUP_ORDER:
        return general, None
    first = in_groups(channels, element)
    rest = SmallBlending(method, element, is_group=False)
    if first == 0:
        return rest, None
    group = SmallBlending(method, element, is_group=True)
    return group, (Rest(first, rest) if first < channels else None)
