"""A ring of planes that moves along the slowest axis, each passed along the faster ones once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.passes.resampler import Resampler
from upsample_cli.resources.scratch import scratch

Array = NDArray[Any]


class PlaneRing:
    """The planes that outputs need, in a ring: plane j lies at slot j % capacity.

    Planes are counted among those that any output reads, as in ``used``; the rest is never passed.

    Parameters
    ----------
    resampler
        The passes; the slowest axis is resampled.
    channels
        Interleaved values of an element.
    capacity
        How many planes there is room for: at least what any slab that will be asked for spans.
    is_own
        Whether one thread alone uses it; then its memory is kept for that thread's next ring.
    """

    def __init__(
        self, resampler: Resampler, channels: int, capacity: int, *, is_own: bool = False
    ) -> None:
        outer = resampler.plans[0]
        assert outer is not None
        self.resampler = resampler
        self.capacity = capacity
        self.used, plan = outer.compacted(resampler.shape_in[0])
        self.first, self.last = plan.taps.min(axis=0), plan.taps.max(axis=0)
        self.plan = plan.wrapped(capacity)
        lanes = resampler.arithmetic.lanes(resampler.dtype_in)
        shape = (1, capacity, *resampler.waiting_shape, channels * lanes)
        allocate = (lambda *a: scratch("ring", *a)) if is_own else np.empty
        self.slots: Array = allocate(shape, resampler.arithmetic.dtype)

    def fill(self, planes: Array, origin: int, lo: int, hi: int) -> None:
        """Pass the used planes [lo, hi) along the faster axes.

        planes : (planes, *shape_in[1:], channels), of which the first is input plane ``origin``
        """
        while lo < hi:
            # What crosses the end of the ring goes on at its start.
            slot = lo % self.capacity
            turn = min(hi, lo + self.capacity - slot)
            indices = self.used[lo:turn] - origin
            pass_planes(self.resampler, planes, indices, self.slots[:, slot : slot + turn - lo])
            lo = turn

    def slab(self, lo: int, hi: int, target: Array) -> int:
        """Weigh the planes into outputs [lo, hi); return how many values did not fit.

        target : (hi - lo, *shape_out[1:], channels) of the output's dtype
        """
        plans = [self.plan.part(lo, hi), *self.resampler.plans_of_ring[1:]]
        return self.resampler.run_loaded(self.slots, plans, target[np.newaxis])

    def needed(self, lo: int, hi: int) -> tuple[int, int]:
        """Return the used planes [first, last) that outputs [lo, hi) read."""
        return int(self.first[lo:hi].min()), int(self.last[lo:hi].max()) + 1


def pass_planes(
    resampler: Resampler, planes: Array, indices: NDArray[np.int64], target: Array
) -> None:
    """Pass some of the planes (planes, *shape_in[1:], channels) along the faster axes.

    indices : ascending (n,); target : (1, n, *waiting_shape, channels)
    """
    first = indices[0]
    run = planes[np.newaxis, first : indices[-1] + 1]
    wanted = None if len(indices) == run.shape[1] else indices - first
    work = resampler.arithmetic.load(run)
    result = resampler.arithmetic.apply(work, resampler.plans_of_planes, target, wanted)
    if result is not target:
        target[...] = result


def span(resampler: Resampler, slabs: Sequence[tuple[int, int]]) -> int:
    """Return the most used planes that one of the output slabs [lo, hi) reads."""
    outer = resampler.plans[0]
    assert outer is not None
    _, plan = outer.compacted(resampler.shape_in[0])
    taps = [plan.taps[:, lo:hi] for lo, hi in slabs]
    return max(int(t.max() - t.min()) + 1 for t in taps)
