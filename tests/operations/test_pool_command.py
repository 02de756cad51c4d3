"""``pool`` and ``unpool`` on files: the numbers, the record between them, and what is refused."""

import hashlib
import io
import os
import re
import signal
import subprocess
import time
import zipfile

import numpy as np
import pytest
from PIL import Image
from processes import SAMPLES, TIMEOUT, command_line, environment, snapshot
from ramps import FORMS, QFORM, measured, places
from volumes import (
    OBLIQUE,
    changed_fields,
    extension,
    image_of,
    read_bytes,
    read_volume,
    write_volume,
)

from upsample_cli import functional
from upsample_cli.operations import stack

FAILED, WRONG = 1, 2
RNG = np.random.default_rng(17)
VOXELS = RNG.integers(-900, 900, (9, 8, 7), "i2")
SERIES = RNG.normal(size=(9, 8, 7, 2, 3)).astype("f4")
PIXELS = RNG.integers(0, 256, (9, 8, 3), np.uint8)
DATA = {"extents", "vox_offset", "magic"}
PLAIN = {"scl_slope": 0.0, "scl_inter": 0.0, "sform_code": 0}


def in_torch_layout(path):
    """Return what a file holds in PyTorch's layout."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix in (".png", ".tif", ".webp"):
        with Image.open(path) as image:
            pixels = np.asarray(image)
        return np.ascontiguousarray(np.moveaxis(np.atleast_3d(pixels), -1, 0))
    voxels = read_volume(path).voxels
    return np.ascontiguousarray(voxels.T, voxels.dtype.newbyteorder("="))


def pool_array(array, spatial, **options):
    planes = array.reshape(-1, *array.shape[array.ndim - spatial :])
    function = getattr(functional, f"max_pool{spatial}d")
    values, indices = function(planes, return_indices=True, **options)
    leading = array.shape[: array.ndim - spatial]
    shape = (*leading, *values.shape[1:])
    return values.reshape(shape), indices.reshape(shape)


def restored(array, values, indices, spatial):
    """Return zeros with every maximum in its place, by a plain loop over planes."""
    result = np.zeros_like(array).reshape(-1, np.prod(array.shape[array.ndim - spatial :]))
    for plane, own, where in zip(
        result, values.reshape(len(result), -1), indices.reshape(len(result), -1), strict=True
    ):
        plane[where] = own
    return result.reshape(array.shape)


POOLS = [
    ("in.npy", "2", 2, {"kernel_size": 2}),
    (
        "in.npy",
        "3x2 --stride 2x3 --padding 1x0",
        2,
        {"kernel_size": (2, 3), "stride": (3, 2), "padding": (0, 1)},
    ),
    ("in.npy", "2x1x3", 3, {"kernel_size": (3, 1, 2)}),
    ("row.npy", "3 --ceil-mode --stride 2", 1, {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ("stack.npy", "2", 2, {"kernel_size": 2}),
    ("batch.npy", "2", 3, {"kernel_size": 2}),
    ("whole.npy", "2 --dilation 2", 2, {"kernel_size": 2, "dilation": 2}),
    ("bool.npy", "2", 2, {"kernel_size": 2}),
    ("in.nii", "2", 3, {"kernel_size": 2}),
    ("in.nii.gz", "3x2x1 --ceil-mode -j 3", 3, {"kernel_size": (1, 2, 3), "ceil_mode": True}),
    ("in.nii", "3 --stride 2 --padding 1", 3, {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("series.nii", "2", 3, {"kernel_size": 2}),
    ("flat.nii", "2", 2, {"kernel_size": 2}),
    ("in.png", "2", 2, {"kernel_size": 2}),
    ("in.png", "3x2 --stride 1", 2, {"kernel_size": (2, 3), "stride": 1}),
]


@pytest.fixture
def folder(tmp_path):
    """Return a folder with inputs of every kind."""
    arrays = {"in": (2, 3, 9, 8), "stack": (3, 9, 8), "batch": (2, 1, 5, 6, 7), "row": (11,)}
    for name, shape in arrays.items():
        np.save(tmp_path / f"{name}.npy", RNG.normal(size=shape).astype("f4"))
    np.save(tmp_path / "whole.npy", np.asfortranarray(RNG.integers(-9, 9, (9, 8)).astype(">i4")))
    np.save(tmp_path / "bool.npy", RNG.random((9, 8)) > 0.7)
    Image.fromarray(PIXELS).save(tmp_path / "in.png")
    for name in ("in.nii", "in.nii.gz", "in.hdr"):
        write_volume(tmp_path / name, VOXELS, **PLAIN)
    write_volume(tmp_path / "series.nii", SERIES, **PLAIN)
    write_volume(tmp_path / "flat.nii", VOXELS[:, :, 0], **PLAIN)
    return tmp_path


@pytest.mark.parametrize(("source", "options", "spatial", "call"), POOLS, ids=str)
def test_pool_and_unpool(here, folder, source, options, spatial, call):
    suffix = source[source.index(".") :]
    array = in_torch_layout(folder / source)
    values, indices = pool_array(np.ascontiguousarray(array), spatial, **call)
    code, out, err = here("pool", source, f"out{suffix}", "--kernel-size", *options.split())
    assert (code, out) == (0, ""), err
    assert re.search(rf"{source} \S+ \w+ → out{suffix} \S+ \w+ \+ out\.indices\.npz, max-pool", err)
    pooled = in_torch_layout(folder / f"out{suffix}")
    assert pooled.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert np.array_equal(pooled, values)
    record = np.load(folder / "out.indices.npz", allow_pickle=False)
    assert record["indices"].dtype == np.int64
    assert np.array_equal(record["indices"], indices)
    assert here("unpool", f"out{suffix}", f"back{suffix}")[0] == 0
    back = in_torch_layout(folder / f"back{suffix}")
    assert np.array_equal(back, restored(array, values, indices, spatial))


def test_a_hint_says_which_axes_of_an_array_are_pooled(here, folder):
    assert "hint: the last 2 of 4 axes" in here("pool", "in.npy", "a.npy", "-k", 2)[2]
    assert "hint" not in here("pool", "in.npy", "b.npy", "-k", "2x2")[2]
    assert "hint" not in here("pool", "batch.npy", "c.npy", "-k", 2)[2]


def test_small_items_are_read_together_and_large_ones_alone(here, folder, monkeypatch):
    here("pool", "series.nii", "a.nii", "-k", 2)
    monkeypatch.setattr(stack, "BATCH_BYTES", 1)
    here("pool", "series.nii", "b.nii", "-k", 2)
    here("unpool", "b.nii", "c.nii")
    assert (folder / "a.nii").read_bytes() == (folder / "b.nii").read_bytes()
    names = ("a.indices.npz", "b.indices.npz")
    assert len({(folder / name).read_bytes() for name in names}) == 1


# The header


CONTAINERS = [
    ("in.nii", 1, "<"),
    ("in.nii.gz", 2, "<"),
    ("in.nii", 2, ">"),
    ("in.hdr", 1, ">"),
    ("in.hdr.gz", 2, "<"),
]


@pytest.mark.parametrize(("name", "version", "order"), CONTAINERS)
@pytest.mark.parametrize("qcode", [0, 1])
def test_unpool_restores_the_header_byte_for_byte(here, tmp_path, name, version, order, qcode):
    extensions = extension(6, b"a comment", order) + extension(4, b"<AFNI_attributes/>", order)
    options = {"version": version, "order": order, "extensions": extensions, "qform_code": qcode}
    source = write_volume(tmp_path / name, VOXELS, scl_slope=0.5, scl_inter=-4.0, **options)
    suffix = name[2:]
    code, _, err = here("pool", name, f"out{suffix}", "-k", "3x2x2", "--stride", 2)
    assert code == 0
    assert "AFNI" in err
    code, _, err = here("unpool", f"out{suffix}", f"back{suffix}")
    assert (code, "AFNI" in err) == (0, False)
    before, after = read_volume(source), read_volume(tmp_path / f"back{suffix}")
    changed = changed_fields(before.header, after.header, version, order)
    assert changed <= {"vox_offset"}
    assert after.extensions.startswith(before.extensions)
    assert after.voxels.dtype == before.voxels.dtype


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", ["2", "3x1x2 --padding 1x0x1", "2x3x2 --stride 3 --dilation 2"])
def test_a_pooled_ramp_lies_where_the_header_says(here, tmp_path, form, options):
    affine = OBLIQUE if form == "sform" else QFORM
    shape = (12, 13, 14)
    rows = {f"srow_{n}": tuple(row) for n, row in zip("xyz", affine, strict=False)}
    fields = FORMS[form] | (rows if form == "sform" else {}) | {"scl_slope": 0.0}
    index = np.moveaxis(np.indices(shape, dtype=np.float64), 0, -1)
    # Of the lowest and the highest voxel of a window the middle is its centre.
    numbers = options.split()
    ends = []
    for name, sign in (("low", -1), ("high", 1)):
        source = write_volume(tmp_path / f"{name}.nii", (sign * index).astype("f4"), **fields)
        code, _, err = here("pool", source, f"{name}_out.nii", "-k", *numbers)
        assert code == 0, err
        ends.append(sign * read_volume(tmp_path / f"{name}_out.nii").voxels.astype(float))
    middle = sum(ends) / 2
    write_volume(tmp_path / "in.nii", places(shape, affine).astype("f4"), **fields)
    here("pool", "in.nii", "out.nii", "-k", *numbers)
    promised, _, _ = measured(tmp_path / "in.nii", tmp_path / "out.nii", form)
    inside = tuple(slice(1, n - 1) for n in middle.shape[:3])  # no padding there
    np.testing.assert_allclose(promised[inside], middle[inside], atol=1e-4)


def test_the_sample_volume_comes_back(here, tmp_path):
    source = SAMPLES / "brain.nii.gz"
    assert here("pool", source, "out.nii.gz", "--kernel-size", 2)[0] == 0
    assert here("unpool", "out.nii.gz", "back.nii.gz")[0] == 0
    before, after = read_volume(source), read_volume(tmp_path / "back.nii.gz")
    assert after.header == before.header
    fill = round(-before.fields["scl_inter"] / before.fields["scl_slope"])
    windows, restored = (
        volume.voxels.reshape(32, 2, 42, 2, 16, 2).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 8)
        for volume in (before, after)
    )
    chosen = restored != fill
    assert np.array_equal(restored[chosen], windows[chosen])
    assert (chosen.sum(axis=1) <= 1).all()
    maxima = windows.max(axis=1)
    assert np.array_equal(restored[chosen], maxima[chosen.any(axis=1)])
    assert (maxima[~chosen.any(axis=1)] == fill).all()


# Real units


@pytest.mark.parametrize("dtype", ["i2", "u1", "i1", "f4"])
def test_the_maximum_is_of_real_values(here, tmp_path, dtype):
    voxels = VOXELS.astype(dtype)
    write_volume(tmp_path / "in.nii", voxels, scl_slope=-2.0, scl_inter=0.0)
    assert here("pool", "in.nii", "out.nii", "-k", 2)[0] == 0
    after = read_volume(tmp_path / "out.nii")
    assert after.fields["scl_slope"] == -2.0
    least = voxels[:8, :8, :6].reshape(4, 2, 4, 2, 3, 2).min((1, 3, 5))
    assert np.array_equal(after.voxels, least)
    assert here("unpool", "out.nii", "back.nii")[0] == 0


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept", "fill", "warned"),
    [
        ("i2", 1.0, -1024.0, 1024, False),
        ("i2", 0.1, -3.3, 33, False),
        ("i2", -0.5, 7.0, 14, False),
        ("i2", 2.0, -3.0, 2, True),
        ("f4", 2.0, -3.0, 1.5, False),
        ("i2", 0.0, -3.0, 0, False),
        ("i2", np.nan, -3.0, 0, False),
    ],
)
def test_what_stands_between_the_maxima_is_a_real_zero(
    here, tmp_path, dtype, slope, intercept, fill, warned
):
    voxels = VOXELS.astype(dtype)
    write_volume(tmp_path / "in.nii", voxels, scl_slope=slope, scl_inter=intercept)
    here("pool", "in.nii", "out.nii", "-k", 2)
    code, _, err = here("unpool", "out.nii", "back.nii")
    assert code == 0
    assert ("hold no exact 0" in err) == warned
    after = read_volume(tmp_path / "back.nii").voxels
    differs = after != fill
    assert np.array_equal(after[differs], voxels[differs])
    assert 0 < np.count_nonzero(differs) <= 4 * 4 * 3


def test_values_that_hold_no_zero_are_refused(here, tmp_path, holds_only):
    write_volume(tmp_path / "in.nii", VOXELS.astype("u1"), scl_slope=1.0, scl_inter=1000.0)
    here("pool", "in.nii", "out.nii", "-k", 2)
    code, _, err = here("unpool", "out.nii", "back.nii")
    assert code == FAILED
    assert "uint8 values hold no 0" in err
    holds_only("in.nii", "out.nii", "out.indices.npz")


@pytest.mark.parametrize("dtype", ["RGB", "RGBA"])
def test_colours_are_pooled_per_channel(here, tmp_path, dtype):
    from volumes import RGB, RGBA

    kind = RGB if dtype == "RGB" else RGBA
    plain = RNG.integers(0, 256, (4, 4, 2, len(kind.names)), np.uint8)
    write_volume(tmp_path / "in.nii", plain.view(kind)[..., 0], scl_slope=-1.0, scl_inter=5.0)
    assert here("pool", "in.nii", "out.nii", "-k", 2)[0] == 0
    after = read_volume(tmp_path / "out.nii").voxels
    most = plain.reshape(2, 2, 2, 2, 1, 2, -1).max((1, 3, 5))
    assert np.array_equal(np.stack([after[n] for n in kind.names], -1), most)
    assert here("unpool", "out.nii", "back.nii")[0] == 0


# Images


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "I;16", "F", "CMYK"])
def test_images_of_each_mode(here, tmp_path, mode):
    whole = {"I;16": "u2", "F": "f4"}.get(mode)
    if whole:
        image = Image.fromarray(RNG.integers(0, 60000, (9, 8)).astype(whole))
    else:
        image = Image.fromarray(RNG.integers(0, 256, (9, 8, 4), np.uint8), "RGBA").convert(mode)
    image.save(tmp_path / "in.tif")
    code, _, err = here("pool", "in.tif", "out.tif", "-k", 2)
    assert code == 0, err
    with Image.open(tmp_path / "out.tif") as pooled:
        assert (pooled.mode, pooled.size) == (mode, (4, 4))
    expected, _ = pool_array(in_torch_layout(tmp_path / "in.tif"), 2, kernel_size=2)
    assert np.array_equal(in_torch_layout(tmp_path / "out.tif"), expected)
    assert here("unpool", "out.tif", "back.tif")[0] == 0
    with Image.open(tmp_path / "back.tif") as back:
        assert (back.mode, back.size) == (mode, image.size)


def test_a_palette_is_pooled_as_colours(here, tmp_path):
    image = Image.fromarray(PIXELS).convert("P", palette=Image.Palette.ADAPTIVE)
    image.save(tmp_path / "in.png")
    assert here("pool", "in.png", "out.png", "-k", 2)[0] == 0
    colours = np.ascontiguousarray(np.moveaxis(np.asarray(image.convert("RGB")), -1, 0))
    expected, _ = pool_array(colours, 2, kernel_size=2)
    assert np.array_equal(in_torch_layout(tmp_path / "out.png"), expected)


@pytest.mark.parametrize("name", ["one.png", "one.nii", "one.npy"])
def test_a_lone_element(here, tmp_path, name):
    Image.new("L", (1, 1), 7).save(tmp_path / "one.png")
    write_volume(tmp_path / "one.nii", np.full((1, 1, 1), 7, "i2"), **PLAIN)
    np.save(tmp_path / "one.npy", np.full((1, 1), 7))
    output = f"out{name[3:]}"
    assert here("pool", name, output, "-k", 1)[0] == 0
    assert here("unpool", output, f"back{name[3:]}")[0] == 0
    assert in_torch_layout(tmp_path / f"back{name[3:]}").ravel() == [7]
    assert here("pool", name, f"again{name[3:]}", "-k", 2)[0] == WRONG


def test_a_lossy_format_is_refused(here, folder, holds_only):
    before = sorted(snapshot(folder))
    code, _, err = here("pool", "in.png", "out.jpg", "-k", 2)
    assert code == WRONG
    assert "JPEG changes values" in err
    holds_only(*before)


def test_transparency_that_webp_would_drop_is_refused(here, tmp_path, holds_only):
    pixels = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, "u1")])
    pixels[0, 0, 3] = 254
    Image.fromarray(pixels).save(tmp_path / "in.png")
    code, _, err = here("pool", "in.png", "out.webp", "-k", 2)
    assert code == WRONG
    assert "out.webp: WEBP drops transparency" in err
    assert err.endswith("write .png or .tif\n")
    holds_only("in.png")
    assert here("pool", "in.png", "out.webp", "-k", 1)[0] == 0
    assert here("unpool", "out.webp", "back.webp")[0] == 0


def test_other_channels_are_named(here, folder):
    assert here("pool", "in.png", "out.png", "-k", 2)[0] == 0
    with Image.open(folder / "out.png") as image:
        image.convert("RGBA").save(folder / "out.png")
    code, _, err = here("unpool", "out.png", "back.png")
    assert code == FAILED
    assert "out.png: has 4 channels, its indices out.indices.npz 3; name its own" in err


# The output size


def test_another_output_size_keeps_every_maximum_in_place(here, folder):
    here("pool", "in.nii", "out.nii", "-k", 2)
    assert here("unpool", "out.nii", "back.nii")[0] == 0
    assert here("unpool", "out.nii", "cut.nii", "--output-size", "8x9x6")[0] == 0
    back, cut = read_volume(folder / "back.nii"), read_volume(folder / "cut.nii")
    assert cut.voxels.shape == (8, 9, 6)
    assert np.array_equal(cut.voxels[:, :8], back.voxels[:8, :, :6])
    assert not cut.voxels[:, 8:].any()
    changed = changed_fields(back.header, cut.header)
    assert changed <= {"dim", "slice_start", "slice_end", "slice_code", "slice_duration"}


@pytest.mark.parametrize("size", ["10x8x7", "7x8x7", "9x8", "0", "ax8x7"])
def test_an_output_size_out_of_reach(here, folder, size):
    here("pool", "in.nii", "out.nii", "-k", 2)
    if size == "7x8x7":  # within a stride of the default, and a maximum lies beyond
        voxels = np.zeros((9, 8, 7), "i2")
        voxels[7] = 1
        write_volume(folder / "in.nii", voxels, **PLAIN)
        here("pool", "in.nii", "out.nii", "-k", 2, "-f")
    code, out, err = here("unpool", "out.nii", "back.nii", "--output-size", size)
    assert (code, out) == (WRONG, "")
    assert "--output-size: " in err
    assert len(err.splitlines()) == 1
    assert not (folder / "back.nii").exists()


# The record


def test_a_record_says_all_in_plain_arrays(here, folder):
    here("pool", "in.nii", "out.nii", "-k", "3x2x2", "--stride", 2, "--padding", "1x0x1")
    record = np.load(folder / "out.indices.npz", allow_pickle=False)
    assert record["kernel_size"].tolist() == [2, 2, 3]
    assert record["stride"].tolist() == [2, 2, 2]
    assert record["padding"].tolist() == [1, 0, 1]
    assert record["dilation"].tolist() == [1, 1, 1]
    assert record["shape"].tolist() == [7, 8, 9]
    assert (record["kind"], record["ceil_mode"], record["version"]) == ("volume", False, 1)
    assert record["header"].tobytes() == (folder / "in.nii").read_bytes()[:352]
    assert record["checksum"].item() != hashlib.sha256(b"").hexdigest()
    dates = {entry.date_time for entry in zipfile.ZipFile(folder / "out.indices.npz").infolist()}
    assert dates == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("threads", [1, 3])
def test_the_bytes_do_not_depend_on_threads(here, folder, threads):
    here("pool", "series.nii", "a.nii.gz", "-k", 2)
    here("pool", "series.nii", "b.nii.gz", "-k", 2, "-j", threads)
    for suffix in (".nii.gz", ".indices.npz"):
        assert (folder / f"a{suffix}").read_bytes() == (folder / f"b{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("output", "record"),
    [
        ("out.nii", "out.indices.npz"),
        ("out.nii.gz", "out.indices.npz"),
        ("out.img", "out.indices.npz"),
        ("a.b.nii", "a.b.indices.npz"),
    ],
)
def test_where_the_record_is(here, folder, output, record):
    assert here("pool", "in.nii", output, "-k", 2)[0] == 0
    assert (folder / record).exists()
    assert here("unpool", output, "back.nii")[0] == 0


def test_the_record_goes_where_it_is_told(here, folder):
    assert here("pool", "in.nii", "out.nii", "-k", 2, "--indices", "i.npz")[0] == 0
    assert not (folder / "out.indices.npz").exists()
    code, _, err = here("unpool", "out.nii", "back.nii")
    assert code == FAILED
    assert "out.indices.npz: does not exist; name the file that pool wrote with --indices" in err
    assert here("unpool", "out.nii", "back.nii", "--indices", "i.npz")[0] == 0


def test_a_pooled_file_may_be_stored_otherwise(here, folder):
    """The checksum is of the values, not of the file."""
    here("pool", "in.nii", "out.nii", "-k", 2)
    volume = read_volume(folder / "out.nii")
    write_volume(folder / "out.nii.gz", volume.voxels, version=2, order=">", **PLAIN)
    assert here("unpool", "out.nii.gz", "back.nii")[0] == 0
    assert here("unpool", "out.nii", "expected.nii")[0] == 0
    assert (folder / "back.nii").read_bytes() == (folder / "expected.nii").read_bytes()


def other_values(folder):
    voxels = read_volume(folder / "out.nii").voxels.copy()
    voxels[0, 0, 0] += 1
    return voxels, PLAIN


def other_shape(folder):
    return read_volume(folder / "out.nii").voxels[:3], PLAIN


def other_dtype(folder):
    return read_volume(folder / "out.nii").voxels.astype("i4"), PLAIN


def other_scaling(folder):
    return read_volume(folder / "out.nii").voxels, {"scl_slope": 2.0, "scl_inter": 0.0}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_values, "its values have another checksum"),
        (other_shape, "which is of a file of shape 4×4×3, not 3×4×3"),
        (other_dtype, "checksum|damaged"),
        (other_scaling, "checksum"),
    ],
)
def test_a_record_of_another_file_is_refused(here, folder, change, words):
    here("pool", "in.nii", "out.nii", "-k", 2)
    voxels, fields = change(folder)
    write_volume(folder / "out.nii", voxels, **fields)
    before = snapshot(folder)
    code, out, err = here("unpool", "out.nii", "back.nii")
    assert (code, out) == (FAILED, "")
    assert re.fullmatch(rf"upsample-cli: error: .*({words}).*\n", err)
    assert snapshot(folder) == before


def test_a_record_of_another_kind_is_refused(here, folder):
    here("pool", "in.nii", "out.nii", "-k", 2)
    code, _, err = here("unpool", "in.png", "back.png", "--indices", "out.indices.npz")
    assert code == FAILED
    assert "which is of kind volume" in err


def npz(**members):
    file = io.BytesIO()
    np.savez(file, **members)
    return file.getvalue()


def changed(folder, **changes):
    members = dict(np.load(folder / "out.indices.npz", allow_pickle=False)) | changes
    return npz(**{name: value for name, value in members.items() if value is not None})


HOSTILE = {
    "empty": lambda _: b"",
    "no zip": lambda _: b"PK\3\4 but no more",
    "another npz": lambda _: npz(a=np.zeros(3)),
    "truncated": lambda folder: (folder / "out.indices.npz").read_bytes()[:-40],
    "flipped": lambda folder: flipped((folder / "out.indices.npz").read_bytes()),
    "no indices": lambda folder: changed(folder, indices=None),
    "no kernel": lambda folder: changed(folder, kernel_size=None),
    "floats": lambda folder: changed(folder, indices=np.zeros((3, 4, 4))),
    "int32": lambda folder: changed(folder, indices=np.zeros((3, 4, 4), "i4")),
    "negative": lambda folder: changed(folder, indices=np.full((3, 4, 4), -1)),
    "far": lambda folder: changed(folder, indices=np.full((3, 4, 4), 9 * 8 * 7)),
    "huge index": lambda folder: changed(folder, indices=np.full((3, 4, 4), 2**62)),
    "shape of indices": lambda folder: changed(folder, indices=np.zeros((4, 4, 3), "i8")),
    "zero kernel": lambda folder: changed(folder, kernel_size=[0, 2, 2]),
    "huge kernel": lambda folder: changed(folder, kernel_size=[2**62, 2, 2]),
    "huge stride": lambda folder: changed(folder, stride=[2**62, 2, 2]),
    "many axes": lambda folder: changed(folder, stride=[2, 2, 2, 2]),
    "huge shape": lambda folder: changed(folder, shape=[2**62, 2**62, 2**62]),
    "negative shape": lambda folder: changed(folder, shape=[-7, -8, 9]),
    "no shape": lambda folder: changed(folder, shape=np.zeros(0, "i8")),
    "no header": lambda folder: changed(folder, header=np.zeros(0, "u1")),
    "zero header": lambda folder: changed(folder, header=np.zeros(352, "u1")),
    "text header": lambda folder: changed(folder, header="header"),
    "version": lambda folder: changed(folder, version=2),
    "pickle": lambda folder: changed(folder, kind=np.array(["volume", None], object)),
    "lzma": lambda folder: compressed_by_lzma(folder),
    "folder": None,
}


def compressed_by_lzma(folder):
    file = io.BytesIO()
    with (
        zipfile.ZipFile(folder / "out.indices.npz") as good,
        zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as bad,
    ):
        for name in good.namelist():
            bad.writestr(name, good.read(name))
    return file.getvalue()


def flipped(data):
    middle = data.index(b"indices.npy") + 60
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_record_is_one_line(here, folder, name):
    here("pool", "in.nii", "out.nii", "-k", 2)
    record = folder / "bad.npz"
    if HOSTILE[name]:
        record.write_bytes(HOSTILE[name](folder))
    else:
        record.mkdir()
    before = snapshot(folder)
    code, out, err = here("unpool", "out.nii", "back.nii", "--indices", "bad.npz")
    assert (code, out) == (FAILED, "")
    assert re.fullmatch(r"upsample-cli: error: [^\n]*bad\.npz[^\n]*\n", err), err
    assert "internal" not in err
    assert snapshot(folder) == before


def test_a_record_that_promises_too_much_is_not_believed(here, folder):
    """A member's own header is checked before anything is allocated."""
    here("pool", "in.nii", "out.nii", "-k", 2)
    file = io.BytesIO()
    with (
        zipfile.ZipFile(folder / "out.indices.npz") as good,
        zipfile.ZipFile(file, "w") as bad,
    ):
        for entry in good.namelist():
            data = good.read(entry)
            if entry == "indices.npy":
                data = data[:128].replace(b"(3, 4, 4)", b"(2**40,)" + b" ") + data[128:]
                data = data.replace(b"(2**40,) ", b"(9999999,)"[:9])
            bad.writestr(entry, data)
    (folder / "bad.npz").write_bytes(file.getvalue())
    code, _, err = here("unpool", "out.nii", "back.nii", "--indices", "bad.npz")
    assert code == FAILED
    assert "bad.npz: is not a record" in err


# The command line


def test_processes(cli, folder):
    done = cli("pool", "in.nii.gz", "out.nii.gz", "--kernel-size", "2", "--debug")
    assert (done.returncode, done.stdout) == (0, b"")
    line = r"in\.nii\.gz 9×8×7 int16 → out\.nii\.gz 4×4×3 int16 \+ out\.indices\.npz, "
    assert re.fullmatch(line + r"max-pool 2×2×2, \d+\.\d s\n", done.stderr)
    done = cli("unpool", "out.nii.gz", "back.nii.gz")
    line = r"out\.nii\.gz 4×4×3 int16 → back\.nii\.gz 9×8×7 int16, max-unpool, \d+\.\d s\n"
    assert re.fullmatch(line, done.stderr)
    done = cli("unpool", "out.nii.gz", "quiet.nii.gz", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert read_bytes(folder / "quiet.nii.gz") == read_bytes(folder / "back.nii.gz")


@pytest.mark.parametrize("source", ["in.nii", "in.nii.gz", "in.npy", "in.png"])
def test_pipes_carry_what_files_carry(cli, folder, here, source):
    output = f"out{source[2:]}"
    here("pool", source, output, "-k", 2)
    here("unpool", output, f"back{source[2:]}")
    data = (folder / source).read_bytes()
    pooled = cli("pool", "-", "-", "-k", "2", "--indices", "i.npz", "-q", stdin=data)
    assert (pooled.returncode, pooled.stderr.replace("hint", "")) == (0, "")
    assert pooled.stdout == (folder / output).read_bytes()
    assert (folder / "i.npz").read_bytes() == (folder / "out.indices.npz").read_bytes()
    back = cli("unpool", "-", "-", "--indices", "i.npz", "-q", stdin=pooled.stdout)
    assert (back.returncode, back.stderr) == (0, "")
    assert back.stdout == (folder / f"back{source[2:]}").read_bytes()


REQUESTS = [
    ("pool in.nii - -k 2", "--indices: is missing"),
    ("unpool - out.nii", "--indices: is missing"),
    ("pool in.nii out.nii -k 2 --indices -", "--indices: cannot be a pipe"),
    ("pool in.nii out.nii -k 2 --indices out.nii", "--indices: out.nii is the output itself"),
    ("pool in.nii out.nii -k 2 --indices ./out.nii", "--indices: ./out.nii is the output itself"),
    ("pool in.nii out.nii -k 2 --indices link/out.nii", "link/out.nii is the output itself"),
    ("pool in.nii out.hdr -k 2 --indices link/out.img", "link/out.img is the output itself"),
    ("pool in.nii out.nii -k 2 --stride 99999999999999999999", "--stride: 99999999999999999999 is"),
    ("pool in.nii out.nii -k 2147483648", "too large; use less than 2147483648"),
    ("pool float.tif out.png -k 2", "PNG holds no 32-bit float pixels; write .tif or .pfm\n"),
    ("pool in.png out.gif -k 2", "GIF holds no RGB pixels; write .png or .tif\n"),
    ("pool in.nii out.nii -k 2 --indices in.nii", "in.nii: is the input itself"),
    ("pool in.nii out.nii -k 2 --indices none/i.npz", "the folder none does not exist"),
    ("pool in.nii old.nii -k 2", "old.nii: exists; use --force"),
    ("pool in.nii taken.nii -k 2", "taken.indices.npz: exists; use --force"),
    ("pool in.nii in.nii -k 2", "in.nii: is the input itself"),
    ("pool in.nii out.nii", "--kernel-size: is missing"),
    ("pool in.nii out.nii -k 0", "--kernel-size: 0 is not possible; use at least 1"),
    ("pool in.nii out.nii -k a", "--kernel-size: 'a' is not a whole number per axis"),
    ("pool in.nii out.nii -k 2x2", "--kernel-size: 2 numbers were given for 3 axes"),
    ("pool in.nii out.nii -k 2 --stride 0", "--stride: 0 is not possible"),
    ("pool in.nii out.nii -k 2 --padding 2", "--padding: a padding of 2 is more than half"),
    ("pool in.nii out.nii -k 9", "--kernel-size: a window of 9 voxels does not fit into"),
    ("pool in.nii out.png -k 2", "out.png: .png is for images"),
    ("pool in.npy out.npy -k 2x2 --stride 2x2x2", "--kernel-size: 2 numbers were given for 3"),
    ("pool complex.npy out.npy -k 2", "complex.npy: holds complex64, which has no maximum"),
]


@pytest.mark.parametrize(("line", "message"), REQUESTS)
def test_wrong_requests(here, folder, line, message):
    (folder / "link").symlink_to(folder)
    Image.fromarray(PIXELS[..., 0].astype("f4")).save(folder / "float.tif")
    (folder / "old.nii").write_bytes(b"old")
    (folder / "taken.indices.npz").write_bytes(b"old")
    np.save(folder / "complex.npy", np.ones((4, 4), "c8"))
    before = snapshot(folder)
    code, out, err = here(*line.split())
    assert (code, out) == (WRONG, "")
    assert err.startswith("upsample-cli: error: ")
    assert message in err
    assert len(err.splitlines()) == 1
    assert snapshot(folder) == before


def test_force_replaces_both_files(here, folder):
    (folder / "out.nii").write_bytes(b"old")
    (folder / "out.indices.npz").write_bytes(b"old")
    assert here("pool", "in.nii", "out.nii", "-k", 2, "-f")[0] == 0
    assert here("unpool", "out.nii", "out.nii", "-f")[0] == 0
    assert read_volume(folder / "out.nii").voxels.shape == (9, 8, 7)


def test_explain_fills_in_the_formulas_and_writes_nothing(here, folder):
    before = snapshot(folder)
    code, out, err = here(
        *[
            "pool",
            "in.nii",
            "out.nii",
            "-k",
            "3x2x2",
            "--padding",
            "1x0x0",
            "--stride",
            "2",
            "--explain",
        ]
    )
    assert (code, err, snapshot(folder)) == (0, "", before)
    assert "x             5 = floor((9 + 2 * 1 - 1 * (3 - 1) - 1) / 2) + 1" in out
    assert "output   5×4×3 int16" in out
    assert re.search(r"^x +9 +5 +0 +2$", out, re.M)
    assert re.search(r"^z +7 +3 +0.5 +2$", out, re.M)
    assert out.count("affine") == 1
    here("pool", "in.nii", "out.nii", "-k", 2)
    _, out, _ = here("unpool", "out.nii", "back.nii", "--explain")
    assert "x             9 = (4 - 1) * 2 - 2 * 0 + 2 + 1" in out
    assert re.search(r"^x +4 +9 +-0.25 +0.5$", out, re.M)
    assert not (folder / "back.nii").exists()


@pytest.mark.parametrize("command", ["pool", "unpool"])
def test_a_folder_that_takes_no_files(cli, folder, command):
    cli("pool", "in.nii", "out.nii", "-k", "2")
    done = cli(command, "out.nii", "/proc/none.nii", *(["-k", "2"] if command == "pool" else []))
    assert done.returncode in (FAILED, WRONG)
    assert "cannot be written" in done.stderr or "/proc" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_pooled_file_and_its_record_appear_together(here, folder, monkeypatch):
    from upsample_cli.operations import pool

    def fails(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(pool, "write_indices", fails)
    before = snapshot(folder)
    code, _, err = here("pool", "in.hdr", "out.hdr", "-k", 2)
    assert code == FAILED
    assert "No space left" in err
    assert snapshot(folder) == before
    assert image_of(folder / "in.hdr").exists()


def test_a_truncated_input_leaves_nothing(here, folder):
    data = (folder / "in.nii.gz").read_bytes()
    (folder / "cut.nii.gz").write_bytes(data[: len(data) // 2])
    before = snapshot(folder)
    code, _, err = here("pool", "cut.nii.gz", "out.nii.gz", "-k", 2)
    assert code == FAILED
    assert "truncated" in err
    assert snapshot(folder) == before


def test_an_interrupt_leaves_nothing(folder):
    work = folder / "work"
    work.mkdir()
    line = command_line("pool", "-", "work/out.nii.gz", "-k", "2")
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(line, cwd=folder, env=environment(), **pipes) as process:
        process.stdin.write((folder / "in.nii").read_bytes()[:-9])
        process.stdin.flush()
        deadline = time.monotonic() + TIMEOUT
        while len(list(work.iterdir())) < 2:  # the pooled file and its record
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert b"interrupted" in err
    assert snapshot(work) == {}
