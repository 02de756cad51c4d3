"""All axes of an item in memory by one kernel, so that nothing between them leaves the cache."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels import copying, separable
from upsample_cli.passes.arithmetic import Copying, Floating, Joint
from upsample_cli.passes.elements import as_real
from upsample_cli.passes.resampler import LONG_ROW, Resampler
from upsample_cli.resources.scratch import scratch

Array = NDArray[Any]
Strip = Callable[[Resampler, Array, Array, int, int], None]


def fused(resampler: Resampler, item: Array, target: Array) -> Strip | None:
    """Return what resamples an item into outputs [lo, hi) of its slowest axis; None if nothing can.

    The function takes the resampler, the item (*shape_in, channels), the part of the target, lo
    and hi. No value may need a conversion.
    """
    arithmetic, plans = resampler.arithmetic, resampler.plans
    if item.dtype != target.dtype:
        return None
    if isinstance(arithmetic, Copying) and len(plans) > 1:
        return _copied
    if isinstance(arithmetic, Joint):
        return _sampled
    is_sum = isinstance(arithmetic, Floating) and as_real(target).dtype == arithmetic.dtype
    if not is_sum or len(plans) != 3 or None in plans:
        return None
    channels = item.shape[-1] * arithmetic.lanes(item.dtype)
    return _summed if channels < LONG_ROW <= channels * resampler.shape_out[-1] else None


def _copied(resampler: Resampler, item: Array, target: Array, lo: int, hi: int) -> None:
    arithmetic = resampler.arithmetic
    assert isinstance(arithmetic, Copying)
    source, output = arithmetic.load(item), target.view(arithmetic.dtype)
    outer, *rest = [
        np.arange(size) if plan is None else plan.taps[0]
        for plan, size in zip(resampler.plans, resampler.shape_in, strict=True)
    ]
    if len(rest) == 1:  # an image is a volume of one plane
        source, output = source[np.newaxis], output[np.newaxis]
        planes, rows = np.zeros(1, np.int64), outer[lo:hi]
    else:
        planes, rows = outer[lo:hi], rest[0]
    kind, values = arithmetic.within_rows(resampler.plans[-1], source.shape[2], source.shape[3])
    copying.planes(
        source.reshape(*source.shape[:2], -1),
        planes,
        rows,
        values,
        kind,
        output.reshape(*output.shape[:2], -1),
    )


def _sampled(resampler: Resampler, item: Array, target: Array, lo: int, hi: int) -> None:
    resampler.slab(item, lo, hi, target)


def _summed(resampler: Resampler, item: Array, target: Array, lo: int, hi: int) -> None:
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
        *arithmetic.rows(along, source.shape[2], channels, len(used_rows)),
        (inner.taps, inner.weights, inner.counts, inner.rounded),
        (outer.taps, outer.weights, outer.counts, outer.rounded),
        scratch("passed", (len(used_rows), output.shape[2]), arithmetic.dtype),
        scratch("ring", (output.shape[1], room, output.shape[2]), arithmetic.dtype),
        output,
    )
