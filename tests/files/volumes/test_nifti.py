"""Volumes, read and written: every datatype, container, version and byte order."""

import gzip
import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from volumes import (
    DATATYPES,
    RGB,
    extension,
    image_of,
    interpolated,
    random_voxels,
    read_bytes,
    read_volume,
    write_bytes,
    write_volume,
)

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import streams
from upsample_cli.files.volumes import nifti
from upsample_cli.operations.output import open_outputs
from upsample_cli.passes import axis_by_axis, streaming

NUMERIC = {code: dtype for code, dtype in DATATYPES.items() if dtype.names is None}
ENCODINGS = list(itertools.product((1, 2), "<>"))
SUFFIXES = [".nii", ".nii.gz", ".hdr", ".hdr.gz"]
RNG_SEED = 3


@pytest.mark.parametrize(("version", "order"), ENCODINGS)
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("code", NUMERIC)
def test_values_are_the_librarys(tmp_path, resample, code, suffix, version, order):
    voxels = random_voxels((7, 6, 5), NUMERIC[code])
    source = write_volume(tmp_path / f"in{suffix}", voxels, version=version, order=order)
    resample(source, tmp_path / f"out{suffix}", scale=(1.5, 2, 0.8))
    after = read_volume(tmp_path / f"out{suffix}")
    assert np.array_equal(after.voxels, interpolated(voxels, scale_factor=(1.5, 2, 0.8)))
    assert after.voxels.dtype == NUMERIC[code].newbyteorder(order)
    assert (after.version, after.order, after.tail) == (version, order, b"")


@pytest.mark.parametrize(
    "shape",
    [
        (7,),
        (1,),
        (7, 5),
        (7, 1),
        (1, 1, 1),
        (1, 6, 5),
        (7, 6, 1),
        (7, 6, 5, 1),
        (7, 6, 5, 3),
        (7, 6, 1, 4),
        (7, 6, 5, 2, 3),
        (7, 6, 5, 1, 3),
        (1, 1, 1, 4, 3),
        (4, 3, 2, 2, 1, 3),
        (4, 3, 2, 2, 1, 2, 2),
    ],
)
@pytest.mark.parametrize("mode", ["linear", "nearest-exact", "cubic"])
def test_every_number_of_dimensions(tmp_path, resample, shape, mode):
    voxels = random_voxels(shape, "f4")
    source = write_volume(tmp_path / "in.nii", voxels)
    resample(source, tmp_path / "out.nii", scale=2, mode=mode)
    after = read_volume(tmp_path / "out.nii")
    if mode == "cubic" and len(shape) == 2:
        expected = interpolated(voxels, "bicubic", scale_factor=2)
    else:
        expected = interpolated(voxels, mode, scale_factor=2)
    assert after.fields["dim"][: len(shape) + 1] == (len(shape), *expected.shape)
    assert np.array_equal(after.voxels, expected)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("suffix", [".nii", ".hdr.gz"])
def test_items_do_not_mix(tmp_path, resample, suffix, threads):
    voxels = np.zeros((9, 8, 7, 4), "i2")
    voxels[..., 1], voxels[..., 3] = 1000, -1000
    source = write_volume(tmp_path / f"in{suffix}", voxels)
    resample(source, tmp_path / f"out{suffix}", scale=1.7, mode="linear", threads=threads)
    after = read_volume(tmp_path / f"out{suffix}")
    assert [np.unique(item).tolist() for item in np.moveaxis(after.voxels, -1, 0)] == [
        [0],
        [1000],
        [0],
        [-1000],
    ]


def test_the_sample_equals_the_library(tmp_path, resample, samples):
    resample(samples / "brain.nii.gz", tmp_path / "out.nii.gz", scale=2)
    stored = read_volume(samples / "brain.nii.gz").voxels
    after = read_volume(tmp_path / "out.nii.gz")
    assert np.array_equal(after.voxels, interpolated(stored, scale_factor=2))


def test_labels_stay_labels(tmp_path, resample, samples):
    resample(samples / "labels.nii.gz", tmp_path / "out.nii", scale=1.3, mode="nearest-exact")
    stored = read_volume(samples / "labels.nii.gz").voxels
    after = read_volume(tmp_path / "out.nii").voxels
    assert np.array_equal(np.unique(after), np.unique(stored))


@pytest.mark.parametrize("suffix", [".nii", ".hdr"])
@pytest.mark.parametrize("slope", [(0.25, -100.0), (0.0, 3.0), (1.0, 0.0)])
@pytest.mark.parametrize(("version", "order"), ENCODINGS)
def test_nibabel_reads_the_same_numbers(tmp_path, resample, suffix, slope, version, order):
    voxels = random_voxels((7, 6, 5), "i2")
    scaling = dict(zip(("scl_slope", "scl_inter"), slope, strict=True))
    source = write_volume(tmp_path / f"in{suffix}", voxels, version=version, order=order, **scaling)
    resample(source, tmp_path / f"out{suffix}", size=(9, 6, 11))
    image = nib.load(tmp_path / f"out{suffix}")
    stored = interpolated(voxels, size=(9, 6, 11))
    assert np.array_equal(np.asanyarray(image.dataobj.get_unscaled()), stored)
    factor, offset = slope if slope[0] else (1, 0)
    np.testing.assert_allclose(image.get_fdata(), stored * factor + offset, rtol=1e-12)


def test_nibabel_writes_what_is_read(tmp_path, resample):
    voxels = random_voxels((7, 6, 5), "f4")
    for kind, suffix in ((nib.Nifti1Image, ".nii.gz"), (nib.Nifti2Image, ".nii")):
        nib.save(kind(voxels, np.diag([2, 3, 4, 1])), tmp_path / f"in{suffix}")
        resample(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", scale=2)
        after = nib.load(tmp_path / f"out{suffix}")
        assert np.array_equal(after.get_fdata(), interpolated(voxels, scale_factor=2))
        np.testing.assert_array_equal(after.header.get_zooms(), (1, 1.5, 2))


@pytest.mark.parametrize(("suffix", "warns"), [(".nii", 1), (".nii.gz", 1), (".hdr.gz", 1)])
def test_data_past_the_image_are_not_kept(tmp_path, resample, suffix, warns):
    voxels = random_voxels((7, 6, 5), "i2")
    source = write_volume(tmp_path / f"in{suffix}", voxels, tail=b"past the end", sform_code=0)
    summary = resample(source, tmp_path / f"out{suffix}", scale=1)
    after = read_volume(tmp_path / f"out{suffix}")
    assert np.array_equal(after.voxels, voxels)
    assert after.tail == b""
    assert sum("12 bytes after the voxels" in warning for warning in summary.warnings) == warns


@pytest.mark.parametrize("pieces", [2, 3, 50])
def test_gzip_of_many_members(tmp_path, resample, pieces):
    voxels = random_voxels((17, 16, 15), "i2")
    raw = read_bytes(write_volume(tmp_path / "plain.nii", voxels))
    edges = np.linspace(0, len(raw), pieces + 1).astype(int)
    members = [gzip.compress(raw[lo:hi]) for lo, hi in itertools.pairwise(edges)]
    (tmp_path / "in.nii.gz").write_bytes(b"".join(members))
    resample(tmp_path / "in.nii.gz", tmp_path / "out.nii", scale=2)
    after = read_volume(tmp_path / "out.nii")
    assert np.array_equal(after.voxels, interpolated(voxels, scale_factor=2))


@pytest.mark.parametrize("name", ["misnamed.nii", "IN.NII.GZ", "in.Nii"])
def test_gzip_is_told_by_its_content(tmp_path, resample, name):
    voxels = random_voxels((7, 6, 5), "i2")
    source = write_volume(tmp_path / "in.nii.gz", voxels)
    source.rename(tmp_path / name)
    resample(tmp_path / name, tmp_path / "out.nii", scale=2)
    assert np.array_equal(
        read_volume(tmp_path / "out.nii").voxels, interpolated(voxels, scale_factor=2)
    )


@pytest.mark.parametrize("half", ["in.hdr", "in.img"])
@pytest.mark.parametrize("output", ["out.hdr", "out.img"])
def test_a_pair_goes_by_either_name(tmp_path, resample, holds_only, half, output):
    voxels = random_voxels((7, 6, 5), "i2")
    write_volume(tmp_path / "in.hdr", voxels)
    resample(tmp_path / half, tmp_path / output, scale=2)
    holds_only("in.hdr", "in.img", "out.hdr", "out.img")
    after = read_volume(tmp_path / "out.hdr")
    assert np.array_equal(after.voxels, interpolated(voxels, scale_factor=2))


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """Return a volume of several slabs and several compressed blocks, and its voxels."""
    voxels = np.cumsum(random_voxels((90, 84, 50), "i1"), axis=0).astype("i2")
    return write_volume(tmp_path_factory.mktemp("larger") / "in.nii.gz", voxels), voxels


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 2},
        {"scale": (2, 2, 0.4), "antialias": True},
        {"scale": (1, 1, 3), "mode": "cubic"},
        {"scale": (2, 2, 1), "mode": "nearest-exact"},
        {"size": (120, 100, 7), "mode": "area", "dtype": "float32"},
    ],
    ids=str,
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_bytes_do_not_depend_on_threads(tmp_path, resample, larger, options, suffix):
    outputs = set()
    for threads in (1, 2, 3):
        output = tmp_path / f"with-{threads}-threads{suffix}"
        resample(larger[0], output, threads=threads, **options)
        outputs.add(output.read_bytes())
    assert len(outputs) == 1


def test_bytes_do_not_depend_on_the_size_of_slabs(tmp_path, resample, larger, monkeypatch):
    resample(larger[0], tmp_path / "whole.nii.gz", scale=1.6)
    for planes in ((1, 1), (3, 2), (7, 100), (50, 1)):
        monkeypatch.setattr(axis_by_axis, "planes_per_chunk", lambda *_, planes=planes: planes)
        output = tmp_path / f"{planes}.nii.gz"
        resample(larger[0], output, scale=1.6)
        assert output.read_bytes() == (tmp_path / "whole.nii.gz").read_bytes()


def test_gzip_carries_neither_time_nor_name(tmp_path, resample, monkeypatch):
    source = write_volume(tmp_path / "in.nii", random_voxels((7, 6, 5), "i2"))
    resample(source, tmp_path / "first.nii.gz", scale=2)
    monkeypatch.setattr("time.time", lambda: 2e9)
    resample(source, tmp_path / "second.nii.gz", scale=2)
    first = (tmp_path / "first.nii.gz").read_bytes()
    assert first == (tmp_path / "second.nii.gz").read_bytes()
    flags, time = first[3], first[4:8]
    assert (flags, time) == (0, bytes(4))


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_the_level_changes_the_size_alone(tmp_path, resample, larger, level):
    resample(larger[0], tmp_path / "out.nii", scale=1.5)
    resample(larger[0], tmp_path / "out.nii.gz", scale=1.5, compress_level=level)
    plain = (tmp_path / "out.nii").read_bytes()
    assert gzip.decompress((tmp_path / "out.nii.gz").read_bytes()) == plain


@pytest.fixture
def reads(monkeypatch):
    """Return a list that gathers, in order, (file, first byte, last byte) of every read."""
    gathered = []
    original = streams.ForwardReader.read_array

    def recorded(self, shape, dtype):
        first = self.position
        array = original(self, shape, dtype)
        gathered.append((self.name, first, self.position))
        return array

    monkeypatch.setattr(streams.ForwardReader, "read_array", recorded)
    return gathered


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 2},
        {"scale": (1, 1, 0.3), "mode": "lanczos"},
        {"scale": (1, 1, 0.3), "mode": "nearest"},
        {"size": (3, 2, 1), "mode": "area"},
        {"size": (90, 84, 50), "mode": "cubic"},
        {"size": (5, 5, 2), "align_corners": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr"])
def test_each_byte_is_read_once_and_forward(
    tmp_path, resample, reads, monkeypatch, suffix, options
):
    monkeypatch.setattr(streaming, "CHUNK_BYTES", 2**16)
    voxels = random_voxels((90, 84, 50, 2), "i2")
    source = write_volume(tmp_path / f"in{suffix}", voxels)
    resample(source, tmp_path / "out.nii", **options)
    name = str(image_of(source) if suffix == ".hdr" else source)
    of_voxels = [(first, last) for file, first, last in reads if file == name]
    assert of_voxels[0][0] == 0
    assert all(before[1] == after[0] for before, after in itertools.pairwise(of_voxels))
    assert of_voxels[-1][1] == (0 if suffix == ".hdr" else 352) + voxels.nbytes
    largest = max(last - first for first, last in of_voxels)
    assert largest < voxels.nbytes / 8


@pytest.mark.parametrize("mode", ["linear", "nearest", "lanczos"])
def test_each_plane_is_asked_for_once(tmp_path, resample, monkeypatch, mode):
    asked = []
    original = nifti.NiftiSource.read

    def recorded(self, count):
        asked.append(count)
        return original(self, count)

    monkeypatch.setattr(nifti.NiftiSource, "read", recorded)
    monkeypatch.setattr(axis_by_axis, "planes_per_chunk", lambda *_: (4, 3))
    monkeypatch.setattr(axis_by_axis, "items_per_group", lambda *_: 1)
    source = write_volume(tmp_path / "in.nii", random_voxels((9, 8, 10, 3), "i2"))
    resample(source, tmp_path / "out.nii", scale=0.7, mode=mode)
    assert asked == [4, 4, 2] * 3


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("missing", [1, 100, 1000])
def test_missing_voxels_are_found_and_leave_nothing(
    tmp_path, resample, holds_only, suffix, missing
):
    source = write_volume(tmp_path / f"in{suffix}", random_voxels((17, 16, 15), "i2"))
    cut = image_of(source) if ".hdr" in suffix else source
    write_bytes(cut, read_bytes(cut)[:-missing])
    inputs = [entry.name for entry in tmp_path.iterdir()]
    with pytest.raises(FileError, match=rf"{cut.name}: is truncated"):
        resample(source, tmp_path / f"out{suffix}", scale=2)
    holds_only(*inputs)


@pytest.mark.parametrize("dtype", ["i8", "u8"])
def test_whole_numbers_beyond_float64_warn_unless_they_are_copied(tmp_path, resample, dtype):
    voxels = np.full((4, 3, 2), 2**53 + 1, dtype)
    source = write_volume(tmp_path / "in.nii", voxels, sform_code=0)
    blurred = resample(source, tmp_path / "blurred.nii", scale=2)
    copied = resample(source, tmp_path / "copied.nii", scale=2, mode="nearest-exact")
    assert "beyond 2**53" in "".join(blurred.warnings)
    assert copied.warnings == []
    assert np.unique(read_volume(tmp_path / "copied.nii").voxels).tolist() == [2**53 + 1]


@pytest.mark.parametrize(
    ("dtype", "expected", "lost"),
    [
        ("uint8", [0, 0, 2, 255, 255], 2),
        ("int8", [-128, 0, 2, 127, 127], 3),
        ("int16", [-300, 0, 2, 255, 32767], 1),
        ("float64", [-300.25, 0.5, 1.5, 255.4999, 1e6], 0),
    ],
)
def test_another_dtype_rounds_half_to_even_saturates_and_counts(
    tmp_path, resample, dtype, expected, lost
):
    voxels = np.array([-300.25, 0.5, 1.5, 255.4999, 1e6], "f4").reshape(5, 1, 1)
    source = write_volume(tmp_path / "in.nii", voxels, sform_code=0)
    summary = resample(source, tmp_path / "out.nii", scale=1, dtype=dtype)
    stored = read_volume(tmp_path / "out.nii").voxels.ravel()
    assert np.array_equal(stored, np.array(expected, "f4").astype(dtype))
    assert summary.warnings == (
        [f"{lost} values do not fit in {dtype}: they were saturated, and NaN became 0"]
        if lost
        else []
    )


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_colours_with_extensions_and_items(tmp_path, resample, suffix):
    rng = np.random.default_rng(RNG_SEED)
    voxels = rng.integers(0, 256, (7 * 6 * 5 * 2, 3), np.uint8).view(RGB).reshape(7, 6, 5, 2)
    source = write_volume(tmp_path / f"in{suffix}", voxels, extensions=extension(6, b"note"))
    resample(source, tmp_path / f"out{suffix}", size=(8, 9, 10))
    after = read_volume(tmp_path / f"out{suffix}")
    for name in RGB.names:
        expected = interpolated(voxels[name].copy(), size=(8, 9, 10))
        assert np.array_equal(after.voxels[name], expected)


@pytest.mark.parametrize("suffix", [".HDR", ".hdr"])
def test_a_pair_is_found_in_the_case_of_its_name(tmp_path, resample, suffix):
    voxels = random_voxels((4, 5, 3), "i2")
    lower = write_volume(tmp_path / "in.hdr", voxels, sform_code=0)
    source, image = tmp_path / f"up{suffix}", ".IMG" if suffix == ".HDR" else ".img"
    lower.rename(source)
    lower.with_suffix(".img").rename(source.with_suffix(image))
    resample(source, tmp_path / f"out{suffix}", scale=1)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {source.name, f"up{image}", f"out{suffix}", f"out{image}"}


def test_a_pair_appears_whole_or_not_at_all(tmp_path):
    names = [str(tmp_path / "out.hdr"), str(tmp_path / "out.img")]
    with pytest.raises(RequestError, match=r"out\.hdr: exists"), open_outputs(names, force=False):
        Path(names[0]).write_bytes(b"theirs")
    assert [path.name for path in tmp_path.iterdir()] == ["out.hdr"]


def test_a_slice_needs_no_spacing_across_it(tmp_path, resample):
    voxels = random_voxels((6, 5), "f4")
    source = write_volume(tmp_path / "in.nii", voxels, sform_code=0, pixdim=(1, 2, 3) + (0,) * 5)
    resample(source, tmp_path / "out.nii", scale=2)
    assert read_volume(tmp_path / "out.nii").fields["pixdim"][1:4] == (1, 1.5, 0)


@pytest.mark.parametrize("threads", [1, 3])
def test_small_items_are_read_in_groups_with_the_same_bits(
    tmp_path, resample, threads, monkeypatch
):
    voxels = random_voxels((6, 5, 4, 7), "f4")
    source = write_volume(tmp_path / "in.nii", voxels, sform_code=0)
    resample(source, tmp_path / "grouped.nii", scale=1.7, threads=threads)
    monkeypatch.setattr(streaming, "CHUNK_BYTES", 1)
    resample(source, tmp_path / "single.nii", scale=1.7, threads=threads)
    assert (tmp_path / "grouped.nii").read_bytes() == (tmp_path / "single.nii").read_bytes()
