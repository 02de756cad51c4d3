"""The header of a NIfTI file: what it becomes, and how it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import nibabel as nib
import numpy as np

from upsample_cli.errors import FileError
from upsample_cli.files.volumes.nifti_changed import (
    oriented_header,
    placed_header,
    resampled_header,
)
from upsample_cli.files.volumes.nifti_fields import (
    ELEMENTS,
    HEADER_CLASSES,
    LARGEST_EXTENSIONS,
    PAIR_MAGIC,
    SINGLE_MAGIC,
    UNITS,
    NiftiFields,
    check_geometry,
)
from upsample_cli.files.volumes.nifti_geometry import Geometry
from upsample_cli.files.volumes.nifti_rules import place_voxels
from upsample_cli.files.volumes.volume import Read, VolumeHeader
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.mapping import AlignedMap

REFUSED_TYPES = {
    1: "1-bit voxels",
    1536: "float128 voxels",
    2048: "complex256 voxels",
}


@dataclass
class NiftiHeader(NiftiFields):
    """A header that can be changed as a whole; attributes are those of `NiftiFields`."""

    def for_files(self, count: int) -> "NiftiHeader":
        """Return the header as it is written to one file, or to the first of a pair."""
        new = replace(self, fields=self.fields.copy())
        place_voxels(new, is_pair=count == 2)
        return new

    def resampled(
        self, axes: Sequence[AxisMap], dtype: np.dtype[Any]
    ) -> tuple["NiftiHeader", list[str]]:
        """Return the header of the resampled volume, and what a user should know about it."""
        return resampled_header(self, axes, dtype)

    def placed(
        self, reference: VolumeHeader, aligned: AlignedMap | None, dtype: np.dtype[Any]
    ) -> tuple["NiftiHeader", list[str]]:
        """Return the header of this volume on another's grid, and what a user should know."""
        return placed_header(self, as_nifti(reference), aligned, dtype)

    def oriented(self, turn: AlignedMap, dtype: np.dtype[Any]) -> tuple["NiftiHeader", list[str]]:
        """Return the header with the axes in another order and direction, and what to know."""
        return oriented_header(self, turn, dtype)

    def geometry(self) -> Geometry:
        """Return what says where the voxels are, to be kept aside."""
        return Geometry.of(self)

    def with_geometry(self, geometry: Geometry) -> "NiftiHeader":
        """Return the header with a geometry that was kept aside."""
        return geometry.put_into(self)


def as_nifti(header: VolumeHeader) -> NiftiHeader:
    """Return a header with the grid of any format's; both forms are its affine."""
    if isinstance(header, NiftiHeader):
        return header
    fields = nib.Nifti2Header()  # type: ignore[no-untyped-call]
    fields["dim"][:4] = 3, *(*header.spatial, 1, 1)[:3]
    qcode, scode = header.codes
    fields.set_qform(header.qform, qcode)  # type: ignore[no-untyped-call]
    fields.set_sform(header.sform, scode)  # type: ignore[no-untyped-call]
    units = {words: code for code, words in UNITS.items()}
    fields["xyzt_units"] = units.get(header.unit, 0)
    return NiftiHeader(fields, bytes(4), False, header.name)


def header_of(geometry: Geometry, name: str) -> NiftiHeader:
    """Return a header that has a geometry and is otherwise empty.

    Raises
    ------
    FileError
        If the geometry gives the voxels no place.
    """
    header = NiftiHeader(geometry.empty_fields(), bytes(4), False, name)
    check_geometry(header)
    return header


def read_header(read: Read, read_rest: Read, name: str) -> NiftiHeader:
    """Read and check a header.

    Parameters
    ----------
    read
        Returns exactly that many next bytes of the file, or raises.
    read_rest
        Returns all bytes that are left, up to a limit; used for the extensions of a pair.
    name
        The file, for messages.

    Raises
    ------
    FileError
        If it is not a NIfTI header, or says what cannot be.
    """
    start = read(4)
    known = [(n, order) for n in HEADER_CLASSES for order in "<>" if start == _int32(n, order)]
    if not known:
        raise FileError(name, "is not a NIfTI file", "use .nii, .nii.gz or .hdr/.img")
    ((size, order),) = known
    # nibabel would guess the byte order from dim[0], which may be what is broken.
    fields = HEADER_CLASSES[size](start + read(size - 4), endianness=order, check=False)
    magic = fields["magic"].item()
    is_pair = magic == PAIR_MAGIC[size]
    if not is_pair and magic != SINGLE_MAGIC[size]:
        problem = "is ANALYZE 7.5, which does not say where its voxels are, or not NIfTI at all"
        raise FileError(name, problem, "convert it to NIfTI")
    header = NiftiHeader(fields, b"", is_pair, name)
    _check_layout(header)
    if is_pair:
        header.extensions = read_rest(LARGEST_EXTENSIONS)
    else:
        header.extensions = read(header.voxel_offset - size)
    check_geometry(header)
    return header


def _int32(value: int, order: str) -> bytes:
    return value.to_bytes(4, "little" if order == "<" else "big")


def _check_layout(header: NiftiHeader) -> None:
    dim = [int(n) for n in header.fields["dim"]]
    if not 1 <= dim[0] <= 7:
        raise FileError(header.name, f"its header has {dim[0]} dimensions", "1 to 7 are possible")
    if min(dim[1 : dim[0] + 1]) < 1:
        shape = "×".join(str(n) for n in dim[1 : dim[0] + 1])
        raise FileError(
            header.name, f"its header gives the shape {shape}", "every dimension must be at least 1"
        )
    code = int(header.fields["datatype"])
    if code not in ELEMENTS:
        what = REFUSED_TYPES.get(code, f"voxels of unknown datatype {code}")
        raise FileError(
            header.name, f"it holds {what}", "convert it to float64, complex128 or an integer type"
        )
    least, offset = header.least_offset, float(header.fields["vox_offset"])
    if offset != 0 and not least <= offset <= LARGEST_EXTENSIONS:
        raise FileError(
            header.name,
            f"its header puts the voxels at byte {offset:g}",
            f"{least} to {LARGEST_EXTENSIONS} is possible",
        )
