"""Volumes that hold their own world coordinates, and where these are after a change."""

import numpy as np
from volumes import new_fields, qform_affine, read_volume, sform_affine, write_volume

SHAPE = (28, 22, 24)

QFORM = qform_affine(new_fields(SHAPE, 16))

FORMS = {
    "sform": {"qform_code": 0, "sform_code": 1},
    "qform": {"qform_code": 1, "sform_code": 0},
}


def places(shape, affine):
    """Return the world coordinates of every voxel: (*shape, 3)."""
    return (
        np.moveaxis(np.indices(shape, dtype=np.float64), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    )


def ramp(folder, affine, form, dtype="f4", shape=SHAPE):
    """Write a volume that holds its own world coordinates; return its path."""
    rows = {f"srow_{name}": tuple(row) for name, row in zip("xyz", affine, strict=False)}
    fields = FORMS[form] | (rows if form == "sform" else {}) | {"scl_slope": 0.0}
    return write_volume(folder / "in.nii", places(shape, affine).astype(dtype), **fields)


def affine_of(volume, form):
    return (sform_affine if form == "sform" else qform_affine)(volume.fields)


def measured(source, output, form):
    """Return, in input voxels, where each output voxel should be and where its values say it is."""
    before, after = read_volume(source), read_volume(output)
    to_voxel = np.linalg.inv(affine_of(before, form))
    promised = places(after.voxels.shape[:3], affine_of(after, form))
    held = after.voxels.astype(np.float64)
    step = np.linalg.norm((to_voxel @ affine_of(after, form))[:3, :3], axis=0)
    into = [points @ to_voxel[:3, :3].T + to_voxel[:3, 3] for points in (promised, held)]
    return *into, step
