"""FreeSurfer's volumes, .mgh and .mgz, read and written strictly forward.

A header of 284 bytes, big-endian voxels with x fastest, then repetition time and the like, and
tags. nibabel's header class gives the layout.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from numpy.typing import NDArray

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files.volumes.volume import Read, VolumeHeader
from upsample_cli.files.volumes.volume_source import VolumeSource
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.grid import is_usable, resampled_affine

HEADER_BYTES = 284
LARGEST_TRAILER = 2**27

ELEMENTS = {0: "u1", 1: "i4", 3: "f4", 4: "i2", 10: "u2"}
"""Type code → dtype."""


class MghHeader(VolumeHeader):
    """A header.

    It answers what a NIfTI header would after a conversion: both forms are the one affine, with
    the code of scanner coordinates, in millimetres.

    Attributes
    ----------
    fields
        nibabel's header object.
    unused
        The bytes between the fields and the voxels.
    is_placed
        Whether it says where its voxels are; if not, FreeSurfer's default is taken.
    name
        The file, for messages.
    """

    format = "MGH"

    def __init__(self, raw: bytes, name: str) -> None:
        size = MGHHeader._hdrdtype.itemsize
        self.name = name
        self.is_placed = int.from_bytes(raw[28:30], "big", signed=True) > 0
        # nibabel fills in FreeSurfer's default where the flag is 0; FreeSurfer also below.
        fields = raw[:size] if self.is_placed else raw[:28] + bytes(2) + raw[30:size]
        self.fields: Any = MGHHeader(fields, check=False)  # type: ignore[no-untyped-call]
        self.unused = raw[size:]

    @property
    def shape(self) -> tuple[int, ...]:
        """All dimensions, x first; a lone frame is none."""
        dims = tuple(int(n) for n in self.fields["dims"])
        return dims if dims[3] != 1 else dims[:3]

    @property
    def element(self) -> tuple[np.dtype[Any], int]:
        """Native dtype and number of channels of a voxel."""
        return np.dtype(ELEMENTS[int(self.fields["type"])]), 1

    @property
    def voxel_sizes(self) -> tuple[float, float, float]:
        """The distance between voxels along each axis."""
        x, y, z = (float(size) for size in self.fields["delta"])
        return x, y, z

    @property
    def affine(self) -> NDArray[np.float64]:
        """From voxel indices to scanner coordinates; the centre is at half the dimensions."""
        affine = np.eye(4)
        with np.errstate(invalid="ignore"):  # what is no number is refused by its value
            affine[:3, :3] = self.fields["Mdc"].T.astype(np.float64) * self.voxel_sizes
            middle = affine[:3, :3] @ (np.array(self.spatial) / 2)
            affine[:3, 3] = self.fields["Pxyz_c"].astype(np.float64) - middle
        return affine

    @property
    def time_unit(self) -> str:
        """The unit of the repetition time."""
        return "ms"

    @property
    def disk_dtype(self) -> np.dtype[Any]:
        """The dtype of a voxel as the file holds it."""
        return self.element[0].newbyteorder(">")

    def facts(self) -> dict[str, Any]:
        """Return what the header says, for people; shapes are x first."""
        return super().facts() | {"byte_order": "big"}  # also of voxels of one byte

    def to_bytes(self) -> bytes:
        """Return everything before the voxels."""
        return bytes(self.fields.binaryblock)[: MGHHeader._hdrdtype.itemsize] + self.unused

    def check(self) -> None:
        """Refuse what cannot be."""
        dims = [int(n) for n in self.fields["dims"]]
        if min(dims) < 1:
            shape = "×".join(str(n) for n in dims)
            remedy = "every dimension must be at least 1"
            raise FileError(self.name, f"its header gives the shape {shape}", remedy)
        if int(self.fields["type"]) not in ELEMENTS:
            problem = f"it holds voxels of type {int(self.fields['type'])}"
            raise FileError(self.name, problem, "convert it to uchar, short, int or float")
        sizes = self.voxel_sizes
        if not (all(size > 0 for size in sizes) and is_usable(self.affine)):
            raise FileError(
                self.name,
                "its voxels have no place, or no volume",
                "repair its voxel sizes and direction cosines",
            )

    def as_reference(self) -> "MghHeader":
        """Return the header, if it says where its voxels are."""
        if not self.is_placed:
            raise FileError(self.name, "does not say where it is", "set its direction cosines")
        return self

    def resampled(
        self, axes: Sequence[AxisMap], dtype: np.dtype[Any]
    ) -> tuple["MghHeader", list[str]]:
        """Return the header of the resampled volume, and what a user should know about it."""
        codes = {np.dtype(name): code for code, name in ELEMENTS.items()}
        if dtype not in codes:
            known = ", ".join(known.name for known in codes)
            raise RequestError("--dtype", f"MGH cannot hold {dtype.name}", f"use one of {known}")
        new = MghHeader(self.to_bytes(), self.name)
        affine = resampled_affine(self.affine, axes)
        sizes = np.array([axis.size_out for axis in axes])
        new.fields["type"] = codes[dtype]
        new.fields["dims"][:3] = sizes
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
            new.fields["delta"] = np.multiply(self.voxel_sizes, [axis.step for axis in axes])
            new.fields["Pxyz_c"] = affine[:3, :3] @ (sizes / 2) + affine[:3, 3]
        new.check()
        if self.is_placed:
            return new, []
        problem = "does not say where it is; FreeSurfer's default, coronal and 1 mm, was taken"
        return new, [f"{self.name}: {problem}"]


def read_mgh_header(read: Read, _: Read, name: str) -> MghHeader:
    """Read and check a header; arguments are those of ``nifti_header.read_header``.

    Raises
    ------
    FileError
        If it says what cannot be.
    """
    header = MghHeader(read(HEADER_BYTES), name)
    header.check()
    return header


class MghSource(VolumeSource):
    """A volume whose file has, after its voxels, repetition time and the like, and tags."""

    suffixes = (".mgh", ".mgz")
    _trailer = b""

    def read_header(self) -> MghHeader:
        """Read and check the header."""
        return read_mgh_header(self.reader.read, self.reader.read_rest, self.name)

    def finish(self) -> list[str]:
        """Read what follows the voxels, and check that the file ends well; return warnings."""
        self._trailer = self.reader.read_rest(LARGEST_TRAILER)
        left = self.reader.finish()
        return [f"{self.name}: the last {left} bytes were not kept"] if left else []

    def trailer(self) -> bytes:
        """Return what follows the voxels."""
        return self._trailer
