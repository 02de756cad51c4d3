"""Onto another grid: every value is where the reference's header says, whatever the two affines."""

import itertools

import naive
import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inprocess import resample_file
from volumes import (
    DATATYPES,
    OBLIQUE,
    RGB,
    changed_fields,
    qform_affine,
    read_volume,
    rotation,
    sform_affine,
    write_volume,
)

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files.volumes import nifti
from upsample_cli.kernels import direct as kernels
from upsample_cli.passes import aligned, direct, streaming
from upsample_cli.resources.pieces import Pieces
from upsample_cli.sampling import mapping, modes
from upsample_cli.sampling.grid import Grid
from upsample_cli.sampling.mapping import LEAST_TOLERANCE, VoxelMap, tolerance_between

SHAPE = (9, 8, 7)
MODES = ("nearest-exact", "linear", "cubic")
NUMERIC = {code: dtype for code, dtype in DATATYPES.items() if dtype.names is None}
PLACED = {"qform_code": 0, "sform_code": 1, "scl_slope": 0.0}
TIED = 1e-6
"""Voxels: how near to a tie either neighbour is right."""

GRID_FIELDS = {
    *("dim", "pixdim", "xyzt_units", "qform_code", "sform_code"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
}


def placed(path, voxels, affine, **fields):
    """Write a volume at an affine, which only its sform says; return its path."""
    rows = {f"srow_{name}": tuple(row) for name, row in zip("xyz", affine, strict=False)}
    sizes = np.linalg.norm(np.asarray(affine)[:3, :3], axis=0)
    pixdim = {"pixdim": (1.0, *sizes, 1.5, 1.0, 1.0, 1.0)}
    return write_volume(path, voxels, **PLACED | rows | pixdim | fields)


def noise(dtype, shape=SHAPE):
    rng = np.random.default_rng(7)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        return rng.integers(0, 100, shape).astype(dtype)
    values = rng.uniform(0, 100, shape)
    return (values - 2j * values if dtype.kind == "c" else values).astype(dtype)


def affine_of(edges, centre, shape):
    """Return the affine with these edges whose grid has its centre at a place."""
    affine = np.eye(4)
    affine[:3, :3] = edges
    affine[:3, 3] = centre - edges @ ((np.array(shape) - 1) / 2)
    return affine


def mapping_of(source, reference):
    return np.linalg.inv(sform_affine(source.fields)) @ sform_affine(reference.fields)


def ramp(affine, shape):
    """Return the world coordinates of every voxel: (*shape, 3)."""
    return np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]


def interior(matrix, shape_in, shape_out):
    """Tell which outputs lie between the centres of voxels."""
    places = ramp(matrix, shape_out)
    return ((places >= 0) & (places <= np.array(shape_in) - 1)).all(axis=-1)


def is_tied(matrix, shape_out):
    places = ramp(matrix, shape_out) + 0.5
    return (np.abs(places - np.rint(places)) < TIED).any(axis=-1)


quaternions = st.tuples(*[st.floats(-0.55, 0.55)] * 3)
spacings = st.tuples(*[st.floats(0.4, 2.5)] * 3)
shears = st.tuples(*[st.floats(-0.4, 0.4)] * 3)
shapes = st.tuples(*[st.integers(1, 12)] * 3)


@st.composite
def edges(draw):
    """Draw a rotation, shear, spacing, flips and a permutation."""
    sheared = np.eye(3)
    sheared[0, 1], sheared[0, 2], sheared[1, 2] = draw(shears)
    signs = draw(st.tuples(*[st.sampled_from([-1, 1])] * 3))
    order = draw(st.permutations(range(3)))
    return (rotation(*draw(quaternions)) @ sheared * signs * draw(spacings))[:, order]


@given(edges(), edges(), shapes, shapes, quaternions, st.sampled_from([1, 3]))
@settings(max_examples=60)
def test_a_ramp_holds_the_world_coordinates_of_the_reference(
    tmp_path_factory, own, theirs, shape_in, shape_out, centre, threads
):
    folder = tmp_path_factory.mktemp("ramp")
    affine = affine_of(own, np.zeros(3), shape_in)
    wanted = affine_of(theirs, np.array(centre), shape_out)
    source = placed(folder / "in.nii", ramp(affine, shape_in), affine, version=2)
    reference = placed(folder / "ref.nii", np.zeros(shape_out, "u1"), wanted, version=2)
    resample_file(source, folder / "out.nii", like=reference, threads=threads, fill=np.nan)
    held = read_volume(folder / "out.nii").voxels
    inside = interior(np.linalg.inv(affine) @ wanted, shape_in, shape_out)
    # Grids that lie within LEAST_TOLERANCE of a voxel are one grid, and copied.
    atol = 1e-9 + LEAST_TOLERANCE * np.abs(own).sum()
    np.testing.assert_allclose(held[inside], ramp(wanted, shape_out)[inside], atol=atol)


TURNED = affine_of(OBLIQUE[:3, :3] @ rotation(0.1, 0.2, -0.15), np.zeros(3), SHAPE)
MATRICES = {
    "oblique": rotation(0.1, -0.2, 0.15) * 0.8,
    "backwards": rotation(0.9, 0.1, 0.3) * 0.9,
    "sheared": np.array([[1, 0.3, -0.2], [0.1, 0.9, 0.4], [0, 0.2, 1.3]]),
    "scaled": np.diag([0.7, 1.3, 0.45]),
    "flipped": np.diag([-0.7, 1.3, -0.6]),
    "permuted": np.array([[0, 0, 0.8], [-1.1, 0, 0], [0, 0.6, 0]]),
    "in plane": np.array([[0, 1.2, 0], [-0.9, 0, 0], [0, 0, 0.8]]),
    "steep": np.array([[0.2, 0.1, 0.9], [0.9, 0.1, -0.2], [0.1, -1, 0.1]]),
}
"""Output voxels → input voxels."""
SHAPE_OUT = (10, 11, 12)


def reference_for(folder, matrix, affine=TURNED, shape=SHAPE_OUT, **fields):
    """Write a reference whose voxels map to those of a volume at ``affine`` by ``matrix``."""
    to_input = affine_of(matrix, (np.array(SHAPE) - 1) / 2 + 0.21, shape)
    return placed(folder / "ref.nii", np.zeros(shape, "u1"), affine @ to_input, **fields)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", MATRICES)
def test_every_map_gives_the_values_of_plain_loops(tmp_path, resample, name, mode):
    source = placed(tmp_path / "in.nii", noise("f8"), TURNED, version=2)
    reference = reference_for(tmp_path, MATRICES[name], version=2)
    resample(source, tmp_path / "out.nii", like=reference, mode=mode, fill=-3.5, threads=2)
    before, after = read_volume(source), read_volume(tmp_path / "out.nii")
    matrix = mapping_of(before, read_volume(reference))
    expected = naive.sampled(before.voxels, matrix, SHAPE_OUT, mode, -3.5)
    assert 0 < np.count_nonzero(expected == -3.5) < expected.size
    np.testing.assert_allclose(after.voxels, expected, atol=1e-10)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["oblique", "in plane"])
@pytest.mark.parametrize("code", NUMERIC)
def test_every_datatype(tmp_path, resample, code, name, mode):
    dtype = NUMERIC[code]
    order = ">" if code % 3 else "<"
    source = placed(tmp_path / "in.nii.gz", noise(dtype), TURNED, order=order)
    reference = reference_for(tmp_path, MATRICES[name])
    resample(source, tmp_path / "out.nii.gz", like=reference, mode=mode, fill=5)
    before, after = read_volume(source), read_volume(tmp_path / "out.nii.gz")
    matrix = mapping_of(before, read_volume(reference))
    expected = naive.sampled(before.voxels, matrix, SHAPE_OUT, mode, 5)
    assert after.voxels.dtype == before.voxels.dtype
    tolerance = 1e-3 + 0.5 * (dtype.kind in "iu" and mode != "nearest-exact")
    if dtype.kind == "u":
        expected = np.maximum(expected, 0)
    np.testing.assert_allclose(after.voxels, expected, atol=tolerance)


def test_colours_are_filled_in_every_channel(tmp_path, resample):
    colours = noise("u1", (*SHAPE, 3))
    source = placed(tmp_path / "in.nii", colours.copy().view(RGB)[..., 0], TURNED)
    reference = reference_for(tmp_path, MATRICES["oblique"])
    resample(source, tmp_path / "out.nii", like=reference, mode="nearest-exact", fill=77)
    matrix = mapping_of(read_volume(source), read_volume(reference))
    expected = naive.sampled(colours, matrix, SHAPE_OUT, "nearest-exact", 77)
    after = read_volume(tmp_path / "out.nii").voxels
    assert all(np.array_equal(after[c], expected[..., n]) for n, c in enumerate(RGB.names))


@pytest.mark.parametrize("dtype", ["i2", "f4", "u8"])
def test_the_same_grid_is_a_copy(tmp_path, resample, dtype):
    voxels = noise(dtype)
    voxels.flat[0] = np.nan if dtype == "f4" else np.iinfo(dtype).max
    source = write_volume(tmp_path / "in.nii", voxels, version=2)
    resample(source, tmp_path / "out.nii", like=source, mode="cubic")
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()


def test_a_shift_by_whole_voxels_copies_them_whatever_float32_headers_leave_of_it(
    tmp_path, resample
):
    voxels = noise("f4")
    affine = affine_of(OBLIQUE[:3, :3], np.array([90.0, -120, 70]), SHAPE)
    source = placed(tmp_path / "in.nii", voxels, affine)
    moved = affine.copy()
    moved[:3, 3] = affine[:3] @ (2, 1, -3, 1)
    reference = placed(tmp_path / "ref.nii", np.zeros(SHAPE, "u1"), moved)
    resample(source, tmp_path / "out.nii", like=reference, fill=-1)
    after = read_volume(tmp_path / "out.nii").voxels
    assert np.array_equal(after[:-2, :-1, 3:], voxels[2:, 1:, :-3])
    assert np.count_nonzero(after == -1) == after.size - 7 * 7 * 4


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", MATRICES)
def test_the_bytes_do_not_depend_on_threads_or_slabs(tmp_path, resample, monkeypatch, name, mode):
    source = placed(tmp_path / "in.nii.gz", noise("i2"), TURNED)
    reference = reference_for(tmp_path, MATRICES[name])
    resample(source, tmp_path / "whole.nii.gz", like=reference, mode=mode, threads=1)
    for module in (direct, streaming, aligned):
        monkeypatch.setattr(module, "CHUNK_BYTES", 1)
    for threads in (1, 3):
        output = tmp_path / f"slabs{threads}.nii.gz"
        resample(source, output, like=reference, mode=mode, threads=threads)
        assert output.read_bytes() == (tmp_path / "whole.nii.gz").read_bytes()


@pytest.mark.parametrize("name", ["oblique", "backwards", "permuted", "scaled"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr"])
def test_volumes_of_a_series_do_not_mix(tmp_path, resample, name, suffix):
    items = noise("f4", (*SHAPE, 3, 2))
    source = placed(tmp_path / f"in{suffix}", items, TURNED)
    reference = reference_for(tmp_path, MATRICES[name])
    resample(source, tmp_path / f"out{suffix}", like=reference)
    after = read_volume(tmp_path / f"out{suffix}")
    assert after.voxels.shape == (*SHAPE_OUT, 3, 2)
    assert after.fields["pixdim"][4:] == read_volume(source).fields["pixdim"][4:]
    for t, u in np.ndindex(3, 2):
        placed(tmp_path / "item.nii", items[..., t, u], TURNED)
        resample(tmp_path / "item.nii", tmp_path / "one.nii", like=reference, force=True)
        assert np.array_equal(read_volume(tmp_path / "one.nii").voxels, after.voxels[..., t, u])


def test_only_the_planes_that_are_needed_are_read(tmp_path, resample, monkeypatch):
    read = []
    original = nifti.NiftiSource.read_into
    monkeypatch.setattr(
        nifti.NiftiSource, "read_into", lambda self, p: read.append(len(p)) or original(self, p)
    )
    source = placed(tmp_path / "in.nii", noise("f4", (6, 6, 400)), np.eye(4))
    tilted = affine_of(rotation(0.01, 0.02, 0), np.array([2, 2, 203.0]), (5, 5, 9))
    reference = placed(tmp_path / "ref.nii", np.zeros((5, 5, 9), "u1"), tilted)
    resample(source, tmp_path / "out.nii", like=reference)
    assert 0 < sum(read) < 15


@pytest.mark.parametrize(("version", "order"), list(itertools.product((1, 2), "<>")))
@pytest.mark.parametrize("name", ["oblique", "scaled"])
def test_the_header_is_the_references_where_it_says_where_and_the_inputs_elsewhere(
    tmp_path, resample, version, order, name
):
    source = write_volume(
        tmp_path / "in.nii", noise("i2", (*SHAPE, 2)), version=version, order=order
    )
    shape = (5, 6, 4)
    reference = write_volume(
        tmp_path / "ref.nii",
        np.zeros(shape, "f4"),
        version=version,
        order=order,
        qform_code=3,
        sform_code=4,
        quatern_b=0.3 if name == "oblique" else 0.1,
        srow_x=(-1.1, 0.2, 0.3, 7.0),
        xyzt_units=2,
        pixdim=(1.0, 1.5, 2.25, 3.125, 9, 9, 9, 9),
    )
    resample(source, tmp_path / "out.nii", like=reference)
    before, theirs = read_volume(source), read_volume(reference)
    after = read_volume(tmp_path / "out.nii")
    same = changed_fields(theirs.header, after.header, version, order)
    assert not same & (GRID_FIELDS - {"dim", "pixdim", "xyzt_units"})
    assert after.fields["dim"][:5] == (4, *shape, 2)
    assert after.fields["pixdim"][:4] == theirs.fields["pixdim"][:4]
    assert after.fields["pixdim"][4:] == before.fields["pixdim"][4:]
    assert after.fields["xyzt_units"] == 2 | 8
    changed = changed_fields(before.header, after.header, version, order)
    acquisition = {"dim_info", "slice_start", "slice_end", "slice_code", "slice_duration"}
    assert changed <= GRID_FIELDS | acquisition
    assert after.extensions == before.extensions


def test_either_form_of_either_file_places_it(tmp_path, resample):
    forms = {"qform_code": 1, "sform_code": 0}
    source = write_volume(tmp_path / "in.nii", noise("f4"), **forms, scl_slope=0.0)
    before = read_volume(source)
    reference = reference_for(tmp_path, MATRICES["oblique"], qform_affine(before.fields))
    resample(source, tmp_path / "out.nii", like=reference, fill=-1)
    wanted = sform_affine(read_volume(reference).fields)
    matrix = np.linalg.inv(qform_affine(before.fields)) @ wanted
    expected = naive.sampled(before.voxels, matrix, SHAPE_OUT, "linear", -1)
    np.testing.assert_allclose(read_volume(tmp_path / "out.nii").voxels, expected, atol=1e-2)


def test_a_reference_in_another_unit_lies_where_it_says(tmp_path, resample):
    source = placed(tmp_path / "in.nii", noise("f4"), np.eye(4), xyzt_units=2)
    micro = np.diag([1000.0, 1000, 1000, 1])
    reference = placed(tmp_path / "ref.nii", np.zeros(SHAPE, "u1"), micro, xyzt_units=3)
    resample(source, tmp_path / "out.nii", like=reference)
    after = read_volume(tmp_path / "out.nii")
    assert np.array_equal(after.voxels, read_volume(source).voxels)
    assert after.fields["xyzt_units"] == 3


FAR = affine_of(np.eye(3), np.array([1e3, 0, 0]), (2, 3, 2))


@pytest.mark.parametrize(
    ("dtype", "scaling", "fill", "stored", "warned"),
    [
        ("i2", (0.5, -8.0), None, 16, None),
        ("i2", (0.5, -8.0), -1000, -1984, None),
        ("f4", (2.0, 1.0), 7, 3, None),
        ("f4", (0.0, 5.0), np.nan, np.nan, None),
        ("f4", (1.0, 0.0), np.inf, np.inf, None),
        ("u1", (1.0, 10.0), None, 0, "cannot hold 0; outside of it is filled with 10"),
        ("i2", (2.0, 0.0), 3, 2, "cannot hold 3; outside of it is filled with 4"),
    ],
)
def test_the_fill_is_a_real_value(tmp_path, resample, dtype, scaling, fill, stored, warned):
    slope, inter = scaling
    source = placed(tmp_path / "in.nii", noise(dtype), np.eye(4), scl_slope=slope, scl_inter=inter)
    reference = placed(tmp_path / "ref.nii", np.zeros((2, 3, 2), "u1"), FAR)
    summary = resample(source, tmp_path / "out.nii", like=reference, fill=fill)
    after = read_volume(tmp_path / "out.nii")
    assert np.array_equal(after.voxels, np.full((2, 3, 2), stored, dtype), equal_nan=dtype == "f4")
    texts = "".join(summary.warnings)
    assert "lies wholly outside" in texts
    assert (warned in texts) if warned else ("cannot hold" not in texts)


@pytest.mark.parametrize("fill", [np.nan, 256, -1])
def test_a_fill_that_does_not_fit_is_refused(tmp_path, resample, fill):
    source = placed(tmp_path / "in.nii", noise("u1"), np.eye(4))
    reference = placed(tmp_path / "ref.nii", np.zeros((2, 3, 2), "u1"), FAR)
    with pytest.raises(RequestError, match=r"--fill: .* does not fit in uint8; use 0 to 255"):
        resample(source, tmp_path / "out.nii", like=reference, fill=fill)


def test_another_dtype_is_filled_too(tmp_path, resample):
    source = placed(tmp_path / "in.nii", noise("f4"), TURNED)
    reference = reference_for(tmp_path, MATRICES["oblique"])
    for mode in MODES:
        resample(
            source,
            tmp_path / "out.nii",
            like=reference,
            mode=mode,
            dtype="uint8",
            fill=201,
            force=True,
        )
        after = read_volume(tmp_path / "out.nii").voxels
        assert after.dtype == np.uint8
        assert after[0, 0, 0] == 201


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "area"}, "--mode: mode area does not go with --like"),
        ({"mode": "lanczos"}, "--mode: mode lanczos does not go with --like"),
        ({"antialias": True}, "--antialias: does not go with --like"),
        ({"align_corners": True}, "--align-corners: does not go with --like"),
        ({"recompute_scale_factor": True}, "--recompute-scale-factor: does not go with"),
        ({"dtype": "complex64"}, "--dtype: float32 data are not complex"),
        ({"dtype": "datetime64"}, "--dtype: dtype datetime64 cannot be resampled"),
    ],
)
def test_options_that_do_not_go_with_it(tmp_path, resample, holds_only, options, message):
    source = placed(tmp_path / "in.nii", noise("f4"), TURNED)
    with pytest.raises(RequestError, match=message):
        resample(source, tmp_path / "out.nii", like=source, **options)
    holds_only("in.nii")


def test_what_cannot_be_placed_is_refused(tmp_path, resample, samples):
    good = placed(tmp_path / "in.nii", noise("f4"), TURNED)
    lost = write_volume(tmp_path / "lost.nii", noise("f4"), qform_code=0, sform_code=0)
    flat = write_volume(tmp_path / "flat.nii", noise("f4", (4, 5)))
    output = tmp_path / "out.nii"
    for source, reference in ((good, lost), (lost, good)):
        with pytest.raises(FileError, match=r"lost\.nii: neither its qform nor its sform is set"):
            resample(source, output, like=reference)
    with pytest.raises(RequestError, match=r"flat\.nii: has 2 dimensions"):
        resample(flat, output, like=good)
    with pytest.raises(RequestError, match="is of kind image"):
        resample(samples / "photo.png", tmp_path / "out.png", like=good)
    with pytest.raises(FileError, match=r"photo\.png: is not a NIfTI file"):
        resample(good, output, like=samples / "photo.png")
    with pytest.raises(FileError, match="does not exist"):
        resample(good, output, like=tmp_path / "none.nii")
    with pytest.raises(RequestError, match="--like: a reference cannot come from standard input"):
        resample(good, output, like="-")
    huge = placed(tmp_path / "huge.nii", np.zeros((40000, 1, 1), "u1"), TURNED, version=2)
    with pytest.raises(RequestError, match="40000 voxels along an axis do not fit in NIfTI-1"):
        resample(good, output, like=huge)


def test_a_flat_reference_is_one_voxel_deep(tmp_path, resample):
    source = placed(tmp_path / "in.nii", noise("f4"), np.eye(4))
    reference = placed(tmp_path / "ref.nii", np.zeros((4, 5), "u1"), np.eye(4))
    resample(source, tmp_path / "out.nii", like=reference)
    after = read_volume(tmp_path / "out.nii")
    assert np.array_equal(after.voxels, read_volume(source).voxels[:4, :5, :1])


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("size", [0.0, np.nan])
def test_a_flat_reference_may_leave_the_third_voxel_size_open(tmp_path, resample, codes, size):
    source = placed(tmp_path / "in.nii", noise("f4"), np.eye(4))
    forms = {"qform_code": codes[0], "sform_code": codes[1], "quatern_b": 0.0, "quatern_c": 0.0}
    pixdim = (1.0, 1, 1, size, 0, 0, 0, 0)
    flat = np.zeros((4, 5), "u1")
    reference = placed(tmp_path / "ref.nii", flat, np.eye(4), **forms, quatern_d=0.0, pixdim=pixdim)
    resample(source, tmp_path / "out.nii", like=reference)
    assert read_volume(tmp_path / "out.nii").fields["pixdim"][1:4] == (1, 1, 1)
    resample(tmp_path / "out.nii", tmp_path / "again.nii", scale=2)


def test_forms_that_disagree_are_told_of_both_files(tmp_path, resample):
    good = placed(tmp_path / "good.nii", noise("f4"), np.eye(4))
    torn = write_volume(
        tmp_path / "torn.nii", noise("f4"), **FORMS_APART, scl_slope=0.0, xyzt_units=2
    )
    believed = "torn.nii: qform and sform disagree by up to 15 mm (codes 1 and 2); "
    for source, reference in ((good, torn), (torn, good), (torn, torn)):
        done = resample(source, tmp_path / "out.nii", like=reference, force=True)
        (warning,) = [text for text in done.warnings if "qform and" in text]
        assert warning.endswith(believed + "the sform is believed")
    done = resample(torn, tmp_path / "out.nii", orientation="LPS", force=True)
    assert done.warnings == [str(tmp_path / (believed + "the sform is believed"))]


FORMS_APART = {
    **{"qform_code": 1, "sform_code": 2, "pixdim": (1.0, 1, 1, 1, 1, 1, 1, 1)},
    **{f"quatern_{name}": 0.0 for name in "bcd"},
    **{f"qoffset_{name}": 0.0 for name in "xyz"},
    **{"srow_x": (1, 0, 0, 15), "srow_y": (0, 1, 0, 0), "srow_z": (0, 0, 1, 0)},
}


def test_a_reference_without_a_unit_leaves_the_inputs(tmp_path, resample):
    source = placed(tmp_path / "in.nii", noise("f4"), np.eye(4), xyzt_units=2 | 8)
    reference = placed(tmp_path / "ref.nii", noise("f4"), np.eye(4), xyzt_units=16)
    resample(source, tmp_path / "out.nii", like=reference)
    assert read_volume(tmp_path / "out.nii").fields["xyzt_units"] == 2 | 8


@pytest.mark.parametrize("name", ["oblique", "scaled", "itself"])
def test_a_fill_need_not_fit_in_the_inputs_dtype(tmp_path, resample, name):
    source = placed(tmp_path / "in.nii", noise("i2"), TURNED)
    matrix = MATRICES.get(name, np.eye(3))
    reference = reference_for(tmp_path, matrix)
    if name == "itself":
        moved = TURNED.copy()
        moved[:3, 3] = TURNED[:3] @ (3, 2, 1, 1)
        placed(reference, noise("u1"), moved)
    resample(source, tmp_path / "out.nii", like=reference, fill=np.nan, dtype="float32")
    after = read_volume(tmp_path / "out.nii").voxels
    assert after.dtype == np.float32
    assert 0 < np.count_nonzero(np.isnan(after)) < after.size


def test_explain_tells_the_spacing_the_field_and_how_far_its_corners_move(tmp_path, cli):
    source = placed(tmp_path / "in.nii", noise("i2"), np.diag([2.0, 2, 2, 1]), xyzt_units=2)
    cut = np.diag([1e-3, 1e-3, 1e-3, 1])  # in metres
    cut[:3, 3] = -0.5e-3
    shape = (18, 16, 10)
    placed(tmp_path / "ref.nii", np.zeros(shape, "u1"), cut, xyzt_units=1)
    told = cli("explain", source, "--like", "ref.nii").stdout.decode()
    assert "spacing  2 × 2 × 2 mm → 1 × 1 × 1 mm\n" in told
    assert "field    18 × 16 × 14 mm → 18 × 16 × 10 mm\n" in told
    assert "corners  move by up to 4 mm\n" in told
    turned = cli("explain", source, "--orientation", "SLA").stdout.decode()
    assert "field    18 × 16 × 14 mm → 14 × 18 × 16 mm\n" in turned
    assert "corners  move by up to 0 mm\n" in turned
    assert "mode     copied\n" in turned
    copied = cli("explain", source, "--like", source).stdout.decode()
    assert "mode     copied\n" in copied
    for text in (turned, copied):
        assert "memory   about -" not in text


@pytest.mark.parametrize("suffix", [".mgh", ".mgz"])
def test_a_reference_can_be_freesurfers(tmp_path, resample, suffix):
    affine = TURNED @ affine_of(rotation(0.1, 0.2, 0.1) * 1.25, np.full(3, 3.5), (6, 5, 4))
    affine[:3, :3] = rotation(0.2, -0.1, 0.4) @ np.diag([1.25, -1.5, 2])
    image = nib.MGHImage(np.zeros((6, 5, 4), "f4"), affine)
    nib.save(image, tmp_path / f"ref{suffix}")
    source = placed(tmp_path / "in.nii", noise("f4"), TURNED, xyzt_units=2)
    reference = placed(tmp_path / "ref.nii", np.zeros((6, 5, 4), "u1"), affine)
    resample(source, tmp_path / "a.nii", like=tmp_path / f"ref{suffix}", fill=-1)
    resample(source, tmp_path / "b.nii", like=reference, fill=-1)
    ours, theirs = (read_volume(tmp_path / name) for name in ("a.nii", "b.nii"))
    np.testing.assert_allclose(ours.voxels, theirs.voxels, atol=1e-3)
    assert (ours.fields["qform_code"], ours.fields["sform_code"]) == (1, 1)
    for form in (sform_affine, qform_affine):
        np.testing.assert_allclose(form(ours.fields), affine, atol=1e-5)
    lost = tmp_path / f"lost{suffix}"
    image.header["goodRASFlag"] = 0
    raw = image.to_bytes()
    lost.write_bytes(raw[:28] + bytes(2) + raw[30:])
    with pytest.raises(FileError, match="does not say where it is; set its direction cosines"):
        resample(source, tmp_path / "c.nii", like=lost)


def test_the_command_line(tmp_path, cli, samples):
    brain, bold = samples / "brain.nii.gz", samples / "bold.nii.gz"
    done = cli("resample", bold, "out.nii.gz", "--like", brain, "--fill", 3, "-m", "cubic")
    assert (done.returncode, done.stdout) == (0, b"")
    after, theirs = read_volume(tmp_path / "out.nii.gz"), read_volume(brain)
    assert after.voxels.shape[:3] == theirs.voxels.shape[:3]
    told = cli("explain", bold, "--like", brain).stdout.decode()
    assert "output voxel (i, j, k) lies at the input voxel" in told
    assert "of the output, where it lies outside the input" in told
    several = cli("resample", bold, "x.nii", "--like", brain, "--scale", 2)
    assert "--scale, --like: several targets were given" in several.stderr
    lone = cli("resample", bold, "x.nii", "--scale", 2, "--fill", 3)
    assert "--fill: goes with --like only" in lone.stderr
    assert (several.returncode, lone.returncode) == (2, 2)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_pipe_is_as_good_as_a_file(tmp_path, cli, resample, suffix):
    source = placed(tmp_path / f"in{suffix}", noise("i2", (*SHAPE, 2)), TURNED)
    reference = reference_for(tmp_path, MATRICES["oblique"], shape=(4, 4, 4))
    resample(source, tmp_path / f"out{suffix}", like=reference, threads=2)
    done = cli("resample", "-", "-", "--like", reference, stdin=source.read_bytes())
    assert done.returncode == 0
    assert done.stdout == (tmp_path / f"out{suffix}").read_bytes()


def test_kernels_know_the_same_numbers_as_the_sampling():
    assert kernels.EDGE == mapping.EDGE
    assert kernels.KEYS_A == modes.KEYS_A


@pytest.mark.parametrize("mode", ["linear", "cubic", "label"])
def test_a_coarser_grid_gets_a_hint(tmp_path, resample, mode):
    source = placed(tmp_path / "in.nii", noise("i2"), np.eye(4))
    coarse = placed(tmp_path / "ref.nii", np.zeros((2, 2, 2), "u1"), np.diag([3.0, 3, 3, 1]))
    (hint,) = resample(source, tmp_path / "out.nii", like=coarse, mode=mode).hints
    assert "--antialias" in hint


def test_the_planes_that_a_slab_reads_are_all_that_its_samples_read():
    rng = np.random.default_rng(2)
    for _ in range(300):
        sizes = rng.integers(1, 9, 6)
        matrix = np.eye(4)
        matrix[:3] = rng.normal(size=(3, 4)) * (1, 1, 1, 3)
        voxel_map = VoxelMap(tuple(sizes[:3]), tuple(sizes[3:]), matrix)
        lo, hi = 0, int(rng.integers(1, sizes[5] + 1))
        for mode, sampler in direct.SAMPLERS.items():
            first, last = voxel_map.planes(lo, hi, sampler.reach)
            assert 0 <= first <= last <= sizes[2]
            for i, j, k in itertools.product(range(sizes[3]), range(sizes[4]), range(lo, hi)):
                place = matrix[2] @ (i, j, k, 1)
                if -naive.EDGE <= place < sizes[2] - 1 + naive.EDGE:
                    taps = [tap for tap, _ in naive.axis_taps(place, sizes[2], mode)]
                    assert first <= min(taps) <= max(taps) < last


@pytest.mark.parametrize(("angle", "planes"), [(0.01, 60), (0.3, 260), (np.pi, 400)])
def test_a_window_is_as_deep_as_the_tilt_asks(angle, planes):
    shape = (200, 200, 400)
    tilted = affine_of(
        rotation(np.sin(angle / 2), 0, 0) * 0.999, np.array([99.5, 99.5, 199.5]), shape
    )
    tilted[2, 0] = 1e-3
    linear = modes.Method(modes.MODES["linear"])
    resampler = direct.DirectResampler(
        VoxelMap(shape, shape, tilted), linear, np.dtype("f4"), np.dtype("f4")
    )
    window = resampler.working_bytes(1, Pieces(2)) - 4 * streaming.CHUNK_BYTES
    assert window <= 2 * planes * 200 * 200 * 4
    assert resampler.holds_item == (angle == np.pi)


def test_grids_are_aligned_to_a_millionth_or_to_float32():
    near, far = np.eye(4), np.eye(4)
    far[:3, 3] = 3000
    shape = (10, 10, 10)
    assert tolerance_between(Grid(shape, near), Grid(shape, near)) == pytest.approx(1.2e-6, rel=0.1)
    assert tolerance_between(Grid(shape, far), Grid(shape, far)) == pytest.approx(3.6e-4, rel=0.1)
    for off, is_aligned in ((1e-8, True), (1e-6, False)):
        tilted = np.eye(4)
        tilted[0, 1] = off
        assert (VoxelMap(shape, shape, tilted).aligned() is not None) == is_aligned


def test_the_reference_is_read_up_to_its_voxels(tmp_path, resample):
    source = placed(tmp_path / "in.nii", noise("f4"), TURNED)
    cut = tmp_path / "ref.nii"
    cut.write_bytes(source.read_bytes()[:352])
    resample(source, tmp_path / "out.nii", like=cut)
    assert (tmp_path / "out.nii").read_bytes()[352:] == source.read_bytes()[352:]


def test_grids_out_of_proportion_are_refused(tmp_path, resample):
    source = placed(tmp_path / "in.nii", noise("f4"), np.eye(4), version=2)
    affine = np.diag([1e20, 1e20, 1e20, 1])
    reference = placed(tmp_path / "ref.nii", np.zeros(SHAPE, "u1"), affine, version=2)
    with pytest.raises(RequestError, match=r"ref\.nii: its grid is out of proportion to that of"):
        resample(source, tmp_path / "out.nii", like=reference)


def test_a_volume_that_must_be_held_whole_says_so_where_memory_lacks(
    tmp_path, resample, monkeypatch
):
    from upsample_cli.resources import machine

    source = placed(tmp_path / "in.nii", np.zeros((300, 300, 300), "f4"), np.eye(4))
    flipped = placed(tmp_path / "ref.nii", np.zeros((2, 2, 300), "u1"), np.diag([1.0, 1, -1, 1]))
    monkeypatch.setattr(machine, "available_memory", lambda: 2**24)
    with pytest.raises(RequestError, match="needed out of their order, so that all are held"):
        resample(source, tmp_path / "out.nii", like=flipped)


def lone_labels(*places):
    """Return a label map of 1 with a 3, 4, 5, … at these places."""
    labels = np.ones(SHAPE, "i2")
    for label, place in enumerate(places, start=3):
        labels[place] = label
    return labels


@pytest.mark.parametrize(
    ("matrix", "shape", "how"),
    [
        (np.eye(3), (5, 5, 2), "copied"),
        (np.diag([-1.0, -1, -1]), (5, 5, 2), "copied"),
        (np.diag([0.9, 0.9, 1.0]), (5, 5, 2), "label"),
        (rotation(0.01, 0.02, 0.01), (5, 5, 2), "label"),
    ],
)
@pytest.mark.parametrize("items", [(), (2,)])
def test_labels_that_vanish_are_reported(tmp_path, resample, matrix, shape, how, items):
    """At the side, and in planes before and after those that are read."""
    labels = lone_labels((0, 0, 3), (4, 4, 0), (4, 4, 6))
    series = np.broadcast_to(labels.reshape(*SHAPE, *(1 for _ in items)), (*SHAPE, *items))
    source = placed(tmp_path / "in.nii", series, np.eye(4))
    affine = affine_of(matrix, np.array([4.0, 4, 3.5]), shape)
    reference = placed(tmp_path / "ref.nii", np.zeros(shape, "u1"), affine)
    done = resample(source, tmp_path / "out.nii", like=reference, labels=True)
    assert f", {how}, " in done.line
    voxels = "2 voxels" if items else "1 voxel"
    assert done.warnings == [f"labels 3 ({voxels}), 4 ({voxels}), 5 ({voxels}) vanished"]
    assert set(np.unique(read_volume(tmp_path / "out.nii").voxels)) == {1}


@pytest.mark.parametrize("name", ["oblique", "scaled", "permuted"])
def test_blurring_what_looks_like_labels_gives_a_warning(tmp_path, resample, name):
    labels = np.zeros(SHAPE, "i2")
    labels[1:6, 2:7] = 7
    source = placed(tmp_path / "in.nii", labels, TURNED)
    reference = reference_for(tmp_path, MATRICES[name])
    (warning,) = resample(source, tmp_path / "out.nii", like=reference).warnings
    assert "looks like labels" in warning
    done = resample(source, tmp_path / "kept.nii", like=source)
    assert done.warnings == []


@pytest.mark.parametrize("name", ["oblique", "scaled", "itself"])
@pytest.mark.parametrize("how", [{"labels": True}, {}, {"mode": "nearest-exact"}])
def test_a_label_that_the_dtype_cannot_hold_is_refused(tmp_path, resample, holds_only, name, how):
    labels = np.full(SHAPE, 300, "i2")
    source = placed(tmp_path / "in.nii", labels, TURNED, intent_code=0 if "labels" in how else 1002)
    reference = source if name == "itself" else reference_for(tmp_path, MATRICES[name])
    message = "--dtype: label 300 does not fit in uint8; use int16"
    with pytest.raises(RequestError, match=message):
        resample(source, tmp_path / "out.nii", like=reference, dtype="uint8", **how)
    holds_only("in.nii", *([] if name == "itself" else ["ref.nii"]))
    if "mode" not in how:
        with pytest.raises(RequestError, match="--dtype: mode label takes whole numbers"):
            resample(source, tmp_path / "out.nii", like=reference, dtype="float32", **how)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("name", ["oblique", "backwards", "sheared", "steep"])
def test_labels_are_elected(tmp_path, resample, name, dtype):
    labels = np.random.default_rng(5).integers(-3 * (dtype[0] == "i"), 4, SHAPE).astype(dtype)
    if dtype == "u8":
        labels += np.uint64(2**63)
    source = placed(tmp_path / "in.nii", labels, TURNED, version=2)
    reference = reference_for(tmp_path, MATRICES[name], version=2)
    done = resample(source, tmp_path / "out.nii", like=reference, labels=True, fill=0, threads=2)
    assert ", label, " in done.line
    before, after = read_volume(source), read_volume(tmp_path / "out.nii")
    matrix = mapping_of(before, read_volume(reference))
    expected = naive.elected(before.voxels, matrix, SHAPE_OUT, 0)
    assert np.array_equal(after.voxels, expected)


@pytest.mark.parametrize(
    ("sign", "labels", "winner"),
    [
        (0, (3, 200, 3, 200, 3, 200, 3, 200), 200),
        (0, (9, 7, 5, 5, 7, 9, 5, 7), 7),
        (0, (200, 3, 3, 200, 3, 200, 200, 3), 3),
        (128, (200, 3, 3, 200, 3, 200, 200, 3), 3),
    ],
)
def test_ties_go_to_the_nearest_voxel_and_then_to_the_smaller_label(sign, labels, winner):
    """In the middle of 8 voxels, the last one is the nearest; signed, 200 is -56."""
    source = np.array(labels, np.uint8)
    target = np.zeros((1, 1), np.uint8)
    matrix = np.array([[1, 0, 0, 0.5], [0, 1, 0, 0.5], [0, 0, 1, 0.5]])
    fills = np.zeros(1, np.uint8)
    kernels.label(source, (0, 2, 2, 2), matrix, fills, 0, 1, np.uint8(sign), target)
    assert target[0, 0] == winner


def test_a_tie_that_the_nearest_voxel_is_not_in_goes_to_the_smaller_label():
    source = np.array([200, 200, 200, 3, 3, 3, 7, 9], np.uint8)
    matrix = np.array([[1, 0, 0, 0.5], [0, 1, 0, 0.5], [0, 0, 1, 0.5]])
    for sign, winner in ((0, 3), (128, 200)):
        target = np.zeros((1, 1), np.uint8)
        fills = np.zeros(1, np.uint8)
        kernels.label(source, (0, 2, 2, 2), matrix, fills, 0, 1, np.uint8(sign), target)
        assert target[0, 0] == winner
