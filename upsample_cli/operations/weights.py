"""The weights of a transposed convolution: read from a file, or built for a factor."""

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import open_source
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.operations.requests import ConvolveRequest
from upsample_cli.operations.stack import Stack, per_axis
from upsample_cli.resources.machine import check_memory
from upsample_cli.sampling.upsampling import upsampling_kernel, upsampling_windows
from upsample_cli.sampling.windows import Window

if TYPE_CHECKING:
    from upsample_cli.files import Source

Array = NDArray[Any]

FLOAT_BYTES = 8


@dataclass(frozen=True)
class Kernel:
    """The weights of a transposed convolution, and how they move.

    weight : (channels in, channels out / groups, *kernel)
    bias : (channels out,)
    windows, output_padding : one per axis, slowest first
    """

    weight: Array
    bias: Array
    windows: list[Window]
    output_padding: list[int]
    groups: int

    @property
    def channels_out(self) -> int:
        """The number of channels of the output."""
        return self.weight.shape[1] * self.groups


def read_array(name: str) -> Array:
    """Read a whole .npy file of real numbers."""
    with contextlib.closing(open_source(name, ImageOptions())) as source:
        if source.kind != "array":
            raise FileError(name, f"is of kind {source.kind}", "use a .npy array")
        if source.dtype.kind not in "biuf":
            raise FileError(name, f"holds {source.dtype}", "use real numbers")
        source.set_dimensions(1)
        values = source.read(source.items * source.shape[0]).reshape(source.full_shape)
        source.finish()
        return values


def settle_spatial_of_weight(source: "Source", weight: Array) -> None:
    """Take as many axes of an array as spatial as the weight has; check those of other inputs."""
    dimensions = weight.ndim - 2
    if source.kind == "array":
        if 1 <= dimensions <= 3 and len(source.full_shape) - dimensions in (1, 2):
            source.set_dimensions(dimensions)
            return
        problem = f"of {weight.ndim} axes does not go with an input of shape {source.full_shape}"
        remedy = "use an input (N, C, spatial) or (C, spatial) for a weight (C, C_out, spatial)"
        raise RequestError("--weight", problem, remedy)
    if dimensions != len(source.shape):
        axes = len(source.shape)
        raise RequestError(
            "--weight",
            f"has {weight.ndim} axes, but {source.name} has {axes} spatial ones",
            f"use {axes + 2}: channels in, channels out / groups, and {axes} kernel sizes",
        )


def named_kernel(request: ConvolveRequest, stack: Stack) -> Kernel:
    """Return a depth-wise kernel: each channel is enlarged on its own."""
    assert request.kernel
    assert request.stride
    strides = per_axis("--stride", request.stride, len(stack.spatial))
    try:
        count = math.prod(window.kernel for window in upsampling_windows(request.kernel, strides))
    except ValueError as error:
        raise RequestError("--stride", str(error)) from error
    check_memory("--stride", count * stack.channels * FLOAT_BYTES)
    taps, windows = upsampling_kernel(request.kernel, strides)
    weight = np.broadcast_to(taps, (stack.channels, 1, *taps.shape))
    bias = np.zeros(stack.channels)
    return Kernel(weight, bias, windows, [0] * len(strides), stack.channels)


def given_kernel(request: ConvolveRequest, stack: Stack, weight: Array) -> Kernel:
    """Return the weights of a file, checked against the input's channels."""
    groups, dimensions = request.groups or 1, len(stack.spatial)
    if len(weight) != stack.channels:
        problem = f"takes {len(weight)} channels, but {stack.source.name} has {stack.channels}"
        raise RequestError("--weight", problem, "its shape is (C_in, C_out / groups, kernel)")
    if stack.channels % groups:
        problem = f"{stack.channels} channels do not make {groups} groups"
        raise RequestError("--groups", problem, "use a divisor")
    strides = per_axis("--stride", request.stride or (1,), dimensions)
    paddings = per_axis("--padding", request.padding or (0,), dimensions)
    dilations = per_axis("--dilation", request.dilation or (1,), dimensions)
    extra = per_axis("--output-padding", request.output_padding or (0,), dimensions)
    windows = [
        Window(*of_axis)
        for of_axis in zip(weight.shape[2:], strides, paddings, dilations, strict=True)
    ]
    bias = _bias(request.bias, weight.shape[1] * groups)
    return Kernel(weight, bias, windows, extra, groups)


def _bias(name: str | None, channels: int) -> Array:
    bias = np.zeros(channels) if name is None else read_array(name)
    if bias.shape != (channels,):
        raise RequestError("--bias", f"has shape {bias.shape}", f"use ({channels},)")
    return bias
