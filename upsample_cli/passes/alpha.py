"""Colours weighted by their opacity, so that what is transparent does not bleed into an edge."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.passes.arithmetic import Plans
from upsample_cli.passes.resampler import Resampler, pass_elements
from upsample_cli.resources.threads import run_all
from upsample_cli.sampling.axis import AxisMap, AxisPlan
from upsample_cli.sampling.modes import Method

Array = NDArray[Any]

SLAB_ROWS = 64
SURE_ALPHA = 16 / 255
"""Where negative weights leave a smaller share of full alpha than this, dividing by it would
magnify their ringing."""
COUNT_BYTES = 10
"""An int32 that counts, the mask that it counts, and the mask turned."""
EXACT_FLOAT = {np.dtype("uint8"): np.float32, np.dtype("uint16"): np.float64}
"""What holds a colour times an alpha."""


def weigh_colours(
    pixels: Array, output: Array, axes: Sequence[AxisMap], method: Method, threads: int
) -> None:
    """Weigh the colours of a resampled image by alpha, wherever an input pixel is not opaque.

    Parameters
    ----------
    pixels
        The input, uint8 or uint16 (height, width, channels), alpha last.
    output
        The image as resampled channel by channel, of the same dtype, changed in place: the colours
        of pixels that have a tap which is not opaque become the mean weighted with weight times
        alpha. Alpha stays as it is, and so do colours that are fully transparent, which have no
        such mean.
    axes
        Maps of y and x.
    method
        Mode and switches.
    threads
        How many threads share the work.
    """
    if pixels[..., -1].min() == np.iinfo(pixels.dtype).max:
        return
    resampler = Resampler(axes, method, EXACT_FLOAT[pixels.dtype])
    tasks = [
        partial(_weigh_rows, resampler, pixels, lo, output[lo : lo + SLAB_ROWS])
        for lo in range(0, len(output), SLAB_ROWS)
    ]
    run_all(tasks, threads)


def weighing_bytes(
    axes: Sequence[AxisMap], method: Method, dtype: np.dtype[Any], channels: int, threads: int
) -> int:
    """Return the memory that ``weigh_colours`` needs for pixels of a dtype."""
    resampler = Resampler(axes, method, EXACT_FLOAT[dtype])
    (size_in, width_in), (size_out, width) = resampler.shape_in, resampler.shape_out
    rows = min(SLAB_ROWS, size_out)
    outer = resampler.plans[0]
    rows_in = min(size_in, rows * size_in // size_out + (0 if outer is None else outer.width))
    pixel = channels * resampler.dtype_in.itemsize
    # Which pixels are not opaque is counted before they are weighted, and passed.
    passed = pass_elements(resampler, resampler.plans) * resampler.arithmetic.dtype.itemsize
    read = rows_in * (width_in * max(pixel, COUNT_BYTES) + passed * channels)
    # The result, the colours divided, once more by absolute weights, and where they go.
    made = rows * width * (4 * pixel + COUNT_BYTES)
    return min(threads, -(-size_out // SLAB_ROWS)) * (read + made)


def _weigh_rows(resampler: Resampler, pixels: Array, lo: int, output: Array) -> int:
    opaque = np.iinfo(pixels.dtype).max
    first, last, plans = resampler.part(lo, lo + len(output))
    touched = _has_tap(pixels[first:last, :, -1] < opaque, plans) & (output[..., -1] > 0)
    if not touched.any():
        return 0
    weighted = pixels[np.newaxis, first:last].astype(resampler.dtype_in)
    weighted[..., :-1] *= weighted[..., -1:]
    alpha, colours = _weighted_mean(resampler, weighted, plans, output.shape)
    if any(plan is not None and plan.weights.min() < 0 for plan in plans):
        # Negative weights can cancel the alpha; their absolute values cannot.
        positive: Plans = [
            None if plan is None else replace(plan, weights=np.abs(plan.weights)) for plan in plans
        ]
        surely, positive_colours = _weighted_mean(resampler, weighted, positive, output.shape)
        is_unsure = (alpha < SURE_ALPHA * opaque) & (surely > 0)
        colours[is_unsure] = positive_colours[is_unsure]
        alpha = np.maximum(alpha, surely)
    touched &= alpha > 0
    output[touched, :-1] = np.clip(np.rint(colours[touched]), 0, opaque)
    return 0


def _weighted_mean(
    resampler: Resampler, weighted: Array, plans: Plans, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Return the resampled alpha (rows, width), and the colours divided by it."""
    result = np.empty((1, *shape), weighted.dtype)
    resampler.run(weighted, plans, result)
    alpha = result[0, ..., -1]
    divisor = np.where(alpha == 0, 1, alpha)[..., np.newaxis]
    return alpha, result[0, ..., :-1] / divisor


def _has_tap(mask: Array, plans: Plans) -> Array:
    """Tell which output pixels have a tap that the mask has set: bool (rows, width)."""
    for axis, plan in ((1, plans[1]), (0, plans[0])):
        if plan is not None:
            mask = _any_tap(np.moveaxis(mask, axis, 0), plan)
            mask = np.moveaxis(mask, 0, axis)
    return np.ascontiguousarray(mask)


def _any_tap(mask: Array, plan: AxisPlan) -> Array:
    """Tell for each output of the first axis whether an input from its first to last tap is set."""
    counts = np.zeros((len(mask) + 1, *mask.shape[1:]), np.int32)
    np.cumsum(mask, axis=0, out=counts[1:])
    return counts[plan.taps.max(axis=0) + 1] > counts[plan.taps.min(axis=0)]
