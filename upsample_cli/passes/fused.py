"""All passes of floats in memory by one kernel, plane by plane, so that none leaves the cache."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels import separable
from upsample_cli.passes.arithmetic import Floating, as_real
from upsample_cli.passes.resampler import LONG_ROW, Resampler
from upsample_cli.passes.scratch import scratch

Array = NDArray[Any]


def can_fuse(resampler: Resampler, item: Array, target: Array) -> bool:
    """Whether an item is a volume of which no value needs a conversion, and every axis a pass."""
    if len(resampler.plans) != 3 or None in resampler.plans:
        return False
    arithmetic = resampler.arithmetic
    is_converted = item.dtype != target.dtype or as_real(target).dtype != arithmetic.dtype
    if not isinstance(arithmetic, Floating) or is_converted:
        return False
    channels = item.shape[-1] * arithmetic.lanes(item.dtype)
    return channels < LONG_ROW <= channels * resampler.shape_out[-1]


def fused_strip(resampler: Resampler, item: Array, target: Array, lo: int, hi: int) -> int:
    """Resample a volume (*shape_in, channels) into the outputs [lo, hi) of its slowest axis."""
    arithmetic = resampler.arithmetic
    assert isinstance(arithmetic, Floating)
    outer, inner, along = resampler.plans
    assert outer is not None
    assert inner is not None
    assert along is not None
    source, output = as_real(item), as_real(target)
    channels = source.shape[-1]
    source = source.reshape(*source.shape[:2], -1)
    output = output.reshape(*output.shape[:2], -1)

    used_planes, outer = outer.compacted(source.shape[0])
    used_rows, inner = inner.compacted(source.shape[1])
    first, _ = outer.input_range(lo, hi)
    outer = outer.part(lo, hi).moved(first)
    room = int((outer.taps.max(axis=0) - outer.taps.min(axis=0)).max()) + 1
    separable.planes(
        source,
        used_planes[first:].astype(np.uint32),
        used_rows.astype(np.uint32),
        *arithmetic.rows(along, source.shape[2], channels),
        (inner.taps, inner.weights, inner.counts),
        (outer.taps, outer.weights, outer.counts),
        scratch("passed", (len(used_rows), output.shape[2]), arithmetic.dtype),
        scratch("ring", (output.shape[1], room, output.shape[2]), arithmetic.dtype),
        output,
    )
    return 0
