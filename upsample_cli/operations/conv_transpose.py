"""The transposed convolution of a file, in real units."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import RequestError
from upsample_cli.files.images.modes import PIXEL_MODES, mode_for_dtype
from upsample_cli.operations.advice import source_warnings
from upsample_cli.operations.output import loss_warning
from upsample_cli.operations.requests import ConvolveRequest, named_dtype
from upsample_cli.operations.stack import (
    Stack,
    per_axis,
    settle_spatial,
    stack_of,
    three_dimensional,
)
from upsample_cli.operations.stacked import Stacked
from upsample_cli.operations.weights import (
    Kernel,
    given_kernel,
    named_kernel,
    read_array,
    settle_spatial_of_weight,
)
from upsample_cli.operations.work import from_source
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
class ConvolveWork(Stacked):
    """A transposed convolution that is ready to run."""

    request: ConvolveRequest
    kernel: Kernel
    misfits: int = field(default=0, init=False)

    @property
    def sums_in(self) -> np.dtype[Any]:
        """The dtype of the arithmetic: float64 where float32 would lose stored digits."""
        return np.result_type(self.stack.dtype, self.dtype_out, np.float32)

    def scratch_bytes(self, pieces: Pieces) -> int:
        """Return the real values, sums that are not the output itself, and what they take."""
        kernel, stack, count = self.kernel, self.stack, self.batch_size(pieces)
        groups, element = kernel.groups, self.sums_in.itemsize
        source = (count, groups, stack.channels // groups, *three_dimensional(stack.spatial, 1))
        target = (count, groups, self.channels // groups, *three_dimensional(self.shape_out, 1))
        windows = three_dimensional(kernel.windows, Window(1, 1))
        padded = scratch_elements(source, kernel.weight, windows, target) * element
        real, sums = math.prod(source) * element, math.prod(target) * element
        if stack.scaling != (1.0, 0.0):
            padded = max(padded, 2 * DOUBLE_BYTES * math.prod(source))
        if self.dtype_out == self.sums_in:
            return real + padded
        return real + sums + max(0, padded - self.batch_out(pieces))

    def batches(self) -> Iterator[Array]:
        """Yield what is convolved, in the output's dtype."""
        kernel, stack, element = self.kernel, self.stack, self.sums_in
        groups, each = kernel.groups, stack.channels // kernel.groups
        outputs = kernel.channels_out // groups
        windows = three_dimensional(kernel.windows, Window(1, 1))
        spatial = three_dimensional(stack.spatial, 1)
        sizes = three_dimensional(self.shape_out, 1)
        taps = three_dimensional(kernel.weight.shape[2:], 1)
        weight = np.ascontiguousarray(kernel.weight, element).reshape(groups, each, outputs, *taps)
        bias = kernel.bias.astype(element).reshape(groups, outputs)
        for batch in stack.batches(self.pieces.division):
            real = real_values(stack, batch, element).reshape(len(batch), groups, each, *spatial)
            sums = np.empty((len(batch), groups, outputs, *sizes), element)
            transposed_array(real, weight, bias, windows, sums, self.pieces.threads)
            result = sums
            if self.dtype_out != element:
                result = np.empty(sums.shape, self.dtype_out)
                self.misfits += store(sums, result)
            yield result.reshape(len(batch), kernel.channels_out, *self.shape_out)

    def conclude(self) -> None:
        """Take note of the values that were changed."""
        if self.misfits:
            self.warnings.append(loss_warning(self.misfits, self.dtype_out))


def prepare(request: ConvolveRequest, input_name: str) -> ConvolveWork:
    """Open the input and settle how it is convolved; errors as in `operations.work.prepare`."""
    weight = read_array(request.weight) if request.weight else None
    return from_source(request, input_name, partial(_prepare, request, weight))


def _prepare(request: ConvolveRequest, weight: Array | None, source: "Source") -> ConvolveWork:
    if weight is None:
        hint = settle_spatial(source, [request.stride, request.output_size])
        stack = stack_of(source)
        kernel = named_kernel(request, stack)
    else:
        hint = ""
        settle_spatial_of_weight(source, weight)
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
    blur = "a transposed convolution" if request.kernel != "nearest" else ""
    _check_channels(stack, kernel)
    work = ConvolveWork(
        request=request,
        source=source,
        axes=axes,
        dtype_out=dtype,
        channels=kernel.channels_out,
        warnings=[*source_warnings(source, blur, "use --kernel nearest")],
        hints=[hint] if hint else [],
        stack=stack,
        leading=(*stack.leading[:-1], kernel.channels_out) if has_channel_axis else stack.leading,
        name=f"transposed convolution ({request.kernel or 'weight'})",
        formulas=[_formula(*of_axis) for of_axis in zip(kernel.windows, axes, strict=True)],
        kernel=kernel,
    )
    _settle_elements(work)
    return work


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


def _check_channels(stack: Stack, kernel: Kernel) -> None:
    """Refuse as many channels as an image or a volume cannot hold."""
    source, channels = stack.source, kernel.channels_out
    is_grey = source.kind == "image" and channels == 1
    if source.kind != "array" and channels != stack.channels and not is_grey:
        raise RequestError(
            "--weight",
            f"makes {channels} channels of {stack.channels}, which {source.name} cannot hold",
            "make as many as there are, or use a .npy array",
        )


def _settle_elements(work: ConvolveWork) -> None:
    """Settle the output's header, or its Pillow mode, for as many channels as there will be."""
    source, stack = work.source, work.stack
    if source.kind == "image":
        own = "L" if work.channels != stack.channels else stack.image_mode
        work.image_mode = mode_for_dtype(own, work.dtype_out)
        if PIXEL_MODES[work.image_mode].has_alpha:
            work.hints.append("transparency is one channel of many here; colours may bleed from it")
    elif source.kind == "volume":
        header, warnings = source.header.resampled(work.axes[::-1], work.dtype_out)
        work.header = header.unscaled()
        work.warnings += warnings


def real_values(stack: Stack, batch: Array, element: np.dtype[Any]) -> Array:
    """Return stored values as what they stand for."""
    scaling = stack.scaling
    if scaling == (1.0, 0.0):
        return batch.astype(element)
    # What a slope makes infinite is counted where it is written.
    with np.errstate(over="ignore", invalid="ignore"):
        return (batch.astype(np.float64) * scaling[0] + scaling[1]).astype(element)
