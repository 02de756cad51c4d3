"""Elements of one dtype as those of another: rounded and saturated, never wrapped."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.kernels import convert

Array = NDArray[Any]


def as_real(block: Array) -> Array:
    """View complex elements as pairs of channels; the rest stays as it is."""
    if block.dtype.kind == "c":
        parts = np.dtype(f"{block.dtype.byteorder}f{block.dtype.itemsize // 2}")
        return block.view(parts)
    return block


def store(values: Array, target: Array) -> int:
    """Convert ``values`` into ``target``; return how many did not fit its dtype.

    Integers round half to even and saturate; booleans are true from one half on.
    """
    if target.dtype.kind == "b":
        np.greater_equal(values, 0.5, out=target)
        return 0
    if target.dtype.kind in "iu":
        if values.dtype.kind == "f":
            return _store_rounded(values, target)
        if not np.can_cast(values.dtype, target.dtype):
            return _store_saturated(values, target)
    with np.errstate(over="ignore"):
        np.copyto(target, values, casting="unsafe")
    if target.dtype.itemsize < values.dtype.itemsize and target.dtype.kind in "fc":
        return int(np.count_nonzero(np.isinf(target) & np.isfinite(values)))
    return 0


def _store_rounded(values: Array, target: Array) -> int:
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    limits = np.iinfo(target.dtype)
    low = values.dtype.type(limits.min)
    # 64-bit limits round up to a power of two here, which is already out of range.
    above = values.dtype.type(float(limits.max) + 0.5)
    lowest, highest = target.dtype.type(limits.min), target.dtype.type(limits.max)
    flat = target.reshape(-1)
    return int(convert.store_integers(values.reshape(-1), low, above, lowest, highest, flat))


def _store_saturated(values: Array, target: Array) -> int:
    if values.dtype.kind == "b":
        values = values.view(np.uint8)
    limits = np.iinfo(target.dtype)
    own = np.iinfo(values.dtype)
    low, high = max(limits.min, own.min), min(limits.max, own.max)
    np.copyto(target, np.clip(values, low, high), casting="unsafe")
    return int(np.count_nonzero((values < low) | (values > high)))
