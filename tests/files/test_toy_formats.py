"""A new format is one module and one row: two toys are read, written and known everywhere."""

import gzip
import json
import struct

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from upsample_cli import functional
from upsample_cli.files import FORMATS, Format
from upsample_cli.files.images.codecs import Codec
from upsample_cli.files.images.formats import IMAGE_FORMATS, ImageFormat
from upsample_cli.files.volumes.volume import VolumeHeader
from upsample_cli.files.volumes.volume_source import VolumeSource
from upsample_cli.sampling.grid import resampled_affine

# --- a volume format: voxel sizes, the first voxel's place, and the voxels themselves ---

LAYOUT = struct.Struct(">8s3I2s3d3d")
MAGIC = b"TOY VOL\n"


class ToyHeader(VolumeHeader):
    """Axes lie along the world's; voxels are big-endian."""

    format = "Toy"
    abilities = frozenset({"inverse"})

    def __init__(self, dims, code, sizes, origin, name):
        self.dims, self.code, self.sizes, self.origin, self.name = dims, code, sizes, origin, name

    @property
    def shape(self):
        return self.dims

    @property
    def element(self):
        return np.dtype(self.code), 1

    @property
    def disk_dtype(self):
        return np.dtype(self.code).newbyteorder(">")

    @property
    def voxel_sizes(self):
        return self.sizes

    @property
    def affine(self):
        affine = np.diag([*self.sizes, 1.0])
        affine[:3, 3] = self.origin
        return affine

    def to_bytes(self):
        return LAYOUT.pack(MAGIC, *self.dims, self.code.encode(), *self.sizes, *self.origin)

    def resampled(self, axes, dtype):
        affine = resampled_affine(self.affine, axes)
        dims = tuple(axis.size_out for axis in axes)
        code, sizes, origin = dtype.str[1:], affine.diagonal()[:3], affine[:3, 3]
        return ToyHeader(dims, code, tuple(sizes), tuple(origin), self.name), []


def read_toy_header(read, _read_rest, name):
    _, x, y, z, code, *numbers = LAYOUT.unpack(read(LAYOUT.size))
    return ToyHeader((x, y, z), code.decode(), tuple(numbers[:3]), tuple(numbers[3:]), name)


class ToySource(VolumeSource):
    suffixes = (".toy", ".toy.gz")

    def read_header(self):
        return read_toy_header(self.reader.read, self.reader.read_rest, self.name)


TOY_VOLUME = Format(
    "volume",
    (".toy", ".toy.gz"),
    lambda head: head.startswith(MAGIC),
    lambda reader, name, _options: ToySource(reader, name),
    gzip=(".toy.gz",),
    uncompressed=(".toy",),
    read_header=read_toy_header,
)

# --- an image format: width, height, channels, pixels from the bottom up ---

IMAGE_MAGIC = b"TOYIMG"
SIDES = struct.Struct("<6s2HB")


class ToyCodec(Codec):
    def open(self, file):
        _, width, height, channels = SIDES.unpack(file.read(SIDES.size))
        pixels = np.frombuffer(file.read(), np.uint8).reshape(height, width, channels)
        return Image.fromarray(pixels[::-1].squeeze(2) if channels == 1 else pixels[::-1])

    def save(self, file, mode, pixels, source, settings, threads):  # noqa: ARG002
        height, width, channels = pixels.shape
        file.write(SIDES.pack(IMAGE_MAGIC, width, height, channels))
        file.write(pixels[::-1].tobytes())


TOY_IMAGE = ImageFormat(
    "TOY",
    (".toyimg",),
    ("L", "RGB"),
    IMAGE_MAGIC,
    codec=lambda: ToyCodec,
    largest_side=65_535,
    is_uncompressed=True,
    is_forward=True,
)


@pytest.fixture(autouse=True)
def toys():
    """Add one row for each, and nothing else."""
    FORMATS.append(TOY_VOLUME)
    IMAGE_FORMATS.append(TOY_IMAGE)
    yield
    FORMATS.remove(TOY_VOLUME)
    IMAGE_FORMATS.remove(TOY_IMAGE)


SIZES, ORIGIN = (1.5, 2.0, 3.0), (-7.0, 4.0, 11.0)


def write_toy(path, voxels, sizes=SIZES, origin=ORIGIN):
    """Write voxels, x first, as a toy."""
    path.parent.mkdir(exist_ok=True)
    header = LAYOUT.pack(MAGIC, *voxels.shape, voxels.dtype.str[1:].encode(), *sizes, *origin)
    data = header + voxels.T.astype(voxels.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read_toy(path):
    """Return sizes, origin and voxels, x first."""
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    magic, x, y, z, code, *numbers = LAYOUT.unpack(data[: LAYOUT.size])
    assert magic == MAGIC
    voxels = np.frombuffer(data[LAYOUT.size :], np.dtype(code.decode()).newbyteorder(">"))
    return tuple(numbers[:3]), tuple(numbers[3:]), voxels.reshape(z, y, x).T


def write_image(path, pixels):
    path.parent.mkdir(exist_ok=True)
    height, width, channels = pixels.shape
    head = SIDES.pack(IMAGE_MAGIC, width, height, channels)
    path.write_bytes(head + pixels[::-1].tobytes())
    return path


def read_image(path):
    data = path.read_bytes()
    magic, width, height, channels = SIDES.unpack(data[: SIDES.size])
    assert magic == IMAGE_MAGIC
    flat = np.frombuffer(data[SIDES.size :], np.uint8)
    return flat.reshape(height, width, channels)[::-1]


def random_voxels(shape=(6, 5, 4), dtype="i2"):
    return np.random.default_rng(3).integers(0, 90, shape).astype(dtype)


def random_pixels(height=7, width=9, channels=3):
    return np.random.default_rng(4).integers(0, 256, (height, width, channels), np.uint8)


def enlarged(values, mode):
    """Return (z, y, x) or (height, width, channels) at twice the size."""
    items = np.moveaxis(values, -1, 0)[np.newaxis] if values.shape[-1] == 3 else values[None, None]
    result = functional.interpolate(np.ascontiguousarray(items), scale_factor=2, mode=mode)[0]
    return np.moveaxis(result, 0, -1) if values.shape[-1] == 3 else result[0]


# --- the volume ---


@pytest.mark.parametrize("suffix", [".toy", ".toy.gz"])
def test_a_volume_is_resampled_with_a_true_header(here, tmp_path, suffix):
    voxels = random_voxels()
    write_toy(tmp_path / f"in{suffix}", voxels)
    code, _, errors = here("resample", f"in{suffix}", f"out{suffix}", "--scale", 2)
    assert code == 0, errors
    sizes, origin, got = read_toy(tmp_path / f"out{suffix}")
    np.testing.assert_allclose(sizes, np.array(SIZES) / 2)
    np.testing.assert_allclose(origin, np.array(ORIGIN) - np.array(SIZES) / 4)
    assert got.dtype == ">i2"
    np.testing.assert_array_equal(got, enlarged(voxels.T, "trilinear").T)


def test_info_and_explain_know_a_volume(here, tmp_path):
    write_toy(tmp_path / "in.toy.gz", random_voxels())
    code, out, _ = here("info", "in.toy.gz", "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["kind"], facts["format"]) == ("volume", "Toy")
    assert facts["shape"] == [6, 5, 4]
    assert (facts["dtype"], facts["byte_order"]) == ("int16", "big")
    assert facts["spacing"] == list(SIZES)
    assert facts["orientation"] == "RAS"
    code, out, _ = here("explain", "in.toy.gz", "--scale", 2, "--max-memory", "2G")
    assert code == 0
    assert "0.75 × 1 × 1.5 mm" in out


def test_verify_compares_a_volume_with_its_twin_in_nifti(here, tmp_path):
    voxels = random_voxels()
    source = write_toy(tmp_path / "in.toy", voxels)
    affine = np.diag([*SIZES, 1.0])
    affine[:3, 3] = ORIGIN
    twin = nib.Nifti1Image(voxels, affine)
    twin.set_qform(affine, 1)
    twin.set_sform(affine, 1)
    twin.header.set_xyzt_units("mm")
    nib.save(twin, tmp_path / "twin.nii.gz")
    assert here("verify", source, "twin.nii.gz", "--same-grid", "--values", 0)[0] == 0
    write_toy(tmp_path / "moved.toy", voxels, origin=(-6.9, 4.0, 11.0))
    code, out, _ = here("verify", "moved.toy", "twin.nii.gz")
    assert code == 1
    assert "first corner" in out


def test_batch_finds_volumes_and_keeps_their_format(batch, tmp_path):
    for name in ("a.toy", "b.toy.gz"):
        write_toy(tmp_path / "src" / name, random_voxels())
    code, status, errors = batch("--scale", 2)
    assert (code, status) == (0, {"a.toy": "done", "b.toy.gz": "done"}), errors
    for name in status:
        assert read_toy(tmp_path / "out" / name)[2].shape == (12, 10, 8)


def test_pool_and_unpool_give_a_volume_its_grid_back(here, tmp_path):
    voxels = random_voxels((6, 4, 4), "u1")
    write_toy(tmp_path / "in.toy", voxels)
    assert here("pool", "in.toy", "pooled.toy", "--kernel-size", 2)[0] == 0
    assert here("unpool", "pooled.toy", "back.toy")[0] == 0
    pooled = voxels.reshape(3, 2, 2, 2, 2, 2).max(axis=(1, 3, 5))
    np.testing.assert_array_equal(read_toy(tmp_path / "pooled.toy")[2], pooled)
    sizes, origin, back = read_toy(tmp_path / "back.toy")
    assert (sizes, origin) == (SIZES, ORIGIN)
    assert back.sum(dtype=int) == pooled.sum(dtype=int)
    code, _, errors = here(
        "conv-transpose", "in.toy", "c.toy", "--kernel", "nearest", "--stride", 2
    )
    assert code == 0, errors
    repeated = voxels.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(read_toy(tmp_path / "c.toy")[2], repeated.astype("f4"))


def test_a_volume_is_a_reference_for_another_format(here, tmp_path):
    voxels = random_voxels()
    write_toy(tmp_path / "grid.toy", random_voxels((12, 10, 8)), (0.75, 1.0, 1.5))
    affine = np.diag([*SIZES, 1.0])
    affine[:3, 3] = ORIGIN
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "in.nii")
    code, _, errors = here("resample", "in.nii", "out.nii", "--like", "grid.toy")
    assert code == 0, errors
    placed = nib.load(tmp_path / "out.nii")
    assert placed.shape == (12, 10, 8)
    expected = np.diag([0.75, 1.0, 1.5, 1.0])
    expected[:3, 3] = ORIGIN
    np.testing.assert_allclose(placed.affine, expected)
    np.testing.assert_array_equal(np.asarray(placed.dataobj)[::2, ::2, ::2], voxels)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("resample in.toy out.toy --orientation LPI", "--orientation: does not take Toy"),
        ("resample in.toy out.toy -x 2 --record", "--record: is for NIfTI volumes; drop it"),
        ("restore in.toy out.toy", "in.toy: is no NIfTI volume; convert it to .nii.gz"),
        ("resample in.toy out.nii -x 2", "out.nii: .nii is not the format of in.toy"),
        ("resample cut.toy out.toy -x 2", "cut.toy: is truncated"),
    ],
)
def test_what_a_volume_cannot_is_refused_by_its_name(here, tmp_path, line, message):
    source = write_toy(tmp_path / "in.toy", random_voxels())
    (tmp_path / "cut.toy").write_bytes(source.read_bytes()[:-1])
    code, _, errors = here(*line.split())
    assert code != 0
    assert message in errors


# --- the image ---


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_resampled_and_converted(here, tmp_path, channels):
    pixels = random_pixels(channels=channels)
    write_image(tmp_path / "in.toyimg", pixels)
    for output in ("out.toyimg", "out.png"):
        code, _, errors = here("resample", "in.toyimg", output, "-x", 2, "--mode", "nearest-exact")
        assert code == 0, errors
    expected = pixels.repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(read_image(tmp_path / "out.toyimg"), expected)
    as_png = np.asarray(Image.open(tmp_path / "out.png")).reshape(expected.shape)
    np.testing.assert_array_equal(as_png, expected)
    code, _, errors = here("resample", "out.png", "back.toyimg", "-x", 0.5, "--mode", "nearest")
    assert code == 0, errors
    np.testing.assert_array_equal(read_image(tmp_path / "back.toyimg"), pixels)


def test_an_image_is_mixed_like_any_other(here, tmp_path):
    pixels = random_pixels()
    write_image(tmp_path / "in.toyimg", pixels)
    assert here("resample", "in.toyimg", "out.toyimg", "-x", 2)[0] == 0
    got = read_image(tmp_path / "out.toyimg")
    np.testing.assert_array_equal(got, enlarged(pixels, "bilinear"))


def test_info_explain_and_verify_know_an_image(here, tmp_path):
    write_image(tmp_path / "in.toyimg", random_pixels())
    code, out, _ = here("info", "in.toyimg", "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["format"], facts["shape"], facts["mode"]) == ("TOY", [9, 7], "RGB")
    assert here("explain", "in.toyimg", "--scale", 2)[0] == 0
    code, _, errors = here("verify", "in.toyimg", "in.toyimg")
    assert code == 2
    assert "is of kind image" in errors


def test_batch_finds_images_and_makes_them(batch, tmp_path):
    write_image(tmp_path / "src" / "a.toyimg", random_pixels())
    Image.fromarray(random_pixels()).save(tmp_path / "src" / "b.png")
    code, status, errors = batch("--scale", 2, "--to", ".toyimg")
    assert (code, status) == (0, {"a.toyimg": "done", "b.png": "done"}), errors
    made = [read_image(tmp_path / "out" / f"{stem}.toyimg") for stem in "ab"]
    np.testing.assert_array_equal(made[0], made[1])


def test_what_an_image_cannot_hold_is_refused_by_its_row(here, tmp_path):
    Image.new("RGBA", (3, 3)).save(tmp_path / "in.png")
    code, _, errors = here("resample", "in.png", "out.toyimg", "-x", 2)
    assert code == 2
    assert "out.toyimg: TOY holds no transparency; write .png or .tif" in errors
    Image.new("L", (3, 3)).save(tmp_path / "grey.png")
    code, _, errors = here("resample", "grey.png", "out.toyimg", "--size", "1x65536")
    assert code == 2
    assert "TOY holds at most 65535 pixels a side" in errors
    code, _, errors = here("resample", "in.png", "out.jpg", "-x", 2, "--format", "toyimg")
    assert code == 2
    assert "--format: toyimg contradicts the name out.jpg" in errors


def test_without_its_row_a_toy_is_unknown(here, tmp_path):
    write_toy(tmp_path / "in.toy", random_voxels())
    write_image(tmp_path / "in.toyimg", random_pixels())
    FORMATS.remove(TOY_VOLUME)
    IMAGE_FORMATS.remove(TOY_IMAGE)
    try:
        for name in ("in.toy", "in.toyimg"):
            code, _, errors = here("info", name)
            assert code == 1
            assert f"{name}: has no known format" in errors
    finally:
        FORMATS.append(TOY_VOLUME)
        IMAGE_FORMATS.append(TOY_IMAGE)
