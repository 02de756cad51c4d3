"""The fields of a NIfTI header, and what they say.

The bytes are kept as they are. nibabel's header classes give the layout of the fields and the
algebra of the qform.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from upsample_cli.errors import FileError
from upsample_cli.files.volumes.volume import VolumeHeader
from upsample_cli.sampling.grid import is_usable

HEADER_CLASSES: dict[int, Any] = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
"""The size of the header, which is its first field, tells the version."""

SINGLE_MAGIC = {348: b"n+1", 540: b"n+2"}
PAIR_MAGIC = {348: b"ni1", 540: b"ni2"}

LARGEST_EXTENSIONS = 2**27
LABEL_INTENT = 1002

ELEMENTS: dict[int, tuple[str, int]] = {
    2: ("u1", 1),
    4: ("i2", 1),
    8: ("i4", 1),
    16: ("f4", 1),
    32: ("c8", 1),
    64: ("f8", 1),
    128: ("u1", 3),
    256: ("i1", 1),
    512: ("u2", 1),
    768: ("u4", 1),
    1024: ("i8", 1),
    1280: ("u8", 1),
    1792: ("c16", 1),
    2304: ("u1", 4),
}
"""NIfTI datatype code → dtype and number of interleaved channels."""

UNITS = {0: "", 1: "m", 2: "mm", 3: "µm"}
SPATIAL_UNIT = 7
"""The bits of xyzt_units that say the unit of the voxel sizes."""
TIME_UNITS = {0: "", 8: "s", 16: "ms", 24: "µs", 32: "Hz", 40: "ppm", 48: "rad/s"}


@dataclass
class NiftiFields(VolumeHeader):
    """The fields of a header, with the bytes that follow them.

    Attributes
    ----------
    fields
        nibabel's header object of the file's version and byte order.
    extensions
        The raw bytes from the end of the fields to the voxels: 4 flag bytes, then extensions.
    is_pair
        Whether the voxels are in a second file (.img).
    name
        The file, for messages.
    """

    fields: Any
    extensions: bytes
    is_pair: bool
    name: str

    format = "NIfTI"
    abilities = frozenset({"grids", "inverse", "record"})

    @property
    def shape(self) -> tuple[int, ...]:
        """All dimensions, x first."""
        dim = self.fields["dim"]
        return tuple(int(n) for n in dim[1 : int(dim[0]) + 1])

    @property
    def element(self) -> tuple[np.dtype[Any], int]:
        """Native dtype and number of interleaved channels of a voxel."""
        name, channels = ELEMENTS[int(self.fields["datatype"])]
        return np.dtype(name), channels

    @property
    def codes(self) -> tuple[int, int]:
        """The codes of the qform and of the sform; 0 says that the form is not set."""
        return int(self.fields["qform_code"]), int(self.fields["sform_code"])

    @property
    def qform(self) -> NDArray[np.float64] | None:
        """The affine that quaternion, voxel sizes and offset make, if they make one."""
        fields = self.fields.copy()
        # The standard takes any qfac that is not negative, 0 included, for +1; nibabel does not.
        fields["pixdim"][0] = -1 if fields["pixdim"][0] < 0 else 1
        fields["pixdim"][1:4] = self.voxel_sizes
        try:
            # A quaternion of no numbers, or of immense ones, which may be unused.
            with np.errstate(invalid="ignore", over="ignore"):
                affine = np.asarray(fields.get_qform(coded=False), np.float64)
        except (HeaderDataError, ValueError, FloatingPointError):
            return None
        return affine if is_usable(affine) else None

    @property
    def sform(self) -> NDArray[np.float64]:
        """The affine of the three srow fields."""
        with np.errstate(invalid="ignore"):  # rows of no numbers, which may be unused
            return np.asarray(self.fields.get_sform(coded=False), np.float64)

    @property
    def voxel_sizes(self) -> tuple[float, float, float]:
        """pixdim[1..3]; 1 for an axis that the data lack and that has no usable size."""
        sizes = [float(size) for size in self.fields["pixdim"][1:4]]
        for axis in range(len(self.spatial), 3):
            if not (math.isfinite(sizes[axis]) and sizes[axis] > 0):
                sizes[axis] = 1.0
        return sizes[0], sizes[1], sizes[2]

    @property
    def affine(self) -> NDArray[np.float64]:
        """The sform if it is set, else the qform, else the voxel sizes alone."""
        qcode, scode = self.codes
        if scode > 0:
            return self.sform
        if qcode > 0 and self.qform is not None:
            return self.qform
        return np.diag([*self.voxel_sizes, 1.0])

    @property
    def spacing(self) -> tuple[float, ...]:
        """The distance between voxels: pixdim where the affine agrees, else the affine's.

        The two differ in the last digits, and a spacing that was asked for is to be met exactly.
        """
        return tuple(
            size if abs(size - length) <= 1e-4 * length else length
            for size, length in zip(self.voxel_sizes, self.grid.spacing, strict=False)
        )

    @property
    def unit(self) -> str:
        """The unit of the voxel sizes, or nothing if the header does not say."""
        return UNITS.get(int(self.fields["xyzt_units"]) & SPATIAL_UNIT, "")

    @property
    def time_unit(self) -> str:
        """The unit of the fourth axis, or nothing if the header does not say."""
        return TIME_UNITS.get(int(self.fields["xyzt_units"]) & 56, "")

    @property
    def intent(self) -> int:
        """The code that says what values mean."""
        return int(self.fields["intent_code"])

    @property
    def is_label_map(self) -> bool:
        """Whether the intent says that values are labels."""
        return self.intent == LABEL_INTENT

    @property
    def scaling(self) -> tuple[float, float]:
        """Slope and intercept from stored to real values; (1, 0) where the header sets none."""
        slope, intercept = float(self.fields["scl_slope"]), float(self.fields["scl_inter"])
        is_set = math.isfinite(slope) and slope != 0 and math.isfinite(intercept)
        return (slope, intercept) if is_set and self.element[1] == 1 else (1.0, 0.0)

    @property
    def voxel_offset(self) -> int:
        """The byte in its file at which the voxels begin; 0 says as early as possible."""
        return int(self.fields["vox_offset"]) or self.least_offset

    @property
    def least_offset(self) -> int:
        """The first byte that may hold voxels."""
        return 0 if self.is_pair else int(self.fields.template_dtype.itemsize) + 4

    @property
    def disk_dtype(self) -> np.dtype[Any]:
        """The dtype of a channel as the file holds it, byte order included."""
        return np.dtype(self.element[0].newbyteorder(self.fields.endianness))

    def facts(self) -> dict[str, Any]:
        """Return what the header says, for people; shapes are x first."""
        dtype, channels = self.element
        qcode, scode = self.codes
        version = 2 if isinstance(self.fields, nib.Nifti2Header) else 1
        return {
            "kind": "volume",
            "format": f"NIfTI-{version}" + (" pair" if self.is_pair else ""),
            "shape": list(self.shape),
            "dtype": dtype.name + (f" × {channels}" if channels > 1 else ""),
            "byte_order": "little" if self.fields.endianness == "<" else "big",
            "spacing": [_rounded(length) for length in self.spacing],
            "unit": self.unit or "unknown",
            "orientation": self.orientation,
            "slope": _rounded(self.fields["scl_slope"]),
            "intercept": _rounded(self.fields["scl_inter"]),
            "intent": int(self.fields["intent_code"]),
            "description": self.fields["descrip"].item().decode("latin-1"),
            "qform_code": qcode,
            "qform": _matrix(self.qform),
            "sform_code": scode,
            "sform": _matrix(self.sform),
        }

    def to_bytes(self) -> bytes:
        """Return the fields and what follows them, up to the voxels of a single file."""
        return self.field_bytes + self.extensions

    @property
    def field_bytes(self) -> bytes:
        """The fields alone, without what follows them."""
        return bytes(self.fields.binaryblock)

    def unscaled(self) -> "NiftiFields":
        """Return the header of values that are stored as they are: slope 1, intercept 0."""
        fields = self.fields.copy()
        fields["scl_slope"], fields["scl_inter"] = 1, 0
        return replace(self, fields=fields)


Header = TypeVar("Header", bound=NiftiFields)
"""What a rule is given, a whole header or its fields alone, is what it returns changed."""


def split_extensions(content: bytes, order: str) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return the code and the bytes of each extension, whole, and what follows them.

    ``content`` begins with the 4 flag bytes, ``order`` is the header's byte order.
    """
    flag, rest = content[:4], content[4:]
    found: list[tuple[int, bytes]] = []
    while flag[:1].strip(b"\x00") and len(rest) >= 8:
        size, code = (int(n) for n in np.frombuffer(rest, f"{order}i4", 2))
        if not 8 <= size <= len(rest):
            break
        found.append((code, rest[:size]))
        rest = rest[size:]
    return found, rest


def _rounded(value: Any) -> float:
    # Seven digits are what a float32 field holds.
    return float(f"{float(value):.7g}")


def _matrix(affine: NDArray[np.float64] | None) -> list[list[float]] | None:
    return None if affine is None else [[_rounded(value) for value in row] for row in affine]


def check_geometry(header: NiftiFields) -> None:
    """Refuse forms, or without them voxel sizes, that give no voxel a place and a volume."""
    qcode, scode = header.codes
    if scode > 0 and not is_usable(header.sform):
        raise FileError(
            header.name, "its sform is not finite or has no volume", "repair its srow fields"
        )
    if qcode > 0 and header.qform is None:
        raise FileError(
            header.name,
            "its qform is not finite or has no volume",
            "repair its quaternion, pixdim and qoffset fields",
        )
    if qcode <= 0 and scode <= 0 and not is_usable(np.diag([*header.voxel_sizes, 1.0])):
        sizes = "×".join(f"{size:g}" for size in header.voxel_sizes)
        raise FileError(header.name, f"its voxel size is {sizes}", "repair its pixdim fields")
