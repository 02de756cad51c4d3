"""What a user can ask of one file, operation by operation; nothing here looks at the file."""

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from upsample_cli.errors import RequestError
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.sampling.mapping import Like
from upsample_cli.sampling.modes import Method, SwitchError, mode_named

if TYPE_CHECKING:
    from typing_extensions import Self

    from upsample_cli.files.volumes.nifti_geometry import Geometry
    from upsample_cli.sampling.mapping import Orientation
    from upsample_cli.sampling.target import Target

LABEL = "label"
"""The mode that mixes no labels."""


@dataclass(frozen=True, kw_only=True)
class FileRequest:
    """What a user can ask of any operation that makes one file of another: how they are handled.

    ``max_memory`` is the most that the whole process may hold at any time, in bytes.
    """

    image: ImageOptions = field(default_factory=ImageOptions)
    threads: int = 1
    compress_level: int = 1
    format: str | None = None
    force: bool = False
    max_memory: int | None = None

    takes_labels: ClassVar[bool] = False
    """Whether it can be asked of a label map in a way of its own."""

    def check(self) -> None:
        """Refuse what goes with no input, before any is opened.

        Raises
        ------
        RequestError
            If options contradict each other.
        """

    def for_labels(self) -> "Self":
        """Return the same for a label map, where it `takes_labels`."""
        return self

    def beside(self, output: str) -> list[str]:  # noqa: ARG002
        """Return the names of the files that are written beside an output."""
        return []

    @property
    def references(self) -> list[str]:
        """The other files that the output depends on."""
        return []

    def with_absolute_references(self) -> "Self":
        """Return the same for a process that has another working folder."""
        return self


@dataclass(frozen=True, kw_only=True)
class ResampleRequest(FileRequest):
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

    takes_labels: ClassVar[bool] = True

    @property
    def has_image_options(self) -> bool:
        """Whether it asks for something that only images have."""
        image = self.image
        given = (image.frame, image.max_pixels, image.quality)
        return self.straight_alpha or any(value is not None for value in given)

    def check(self) -> None:
        """Refuse a mode that does not go with its switches, and an unknown dtype."""
        if self.labels and self.mode not in (None, LABEL):
            raise RequestError("--labels", f"does not go with mode {self.mode}", "drop one of them")
        if self.mode is not None or self.labels:
            method_of(self, self.mode or LABEL)
        if self.dtype is not None:
            named_dtype(self.dtype)

    def beside(self, output: str) -> list[str]:
        """Return the name of the record, if it is asked for."""
        if not self.record:
            return []
        from upsample_cli.operations.grid_record import record_name

        return [record_name(output)]

    @property
    def references(self) -> list[str]:
        """The volume whose grid is wanted."""
        return [self.target.reference] if isinstance(self.target, Like) else []

    def with_absolute_references(self) -> "Self":
        """Return the same for a process that has another working folder."""
        if not isinstance(self.target, Like):
            return self
        reference = os.path.abspath(self.target.reference)
        return replace(self, target=replace(self.target, reference=reference))

    def for_labels(self) -> "Self":
        """Return the same for a label map: no label is mixed, none becomes another dtype.

        What lies outside the field of view is background, whatever ``--fill`` is for images.
        """
        target = self.target
        if isinstance(target, Like):
            target = replace(target, fill=None)
        return replace(self, mode=None, labels=True, dtype=None, target=target)


@dataclass(frozen=True, kw_only=True)
class RestoreRequest(FileRequest):
    """What a user can ask of going back to a recorded grid.

    ``mode`` None is label for labels, linear for the rest; ``record`` None is the file that
    belongs to the input.
    """

    mode: str | None = None
    dtype: str | None = None
    record: str | None = None


@dataclass(frozen=True, kw_only=True)
class PoolRequest(FileRequest):
    """What a user can ask of one pooling; numbers are x first, one or one per axis."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...] | None = None
    padding: tuple[int, ...] = (0,)
    dilation: tuple[int, ...] = (1,)
    ceil_mode: bool = False
    indices: str | None = None

    def beside(self, output: str) -> list[str]:
        """Return the name of the file of indices."""
        from upsample_cli.operations.indices import indices_name

        return [indices_name(output, self.indices)]


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

    @property
    def references(self) -> list[str]:
        """The files of weights."""
        return [name for name in (self.weight, self.bias) if name]

    def with_absolute_references(self) -> "Self":
        """Return the same for a process that has another working folder."""
        weight, bias = (name and os.path.abspath(name) for name in (self.weight, self.bias))
        return replace(self, weight=weight, bias=bias)

    def check(self) -> None:
        """Refuse weights that are given twice or not at all, and what a named kernel brings."""
        if (self.weight is None) == (self.kernel is None):
            problem = "is missing" if self.weight is None else "and --kernel exclude each other"
            raise RequestError("--weight", problem, "use either --weight or --kernel")
        for option in ("weight", "bias"):
            if getattr(self, option) == "-":
                raise RequestError(f"--{option}", "cannot be standard input", "name a file")
        if self.kernel is None:
            return
        if self.stride is None:
            remedy = "give the factor by which --kernel enlarges"
            raise RequestError("--stride", "is missing", remedy)
        for option in ("bias", "padding", "output_padding", "dilation", "groups"):
            if getattr(self, option) is not None:
                name = f"--{option.replace('_', '-')}"
                raise RequestError(name, "goes with --weight; --kernel brings its own", "drop it")


def method_of(request: ResampleRequest, name: str) -> Method:
    """Return the method of a mode, with the switches that were asked for.

    Raises
    ------
    RequestError
        If an option does not go with the mode.
    """
    mode = mode_named(name)
    try:
        return Method.asked_for(mode, request.align_corners, request.antialias)
    except SwitchError as error:
        option = f"--{'' if error.value else 'no-'}{error.switch.replace('_', '-')}"
        problem, remedy = "has no such option", f"use {error.allowed}, or drop it"
        if not error.allowed:
            problem, remedy = "is always antialiased", "drop the option"
        raise RequestError(option, f"mode {mode.name} {problem}", remedy) from error


def named_dtype(name: str) -> np.dtype[Any]:
    """Return the native dtype that ``--dtype`` names."""
    try:
        return np.dtype(name).newbyteorder("=")
    except TypeError as error:
        raise RequestError(
            "--dtype", f"{name} is unknown", "use a NumPy name such as uint8, int16 or float32"
        ) from error
