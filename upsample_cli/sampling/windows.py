"""Windows that slide along an axis: the sizes and the samples of pooling and its inverses."""

import re
from dataclasses import dataclass
from typing import Any

from upsample_cli.sampling.axis import AxisMap

POOLED_SIZE = "floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1"
UNPOOLED_SIZE = "(size - 1) * stride - 2 * padding + kernel"
TRANSPOSED_SIZE = "(size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1"
"""The size formulas, as PyTorch's documentation has them; with ceil_mode, ceil for floor."""

LIMIT = 2**31
"""What a window's numbers stay below, so that their products fit into 64 bits."""


def filled(formula: str, **values: Any) -> str:
    """Return a size formula with values for its words.

    >>> filled("(size - 1) * stride", size=4, stride=2)
    '(4 - 1) * 2'
    """
    return re.sub(r"[a-z_]+", lambda word: str(values.get(word[0], word[0])), formula)


@dataclass(frozen=True)
class Window:
    """A window of ``kernel`` taps, ``dilation`` apart, that moves by ``stride`` along one axis.

    Window number o has its taps at ``o * stride - padding + k * dilation``.

    Raises
    ------
    ValueError
        If kernel, stride or dilation is below 1, padding is negative, or any is too large.
    """

    kernel: int
    stride: int
    padding: int = 0
    dilation: int = 1

    def __post_init__(self) -> None:
        for name in ("kernel", "stride", "dilation"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"a {name} of {value} is not possible; use at least 1")
        if self.padding < 0:
            raise ValueError(f"a padding of {self.padding} is negative; use 0 or more")
        for name in ("kernel", "stride", "padding", "dilation"):
            value = getattr(self, name)
            if value >= LIMIT:
                raise ValueError(f"a {name} of {value} is too large; use less than {LIMIT}")

    @property
    def extent(self) -> int:
        """The number of voxels from the first tap to the last."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def centre(self) -> float:
        """The position of window 0's centre; the centres are ``stride`` apart."""
        return (self.extent - 1) / 2 - self.padding

    @property
    def most_padding(self) -> int:
        """The most padding with which PyTorch pools."""
        return self.kernel // 2

    def pooled_size(self, size: int, *, ceil_mode: bool = False) -> int:
        """Return how many windows fit, by PyTorch's ``pooling_output_shape``.

        >>> Window(3, 2, padding=1).pooled_size(8)
        4
        >>> Window(3, 2, padding=1).pooled_size(8, ceil_mode=True)
        5

        Raises
        ------
        ValueError
            If no window fits, or the padding is more than half of the kernel.
        """
        if self.padding > self.most_padding:
            raise ValueError(
                f"a padding of {self.padding} is more than half of a kernel of {self.kernel}; "
                f"use at most {self.most_padding}"
            )
        room = size + 2 * self.padding - self.extent
        count = (room + (self.stride - 1 if ceil_mode else 0)) // self.stride + 1
        if ceil_mode and (count - 1) * self.stride >= size + self.padding:
            count -= 1  # this window would begin beyond the input
        if count < 1:
            raise ValueError(
                f"a window of {self.extent} voxels does not fit into {size} with a padding of "
                f"{self.padding}; use a smaller kernel or dilation"
            )
        return count

    def unpooled_size(self, size: int, wanted: int | None = None) -> int:
        """Return the size before pooling: the default, or ``wanted`` if pooling could give it.

        >>> Window(2, 2).unpooled_size(4), Window(2, 2).unpooled_size(4, 9)
        (8, 9)

        Raises
        ------
        ValueError
            If the size is negative, or not strictly within one stride of the default.
        """
        default = (size - 1) * self.stride - 2 * self.padding + self.kernel
        low, high = default - self.stride, default + self.stride
        if wanted is not None and not low < wanted < high:
            raise ValueError(
                f"an output size of {wanted} does not pool to {size}; "
                f"use {_between(max(low + 1, 0), high - 1)}"
            )
        if (default if wanted is None else wanted) < 0:
            raise ValueError(
                f"{size} windows of {self.kernel} with a padding of {self.padding} leave a size "
                f"of {default if wanted is None else wanted}; use a smaller padding"
            )
        return default if wanted is None else wanted

    def transposed_size(self, size: int, output_padding: int = 0, wanted: int | None = None) -> int:
        """Return the size before a convolution; ``wanted`` stands for its output padding.

        >>> Window(4, 2, padding=1).transposed_size(5), Window(3, 2).transposed_size(5, 1)
        (10, 12)

        Raises
        ------
        ValueError
            If output_padding is negative or not below stride or dilation, if no voxel is left,
            or if ``wanted`` is beyond the sizes that the stride allows.
        """
        limit = max(self.stride, self.dilation)
        if not 0 <= output_padding < limit:
            raise ValueError(
                f"an output_padding of {output_padding} is not possible with a stride of "
                f"{self.stride} and a dilation of {self.dilation}; use {_between(0, limit - 1)}"
            )
        least = (size - 1) * self.stride - 2 * self.padding + self.extent
        most = least + self.stride - 1
        if wanted is not None and not least <= wanted <= most:
            raise ValueError(
                f"an output size of {wanted} does not follow from {size}; "
                f"use {_between(least, most)}"
            )
        result = least + output_padding if wanted is None else wanted
        if result < 1:
            raise ValueError(
                f"{size} windows of {self.extent} voxels with a padding of {self.padding} leave "
                f"a size of {result}; use a smaller padding"
            )
        return result

    def pooled(self, size: int, *, ceil_mode: bool = False) -> AxisMap:
        """Return where the windows' centres lie among the input's voxels.

        >>> Window(2, 2).pooled(8)
        AxisMap(size_in=8, size_out=4, start=0.5, step=2.0)
        """
        size_out = self.pooled_size(size, ceil_mode=ceil_mode)
        return AxisMap(size, size_out, self.centre, float(self.stride))

    def expanded(self, size: int, size_out: int) -> AxisMap:
        """Return where ``size_out`` voxels lie among the centres of ``size`` windows.

        This is the map of unpooling and of transposed convolution: the inverse of ``pooled``.

        >>> Window(2, 2).expanded(4, 8)
        AxisMap(size_in=4, size_out=8, start=-0.25, step=0.5)
        """
        return AxisMap(size, size_out, -self.centre / self.stride, 1 / self.stride)


def _between(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"
