"""What the functions of pooling and transposed convolution ask of their arguments."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SPATIAL = {1: "W", 2: "H, W", 3: "D, H, W"}


def check_array(name: str, value: Any) -> Array:
    """Return an array in native byte order.

    Raises
    ------
    TypeError
        For a masked array, whose mask would be lost.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be lost; use .filled(...)")
    array = np.asarray(value)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def check_dimensions(array: Array, spatial: int) -> None:
    """Raise ValueError unless the shape is (N, C, *spatial) or (C, *spatial)."""
    if array.ndim not in (spatial + 1, spatial + 2):
        axes = SPATIAL[spatial]
        raise ValueError(
            f"input has {array.ndim} dimensions; use {spatial + 2} (N, C, {axes}) "
            f"or {spatial + 1} (C, {axes})"
        )


def per_axis(name: str, value: Any, spatial: int, *, allow_single: bool = True) -> list[int]:
    """Return one whole number per spatial axis, from one for all or one for each.

    >>> per_axis("stride", 2, 3), per_axis("stride", (1, 2), 2), per_axis("stride", [3], 2)
    ([2, 2, 2], [1, 2], [3, 3])

    Raises
    ------
    ValueError
        For another number of numbers; a sequence of one only passes with ``allow_single``.
    TypeError
        For anything but whole numbers.
    """
    values = list(value) if isinstance(value, (list, tuple)) else [value] * spatial
    if len(values) == 1 and allow_single:
        values *= spatial
    if len(values) != spatial:
        raise ValueError(f"{name} has {len(values)} numbers for {spatial} spatial axes")
    return [as_int(name, number) for number in values]


def wanted_sizes(value: Sequence[int] | None, spatial: int, leading: int) -> list[int | None]:
    """Return the sizes that ``output_size`` asks for, or None for each axis.

    ``leading`` more numbers, which PyTorch takes for N and C, may come first.
    """
    if value is None:
        return [None] * spatial
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"output_size must be a sequence of whole numbers, not {value!r}")
    if len(value) not in (spatial, spatial + leading):
        raise ValueError(
            f"output_size has {len(value)} numbers; use {spatial}, or {spatial + leading} "
            "for the whole shape"
        )
    return [as_int("output_size", number) for number in value[-spatial:]]


def as_int(name: str, value: Any) -> int:
    """Return a whole number; TypeError for anything else, booleans included."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be whole numbers, not {value!r}")
    return int(value)


def as_volumes(array: Array, spatial: int) -> Array:
    """Return a C-contiguous array of shape (volumes, depth, height, width)."""
    sizes = array.shape[array.ndim - spatial :]
    volumes = int(np.prod(array.shape[: array.ndim - spatial]))
    return np.ascontiguousarray(array).reshape(volumes, *[1] * (3 - spatial), *sizes)
