"""Rules of NIfTI's header that hold however a volume has changed; each stands here once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import nibabel as nib
import numpy as np

from upsample_cli.errors import RequestError
from upsample_cli.files.volumes.nifti_fields import (
    ELEMENTS,
    PAIR_MAGIC,
    SINGLE_MAGIC,
    Header,
    NiftiFields,
    split_extensions,
)
from upsample_cli.sampling.grid import Grid
from upsample_cli.sampling.mapping import AlignedMap

LARGEST_DIM_NIFTI1 = 32767
AFNI_EXTENSION = 4

SLICE_FIELDS = ("slice_code", "slice_start", "slice_end", "slice_duration")
MIRRORED_SLICE_CODES = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5}
"""An order of slices in time → the same order, told from the other end."""


def changed(header: Header, shape: Sequence[int], dtype: np.dtype[Any]) -> Header:
    """Return a copy of a header, of another spatial shape (x first) and native dtype.

    Raises
    ------
    RequestError
        If it cannot hold them.
    """
    check_dimensions(header, shape)
    fields = header.fields.copy()
    fields["dim"][1 : 1 + len(shape)] = shape
    _set_datatype(fields, header, dtype)
    return replace(header, fields=fields)


def check_dimensions(header: NiftiFields, sizes: Sequence[int]) -> None:
    """Refuse an output of more voxels along an axis than the header's version can say."""
    if max(sizes) > LARGEST_DIM_NIFTI1 and not isinstance(header.fields, nib.Nifti2Header):
        raise RequestError(
            header.name,
            f"{max(sizes)} voxels along an axis do not fit in NIfTI-1, whose limit is "
            f"{LARGEST_DIM_NIFTI1}",
            "convert it to NIfTI-2 first",
        )


def _set_datatype(fields: Any, header: NiftiFields, dtype: np.dtype[Any]) -> None:
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


def turn_acquisition(header: NiftiFields, new: NiftiFields, turn: AlignedMap | None) -> None:
    """Say along which new axes frequency, phase and slices run, and when slices were taken.

    Nothing of it is true where slices were resampled; without a ``turn``, along any axis.
    """
    fields = new.fields
    if turn is None:
        fields["dim_info"] = 0
        _clear_slices(fields)
        return
    info = int(header.fields["dim_info"])
    old = [info >> shift & 3 for shift in (0, 2, 4)]
    if turn.order != (0, 1, 2):
        axes = [turn.order.index(axis - 1) + 1 if axis else 0 for axis in old]
        fields["dim_info"] = sum(a << shift for a, shift in zip(axes, (0, 2, 4), strict=True))
    axis = turn.order.index((old[2] or 3) - 1)
    if not turn.axes[axis].is_copy:
        _clear_slices(fields)
        return
    has_times = any(header.fields[name] for name in SLICE_FIELDS)
    if has_times and not old[2] and axis != 2:
        # Without a word the slices would be taken to follow each other along the third axis.
        fields["dim_info"] = int(fields["dim_info"]) | axis + 1 << 4
    if turn.flips[axis] and has_times:
        _mirror_slices(header, fields, turn.axes[axis].size_in - 1)


def _mirror_slices(header: NiftiFields, fields: Any, last: int) -> None:
    start, end = int(header.fields["slice_start"]), int(header.fields["slice_end"])
    if 0 <= start <= end <= last and end:
        fields["slice_start"], fields["slice_end"] = last - end, last - start
    code = int(header.fields["slice_code"])
    fields["slice_code"] = MIRRORED_SLICE_CODES.get(code, code)


def _clear_slices(fields: Any) -> None:
    for name in SLICE_FIELDS:
        fields[name] = 0


def form_warnings(header: NiftiFields, remark: str = "the sform is believed") -> list[str]:
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


def drop_afni(header: NiftiFields) -> list[str]:
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


def place_voxels(header: NiftiFields, *, is_pair: bool) -> None:
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
