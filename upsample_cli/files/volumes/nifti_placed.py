"""The header of a volume on the grid of another, or with its axes in another order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import orientations
from nibabel.quaternions import mat2quat, quat2mat
from numpy.typing import NDArray

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import is_mgh
from upsample_cli.files.streams import ForwardReader, head_of, open_input
from upsample_cli.files.volumes.mgh import HEADER_BYTES, MghHeader
from upsample_cli.files.volumes.nifti_geometry import FORM_FIELDS
from upsample_cli.files.volumes.nifti_header import NiftiHeader, check_geometry, read_header
from upsample_cli.files.volumes.nifti_resampled import (
    check_dimensions,
    drop_afni,
    form_warnings,
    set_datatype,
)
from upsample_cli.files.volumes.pairs import pair_names
from upsample_cli.sampling.grid import Grid, is_within_reach
from upsample_cli.sampling.mapping import AlignedMap

SLICE_FIELDS = ("slice_code", "slice_start", "slice_end", "slice_duration")
MIRRORED_SLICE_CODES = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5}
"""An order of slices in time → the same order, told from the other end."""

METRES = {1: 1.0, 2: 1e-3, 3: 1e-6}
"""The code of a spatial unit → its length."""

MILLIMETRES = 2
SCANNER = 1

SPATIAL_UNIT = 7
"""The bits of xyzt_units that are the spatial unit."""


def read_reference(name: str) -> NiftiHeader:
    """Read the header of the volume whose grid is wanted; its voxels are not read.

    Raises
    ------
    FileError
        If it is not a NIfTI or MGH header that says where its voxels are.
    """
    if name == "-":
        raise RequestError("--like", "a reference cannot come from standard input", "name a file")
    pair = pair_names(name)
    path = pair[0] if pair else name
    file = open_input(path)
    head = head_of(file)
    reader = ForwardReader(file, path)
    try:
        if is_mgh(head):
            header = _as_nifti(MghHeader(reader.read(HEADER_BYTES), path))
        else:
            header = read_header(reader.read, reader.read_rest, path)
    finally:
        reader.close()
    check_placed(header, "--like")
    return header


def _as_nifti(mgh: MghHeader) -> NiftiHeader:
    """Return a header with the grid of FreeSurfer's; both forms are its affine."""
    mgh.check()
    if not mgh.is_placed:
        raise FileError(mgh.name, "does not say where it is", "set its direction cosines")
    fields = nib.Nifti2Header()  # type: ignore[no-untyped-call]
    fields["dim"][:4] = 3, *mgh.spatial
    fields.set_qform(mgh.affine, SCANNER)  # type: ignore[no-untyped-call]
    fields.set_sform(mgh.affine, SCANNER)  # type: ignore[no-untyped-call]
    fields["xyzt_units"] = MILLIMETRES
    return NiftiHeader(fields, bytes(4), False, mgh.name)


def check_placed(header: NiftiHeader, option: str) -> None:
    """Refuse a volume that does not say where its voxels are."""
    if max(header.codes) <= 0:
        raise FileError(
            header.name,
            f"neither its qform nor its sform is set, so that {option} cannot know where it lies",
            "set one of them",
        )


def check_three_axes(header: NiftiHeader, option: str) -> None:
    """Refuse an input that has no three axes."""
    if len(header.spatial) != 3:
        problem = f"has {len(header.spatial)} dimensions, and {option} needs 3"
        raise RequestError(header.name, problem, "give it axes of one voxel")


def grids(header: NiftiHeader, reference: NiftiHeader) -> tuple[Grid, Grid]:
    """Return the grids of two volumes, the second in the unit of the first if both say theirs."""
    units = [METRES.get(int(h.fields["xyzt_units"]) & SPATIAL_UNIT) for h in (header, reference)]
    affine = reference.affine
    if units[0] and units[1] and units[0] != units[1]:
        affine = np.diag([units[1] / units[0]] * 3 + [1.0]) @ affine
    shape = (*reference.spatial, 1, 1)[:3]
    return header.grid, Grid(shape, affine)


def placed_header(
    header: NiftiHeader,
    reference: NiftiHeader,
    aligned: AlignedMap | None,
    dtype: np.dtype[Any],
) -> tuple[NiftiHeader, list[str]]:
    """Return the header of a volume on the reference's grid, and what a user should know.

    Shape, voxel sizes, both forms with their codes and the spatial unit, if it says one, are the
    reference's; all else is the input's.
    """
    shape = (*reference.spatial, 1, 1)[:3]
    check_dimensions(header, shape)
    fields = header.fields.copy()
    # From NIfTI-2 to NIfTI-1; a form that is not set may hold anything.
    with np.errstate(over="ignore", invalid="ignore"):
        for name in FORM_FIELDS:
            fields[name] = reference.fields[name]
    fields["pixdim"][0] = reference.fields["pixdim"][0]
    fields["pixdim"][1:4] = reference.voxel_sizes
    fields["dim"][1:4] = shape
    unit = int(reference.fields["xyzt_units"]) & SPATIAL_UNIT
    if unit:
        fields["xyzt_units"] = int(fields["xyzt_units"]) & ~SPATIAL_UNIT | unit
    set_datatype(fields, header, dtype)
    new = NiftiHeader(fields, header.extensions, header.is_pair, header.name)
    if aligned is None:
        fields["dim_info"] = 0
        _clear_slices(fields)
    else:
        _turn_acquisition(header, fields, aligned)
    check_geometry(replace(new, name=reference.name))
    # The reference may be the input itself.
    warnings = list(dict.fromkeys(form_warnings(header) + form_warnings(reference)))
    is_same = shape == header.spatial and aligned is not None and _is_identity(aligned)
    return new, warnings if is_same else warnings + drop_afni(new)


def oriented_header(
    header: NiftiHeader, turn: AlignedMap, dtype: np.dtype[Any]
) -> tuple[NiftiHeader, list[str]]:
    """Return the header of a volume whose axes are taken in another order and direction.

    Both forms are updated; the qform stays a rotation with a qfac.
    """
    fields = header.fields.copy()
    order = list(turn.order)
    to_input = _turn_affine(header.spatial, turn)
    fields["dim"][1:4] = np.array(header.spatial)[order]
    fields["pixdim"][1:4] = header.fields["pixdim"][1:4][order]
    if is_within_reach(header.sform):
        for field, row in zip(
            ("srow_x", "srow_y", "srow_z"), header.sform @ to_input, strict=False
        ):
            fields[field] = row
    if header.qform is not None and not _is_identity(turn):
        _turn_qform(header, header.qform, fields, to_input)
    set_datatype(fields, header, dtype)
    _turn_acquisition(header, fields, turn)
    new = NiftiHeader(fields, header.extensions, header.is_pair, header.name)
    warnings = form_warnings(header)
    return new, warnings if _is_identity(turn) else warnings + drop_afni(new)


def turn_to(header: NiftiHeader, code: str) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Return which input axis each axis of the orientation ``code`` runs along, and if backwards.

    Raises
    ------
    RequestError
        If the code is not three letters, one for each of left-right, back-front and down-up.
    """
    letters = code.upper()
    if sorted("RAS"["RLAPSI".find(letter) // 2] for letter in letters) != sorted("RAS") or (
        set(letters) - set("RLAPSI")
    ):
        raise RequestError(
            "--orientation",
            f"{code!r} is no orientation",
            "use a letter of each of RL, AP and SI, such as RAS or LPI",
        )
    here = orientations.io_orientation(header.affine)  # type: ignore[no-untyped-call]
    there = orientations.axcodes2ornt(tuple(letters))  # type: ignore[no-untyped-call]
    moves = orientations.ornt_transform(here, there)  # type: ignore[no-untyped-call]
    targets = [int(axis) for axis in moves[:, 0]]
    order = tuple(targets.index(axis) for axis in range(3))
    return order, tuple(bool(moves[axis, 1] < 0) for axis in order)


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
    header: NiftiHeader,
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
    for name, value in zip("bcd", turned[1:], strict=True):
        fields[f"quatern_{name}"] = value
    for name, value in zip("xyz", (qform @ to_input)[:3, 3], strict=True):
        fields[f"qoffset_{name}"] = value


def _turn_acquisition(header: NiftiHeader, fields: Any, turn: AlignedMap) -> None:
    """Say along which new axes frequency, phase and slices run, and when slices were taken."""
    info = int(header.fields["dim_info"])
    old = [info >> shift & 3 for shift in (0, 2, 4)]
    new = [turn.order.index(axis - 1) + 1 if axis else 0 for axis in old]
    fields["dim_info"] = sum(axis << shift for axis, shift in zip(new, (0, 2, 4), strict=True))
    axis = turn.order.index((old[2] or 3) - 1)
    if not turn.axes[axis].is_copy:
        _clear_slices(fields)
        return
    has_times = any(header.fields[name] for name in SLICE_FIELDS)
    if has_times and not old[2] and axis != 2:
        # Without a word the slices would be taken to follow each other along the third axis.
        fields["dim_info"] = int(fields["dim_info"]) | axis + 1 << 4
    if turn.flips[axis] and has_times:
        last = turn.axes[axis].size_in - 1
        start, end = int(header.fields["slice_start"]), int(header.fields["slice_end"])
        if 0 <= start <= end <= last and end:
            fields["slice_start"], fields["slice_end"] = last - end, last - start
        code = int(header.fields["slice_code"])
        fields["slice_code"] = MIRRORED_SLICE_CODES.get(code, code)


def _clear_slices(fields: Any) -> None:
    for name in SLICE_FIELDS:
        fields[name] = 0
