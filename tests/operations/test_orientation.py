"""Axes turned to an orientation: voxels are copied, and stay where they are in the world."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from nibabel import orientations
from volumes import changed_fields, qform_affine, read_volume, sform_affine, write_volume

from upsample_cli.errors import FileError, RequestError

CODES = [
    "".join(letters)
    for axes in itertools.permutations(("RL", "AP", "SI"))
    for letters in itertools.product(*axes)
]
SHAPE = (5, 4, 3)
VOXELS = np.arange(60, dtype="i2").reshape(SHAPE)
NEAR = np.array(
    [[1.9, 0.2, 0.3, -3.0], [-0.1, 2.4, 0.4, 1.5], [0.2, -0.3, 3.1, 4.25], [0, 0, 0, 1]]
)
ROWS = {f"srow_{name}": tuple(row) for name, row in zip("xyz", NEAR, strict=False)}


def turned_by_nibabel(path, code):
    image = nib.load(path)
    here = orientations.io_orientation(image.affine)
    moves = orientations.ornt_transform(here, orientations.axcodes2ornt(code))
    return image.as_reoriented(moves)


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_what_nibabel_makes_and_comes_back_bit_for_bit(tmp_path, resample, code):
    source = write_volume(tmp_path / "in.nii", VOXELS, **ROWS, scl_slope=0.0)
    resample(source, tmp_path / "out.nii", orientation=code)
    expected, before = turned_by_nibabel(source, code), read_volume(source)
    after = read_volume(tmp_path / "out.nii")
    assert "".join(nib.aff2axcodes(sform_affine(after.fields))) == code
    assert np.array_equal(after.voxels, np.asanyarray(expected.dataobj))
    np.testing.assert_allclose(sform_affine(after.fields), expected.affine, atol=1e-6)
    for form in (sform_affine, qform_affine):
        turn = np.linalg.inv(form(before.fields)) @ form(after.fields)
        np.testing.assert_allclose(turn, np.rint(turn), atol=2e-5)
        places = np.rint(turn).astype(int)
        for index in np.ndindex(after.voxels.shape):
            x, y, z, _ = places @ (*index, 1)
            assert after.voxels[index] == before.voxels[x, y, z]
    resample(tmp_path / "out.nii", tmp_path / "back.nii", orientation="RAS")
    back = read_volume(tmp_path / "back.nii")
    assert np.array_equal(back.voxels, VOXELS)
    for form in (sform_affine, qform_affine):
        np.testing.assert_allclose(form(back.fields), form(before.fields), atol=1e-5)


@pytest.mark.parametrize("code", ["LPI", "SAR", "ras"])
def test_nothing_else_changes(tmp_path, resample, code):
    source = write_volume(tmp_path / "in.nii.gz", VOXELS[..., None].repeat(2, 3), **ROWS)
    resample(source, tmp_path / "out.nii.gz", orientation=code)
    before, after = read_volume(source), read_volume(tmp_path / "out.nii.gz")
    changed = changed_fields(before.header, after.header)
    assert not changed & {"datatype", "scl_slope", "scl_inter", "descrip", "sform_code", "toffset"}
    assert after.fields["pixdim"][4:] == before.fields["pixdim"][4:]
    assert bool(changed) == (code != "ras")


@pytest.mark.parametrize(
    ("code", "info", "times"),
    [
        ("RAS", (1, 2, 3), (1, 1, 2)),
        ("RAI", (1, 2, 3), (2, 0, 1)),
        ("SRA", (2, 3, 1), (1, 1, 2)),
        ("IPL", (3, 2, 1), (2, 0, 1)),
    ],
)
@pytest.mark.parametrize("says_slices", [True, False])
def test_slice_times_go_with_their_axis(tmp_path, resample, code, info, times, says_slices):
    kept = {"slice_code": 1, "slice_start": 1, "slice_end": 2}
    own = 1 | 2 << 2 | (3 << 4 if says_slices else 0)
    source = write_volume(tmp_path / "in.nii", VOXELS, **ROWS, dim_info=own, **kept)
    resample(source, tmp_path / "out.nii", orientation=code)
    fields = read_volume(tmp_path / "out.nii").fields
    freq, phase, slices = (fields["dim_info"] >> shift & 3 for shift in (0, 2, 4))
    assert (freq, phase) == info[:2]
    assert slices == (info[2] if says_slices or info[2] != 3 else 0)
    assert (fields["slice_code"], fields["slice_start"], fields["slice_end"]) == times
    assert fields["slice_duration"] == 0.0625


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8", "c16"])
def test_turning_streams_the_same_bits(tmp_path, resample, monkeypatch, dtype):
    from upsample_cli.passes import streaming

    monkeypatch.setattr(streaming, "CHUNK_BYTES", 1)
    voxels = VOXELS.astype(dtype)
    source = write_volume(tmp_path / "in.nii", voxels, **ROWS)
    for code, expected in {"LPS": voxels[::-1, ::-1], "ARS": voxels.swapaxes(0, 1)}.items():
        resample(source, tmp_path / f"{code}.nii", orientation=code, threads=3)
        assert np.array_equal(read_volume(tmp_path / f"{code}.nii").voxels, expected)


@pytest.mark.parametrize("how", [{"labels": True}, {}, {"mode": "linear"}])
def test_a_label_that_the_dtype_cannot_hold_is_refused(tmp_path, resample, holds_only, how):
    intent = 0 if "labels" in how else 1002
    source = write_volume(tmp_path / "in.nii", VOXELS + 250, **ROWS, intent_code=intent)
    with pytest.raises(RequestError, match="--dtype: label 256 does not fit in uint8; use int16"):
        resample(source, tmp_path / "out.nii", orientation="LPS", dtype="uint8", **how)
    holds_only("in.nii")
    done = resample(source, tmp_path / "out.nii", orientation="LPS", dtype="uint16", **how)
    assert not any("vanished" in warning for warning in done.warnings)


@pytest.mark.parametrize("code", ["RAR", "RA", "RASS", "XYZ", "", "RL", "R A"])
def test_what_is_no_orientation_is_refused(tmp_path, resample, code):
    source = write_volume(tmp_path / "in.nii", VOXELS, **ROWS)
    with pytest.raises(RequestError, match=r"--orientation: .* is no orientation; use a letter"):
        resample(source, tmp_path / "out.nii", orientation=code)


def test_a_volume_without_a_place_has_no_orientation(tmp_path, resample):
    source = write_volume(tmp_path / "in.nii", VOXELS, qform_code=0, sform_code=0)
    with pytest.raises(FileError, match="neither its qform nor its sform is set"):
        resample(source, tmp_path / "out.nii", orientation="RAS")


def test_the_command_line(tmp_path, cli, samples):
    done = cli("resample", samples / "brain.nii.gz", "out.nii", "--orientation", "psl")
    assert done.returncode == 0
    assert "copied" in done.stderr
    assert "PSL" in cli("info", "out.nii").stdout.decode()
    told = cli("explain", samples / "brain.nii.gz", "--orientation", "psl").stdout.decode()
    assert "needed out of their order" in told
