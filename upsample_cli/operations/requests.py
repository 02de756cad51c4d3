"""What a user can ask of one file, command by command; nothing here looks at the file."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from upsample_cli.errors import RequestError
from upsample_cli.operations.output import named_dtype
from upsample_cli.sampling.modes import DIMENSION_BOUND, MODES, Method

if TYPE_CHECKING:
    from upsample_cli.files.images.options import ImageOptions
    from upsample_cli.files.volumes.nifti_geometry import Geometry
    from upsample_cli.sampling.mapping import Like, Orientation
    from upsample_cli.sampling.target import Target

LABEL = "label"
"""The mode that mixes no labels."""


@dataclass(frozen=True, kw_only=True)
class FileRequest:
    """What a user can ask of any command that makes one file of another: how they are handled.

    ``max_memory`` is the most that the whole process may hold at any time, in bytes.
    """

    image: "ImageOptions"
    threads: int = 1
    compress_level: int = 1
    format: str | None = None
    force: bool = False
    max_memory: int | None = None


@dataclass(frozen=True, kw_only=True)
class Request(FileRequest):
    """Everything that a user can ask of one resample.

    ``mode`` None is label for label maps (``labels``, or an intent that says so), else linear.
    ``align_corners`` and ``antialias`` are None where the user said nothing. ``geometry`` is what
    the output's header takes in place of the one that follows from the axes.
    """

    target: "Target | Like | Orientation"
    mode: str | None = None
    labels: bool = False
    align_corners: bool | None = None
    antialias: bool | None = None
    recompute_scale_factor: bool = False
    dtype: str | None = None
    straight_alpha: bool = False
    record: bool = False
    geometry: "Geometry | None" = None

    @property
    def has_image_options(self) -> bool:
        """Whether it asks for something that only images have."""
        image = self.image
        given = (image.frame, image.max_pixels, image.quality)
        return self.straight_alpha or any(value is not None for value in given)


@dataclass(frozen=True, kw_only=True)
class PoolRequest(FileRequest):
    """What a user can ask of one pooling; numbers are x first, one or one per axis."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...] | None = None
    padding: tuple[int, ...] = (0,)
    dilation: tuple[int, ...] = (1,)
    ceil_mode: bool = False
    indices: str | None = None


@dataclass(frozen=True, kw_only=True)
class UnpoolRequest(FileRequest):
    """What a user can ask of one unpooling; the output size is x first."""

    output_size: tuple[int, ...] | None = None
    indices: str | None = None


@dataclass(frozen=True, kw_only=True)
class ConvolveRequest(FileRequest):
    """What a user can ask of one transposed convolution; numbers are x first.

    Exactly one of ``weight``, a file, and ``kernel``, a name of `UPSAMPLING_KERNELS`, which
    brings its own padding and groups. None stands for what was not given.
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


def check_request(request: Request) -> None:
    """Refuse what goes with no input, before any is opened.

    Raises
    ------
    RequestError
        If options contradict each other.
    """
    if request.labels and request.mode not in (None, LABEL):
        raise RequestError("--labels", f"does not go with mode {request.mode}", "drop one of them")
    if request.mode is not None or request.labels:
        method_of(request, request.mode or LABEL, 0)
    if request.dtype is not None:
        named_dtype(request.dtype)


def method_of(request: Request, name: str, dimensions: int) -> Method:
    """Return the method of a mode on data of so many dimensions.

    Raises
    ------
    RequestError
        If an option does not go with the mode.
    """
    mode = MODES[DIMENSION_BOUND.get(name, (name, dimensions))[0]]
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


def check_kernel_options(request: ConvolveRequest) -> None:
    """Refuse options that contradict each other, before any file is opened."""
    if (request.weight is None) == (request.kernel is None):
        problem = "is missing" if request.weight is None else "and --kernel exclude each other"
        raise RequestError("--weight", problem, "use either --weight or --kernel")
    for option in ("weight", "bias"):
        if getattr(request, option) == "-":
            raise RequestError(f"--{option}", "cannot be standard input", "name a file")
    if request.kernel is None:
        return
    if request.stride is None:
        raise RequestError("--stride", "is missing", "give the factor by which --kernel enlarges")
    for option in ("bias", "padding", "output_padding", "dilation", "groups"):
        if getattr(request, option) is not None:
            name = f"--{option.replace('_', '-')}"
            raise RequestError(name, "goes with --weight; --kernel brings its own", "drop it")
