"""Named kernels of transposed convolution that enlarge by a whole number."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from upsample_cli.sampling.windows import Window

Floats = NDArray[np.float64]


def _bilinear(stride: int) -> Floats:
    size = 2 * stride - stride % 2
    return 1 - np.abs(np.arange(size) - (size - 1) / 2) / stride


def _nearest(stride: int) -> Floats:
    return np.ones(stride)


def _gaussian(stride: int) -> Floats:
    """Weigh by a Gaussian of sigma stride / 2, cut at 3 sigma; each phase sums to 1."""
    if stride == 1:
        return np.ones(1)
    distance = (np.arange(3 * stride) - (3 * stride - 1) / 2) / (stride / 2)
    weights = np.exp(-(distance**2) / 2).reshape(3, stride)
    return np.asarray((weights / weights.sum(axis=0)).ravel())


UPSAMPLING_KERNELS: dict[str, Callable[[int], Floats]] = {
    "bilinear": _bilinear,
    "nearest": _nearest,
    "gaussian": _gaussian,
}


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
    windows = []
    for stride in strides:
        own = UPSAMPLING_KERNELS[name](stride)
        taps = np.multiply.outer(taps, own)
        windows.append(Window(own.size, stride, padding=(own.size - stride) // 2))
    return taps, windows
