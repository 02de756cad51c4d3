"""The transposed convolution of a file, in real units."""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import open_source
from upsample_cli.files.image_formats import mode_for_dtype
from upsample_cli.inverse.plan import FileRequest, Plan, destination, filled, write_results
from upsample_cli.inverse.stack import Stack, per_axis, set_spatial, stack_of, three_dimensional
from upsample_cli.output import (
    Progress,
    Summary,
    check_output,
    check_room,
    file_names,
    loss_warning,
    named_dtype,
    open_outputs,
    summary_line,
)
from upsample_cli.passes.arithmetic import store
from upsample_cli.passes.transposed import transposed_array
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.upsampling import upsampling_kernel
from upsample_cli.sampling.windows import TRANSPOSED_SIZE, Window

if TYPE_CHECKING:
    from upsample_cli.files import Source
    from upsample_cli.files.image_options import ImageOptions

Array = NDArray[Any]

DEFAULT_DTYPE = "float32"


@dataclass(frozen=True, kw_only=True)
class ConvolveRequest(FileRequest):
    """What a user can ask of one transposed convolution; numbers are x first.

    Exactly one of ``weight``, a file, and ``kernel``, a name of `UPSAMPLING_KERNELS`, which
    brings its own padding and groups.
    """

    weight: str | None = None
    kernel: str | None = None
    bias: str | None = None
    stride: tuple[int, ...] | None = None
    padding: tuple[int, ...] | None = None
    output_padding: tuple[int, ...] | None = None
    dilation: tuple[int, ...] | None = None
    groups: int | None = None
    output_size: tuple[int, ...] | None = None
    dtype: str | None = None


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
    groups: int = 1

    @property
    def channels_out(self) -> int:
        """The number of channels of the output."""
        return self.weight.shape[1] * self.groups


@dataclass(kw_only=True)
class ConvolvePlan(Plan):
    """A transposed convolution that is ready to run."""

    kernel: Kernel
    misfits: int = 0

    @property
    def sums_in(self) -> np.dtype[Any]:
        """The dtype of the arithmetic: float64 where float32 would lose stored digits."""
        return np.result_type(self.stack.dtype, self.dtype, np.float32)


def prepare_convolve(request: ConvolveRequest, input_name: str) -> ConvolvePlan:
    """Open the input and settle how it is convolved; the caller closes the source.

    Raises
    ------
    FileError
        If the input or the weights cannot be read or are broken.
    RequestError
        If it cannot be convolved as requested.
    """
    _check_kernel_options(request)
    if "-" in (request.weight, request.bias):
        raise RequestError("--weight", "cannot be standard input", "name a file")
    weight = read_array(request.weight, request.image) if request.weight else None
    source = open_source(input_name, request.image)
    try:
        return _prepare(request, source, weight)
    except BaseException:
        source.close()
        raise


def _check_kernel_options(request: ConvolveRequest) -> None:
    if (request.weight is None) == (request.kernel is None):
        problem = "is missing" if request.weight is None else "and --kernel exclude each other"
        raise RequestError("--weight", problem, "use either --weight or --kernel")
    if request.kernel is None:
        return
    if request.stride is None:
        raise RequestError("--stride", "is missing", "give the factor by which --kernel enlarges")
    own = ("bias", "padding", "output_padding", "dilation", "groups")
    for option in own:
        if getattr(request, option) is not None:
            name = f"--{option.replace('_', '-')}"
            raise RequestError(name, "goes with --weight; --kernel brings its own", "drop it")


def read_array(name: str, options: "ImageOptions") -> Array:
    """Read a whole .npy file of real numbers."""
    with contextlib.closing(open_source(name, options)) as source:
        if source.kind != "array":
            raise FileError(name, f"is of kind {source.kind}", "use a .npy array")
        if source.dtype.kind not in "biuf":
            raise FileError(name, f"holds {source.dtype}", "use real numbers")
        source.set_dimensions(1)
        values = source.read(source.items * source.shape[0]).reshape(source.full_shape)
        source.finish()
        return values


def _prepare(request: ConvolveRequest, source: "Source", weight: Array | None) -> ConvolvePlan:
    if weight is None:
        hint = set_spatial(source, [request.stride, request.output_size])
    else:
        hint = ""
        _set_spatial_of_weight(source, weight)
    stack = stack_of(source, mixes=weight is not None)
    if stack.dtype.kind not in "biuf" or stack.dtype.itemsize > 8:
        raise RequestError(source.name, f"holds {stack.dtype}", "use real numbers of up to 64 bits")
    dtype = named_dtype(request.dtype or DEFAULT_DTYPE)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise RequestError("--dtype", f"{dtype} is not possible here", "use a real dtype")
    if weight is None:
        kernel = _named_kernel(request, stack)
    else:
        kernel = _given_kernel(request, stack, weight)
    sizes = _sizes(request, stack, kernel)
    axes = [
        window.expanded(size, size_out)
        for window, size, size_out in zip(kernel.windows, stack.spatial, sizes, strict=True)
    ]
    has_channel_axis = source.kind == "image" or (source.kind == "array" and weight is not None)
    plan = ConvolvePlan(
        stack,
        axes,
        (*stack.leading[:-1], kernel.channels_out) if has_channel_axis else stack.leading,
        kernel.channels_out,
        dtype,
        f"transposed convolution ({request.kernel or 'weight'})",
        [_formula(*of_axis) for of_axis in zip(kernel.windows, axes, strict=True)],
        hints=[hint] if hint else [],
        kernel=kernel,
    )
    _settle_elements(plan)
    # The padded input, the sums, and what is stored of them.
    values_in = stack.item_bytes // stack.dtype.itemsize * stack.batch_size
    values_out = math.prod(plan.sizes) * plan.channels * stack.batch_size
    plan.scratch_bytes = (2 * values_in + values_out) * plan.sums_in.itemsize
    return plan


def _set_spatial_of_weight(source: "Source", weight: Array) -> None:
    dimensions = weight.ndim - 2
    if source.kind == "array":
        if 1 <= dimensions <= 3 and len(source.full_shape) - dimensions in (1, 2):
            source.set_dimensions(dimensions)
            return
        shape = "×".join(map(str, source.full_shape))
        problem = f"of {weight.ndim} axes does not go with an input of shape {shape}"
        remedy = "use an input (N, C, spatial) or (C, spatial) for a weight (C, C_out, spatial)"
        raise RequestError("--weight", problem, remedy)
    if dimensions != len(source.shape):
        axes = len(source.shape)
        raise RequestError(
            "--weight",
            f"has {weight.ndim} axes, but {source.name} has {axes} spatial ones",
            f"use {axes + 2}: channels in, channels out / groups, and {axes} kernel sizes",
        )


def _named_kernel(request: ConvolveRequest, stack: Stack) -> Kernel:
    """Return a depth-wise kernel: each channel is enlarged on its own."""
    assert request.kernel
    assert request.stride
    strides = per_axis("--stride", request.stride, len(stack.spatial))
    taps, windows = upsampling_kernel(request.kernel, strides)
    weight = np.broadcast_to(taps, (stack.channels, 1, *taps.shape))
    bias = np.zeros(stack.channels)
    return Kernel(weight, bias, windows, [0] * len(strides), stack.channels)


def _given_kernel(request: ConvolveRequest, stack: Stack, weight: Array) -> Kernel:
    dimensions, groups = len(stack.spatial), request.groups or 1
    if len(weight) != stack.channels:
        problem = f"takes {len(weight)} channels, but {stack.source.name} has {stack.channels}"
        raise RequestError("--weight", problem, "its shape is (C_in, C_out / groups, kernel)")
    if stack.channels % groups:
        problem = f"{stack.channels} channels do not make {groups} groups"
        raise RequestError("--groups", problem, "use a divisor")
    outputs = weight.shape[1] * groups
    bias = read_array(request.bias, request.image) if request.bias else np.zeros(outputs)
    if bias.shape != (outputs,):
        shape = "×".join(map(str, bias.shape))
        raise RequestError("--bias", f"has shape {shape}", f"use {outputs}, one per channel")
    strides = per_axis("--stride", request.stride or (1,), dimensions)
    paddings = per_axis("--padding", request.padding or (0,), dimensions)
    dilations = per_axis("--dilation", request.dilation or (1,), dimensions)
    extra = per_axis("--output-padding", request.output_padding or (0,), dimensions)
    windows = [
        Window(*of_axis)
        for of_axis in zip(weight.shape[2:], strides, paddings, dilations, strict=True)
    ]
    return Kernel(weight, bias, windows, extra, groups)


def _sizes(request: ConvolveRequest, stack: Stack, kernel: Kernel) -> list[int]:
    is_padded, dimensions = any(kernel.output_padding), len(stack.spatial)
    wanted: list[int | None] = [None] * dimensions
    at_fault = "--output-padding" if is_padded else "--padding"
    if request.output_size:
        if is_padded:
            problem = "and --output-size exclude each other"
            raise RequestError("--output-padding", problem, "drop one")
        at_fault = "--output-size"
        wanted = [*per_axis(at_fault, request.output_size, dimensions)]
    of_axes = zip(kernel.windows, stack.spatial, kernel.output_padding, wanted, strict=True)
    try:
        return [window.transposed_size(size, extra, out) for window, size, extra, out in of_axes]
    except ValueError as error:
        raise RequestError(at_fault, str(error)) from error


def _formula(window: Window, axis: AxisMap) -> str:
    least = (axis.size_in - 1) * window.stride - 2 * window.padding + window.extent
    return filled(
        TRANSPOSED_SIZE,
        size=axis.size_in,
        kernel=window.kernel,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        output_padding=axis.size_out - least,
    )


def _settle_elements(plan: ConvolvePlan) -> None:
    """Settle the output's header, or its Pillow mode, for as many channels as there will be."""
    source, channels = plan.stack.source, plan.channels
    if source.kind == "array":
        return
    is_grey = source.kind == "image" and channels == 1
    if channels != plan.stack.channels and not is_grey:
        raise RequestError(
            "--weight",
            f"makes {channels} channels of {plan.stack.channels}, which {source.name} cannot hold",
            "make as many as there are, or use a .npy array",
        )
    if source.kind == "image":
        own = "L" if channels != plan.stack.channels else plan.stack.image_mode
        plan.image_mode = mode_for_dtype(own, plan.dtype)
        return
    from upsample_cli.files.nifti_resampled import resampled_header

    plan.header, warnings = resampled_header(source.header, plan.axes[::-1], plan.dtype)
    plan.header.fields["scl_slope"], plan.header.fields["scl_inter"] = 1, 0
    plan.warnings += warnings


def conv_transpose(
    request: ConvolveRequest, input_name: str, output_name: str, progress: Progress
) -> Summary:
    """Write the transposed convolution of one file into another.

    Parameters
    ----------
    request
        What to do.
    input_name, output_name
        Paths, or ``-`` for standard input and output.
    progress
        As in `upsample_cli.pipeline.resample`.

    Raises
    ------
    FileError, RequestError
        With nothing written, and nothing left behind.
    """
    started = time.perf_counter()
    check_output(input_name, output_name, force=request.force)
    with contextlib.closing(prepare_convolve(request, input_name)) as plan:
        output = destination(plan, request, output_name)
        check_room(output, memory=plan.working_bytes, disk=plan.output_bytes)
        names = file_names(output)
        with open_outputs(names, force=request.force) as files, progress(plan.output_bytes) as done:
            results = _convolved(plan, request.threads)
            write_results(plan, request, output, files, results, done)
        if plan.misfits:
            plan.warnings.append(loss_warning(plan.misfits, plan.dtype))
    seconds = time.perf_counter() - started
    line = summary_line((input_name, output_name), plan.before, plan.after, plan.name, seconds)
    return Summary(line, plan.warnings, plan.hints)


def _convolved(plan: ConvolvePlan, threads: int) -> Iterator[Array]:
    """Yield batches (n, channels out, *sizes) of the output's dtype."""
    kernel, stack, element = plan.kernel, plan.stack, plan.sums_in
    groups, each = kernel.groups, stack.channels // kernel.groups
    outputs = kernel.channels_out // groups
    windows = three_dimensional(kernel.windows, Window(1, 1))
    spatial = three_dimensional(stack.spatial, 1)
    sizes = three_dimensional(plan.sizes, 1)
    taps = three_dimensional(kernel.weight.shape[2:], 1)
    weight = np.ascontiguousarray(kernel.weight, element).reshape(groups, each, outputs, *taps)
    bias = kernel.bias.astype(element).reshape(groups, outputs)
    for batch in stack.batches():
        real = real_values(stack, batch, element).reshape(len(batch), groups, each, *spatial)
        sums = np.empty((len(batch), groups, outputs, *sizes), element)
        transposed_array(real, weight, bias, windows, sums, threads)
        result = sums
        if plan.dtype != element:
            result = np.empty(sums.shape, plan.dtype)
            plan.misfits += store(sums, result)
        yield result.reshape(len(batch), kernel.channels_out, *plan.sizes)


def real_values(stack: Stack, batch: Array, element: np.dtype[Any]) -> Array:
    """Return stored values as what they stand for."""
    scaling = stack.source.header.scaling if stack.source.kind == "volume" else (1.0, 0.0)
    if scaling == (1.0, 0.0):
        return batch.astype(element)
    return (batch.astype(np.float64) * scaling[0] + scaling[1]).astype(element)
