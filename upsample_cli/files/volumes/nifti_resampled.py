"""What the header of a NIfTI file must say after a resample."""

from collections.abc import Sequence
from typing import Any

import nibabel as nib
import numpy as np

from upsample_cli.errors import RequestError
from upsample_cli.files.volumes.nifti_header import (
    ELEMENTS,
    PAIR_MAGIC,
    SINGLE_MAGIC,
    NiftiHeader,
    split_extensions,
)
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.grid import Grid, is_within_reach, resampled_affine

LARGEST_DIM_NIFTI1 = 32767
AFNI_EXTENSION = 4


def resampled_header(
    header: NiftiHeader, axes: Sequence[AxisMap], dtype: np.dtype[Any]
) -> tuple[NiftiHeader, list[str]]:
    """Return the header of the resampled volume, and what a user should know about it.

    Parameters
    ----------
    header
        The input's header; it stays as it is.
    axes
        One map per spatial axis, x first.
    dtype
        The output's native dtype, of one channel.

    Raises
    ------
    RequestError
        If NIfTI-1 cannot hold the new dimensions.
    """
    fields = header.fields.copy()
    new = NiftiHeader(fields, header.extensions, header.is_pair, header.name)
    _set_dimensions(header, fields, axes)
    if max(header.codes) > 0:
        _set_forms(header, fields, axes)
    set_datatype(fields, header, dtype)
    slice_axis = int(fields["dim_info"]) >> 4 & 3 or 3
    if slice_axis <= len(axes) and not axes[slice_axis - 1].is_copy:
        for field in ("slice_code", "slice_start", "slice_end", "slice_duration"):
            fields[field] = 0
    own = "each is kept and updated on its own"
    warnings = [*form_warnings(header, own), *drop_afni(new)]
    return new, warnings


def _set_dimensions(header: NiftiHeader, fields: Any, axes: Sequence[AxisMap]) -> None:
    check_dimensions(header, [axis.size_out for axis in axes])
    qcode, scode = header.codes
    # A qform is made of pixdim; an sform is not, and then it is the sform that is believed.
    sizes = header.spacing if qcode <= 0 < scode else header.fields["pixdim"][1:4]
    for index, (axis, size) in enumerate(zip(axes, sizes, strict=False), start=1):
        fields["dim"][index] = axis.size_out
        fields["pixdim"][index] = float(size) * axis.step


def check_dimensions(header: NiftiHeader, sizes: Sequence[int]) -> None:
    """Refuse an output of more voxels along an axis than the header's version can say."""
    if max(sizes) > LARGEST_DIM_NIFTI1 and not isinstance(header.fields, nib.Nifti2Header):
        raise RequestError(
            header.name,
            f"{max(sizes)} voxels along an axis do not fit in NIfTI-1, whose limit is "
            f"{LARGEST_DIM_NIFTI1}",
            "convert it to NIfTI-2 first",
        )


def _set_forms(header: NiftiHeader, fields: Any, axes: Sequence[AxisMap]) -> None:
    if header.qform is not None:
        offset = resampled_affine(header.qform, axes)[:3, 3]
        for field, value in zip(("qoffset_x", "qoffset_y", "qoffset_z"), offset, strict=True):
            fields[field] = value
    if is_within_reach(header.sform):
        rows = resampled_affine(header.sform, axes)
        for field, row in zip(("srow_x", "srow_y", "srow_z"), rows[:3], strict=True):
            fields[field] = row


def set_datatype(fields: Any, header: NiftiHeader, dtype: np.dtype[Any]) -> None:
    """Say that voxels are of a native dtype, with as many channels as the input's."""
    channels = header.element[1]
    wanted = (dtype.str.lstrip("<>|=").replace("b1", "u1"), channels)
    codes = {element: code for code, element in ELEMENTS.items()}
    if wanted not in codes:
        known = ", ".join(np.dtype(name).name for name, count in codes if count == channels)
        raise RequestError(
            "--dtype", f"NIfTI cannot hold {dtype.name} in this volume", f"use one of {known}"
        )
    fields["datatype"] = codes[wanted]
    fields["bitpix"] = dtype.itemsize * 8 * channels


def form_warnings(header: NiftiHeader, remark: str = "the sform is believed") -> list[str]:
    """Say where a header's forms or voxel sizes disagree, and of two forms, what is done then."""
    qcode, scode = header.codes
    if qcode <= 0 and scode <= 0:
        return [f"{header.name}: neither qform nor sform is set; only the voxel size changes"]
    sizes = header.voxel_sizes[: len(header.spatial)]
    if qcode <= 0 and not np.allclose(header.spacing, sizes, rtol=1e-4, atol=0):
        shown = "×".join(f"{size:g}" for size in sizes)
        return [f"{header.name}: pixdim, {shown}, disagrees with the sform, which is believed"]
    if qcode > 0 and scode > 0 and header.qform is not None:
        corners = [Grid(header.spatial, form).corners for form in (header.qform, header.sform)]
        apart = np.abs(corners[0] - corners[1]).max()
        smallest = min(header.spacing)
        unit = f" {header.unit}".rstrip()
        if apart > 1e-2 * smallest:
            return [
                f"{header.name}: qform and sform disagree by up to {apart:.3g}{unit} "
                f"(codes {qcode} and {scode}); {remark}"
            ]
    return []


def drop_afni(header: NiftiHeader) -> list[str]:
    """Drop AFNI's extension, which describes the old grid; keep the others byte for byte."""
    found, rest = split_extensions(header.extensions, header.fields.endianness)
    kept = b"".join(content for code, content in found if code != AFNI_EXTENSION)
    if all(code != AFNI_EXTENSION for code, _ in found):
        return []
    body = kept + rest if (kept + rest).strip(b"\x00") else b""
    header.extensions = (header.extensions[:4] if body else bytes(4)) + body
    if not header.is_pair:
        place_voxels(header, is_pair=False)
    return [f"{header.name}: its AFNI extension describes the old grid; it was dropped"]


def place_voxels(header: NiftiHeader, *, is_pair: bool) -> None:
    """Make the header that of a single file or of a pair, and put the voxels right after it."""
    size = header.fields.template_dtype.itemsize
    header.is_pair = is_pair
    header.fields["magic"] = (PAIR_MAGIC if is_pair else SINGLE_MAGIC)[size]
    if is_pair:
        header.fields["vox_offset"] = 0
        return
    header.extensions = header.extensions or bytes(4)
    header.extensions += bytes(-(size + len(header.extensions)) % 16)
    header.fields["vox_offset"] = size + len(header.extensions)
