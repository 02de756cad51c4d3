"""Grids that lie oblique to each other: every sample by itself, from a window of input planes.

A window reaches from the first plane that any later output reads to the last that this one reads.
Where the output's planes run along the input's, that is a few planes; across them, up to all.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels import direct
from upsample_cli.passes.arithmetic import choose_arithmetic
from upsample_cli.passes.mapped import MappedResampler, Planes, fill_of
from upsample_cli.passes.scratch import scratch
from upsample_cli.passes.streaming import CHUNK_BYTES, FEW_PLANES
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.mapping import VoxelMap
from upsample_cli.sampling.modes import Method
from upsample_cli.threads import run_all

Array = NDArray[Any]

SHARES_PER_THREAD = 4
"""Rows that lie outside cost nothing; a thread that gets them is ready for others early."""


@dataclass(frozen=True)
class Sampler:
    """How a mode samples places that lie along no axis.

    ``kernel`` is one of ``kernels.direct``; ``reach`` is how many voxels it reads on either side of
    a sample, along each axis.
    """

    kernel: Callable[..., None]
    reach: int


SAMPLERS: dict[str, Sampler] = {
    "nearest-exact": Sampler(direct.nearest, 1),
    "linear": Sampler(direct.linear, 1),
    "cubic": Sampler(direct.cubic, 2),
}
"""Mode → how it samples; these are the modes that can go from any grid onto any other."""


class DirectResampler(MappedResampler):
    """Samples any grid, a slab of output planes at a time.

    Parameters
    ----------
    mapping
        Where each output voxel lies.
    method
        One of a mode in SAMPLERS, without switches.
    dtype_in, dtype_out
        Native dtypes.
    fill
        The stored value of what lies outside.
    """

    def __init__(
        self,
        mapping: VoxelMap,
        method: Method,
        dtype_in: np.dtype[Any],
        dtype_out: np.dtype[Any],
        fill: float = 0,
    ) -> None:
        self.mapping = mapping
        self.shape_in, self.shape_out = mapping.shape_in[::-1], mapping.shape_out[::-1]
        self.dtype_in, self.dtype_out = dtype_in, dtype_out
        axes = [AxisMap.copied(size) for size in self.shape_in]
        self.arithmetic = choose_arithmetic(axes, method, dtype_in, dtype_out)
        self.sampler = SAMPLERS[method.mode.name]
        self.fill = fill
        self.holds_item = bool(mapping.matrix[2, 2] < 0)

    def stream(self, source: Planes, channels: int, threads: int) -> Iterator[tuple[Array, int]]:
        """Resample the next item."""
        lanes = fill_of(self.arithmetic, self.dtype_in, self.fill, channels).size
        window = np.empty((0, *self.shape_in[1:], lanes), self.arithmetic.dtype)
        origin = 0
        for (lo, hi), (first, last) in self._windows(channels, threads):
            window = self._moved(window, origin, (first, last), source)
            origin = first
            slab = np.empty((hi - lo, *self.shape_out[1:], channels), self.dtype_out)
            yield slab, self._sample(window, origin, lo, slab, threads)
        source.skip(self.shape_in[0] - origin - len(window))

    def working_bytes(self, channels: int, threads: int) -> int:
        """Return an estimate of the memory that one item needs."""
        plane = math.prod(self.shape_in[1:]) * channels * self.arithmetic.lanes(self.dtype_in)
        most = max(last - first for _, (first, last) in self._windows(channels, threads))
        slab = self._slab_planes(channels, threads) * self._plane_bytes(channels)
        # A window is copied into the next.
        return 2 * most * plane * self.arithmetic.dtype.itemsize + 2 * slab

    def _plane_bytes(self, channels: int) -> int:
        return math.prod(self.shape_out[1:]) * channels * self.dtype_out.itemsize

    def _slab_planes(self, channels: int, threads: int) -> int:
        least = min(threads, FEW_PLANES)
        most = max(least, CHUNK_BYTES // self._plane_bytes(channels))
        return min(most, self.shape_out[0])

    def _windows(
        self, channels: int, threads: int
    ) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Return the slabs [lo, hi), each with the input planes [first, last) to be held for it."""
        size, depth = self._slab_planes(channels, threads), self.shape_out[0]
        slabs = [(lo, min(lo + size, depth)) for lo in range(0, depth, size)]
        reads = [self.mapping.planes(*slab, self.sampler.reach) for slab in slabs]
        lasts = list(accumulate((last for _, last in reads), max))
        # What reads nothing keeps nothing.
        kept = [first if last else self.shape_in[0] for first, last in reversed(reads)]
        firsts = list(accumulate(kept, min))[::-1]
        held = [(min(first, last), last) for first, last in zip(firsts, lasts, strict=True)]
        return list(zip(slabs, held, strict=True))

    def _moved(self, window: Array, origin: int, planes: tuple[int, int], source: Planes) -> Array:
        """Return the window of planes [first, last), after that from ``origin`` on."""
        first, last = planes
        arrived = origin + len(window)
        if (first, last) == (origin, arrived):
            return window
        moved = np.empty((last - first, *window.shape[1:]), window.dtype)
        kept = window[first - origin :]
        moved[: len(kept)] = kept
        source.skip(max(0, first - arrived))
        at_once = max(1, CHUNK_BYTES // max(1, moved[:1].nbytes))
        for begin in range(max(first, arrived), last, at_once):
            end = min(begin + at_once, last)
            moved[begin - first : end - first] = self.arithmetic.load(source.read(end - begin))
        return moved

    def _sample(self, window: Array, origin: int, lo: int, slab: Array, threads: int) -> int:
        """Fill the output planes from ``lo`` on; return how many values did not fit."""
        rows = slab.reshape(-1, math.prod(slab.shape[2:]))
        shares = min(len(rows), threads * SHARES_PER_THREAD) if threads > 1 else 1
        edges = [len(rows) * share // shares for share in range(shares + 1)]
        frame = (origin, *self.shape_in)
        tasks = [
            partial(
                self._sample_rows,
                window.reshape(-1),
                frame,
                lo * self.shape_out[1] + begin,
                rows[begin:end],
                slab.shape[3],
            )
            for begin, end in pairwise(edges)
        ]
        return sum(run_all(tasks, threads))

    def _sample_rows(
        self, window: Array, frame: tuple[int, ...], first: int, rows: Array, channels: int
    ) -> int:
        fills = fill_of(self.arithmetic, self.dtype_in, self.fill, channels)
        destination = self.arithmetic.destination(rows)
        target = destination
        if target is None:
            shape = (len(rows), self.shape_out[2] * fills.size)
            target = scratch("sampled", shape, self.arithmetic.dtype)
        matrix = np.ascontiguousarray(self.mapping.matrix[:3])
        self.sampler.kernel(window, frame, matrix, fills, first, self.shape_out[1], target)
        return 0 if destination is not None else self.arithmetic.store(target, rows)
