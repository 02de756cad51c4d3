"""The slowest axis, passed while its planes arrive: a ring of planes, never the volume.

Planes come in their order, and each is passed along the faster axes once. An output plane is
computed as soon as every plane that it reads has come.
"""

import math
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels.separable import accumulate
from upsample_cli.passes.resampler import Resampler, pass_elements
from upsample_cli.passes.ring import PlaneRing, pass_planes
from upsample_cli.resources.pieces import Pieces
from upsample_cli.resources.threads import run_all
from upsample_cli.sampling.axis import AxisPlan

Array = NDArray[Any]

CHUNK_BYTES = 8 * 2**20
"""The size of what is read, and of what is given, at once."""

FEW_PLANES = 4
"""Planes larger than a chunk are still taken by so many, to keep a few threads busy."""

RING_BYTES = 32 * 2**20
"""The largest ring of input planes; wider filters keep the sums of output planes instead."""


def stream_item(
    resampler: Resampler,
    chunks: Iterable[Array],
    threads: int,
    slab_planes: int,
    division: int = 1,
) -> Iterator[tuple[Array, int]]:
    """Resample one item from its chunks of planes; the bits are those of ``resample_array``.

    Parameters
    ----------
    resampler
        The passes.
    chunks
        Arrays (planes, *shape_in[1:], channels) that make up the item, in order; none larger
        than the first.
    threads
        How many threads share the work on a chunk.
    slab_planes
        The most output planes that are given at once.
    division
        That of the pieces.

    Yields
    ------
    Slabs (planes, *shape_out[1:], channels) in order, each with the number of values that did
    not fit the output dtype.
    """
    outer = resampler.plans[0]
    chunks = iter(chunks)
    first = next(chunks)
    chunks = chain([first], chunks)
    if outer is None:
        yield from _copied(resampler, chunks, threads)
    elif _is_wide(resampler, outer, first.shape[-1], division):
        yield from _summed(resampler, outer, chunks, threads)
    else:
        yield from _by_ring(resampler, outer, chunks, threads, slab_planes)


def ring_bytes(resampler: Resampler, channels: int, chunk_planes: int, division: int = 1) -> int:
    """Return the memory that the ring or the sums of one item need."""
    outer = resampler.plans[0]
    plane = _plane_bytes(resampler, channels)
    if outer is None:
        return 0
    if _is_wide(resampler, outer, channels, division):
        return plane * (_overlap(outer) + 1)
    return plane * (_reach(outer) + chunk_planes)


def stream_bytes(resampler: Resampler, channels: int, pieces: Pieces) -> int:
    """Return the memory that one item needs while it is streamed.

    That is two chunks and two slabs, as the one before is held while the next is made; the
    ring; and what lies between reading and the ring, and between the ring and a slab.
    """
    outer = resampler.plans[0]
    chunk, slab = planes_per_chunk(resampler, channels, pieces.threads, pieces.division)
    inner = pass_elements(resampler, resampler.plans_of_planes) * channels
    between = inner * resampler.arithmetic.lanes(resampler.dtype_in)
    loading = shared(chunk, pieces.threads) * between * resampler.arithmetic.dtype.itemsize
    plane_in = math.prod(resampler.shape_in[1:]) * channels * resampler.dtype_in.itemsize
    plane_out = math.prod(resampler.shape_out[1:]) * channels * resampler.dtype_out.itemsize
    ring = ring_bytes(resampler, channels, chunk, pieces.division)
    is_stored = not resampler.arithmetic.stores_as_is(resampler.dtype_out)
    storing = is_stored * _work_bytes(resampler, resampler.shape_out[1:], channels)
    if outer is None:
        slab, storing = chunk, storing * bool(between)
    elif _is_wide(resampler, outer, channels, pieces.division):
        slab, storing = 1, 0
        ring += chunk * _plane_bytes(resampler, channels)
    storing *= shared(slab, pieces.threads)
    return 2 * chunk * plane_in + loading + ring + storing + 2 * slab * plane_out


def shared(planes: int, threads: int) -> int:
    """Return how many planes there is room for when threads share them, each having its own."""
    count = max(1, min(threads, planes))
    return count * -(-planes // count)


def _copied(
    resampler: Resampler, chunks: Iterable[Array], threads: int
) -> Iterator[tuple[Array, int]]:
    for chunk in chunks:
        shape = (1, len(chunk), *resampler.shape_out[1:], chunk.shape[-1])
        planes, slab = chunk[np.newaxis], np.empty(shape, resampler.dtype_out)
        tasks = [
            partial(resampler.run, planes[:, lo:hi], resampler.plans, slab[:, lo:hi])
            for lo, hi in _shares(0, len(chunk), threads)
        ]
        yield slab[0], sum(run_all(tasks, threads))


def _by_ring(
    resampler: Resampler,
    outer: AxisPlan,
    chunks: Iterable[Array],
    threads: int,
    slab_planes: int,
) -> Iterator[tuple[Array, int]]:
    ring: PlaneRing | None = None
    arrived, filled, done = 0, 0, 0
    for chunk in chunks:
        if ring is None:
            ring = PlaneRing(resampler, chunk.shape[-1], len(chunk) + _reach(outer))
        ready = int(np.searchsorted(ring.used, arrived + len(chunk)))
        run_all(
            [
                partial(ring.fill, chunk, arrived, *share)
                for share in _shares(filled, ready, threads)
            ],
            threads,
        )
        arrived, filled = arrived + len(chunk), ready
        last_done = int(np.searchsorted(ring.last, filled))
        while done < last_done:
            hi = min(done + slab_planes, last_done)
            yield _outer_slab(ring, (done, hi), chunk.shape[-1], threads)
            done = hi


def _outer_slab(
    ring: PlaneRing, outputs: tuple[int, int], channels: int, threads: int
) -> tuple[Array, int]:
    begin, end = outputs
    resampler = ring.resampler
    slab = np.empty((end - begin, *resampler.shape_out[1:], channels), resampler.dtype_out)
    tasks = [
        partial(ring.slab, lo, hi, slab[lo - begin : hi - begin])
        for lo, hi in _shares(begin, end, threads)
    ]
    return slab, sum(run_all(tasks, threads))


def _summed(
    resampler: Resampler, outer: AxisPlan, chunks: Iterable[Array], threads: int
) -> Iterator[tuple[Array, int]]:
    first, last = outer.taps.min(axis=0), outer.taps.max(axis=0)
    rounded = outer.rounded.tolist()
    sums: dict[int, Array] = {}
    arrived, done = 0, 0
    for chunk in chunks:
        passed = _passed(resampler, chunk, threads)
        for index, plane in enumerate(passed[0], start=arrived):
            open_outputs = range(done, int(np.searchsorted(first, index, side="right")))
            for o in open_outputs:
                sums.setdefault(o, np.empty_like(plane))
            tasks = [
                partial(_add_tap, plane, outer, o, index - int(first[o]), rounded[o], sums[o])
                for o in open_outputs
            ]
            run_all(tasks, threads)
            while done < outer.size_out and last[done] == index:
                total = sums.pop(done)[np.newaxis, np.newaxis]
                slab = np.empty((1, *resampler.shape_out[1:], chunk.shape[-1]), resampler.dtype_out)
                yield slab, resampler.arithmetic.store(total, slab[np.newaxis])
                done += 1
        arrived += len(chunk)


def _add_tap(plane: Array, outer: AxisPlan, o: int, k: int, rounded: int, total: Array) -> None:
    accumulate(plane.reshape(-1), outer.weights[k, o], k, rounded, total.reshape(-1))


def _passed(resampler: Resampler, chunk: Array, threads: int) -> Array:
    """Return the planes of a chunk, passed along the faster axes."""
    lanes = resampler.arithmetic.lanes(resampler.dtype_in)
    shape = (1, len(chunk), *resampler.shape_out[1:], chunk.shape[-1] * lanes)
    passed = np.empty(shape, resampler.arithmetic.dtype)
    tasks = [
        partial(pass_planes, resampler, chunk, np.arange(lo, hi), passed[:, lo:hi])
        for lo, hi in _shares(0, len(chunk), threads)
    ]
    run_all(tasks, threads)
    return passed


def _shares(lo: int, hi: int, threads: int) -> list[tuple[int, int]]:
    """Split [lo, hi) into at most ``threads`` parts of nearly one size."""
    count = max(1, min(threads, hi - lo))
    edges = [lo + (hi - lo) * part // count for part in range(count + 1)]
    return list(pairwise(edges))


def _reach(outer: AxisPlan) -> int:
    """Return the most input planes that one output spans."""
    return int((outer.taps.max(axis=0) - outer.taps.min(axis=0)).max()) + 1


def _overlap(outer: AxisPlan) -> int:
    """Return the most outputs that one input plane is a tap of."""
    first, last = outer.taps.min(axis=0), outer.taps.max(axis=0)
    return int((np.searchsorted(first, last, side="right") - np.arange(outer.size_out)).max())


def _is_wide(resampler: Resampler, outer: AxisPlan, channels: int, division: int) -> bool:
    ring = _reach(outer) * _plane_bytes(resampler, channels) * division
    return resampler.arithmetic.sums_planes and outer.width > 4 and ring > RING_BYTES


def _plane_bytes(resampler: Resampler, channels: int) -> int:
    """Return the memory of a plane that waits."""
    return _work_bytes(resampler, resampler.waiting_shape, channels)


def _work_bytes(resampler: Resampler, shape: tuple[int, ...], channels: int) -> int:
    """Return the memory of so many elements in the arithmetic's dtype."""
    lanes = resampler.arithmetic.lanes(resampler.dtype_in) * channels
    return math.prod(shape) * lanes * resampler.arithmetic.dtype.itemsize


def planes_per_chunk(
    resampler: Resampler, channels: int, threads: int, division: int = 1
) -> tuple[int, int]:
    """Return how many input planes to read at once, and how many output planes to give at once.

    The memory that they take together does not grow with the number of threads.
    """
    chunk_bytes = CHUNK_BYTES // division
    work = _plane_bytes(resampler, channels)
    read = math.prod(resampler.shape_in[1:]) * channels * resampler.dtype_in.itemsize
    give = max(work, math.prod(resampler.shape_out[1:]) * channels * resampler.dtype_out.itemsize)
    ratio = resampler.shape_out[0] / resampler.shape_in[0]
    least = max(1, min(threads, FEW_PLANES) // division)
    chunk = max(least, int(chunk_bytes / max(work, read, give * ratio)))
    slab = max(least, chunk_bytes // give)
    return min(chunk, resampler.shape_in[0]), min(slab, resampler.shape_out[0])


def items_per_group(resampler: Resampler, channels: int, division: int = 1) -> int:
    """Return how many whole items to read at once: more than one only if they are small."""
    item_in = math.prod(resampler.shape_in) * resampler.dtype_in.itemsize
    item_work = _plane_bytes(resampler, channels) * resampler.shape_out[0]
    item_out = math.prod(resampler.shape_out) * resampler.dtype_out.itemsize
    return CHUNK_BYTES // division // max(item_in * channels, item_work, item_out * channels)
