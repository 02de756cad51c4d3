"""Grids whose axes are parallel: the separable passes, between turning planes and placing them."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.streamed import Planes, Streamed
from upsample_cli.passes.streaming import CHUNK_BYTES, planes_per_chunk, stream_bytes, stream_item
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling.mapping import AlignedMap
from upsample_cli.sampling.modes import Method

Array = NDArray[Any]


class AlignedResampler(Streamed):
    """Turns the input's axes into the output's, resamples along them, and fills what lies outside.

    Planes are streamed if they are needed in their order; else an item is read whole.

    Parameters
    ----------
    mapping
        Order, direction and sampling of each axis.
    shape_in, shape_out
        Voxels, x first.
    method
        One of a mode that interpolates or copies, without switches.
    dtype_in, dtype_out
        Native dtypes.
    fill
        The stored value of what lies outside.
    items
        How many a source holds.
    """

    def __init__(
        self,
        mapping: AlignedMap,
        shape_in: tuple[int, ...],
        shape_out: tuple[int, ...],
        method: Method,
        dtype_in: np.dtype[Any],
        dtype_out: np.dtype[Any],
        fill: float = 0,
        items: int = 1,
    ) -> None:
        self.mapping = mapping
        self.shape_in, self.shape_out = shape_in[::-1], shape_out[::-1]
        self.dtype_in, self.dtype_out = dtype_in, dtype_out
        self.resampler = Resampler(mapping.axes[::-1], method, dtype_in, dtype_out)
        self.arithmetic = self.resampler.arithmetic
        self.fill, self.items = fill, items
        self.holds_item = not mapping.keeps_planes
        only_turns = method.mode.copies and all(axis.is_copy for axis in mapping.axes)
        self.needs_kernels = not (only_turns and dtype_in == dtype_out)

    def stream(self, source: Planes, channels: int, pieces: Pieces) -> Iterator[tuple[Array, int]]:
        """Resample the items."""
        for _ in range(self.items):
            yield from self._item(source, channels, pieces.threads, pieces.division)

    def _item(
        self, source: Planes, channels: int, threads: int, division: int
    ) -> Iterator[tuple[Array, int]]:
        chunk, slab = planes_per_chunk(self.resampler, channels, threads, division)
        before = self.mapping.offsets[2]
        after = self.shape_out[0] - before - self.resampler.shape_out[0]
        yield from self._filled(before, channels, division)
        chunks = self._chunks(source, chunk)
        for planes, misfits in stream_item(self.resampler, chunks, threads, slab, division):
            yield self._placed(planes), misfits
        yield from self._filled(after, channels, division)

    def working_bytes(self, channels: int, pieces: Pieces) -> int:
        """Return an estimate of the memory that an item needs."""
        chunk, slab = planes_per_chunk(self.resampler, channels, pieces.threads, pieces.division)
        held = self.shape_in[0] if self.holds_item else chunk
        read = held * math.prod(self.shape_in[1:]) * self.dtype_in.itemsize
        # A slab that is smaller than the output is placed into a larger one.
        is_placed = self.resampler.shape_out[1:] != self.shape_out[1:]
        placed = 2 * slab * is_placed * math.prod(self.shape_out[1:]) * self.dtype_out.itemsize
        streamed = stream_bytes(self.resampler, channels, pieces)
        return (read + placed) * channels + streamed

    def _chunks(self, source: Planes, size: int) -> Iterator[Array]:
        if self.mapping.keeps_planes:
            for begin in range(0, self.shape_in[0], size):
                count = min(size, self.shape_in[0] - begin)
                yield np.ascontiguousarray(self._turned(source.read(count)))
            return
        item = self._turned(source.read(self.shape_in[0]))
        for begin in range(0, len(item), size):
            yield np.ascontiguousarray(item[begin : begin + size])

    def _turned(self, planes: Array) -> Array:
        """View (z, y, x, channels) along the output's axes."""
        axes = [2 - row for row in reversed(self.mapping.order)]
        turned = planes.transpose(*axes, 3)
        backwards = [slice(None, None, -1 if flip else 1) for flip in reversed(self.mapping.flips)]
        return turned[tuple(backwards)]

    def _placed(self, planes: Array) -> Array:
        """Return planes of the output that hold these where they lie inside the input."""
        if planes.shape[1:3] == self.shape_out[1:]:
            return planes
        placed = np.full(
            (len(planes), *self.shape_out[1:], planes.shape[3]), self.fill, self.dtype_out
        )
        (left, top, _), (_, rows, columns) = self.mapping.offsets, planes.shape[:3]
        placed[:, top : top + rows, left : left + columns] = planes
        return placed

    def _filled(self, count: int, channels: int, division: int) -> Iterator[tuple[Array, int]]:
        plane = np.full((1, *self.shape_out[1:], channels), self.fill, self.dtype_out)
        at_once = max(1, CHUNK_BYTES // division // plane.nbytes)
        for begin in range(0, count, at_once):
            yield np.repeat(plane, min(at_once, count - begin), axis=0), 0
