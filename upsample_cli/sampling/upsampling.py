"""Named kernels of transposed convolution that enlarge by a whole number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from upsample_cli.sampling.windows import Window

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class UpsamplingKernel:
    """How many taps enlarge by a stride, and their weights by their distance from the middle."""

    size: Callable[[int], int]
    weigh: Callable[[Floats, int], Floats]


def _bilinear(distance: Floats, stride: int) -> Floats:
    return 1 - np.abs(distance) / stride


def _nearest(distance: Floats, _stride: int) -> Floats:
    return np.ones_like(distance)


def _gaussian(distance: Floats, stride: int) -> Floats:
    """Weigh by a Gaussian of sigma stride / 2, cut at 3 sigma; each phase sums to 1."""
    weights = np.exp(-((distance / (stride / 2)) ** 2) / 2).reshape(-1, stride)
    return np.asarray((weights / weights.sum(axis=0)).ravel())


UPSAMPLING_KERNELS = {
    "bilinear": UpsamplingKernel(lambda stride: 2 * stride - stride % 2, _bilinear),
    "nearest": UpsamplingKernel(lambda stride: stride, _nearest),
    "gaussian": UpsamplingKernel(lambda stride: 3 * stride if stride > 1 else 1, _gaussian),
}


def upsampling_windows(name: str, strides: Sequence[int]) -> list[Window]:
    """Return the windows of `upsampling_kernel`, without its taps."""
    sizes = [UPSAMPLING_KERNELS[name].size(stride) for stride in strides]
    return [
        Window(size, stride, padding=(size - stride) // 2)
        for size, stride in zip(sizes, strides, strict=True)
    ]


def upsampling_kernel(name: str, strides: Sequence[int]) -> tuple[Floats, list[Window]]:
    """Return the taps, and the windows, that enlarge each axis by its stride.

    A constant stays that constant wherever every tap lies in the input, that is, away from the
    border. ``bilinear`` gives there what linear interpolation gives (trilinear in 3-D), with the
    size 2s - s mod 2; ``nearest`` repeats each value; ``gaussian`` has sigma s / 2. An axis of
    stride 1 is left alone.

    Parameters
    ----------
    name
        One of `UPSAMPLING_KERNELS`.
    strides
        One per axis.

    Returns
    -------
    taps
        float64, the outer product of the axes' kernels.
    windows
        One per axis, whose padding makes the output ``stride`` times as long as the input.

    Examples
    --------
    >>> taps, windows = upsampling_kernel("bilinear", [2])
    >>> taps, windows
    (array([0.25, 0.75, 0.75, 0.25]), [Window(kernel=4, stride=2, padding=1, dilation=1)])
    """
    taps = np.ones(())
    windows = upsampling_windows(name, strides)
    for window in windows:
        distance: Floats = np.arange(window.kernel, dtype=np.float64) - (window.kernel - 1) / 2
        weights = UPSAMPLING_KERNELS[name].weigh(distance, window.stride)
        taps = np.multiply.outer(taps, weights)
    return taps, windows
