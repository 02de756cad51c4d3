"""Any input as a stack of items in PyTorch's layout, read in batches."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import RequestError
from upsample_cli.files.images.modes import element_of_mode

if TYPE_CHECKING:
    from upsample_cli.files import Source

Array = NDArray[Any]

BATCH_BYTES = 64 * 2**20
"""Small items are read together, up to this size; a larger one alone."""

SPATIAL_OF_ARRAY = {1: 1, 2: 2, 3: 2, 4: 2, 5: 3}
"""Axes of an array → how many of them are spatial: (C, H, W), (N, C, H, W), (N, C, D, H, W)."""

COPIED_MODES = ("1", "L", "I;16", "I", "F")
"""Images of one channel whose values mean something; palette indices do not."""


@dataclass(frozen=True)
class Stack:
    """An open input as items of shape (channels, *spatial), slowest axis first.

    Attributes
    ----------
    leading
        The file's axes before the spatial ones, in PyTorch's order; their product is
        ``items * channels``.
    dtype
        Native dtype of the stored values.
    image_mode
        The Pillow mode of what is read, for an image.
    """

    source: "Source"
    leading: tuple[int, ...]
    spatial: tuple[int, ...]
    channels: int
    dtype: np.dtype[Any]
    image_mode: str = ""

    @property
    def items(self) -> int:
        """The number of items: volumes, or what PyTorch calls N."""
        return math.prod(self.leading) // self.channels

    @property
    def shape(self) -> tuple[int, ...]:
        """The whole shape in PyTorch's order."""
        return (*self.leading, *self.spatial)

    @property
    def item_bytes(self) -> int:
        """The size of one item."""
        return math.prod(self.spatial) * self.channels * self.dtype.itemsize

    def batch_size(self, division: int = 1) -> int:
        """Return the number of items that are read together."""
        return max(1, min(self.items, BATCH_BYTES // division // self.item_bytes))

    def batches(self, division: int = 1) -> Iterator[Array]:
        """Yield C-contiguous arrays (n, channels, *spatial) of stored values."""
        source, size = self.source, self.batch_size(division)
        if source.kind == "image":
            _, pixels = source.pixels(blurs=blends(self.source))
            yield np.ascontiguousarray(np.moveaxis(pixels, -1, 0)[np.newaxis])
            return
        for begin in range(0, self.items, size):
            count = min(size, self.items - begin)
            if source.kind == "array":
                values = source.read(count * self.channels * self.spatial[0])
                yield values.reshape(count, self.channels, *self.spatial)
            else:
                values = source.read(count * self.spatial[0])
                values = values.reshape(count, *self.spatial, self.channels)
                yield np.ascontiguousarray(np.moveaxis(values, -1, 1))


def blends(source: "Source") -> bool:
    """Whether an image is read as colours, because its own values cannot be compared or added."""
    return source.kind == "image" and source.mode not in COPIED_MODES


def stack_of(source: "Source", *, mixes: bool = False) -> Stack:
    """Return a source as a stack.

    With ``mixes``, the axis of an array before the spatial ones holds channels that belong
    together; otherwise each of them is an item of its own.
    """
    if source.kind == "image":
        from upsample_cli.files.images.reading import result_mode

        mode = result_mode(source, blurs=blends(source))
        dtype, channels = element_of_mode(mode)
        return Stack(source, (channels,), source.shape, channels, dtype, mode)
    if source.kind == "array":
        channels = source.leading[-1] if mixes and source.leading else 1
        return Stack(source, source.leading, source.shape, channels, source.dtype)
    source.header.check_able("inverse", source.name)
    extra = tuple(reversed(source.extra_dimensions))
    leading = (*extra, source.channels) if source.channels > 1 else extra
    return Stack(source, leading, source.shape, source.channels, source.dtype)


def set_spatial(source: "Source", options: Sequence[tuple[int, ...] | None]) -> str:
    """Settle which axes of an array are spatial: as many as an option has numbers for.

    Return a hint if no option has more than one, and the array could be meant otherwise.
    """
    if source.kind != "array":
        return ""
    said = max((len(numbers) for numbers in options if numbers), default=1)
    dimensions = len(source.full_shape)
    source.set_dimensions(said if said > 1 else SPATIAL_OF_ARRAY[dimensions])
    if said > 1 or dimensions not in (3, 4):
        return ""
    return (
        f"the last {len(source.shape)} of {dimensions} axes are spatial; "
        "one number per axis says otherwise, such as 2x2x2 for three"
    )


def per_axis(option: str, numbers: tuple[int, ...], dimensions: int) -> list[int]:
    """Return an option's numbers, x first, as one per axis, slowest first.

    Raises
    ------
    RequestError
        For neither one number nor one per axis.
    """
    if len(numbers) not in (1, dimensions):
        raise RequestError(
            option,
            f"{len(numbers)} numbers were given for {dimensions} axes",
            f"give 1 or {dimensions}, x first",
        )
    return list(numbers[::-1] * (dimensions if len(numbers) == 1 else 1))


def three_dimensional(values: Sequence[Any], filler: Any) -> list[Any]:
    """Return one value for each of z, y and x; ``filler`` stands for the axes that are missing."""
    return [filler] * (3 - len(values)) + list(values)
