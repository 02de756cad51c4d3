"""What the headers of every volume format answer, and that asking changes nothing."""

from contextlib import closing

import nibabel as nib
import numpy as np
import pytest

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import open_source
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.files.volumes.nifti_rules import SLICE_FIELDS
from upsample_cli.files.volumes.reference import read_reference
from upsample_cli.files.volumes.volume import REFUSALS
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.mapping import AlignedMap, reordered

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
AFFINE[:3, 3] = -10, 5, 7
SHAPE = (6, 5, 4)
KEPT = AlignedMap((0, 1, 2), (False,) * 3, tuple(map(AxisMap.copied, SHAPE)), (0, 0, 0))


@pytest.fixture(params=[".nii", ".nii.gz", ".hdr", ".mgh", ".mgz"])
def header(request, tmp_path):
    return header_of(tmp_path / f"in{request.param}")


@pytest.fixture
def nifti(tmp_path):
    return header_of(tmp_path / "in.nii")


def header_of(path, **fields):
    voxels = np.zeros(SHAPE, np.int16)
    if path.suffix in (".mgh", ".mgz"):
        nib.save(nib.MGHImage(voxels, AFFINE), path)
    else:
        kind = nib.Nifti1Pair if path.suffix == ".hdr" else nib.Nifti1Image
        image = kind(voxels, AFFINE)
        image.header.set_slope_inter(2, 5)
        for name, value in fields.items():
            image.header[name] = value
        nib.save(image, path)
    with closing(open_source(str(path), ImageOptions())) as source:
        return source.header


def sliced(tmp_path):
    """Return a header whose slices, along z, were taken in an order from the first to the last."""
    times = {"slice_code": 1, "slice_end": 3, "slice_duration": 0.5}
    return header_of(tmp_path / "in.nii", dim_info=3 << 4 | 2 << 2 | 1, **times)


def test_no_question_changes_a_header(header):
    before = header.to_bytes()
    header.resampled([axis_of(size, 2 * size) for size in SHAPE], np.dtype("f4"))
    header.unscaled()
    header.for_files(1)
    header.for_files(2)
    header.as_reference()
    header.facts()
    if "grids" in header.abilities:
        header.placed(header, KEPT, np.dtype("f4"))
        header.placed(header, None, np.dtype("f4"))
        header.oriented(reordered(SHAPE, (2, 0, 1), (True, False, True)), np.dtype("f4"))
    assert header.to_bytes() == before


def axis_of(size_in, size_out):
    step = size_in / size_out
    return AxisMap(size_in, size_out, step / 2 - 0.5, step)


def test_abilities_are_kept_and_their_lack_is_said(header):
    assert header.abilities <= set(REFUSALS)
    for ability in REFUSALS:
        if ability in header.abilities:
            header.check_able(ability, "it")
            continue
        with pytest.raises(RequestError, match=r"^it: "):
            header.check_able(ability, "it")


def test_each_refusal_has_the_words_of_its_ability(tmp_path):
    mgh = header_of(tmp_path / "in.mgz")
    words = {ability: str(mgh.refusal(ability, "--it")) for ability in REFUSALS}
    assert words == {
        "grids": "--it: does not take MGH; convert it to .nii.gz",
        "inverse": "--it: is MGH, and only NIfTI volumes are taken here; convert it to .nii.gz",
        "record": "--it: is for NIfTI volumes; drop it",
    }
    for ask in (
        lambda: mgh.placed(mgh, None, np.dtype("f4")),
        lambda: mgh.oriented(KEPT, np.dtype("f4")),
    ):
        with pytest.raises(RequestError, match="does not take MGH"):
            ask()
    with pytest.raises(RequestError, match="is for NIfTI volumes"):
        mgh.geometry()


def test_an_unscaled_header_says_that_values_are_real(header):
    assert header.unscaled().scaling == (1.0, 0.0)
    assert header.unscaled().affine.tolist() == header.affine.tolist()


def test_a_header_goes_to_one_file_or_to_two(nifti):
    single, pair = nifti.for_files(1), nifti.for_files(2)
    assert (single.is_pair, int(single.fields["vox_offset"])) == (False, 352)
    assert (pair.is_pair, int(pair.fields["vox_offset"])) == (True, 0)
    assert pair.fields["magic"].item() == b"ni1"


def test_a_geometry_goes_back_where_it_came_from(nifti):
    halved, _ = nifti.resampled([axis_of(size, 2 * size) for size in SHAPE], np.dtype("i2"))
    back, _ = halved.resampled([axis_of(2 * size, size) for size in SHAPE], np.dtype("i2"))
    assert back.with_geometry(nifti.geometry()).field_bytes == nifti.field_bytes


@pytest.mark.parametrize("suffix", [".mgh", ".nii"])
def test_every_format_is_a_reference(tmp_path, nifti, suffix):
    path = tmp_path / f"grid{suffix}"
    header_of(path)
    reference = read_reference(str(path))
    new, warnings = nifti.placed(reference, KEPT, np.dtype("i2"))
    assert (new.spatial, warnings) == (SHAPE, [])
    np.testing.assert_allclose(new.affine, AFFINE)
    assert new.scaling == (2.0, 5.0)


def test_what_is_no_volume_is_no_reference(tmp_path):
    (tmp_path / "grid.nii").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(400))
    with pytest.raises(FileError, match=r"is not a NIfTI file; use .nii, .nii.gz or .hdr/.img"):
        read_reference(str(tmp_path / "grid.nii"))


# --- slices: one rule however voxels have moved ---


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_forgotten_where_they_were_resampled(tmp_path, axis):
    header = sliced(tmp_path)
    axes = list(map(AxisMap.copied, SHAPE))
    axes[axis] = axis_of(SHAPE[axis], 2 * SHAPE[axis])
    aligned = AlignedMap((0, 1, 2), (False,) * 3, tuple(axes), (0, 0, 0))
    grown = [axis_of(n, a.size_out) for n, a in zip(SHAPE, axes, strict=True)]
    reference, _ = header.resampled(grown, np.dtype("i2"))
    for new, _ in (
        header.resampled(axes, np.dtype("i2")),
        header.placed(reference, aligned, np.dtype("i2")),
    ):
        told = [float(new.fields[name]) for name in SLICE_FIELDS]
        assert told == ([0, 0, 0, 0] if axis == 2 else [1, 0, 3, 0.5])
        assert int(new.fields["dim_info"]) == int(header.fields["dim_info"])


def test_slices_turn_with_their_axis(tmp_path):
    header = sliced(tmp_path)
    turn = reordered(SHAPE, (2, 0, 1), (True, False, False))
    new, _ = header.oriented(turn, np.dtype("i2"))
    assert int(new.fields["dim_info"]) == 1 << 4 | 3 << 2 | 2
    assert int(new.fields["slice_code"]) == 2
    assert new.spatial == (4, 6, 5)


def test_slices_mean_nothing_on_an_oblique_grid(tmp_path):
    header = sliced(tmp_path)
    new, _ = header.placed(header, None, np.dtype("i2"))
    assert [float(new.fields[name]) for name in ("dim_info", *SLICE_FIELDS)] == [0] * 5
