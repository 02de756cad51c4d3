"""FreeSurfer's volumes, .mgh and .mgz, read and written strictly forward.

A header of 284 bytes, big-endian voxels with x fastest, then repetition time and the like, and
tags. nibabel's header class gives the layout.
"""

import math
from collections.abc import Sequence
from typing import Any, BinaryIO, Literal

import nibabel as nib
import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from numpy.typing import NDArray

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files.streams import ForwardReader, GzipWriter, bytes_of
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.grid import Grid, is_usable, resampled_affine

Array = NDArray[Any]

HEADER_BYTES = 284
LARGEST_TRAILER = 2**27

ELEMENTS = {0: "u1", 1: "i4", 3: "f4", 4: "i2", 10: "u2"}
"""Type code → dtype."""


class MghHeader:
    """A header, and what the file has after its voxels.

    It answers what ``NiftiHeader`` answers, as a conversion to NIfTI would: both forms are the
    one affine, with the code of scanner coordinates, in millimetres.

    Attributes
    ----------
    fields
        nibabel's header object.
    unused
        The bytes between the fields and the voxels.
    trailer
        The bytes after the voxels; empty until they have been read.
    name
        The file, for messages.
    """

    format: Literal["MGH"] = "MGH"
    codes = (1, 1)
    unit, time_unit = "mm", "ms"
    scaling = (1.0, 0.0)
    intent = 0
    is_label_map = False

    def __init__(self, raw: bytes, name: str) -> None:
        size = MGHHeader._hdrdtype.itemsize
        self.name = name
        self.is_placed = int.from_bytes(raw[28:30], "big", signed=True) > 0
        # nibabel fills in FreeSurfer's default where the flag is 0; FreeSurfer also below.
        fields = raw[:size] if self.is_placed else raw[:28] + bytes(2) + raw[30:size]
        self.fields: Any = MGHHeader(fields, check=False)  # type: ignore[no-untyped-call]
        self.unused = raw[size:]
        self.trailer = b""

    @property
    def shape(self) -> tuple[int, ...]:
        """All dimensions, x first; a lone frame is none."""
        dims = tuple(int(n) for n in self.fields["dims"])
        return dims if dims[3] != 1 else dims[:3]

    @property
    def spatial(self) -> tuple[int, ...]:
        """The first three dimensions."""
        return self.shape[:3]

    @property
    def items(self) -> int:
        """The number of frames."""
        return math.prod(self.shape[3:])

    @property
    def element(self) -> tuple[np.dtype[Any], int]:
        """Native dtype and number of channels of a voxel."""
        return np.dtype(ELEMENTS[int(self.fields["type"])]), 1

    @property
    def voxel_sizes(self) -> tuple[float, float, float]:
        """The distance between voxels along each axis."""
        x, y, z = (float(size) for size in self.fields["delta"])
        return x, y, z

    spacing = voxel_sizes

    @property
    def affine(self) -> NDArray[np.float64]:
        """From voxel indices to scanner coordinates; the centre is at half the dimensions."""
        affine = np.eye(4)
        with np.errstate(invalid="ignore"):  # what is no number is refused by its value
            affine[:3, :3] = self.fields["Mdc"].T.astype(np.float64) * self.voxel_sizes
            middle = affine[:3, :3] @ (np.array(self.spatial) / 2)
            affine[:3, 3] = self.fields["Pxyz_c"].astype(np.float64) - middle
        return affine

    qform = sform = affine

    @property
    def grid(self) -> Grid:
        """Where the voxels are."""
        return Grid(self.spatial, self.affine)

    @property
    def orientation(self) -> str:
        """Where each axis points, such as LIA."""
        return "".join(nib.aff2axcodes(self.affine))  # type: ignore[no-untyped-call]

    @property
    def data_bytes(self) -> int:
        """The size of the voxels in the file."""
        return math.prod(self.shape) * self.element[0].itemsize

    @property
    def disk_dtype(self) -> np.dtype[Any]:
        """The dtype of a voxel as the file holds it."""
        return self.element[0].newbyteorder(">")

    def facts(self) -> dict[str, Any]:
        """Return what the header says, for people; shapes are x first."""
        return {
            "kind": "volume",
            "format": "MGH",
            "shape": list(self.shape),
            "dtype": self.element[0].name,
            "byte_order": "big",
            "spacing": list(self.voxel_sizes),
            "unit": self.unit,
            "orientation": self.orientation,
            "affine": self.affine.tolist(),
        }

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


class MghSource:
    """A volume that gives its slabs in the order of the file; as ``files.nifti.NiftiSource``."""

    kind: Literal["volume"] = "volume"

    def __init__(self, reader: ForwardReader, name: str) -> None:
        self.name = name
        self.reader = reader
        try:
            self.header = MghHeader(reader.read(HEADER_BYTES), name)
            self.header.check()
            self._check_size()
        except BaseException:
            self.close()
            raise
        self.shape = tuple(reversed(self.header.spatial))
        self.items = self.header.items
        self.dtype, self.channels = self.header.element

    @property
    def extra_dimensions(self) -> tuple[int, ...]:
        """The number of frames, if there are several."""
        return self.header.shape[3:]

    @property
    def default_suffix(self) -> str:
        """The suffix of a file like this one, for an output without a name."""
        return ".mgz" if self.reader.is_gzip else ".mgh"

    def _check_size(self) -> None:
        possible = self.reader.largest_possible_size()
        needed = HEADER_BYTES + self.header.data_bytes
        if possible is not None and needed > possible:
            raise FileError(
                self.name,
                f"is truncated: its header promises {needed} bytes, it can hold at most {possible}",
                "use a complete file",
            )

    def read(self, count: int) -> Array:
        """Return the next ``count`` planes, shape (count, *shape[1:], 1), native dtype."""
        planes = self.reader.read_array((count, *self.shape[1:], 1), self.header.disk_dtype)
        return planes.astype(self.dtype, copy=False)

    def finish(self) -> list[str]:
        """Read what follows the voxels, and check that the file ends well; return warnings."""
        self.header.trailer = self.reader.read_rest(LARGEST_TRAILER)
        left = self.reader.finish()
        return [f"{self.name}: the last {left} bytes were not kept"] if left else []

    def facts(self) -> dict[str, Any]:
        """Return what the header says, for people; shapes are x first."""
        return self.header.facts()

    def close(self) -> None:
        """Close the file."""
        self.reader.close()


def resampled_mgh(
    header: MghHeader, axes: Sequence[AxisMap], dtype: np.dtype[Any]
) -> tuple[MghHeader, list[str]]:
    """Return the header of the resampled volume, and what a user should know about it.

    Arguments are those of ``nifti_resampled.resampled_header``.

    Raises
    ------
    FileError
        If the grid is beyond what float32 can hold.
    RequestError
        If the format cannot hold the dtype.
    """
    codes = {np.dtype(name): code for code, name in ELEMENTS.items()}
    if dtype not in codes:
        known = ", ".join(known.name for known in codes)
        raise RequestError("--dtype", f"MGH cannot hold {dtype.name}", f"use one of {known}")
    new = MghHeader(header.to_bytes(), header.name)
    affine = resampled_affine(header.affine, axes)
    sizes = np.array([axis.size_out for axis in axes])
    new.fields["type"] = codes[dtype]
    new.fields["dims"][:3] = sizes
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
        new.fields["delta"] = np.multiply(header.voxel_sizes, [axis.step for axis in axes])
        new.fields["Pxyz_c"] = affine[:3, :3] @ (sizes / 2) + affine[:3, 3]
    new.check()
    if header.is_placed:
        return new, []
    problem = "does not say where it is; FreeSurfer's default, coronal and 1 mm, was taken"
    return new, [f"{header.name}: {problem}"]


class MghSink:
    """Writes a header, then voxels as they come, then what followed the source's.

    Parameters
    ----------
    header
        The output's header.
    origin
        The source's header, whose trailer is written once it has been read.
    file, is_gzip, level, threads
        Where to, and whether and how to compress.
    """

    def __init__(
        self,
        header: MghHeader,
        origin: MghHeader,
        file: BinaryIO,
        *,
        is_gzip: bool,
        level: int,
        threads: int,
    ) -> None:
        self.header = header
        self.origin = origin
        self.stream: Any = GzipWriter(file, level, threads) if is_gzip else file
        self.stream.write(header.to_bytes())

    def write(self, planes: Array) -> None:
        """Write planes of the output's native dtype."""
        self.stream.write(bytes_of(np.ascontiguousarray(planes, self.header.disk_dtype)))

    def finish(self) -> None:
        """Write what follows the voxels, and what is still buffered."""
        self.stream.write(self.origin.trailer)
        if isinstance(self.stream, GzipWriter):
            self.stream.close()
        else:
            self.stream.flush()

    def abort(self) -> None:
        """Stop the threads that compress, whatever state the file is in."""
        if isinstance(self.stream, GzipWriter):
            self.stream.abort()
