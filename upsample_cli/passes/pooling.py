"""Pool and unpool arrays in memory: volumes of shape (volumes, depth, height, width)."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels import pooling
from upsample_cli.resources.threads import run_all
from upsample_cli.sampling.windows import Window

Array = NDArray[Any]

TASK_VOXELS = 2**16
"""The values put back that pay for a task's overhead."""

TASK_TAPS = 2**20
"""The comparisons that pay for a task's overhead."""


def pool_array(
    source: Array,
    windows: Sequence[Window],
    sizes: Sequence[int],
    threads: int,
    *,
    return_indices: bool = True,
) -> tuple[Array, NDArray[np.int64] | None]:
    """Return each window's maximum, and where in its volume it lies.

    Parameters
    ----------
    source
        Volumes of booleans, integers or floats of up to 64 bits.
    windows, sizes
        The window and the number of windows along z, y and x.
    """
    work = _ordered(source)
    table = np.array([[w.kernel, w.stride, w.padding, w.dilation] for w in windows], np.int64).T
    table, counts = np.ascontiguousarray(table), np.array(sizes, np.int64)
    rows, width = len(work) * sizes[0] * sizes[1], sizes[2]
    target = np.empty((rows, width), work.dtype)
    indices = np.empty((rows, width), np.int64) if return_indices else None
    columns = -(-work.shape[3] // windows[2].stride)
    lowest = work.dtype.type(_lowest(source.dtype))

    def pool(lo: int, hi: int) -> int:
        # Without indices, one row of them is kept: the comparison is the same.
        chosen = np.empty((1, width), np.int64) if indices is None else indices[lo:hi]
        phases = np.empty((min(windows[2].stride, work.shape[3] + 1), columns), work.dtype)
        pooling.max_pool(work, table, counts, lo, lowest, phases, target[lo:hi], chosen)
        return 0

    taps = math.prod(map(min, table[0].tolist(), work.shape[1:]))
    per_task = max(1, TASK_TAPS // (width * taps))
    run_all([partial(pool, lo, lo + per_task) for lo in range(0, rows, per_task)], threads)
    shape = (len(work), *sizes)
    values = target.view(bool) if source.dtype == bool else target.astype(source.dtype, copy=False)
    return values.reshape(shape), None if indices is None else indices.reshape(shape)


def unpool_array(source: Array, indices: NDArray[np.int64], target: Array, threads: int) -> int:
    """Put values of any dtype into ``target`` (volumes, m), which holds zeros.

    Return the position in C order of the first index beyond its volume, or -1.
    """
    bits = _bits(source.dtype)
    volumes, size = source.shape
    per_task = max(1, TASK_VOXELS // max(1, size))

    def unpool(lo: int, hi: int) -> int:
        wrong = pooling.max_unpool(
            source[lo:hi].view(bits), indices[lo:hi], target[lo:hi].view(bits)
        )
        return -1 if wrong < 0 else lo * size + wrong

    tasks = [partial(unpool, lo, lo + per_task) for lo in range(0, volumes, per_task)]
    return next((wrong for wrong in run_all(tasks, threads) if wrong >= 0), -1)


def _ordered(source: Array) -> Array:
    """Return the values in a dtype that the kernels can compare, in the same order."""
    if source.dtype == bool:
        return source.view(np.uint8)
    if source.dtype == np.float16:
        return source.astype(np.float32)
    return source


def _lowest(dtype: np.dtype[Any]) -> float:
    if dtype.kind == "f":
        return -np.inf
    return 0 if dtype.kind in "bu" else int(np.iinfo(dtype).min)


def _bits(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a dtype that moves the same bytes; of 16 bytes, only complex numbers do."""
    return np.dtype(f"u{dtype.itemsize}" if dtype.itemsize <= 8 else np.complex128)
