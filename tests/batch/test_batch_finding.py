"""Which files of a tree a batch takes, and in which order."""

import os

import pytest
from batches import write
from platforms import needs_pipes

from upsample_cli.batch.finding import Selection, find, matches_any
from upsample_cli.errors import RequestError


@pytest.fixture
def tree(tmp_path):
    """``tree("a.nii", …)`` makes files of one byte in src, and returns src."""

    def grow(*names):
        for name in names:
            path = tmp_path / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        return tmp_path / "src"

    return grow


def listing(source, target="out", patterns=(), exclude=()):
    return find(str(source), str(target), Selection(patterns, exclude))


def taken(*arguments, **selection):
    return [found.name for found in listing(*arguments, **selection).inputs]


NAMES = ["b/t1.nii.gz", "b/t1_seg.nii.gz", "B.png", "a.PNG", "a.npy", "b/c/d/deep.mgz", "é.tif"]


@pytest.mark.parametrize("order", [1, -1], ids=["made forwards", "made backwards"])
def test_names_come_in_the_order_of_their_bytes(tree, order):
    expected = sorted(NAMES, key=os.fsencode)
    assert taken(tree(*NAMES[::order])) == expected


def test_what_is_hidden_or_of_no_format_is_passed_over(tree):
    source = tree("a.nii", ".b.nii", "._a.nii", ".git/c.nii", "readme.md", "sub/table.csv", "nii")
    found = listing(source)
    assert [each.name for each in found.inputs] == ["a.nii"]
    assert found.remarks == ["left out 3 files of other formats"]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["*.nii.gz"], ["sub-1/anat/t1.nii.gz", "sub-2/t1.nii.gz", "top.nii.gz"]),
        (["t1*"], ["sub-1/anat/t1.nii.gz", "sub-2/t1.nii.gz"]),
        (["sub-?/t1*"], ["sub-2/t1.nii.gz"]),
        (["sub-1/*"], ["sub-1/anat/t1.nii.gz", "sub-1/photo.png"]),
        (["**/*.nii.gz"], ["sub-1/anat/t1.nii.gz", "sub-2/t1.nii.gz", "top.nii.gz"]),
        (["sub-1/**/photo.png"], ["sub-1/photo.png"]),
        (["*.png", "top*"], ["sub-1/photo.png", "top.nii.gz"]),
        (["*.PNG", "top*"], ["top.nii.gz"]),
        (["[st]op*"], ["top.nii.gz"]),
    ],
)
def test_a_pattern_is_for_the_name_or_with_a_slash_for_the_path(tree, patterns, expected):
    source = tree("sub-1/anat/t1.nii.gz", "sub-1/photo.png", "sub-2/t1.nii.gz", "top.nii.gz")
    assert taken(source, patterns=patterns) == expected


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        (["derivatives"], ["a.nii", "sub/x_mask.nii"]),
        (["derivatives/"], ["a.nii", "sub/x_mask.nii"]),
        (["sub/derivatives"], ["a.nii", "derivatives/b.nii", "sub/x_mask.nii"]),
        (["*_mask*", "der*"], ["a.nii"]),
        (["sub/*"], ["a.nii", "derivatives/b.nii"]),
    ],
)
def test_files_and_whole_folders_can_be_left_out(tree, exclude, expected):
    source = tree("a.nii", "derivatives/b.nii", "sub/derivatives/c.nii", "sub/x_mask.nii")
    assert taken(source, exclude=exclude) == expected


@pytest.mark.parametrize("glob", ["t1*", "sub/t1*", "*/t1*", "**/t1*", "sub/**/t1*", "s*1.nii"])
def test_matching(glob):
    assert matches_any("sub/t1.nii", [glob]) == (glob != "s*1.nii")


def test_links_within_the_source_are_taken_and_no_others(tree, tmp_path):
    source = tree("sub/a.nii")
    write(tmp_path / "other" / "secret.nii")
    (source / "inside.nii").symlink_to("sub/a.nii")
    (source / "nothing.nii").symlink_to("sub/lost.nii")
    (source / "outside.nii").symlink_to(tmp_path / "other" / "secret.nii")
    (source / "folder").symlink_to(tmp_path / "other")
    (source / "loop").symlink_to(source)
    (source / "folder.nii").symlink_to(source / "sub")
    found = listing(source)
    assert [each.name for each in found.inputs] == ["inside.nii", "nothing.nii", "sub/a.nii"]
    assert not found.inputs[1].stamps
    assert sorted(found.left_out) == [
        "folder.nii: is a link to a folder, whose files are found where they are",
        "folder: is a link that leads out of the source folder",
        "loop: is a link to a folder, whose files are found where they are",
        "outside.nii: is a link that leads out of the source folder",
    ]


def test_a_source_may_be_a_link_itself(tree, tmp_path):
    (tmp_path / "link").symlink_to(tree("a.nii", "sub/b.nii"))
    assert taken(tmp_path / "link") == ["a.nii", "sub/b.nii"]


@needs_pipes
def test_what_is_no_file_is_named(tree):
    source = tree("a.nii")
    os.mkfifo(source / "pipe.nii")
    assert listing(source).remarks == ["left out pipe.nii: is not a regular file"]


def test_the_target_and_the_targets_of_others_are_no_inputs(tree):
    source = tree("a.nii", "out/a.nii", "old/a.nii", "old/.upsample-batch/journal.jsonl")
    found = listing(source, source / "out")
    assert [each.name for each in found.inputs] == ["a.nii"]
    assert found.left_out == [
        "old: holds another batch's outputs; to take them, name it as SOURCE_DIR"
    ]
    assert taken(source / "old") == ["a.nii"]


def test_a_pair_is_one_input_of_two_files(tree):
    source = tree("a.hdr", "a.img", "B.HDR", "B.IMG", "c.hdr.gz", "c.img.gz", "lone.img", "d.hdr")
    found = {each.name: each.bytes for each in listing(source).inputs}
    assert found == {"B.HDR": 2, "a.hdr": 2, "c.hdr.gz": 2, "d.hdr": 0, "lone.img": 0}


def test_a_pair_can_be_taken_by_either_name(tree):
    source = tree("a.hdr", "a.img")
    for pattern in ("*.hdr", "*.img"):
        assert taken(source, patterns=[pattern]) == ["a" + pattern[1:]]
    assert taken(source, exclude=["*.hdr"]) == ["a.img"]


def test_a_folder_that_cannot_be_listed_stops_no_other(tree, monkeypatch):
    source, scandir = tree("a.nii", "locked/b.nii", "z/c.nii"), os.scandir

    def refusing(path):
        if str(path).endswith("locked/") or str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = listing(source)
    assert [each.name for each in found.inputs] == ["a.nii", "z/c.nii"]
    (problem,) = found.problems
    assert "locked" in str(problem)
    assert str(problem).endswith("cannot be listed (Permission denied); make it readable")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("lost", "does not exist; name the folder"),
        ("src/a.nii", "is not a folder; name its folder, or use resample"),
        ("src", "holds no input; left out 1 file of other formats; check --pattern"),
        ("src/sub", "holds no input; check --pattern and --exclude"),
    ],
)
def test_a_source_without_inputs_is_refused(tree, tmp_path, name, problem):
    tree("a.nii", "a.txt", "sub/b.nii")
    with pytest.raises(RequestError, match=problem):
        listing(tmp_path / name, exclude=["*.nii"])


def test_a_source_whose_inputs_are_all_left_out_is_refused_with_the_reason(tree):
    source = tree("a.txt", "b.txt")
    (source / "link.npy").symlink_to("/nowhere/else")
    why = (
        "holds no input; left out link.npy: is a link that leads out of the source folder, and 1 m"
    )
    with pytest.raises(RequestError, match=why):
        listing(source)
