"""A request becomes a job: everything that can be known before the first voxel is read."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from upsample_cli.advice import hints_about, warnings_about
from upsample_cli.errors import RequestError
from upsample_cli.files import open_source
from upsample_cli.files.image_formats import element_of_mode, mode_for_dtype
from upsample_cli.passes.arithmetic import copied_where_equal, is_fixed_point
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.streaming import planes_per_chunk, window_bytes
from upsample_cli.resources import check_memory
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.modes import DIMENSION_BOUND, MODES, Method
from upsample_cli.sampling.target import Target

if TYPE_CHECKING:
    from upsample_cli.files import Source, VolumeHeader, VolumeSource
    from upsample_cli.files.array import ArraySink
    from upsample_cli.files.image_options import ImageOptions
    from upsample_cli.files.mgh import MghSink
    from upsample_cli.files.nifti import NiftiSink
    from upsample_cli.files.nifti_geometry import Geometry


TAP_BYTES = 64
"""What the plan of an axis takes for each output, in a mode of few taps."""


@dataclass(frozen=True)
class Request:
    """Everything that a user can ask of one resample.

    ``align_corners`` and ``antialias`` are None where the user said nothing. ``geometry`` is what
    the output's header takes in place of the one that follows from the axes.
    """

    target: Target
    image: "ImageOptions"
    mode: str = "linear"
    align_corners: bool | None = None
    antialias: bool | None = None
    recompute_scale_factor: bool = False
    dtype: str | None = None
    threads: int = 1
    compress_level: int = 1
    format: str | None = None
    force: bool = False
    straight_alpha: bool = False
    record: bool = False
    geometry: "Geometry | None" = None

    @property
    def has_image_options(self) -> bool:
        """Whether it asks for something that only images have."""
        image = self.image
        given = (image.frame, image.max_pixels, image.quality)
        return self.straight_alpha or any(value is not None for value in given)


@dataclass
class Job:
    """A resample that is ready to run.

    Attributes
    ----------
    source
        The open input.
    method, axes, resampler
        How each axis is sampled, slowest first, and the passes that do it.
    channels
        Interleaved values of an element.
    header
        The output's header, for a volume.
    image_mode
        The output's Pillow mode, for an image.
    warnings, hints
        What the user should know.
    """

    request: Request
    source: "Source"
    method: Method
    axes: list[AxisMap]
    resampler: Resampler
    channels: int
    header: "VolumeHeader | None" = None
    image_mode: str = ""
    warnings: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    @property
    def output_bytes(self) -> int:
        """The size of the output's elements."""
        count = math.prod(self.resampler.shape_out) * self.channels
        return count * self.resampler.dtype_out.itemsize * self.items

    @property
    def items(self) -> int:
        """The number of volumes; 1 for an image."""
        return self.source.items

    @property
    def working_bytes(self) -> int:
        """An estimate of the memory that the work needs, beyond what the program itself takes."""
        if self.source.kind == "image":
            pixels_in = math.prod(self.resampler.shape_in) * self.channels
            return 2 * pixels_in * self.resampler.dtype_in.itemsize + 2 * self.output_bytes
        threads = self.request.threads
        chunk, slab = planes_per_chunk(self.resampler, self.channels, threads)
        plane_in = math.prod(self.resampler.shape_in[1:]) * self.resampler.dtype_in.itemsize
        plane_out = math.prod(self.resampler.shape_out[1:]) * self.resampler.dtype_out.itemsize
        passing = (chunk * plane_in + slab * plane_out) * self.channels * 2
        return window_bytes(self.resampler, self.channels, chunk) + passing

    @property
    def shape_in(self) -> str:
        """The input's shape as people write it, x first."""
        return self._shape(self.resampler.shape_in)

    @property
    def shape_out(self) -> str:
        """The output's shape, likewise."""
        return self._shape(self.resampler.shape_out)

    def _shape(self, spatial: tuple[int, ...]) -> str:
        extra = self.source.extra_dimensions
        return "×".join(str(n) for n in (*reversed(spatial), *extra))

    def open_sink(
        self, files: list[BinaryIO], *, is_gzip: bool
    ) -> "NiftiSink | MghSink | ArraySink":
        """Return what writes a volume or an array slab by slab."""
        request = self.request
        how = {"level": request.compress_level, "threads": request.threads}
        if self.source.kind == "volume" and self.header is not None:
            if self.header.format == "NIfTI":
                from upsample_cli.files.nifti import NiftiSink

                return NiftiSink(self.header, files, is_gzip=is_gzip, **how)
            from upsample_cli.files.mgh import MghSink

            trailer = self.source.header
            assert trailer.format == "MGH"
            return MghSink(self.header, trailer, files[0], is_gzip=is_gzip, **how)
        from upsample_cli.files.array import ArraySink

        resampler = self.resampler
        assert self.source.kind == "array"
        return ArraySink(self.source, resampler.shape_out, resampler.dtype_out, files[0])


def prepare(request: Request, input_name: str) -> Job:
    """Open the input and settle how it is resampled; the caller closes ``job.source``.

    Raises
    ------
    FileError
        If the input cannot be read or is broken.
    RequestError
        If it cannot be resampled as requested.
    """
    source = open_source(input_name, request.image)
    try:
        return _prepare(request, source)
    except BaseException:
        source.close()
        raise


def _prepare(request: Request, source: "Source") -> Job:
    dimensions = _dimensions(request, source)
    method = _method(request, dimensions)
    axes = _axes(request, source, method)
    dtype_in, channels, image_mode = _elements(source, method)
    dtype_out = dtype_in if request.dtype is None else _dtype(request.dtype)
    if source.kind == "image" and dtype_out != dtype_in:
        image_mode = mode_for_dtype(image_mode, dtype_out)
    is_scaled = request.target.kind == "scale"
    if is_scaled and is_fixed_point(method, dtype_in, dtype_out, dimensions):
        axes = copied_where_equal(axes)
    # Taps and weights are arrays too, as long as the axes.
    check_memory(f"--{request.target.kind}", sum(axis.size_out for axis in axes) * TAP_BYTES)
    try:
        resampler = Resampler(axes, method, dtype_in, dtype_out)
    except TypeError as error:
        raise RequestError("--dtype" if request.dtype else source.name, str(error)) from error
    job = Job(request, source, method, axes, resampler, channels, image_mode=image_mode)
    if source.kind == "volume":
        _prepare_header(job, source)
    job.warnings += warnings_about(job)
    job.hints += hints_about(job)
    return job


def _dimensions(request: Request, source: "Source") -> int:
    bound = DIMENSION_BOUND.get(request.mode)
    if source.kind == "array":
        wanted = len(request.target.values)
        if wanted > 1 or bound:
            source.set_dimensions(bound[1] if bound else wanted)
    dimensions = len(source.shape)
    if bound and bound[1] != dimensions:
        kind = "an image" if source.kind == "image" else f"{dimensions}-D data"
        raise RequestError(
            "--mode",
            f"{request.mode} is for {bound[1]}-D data, but {source.name} is {kind}",
            f"use {bound[0]}",
        )
    return dimensions


def _method(request: Request, dimensions: int) -> Method:
    mode = MODES[DIMENSION_BOUND.get(request.mode, (request.mode, dimensions))[0]]
    if request.align_corners is not None and not mode.allows_align_corners:
        allowed = ", ".join(m.name for m in MODES.values() if m.allows_align_corners)
        raise RequestError(
            "--align-corners" if request.align_corners else "--no-align-corners",
            f"mode {mode.name} has no such option",
            f"use {allowed}, or drop it",
        )
    if request.antialias and not mode.allows_antialias:
        allowed = ", ".join(m.name for m in MODES.values() if m.allows_antialias)
        raise RequestError(
            "--antialias", f"mode {mode.name} has no such option", f"use {allowed}, or drop it"
        )
    antialias = mode.needs_antialias if request.antialias is None else request.antialias
    if mode.needs_antialias and not antialias:
        raise RequestError(
            "--no-antialias", f"mode {mode.name} is always antialiased", "drop the option"
        )
    return Method(mode, bool(request.align_corners), antialias)


def _axes(request: Request, source: "Source", method: Method) -> list[AxisMap]:
    sizes = tuple(reversed(source.shape))
    target = request.target
    if target.kind == "size" and None in target.values and source.kind != "image":
        raise RequestError("--size", "a number can be left out for images only", "give them all")
    spacing = None
    if source.kind == "volume":
        spacing = source.header.spacing
    try:
        axes = request.target.axes(sizes, spacing, method, recompute=request.recompute_scale_factor)
    except ValueError as error:
        raise RequestError(f"--{request.target.kind}", str(error)) from error
    return axes[::-1]


def _elements(source: "Source", method: Method) -> tuple[np.dtype[Any], int, str]:
    """Return native dtype, channels, and for an image the Pillow mode of what is resampled."""
    if source.kind != "image":
        return source.dtype, source.channels, ""
    from upsample_cli.files.image import result_mode

    mode = result_mode(source, blurs=method.mode.blurs)
    dtype, channels = element_of_mode(mode)
    return dtype, channels, mode


def _dtype(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name).newbyteorder("=")
    except TypeError as error:
        raise RequestError(
            "--dtype", f"{name} is unknown", "use a NumPy name such as uint8, int16 or float32"
        ) from error


def _prepare_header(job: Job, source: "VolumeSource") -> None:
    header, x_first, dtype = source.header, job.axes[::-1], job.resampler.dtype_out
    if header.format == "MGH":
        from upsample_cli.files.mgh import resampled_mgh

        job.header, warnings = resampled_mgh(header, x_first, dtype)
    else:
        from upsample_cli.files.nifti_resampled import resampled_header

        new, warnings = resampled_header(header, x_first, dtype)
        job.header = new if job.request.geometry is None else job.request.geometry.put_into(new)
    job.warnings += warnings
