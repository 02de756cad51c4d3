"""PyTorch's transposed convolution on NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.functional.arguments import (
    as_int,
    check_array,
    check_dimensions,
    per_axis,
    wanted_sizes,
)
from upsample_cli.passes.transposed import transposed_array
from upsample_cli.resources.threads import available_threads
from upsample_cli.sampling.windows import Window

Array = NDArray[Any]
Numbers = int | Sequence[int]


def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Transpose a convolution of rows (N, C, W) or (C, W); see ``conv_transpose2d``.

    >>> import numpy as np
    >>> conv_transpose1d(np.array([[1.0, 2.0]]), np.array([[[1.0, 10.0, 100.0]]]), stride=2)
    array([[  1.,  10., 102.,  20., 200.]])
    """
    sizes = (stride, padding, output_padding, dilation, output_size)
    return _conv_transpose(1, input, weight, bias, groups, *sizes)


def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Return the transposed convolution ("deconvolution") of PyTorch 2.13.

    Each input value times the kernel is added to the output, ``stride`` apart: the adjoint, not
    the inverse, of a convolution with the same weight.

    Parameters
    ----------
    input
        float32 or float64 array of shape (N, C_in, H, W) or (C_in, H, W).
    weight
        (C_in, C_out / groups, kH, kW), of the same dtype.
    bias
        (C_out,), of the same dtype; added to each channel.
    stride, padding, dilation
        Those of the convolution. One number for every spatial axis, or one per axis.
    output_padding
        What is added to the size at the end of each axis; smaller than stride or dilation.
    groups
        The number of groups of channels that do not mix.
    output_size
        The output's size, or the whole shape, instead of ``output_padding``; as the ``forward``
        of PyTorch's ``ConvTranspose2d`` takes it.

    Returns
    -------
    Array of the input's dtype, of shape (N, C_out, *sizes) or (C_out, *sizes), where a size is
    (in - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1. It is within
    2e-6 (float32) or 1e-13 (float64) of PyTorch's, relative to the largest value, and the same
    for any number of threads.

    Raises
    ------
    ValueError
        Where PyTorch raises for a wrong value: shapes that do not go together, another number of
        dimensions or of numbers, an empty input (but for N = 0), a size that is not possible.
    TypeError
        For dtypes other than float32 and float64, or mixed, and arguments of the wrong type.

    Examples
    --------
    >>> import numpy as np
    >>> conv_transpose2d(np.array([[[1.0, 2.0]]]), np.ones((1, 1, 2, 2)), stride=2)
    array([[[1., 1., 2., 2.],
            [1., 1., 2., 2.]]])
    """
    sizes = (stride, padding, output_padding, dilation, output_size)
    return _conv_transpose(2, input, weight, bias, groups, *sizes)


def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Transpose a convolution of volumes (N, C, D, H, W) or (C, D, H, W); see ``conv_transpose2d``.

    >>> import numpy as np
    >>> conv_transpose3d(np.ones((1, 1, 1, 2)), np.ones((1, 1, 1, 1, 2)), np.array([0.5]))
    array([[[[1.5, 2.5, 1.5]]]])
    """
    sizes = (stride, padding, output_padding, dilation, output_size)
    return _conv_transpose(3, input, weight, bias, groups, *sizes)


def _conv_transpose(
    spatial: int,
    input: Array,
    weight: Array,
    bias: Array | None,
    groups: int,
    stride: Numbers,
    padding: Numbers,
    output_padding: Numbers,
    dilation: Numbers,
    output_size: Sequence[int] | None,
) -> Array:
    array, taps = check_array("input", input), check_array("weight", weight)
    groups = as_int("groups", groups)
    _check_shapes(array, taps, spatial, groups)
    channels = taps.shape[1] * groups
    offset = np.zeros(channels, array.dtype) if bias is None else check_array("bias", bias)
    if offset.shape != (channels,):
        raise ValueError(f"bias of shape {offset.shape} does not go with {channels} channels")
    _check_dtypes(array, taps, offset)
    named = {"stride": stride, "padding": padding, "dilation": dilation}
    numbers = {name: per_axis(name, value, spatial) for name, value in named.items()}
    windows = [Window(*of_axis) for of_axis in zip(taps.shape[2:], *numbers.values(), strict=True)]
    extra = per_axis("output_padding", output_padding, spatial)
    if output_size is not None and any(extra):
        raise ValueError("at most one of output_padding and output_size is possible")
    sizes_in = array.shape[array.ndim - spatial :]
    wanted = wanted_sizes(output_size, spatial, array.ndim - spatial)
    sizes = [
        window.transposed_size(*of_axis)
        for window, *of_axis in zip(windows, sizes_in, extra, wanted, strict=True)
    ]
    output = np.empty((*array.shape[: -spatial - 1], channels, *sizes), array.dtype)
    padding_axes = (1,) * (3 - spatial)
    transposed_array(
        np.ascontiguousarray(array).reshape(
            -1 if array.size else 0, groups, len(taps) // groups, *padding_axes, *sizes_in
        ),
        taps.reshape(groups, len(taps) // groups, -1, *padding_axes, *taps.shape[2:]),
        offset.reshape(groups, -1),
        [Window(1, 1)] * (3 - spatial) + windows,
        output.reshape(-1 if output.size else 0, groups, taps.shape[1], *padding_axes, *sizes),
        available_threads(),
    )
    return output


def _check_shapes(array: Array, weight: Array, spatial: int, groups: int) -> None:
    check_dimensions(array, spatial)
    if weight.ndim != spatial + 2 or 0 in weight.shape:
        raise ValueError(
            f"weight of shape {weight.shape} is not possible; "
            f"use (C_in, C_out / groups, {spatial} kernel sizes), each at least 1"
        )
    channels = array.shape[array.ndim - spatial - 1]
    if 0 in array.shape[array.ndim - spatial - 1 :]:
        raise ValueError(f"input of shape {array.shape} is empty; only the batch size N may be 0")
    if channels != len(weight):
        raise ValueError(
            f"input has {channels} channels, but weight of shape {weight.shape} takes {len(weight)}"
        )
    if groups < 1 or channels % groups:
        raise ValueError(f"{channels} channels do not make {groups} groups; use a divisor")


def _check_dtypes(array: Array, weight: Array, bias: Array) -> None:
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"input is {array.dtype}; use float32 or float64")
    if not array.dtype == weight.dtype == bias.dtype:
        raise TypeError(
            f"input is {array.dtype}, weight {weight.dtype}, and bias {bias.dtype}; use one dtype"
        )
