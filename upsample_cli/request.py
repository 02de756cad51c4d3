"""What a user can ask of one file, command by command; nothing here looks at the file."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upsample_cli.files.image_options import ImageOptions
    from upsample_cli.files.nifti_geometry import Geometry
    from upsample_cli.sampling.mapping import Like, Orientation
    from upsample_cli.sampling.target import Target


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
