"""The transposed convolution of a file, in real units."""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import RequestError
from upsample_cli.files import open_source
from upsample_cli.files.images.modes import PIXEL_MODES, mode_for_dtype
from upsample_cli.operations.advice import warnings_about_source
from upsample_cli.operations.inverse_plan import Plan, destination, write_results
from upsample_cli.operations.output import (
    Progress,
    Summary,
    check_output,
    check_room,
    file_names,
    loss_warning,
    named_dtype,
    open_outputs,
)
from upsample_cli.operations.requests import ConvolveRequest, check_kernel_options
from upsample_cli.operations.stack import Stack, per_axis, set_spatial, stack_of, three_dimensional
from upsample_cli.operations.weights import (
    Kernel,
    given_kernel,
    named_kernel,
    read_array,
    set_spatial_of_weight,
)
from upsample_cli.passes.elements import store
from upsample_cli.passes.transposed import scratch_elements, transposed_array
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.windows import TRANSPOSED_SIZE, Window, filled

if TYPE_CHECKING:
    from upsample_cli.files import Source

Array = NDArray[Any]

DEFAULT_DTYPE = "float32"
DOUBLE_BYTES = 8


@dataclass(kw_only=True)
class ConvolvePlan(Plan):
    """A transposed convolution that is ready to run."""

    kernel: Kernel
    misfits: int = 0

    @property
    def sums_in(self) -> np.dtype[Any]:
        """The dtype of the arithmetic: float64 where float32 would lose stored digits."""
        return np.result_type(self.stack.dtype, self.dtype, np.float32)

    @property
    def scratch_bytes(self) -> int:
        """The real values, the sums where they are not the output itself, and what they take."""
        kernel, stack, count = self.kernel, self.stack, self.batch_size
        groups, element = kernel.groups, self.sums_in.itemsize
        source = (count, groups, stack.channels // groups, *three_dimensional(stack.spatial, 1))
        target = (count, groups, self.channels // groups, *three_dimensional(self.sizes, 1))
        windows = three_dimensional(kernel.windows, Window(1, 1))
        padded = scratch_elements(source, kernel.weight, windows, target) * element
        real, sums = math.prod(source) * element, math.prod(target) * element
        if stack.source.kind == "volume" and stack.source.header.scaling != (1.0, 0.0):
            padded = max(padded, 2 * DOUBLE_BYTES * math.prod(source))
        if self.dtype == self.sums_in:
            return real + padded
        return real + sums + max(0, padded - self.batch_out)


def prepare_convolve(request: ConvolveRequest, input_name: str) -> ConvolvePlan:
    """Open the input and settle how it is convolved; the caller closes the source.

    Raises
    ------
    FileError
        If the input or the weights cannot be read or are broken.
    RequestError
        If it cannot be convolved as requested.
    """
    check_kernel_options(request)
    weight = read_array(request.weight) if request.weight else None
    source = open_source(input_name, request.image)
    try:
        return _prepare(request, source, weight)
    except BaseException:
        source.close()
        raise


def _prepare(request: ConvolveRequest, source: "Source", weight: Array | None) -> ConvolvePlan:
    if weight is None:
        hint = set_spatial(source, [request.stride, request.output_size])
        stack = stack_of(source)
        kernel = named_kernel(request, stack)
    else:
        hint = ""
        set_spatial_of_weight(source, weight)
        stack = stack_of(source, mixes=True)
        kernel = given_kernel(request, stack, weight)
    dtype = _output_dtype(request, stack)
    axes = [
        window.expanded(size, size_out)
        for window, size, size_out in zip(
            kernel.windows, stack.spatial, _sizes(request, stack, kernel), strict=True
        )
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
        pieces=Pieces(request.threads),
        hints=[hint] if hint else [],
        kernel=kernel,
    )
    blurs = request.kernel != "nearest"
    blur = "a transposed convolution" if blurs else ""
    plan.warnings += warnings_about_source(source, blur, "use --kernel nearest")
    _settle_elements(plan)
    return plan


def _output_dtype(request: ConvolveRequest, stack: Stack) -> np.dtype[Any]:
    dtype = named_dtype(request.dtype or DEFAULT_DTYPE)
    for subject, own in ((stack.source.name, stack.dtype), ("--dtype", dtype)):
        if own.kind not in "biuf" or own.itemsize > 8:
            verb = "is" if subject == "--dtype" else "holds"
            raise RequestError(subject, f"{verb} {own}", "use real numbers of up to 64 bits")
    return dtype


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
        if PIXEL_MODES[plan.image_mode].has_alpha:
            plan.hints.append("transparency is one channel of many here; colours may bleed from it")
        return
    header, warnings = source.header.resampled(plan.axes[::-1], plan.dtype)
    plan.header = header.unscaled()
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
        As in `upsample_cli.operations.resample.resample`.

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
            results = _convolved(plan, plan.pieces.threads)
            write_results(plan, request, output, files, results, done)
        if plan.misfits:
            plan.warnings.append(loss_warning(plan.misfits, plan.dtype))
    return plan.summary((input_name, output_name), time.perf_counter() - started)


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
    for batch in stack.batches(plan.pieces.division):
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
    # What a slope makes infinite is counted where it is written.
    with np.errstate(over="ignore", invalid="ignore"):
        return (batch.astype(np.float64) * scaling[0] + scaling[1]).astype(element)
