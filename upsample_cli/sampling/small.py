"""Small images: where PyTorch's own code for them samples in another way than for large ones.

PyTorch 2.13 takes that code (``cpu_upsample_nearest_channels_last`` and
``cpu_upsample_linear_channels_last`` in ``aten/src/ATen/native/cpu/UpSampleKernel.cpp``) where the
height and the width of a 2-D output make at most 128 together, whatever the input, the number of
channels, of items and of threads; and for channels-last tensors of more than 3 channels, which a
contiguous tensor of one pixel is as well. It has nearest, nearest-exact and bilinear, floats for
all and uint8 for the first two. All rules here were found equal to PyTorch's bits, none excepted,
in some 12,000 random cases of 1 × 1 to 64 × 64.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from upsample_cli.sampling.axis import AxisMap, AxisPlan, plan_axis
from upsample_cli.sampling.modes import Method

LARGEST_SUM = 128
"""Of the height and the width of a small output."""

FEW_CHANNELS = 3
"""Up to so many channels, a tensor of one pixel counts as contiguous alone."""

VECTOR_BYTES = 32
"""Channels that fill so many bytes are summed together, on every CPU."""

GROUP_ORDER = {"float16": (3, 2, 1, 0), "float32": (2, 3, 1, 0), "float64": (2, 3, 1, 0)}
REST_ORDER = {"float16": (0, 1, 2, 3), "float32": (1, 0, 2, 3), "float64": (1, 0, 2, 3)}
"""The order in which PyTorch sums the voxels around a sample: 0 is the upper left, 1 the upper
right, 2 the lower left, 3 the lower right. Whole groups of channels have one order, the channels
left over the other."""


def is_small(axes: Sequence[AxisMap], channels: int) -> bool:
    """Whether PyTorch takes its code for small images, for a contiguous tensor of such channels."""
    if len(axes) != 2:
        return False
    rows, columns = axes
    is_pixel = rows.size_in == columns.size_in == 1
    is_narrow = rows.size_out + columns.size_out <= LARGEST_SUM
    return is_narrow or (is_pixel and channels > FEW_CHANNELS)


def in_groups(channels: int, dtype: np.dtype[np.generic]) -> int:
    """Return how many of the channels are in whole groups, which come first.

    >>> in_groups(20, np.dtype("float32")), in_groups(20, np.dtype("float64"))
    (16, 20)
    """
    return channels - channels % (VECTOR_BYTES // dtype.itemsize)


def plan_small_nearest(axis: AxisMap, method: Method) -> AxisPlan:
    """Return the voxels that the nearest modes copy, whatever the dtype.

    A size that is doubled repeats each voxel, whatever the scale factor says; see also
    ``keeps_size``. Else nearest takes floor(i * s) and nearest-exact floor((i + 0.5) * s), which
    is not what PyTorch takes for large images.
    """
    index = np.arange(axis.size_out)
    if method.mode.name == "nearest" and axis.size_out == 2 * axis.size_in:
        taps = index >> 1
    else:
        offset = 0 if method.mode.name == "nearest" else 0.5
        position = (np.float32(axis.step) * (index + offset)).astype(np.float32)
        taps = np.minimum(np.floor(position).astype(np.int64), axis.size_in - 1)
    ones = np.ones(axis.size_out, np.int64)
    return AxisPlan(taps[np.newaxis], ones[np.newaxis], ones)


def keeps_size(axis: AxisMap, method: Method) -> bool:
    """Whether a nearest mode copies the whole axis, whatever the scale factor says."""
    return axis.is_copy or (method.mode.name == "nearest" and axis.size_in == axis.size_out)


def plan_small_linear(axis: AxisMap, method: Method, float_type: type[np.floating]) -> AxisPlan:
    """Return the two voxels around each sample, the one before it first.

    An axis whose size stays has its own voxel twice, the second time with weight 0.
    """
    if axis.size_in == axis.size_out:
        taps = np.tile(np.arange(axis.size_out), (2, 1))
        weights = np.tile(np.array([[1], [0]], float_type), axis.size_out)
    else:
        plan = plan_axis(axis, method, float_type)
        if plan.width == 1:  # corners of a lone sample: all the weight is on voxel 0
            return _around_first(axis, float_type)
        taps, weights = plan.taps[::-1], plan.weights[::-1]
    return _of_two(taps, weights)


def _around_first(axis: AxisMap, float_type: type[np.floating]) -> AxisPlan:
    first = np.zeros(axis.size_out, np.int64)
    taps = np.stack([first, np.minimum(first + 1, axis.size_in - 1)])
    return _of_two(taps, np.tile(np.array([[1], [0]], float_type), axis.size_out))


def _of_two(taps: NDArray[np.int64], weights: NDArray[np.floating]) -> AxisPlan:
    counts = np.full(taps.shape[1], 2, np.int64)
    return AxisPlan(np.ascontiguousarray(taps), np.ascontiguousarray(weights), counts)
