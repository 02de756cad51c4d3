"""The ramp test: a volume that holds its own world coordinates must still do so when resampled.

The input has three items, the x, y and z of each voxel's place. Where an output voxel really
is can then be read from its values, and is compared with what the output's header says.
"""

import re

import numpy as np
import pytest
from ramps import QFORM, SHAPE, measured, places, ramp
from volumes import OBLIQUE, qform_affine, read_volume, sform_affine, write_volume

TIGHT = 1e-4
"""Voxels: what float32 world coordinates of some 100 mm can resolve."""

FLIPPED = np.array([[-2.0, 0, 0, 90], [0, 0, 3.0, -126], [0, -1.25, 0, 72], [0, 0, 0, 1]])
TINY = np.array([[0.03, 0, 0.002, -0.2], [0, 0.025, 0, 0.1], [-0.004, 0, 0.06, 1], [0, 0, 0, 1]])
AFFINES = {
    "sheared": (OBLIQUE, "sform"),
    "flipped": (FLIPPED, "sform"),
    "microscope": (TINY, "sform"),
    "quaternion": (QFORM, "qform"),
}

TARGETS = [
    {"scale": 2},
    {"scale": (3, 1, 2)},
    {"scale": 0.5},
    {"scale": 1.7},
    {"scale": (0.7, 2.3, 1.1)},
    {"size": (14, 22, 8)},
    {"size": (56, 44, 48)},
    {"size": (46, 12, 34)},
    {"size": (18, 38, 16)},
    {"spacing": 0.7},
    {"spacing": 1.9},
]
"""A spacing is in voxels of the input here, so that one table serves every affine."""

METHODS = {
    "linear": {"mode": "linear"},
    "trilinear": {"mode": "trilinear"},
    "linear-corners": {"mode": "linear", "align_corners": True},
    "cubic": {"mode": "cubic"},
    "cubic-corners": {"mode": "cubic", "align_corners": True},
    "area": {"mode": "area"},
    "linear-antialias": {"mode": "linear", "antialias": True},
    "linear-antialias-corners": {"mode": "linear", "antialias": True, "align_corners": True},
    "cubic-antialias": {"mode": "cubic", "antialias": True},
    "cubic-antialias-corners": {"mode": "cubic", "antialias": True, "align_corners": True},
    "lanczos": {"mode": "lanczos"},
}
SUPPORT = {"linear": 1, "trilinear": 1, "cubic": 2, "lanczos": 3, "area": 0.5}


def run(resample, folder, affine, form, options, target, dtype="f4"):
    """Resample a ramp; return what ``measured`` gives, and the output."""
    source, output = ramp(folder, affine, form, dtype), folder / "out.nii"
    if "spacing" in target:
        target = {"spacing": tuple(target["spacing"] * np.linalg.norm(affine[:3, :3], axis=0))}
    resample(source, output, **options, **target)
    return *measured(source, output, form), read_volume(output)


def is_inside(promised, options, step):
    """Tell which voxels have all their weights inside the input."""
    widens = options.get("antialias") or options["mode"] in ("area", "lanczos")
    reach = SUPPORT[options["mode"]] * (np.maximum(step, 1) if widens else 1)
    if options["mode"] == "area":  # what it weighs ends at the edges of voxels
        reach = reach + 0.5
    above = promised >= reach - 1 - TIGHT
    below = promised <= np.array(SHAPE) - reach + TIGHT
    return (above & below).all(axis=-1)


def keys_lean(position):
    """Return by how much PyTorch's cubic (A = -0.75) misreads a ramp: 0.05 of a voxel at most.

    Only A = -0.5 reproduces a ramp. The error is odd around each half voxel, so that it moves no
    voxel on average.
    """
    t = position - np.floor(position)
    return 0.5 * t * (1 - t) * (1 - 2 * t)


def tolerance(options, step, shape):
    """Return how far off a place may be read, in voxels.

    Windows of area mode begin and end at whole voxels, and a normalised filter weighs a ramp
    exactly only where it is symmetric about its centre or its weights sum to one by themselves.
    """
    shrinks_wholly = not options.get("align_corners") and not np.any(np.array(SHAPE) % shape)
    if options["mode"] == "area":
        return TIGHT if shrinks_wholly else 0.5 + TIGHT
    if options["mode"] == "lanczos":
        return 0.03
    if options.get("antialias") and step.max() > 1 and not shrinks_wholly:
        return {"linear": 0.08, "cubic": 0.03}[options["mode"]]
    return TIGHT


CASES = [
    (method, target)
    for method, options in METHODS.items()
    for target in TARGETS
    if not ("spacing" in target and options.get("align_corners"))
]


@pytest.mark.parametrize(("method", "target"), CASES, ids=str)
def test_voxels_are_where_the_header_says(tmp_path, resample, method, target):
    options = METHODS[method]
    promised, held, step, after = run(resample, tmp_path, OBLIQUE, "sform", options, target)
    inside = is_inside(promised, options, step)
    assert inside.any()
    if options["mode"] == "cubic" and not options.get("antialias"):
        promised = promised + keys_lean(promised)
    off = np.abs(held - promised)[inside].max()
    assert off <= tolerance(options, step, after.voxels.shape[:3])


@pytest.mark.parametrize("target", [{"scale": 1.7}, {"size": (14, 38, 16)}, {"spacing": 0.7}])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", AFFINES)
def test_every_affine_and_either_form_is_true(tmp_path, resample, name, dtype, target):
    affine, form = AFFINES[name]
    options = {"mode": "linear"}
    promised, held, step, _ = run(resample, tmp_path, affine, form, options, target, dtype)
    inside = is_inside(promised, options, step)
    assert np.abs(held - promised)[inside].max() <= TIGHT


@pytest.mark.parametrize("version", [1, 2])
def test_two_forms_that_disagree_are_both_true(tmp_path, resample, version):
    outputs = {}
    for form, affine in (("sform", OBLIQUE), ("qform", QFORM)):
        folder = tmp_path / form
        folder.mkdir()
        source = write_volume(folder / "in.nii", places(SHAPE, affine), version=version)
        resample(source, folder / "out.nii", scale=(1.7, 0.5, 2))
        promised, held, step = measured(source, folder / "out.nii", form)
        inside = is_inside(promised, {"mode": "linear"}, step)
        assert np.abs(held - promised)[inside].max() <= TIGHT
        outputs[form] = read_volume(folder / "out.nii").header
    assert outputs["sform"] == outputs["qform"]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_nearest_exact_reads_the_nearest_voxel(tmp_path, resample, target):
    options = {"mode": "nearest-exact"}
    promised, held, _, _ = run(resample, tmp_path, OBLIQUE, "sform", options, target)
    edge = np.array(SHAPE) - 0.5
    inside = ((promised >= -0.5) & (promised <= edge)).all(axis=-1)
    assert np.abs(held - promised)[inside].max() <= 0.5 + TIGHT
    assert np.abs(held - np.rint(held)).max() <= TIGHT


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_nearest_reads_beside_the_place_by_no_more_than_is_documented(tmp_path, resample, target):
    options = {"mode": "nearest"}
    promised, held, step, after = run(resample, tmp_path, OBLIQUE, "sform", options, target)
    sizes = np.array(after.voxels.shape[:3])
    is_whole = (np.array(SHAPE) % sizes == 0) | (sizes % np.array(SHAPE) == 0)
    bound = np.where(is_whole, np.abs(step - 1) / 2, (step + 1) / 2)
    inside = ((promised >= 0) & (promised <= np.array(SHAPE) - 1)).all(axis=-1)
    assert (np.abs(held - promised)[inside] <= bound + TIGHT).all()


@pytest.mark.parametrize("scale", [0.25, 0.5, 0.7, 0.9])
def test_the_hint_of_nearest_does_not_play_the_error_down(tmp_path, resample, scale):
    source = ramp(tmp_path, OBLIQUE, "sform")
    summary = resample(source, tmp_path / "out.nii", mode="nearest", scale=scale)
    promised, held, _ = measured(source, tmp_path / "out.nii", "sform")
    (hint,) = (hint for hint in summary.hints if "nearest-exact" in hint)
    stated = float(re.search(r"up to ([\d.]+) voxels", hint)[1])
    assert np.abs(held - promised).max() <= stated + 0.01


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("mode", ["linear", "cubic", "area", "nearest-exact", "lanczos"])
@pytest.mark.parametrize("spacing", [1.0, 0.7, (0.9, 1.1, 3.3), (2.0, 2.5, 3.5)])
def test_the_spacing_is_exactly_what_was_asked(tmp_path, resample, version, mode, spacing):
    source = write_volume(tmp_path / "in.nii", np.zeros(SHAPE, "u1"), version=version, sform_code=0)
    resample(source, tmp_path / "out.nii", spacing=spacing, mode=mode)
    exact = np.broadcast_to(spacing, 3).astype(np.float32 if version == 1 else np.float64)
    fields = read_volume(tmp_path / "out.nii").fields
    assert np.array_equal(np.array(fields["pixdim"][1:4], exact.dtype), exact)


@pytest.mark.parametrize("spacing", [1.0, 0.7, (1.5, 1.1, 3.3)])
def test_the_sample_gets_exactly_the_spacing_that_was_asked(tmp_path, resample, samples, spacing):
    for name in ("brain.nii.gz", "bold.nii.gz"):
        resample(samples / name, tmp_path / name, spacing=spacing)
        after = read_volume(tmp_path / name)
        exact = np.broadcast_to(spacing, 3).astype(np.float32)
        assert np.array_equal(np.array(after.fields["pixdim"][1:4], np.float32), exact)
        lengths = np.linalg.norm(sform_affine(after.fields)[:3, :3], axis=0)
        np.testing.assert_allclose(lengths, exact, rtol=3e-7)


@pytest.mark.parametrize("mode", ["linear", "cubic", "area", "nearest", "nearest-exact", "lanczos"])
@pytest.mark.parametrize("size", [(56, 66, 24), (13, 1, 29)])
def test_half_pixel_modes_keep_the_field_of_view(tmp_path, resample, mode, size):
    source = write_volume(tmp_path / "in.nii", np.zeros(SHAPE, "u1"), version=2)
    resample(source, tmp_path / "out.nii", size=size, mode=mode)
    before, after = read_volume(source), read_volume(tmp_path / "out.nii")
    for form in (sform_affine, qform_affine):
        for corner in np.ndindex(2, 2, 2):
            outer = [
                form(volume.fields) @ [*(np.array(corner) * volume.voxels.shape - 0.5), 1]
                for volume in (before, after)
            ]
            np.testing.assert_allclose(*outer, rtol=0, atol=1e-10)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_align_corners_keeps_the_centres_of_the_corners(tmp_path, resample, mode):
    source = write_volume(tmp_path / "in.nii", np.zeros(SHAPE, "u1"), version=2)
    resample(source, tmp_path / "out.nii", size=(50, 7, 24), mode=mode, align_corners=True)
    before, after = read_volume(source), read_volume(tmp_path / "out.nii")
    for form in (sform_affine, qform_affine):
        for corner in np.ndindex(2, 2, 2):
            centres = [
                form(volume.fields) @ [*(np.array(corner) * (np.array(volume.voxels.shape) - 1)), 1]
                for volume in (before, after)
            ]
            np.testing.assert_allclose(*centres, rtol=0, atol=1e-10)


@pytest.mark.parametrize("scale", [1.7, 0.43, 120 / 88])
@pytest.mark.parametrize("recompute", [False, True])
def test_the_step_of_a_scale_is_the_one_that_was_used(tmp_path, resample, scale, recompute):
    source = write_volume(tmp_path / "in.nii", np.zeros(SHAPE, "u1"), version=2, sform_code=0)
    resample(source, tmp_path / "out.nii", scale=scale, recompute_scale_factor=recompute)
    before, after = read_volume(source), read_volume(tmp_path / "out.nii")
    sizes = np.trunc(np.array(SHAPE) * scale)
    assert after.voxels.shape == tuple(sizes)
    step = np.array(SHAPE) / sizes if recompute else np.full(3, 1 / scale)
    step[sizes == SHAPE] = 1
    expected = np.array(before.fields["pixdim"][1:4]) * step
    np.testing.assert_allclose(after.fields["pixdim"][1:4], expected, rtol=1e-15)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_fewer_axes_follow_the_same_map(tmp_path, resample, dimensions):
    voxels = np.arange(np.prod(SHAPE[:dimensions]), dtype="f4").reshape(SHAPE[:dimensions])
    source = write_volume(tmp_path / "in.nii", voxels, version=2)
    resample(source, tmp_path / "out.nii", scale=2)
    before, after = read_volume(source), read_volume(tmp_path / "out.nii")
    to_input = np.eye(4)
    for axis in range(dimensions):
        to_input[axis, [axis, 3]] = 0.5, -0.25
    for form in (sform_affine, qform_affine):
        np.testing.assert_allclose(form(after.fields), form(before.fields) @ to_input, atol=1e-12)
