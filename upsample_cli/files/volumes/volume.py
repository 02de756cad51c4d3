"""What the header of every volume format answers.

A format is a subclass of `VolumeHeader`, one of ``volume_source.VolumeSource``, and a row of
``files.FORMATS``. What stands here is that of a format with one affine and no scaling of values.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from upsample_cli.errors import FileError, RequestError
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.grid import Grid
from upsample_cli.sampling.mapping import AlignedMap

if TYPE_CHECKING:
    from upsample_cli.files.volumes.nifti_geometry import Geometry

Read = Callable[[int], bytes]
"""Returns so many of the bytes that come next."""

REFUSALS = {
    "grids": ("does not take {format}", "convert it to .nii.gz"),
    "inverse": ("is {format}, and only NIfTI volumes are taken here", "convert it to .nii.gz"),
    "record": ("is for NIfTI volumes", "drop it"),
}
"""Ability → what is said of a format that lacks it, and the remedy.

``grids``: a header can be put on another grid, and turned. ``inverse``: it can be pooled, unpooled
and convolved. ``record``: its geometry can be kept aside, and put back.
"""


class VolumeHeader(ABC):
    """What a volume's file says of its voxels.

    Attributes
    ----------
    name
        The file, for messages.
    format
        What people call the format.
    abilities
        Those of `REFUSALS` that it has.
    """

    name: str
    format: ClassVar[str]
    abilities: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """All dimensions, x first."""

    @property
    def spatial(self) -> tuple[int, ...]:
        """The first three dimensions at most: those that a resample changes."""
        return self.shape[:3]

    @property
    def items(self) -> int:
        """The number of volumes."""
        return math.prod(self.shape[3:])

    @property
    @abstractmethod
    def element(self) -> tuple[np.dtype[Any], int]:
        """Native dtype and number of interleaved channels of a voxel."""

    @property
    @abstractmethod
    def disk_dtype(self) -> np.dtype[Any]:
        """The dtype of a channel as the file holds it, byte order included."""

    @property
    def data_bytes(self) -> int:
        """The size of the voxels in the file."""
        dtype, channels = self.element
        return math.prod(self.shape) * dtype.itemsize * channels

    @property
    @abstractmethod
    def voxel_sizes(self) -> tuple[float, float, float]:
        """The distance between voxels along each axis, as the header gives it."""

    @property
    def spacing(self) -> tuple[float, ...]:
        """The distance between voxels along each spatial axis."""
        return self.voxel_sizes[: len(self.spatial)]

    @property
    @abstractmethod
    def affine(self) -> NDArray[np.float64]:
        """From voxel indices to world coordinates, 4×4, in `unit`."""

    @property
    def codes(self) -> tuple[int, int]:
        """NIfTI's codes of qform and sform; 0 says that the form is not set."""
        return 1, 1

    @property
    def qform(self) -> NDArray[np.float64] | None:
        """The affine that a conversion to NIfTI would give the qform."""
        return self.affine

    @property
    def sform(self) -> NDArray[np.float64]:
        """The affine that a conversion to NIfTI would give the sform."""
        return self.affine

    @property
    def grid(self) -> Grid:
        """Where the voxels are."""
        return Grid(self.spatial, self.affine)

    @property
    def unit(self) -> str:
        """The unit of the voxel sizes, or nothing if the header does not say."""
        return "mm"

    @property
    def time_unit(self) -> str:
        """The unit of the fourth axis, or nothing if the header does not say."""
        return ""

    @property
    def orientation(self) -> str:
        """Where each axis points, such as RAS."""
        import nibabel as nib

        codes = nib.aff2axcodes(self.affine)  # type: ignore[no-untyped-call]
        return "".join(str(code) for code in codes)

    @property
    def intent(self) -> int:
        """NIfTI's code for what values mean; 0 for anything."""
        return 0

    @property
    def is_label_map(self) -> bool:
        """Whether the header says that values are labels."""
        return False

    @property
    def scaling(self) -> tuple[float, float]:
        """Slope and intercept from stored to real values."""
        return 1.0, 0.0

    def facts(self) -> dict[str, Any]:
        """Return what the header says, for people; shapes are x first."""
        dtype, channels = self.element
        is_little = self.disk_dtype.newbyteorder("<") == self.disk_dtype
        return {
            "kind": "volume",
            "format": self.format,
            "shape": list(self.shape),
            "dtype": dtype.name + (f" × {channels}" if channels > 1 else ""),
            "byte_order": "little" if is_little else "big",
            "spacing": list(self.spacing),
            "unit": self.unit or "unknown",
            "orientation": self.orientation,
            "affine": self.affine.tolist(),
        }

    @abstractmethod
    def to_bytes(self) -> bytes:
        """Return everything before the voxels."""

    @property
    def field_bytes(self) -> bytes:
        """The fields alone, without what a header carries along; they tell headers apart."""
        return self.to_bytes()

    def for_files(self, count: int) -> "VolumeHeader":  # noqa: ARG002 - for formats of pairs
        """Return the header as it is written to one file, or to the first of several."""
        return self

    @abstractmethod
    def resampled(
        self, axes: Sequence[AxisMap], dtype: np.dtype[Any]
    ) -> tuple["VolumeHeader", list[str]]:
        """Return the header of the resampled volume, and what a user should know about it.

        Parameters
        ----------
        axes
            One map per spatial axis, x first.
        dtype
            The output's native dtype, of one channel.

        Raises
        ------
        FileError
            If the new grid gives voxels no place that the format can say.
        RequestError
            If the format cannot hold the dtype or the dimensions.
        """

    def placed(
        self,
        reference: "VolumeHeader",  # noqa: ARG002
        aligned: AlignedMap | None,  # noqa: ARG002
        dtype: np.dtype[Any],  # noqa: ARG002
    ) -> tuple["VolumeHeader", list[str]]:
        """Return the header of this volume on another's grid, and what a user should know.

        Parameters
        ----------
        reference
            Whose grid it is.
        aligned
            How the two grids map, if their axes are parallel.
        dtype
            The output's native dtype, of one channel.

        Raises
        ------
        FileError, RequestError
            As `resampled`; and without the ability ``grids``.
        """
        raise self.refusal("grids", "--like")

    def oriented(
        self,
        turn: AlignedMap,  # noqa: ARG002
        dtype: np.dtype[Any],  # noqa: ARG002
    ) -> tuple["VolumeHeader", list[str]]:
        """Return the header with the axes in another order and direction, and what to know.

        Raises
        ------
        RequestError
            As `resampled`; and without the ability ``grids``.
        """
        raise self.refusal("grids", "--orientation")

    def unscaled(self) -> "VolumeHeader":
        """Return the header of values that are stored as they are: slope 1, intercept 0."""
        return self

    def as_reference(self) -> "VolumeHeader":
        """Return the header as that of a reference, whose grid is wanted.

        Raises
        ------
        FileError
            If it does not say where its voxels are.
        """
        self.check_placed("--like")
        return self

    def check_placed(self, option: str) -> None:
        """Refuse a volume that does not say where its voxels are."""
        if max(self.codes) <= 0:
            raise FileError(
                self.name,
                f"neither its qform nor its sform is set, so that {option} cannot know where it "
                "lies",
                "set one of them",
            )

    def geometry(self) -> "Geometry":
        """Return what says where the voxels are, to be kept aside; takes the ability ``record``."""
        raise self.refusal("record", "--record")

    def with_geometry(self, geometry: "Geometry") -> "VolumeHeader":  # noqa: ARG002
        """Return the header with a geometry that was kept aside; takes the ability ``record``."""
        raise self.refusal("record", "--record")

    def refusal(self, ability: str, subject: str) -> RequestError:
        """Return what refuses work that takes an ability; ``subject`` is the file or the option."""
        problem, remedy = REFUSALS[ability]
        return RequestError(subject, problem.format(format=self.format), remedy)

    def check_able(self, ability: str, subject: str) -> None:
        """Refuse work that takes an ability which the format lacks."""
        if ability not in self.abilities:
            raise self.refusal(ability, subject)
