"""Memory between two passes, kept by each thread: fresh pages cost more than filling them."""

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.resources.threads import nesting

KEPT_BYTES = 16 * 2**20
"""The largest buffer that is kept; what is larger is allocated anew."""

_own = threading.local()


def forget() -> None:
    """Give up what this thread keeps; what it has got before must not be used any more."""
    _own.__dict__.clear()


def scratch(use: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array with arbitrary content, valid until this thread asks for the same use."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size > KEPT_BYTES:
        return np.empty(shape, dtype)
    # A finalizer may resample amid a pass of this thread, whose buffers are in use then.
    buffers, use = _own.__dict__, f"{nesting()} {use}"
    if use not in buffers or buffers[use].size < size:
        buffers[use] = np.empty(size, np.uint8)
    return buffers[use][:size].view(dtype).reshape(shape)
