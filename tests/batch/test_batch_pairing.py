"""Images and their label maps: who belongs to whom, and that both land on one grid."""

import numpy as np
import pytest
from batches import outputs, write
from volumes import read_volume

from upsample_cli.batch.finding import Found
from upsample_cli.batch.pairing import Images, bare_stem
from upsample_cli.batch.planning import Wanted


@pytest.mark.parametrize(
    ("name", "patterns", "stem"),
    [
        ("t1_seg.nii.gz", ["*_seg*"], "t1"),
        ("t1_seg.nii.gz", ["*_seg.nii.gz"], "t1"),
        ("t1_seg.nii.gz", ["*seg*"], "t1"),
        ("my_segment_seg.nii", ["*_seg*"], "my_segment"),
        ("seg-t1.nii", ["seg-*"], "t1"),
        ("t1_seg-2_mask.nii", ["*_seg-?_mask*"], "t12"),
        ("case_01.nii.gz", ["labelsTr/*"], "case_01"),
        ("labels.nii.gz", ["labels*"], ""),
        ("sub-01_dseg.nii.gz", ["*_mask*", "*_dseg*"], "sub-01"),
        ("t1.nii", ["*_seg*"], "t1"),
    ],
)
def test_what_is_left_of_a_name(name, patterns, stem):
    assert bare_stem(name, patterns) == stem


def wanted(name, labels=False):
    return Wanted(Found(name, ()), name, labels)


@pytest.mark.parametrize(
    ("labels", "pattern", "images", "partners"),
    [
        ("t1_seg.nii", "*_seg*", ["t1.nii", "t12.nii", "t1_b.nii"], ["t1.nii"]),
        ("s_seg.nii", "*_seg*", ["s_T1w.nii", "s_T2w.nii", "s2.nii"], ["s_T1w.nii", "s_T2w.nii"]),
        ("a/x_seg.nii", "*_seg*", ["a/x.nii", "b/x.nii"], ["a/x.nii"]),
        ("a/x_seg.nii", "*_seg*", ["b/x.nii"], []),
        ("a/x_seg.nii", "a/*_seg*", ["b/x.nii"], ["b/x.nii"]),
        ("L/c.nii", "L/*", ["I/c_0000.nii", "I/c_0001.nii"], ["I/c_0000.nii", "I/c_0001.nii"]),
        ("d/L/c.nii", "d/L/*", ["d/I/c.nii", "e/I/c.nii"], ["d/I/c.nii"]),
        ("c_seg.nii", "*_seg*", ["I/c.nii"], []),
        ("c_seg.png", "*_seg*", ["c.jpg", "c.nii"], ["c.jpg"]),
        ("c_seg.nii.gz", "*_seg*", ["c.mgz"], ["c.mgz"]),
        ("p/labels.nii", "labels*", ["p/flair.nii", "p/t1.nii", "q/t1.nii"], None),
        ("x_seg.nii", "*_seg*", ["y.nii"], []),
    ],
)
def test_the_images_of_a_label_map(labels, pattern, images, partners):
    found = Images([wanted(name) for name in images]).partners_of(wanted(labels, True), [pattern])
    expected = ["p/flair.nii", "p/t1.nii"] if partners is None else partners
    assert [each.found.name for each in found] == expected


@pytest.fixture
def pair(tmp_path):
    """``pair("t1", "t1_seg")`` writes two volumes on one grid; more is for the second."""

    def make(image, labels, shape=(6, 5, 4), **fields):
        write(tmp_path / "src" / f"{image}.nii.gz", dtype="int16")
        write(tmp_path / "src" / f"{labels}.nii.gz", shape=shape, dtype="uint8", **fields)

    return make


@pytest.mark.parametrize(
    ("image", "labels", "pattern"),
    [
        ("t1", "t1_seg", "*_seg*"),
        ("sub-01/anat/sub-01_T1w", "sub-01/anat/sub-01_dseg", "*_dseg*"),
        ("imagesTr/case_0000", "labelsTr/case", "labelsTr/*"),
        ("images/train/a", "labels/train/a", "labels/*"),
    ],
)
@pytest.mark.parametrize(
    "options",
    [
        ["--scale", 1.7, "--mode", "cubic", "--dtype", "float32"],
        ["--spacing", 1.5, "--mode", "lanczos"],
        ["--scale", 2, "--mode", "nearest"],
        ["--size", "9x9x9", "--mode", "cubic", "--align-corners"],
        ["--scale", 0.5, "--antialias"],
        ["--isotropic", "smallest", "--mode", "area"],
    ],
    ids=lambda options: " ".join(map(str, options)),
)
def test_a_pair_lands_on_one_grid_and_labels_stay_labels(
    batch, pair, tmp_path, image, labels, pattern, options
):
    pair(image, labels)
    code, status, errors = batch(*options, "--labels-pattern", pattern)
    assert (code, set(status.values())) == (0, {"done"}), errors
    one, two = (read_volume(tmp_path / "out" / f"{name}.nii.gz") for name in (image, labels))
    assert one.voxels.shape == two.voxels.shape
    for field in ("srow_x", "srow_y", "srow_z", "dim"):
        assert one.fields[field] == two.fields[field]
    before = read_volume(tmp_path / "src" / f"{labels}.nii.gz").voxels
    assert two.voxels.dtype == np.uint8
    assert set(np.unique(two.voxels)) <= set(np.unique(before))
    assert "without an image" not in errors


def test_the_image_of_another_patient_is_no_partner(batch, pair):
    pair("sub-01/t1", "sub-02/t1_seg", shape=(6, 5, 3))
    code, status, errors = batch("--scale", 2, "--labels-pattern", "*_seg*")
    assert (code, set(status.values())) == (0, {"done"})
    assert "1 label map without an image" in errors


def test_labels_are_filled_with_background(batch, pair, tmp_path):
    pair("t1", "t1_seg")
    write(tmp_path / "grid.nii", shape=(12, 12, 12))
    options = ["--like", "grid.nii", "--fill", -7, "--labels-pattern", "*_seg*"]
    assert batch(*options)[0] == 0
    image, labels = (read_volume(tmp_path / "out" / f"t1{end}.nii.gz") for end in ("", "_seg"))
    assert (image.voxels[-1, -1, -1], labels.voxels[-1, -1, -1]) == (-7, 0)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"shape": (6, 5, 3)}, "12×10×6 against 12×10×8"),
        ({"srow_x": (2.0, 0, 0, -6)}, "the corners are up to 1 apart"),
        ({"srow_z": (0, 0, 3.5, 7)}, "the corners are up to 1.75 apart"),
        ({"srow_x": (-2.0, 0, 0, 5)}, "the corners are up to "),
    ],
)
def test_a_pair_on_two_grids_fails_and_nothing_is_written(batch, pair, tmp_path, changes, why):
    pair("sub/t1", "sub/t1_seg", **changes)
    write(tmp_path / "src" / "other.nii")
    code, status, errors = batch("--scale", 2, "--labels-pattern", "*_seg*")
    assert code == 1
    assert status == {
        **{"other.nii": "done", "sub/t1.nii.gz": "failed"},
        "sub/t1_seg.nii.gz": "failed",
    }
    for name in ("t1", "t1_seg"):
        assert (
            f"error: sub/{name}.nii.gz: labels sub/t1_seg.nii.gz would not land on the grid of "
            f"sub/t1.nii.gz ({why}" in errors
        )
    assert errors.count("); put them on its grid first, with resample --like\n") == 2
    assert list(outputs(tmp_path / "out")) == ["other.nii"]


def test_both_on_the_grid_of_a_reference_are_a_pair(batch, pair, tmp_path):
    pair("t1", "t1_seg", shape=(9, 4, 4))
    write(tmp_path / "grid.nii", shape=(7, 7, 7))
    code, status, _ = batch("--like", "grid.nii", "--labels-pattern", "*_seg*")
    assert (code, set(status.values())) == (0, {"done"})


def test_of_several_images_one_has_to_agree(batch, pair, tmp_path):
    pair("s_T1w", "s_seg")
    write(tmp_path / "src" / "s_bold.nii", shape=(3, 3, 3))
    command = ["--scale", 2, "--labels-pattern", "*_seg*"]
    assert batch(*command)[0] == 0
    write(tmp_path / "src" / "s_T1w.nii.gz", shape=(4, 4, 4))
    images = {"s_T1w.nii.gz": "done", "s_bold.nii": "done"}
    assert batch(*command, "--force")[1] == {**images, "s_seg.nii.gz": "failed"}


def test_an_image_that_leaves_the_grid_of_its_labels_fails(batch, pair, tmp_path):
    pair("s_T1w", "s_seg")
    write(tmp_path / "src" / "s_bold.nii", shape=(3, 3, 3))
    command = ["--scale", 2, "--labels-pattern", "*_seg*"]
    batch(*command)
    write(tmp_path / "src" / "s_T1w.nii.gz", shape=(4, 4, 4))
    rest = {"s_bold.nii": "skipped", "s_seg.nii.gz": "skipped"}
    assert batch(*command)[1] == {"s_T1w.nii.gz": "failed", **rest}


def test_an_array_of_channels_and_its_labels_are_a_pair(batch, tmp_path):
    write(tmp_path / "src" / "x.npy", shape=(3, 6, 5))
    np.save(tmp_path / "src" / "x_seg.npy", np.ones((6, 5), np.uint8))
    assert batch("--scale", "2x2", "--labels-pattern", "*_seg*")[0] == 0


def test_label_maps_without_an_image_are_counted(batch, pair, tmp_path):
    pair("t1", "t2_seg")
    code, _, errors = batch("--scale", 2, "--labels-pattern", "*_seg*")
    assert code == 0
    assert "hint: 1 label map without an image of their name, such as t2_seg.nii.gz; no " in errors
    assert "label map" not in batch("--scale", 2, "--labels-pattern", "*_seg*")[2]


def test_a_pattern_that_matches_no_input_is_named(batch, pair):
    pair("t1", "t1_seg")
    code, _, errors = batch("--scale", 2, "--labels-pattern", "*_sge*", "--labels-pattern", "t1_*")
    assert code == 0
    assert "hint: --labels-pattern: '*_sge*' matches no input\n" in errors
    assert "t1_*" not in errors


def test_without_a_pattern_no_grids_are_compared(batch, pair):
    pair("t1", "t1_seg", shape=(9, 9, 9))
    assert batch("--scale", 2)[0] == 0


def test_a_broken_image_fails_alone(batch, pair, tmp_path):
    pair("t1", "t1_seg")
    (tmp_path / "src" / "t1.nii.gz").write_bytes(b"broken")
    assert batch("--scale", 2, "--labels-pattern", "*_seg*")[1] == {
        "t1.nii.gz": "failed",
        "t1_seg.nii.gz": "done",
    }


def test_labels_go_with_resample_alone(batch, pair):
    pair("t1", "t1_seg")
    code, _, errors = batch("--op", "pool", "--kernel-size", 2, "--labels-pattern", "*_seg*")
    assert code == 2
    assert errors.endswith("--labels-pattern: goes with --op resample; drop it\n")
