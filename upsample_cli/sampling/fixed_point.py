"""Weights as whole numbers, the way PyTorch's uint8 image kernels round them."""

from collections.abc import Sequence

import numpy as np

from upsample_cli.sampling.axis import AxisPlan

LARGEST_PRECISION = 22
WEIGHT_BITS = 15


def to_fixed_point(plan: AxisPlan, tap_order: Sequence[int] = ()) -> AxisPlan:
    """Return a float64 plan with int32 weights and its precision in bits.

    The precision is the largest at which every weight fits in 16 signed bits, one for the whole
    axis. Taps that the border has made equal are summed before they are rounded, from left to
    right, and the sums on the way count for the precision too: PyTorch 2.13 takes the maximum as
    it adds. At the last voxel that is before the far tap, being negative, makes the sum smaller.

    ``tap_order`` are the places of the plan's taps, from left to right, as in ``modes.Mode``; none
    for a filter, whose taps are in order and none equal.
    """
    first = plan.taps.min(axis=0)
    merged = np.zeros(plan.weights.shape)
    largest = 0.0
    # Of taps or outputs the fewer are walked through; an output's sum has one order either way.
    if plan.width <= plan.size_out or tap_order:
        outputs = np.arange(plan.size_out)
        for k in np.argsort(tap_order) if tap_order else range(plan.width):
            places = plan.taps[k] - first, outputs
            merged[places] += plan.weights[k]
            largest = max(largest, float(merged[places].max()))
    else:
        for n in range(plan.size_out):
            np.add.at(merged[:, n], plan.taps[:, n] - first[n], plan.weights[:, n])
        largest = float(merged.max())
    precision = next(
        (
            bits
            for bits in range(LARGEST_PRECISION)
            if int(0.5 + largest * 2 ** (bits + 1)) >= 2**WEIGHT_BITS
        ),
        LARGEST_PRECISION,
    )
    away_from_zero = np.copysign(0.5, merged)
    weights = np.trunc(merged * 2**precision + away_from_zero).astype(np.int32)
    counts = plan.taps.max(axis=0) - first + 1
    offsets = np.minimum(np.arange(plan.width)[:, np.newaxis], counts - 1)
    return AxisPlan(first + offsets, weights, counts, precision)
