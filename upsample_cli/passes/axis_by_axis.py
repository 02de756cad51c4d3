"""One axis after the other, while the planes of a file arrive."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.streamed import Planes, Streamed
from upsample_cli.passes.streaming import (
    items_per_group,
    planes_per_chunk,
    stream_bytes,
    stream_item,
)
from upsample_cli.passes.whole import resample_array, strip_bytes
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.modes import Method

Array = NDArray[Any]


class AxisByAxis(Streamed):
    """Resamples along the axes of the input; small items are taken in groups.

    Parameters
    ----------
    axes, method, dtype_in, dtype_out
        As `Resampler` has them.
    items
        How many a source holds.
    tensor_channels
        How many channels PyTorch's tensor would have; None for what is no such tensor.
    """

    def __init__(
        self,
        axes: Sequence[AxisMap],
        method: Method,
        dtype_in: np.dtype[Any],
        dtype_out: np.dtype[Any],
        items: int = 1,
        tensor_channels: int | None = None,
    ) -> None:
        self.resampler = Resampler(axes, method, dtype_in, dtype_out, tensor_channels)
        self.arithmetic, self.plans = self.resampler.arithmetic, self.resampler.plans
        self.shape_in, self.shape_out = self.resampler.shape_in, self.resampler.shape_out
        self.dtype_in, self.dtype_out, self.items = dtype_in, dtype_out, items

    def whole(self, source: Array, target: Array, threads: int, begin: int = 0) -> int:
        """Resample items that are in memory, as `resample_array` does."""
        return resample_array(self.resampler, source, target, threads, begin)

    def whole_bytes(self, channels: int, threads: int) -> int:
        """Return the memory that `whole` needs for one item beside its source and its target."""
        return strip_bytes(self.resampler, 1, channels, threads)

    def stream(self, source: Planes, channels: int, pieces: Pieces) -> Iterator[tuple[Array, int]]:
        """Resample the items."""
        group = items_per_group(self.resampler, channels, pieces.division)
        if group > 1:
            for begin in range(0, self.items, group):
                count = min(group, self.items - begin)
                items = source.read(count * self.shape_in[0])
                items = items.reshape(count, *self.shape_in, channels)
                result = np.empty((count, *self.shape_out, channels), self.dtype_out)
                yield result, self.whole(items, result, pieces.threads, begin)
            return
        chunk, slab = planes_per_chunk(self.resampler, channels, pieces.threads, pieces.division)
        for number in range(self.items):
            chunks, resampler = self._chunks(source, chunk), self.resampler.of_item(number)
            yield from stream_item(resampler, chunks, pieces.threads, slab, pieces.division)

    def working_bytes(self, channels: int, pieces: Pieces) -> int:
        """Return an estimate of the memory that the items need, one after the other."""
        group = items_per_group(self.resampler, channels, pieces.division)
        if group <= 1:
            return stream_bytes(self.resampler, channels, pieces)
        count = min(group, self.items)
        size_in = math.prod(self.shape_in) * self.dtype_in.itemsize
        size_out = math.prod(self.shape_out) * self.dtype_out.itemsize
        passing = strip_bytes(self.resampler, count, channels, pieces.threads)
        return passing + 2 * count * channels * (size_in + size_out)

    def planes_at_once(self, channels: int, pieces: Pieces) -> tuple[int, int]:
        """Return the most planes that are read, and that are given, at once."""
        group = items_per_group(self.resampler, channels, pieces.division)
        if group > 1:
            count = min(group, self.items)
            return count * self.shape_in[0], count * self.shape_out[0]
        return planes_per_chunk(self.resampler, channels, pieces.threads, pieces.division)

    def _chunks(self, source: Planes, size: int) -> Iterator[Array]:
        total = self.shape_in[0]
        for begin in range(0, total, size):
            yield source.read(min(size, total - begin))
