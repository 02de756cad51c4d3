"""The same grids through SimpleITK: linear, nearest and label results at the same positions."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from volumes import read_volume, rotation, write_volume

SHAPE, SHAPE_OUT = (23, 19, 21), (20, 24, 18)
OF_RANGE = 1e-4
TIED = 1e-6
"""Voxels: how near to a tie, or to the edge of the field of view, either answer is right."""


def quaternion_fields(seed, shape, centre):
    """Return the qform of a random oblique grid around a place: ITK takes no shear."""
    rng = np.random.default_rng(seed)
    b, c, d = rng.uniform(-0.55, 0.55, 3).astype("f4").tolist()
    sizes = rng.uniform(0.7, 1.6, 3).astype("f4")
    qfac = float(rng.choice([-1, 1]))
    edges = rotation(b, c, d) * sizes * (1, 1, qfac)
    offset = np.array(centre) - edges @ ((np.array(shape) - 1) / 2)
    names = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
    return {
        **dict(zip(names, (b, c, d, *offset.tolist()), strict=True)),
        "pixdim": (qfac, *sizes.tolist(), 1, 1, 1, 1),
        "qform_code": 1,
        "sform_code": 0,
        "scl_slope": 1.0,
        "scl_inter": 0.0,
        "xyzt_units": 2,
        "intent_code": 0,
    }


def itk_image(voxels, affine):
    """Return an image at an affine without shear, in float64, which ITK's own reader is not."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


INTERPOLATORS = {
    "linear": sitk.sitkLinear,
    "nearest-exact": sitk.sitkNearestNeighbor,
    "label": sitk.sitkLabelLinear,
}


def both(folder, resample, seed, mode, dtype, values=100):
    """Resample with both; return our values, theirs, and the places in input voxels."""
    rng = np.random.default_rng(seed)
    voxels = rng.uniform(1, values, SHAPE).astype(dtype)
    own = quaternion_fields(seed, SHAPE, (3, -40, 60))
    theirs = quaternion_fields(seed + 1000, SHAPE_OUT, (4, -41, 60.5))
    source = write_volume(folder / "in.nii", voxels, **own)
    reference = write_volume(folder / "ref.nii", np.zeros(SHAPE_OUT, "u1"), **theirs)
    resample(source, folder / "out.nii", like=reference, mode=mode, threads=2)
    interpolator = INTERPOLATORS[mode]
    affines = [nib.load(path).affine for path in (source, reference)]
    image, grid = (
        itk_image(values, affine)
        for values, affine in zip((voxels, np.zeros(SHAPE_OUT, "u1")), affines, strict=True)
    )
    made = sitk.Resample(image, grid, sitk.Transform(), interpolator, 0.0, image.GetPixelID())
    matrix = np.linalg.inv(affines[0]) @ affines[1]
    indices = np.moveaxis(np.indices(SHAPE_OUT), 0, -1)
    places = indices @ matrix[:3, :3].T + matrix[:3, 3]
    return read_volume(folder / "out.nii").voxels, sitk.GetArrayFromImage(made).T, places


def beside_edges(places):
    """Tell which places do not lie on the edge of the field of view, give or take rounding."""
    edge = np.array(SHAPE) - 0.5
    return ((np.abs(places + 0.5) > TIED) & (np.abs(places - edge) > TIED)).all(axis=-1)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u1"])
@pytest.mark.parametrize("seed", range(6))
def test_linear(tmp_path, resample, seed, dtype):
    ours, theirs, places = both(tmp_path, resample, seed, "linear", dtype)
    sure = beside_edges(places)
    inside = ((places > -0.5) & (places < np.array(SHAPE) - 0.5)).all(axis=-1)
    assert 0.2 < inside.mean() < 1
    # Whole numbers are rounded by both, which may fall to either side.
    allowed = 99 * OF_RANGE if dtype[0] == "f" else 1
    assert np.abs(ours.astype("f8") - theirs)[sure].max() <= allowed
    assert not ours[sure & ~inside].any()


@pytest.mark.parametrize("dtype", ["f4", "i2", "u1"])
@pytest.mark.parametrize("seed", range(6))
def test_nearest(tmp_path, resample, seed, dtype):
    ours, theirs, places = both(tmp_path, resample, seed, "nearest-exact", dtype)
    fraction = places + 0.5 - np.rint(places + 0.5)
    sure = beside_edges(places) & (np.abs(fraction) > TIED).all(axis=-1)
    assert sure.mean() > 0.99
    assert np.array_equal(ours[sure], theirs[sure])


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2"])
@pytest.mark.parametrize("seed", range(6))
def test_labels(tmp_path, resample, seed, dtype):
    ours, theirs, places = both(tmp_path, resample, seed, "label", dtype, values=7)
    # ITK leaves out voxels beyond the border, where their weight counts here.
    between = ((places >= 0) & (places <= np.array(SHAPE) - 1)).all(axis=-1)
    assert between.mean() > 0.2
    assert np.array_equal(ours[between], theirs[between])
