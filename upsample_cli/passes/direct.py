"""Grids that lie oblique to each other: every sample by itself, from planes that are held.

The planes reach from the first plane that any later output reads to the last that this one reads.
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
from upsample_cli.passes.arithmetic import Arithmetic
from upsample_cli.passes.choosing import choose_arithmetic
from upsample_cli.passes.elements import as_real
from upsample_cli.passes.streamed import Planes, Streamed
from upsample_cli.passes.streaming import CHUNK_BYTES, FEW_PLANES
from upsample_cli.resources.pieces import Pieces
from upsample_cli.resources.scratch import scratch
from upsample_cli.resources.threads import run_all
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.mapping import VoxelMap
from upsample_cli.sampling.modes import Method

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
    "label": Sampler(direct.label, 1),
}
"""Mode → how it samples; these are the modes that can go from any grid onto any other."""


Plan = list[tuple[tuple[int, int], tuple[int, int]]]
"""The slabs of output planes, each with the input planes that are held for it; half-open."""


class HeldPlanes:
    """Input planes that slide along as they are read.

    Parameters
    ----------
    capacity
        How many there is room for.
    plane
        Shape of one, (height, width, channels).
    element
        The dtype that is read.
    arithmetic
        What loads them.

    Attributes
    ----------
    planes
        (capacity, height, width, lanes) of the arithmetic's dtype.
    origin, end
        Which plane lies first, and up to which they have been read.
    """

    def __init__(
        self,
        capacity: int,
        plane: tuple[int, ...],
        element: np.dtype[Any],
        arithmetic: Arithmetic,
    ) -> None:
        self.arithmetic = arithmetic
        lanes = plane[-1] * arithmetic.lanes(element)
        self.loads_as_read = arithmetic.loads_as_is(element)
        shape = (capacity, *plane[:-1], lanes)
        self.planes = np.empty(shape, arithmetic.dtype)
        self.as_read = self.planes.view(element) if self.loads_as_read else self.planes
        self.origin = self.end = 0

    def move(self, first: int, last: int, source: Planes, division: int = 1) -> None:
        """Hold planes [first, last) at least; neither is less than it was."""
        if self.end <= first:
            source.skip(first - self.end)
            self.origin = self.end = first
        if last - self.origin > len(self.planes):
            kept = self.planes[first - self.origin : self.end - self.origin]
            self.planes[: len(kept)] = kept
            self.origin = first
        at_once = max(1, CHUNK_BYTES // division // max(1, self.planes[:1].nbytes))
        while self.end < last:
            stop = min(self.end + at_once, last)
            room = slice(self.end - self.origin, stop - self.origin)
            if self.loads_as_read:
                source.read_into(self.as_read[room])
            else:
                self.planes[room] = self.arithmetic.load(source.read(stop - self.end))
            self.end = stop


def _capacity(plan: Plan) -> int:
    """Return the planes to have room for: as many again as are held, so that they seldom move."""
    most = max(last - first for _, (first, last) in plan)
    return min(2 * most, max(last for _, (_, last) in plan) - min(first for _, (first, _) in plan))


class DirectResampler(Streamed):
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
    items
        How many a source holds.
    """

    def __init__(
        self,
        mapping: VoxelMap,
        method: Method,
        dtype_in: np.dtype[Any],
        dtype_out: np.dtype[Any],
        fill: float = 0,
        items: int = 1,
    ) -> None:
        self.mapping = mapping
        self.shape_in, self.shape_out = mapping.shape_in[::-1], mapping.shape_out[::-1]
        self.dtype_in, self.dtype_out = dtype_in, dtype_out
        axes = [AxisMap.copied(size) for size in self.shape_in]
        self.arithmetic = choose_arithmetic(axes, method, dtype_in, dtype_out)
        self.sampler = SAMPLERS[method.mode.name]
        self.fill, self.items = fill, items
        self.holds_item = bool(mapping.matrix[2, 2] <= 0)

    def stream(self, source: Planes, channels: int, pieces: Pieces) -> Iterator[tuple[Array, int]]:
        """Resample the items."""
        for _ in range(self.items):
            yield from self._item(source, channels, pieces.threads, pieces.division)

    def _item(
        self, source: Planes, channels: int, threads: int, division: int
    ) -> Iterator[tuple[Array, int]]:
        plan = self._holds(channels, threads, division)
        shape = (*self.shape_in[1:], channels)
        held = HeldPlanes(_capacity(plan), shape, self.dtype_in, self.arithmetic)
        for (lo, hi), (first, last) in plan:
            held.move(first, last, source, division)
            slab = np.empty((hi - lo, *self.shape_out[1:], channels), self.dtype_out)
            yield slab, self._sample(held, lo, slab, threads)
        source.skip(self.shape_in[0] - held.end)

    def working_bytes(self, channels: int, pieces: Pieces) -> int:
        """Return an estimate of the memory that an item needs."""
        threads, division = pieces.threads, pieces.division
        values = channels * self.arithmetic.lanes(self.dtype_in)
        plane = math.prod(self.shape_in[1:]) * values * self.arithmetic.dtype.itemsize
        slab = self._slab_planes(channels, threads, division) * self._plane_bytes(channels)
        capacity = _capacity(self._holds(channels, threads, division))
        at_once = min(capacity, max(1, CHUNK_BYTES // division // plane))
        own = math.prod(self.shape_in[1:]) * channels * self.dtype_in.itemsize
        read = 0 if self.arithmetic.loads_as_is(self.dtype_in) else at_once * (plane + own)
        # A thread samples a share of its slab at a time.
        sampled = slab // self.dtype_out.itemsize * self.arithmetic.dtype.itemsize
        sampled //= SHARES_PER_THREAD if threads > 1 else 1
        if self.arithmetic.stores_as_is(self.dtype_out):
            sampled = 0
        return capacity * plane + read + 2 * slab + sampled

    def _plane_bytes(self, channels: int) -> int:
        return math.prod(self.shape_out[1:]) * channels * self.dtype_out.itemsize

    def _slab_planes(self, channels: int, threads: int, division: int) -> int:
        least = max(1, min(threads, FEW_PLANES) // division)
        most = max(least, CHUNK_BYTES // division // self._plane_bytes(channels))
        return min(most, self.shape_out[0])

    def _holds(self, channels: int, threads: int, division: int) -> "Plan":
        """Return the slabs [lo, hi), each with the input planes [first, last) to be held for it."""
        size, depth = self._slab_planes(channels, threads, division), self.shape_out[0]
        slabs = [(lo, min(lo + size, depth)) for lo in range(0, depth, size)]
        reads = [self.mapping.planes(*slab, self.sampler.reach) for slab in slabs]
        lasts = list(accumulate((last for _, last in reads), max))
        # What reads nothing keeps nothing.
        kept = [first if last else self.shape_in[0] for first, last in reversed(reads)]
        firsts = list(accumulate(kept, min))[::-1]
        held = [(min(first, last), last) for first, last in zip(firsts, lasts, strict=True)]
        return list(zip(slabs, held, strict=True))

    def _sample(self, held: "HeldPlanes", lo: int, slab: Array, threads: int) -> int:
        """Fill the output planes from ``lo`` on; return how many values did not fit."""
        rows = slab.reshape(-1, math.prod(slab.shape[2:]))
        shares = min(len(rows), threads * SHARES_PER_THREAD) if threads > 1 else 1
        edges = [len(rows) * share // shares for share in range(shares + 1)]
        frame = (held.origin, *self.shape_in)
        tasks = [
            partial(
                self._sample_rows,
                held.planes.reshape(-1),
                frame,
                lo * self.shape_out[1] + begin,
                rows[begin:end],
                slab.shape[3],
            )
            for begin, end in pairwise(edges)
        ]
        return sum(run_all(tasks, threads))

    def _sample_rows(
        self, planes: Array, frame: tuple[int, ...], first: int, rows: Array, channels: int
    ) -> int:
        fills = _fill_of(self.arithmetic, self.dtype_in, self.fill, channels)
        destination = self.arithmetic.destination(rows)
        target = destination
        if target is None:
            shape = (len(rows), self.shape_out[2] * fills.size)
            target = scratch("sampled", shape, self.arithmetic.dtype)
        matrix = np.ascontiguousarray(self.mapping.matrix[:3])
        where = matrix, fills, first, self.shape_out[1]
        own = self.arithmetic.kernel_arguments
        self.sampler.kernel(planes, frame, *where, *own, target)
        return 0 if destination is not None else self.arithmetic.store(target, rows)


def _fill_of(arithmetic: Arithmetic, element: np.dtype[Any], stored: float, channels: int) -> Array:
    """Return the lanes of a voxel, in the arithmetic's dtype, whose channels all have one value.

    A complex voxel gets it as its real part.
    """
    if arithmetic.method.mode.blurs:
        kind = np.result_type(arithmetic.dtype, 1j) if element.kind == "c" else arithmetic.dtype
        return as_real(np.full(channels, stored, kind))
    return arithmetic.load(np.full((1, channels), stored, element)).reshape(-1)
