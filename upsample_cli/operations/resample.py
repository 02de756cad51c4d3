"""Resample a file, onto another grid or along its own axes, which is what stands here."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import RequestError
from upsample_cli.files.images.modes import PIXEL_MODES, mode_for_dtype
from upsample_cli.operations.advice import (
    ELEMENT_NAMES,
    shrinking_hints,
)
from upsample_cli.operations.explain import axis_rows, field_of_axes
from upsample_cli.operations.labels import labels_of
from upsample_cli.operations.requests import LABEL, ResampleRequest, method_of, named_dtype
from upsample_cli.operations.resampling import Resampling, elements_of, named_dtype_errors
from upsample_cli.operations.work import from_source
from upsample_cli.passes.axis_by_axis import AxisByAxis
from upsample_cli.passes.choosing import scaled_axes
from upsample_cli.resources.machine import check_memory
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.modes import DIMENSION_BOUND, Method
from upsample_cli.sampling.target import Target

if TYPE_CHECKING:
    from upsample_cli.files import Source
    from upsample_cli.files.images.reading import ImageSource

Array = NDArray[Any]

OUTPUT_BYTES, TAP_BYTES = 64, 160
"""What the plan of an axis takes for each output of a mode of few taps, and for each of many."""


@dataclass(kw_only=True)
class AlongAxes(Resampling):
    """A resample of a volume or an array along its own axes."""

    resampler: AxisByAxis

    def __post_init__(self) -> None:
        super().__post_init__()
        step, element = max(axis.step for axis in self.axes), ELEMENT_NAMES[self.source.kind]
        can_antialias = self.request.target.kind != "record"
        self.hints += shrinking_hints(step, self.method, element, can_antialias=can_antialias)

    def sampled(self) -> Iterator[str]:
        """Yield the field of view, and how each axis is sampled."""
        if self.source.kind == "volume" and self.header is not None:
            yield from field_of_axes(self.source.header, self.header, self.axes)
        yield ""
        plans = self.resampler.plans
        taps = ["copied" if plan is None else str(plan.width) for plan in plans]
        yield from axis_rows(self.axes, taps)


@dataclass(kw_only=True)
class ImageResampling(AlongAxes):
    """A resample of an image, which is decoded and encoded whole."""

    source: "ImageSource"

    @property
    def weighs_colours(self) -> bool:
        """Whether colours are weighed by their alpha."""
        has_alpha = PIXEL_MODES[self.image_mode].has_alpha
        return has_alpha and self.method.mode.blurs and not self.request.straight_alpha

    def working_bytes(self, pieces: Pieces) -> int:
        """Return an estimate of the memory that it needs with these pieces, beside the program."""
        from upsample_cli.passes.alpha import weighing_bytes

        resampler, threads, channels = self.resampler, pieces.threads, self.channels
        pixels = math.prod(resampler.shape_in) * channels * resampler.dtype_in.itemsize
        kept = self.output_bytes + resampler.whole_bytes(channels, threads)
        if self.weighs_colours:
            arguments = self.axes, self.method, resampler.dtype_in, channels, threads
            kept += weighing_bytes(*arguments)
        return max(
            self.decoding_bytes(blurs=self.method.mode.blurs),
            pixels + kept,
            kept + self.encoding_bytes(pieces),
        )

    def results(self) -> Iterator[Array]:
        """Yield the pixels (height, width, channels)."""
        from upsample_cli.passes.alpha import weigh_colours

        _, pixels = self.source.pixels(blurs=self.method.mode.blurs)
        result = np.empty((*self.shape_out, self.channels), self.dtype_out)
        threads = self.pieces.threads
        misfits = self.resampler.whole(pixels[np.newaxis], result[np.newaxis], threads)
        self.watch.add_input(pixels)
        self.look_at(result, misfits)
        if self.weighs_colours:
            weigh_colours(pixels, result, self.axes, self.method, threads)
        yield result


def prepare(request: ResampleRequest, input_name: str) -> Resampling:
    """Open the input and settle how it is resampled; errors as in `operations.work.prepare`."""
    return from_source(request, input_name, partial(_prepare, request))


def _prepare(request: ResampleRequest, source: "Source") -> Resampling:
    labels = labels_of(source)
    mode = request.mode or (LABEL if request.labels or labels.are_said else "linear")
    _settle_dimensions(request, mode, source)
    method = method_of(request, mode)
    if not isinstance(request.target, Target):
        from upsample_cli.operations.other_grid import onto_grid

        return onto_grid(request, source, mode, method, labels)
    axes = _axes(request.target, request, source, method)
    dtype_in, channels, image_mode = elements_of(source, method)
    dtype_out = dtype_in if request.dtype is None else named_dtype(request.dtype)
    if source.kind == "image" and dtype_out != dtype_in:
        image_mode = mode_for_dtype(image_mode, dtype_out)
    if request.target.kind == "scale":
        axes = scaled_axes(axes, method, dtype_in, dtype_out)
    # Taps and weights are arrays too, as long as the axes.
    check_memory(f"--{request.target.kind}", sum(_plan_bytes(axis, method) for axis in axes))
    with named_dtype_errors(request, source):
        tensor_channels = _tensor_channels(source, channels)
        resampler = AxisByAxis(axes, method, dtype_in, dtype_out, source.items, tensor_channels)
    header, warnings = None, list[str]()
    if source.kind == "volume":
        header, warnings = source.header.resampled(axes[::-1], dtype_out)
        header = header if request.geometry is None else header.with_geometry(request.geometry)
    kind = ImageResampling if source.kind == "image" else AlongAxes
    return kind(
        request=request,
        source=source,  # type: ignore[arg-type]
        axes=axes,
        dtype_out=dtype_out,
        channels=channels,
        header=header,
        image_mode=image_mode,
        warnings=warnings,
        mode=mode,
        method=method,
        resampler=resampler,
        labels=labels,
    )


def _tensor_channels(source: "Source", interleaved: int) -> int:
    """Return the channels of the tensor that this would be in PyTorch."""
    if source.kind != "array":
        return interleaved
    return source.leading[-1] if source.leading else 1


def _plan_bytes(axis: AxisMap, method: Method) -> int:
    """Return about what the taps and weights of an axis take at most."""
    # A filter is stretched over all the inputs that it stands for.
    stretched = method.antialias and axis.step > 1
    inputs = 2 * int(method.mode.support) if stretched else int(method.mode.averages)
    return axis.size_out * OUTPUT_BYTES + inputs * axis.size_in * TAP_BYTES


def _settle_dimensions(request: ResampleRequest, mode: str, source: "Source") -> None:
    """Settle how many axes of an array are spatial, and refuse a mode that is for others."""
    bound = DIMENSION_BOUND.get(mode)
    if source.kind == "array":
        wanted = len(request.target.values)
        if wanted > 1 or bound:
            source.set_dimensions(bound[1] if bound else wanted)
    dimensions = len(source.shape)
    if bound and bound[1] != dimensions:
        kind = "an image" if source.kind == "image" else f"{dimensions}-D data"
        problem = f"{mode} is for {bound[1]}-D data, but {source.name} is {kind}"
        raise RequestError("--mode", problem, f"use {bound[0]}")


def _axes(
    target: Target, request: ResampleRequest, source: "Source", method: Method
) -> list[AxisMap]:
    if target.kind == "size" and None in target.values and source.kind != "image":
        raise RequestError("--size", "a number can be left out for images only", "give them all")
    sizes = tuple(reversed(source.shape))
    spacing = source.header.spacing if source.kind == "volume" else None
    try:
        axes = target.axes(sizes, spacing, method, recompute=request.recompute_scale_factor)
    except ValueError as error:
        raise RequestError(f"--{target.kind}", str(error)) from error
    return axes[::-1]
