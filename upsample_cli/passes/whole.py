"""Whole arrays in memory, in strips on threads."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from upsample_cli.passes.resampler import Resampler, pass_elements
from upsample_cli.passes.ring import PlaneRing, span
from upsample_cli.resources.threads import run_all

Array = NDArray[Any]

SLAB_BYTES = 4 * 2**20
"""The size at which a slab of output pays for its overhead and still fits in a cache."""

LEAST_BYTES = 2**18
"""What is smaller is done before a second thread has begun."""

STRIPS_PER_THREAD = 2
"""Enough for a thread that is held up to leave work to the others."""


def resample_array(
    resampler: Resampler, source: Array, target: Array, threads: int, begin: int = 0
) -> int:
    """Resample an array in memory: (items, *shape_in, channels) into ``target``.

    ``begin`` is the number of the first item, as ``Resampler.runs`` counts.
    Small items go to the threads in groups, large ones in strips; the bits are the same.
    Return how many values did not fit the output dtype and were saturated.
    """
    if not target.size:
        return 0
    item_bytes = max(source[0].nbytes, target[0].nbytes)
    tasks: list[Callable[[], int]] = []
    if item_bytes <= SLAB_BYTES and (len(source) >= threads or item_bytes <= LEAST_BYTES):
        per_task = min(SLAB_BYTES // item_bytes, -(-len(source) // threads))
        for lo in range(0, len(source), per_task):
            part = slice(lo, lo + per_task)
            tasks.append(partial(_items, resampler, source[part], target[part], begin + lo))
    else:
        size = resampler.shape_out[0]
        slab = max(1, SLAB_BYTES * size // target[0].nbytes)
        tasks_wanted = threads * STRIPS_PER_THREAD if threads > 1 else 1
        strips = min(-(-tasks_wanted // len(source)), -(-item_bytes // LEAST_BYTES), size)
        edges = [size * n // strips for n in range(strips + 1)]
        for number, (item, out) in enumerate(zip(source, target, strict=True), start=begin):
            of_item = resampler.of_item(number)
            for outputs in pairwise(edges):
                tasks.append(partial(_strip, of_item, item, out, outputs, slab))
    return sum(run_all(tasks, threads))


def strip_bytes(resampler: Resampler, items: int, channels: int, threads: int) -> int:
    """Return the memory that ``resample_array`` needs beside its source and its target."""
    arithmetic = resampler.arithmetic
    value = channels * arithmetic.lanes(resampler.dtype_in) * arithmetic.dtype.itemsize
    item_in = math.prod(resampler.shape_in) * channels * resampler.dtype_in.itemsize
    item_out = math.prod(resampler.shape_out) * channels * resampler.dtype_out.itemsize
    if resampler.is_bare:
        return 0
    size_in, size_out = resampler.shape_in[0], resampler.shape_out[0]
    if max(item_in, item_out) <= SLAB_BYTES:
        rows_in, rows_out, count = size_in, size_out, min(items, SLAB_BYTES // max(item_in, 1))
        count = max(1, min(count, -(-items // threads)))
    else:
        strips = threads * STRIPS_PER_THREAD if threads > 1 else 1
        rows_out = min(max(1, SLAB_BYTES * size_out // item_out), -(-size_out // strips))
        outer = resampler.plans[0]
        reach = 0 if outer is None else outer.width
        rows_in, count = min(size_in, rows_out * size_in // size_out + reach), 1
    # What waits for the slowest axis, and what lies before it and after it.
    waiting = 0 if resampler.plans[0] is None else math.prod(resampler.waiting_shape)
    before = pass_elements(resampler, resampler.plans)
    is_stored = not arithmetic.stores_as_is(resampler.dtype_out)
    after = is_stored * math.prod(resampler.shape_out[1:])
    return threads * count * value * (rows_in * (waiting + before) + rows_out * after)


def _items(resampler: Resampler, source: Array, target: Array, begin: int) -> int:
    """Resample whole items, of which the first has the number ``begin``."""
    misfits = 0
    for lo, hi, of_run in resampler.runs(begin, begin + len(source)):
        run = slice(lo - begin, hi - begin)
        misfits += of_run.items(source[run], target[run])
    return misfits


def _strip(
    resampler: Resampler, item: Array, target: Array, outputs: tuple[int, int], slab: int
) -> int:
    """Resample one item into the outputs [lo, hi) of its slowest axis, slab by slab."""
    begin, end = outputs
    if item.dtype == target.dtype:
        strip = resampler.arithmetic.strip(resampler.plans, item, target)
        if strip is not None:
            strip(resampler.plans, item, target[begin:end], begin, end)
            return 0
    slab = end - begin if resampler.is_bare else slab
    slabs = [(lo, min(lo + slab, end)) for lo in range(begin, end, slab)]
    if resampler.plans[0] is None or all(plan is None for plan in resampler.plans_of_planes):
        return sum(resampler.slab(item, lo, hi, target[lo:hi]) for lo, hi in slabs)
    ring = PlaneRing(resampler, item.shape[-1], span(resampler, slabs), is_own=True)
    misfits, filled = 0, 0
    for lo, hi in slabs:
        first, last = ring.needed(lo, hi)
        ring.fill(item, 0, max(first, filled), last)
        filled = max(last, filled)
        misfits += ring.slab(lo, hi, target[lo:hi])
    return misfits
