"""Whether two volumes agree: each row, what counts, the values, the exit code."""

import json
from contextlib import closing

import nibabel as nib
import numpy as np
import pytest
from inprocess import no_progress
from processes import check_line
from volumes import OBLIQUE, RGB, write_volume

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import open_source
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.sampling.grid import Grid
from upsample_cli.sampling.points import linear_at, positions_of
from upsample_cli.verify import values as comparison
from upsample_cli.verify.verdict import Criteria, verify

SHAPE = (12, 10, 8)
VOXELS = np.random.default_rng(11).integers(-900, 900, SHAPE, "i2")
CORNERS = ["first corner", "last corner", "all corners"]
AGREEING = {"qform_code": 0}
"""The two forms of the standard test volume disagree; most tests need but one."""


def rows_of(affine):
    return {f"srow_{name}": tuple(row) for name, row in zip("xyz", affine, strict=False)}


@pytest.fixture
def a(tmp_path):
    return write_volume(tmp_path / "a.nii", VOXELS, **AGREEING)


@pytest.fixture
def compare(tmp_path, a):
    """``compare(voxels, header field=…)`` writes B and compares it with A → Verdict."""

    def run(voxels=VOXELS, criteria=None, suffix=".nii", **fields):
        b = write_volume(tmp_path / f"b{suffix}", voxels, **(AGREEING | fields))
        return verify(str(a), str(b), criteria or Criteria(), no_progress)

    return run


def row(verdict, name):
    (found,) = (row for row in verdict.rows if row.name == name)
    return found


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr"])
@pytest.mark.parametrize(("version", "order"), [(1, "<"), (1, ">"), (2, "<"), (2, ">")])
def test_a_copy_agrees_in_everything(compare, suffix, version, order):
    criteria = Criteria(same_grid=True, values=1e-4)
    found = compare(criteria=criteria, suffix=suffix, version=version, order=order)
    assert found.failed == []
    assert all(row.agrees for row in found.rows)
    expected = {"largest": 0, "mean": 0, "inside": 1}
    assert row(found, "values").facts == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("target", [{"scale": 2}, {"size": (7, 9, 3)}, {"scale": (1, 0.5, 3)}])
@pytest.mark.parametrize("mode", ["linear", "nearest-exact", "area"])
def test_a_resampled_volume_agrees_with_its_source(tmp_path, resample, a, target, mode):
    resample(a, tmp_path / "b.nii", mode=mode, **target)
    found = verify(str(a), str(tmp_path / "b.nii"), Criteria(), no_progress)
    assert found.failed == []
    assert not row(found, "shape").agrees
    found = verify(str(a), str(tmp_path / "b.nii"), Criteria(same_grid=True), no_progress)
    assert found.failed == ["shape", "voxel size"]


def test_align_corners_changes_the_field_of_view(tmp_path, resample, a):
    resample(a, tmp_path / "b.nii", scale=2, align_corners=True)
    found = verify(str(a), str(tmp_path / "b.nii"), Criteria(), no_progress)
    assert found.failed == ["field of view", *CORNERS, "sform"]
    apart = row(found, "all corners").facts["apart"]
    ends = [[-0.5] * 3, [n - 0.5 for n in SHAPE]]
    step = [(n - 1) / (2 * n - 1) for n in SHAPE]
    new = [[-0.5 * s for s in step], [s * (2 * n - 0.5) for s, n in zip(step, SHAPE, strict=True)]]
    moved = np.array(new) - ends
    shifts = [
        np.linalg.norm(OBLIQUE[:3, :3] @ [moved[side, axis] for axis, side in enumerate(corner)])
        for corner in np.ndindex(2, 2, 2)
    ]
    np.testing.assert_allclose(apart, max(shifts), rtol=1e-4)
    for name, index in (("first corner", 0), ("last corner", -1)):
        np.testing.assert_allclose(row(found, name).facts["apart"], shifts[index], rtol=1e-4)
    found = verify(str(a), str(tmp_path / "b.nii"), Criteria(tolerance=apart * 1.01), no_progress)
    assert found.failed == []


FLIPPED = OBLIQUE @ np.array([[-1, 0, 0, SHAPE[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
MOVED = OBLIQUE + np.array([[0, 0, 0, 0.01], *[[0] * 4] * 3])


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({"sform_code": 3}, ["sform"]),
        ({"qform_code": 1}, ["qform"]),
        (rows_of(MOVED), ["field of view", *CORNERS, "sform"]),
        (rows_of(FLIPPED), ["orientation", *CORNERS, "sform"]),
        ({"xyzt_units": 3 | 8}, ["units"]),
        ({"xyzt_units": 2 | 32}, []),
        ({"xyzt_units": 2}, []),
        ({"xyzt_units": 0}, []),
        ({"scl_slope": 0.2}, ["scaling"]),
        ({"scl_inter": 0.0}, ["scaling"]),
        ({"intent_code": 1002}, []),
        ({"descrip": b"something else", "cal_max": 3.0, "aux_file": b""}, []),
    ],
    ids=str,
)
def test_what_a_header_says_differently(compare, fields, failed):
    assert compare(**fields).failed == failed


@pytest.mark.parametrize(
    ("units", "failed"), [(2, []), (2 | 16, []), (2 | 24, []), (2 | 32, ["units"])]
)
def test_time_units_count_where_there_is_time(tmp_path, units, failed):
    series = np.stack([VOXELS, VOXELS], axis=-1)
    fields = [AGREEING, AGREEING | {"xyzt_units": units}]
    paths = [write_volume(tmp_path / f"{n}.nii", series, **given) for n, given in enumerate(fields)]
    assert verify(*map(str, paths), Criteria(), no_progress).failed == failed


def test_a_scan_agrees_with_its_copy_in_another_format(tmp_path):
    """FreeSurfer's MGH always says ms, NIfTI mostly s; a scan of floats has labels of integers."""
    affine = np.diag([1.5, 1.5, 2, 1])
    nib.save(nib.MGHImage(VOXELS.astype("f4"), affine), tmp_path / "a.mgz")
    copy = nib.Nifti1Image(VOXELS.astype("i4"), affine)
    copy.header["xyzt_units"] = 2 | 8
    copy.set_qform(affine, 1)
    copy.set_sform(affine, 1)
    nib.save(copy, tmp_path / "a.nii.gz")
    names = (str(tmp_path / "a.mgz"), str(tmp_path / "a.nii.gz"))
    assert verify(*names, Criteria(values=0), no_progress).failed == []


def test_a_field_of_view_is_the_same_whatever_the_order_of_its_axes(compare):
    found = compare(VOXELS[::-1], Criteria(values=1e-6), **rows_of(FLIPPED))
    assert row(found, "field of view").agrees
    assert row(found, "values").agrees


@pytest.mark.parametrize(
    ("dtype", "agrees"),
    [("i2", True), ("u1", True), ("f4", True), ("i8", True), ("u2", True), ("c8", False)],
)
def test_dtypes_are_compatible_where_both_are_real(compare, dtype, agrees):
    found = compare(VOXELS.astype(dtype))
    assert row(found, "dtype").agrees == agrees
    other = compare(VOXELS.astype(dtype), scl_slope=3.0)
    assert ("scaling" in other.failed) == (dtype == "i2")


def test_colours_are_no_numbers(compare):
    found = compare(np.zeros(SHAPE, RGB), Criteria(values=1))
    assert found.failed == ["dtype", "values"]
    assert "not comparable" in row(found, "values").detail


def test_no_scaling_is_said_in_several_ways(tmp_path):
    paths = [
        write_volume(
            tmp_path / f"{n}.nii", VOXELS, scl_slope=slope, scl_inter=intercept, **AGREEING
        )
        for n, (slope, intercept) in enumerate([(0.0, 5.0), (np.nan, 5.0), (1.0, 0.0)])
    ]
    for path in paths[1:]:
        assert verify(str(paths[0]), str(path), Criteria(values=0), no_progress).failed == []


def test_values_are_compared_after_scaling(compare):
    doubled = (VOXELS * 2).astype("i2")
    found = compare(doubled, Criteria(values=1e-4), scl_slope=0.05)
    assert row(found, "values").agrees
    assert found.failed == ["scaling"]


@pytest.mark.parametrize(("values", "failed"), [(None, []), (0.69, ["values"]), (0.71, [])])
def test_values_count_only_when_asked(compare, values, failed):
    found = compare(VOXELS + np.array(7, "i2"), Criteria(values=values))
    assert found.failed == failed
    facts = row(found, "values").facts
    np.testing.assert_allclose([facts["largest"], facts["mean"]], 0.7, rtol=1e-6)


def test_values_are_sampled_linearly_in_the_world(tmp_path):
    """B lies on another, oblique grid; a function linear in the world is read exactly."""
    turn = np.array([[0.9, 0.3, 0.1, 2], [-0.3, 0.8, -0.2, 3], [0.1, 0.3, 0.7, -1], [0, 0, 0, 1]])
    other = OBLIQUE @ turn
    paths = []
    for name, affine, shape in (("a", OBLIQUE, SHAPE), ("b", other, (16, 14, 13))):
        index = np.moveaxis(np.indices(shape), 0, -1)
        world = index @ affine[:3, :3].T + affine[:3, 3]
        held = (world @ [1.0, -2.0, 0.5]).astype("f8")
        paths.append(
            write_volume(
                tmp_path / f"{name}.nii",
                held,
                version=2,
                scl_slope=0.0,
                **AGREEING,
                **rows_of(affine),
            )
        )
    found = row(verify(*map(str, paths), Criteria(), no_progress), "values")
    assert 0.3 < found.facts["inside"] < 1
    positions = positions_of(np.linalg.inv(turn), SHAPE[::-1], 0, VOXELS.size)
    ends = np.array([16, 14, 13])[:, np.newaxis] - 0.5
    share = ((positions >= -0.5) & (positions <= ends)).all(axis=0).mean()
    assert found.facts["inside"] == pytest.approx(share)
    # Only in the half voxel at B's edge, where values repeat, can the two differ.
    with closing(open_source(str(paths[1]), ImageOptions())) as b:
        volume = b.read(13)
    with closing(open_source(str(paths[0]), ImageOptions())) as a:
        held = a.read(8).reshape(-1, 1)
    within = ((positions >= 0) & (positions <= ends - 0.5)).all(axis=0)
    assert within.any()
    np.testing.assert_allclose(linear_at(volume, positions[:, within]), held[within], atol=1e-9)


def test_slabs_and_pieces_do_not_change_the_answer(tmp_path, resample, a, monkeypatch):
    resample(a, tmp_path / "b.nii", scale=1.7)
    answers = []
    for points in (2**18, 100, 7):
        monkeypatch.setattr(comparison, "POINTS", points)
        found = verify(str(a), str(tmp_path / "b.nii"), Criteria(), no_progress)
        answers.append(row(found, "values").facts)
    for other in answers[1:]:
        assert other == pytest.approx(answers[0])


def test_labels_are_sampled_nearest(tmp_path, samples, resample):
    resample(samples / "labels.nii.gz", tmp_path / "b.nii", scale=3, mode="nearest-exact")
    source, output = str(samples / "labels.nii.gz"), str(tmp_path / "b.nii")
    found = verify(source, output, Criteria(values=0), no_progress)
    assert found.failed == []


@pytest.mark.parametrize("shape", [(12,), (12, 10), (12, 10, 8, 3), (12, 10, 1, 2, 3)])
def test_every_number_of_dimensions(tmp_path, resample, shape):
    voxels = np.random.default_rng(4).normal(size=shape).astype("f4")
    a = write_volume(tmp_path / "in.nii", voxels, **AGREEING)
    resample(a, tmp_path / "b.nii", scale=1, dtype="float64")
    found = verify(str(a), str(tmp_path / "b.nii"), Criteria(values=0), no_progress)
    assert found.failed == []


def test_what_is_not_finite_agrees_with_its_like(compare, tmp_path):
    voxels = VOXELS.astype("f4")
    voxels[0, 0, 0], voxels[1, 0, 0] = np.nan, np.inf
    a = write_volume(tmp_path / "a.nii", voxels, **AGREEING)
    found = compare(voxels, Criteria(values=0))
    assert found.failed == []
    voxels[0, 0, 0] = 1
    write_volume(a, voxels, **AGREEING)
    found = compare(np.full(SHAPE, np.nan, "f4"), Criteria(values=1e9))
    assert found.failed == ["values"]


def test_without_any_form_extents_are_compared(tmp_path, resample):
    a = write_volume(tmp_path / "in.nii", VOXELS, qform_code=0, sform_code=0)
    resample(a, tmp_path / "b.nii", scale=2)
    assert verify(str(a), str(tmp_path / "b.nii"), Criteria(), no_progress).failed == []
    resample(a, tmp_path / "c.nii", scale=2, align_corners=True)
    assert verify(str(a), str(tmp_path / "c.nii"), Criteria(), no_progress).failed


def test_volumes_apart(compare):
    found = compare(
        criteria=Criteria(values=1e9), **rows_of(OBLIQUE + 1000 * np.eye(4)[:, [3] * 4])
    )
    assert found.failed == [] or "values" in found.failed
    far = OBLIQUE.copy()
    far[0, 3] += 1000
    found = compare(criteria=Criteria(values=1e9), **rows_of(far))
    assert "values" in found.failed
    assert "none of A's voxels" in row(found, "values").detail


def test_corners_are_outer_edges():
    corners = Grid((2, 3), np.diag([2.0, 3.0, 4.0, 1.0])).corners
    assert corners.shape == (8, 3)
    assert corners[0].tolist() == [-1, -1.5, -2]
    assert corners[-1].tolist() == [3, 7.5, 2]


def test_a_broken_file_is_found_although_headers_agree(tmp_path, a):
    (tmp_path / "b.nii").write_bytes(a.read_bytes()[:-1])
    with pytest.raises(FileError, match=r"b\.nii: is truncated"):
        verify(str(a), str(tmp_path / "b.nii"), Criteria(), no_progress)
    with pytest.raises(RequestError, match="verify compares volumes; name a NIfTI"):
        np.save(tmp_path / "b.npy", VOXELS)
        verify(str(a), str(tmp_path / "b.npy"), Criteria(), no_progress)


def test_the_command(cli, tmp_path, a):
    write_volume(tmp_path / "b.nii", VOXELS, sform_code=4, **AGREEING)
    for words, code in ((["a.nii"], 0), (["b.nii"], 1), (["b.nii", "--quiet"], 1)):
        done = cli("verify", "a.nii", *words)
        assert (done.returncode, done.stderr) == (code, "")
        assert bool(done.stdout) == ("--quiet" not in words)
    text = cli("verify", "a.nii", "b.nii").stdout.decode()
    assert "they do not agree: sform" in text
    done = cli("verify", "-", "b.nii", "--json", "--no-values", stdin=a.read_bytes())
    facts = json.loads(done.stdout)
    assert (facts["agree"], facts["failed"], facts["unit"]) == (False, ["sform"], "mm")
    assert "values" not in [row["name"] for row in facts["rows"]]
    assert {"name": "shape", "agrees": True, "counts": False}.items() <= facts["rows"][0].items()


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        ("a.nii none.nii", 1, "none.nii: does not exist"),
        ("- -", 2, "-: is one volume"),
        ("a.nii a.nii --values 1 --no-values", 2, "--no-values"),
        ("a.nii a.nii --values nan", 2, "--values"),
        ("a.nii a.nii --tolerance -1", 2, "--tolerance"),
    ],
)
def test_wrong_requests(cli, a, words, code, named):
    done = cli("verify", *words.split())
    assert done.returncode == code
    check_line(done.stderr, named)
