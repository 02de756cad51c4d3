"""What the header of a NIfTI file must say once its voxels were resampled, placed or turned."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from nibabel.quaternions import mat2quat, quat2mat
from numpy.typing import NDArray

from upsample_cli.files.volumes.nifti_fields import (
    SPATIAL_UNIT,
    Header,
    NiftiFields,
    check_geometry,
)
from upsample_cli.files.volumes.nifti_geometry import FORM_FIELDS
from upsample_cli.files.volumes.nifti_rules import (
    changed,
    drop_afni,
    form_warnings,
    turn_acquisition,
)
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.grid import is_within_reach, resampled_affine
from upsample_cli.sampling.mapping import AlignedMap

OFFSETS = ("qoffset_x", "qoffset_y", "qoffset_z")
ROWS = ("srow_x", "srow_y", "srow_z")


def resampled_header(
    header: Header, axes: Sequence[AxisMap], dtype: np.dtype[Any]
) -> tuple[Header, list[str]]:
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
        If NIfTI-1 cannot hold the new dimensions, or NIfTI the dtype.
    """
    new = changed(header, [axis.size_out for axis in axes], dtype)
    qcode, scode = header.codes
    # A qform is made of pixdim; an sform is not, and then it is the sform that is believed.
    sizes = header.spacing if qcode <= 0 < scode else header.fields["pixdim"][1:4]
    for index, (axis, size) in enumerate(zip(axes, sizes, strict=False), start=1):
        new.fields["pixdim"][index] = float(size) * axis.step
    if max(header.codes) > 0:
        _resample_forms(header, new.fields, axes)
    unturned = (*axes, *(AxisMap.copied(1) for _ in range(3 - len(axes))))
    turn_acquisition(header, new, AlignedMap((0, 1, 2), (False, False, False), unturned, (0, 0, 0)))
    own = "each is kept and updated on its own"
    return new, [*form_warnings(header, own), *drop_afni(new)]


def _resample_forms(header: NiftiFields, fields: Any, axes: Sequence[AxisMap]) -> None:
    if header.qform is not None:
        _set(fields, OFFSETS, resampled_affine(header.qform, axes)[:3, 3])
    if is_within_reach(header.sform):
        _set(fields, ROWS, resampled_affine(header.sform, axes)[:3])


def placed_header(
    header: Header,
    reference: NiftiFields,
    aligned: AlignedMap | None,
    dtype: np.dtype[Any],
) -> tuple[Header, list[str]]:
    """Return the header of a volume on the reference's grid, and what a user should know.

    Shape, voxel sizes, both forms with their codes and the spatial unit, if it says one, are the
    reference's; all else is the input's.
    """
    shape = (*reference.spatial, 1, 1)[:3]
    new = changed(header, shape, dtype)
    fields = new.fields
    # From NIfTI-2 to NIfTI-1; a form that is not set may hold anything.
    with np.errstate(over="ignore", invalid="ignore"):
        for name in FORM_FIELDS:
            fields[name] = reference.fields[name]
    fields["pixdim"][0] = reference.fields["pixdim"][0]
    fields["pixdim"][1:4] = reference.voxel_sizes
    unit = int(reference.fields["xyzt_units"]) & SPATIAL_UNIT
    if unit:
        fields["xyzt_units"] = int(fields["xyzt_units"]) & ~SPATIAL_UNIT | unit
    turn_acquisition(header, new, aligned)
    check_geometry(replace(new, name=reference.name))
    # The reference may be the input itself.
    warnings = list(dict.fromkeys(form_warnings(header) + form_warnings(reference)))
    is_same = shape == header.spatial and aligned is not None and _is_identity(aligned)
    return new, warnings if is_same else warnings + drop_afni(new)


def oriented_header(
    header: Header, turn: AlignedMap, dtype: np.dtype[Any]
) -> tuple[Header, list[str]]:
    """Return the header of a volume whose axes are taken in another order and direction.

    Both forms are updated; the qform stays a rotation with a qfac.
    """
    order = list(turn.order)
    new = changed(header, [header.spatial[axis] for axis in order], dtype)
    to_input = _turn_affine(header.spatial, turn)
    new.fields["pixdim"][1:4] = header.fields["pixdim"][1:4][order]
    if is_within_reach(header.sform):
        _set(new.fields, ROWS, (header.sform @ to_input)[:3])
    if header.qform is not None and not _is_identity(turn):
        _turn_qform(header, header.qform, new.fields, to_input)
    turn_acquisition(header, new, turn)
    warnings = form_warnings(header)
    return new, warnings if _is_identity(turn) else warnings + drop_afni(new)


def _set(fields: Any, names: Sequence[str], values: Any) -> None:
    for name, value in zip(names, values, strict=True):
        fields[name] = value


def _is_identity(turn: AlignedMap) -> bool:
    is_turned = turn.order != (0, 1, 2) or any(turn.flips)
    return not is_turned and all(axis.is_copy for axis in turn.axes)


def _turn_affine(shape: Sequence[int], turn: AlignedMap) -> NDArray[np.float64]:
    """Return the affine from turned voxel indices to those of the input."""
    to_input = np.zeros((4, 4))
    to_input[3, 3] = 1
    for axis, (row, flip) in enumerate(zip(turn.order, turn.flips, strict=True)):
        to_input[row, axis] = -1 if flip else 1
        to_input[row, 3] = shape[row] - 1 if flip else 0
    return to_input


def _turn_qform(
    header: NiftiFields,
    qform: NDArray[np.float64],
    fields: Any,
    to_input: NDArray[np.float64],
) -> None:
    quaternion = np.asarray(header.fields.get_qform_quaternion(), np.float64)
    rotation = quat2mat(quaternion)  # type: ignore[no-untyped-call]
    qfac = -1 if header.fields["pixdim"][0] < 0 else 1
    directions = rotation @ np.diag([1, 1, qfac]) @ to_input[:3, :3]
    qfac = -1 if np.linalg.det(directions) < 0 else 1
    fields["pixdim"][0] = qfac
    turned = mat2quat(directions @ np.diag([1, 1, qfac]))  # type: ignore[no-untyped-call]
    _set(fields, ("quatern_b", "quatern_c", "quatern_d"), turned[1:])
    _set(fields, OFFSETS, (qform @ to_input)[:3, 3])
