"""A request becomes a job: everything that can be known before the first voxel is read."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from upsample_cli.advice import ELEMENT_NAMES, hints_about, says_labels, warnings_about
from upsample_cli.errors import RequestError
from upsample_cli.files import open_source
from upsample_cli.files.image_formats import element_of_mode, mode_for_dtype
from upsample_cli.mapped import Mapped, map_volume
from upsample_cli.memory import job_bytes
from upsample_cli.output import Contents, Destination, named_dtype
from upsample_cli.passes.arithmetic import copied_where_equal, is_fixed_point
from upsample_cli.passes.mapped import MappedResampler
from upsample_cli.passes.pieces import Pieces
from upsample_cli.passes.resampler import Resampler
from upsample_cli.request import LABEL, Request, check_request, method_of
from upsample_cli.resources import check_memory
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.modes import DIMENSION_BOUND, Method
from upsample_cli.sampling.target import Target

if TYPE_CHECKING:
    from upsample_cli.files import Source, VolumeHeader, VolumeSource
    from upsample_cli.files.array import ArraySink
    from upsample_cli.files.mgh import MghSink
    from upsample_cli.files.nifti import NiftiSink


OUTPUT_BYTES, TAP_BYTES = 64, 160
"""What the plan of an axis takes for each output of a mode of few taps, and for each of many."""


@dataclass
class Job:
    """A resample that is ready to run.

    Attributes
    ----------
    source
        The open input.
    mode
        The mode's name, as it was asked for.
    method, axes, resampler
        How each axis is sampled, slowest first, and the passes that do it. Onto another grid there
        are no axes.
    channels
        Interleaved values of an element.
    header
        The output's header, for a volume.
    image_mode
        The output's Pillow mode, for an image.
    mapped
        How a volume comes onto another grid, if that is what is asked.
    pieces
        How much is worked on at once.
    output
        Where it goes; until that is known, standard output in the source's format.
    warnings, hints
        What the user should know.
    """

    request: Request
    source: "Source"
    mode: str
    method: Method
    axes: list[AxisMap]
    resampler: Resampler | MappedResampler
    channels: int
    header: "VolumeHeader | None" = None
    image_mode: str = ""
    mapped: Mapped | None = None
    pieces: Pieces = field(init=False)
    output: Destination = field(init=False)
    warnings: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pieces = Pieces(self.request.threads)
        self.output = Destination("-", self.source.default_suffix)

    def close(self) -> None:
        """Close the input."""
        self.source.close()

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
        return job_bytes(self)

    @property
    def step(self) -> float:
        """The largest distance between neighbouring outputs along an axis, in input samples."""
        if self.mapped is None:
            return max(axis.step for axis in self.axes)
        return max(self.mapped.mapping.steps) if self.mapped.mapping else 1.0

    @property
    def is_copied(self) -> bool:
        """Whether voxels are only copied, where the mode would do more."""
        is_other = self.mapped is not None and self.method.mode.name != self.mode
        return is_other and not self.method.mode.blurs

    @property
    def how(self) -> str:
        """The mode, and who chose it if nobody asked for it; or that voxels are only copied."""
        was_asked_for = self.request.mode or self.request.labels
        why = " (by its intent)" if self.method.mode.votes and not was_asked_for else ""
        return ("copied" if self.is_copied else self.mode) + why

    @property
    def less_memory(self) -> str:
        """What would need less memory."""
        if isinstance(self.resampler, MappedResampler) and self.resampler.holds_item:
            return "its planes are needed out of their order, so that all are held at once"
        return "ask for a smaller output"

    @property
    def before(self) -> Contents:
        """What the input holds."""
        return self._contents(self.resampler.shape_in, self.resampler.dtype_in)

    @property
    def after(self) -> Contents:
        """What the output will hold."""
        return self._contents(self.resampler.shape_out, self.resampler.dtype_out)

    def _contents(self, spatial: tuple[int, ...], dtype: np.dtype[Any]) -> Contents:
        return Contents((*reversed(spatial), *self.source.extra_dimensions), dtype.name)

    def open_sink(
        self, files: list[BinaryIO], *, is_gzip: bool
    ) -> "NiftiSink | MghSink | ArraySink":
        """Return what writes a volume or an array slab by slab."""
        request = self.request
        how = {"level": request.compress_level, "threads": self.pieces.threads}
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
        shape = (*self.source.leading, *resampler.shape_out)
        return ArraySink(self.source.disk_dtype, shape, resampler.dtype_out, files[0])


def prepare(request: Request, input_name: str) -> Job:
    """Open the input and settle how it is resampled; the caller closes ``job.source``.

    Raises
    ------
    FileError
        If the input cannot be read or is broken.
    RequestError
        If it cannot be resampled as requested.
    """
    check_request(request)
    source = open_source(input_name, request.image)
    try:
        return _prepare(request, source)
    except BaseException:
        source.close()
        raise


def _prepare(request: Request, source: "Source") -> Job:
    mode = _mode(request, source)
    dimensions = _dimensions(request, mode, source)
    method = method_of(request, mode, dimensions)
    if not isinstance(request.target, Target):
        return _prepare_mapped(request, source, mode, method)
    axes = _axes(request, source, method)
    dtype_in, channels, image_mode = _elements(source, method)
    dtype_out = dtype_in if request.dtype is None else named_dtype(request.dtype)
    if source.kind == "image" and dtype_out != dtype_in:
        image_mode = mode_for_dtype(image_mode, dtype_out)
    is_scaled = request.target.kind == "scale"
    if is_scaled and is_fixed_point(method, dtype_in, dtype_out, dimensions):
        axes = copied_where_equal(axes)
    # Taps and weights are arrays too, as long as the axes.
    check_memory(f"--{request.target.kind}", sum(_plan_bytes(axis, method) for axis in axes))
    try:
        resampler = Resampler(axes, method, dtype_in, dtype_out, _channels(source, channels))
    except TypeError as error:
        raise RequestError("--dtype" if request.dtype else source.name, str(error)) from error
    job = Job(request, source, mode, method, axes, resampler, channels, image_mode=image_mode)
    if source.kind == "volume":
        _prepare_header(job, source)
    job.warnings += warnings_about(job)
    job.hints += hints_about(job)
    return job


def _channels(source: "Source", interleaved: int) -> int | None:
    """Return the channels of the tensor that this would be in PyTorch; it has no 2-D volumes."""
    if source.kind == "volume":
        return None
    if source.kind == "image":
        return interleaved
    return source.leading[-1] if source.leading else 1


def _plan_bytes(axis: AxisMap, method: Method) -> int:
    """Return about what the taps and weights of an axis take at most."""
    # A filter is stretched over all the inputs that it stands for.
    stretched = method.antialias and axis.step > 1
    inputs = 2 * int(method.mode.support) if stretched else int(method.mode.averages)
    return axis.size_out * OUTPUT_BYTES + inputs * axis.size_in * TAP_BYTES


def _mode(request: Request, source: "Source") -> str:
    if request.mode is not None:
        return request.mode
    return LABEL if request.labels or says_labels(source) else "linear"


def _prepare_mapped(request: Request, source: "Source", mode: str, method: Method) -> Job:
    assert not isinstance(request.target, Target)
    option = f"--{request.target.kind}"
    if source.kind != "volume":
        problem = f"{source.name} is of kind {source.kind}, which has no place in the world"
        raise RequestError(option, problem, "use a NIfTI volume")
    if source.header.format != "NIfTI":
        raise RequestError(option, f"does not take {source.header.format}", "convert it to .nii.gz")
    switches = {
        "--align-corners": method.align_corners,
        "--antialias": method.antialias and not method.mode.needs_antialias,
        "--recompute-scale-factor": request.recompute_scale_factor,
    }
    for name, is_on in switches.items():
        if is_on:
            raise RequestError(name, f"does not go with {option}", "drop one")
    _elements(source, method)
    dtype_out = source.dtype if request.dtype is None else named_dtype(request.dtype)
    try:
        mapped = map_volume(request.target, source, method, dtype_out)
    except TypeError as error:
        raise RequestError("--dtype" if request.dtype else source.name, str(error)) from error
    job = Job(request, source, mode, mapped.method, [], mapped.resampler, source.channels)
    job.mapped, job.header = mapped, mapped.header
    job.warnings += [*mapped.warnings, *warnings_about(job)]
    job.hints += hints_about(job)
    return job


def _dimensions(request: Request, mode: str, source: "Source") -> int:
    bound = DIMENSION_BOUND.get(mode)
    if source.kind == "array":
        wanted = len(request.target.values)
        if wanted > 1 or bound:
            source.set_dimensions(bound[1] if bound else wanted)
    dimensions = len(source.shape)
    if bound and bound[1] != dimensions:
        kind = "an image" if source.kind == "image" else f"{dimensions}-D data"
        raise RequestError(
            "--mode",
            f"{mode} is for {bound[1]}-D data, but {source.name} is {kind}",
            f"use {bound[0]}",
        )
    return dimensions


def _axes(request: Request, source: "Source", method: Method) -> list[AxisMap]:
    assert isinstance(request.target, Target)
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
        dtype, channels, mode = source.dtype, source.channels, ""
    else:
        from upsample_cli.files.image import result_mode

        mode = result_mode(source, blurs=method.mode.blurs)
        dtype, channels = element_of_mode(mode)
    if method.mode.votes and channels > 1:
        what = f"has {channels} values a {ELEMENT_NAMES[source.kind]}"
        raise RequestError(source.name, f"{what}, and a label map has one", "use nearest-exact")
    return dtype, channels, mode


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
