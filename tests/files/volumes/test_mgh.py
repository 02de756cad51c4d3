"""FreeSurfer's volumes: every byte of header, voxels and trailer, in .mgh and .mgz."""

import gzip
import struct

import nibabel as nib
import numpy as np
import pytest
from inprocess import no_progress
from volumes import interpolated, random_voxels, read_bytes, write_bytes, write_volume

from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import streams
from upsample_cli.passes import streaming
from upsample_cli.verify.verdict import Criteria, verify

TYPES = {"u1": 0, "i4": 1, "f4": 3, "i2": 4, "u2": 10}
SUFFIXES = [".mgh", ".mgz", ".mgh.gz"]
SHAPE = (7, 6, 5)
SIZES = (1.0, 2.5, 3.5)
COSINES = np.array([[-0.8, 0.6, 0], [0.36, 0.48, -0.8], [0.48, 0.64, 0.6]])
CENTRE = (5.5, -12.25, 30.0)
FOOTER = struct.pack(">5f", 2300.0, 0.15, 2.98, 900.0, 256.0)
TAGS = struct.pack(">iq", 3, 12) + b"mri_convert\0" + bytes(range(256))
UNUSED = bytes(range(194))
TAIL_OF_GEOMETRY = 90
STRAIGHT = np.array([[-2.0, 0, 0, 90], [0, 0, 4.0, -126], [0, -3.0, 0, 72], [0, 0, 0, 1]])


def header(shape, code, *, version=1, flag=1, sizes=SIZES, cosines=COSINES, centre=CENTRE):
    """Return the 284 bytes before the voxels; cosines by columns, as the format has them."""
    dims = (*shape, 1)[:4] if len(shape) < 4 else shape
    return (
        struct.pack(">7ih", version, *dims, code, 17, flag)
        + struct.pack(">15f", *sizes, *np.array(cosines).T.ravel(), *centre)
        + UNUSED
    )


def write_mgh(path, voxels, trailer=FOOTER + TAGS, **fields):
    code = fields.pop("code", TYPES.get(voxels.dtype.str[1:]))
    data = voxels.astype(voxels.dtype.newbyteorder(">")).tobytes("F")
    raw = header(voxels.shape, code, **fields) + data + trailer
    path.write_bytes(gzip.compress(raw, 1) if path.suffix in (".mgz", ".gz") else raw)
    return path


def read_mgh(path):
    """Return the bytes before the voxels, the voxels, and the bytes after them."""
    raw = read_bytes(path)
    dims, code = struct.unpack_from(">4i", raw, 4), struct.unpack_from(">i", raw, 20)[0]
    name = next(name for name, known in TYPES.items() if known == code)
    dtype = np.dtype(">" + name)
    end = 284 + int(np.prod(dims)) * dtype.itemsize
    shape = dims if dims[3] > 1 else dims[:3]
    return raw[:284], np.frombuffer(raw[284:end], dtype).reshape(shape, order="F"), raw[end:]


def by_nibabel(path):
    # From bytes, because nibabel leaves .mgh files open.
    return nib.MGHImage.from_bytes(read_bytes(path))


def affine_of(head):
    """Return the affine of a header: the centre is at half the dimensions."""
    dims = np.array(struct.unpack_from(">3i", head, 4))
    numbers = np.array(struct.unpack_from(">15f", head, 30))
    affine = np.eye(4)
    affine[:3, :3] = numbers[3:12].reshape(3, 3).T * numbers[:3]
    affine[:3, 3] = numbers[12:] - affine[:3, :3] @ (dims / 2)
    return affine


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [SHAPE, (*SHAPE, 3), (7, 6, 1)])
def test_values_header_and_trailer(tmp_path, resample, suffix, dtype, shape):
    voxels = random_voxels(shape, dtype)
    source = write_mgh(tmp_path / f"in{suffix}", voxels)
    resample(source, tmp_path / f"out{suffix}", size=(9, 12, 4))
    before, _, _ = read_mgh(source)
    head, after, trailer = read_mgh(tmp_path / f"out{suffix}")
    assert np.array_equal(after, interpolated(voxels, size=(9, 12, 4)))
    assert trailer == FOOTER + TAGS
    assert struct.unpack_from(">4i", head, 4) == (9, 12, 4, *(shape[3:] or (1,)))
    step = np.array(shape[:3]) / (9, 12, 4)
    sizes = np.float32(np.array(SIZES) * step)
    assert np.array_equal(np.float32(struct.unpack_from(">3f", head, 30)), sizes)
    # Version, type, degrees of freedom, flag, cosines and what is unused stay byte for byte.
    assert (head[:4], head[20:30], head[42:78]) == (before[:4], before[20:30], before[42:78])
    assert head[TAIL_OF_GEOMETRY:] == UNUSED
    to_input = np.diag([*step, 1])
    to_input[:3, 3] = (step - 1) / 2
    np.testing.assert_allclose(affine_of(head), affine_of(before) @ to_input, atol=2e-5)


@pytest.mark.parametrize("options", [{"scale": 2, "align_corners": True}, {"spacing": 1.0}])
def test_nibabel_sees_the_grid_that_was_sampled(tmp_path, resample, options):
    index = np.moveaxis(np.indices((12, 11, 10)), 0, -1)
    source = write_mgh(tmp_path / "in.mgz", np.zeros((12, 11, 10), "f4"))
    affine = by_nibabel(source).affine
    np.testing.assert_allclose(affine_of(read_bytes(source)), affine, atol=1e-5)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    write_mgh(source, world.astype("f4"))
    resample(source, tmp_path / "out.mgz", **options)
    image = by_nibabel(tmp_path / "out.mgz")
    held = np.asarray(image.dataobj)
    places = np.moveaxis(np.indices(held.shape[:3]), 0, -1) @ image.affine[:3, :3].T
    inner = (slice(3, -4),) * 3
    np.testing.assert_allclose(held[inner], (places + image.affine[:3, 3])[inner], atol=1e-4)
    assert image.header["tr"] == 2300


def test_nibabel_writes_what_is_read_and_reads_what_is_written(tmp_path, resample):
    voxels = random_voxels(SHAPE, "i2")
    nib.save(nib.MGHImage(voxels, STRAIGHT), tmp_path / "in.mgz")
    resample(tmp_path / "in.mgz", tmp_path / "out.mgh", scale=2)
    image = by_nibabel(tmp_path / "out.mgh")
    assert np.array_equal(np.asarray(image.dataobj), interpolated(voxels, scale_factor=2))
    np.testing.assert_allclose(image.header.get_zooms(), (1.0, 1.5, 2.0))


def test_a_volume_without_a_place_gets_freesurfers_default(tmp_path, resample):
    source = write_mgh(tmp_path / "in.mgh", random_voxels(SHAPE, "u1"), flag=0)
    summary = resample(source, tmp_path / "out.mgh", scale=2)
    assert "does not say where it is" in "".join(summary.warnings)
    before, after = (by_nibabel(tmp_path / name).affine for name in ("in.mgh", "out.mgh"))
    to_input = np.array([[0.5, 0, 0, -0.25], [0, 0.5, 0, -0.25], [0, 0, 0.5, -0.25], [0, 0, 0, 1]])
    np.testing.assert_allclose(after, before @ to_input, atol=1e-6)


@pytest.mark.parametrize("trailer", [b"", FOOTER[:7], FOOTER, FOOTER + TAGS * 500])
def test_the_trailer_may_be_of_any_length(tmp_path, resample, trailer):
    source = write_mgh(tmp_path / "in.mgz", random_voxels(SHAPE, "u1"), trailer)
    resample(source, tmp_path / "out.mgh", scale=2)
    assert read_mgh(tmp_path / "out.mgh")[2] == trailer


def test_dtype_and_bytes_of_every_thread_count(tmp_path, resample):
    source = write_mgh(tmp_path / "in.mgz", random_voxels((40, 30, 20), "i2"))
    outputs = set()
    for threads in (1, 2, 3):
        output = tmp_path / f"{threads}.mgz"
        resample(source, output, scale=1.7, dtype="float32", threads=threads)
        outputs.add(output.read_bytes())
    assert len(outputs) == 1
    assert struct.unpack_from(">i", gzip.decompress(outputs.pop()), 20) == (3,)
    with pytest.raises(RequestError, match="--dtype: MGH cannot hold float64"):
        resample(source, tmp_path / "out.mgz", scale=2, dtype="float64")


def test_memory_is_a_window(tmp_path, resample, monkeypatch):
    largest = []
    original = streams.ForwardReader.read_array

    def recorded(self, shape, dtype):
        largest.append(int(np.prod(shape)) * dtype.itemsize)
        return original(self, shape, dtype)

    monkeypatch.setattr(streams.ForwardReader, "read_array", recorded)
    monkeypatch.setattr(streaming, "CHUNK_BYTES", 2**16)
    voxels = random_voxels((90, 84, 50), "i2")
    resample(write_mgh(tmp_path / "in.mgz", voxels), tmp_path / "out.mgz", scale=0.9)
    assert max(largest) < voxels.nbytes / 8


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"version": 2}, "has no known format"),
        ({"code": 2}, "it holds voxels of type 2"),
        ({"code": -1}, "it holds voxels of type -1"),
        ({"sizes": (0, 1, 1)}, "its voxels have no place"),
        ({"sizes": (-1, 1, 1)}, "its voxels have no place"),
        ({"sizes": (np.nan, 1, 1)}, "its voxels have no place"),
        ({"cosines": np.zeros((3, 3))}, "its voxels have no place"),
        ({"cosines": np.ones((3, 3))}, "its voxels have no place"),
        ({"centre": (np.inf, 0, 0)}, "its voxels have no place"),
        ({"centre": (3e38, 0, 0), "sizes": (3e38, 1, 1)}, "its voxels have no place"),
    ],
    ids=str,
)
def test_bad_headers(tmp_path, resample, holds_only, fields, message):
    source = write_mgh(tmp_path / "in.mgh", random_voxels(SHAPE, "u1"), **fields)
    with pytest.raises(FileError, match=rf"in\.mgh: {message}"):
        resample(source, tmp_path / "out.mgh", scale=2)
    holds_only("in.mgh")


@pytest.mark.parametrize("dims", [(0, 6, 5, 1), (7, -6, 5, 1), (7, 6, 5, 0)])
def test_bad_dimensions(tmp_path, resample, dims):
    (tmp_path / "in.mgh").write_bytes(header(dims, 0) + bytes(1000))
    with pytest.raises(FileError, match=r"in\.mgh: its header gives the shape"):
        resample(tmp_path / "in.mgh", tmp_path / "out.mgh", scale=2)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("end", [3, 100, 284, 400])
def test_truncation(tmp_path, resample, holds_only, suffix, end):
    source = write_mgh(tmp_path / f"in{suffix}", random_voxels(SHAPE, "u2"))
    raw = read_bytes(source)[:end]
    source.write_bytes(gzip.compress(raw) if suffix != ".mgh" else raw)
    with pytest.raises(FileError, match=rf"in{suffix}: "):
        resample(source, tmp_path / f"out{suffix}", scale=2)
    holds_only(source.name)


def test_huge_dimensions_allocate_nothing(tmp_path, resample):
    (tmp_path / "in.mgh").write_bytes(header((2**31 - 1,) * 3, 3) + bytes(1000))
    with pytest.raises(FileError, match="is truncated: its header promises"):
        resample(tmp_path / "in.mgh", tmp_path / "out.mgh", scale=2)


@pytest.mark.parametrize(
    ("source", "output", "right"),
    [("in.mgz", "out.nii.gz", "use .mgh, .mgz"), ("in.nii", "out.mgz", "use .nii, .nii.gz")],
)
def test_a_resample_keeps_the_format(tmp_path, resample, source, output, right):
    write_mgh(tmp_path / "in.mgz", random_voxels(SHAPE, "u1"))
    write_volume(tmp_path / "in.nii", random_voxels(SHAPE, "u1"))
    with pytest.raises(RequestError, match=rf"{output}: .* is not the format of .*{right}"):
        resample(tmp_path / source, tmp_path / output, scale=2)


def test_other_commands(cli, tmp_path):
    source = write_mgh(tmp_path / "in.mgz", random_voxels(SHAPE, "i2"))
    text = cli("info", "in.mgz").stdout.decode()
    assert "MGH" in text
    assert "7 × 6 × 5" in text
    text = cli("explain", "in.mgz", "--spacing", "1").stdout.decode()
    assert "spacing  1 × 2.5 × 3.5 mm → 1 × 1 × 1 mm" in text
    done = cli("resample", "-", "-", "-x", "2", stdin=source.read_bytes())
    assert done.returncode == 0
    write_bytes(tmp_path / "out.mgh", gzip.decompress(done.stdout))
    found = verify(str(source), str(tmp_path / "out.mgh"), Criteria(), no_progress)
    assert found.failed == []
    done = cli("resample", "in.mgz", "out.mgz", "-x", "2", "--record")
    assert (done.returncode, "--record: is for NIfTI volumes" in done.stderr) == (2, True)
    assert not (tmp_path / "out.mgz").exists()


def test_verify_compares_it_with_its_conversion(tmp_path):
    voxels = random_voxels(SHAPE, "i2")
    source = write_mgh(tmp_path / "in.mgz", voxels)
    image = nib.Nifti1Image(voxels, by_nibabel(source).affine)
    for set_form in (image.set_qform, image.set_sform):
        set_form(image.affine, 1)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "in.nii.gz")
    criteria = Criteria(same_grid=True, values=0)
    found = verify(str(source), str(tmp_path / "in.nii.gz"), criteria, no_progress)
    assert found.failed == []


def test_a_signalling_nan_is_refused_like_any_other(tmp_path, resample):
    source = write_mgh(tmp_path / "in.mgh", random_voxels(SHAPE, "u1"))
    raw = bytearray(source.read_bytes())
    raw[42:46] = bytes.fromhex("7f800001")
    source.write_bytes(raw)
    with pytest.raises(FileError, match="its voxels have no place"):
        resample(source, tmp_path / "out.mgh", scale=2)
