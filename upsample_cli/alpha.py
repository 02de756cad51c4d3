"""Colours weighted by their opacity, so that what is transparent does not bleed into an edge."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.resampler import Resampler
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.modes import Method
from upsample_cli.threads import run_all

Array = NDArray[Any]

SLAB_ROWS = 64


def weigh_colours(
    pixels: Array, output: Array, axes: Sequence[AxisMap], method: Method, threads: int
) -> None:
    """Replace the colours of a resampled image by their mean weighted with weight times alpha.

    Parameters
    ----------
    pixels
        The input, uint8 (height, width, channels), alpha last.
    output
        The image as resampled channel by channel, changed in place. Alpha stays; so do the
        colours of pixels that are fully transparent, which have no weighted mean.
    axes
        Maps of y and x.
    method
        Mode and switches.
    threads
        How many threads share the work.
    """
    if pixels[..., -1].min() == 255:
        return
    resampler = Resampler(axes, method, np.float32)
    tasks = [
        partial(_weigh_rows, resampler, pixels, lo, output[lo : lo + SLAB_ROWS])
        for lo in range(0, len(output), SLAB_ROWS)
    ]
    run_all(tasks, threads)


def _weigh_rows(resampler: Resampler, pixels: Array, lo: int, output: Array) -> int:
    first, last, plans = resampler.window(lo, lo + len(output))
    weighted = pixels[first:last].astype(np.float32)
    weighted[..., :-1] *= weighted[..., -1:]
    result = np.empty((1, *output.shape), np.float32)
    resampler.run(weighted[np.newaxis], plans, result)
    visible = output[..., -1:] > 0
    alpha = np.where(visible, np.maximum(result[0, ..., -1:], 0.5), 1)
    colours = np.clip(np.rint(result[0, ..., :-1] / alpha), 0, 255).astype(np.uint8)
    np.copyto(output[..., :-1], colours, where=visible)
    return 0
