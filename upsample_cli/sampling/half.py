"""Weights of float16 data, which PyTorch keeps in float16."""

from dataclasses import replace

import numpy as np

from upsample_cli.sampling.axis import AxisPlan
from upsample_cli.sampling.modes import Mode


def with_half_weights(plan: AxisPlan, mode: Mode) -> AxisPlan:
    """Return an interpolating mode's plan with its float32 weights rounded to float16's values.

    Of two taps, PyTorch rounds the right one's weight and takes the left one's from the result.
    """
    weights = plan.weights.astype(np.float16)
    if len(mode.tap_order) == plan.width == 2:
        weights[mode.tap_order.index(0)] = 1 - weights[mode.tap_order.index(1)]
    return replace(plan, weights=weights.astype(plan.weights.dtype))
