"""Going back: the record, and the exact original grid."""

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from inprocess import no_progress
from pages import block_named
from processes import SAMPLES, TIMEOUT, check_line, environment
from volumes import OBLIQUE, changed_fields, extension, read_volume, write_volume

from upsample_cli.errors import FileError, RequestError
from upsample_cli.operations.grid_record import read_record, record_name
from upsample_cli.operations.requests import RestoreRequest
from upsample_cli.operations.work import carry_out
from upsample_cli.sampling.axis import AxisMap

SHAPE = (12, 10, 8)
RECORD = "x.nii.record.json"
VOXELS = np.random.default_rng(12).integers(-900, 900, SHAPE, "i2")
ENCODINGS = [(version, order) for version in (1, 2) for order in "<>"]

TARGETS = [
    {"scale": 2},
    {"scale": 1.7},
    {"size": (7, 30, 8)},
    {"spacing": (1.1, 2.5, 4.0)},
    {"scale": 2, "align_corners": True},
    {"size": (1, 5, 3), "align_corners": True},
    {"scale": 0.5, "mode": "area"},
    {"size": (20, 3, 9), "mode": "nearest-exact"},
]


def go_back(processed, output, record=None, mode=None, **options):
    request = RestoreRequest(mode=mode, record=record and str(record), **options)
    restore = "upsample_cli.operations.restore"
    return carry_out(restore, request, str(processed), str(output), no_progress)


@pytest.fixture
def processed(tmp_path, resample):
    """``processed({"scale": 2}, voxels, suffix=…, field=…)`` → source, output on its grid."""

    def run(target, voxels=VOXELS, suffix=".nii", **fields):
        source = write_volume(tmp_path / f"in{suffix}", voxels, **fields)
        output = tmp_path / f"x{suffix}"
        resample(source, output, record=True, **target)
        return source, output

    return run


def geometry(path):
    """Return the bytes of a header that say where the voxels are."""
    volume = read_volume(path)
    fields = ["qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"]
    fields += [f"qoffset_{axis}" for axis in "xyz"] + [f"srow_{axis}" for axis in "xyz"]
    dim, pixdim = volume.fields["dim"][1:4], volume.fields["pixdim"][:4]
    return dim, np.array(pixdim, "f8").tobytes(), [repr(volume.fields[name]) for name in fields]


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize(("version", "order"), ENCODINGS)
def test_the_grid_is_the_original_byte_for_byte(tmp_path, processed, target, version, order):
    source, output = processed(target, version=version, order=order)
    go_back(output, tmp_path / "back.nii")
    before, after = read_volume(source), read_volume(tmp_path / "back.nii")
    changed = changed_fields(before.header, after.header, version, order)
    slices = {"slice_code", "slice_start", "slice_end", "slice_duration"}
    assert changed <= slices | {"vox_offset"}
    assert after.voxels.shape == SHAPE
    assert after.voxels.dtype == before.voxels.dtype


@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 2), (3, 4)])
@pytest.mark.parametrize("qfac", [-1.0, 0.0, 1.0])
def test_codes_and_qfac_come_back(tmp_path, processed, codes, qfac):
    fields = {
        "qform_code": codes[0],
        "sform_code": codes[1],
        "pixdim": (qfac, 2, 2.5, 3.5, *[1] * 4),
    }
    source, output = processed({"scale": (2, 3, 0.5)}, **fields)
    go_back(output, tmp_path / "back.nii")
    assert geometry(tmp_path / "back.nii") == geometry(source)


def test_a_form_that_is_not_set_keeps_its_bytes_whatever_they_are(tmp_path, resample):
    source, output = write_volume(tmp_path / "in.nii", VOXELS, qform_code=0), tmp_path / "x.nii"
    raw = bytearray(source.read_bytes())
    raw[256:268] = bytes.fromhex("010080ffcdab90ff0000c07f")  # quaternion: two signalling NaN
    source.write_bytes(raw)
    resample(source, output, scale=2, record=True)
    go_back(output, tmp_path / "back.nii")
    assert (tmp_path / "back.nii").read_bytes()[252:328] == bytes(raw[252:328])


@pytest.mark.parametrize(
    ("scale", "mode"), [(2, None), (3, None), ((2, 3, 1), None), (1.7, "nearest-exact")]
)
def test_labels_come_back_as_they_were(tmp_path, processed, scale, mode):
    labels = np.random.default_rng(5).integers(0, 6, SHAPE, "u1")
    target = {"scale": scale, "mode": "nearest-exact"}
    _, output = processed(target, labels, intent_code=1002)
    done = go_back(output, tmp_path / "back.nii", mode=mode)
    assert f", {mode or 'label'}, " in done.line
    assert np.array_equal(read_volume(tmp_path / "back.nii").voxels, labels)


@pytest.mark.parametrize("scale", [2, 3, 4, 0.5])
def test_labels_are_not_shifted(tmp_path, processed, scale):
    """A sphere drawn on the new grid keeps its centroid, but for votes that end in a tie."""
    shape, centre, radius = (24, 20, 18), (11, 9, 8), 6
    _, output = processed({"scale": scale}, np.zeros(shape, "i2"), sform_code=0)
    image = nib.load(output)
    place = (np.moveaxis(np.indices(image.shape), 0, -1) + 0.5) / scale - 0.5
    ball = np.sqrt(((place - centre) ** 2).sum(axis=-1)) < radius
    nib.save(nib.Nifti1Image(ball.astype("i2") * 300, image.affine), tmp_path / "ball.nii")
    done = go_back(tmp_path / "ball.nii", tmp_path / "back.nii", tmp_path / RECORD)
    assert ", label, " in done.line
    held = read_volume(tmp_path / "back.nii").voxels
    assert np.unique(held).tolist() == [0, 300]
    np.testing.assert_allclose(np.argwhere(held).mean(axis=0), centre, atol=0.1)


def test_values_are_sampled_where_the_original_voxels_are(tmp_path, processed):
    """A volume that holds its world coordinates still does so after going back."""
    index = np.moveaxis(np.indices(SHAPE), 0, -1)
    world = (index @ OBLIQUE[:3, :3].T + OBLIQUE[:3, 3]).astype("f4")
    for target in ({"scale": 1.7}, {"scale": 2, "align_corners": True}, {"spacing": 1.3}):
        _, output = processed(target, world, scl_slope=0.0, qform_code=0)
        go_back(output, tmp_path / "back.nii")
        held = read_volume(tmp_path / "back.nii").voxels
        np.testing.assert_allclose(held[2:-2, 2:-2, 2:-2], world[2:-2, 2:-2, 2:-2], atol=1e-4)
        for path in tmp_path.iterdir():
            path.unlink()


@pytest.mark.parametrize(
    ("voxels", "fields", "mode"),
    [
        (np.arange(960).reshape(SHAPE).astype("i2"), {}, "linear"),
        (np.arange(960).reshape(SHAPE).astype("i2"), {"intent_code": 1002}, "label"),
        (np.arange(960).reshape(SHAPE).astype("f4"), {"intent_code": 1002}, "nearest-exact"),
        ((VOXELS > 0).astype("u1"), {"scl_slope": 0.0}, "label"),
        ((VOXELS > 0).astype("i4") * 2035, {"scl_slope": 1.0, "scl_inter": 0.0}, "label"),
        ((VOXELS > 0).astype("u1"), {"scl_slope": 0.5}, "linear"),
        ((VOXELS > 0).astype("f4"), {"scl_slope": 0.0}, "nearest-exact"),
        ((VOXELS > 0).astype("f8") * 2035, {"scl_slope": 0.0}, "nearest-exact"),
        ((VOXELS > 0).astype("f4") / 2, {"scl_slope": 0.0}, "linear"),
        (np.where(VOXELS > 0, np.nan, 1).astype("f4"), {"scl_slope": 0.0}, "linear"),
        (np.abs(VOXELS) % 250, {"scl_slope": 0.0}, "linear"),
        ((np.arange(960) % 200).reshape(SHAPE).astype("u1"), {"scl_slope": 0.0}, "linear"),
    ],
)
def test_the_mode_follows_from_what_is_held(tmp_path, processed, voxels, fields, mode):
    made = "linear" if mode == "linear" else "nearest-exact"
    _, output = processed({"scale": 2, "mode": made}, voxels, **fields)
    done = go_back(output, tmp_path / "back.nii")
    assert f"mode {mode} was chosen" in done.hints[0]
    assert ("may shift" in done.hints[0]) == (mode == "nearest-exact")
    assert f", {mode}, " in done.line
    done = go_back(output, tmp_path / "other.nii", mode="cubic")
    assert not any("was chosen" in hint for hint in done.hints)


@pytest.mark.parametrize(("version", "order"), ENCODINGS)
def test_what_a_tool_saved_in_its_own_way_comes_back(tmp_path, processed, version, order):
    """nibabel writes little-endian NIfTI-1, codes and units of its own, and an extension."""
    source, output = processed({"scale": 2}, version=version, order=order, qform_code=0)
    image = nib.load(output)
    made = nib.Nifti1Image((image.get_fdata() > 0).astype("u1"), image.affine)
    made.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"segmented"))
    nib.save(made, tmp_path / "seg.nii.gz")
    go_back(tmp_path / "seg.nii.gz", tmp_path / "back.nii", tmp_path / RECORD)
    before, after = read_volume(source), read_volume(tmp_path / "back.nii")
    assert (after.version, after.order) == (version, order)
    assert geometry(tmp_path / "back.nii") == geometry(source)
    assert after.extensions[4:28] == extension(6, b"segmented", order)[:24]
    assert np.unique(after.voxels).tolist() == [0, 1]
    assert after.fields["datatype"] == 2
    assert after.fields["xyzt_units"] == 2
    assert before.voxels.shape == after.voxels.shape


@pytest.mark.parametrize("suffix", [".nii.gz", ".hdr"])
def test_every_container(tmp_path, processed, suffix):
    source, output = processed({"scale": 2}, suffix=suffix)
    assert (tmp_path / f"x{suffix}.record.json").exists()
    go_back(output, tmp_path / f"back{suffix}")
    assert geometry(tmp_path / f"back{suffix}") == geometry(source)


def test_more_and_fewer_dimensions(tmp_path, processed):
    series = np.stack([VOXELS, VOXELS], axis=-1)
    source, output = processed({"scale": 2}, series)
    go_back(output, tmp_path / "back.nii")
    after = read_volume(tmp_path / "back.nii")
    assert after.voxels.shape == series.shape
    assert after.fields["pixdim"] == read_volume(source).fields["pixdim"]
    mask = read_volume(output).voxels[..., 0] > 0
    image = nib.Nifti1Image(mask.astype("u1"), nib.load(output).affine)
    nib.save(image, tmp_path / "mask.nii")
    go_back(tmp_path / "mask.nii", tmp_path / "mask_back.nii", tmp_path / RECORD)
    assert read_volume(tmp_path / "mask_back.nii").voxels.shape == SHAPE


@pytest.mark.parametrize("shape", [(12,), (12, 10), (12, 10, 1)])
def test_a_plane_comes_back(tmp_path, processed, shape):
    source, output = processed({"scale": 2 if len(shape) < 3 else (2, 2, 1)}, np.ones(shape, "f4"))
    go_back(output, tmp_path / "back.nii")
    assert geometry(tmp_path / "back.nii") == geometry(source)
    if len(shape) == 2:
        image = nib.load(output)
        thick = nib.Nifti1Image(np.ones((24, 20, 1), "f4"), image.affine)
        nib.save(thick, tmp_path / "thick.nii")
        go_back(tmp_path / "thick.nii", tmp_path / "flat.nii", tmp_path / RECORD)
        assert read_volume(tmp_path / "flat.nii").voxels.shape == (12, 10, 1)


def test_a_record_says_where_it_came_from(tmp_path, processed):
    source, _ = processed({"scale": 2, "mode": "cubic"})
    text = (tmp_path / RECORD).read_text()
    facts = json.loads(text)
    assert text == json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    header = source.read_bytes()[:348]
    assert facts["source"]["header_sha256"] == hashlib.sha256(header).hexdigest()
    assert facts["source"]["shape"] == list(SHAPE)
    assert (facts["source"]["qform_code"], facts["source"]["sform_code"]) == (1, 2)
    assert facts["target"] == {"kind": "scale", "values": [2]}
    assert facts["mode"] == {"name": "cubic", "align_corners": False, "antialias": False}
    assert set(facts["versions"]) == {"upsample-cli", "numpy", "nibabel"}
    assert facts["geometry"]["fields"]["dim"] == header[42:48].hex()
    assert facts["geometry"]["fields"]["srow_x"] == header[280:296].hex()
    assert "nan" not in text.lower()


def test_the_checksum_is_of_the_header_as_it_was(tmp_path, processed):
    source, _ = processed({"scale": 2}, vox_offset=0)
    facts = json.loads((tmp_path / RECORD).read_text())
    checksum = hashlib.sha256(source.read_bytes()[:348]).hexdigest()
    assert facts["source"]["header_sha256"] == checksum


@pytest.mark.parametrize(("units", "expected"), [(0, 2), (16, 2 | 16), (3 | 8, 3 | 8)])
def test_a_unit_that_was_lost_comes_back(tmp_path, processed, units, expected):
    _, output = processed({"scale": 2})
    image = nib.load(output)
    image.header["xyzt_units"] = units
    nib.save(image, tmp_path / "p.nii")
    go_back(tmp_path / "p.nii", tmp_path / "back.nii", tmp_path / RECORD)
    assert read_volume(tmp_path / "back.nii").fields["xyzt_units"] == expected


def test_a_record_is_the_same_on_every_run(tmp_path, processed, resample):
    source, _ = processed({"scale": 2}, scl_slope=np.nan)
    resample(source, tmp_path / "y.nii", scale=2, record=True)
    first, second = ((tmp_path / f"{n}.nii.record.json").read_bytes() for n in "xy")
    assert first == second


def test_output_and_record_appear_together_or_not_at_all(tmp_path, resample, holds_only):
    source = write_volume(tmp_path / "in.nii", VOXELS)
    (tmp_path / "out.nii.record.json").write_text("theirs")
    with pytest.raises(RequestError, match=r"out\.nii\.record\.json: exists"):
        resample(source, tmp_path / "out.nii", scale=2, record=True)
    holds_only("in.nii", "out.nii.record.json")
    resample(source, tmp_path / "out.nii", scale=2, record=True, force=True)
    assert read_record(str(tmp_path / "out.nii.record.json")).shape == (24, 20, 16)
    source.write_bytes(source.read_bytes()[:-9])
    with pytest.raises(FileError):
        resample(source, tmp_path / "next.nii", scale=2, record=True)
    holds_only("in.nii", "out.nii", "out.nii.record.json")


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("a.nii", "a.nii.record.json"),
        ("b/a.v1.nii.gz", "b/a.v1.nii.gz.record.json"),
        ("A.HDR", "A.HDR.record.json"),
        ("a.img.gz", "a.hdr.gz.record.json"),
        ("plain", "plain.record.json"),
    ],
)
def test_the_name_of_a_record(name, record):
    assert record_name(name) == record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (24, 20, 15)}, "its shape is 24×20×15, but .* is of 24×20×16"),
        ({"move": (0.05, 0, 0)}, "is not on the grid of .*: its corners are off by 0.05"),
        ({"flip": True}, "its corners are off"),
    ],
)
def test_a_volume_on_another_grid(tmp_path, processed, change, message):
    _, output = processed({"scale": 2}, qform_code=0)
    image = nib.load(output)
    affine = image.affine.copy()
    affine[:3, 3] += change.get("move", 0)
    if change.get("flip"):
        affine = affine @ np.array([[-1, 0, 0, 23], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(np.ones(change.get("shape", image.shape)), affine), tmp_path / "p.nii")
    with pytest.raises(RequestError, match=message):
        go_back(tmp_path / "p.nii", tmp_path / "back.nii", tmp_path / RECORD)
    assert not (tmp_path / "back.nii").exists()


def test_without_forms_the_voxel_size_tells_the_grid(tmp_path, processed):
    processed({"scale": 2}, qform_code=0, sform_code=0)
    for size, is_right in ((1.0, True), (1.1, False)):
        image = nib.Nifti1Image(np.ones((24, 20, 16), "u1"), np.diag([size, 1.25, 1.75, 1]))
        nib.save(image, tmp_path / "p.nii")
        arguments = (tmp_path / "p.nii", tmp_path / f"{size}.nii", tmp_path / RECORD)
        if is_right:
            go_back(*arguments)
        else:
            with pytest.raises(RequestError, match=r"its voxel size is not 1×1\.25×1\.75"):
                go_back(*arguments)


def test_either_form_tells_the_grid(tmp_path, processed):
    _, output = processed({"scale": 2})
    image = nib.load(output)
    for affine in (image.get_qform(), image.get_sform()):
        nib.save(nib.Nifti1Image(np.ones(image.shape, "u1"), affine), tmp_path / "p.nii")
        back = tmp_path / "back.nii"
        go_back(tmp_path / "p.nii", back, tmp_path / RECORD, force=True)
        assert read_volume(back).voxels.shape == SHAPE


def test_lanczos_cannot_go_back_from_align_corners(tmp_path, processed):
    _, output = processed({"scale": 2, "align_corners": True})
    with pytest.raises(RequestError, match="--record: it was made with align_corners"):
        go_back(output, tmp_path / "back.nii", mode="lanczos")
    go_back(output, tmp_path / "back.nii", mode="cubic")


def altered(change):
    """Return what changes the facts of a record."""

    def run(text):
        facts = json.loads(text)
        change(facts)
        return json.dumps(facts)

    return run


def put(*path, to):
    def change(facts):
        for key in path[:-1]:
            facts = facts[key]
        facts[path[-1]] = to

    return altered(change)


HOSTILE = {
    "empty": lambda _: "",
    "no JSON": lambda _: "{",
    "another thing": lambda _: "[1, 2]",
    "a number": lambda _: "7",
    "NaN": lambda text: text.replace("0.5", "NaN", 1),
    "deep": lambda _: "[" * 100_000,
    "many digits": lambda _: '{"format": ' + "9" * 10_000 + "}",
    "huge": lambda _: " " * (2**20 + 1),
    "bytes": lambda _: "\udcff",
    "another format": put("format", to="upsample-cli record 99"),
    "no axes": put("axes", to=[]),
    "many axes": altered(lambda facts: facts["axes"].extend(facts["axes"])),
    "axes of nothing": put("axes", to=[None] * 3),
    "axes of text": put("axes", to="abc"),
    "missing step": altered(lambda facts: facts["axes"][0].pop("step")),
    "step as text": put("axes", 0, "step", to="0.5"),
    "step 0": put("axes", 0, "step", to=0),
    "step negative": put("axes", 0, "step", to=-0.5),
    "step infinite": lambda text: text.replace('"step": 0.5', '"step": 1e999', 1),
    "step huge": put("axes", 0, "step", to=10**400),
    "start huge": put("axes", 0, "start", to=1e300),
    "size true": put("axes", 0, "size_out", to=True),
    "size 0": put("axes", 0, "size_in", to=0),
    "size huge": put("axes", 0, "size_out", to=10**30),
    "no unit": altered(lambda facts: facts["geometry"].pop("unit")),
    "another unit": put("geometry", "unit", to=8),
    "size of another": put("axes", 0, "size_in", to=13),
    "size as float": put("axes", 0, "size_in", to=12.0),
    "no geometry": altered(lambda facts: facts.pop("geometry")),
    "geometry of text": put("geometry", to="0c00"),
    "another version": put("geometry", "nifti", to=3),
    "another order": put("geometry", "byte_order", to="middle"),
    "version of list": put("geometry", "nifti", to=[1]),
    "missing field": altered(lambda facts: facts["geometry"]["fields"].pop("srow_y")),
    "field no hex": put("geometry", "fields", "dim", to="zz"),
    "field too short": put("geometry", "fields", "dim", to="0c00"),
    "dim negative": put("geometry", "fields", "dim", to="f4ff0a000800"),
    "sform of nan": put("geometry", "fields", "srow_x", to="0000c07f" * 4),
    "sform of zeros": put("geometry", "fields", "srow_x", to="00" * 16),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_record_is_one_clear_line(tmp_path, processed, name):
    _, output = processed({"scale": 2})
    record = tmp_path / RECORD
    text = HOSTILE[name](record.read_text())
    record.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(FileError, match=r"x\.nii\.record\.json: ") as raised:
        go_back(output, tmp_path / "back.nii")
    assert len(str(raised.value)) < 400
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "back.nii").exists()


def test_the_inverse_of_a_map():
    for axis in (AxisMap.centred(10, 17, 1 / 1.7), AxisMap.cornered(10, 19), AxisMap.copied(5)):
        back = axis.inverse()
        assert (back.size_in, back.size_out) == (axis.size_out, axis.size_in)
        index = np.arange(axis.size_in)
        there = back.start + back.step * index
        np.testing.assert_allclose(axis.start + axis.step * there, index, atol=1e-12)
        assert back.is_centred == axis.is_centred


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        ("restore x.nii back.nii --record none.json", 1, "none.json: does not exist"),
        ("restore in.nii back.nii", 1, "in.nii.record.json: does not exist; name it with --record"),
        ("restore in.npy back.nii", 2, "in.npy: is no NIfTI volume; convert it to .nii.gz"),
        ("restore in.nii back.nii --record x.nii.record.json", 2, "in.nii: its shape is"),
        ("restore in.nii back.nii --record x.nii", 1, "x.nii: is not JSON; name the .record.json"),
        (
            "restore in.npy back.npy --record x.nii.record.json",
            2,
            "in.npy: is no NIfTI volume; convert it to .nii.gz",
        ),
        ("restore - back.nii --record x.nii.record.json", 2, "-: standard input"),
        ("restore x.nii x.nii.record.json", 2, "x.nii.record.json: "),
        ("restore x.nii x.nii", 2, "x.nii: is the input itself"),
        ("restore x.nii back.png", 2, "back.png: "),
        ("resample in.nii - -x 2 --record", 2, "--record: standard output"),
        (
            "resample x.nii out.nii --like in.nii --record",
            2,
            "axis by axis; drop it, and go back with --like INPUT",
        ),
        ("resample in.npy out.npy -x 2 --record", 2, "--record: is for NIfTI volumes"),
    ],
)
def test_wrong_requests(cli, tmp_path, processed, words, code, named):
    processed({"scale": 2})
    np.save(tmp_path / "in.npy", VOXELS)
    done = cli(*words.split())
    assert (done.returncode, done.stdout) == (code, b"")
    check_line(done.stderr, named)


def test_the_commands_of_help_run(cli, tmp_path):
    shutil.copytree(SAMPLES, tmp_path / "sample_data")
    text = cli("restore", "--help").stdout.decode()
    commands = re.findall(r"(?:First|Example): upsample-cli (.+?) *\n", text)
    assert len(commands) == 2
    for command in commands:
        assert cli(*shlex.split(command)).returncode == 0
    verified = cli("verify", "sample_data/brain.nii.gz", "back.nii.gz", "--same-grid")
    assert verified.returncode == 0


def test_the_worked_example_of_the_guide(tmp_path):
    shutil.copytree(SAMPLES, tmp_path / "sample_data")
    example = block_named("docs/volumes.md", "going back").text
    script = 'upsample-cli() { python -m upsample_cli "$@"; }\n' + example
    python = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        env=environment(PATH=f"{python}:{environment()['PATH']}"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "they agree" in done.stdout
    before, after = (
        read_volume(tmp_path / name) for name in ("sample_data/brain.nii.gz", "mask.nii.gz")
    )
    assert after.voxels.shape == before.voxels.shape
    assert np.unique(after.voxels).tolist() == [0, 1]
