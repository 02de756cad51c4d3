"""The bytes of a NIfTI header that say where the voxels are, kept aside and put back."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from upsample_cli.errors import RequestError
from upsample_cli.files.volumes.nifti_fields import (
    HEADER_CLASSES,
    SPATIAL_UNIT,
    Header,
    NiftiFields,
    split_extensions,
)
from upsample_cli.files.volumes.nifti_rules import LARGEST_DIM_NIFTI1

FORM_FIELDS = (
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)


@dataclass(frozen=True)
class Geometry:
    """The geometry fields of a header, as they are in its file.

    Attributes
    ----------
    header_size
        348 for NIfTI-1, 540 for NIfTI-2.
    order
        The byte order, ``<`` or ``>``.
    dimensions
        How many spatial axes there are.
    fields
        Raw bytes by name: dim[1..dimensions], pixdim[0..3], and both forms whole.
    unit
        The code of the voxel sizes' unit.
    """

    header_size: int
    order: str
    dimensions: int
    fields: dict[str, bytes]
    unit: int

    @classmethod
    def of(cls, header: NiftiFields) -> "Geometry":
        """Take the geometry from a header."""
        size, dimensions = header.fields.template_dtype.itemsize, len(header.spatial)
        raw = bytes(header.fields.binaryblock)
        fields = {name: raw[part] for name, part in parts(size, dimensions).items()}
        unit = int(header.fields["xyzt_units"]) & SPATIAL_UNIT
        return cls(size, header.fields.endianness, dimensions, fields, unit)

    def empty_fields(self) -> Any:
        """Return nibabel's header object with this geometry and nothing else."""
        fields = HEADER_CLASSES[self.header_size](endianness=self.order)
        fields["dim"][0] = self.dimensions
        return self._put(fields)

    def put_into(self, header: Header) -> Header:
        """Return a header with this geometry, version and byte order; the rest is ``header``'s.

        So is the unit, if it says one.

        Raises
        ------
        RequestError
            If NIfTI-1 cannot hold its other dimensions.
        """
        fields, extensions = header.fields, header.extensions
        if fields.endianness != self.order:
            extensions = _in_order(extensions, fields.endianness, self.order)
        if (fields.template_dtype.itemsize, fields.endianness) != (self.header_size, self.order):
            fields = self._converted(header)
        fields = self._put(fields)
        if not int(fields["xyzt_units"]) & SPATIAL_UNIT:
            fields["xyzt_units"] |= self.unit
        return replace(header, fields=fields, extensions=extensions)

    def _put(self, fields: Any) -> Any:
        # On bytes, because a float that is no number would not survive an assignment.
        raw = bytearray(fields.binaryblock)
        for name, part in parts(self.header_size, self.dimensions).items():
            raw[part] = self.fields[name]
        return type(fields)(bytes(raw), endianness=self.order, check=False)

    def _converted(self, header: NiftiFields) -> Any:
        old = header.fields
        new = HEADER_CLASSES[self.header_size](endianness=self.order)
        if self.header_size == 348 and max(header.shape) > LARGEST_DIM_NIFTI1:
            raise RequestError(header.name, "its dimensions do not fit in NIfTI-1", "split it")
        # A field that nothing depends on may hold anything.
        with np.errstate(over="ignore", invalid="ignore"):
            for name in new.template_dtype.names:
                # What begins a header is its version's; placing the voxels sets the magic.
                if name in old.template_dtype.names and name not in ("sizeof_hdr", "magic"):
                    new[name] = old[name]
        return new


def parts(header_size: int, dimensions: int) -> dict[str, slice]:
    """Return where in a header of that size the geometry fields are."""
    layout = HEADER_CLASSES[header_size].template_dtype
    found = {}
    for name in ("dim", "pixdim", *FORM_FIELDS):
        dtype, begin = layout.fields[name][:2]
        found[name] = slice(begin, begin + dtype.itemsize)
    each = {name: layout.fields[name][0].base.itemsize for name in ("dim", "pixdim")}
    begin = found["dim"].start + each["dim"]
    found["dim"] = slice(begin, begin + dimensions * each["dim"])
    begin = found["pixdim"].start
    found["pixdim"] = slice(begin, begin + 4 * each["pixdim"])
    return found


def _in_order(extensions: bytes, order: str, wanted: str) -> bytes:
    """Return extensions with their sizes and codes in another byte order."""
    found, rest = split_extensions(extensions, order)
    heads = [np.frombuffer(content, f"{order}i4", 2).astype(f"{wanted}i4") for _, content in found]
    turned = [head.tobytes() + content[8:] for head, (_, content) in zip(heads, found, strict=True)]
    return extensions[:4] + b"".join(turned) + rest
