"""The header rules, on bytes: what a resample changes, and that it changes nothing else."""

import struct
import warnings

import nibabel as nib
import numpy as np
import pytest
from volumes import (
    DATATYPES,
    HEADER_SIZES,
    MAGIC,
    OBLIQUE,
    RGB,
    RGBA,
    changed_fields,
    extension,
    new_fields,
    parse_header,
    qform_affine,
    read_volume,
    sform_affine,
    write_bytes,
    write_volume,
)

from upsample_cli.errors import FileError, RequestError

SHAPE = (6, 5, 4)
SIZE = (9, 5, 8)
STEP = np.array([6 / 9, 1, 0.5])
START = (STEP - 1) / 2
TO_INPUT = np.array([[*row, start] for row, start in zip(np.diag(STEP), START, strict=True)])
TO_INPUT = np.vstack([TO_INPUT, (0, 0, 0, 1)])

OFFSETS = {"qoffset_x", "qoffset_y", "qoffset_z"}
SROWS = {"srow_x", "srow_y", "srow_z"}
GRID_FIELDS = {"dim", "pixdim"} | OFFSETS | SROWS
SLICE_FIELDS = {"slice_code", "slice_start", "slice_end", "slice_duration"}

ENCODINGS = [(version, order) for version in (1, 2) for order in "<>"]
SUFFIXES = [".nii", ".nii.gz", ".hdr", ".hdr.gz"]

HIDDEN_BY_NIBABEL = ("scl_slope", "scl_inter", "vox_offset")

COMMENT = extension(6, b"a comment")
AFNI = extension(4, b"<AFNI_attributes/>")
PRIVATE = extension(42, bytes(range(1, 60)))

encodings = pytest.mark.parametrize(("version", "order"), ENCODINGS)


def voxels_of(shape=SHAPE, dtype="i2"):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.fixture
def resampled(tmp_path, resample):
    """``resampled(voxels, options, suffix=…, **header)`` → input, output, warnings."""

    def run(voxels=None, options=None, *, suffix=".nii", **header):
        voxels = voxels_of() if voxels is None else voxels
        options = options or {"size": SIZE[: min(voxels.ndim, 3)]}
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        source = write_volume(folder / f"in{suffix}", voxels, **header)
        output = folder / f"out{suffix}"
        summary = resample(source, output, **options)
        return read_volume(source), read_volume(output), summary.warnings

    return run


def changes(before, after):
    assert (before.version, before.order) == (after.version, after.order)
    return changed_fields(before.header, after.header, before.version, before.order)


def floats(version):
    return np.float32 if version == 1 else np.float64


@encodings
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_only_the_fields_of_the_grid_change(resampled, version, order, suffix):
    before, after, _ = resampled(suffix=suffix, version=version, order=order, dim_info=0b10_00_00)
    assert changes(before, after) == GRID_FIELDS
    assert after.fields["dim"] == (3, *SIZE, *before.fields["dim"][4:])
    assert after.extensions == before.extensions
    assert after.tail == b""


@encodings
def test_the_voxel_size_is_the_old_one_times_the_step(resampled, version, order):
    before, after, _ = resampled(version=version, order=order)
    expected = np.array(before.fields["pixdim"], floats(version))
    expected[1:4] = np.array(before.fields["pixdim"][1:4]) * STEP
    assert np.array_equal(np.array(after.fields["pixdim"], floats(version)), expected)


@encodings
@pytest.mark.parametrize("qfac", [-1.0, 0.0, 1.0])
def test_the_qform_keeps_its_quaternion_and_gets_a_new_offset(resampled, version, order, qfac):
    pixdim = (qfac, 2.0, 2.5, 3.5, 2.5, 6.0, 7.0, 8.0)
    before, after, _ = resampled(version=version, order=order, pixdim=pixdim)
    assert not changes(before, after) & {"quatern_b", "quatern_c", "quatern_d", "qform_code"}
    assert after.fields["pixdim"][0] == qfac
    expected = qform_affine(before.fields) @ TO_INPUT
    tolerance = 1e-5 if version == 1 else 1e-12
    np.testing.assert_allclose(qform_affine(after.fields), expected, rtol=0, atol=tolerance)


@encodings
def test_the_sform_keeps_its_shear(resampled, version, order):
    before, after, _ = resampled(version=version, order=order)
    stored = sform_affine(before.fields)
    columns = stored[:3, :3] / np.linalg.norm(stored[:3, :3], axis=0)
    assert np.abs(columns.T @ columns - np.eye(3)).max() > 0.1
    expected = (stored @ TO_INPUT).astype(floats(version))
    assert np.array_equal(sform_affine(after.fields).astype(floats(version)), expected)


@pytest.mark.parametrize("codes", [(0, 0), (0, 1), (1, 0), (2, 0), (1, 2), (4, 4), (0, 3), (5, 1)])
def test_the_codes_are_kept(resampled, codes):
    before, after, _ = resampled(qform_code=codes[0], sform_code=codes[1])
    assert (after.fields["qform_code"], after.fields["sform_code"]) == codes
    assert changes(before, after) <= GRID_FIELDS | SLICE_FIELDS


def test_forms_that_disagree_are_each_updated_and_reported(resampled):
    before, after, warned = resampled()
    both = f"{qform_affine(before.fields)}{sform_affine(before.fields)}"
    assert np.abs(qform_affine(before.fields) - sform_affine(before.fields)).max() > 1, both
    expected = [form(before.fields) @ TO_INPUT for form in (qform_affine, sform_affine)]
    for form, wanted in zip((qform_affine, sform_affine), expected, strict=True):
        np.testing.assert_allclose(form(after.fields), wanted, rtol=0, atol=1e-5)
    assert len(warned) == 1
    assert "qform and sform disagree" in warned[0]
    assert " mm (codes 1 and 2)" in warned[0]
    assert "in.nii" in warned[0]


def test_forms_that_agree_need_no_warning(resampled):
    fields = new_fields(SHAPE, 4)
    rows = {f"srow_{name}": tuple(row) for name, row in zip("xyz", qform_affine(fields), strict=0)}
    _, after, warned = resampled(**rows)
    assert warned == []
    np.testing.assert_allclose(qform_affine(after.fields), sform_affine(after.fields), atol=1e-5)


def test_without_any_form_only_the_voxel_size_changes(resampled):
    zeros = dict.fromkeys(OFFSETS, 0.0) | dict.fromkeys(SROWS, (0.0,) * 4)
    quaternion = dict.fromkeys(("quatern_b", "quatern_c", "quatern_d"), 0.0)
    before, after, warned = resampled(
        qform_code=0, sform_code=0, dim_info=0b10_00_00, **zeros, **quaternion
    )
    assert changes(before, after) - OFFSETS == {"dim", "pixdim"}
    assert len(warned) == 1
    assert "neither qform nor sform is set" in warned[0]


def test_without_any_form_the_forms_stay_as_they_are(resampled):
    before, after, _ = resampled(qform_code=0, sform_code=0, dim_info=0b10_00_00)
    assert changes(before, after) == {"dim", "pixdim"}


@pytest.mark.parametrize(
    ("dim_info", "size", "is_cleared"),
    [
        (0b01_00_00, (9, 5, 4), True),
        (0b01_00_00, (6, 7, 8), False),
        (0b10_00_00, (6, 7, 4), True),
        (0b10_00_00, (9, 5, 8), False),
        (0b11_00_00, (6, 5, 8), True),
        (0b11_00_00, (9, 7, 4), False),
        (0b11_10_01, (9, 7, 4), False),
        (0b11_10_01, (6, 5, 3), True),
    ],
)
def test_slice_timing_is_cleared_with_the_slice_axis_alone(resampled, dim_info, size, is_cleared):
    before, after, _ = resampled(options={"size": size}, dim_info=dim_info)
    assert changes(before, after) & SLICE_FIELDS == (SLICE_FIELDS if is_cleared else set())
    assert all(after.fields[name] == 0 for name in SLICE_FIELDS) == is_cleared
    assert after.fields["dim_info"] == dim_info


@encodings
@pytest.mark.parametrize(
    ("slope", "intercept"),
    [(0.1, -3.3), (0.0, 5.0), (1.0, 0.0), (np.nan, np.nan), (-2.0, np.inf), (1e-30, 7.0)],
)
def test_slope_and_intercept_stay_and_the_stored_values_are_interpolated(
    resampled, version, order, slope, intercept
):
    voxels = voxels_of()
    scaling = {"scl_slope": slope, "scl_inter": intercept}
    before, after, _ = resampled(voxels, version=version, order=order, **scaling)
    assert not changes(before, after) & {"scl_slope", "scl_inter"}
    _, plain, _ = resampled(voxels, version=version, order=order, scl_slope=1.0)
    assert np.array_equal(after.voxels, plain.voxels)


def test_a_signalling_nan_survives_bit_for_bit(tmp_path, resample):
    source = write_volume(tmp_path / "in.nii", voxels_of())
    raw = bytearray(source.read_bytes())
    raw[112:120] = bytes.fromhex("010080ff cdab90ff".replace(" ", ""))
    source.write_bytes(raw)
    resample(source, tmp_path / "out.nii", scale=2)
    assert (tmp_path / "out.nii").read_bytes()[112:120] == raw[112:120]


def test_time_and_the_axes_after_it_stay(resampled):
    voxels = voxels_of((6, 5, 4, 3, 2))
    before, after, _ = resampled(voxels, {"size": SIZE}, dim_info=0)
    assert after.fields["dim"] == (5, *SIZE, 3, 2, *before.fields["dim"][6:])
    assert after.fields["pixdim"][4:] == before.fields["pixdim"][4:] == (2.5, 6.0, 7.0, 8.0)
    assert not changes(before, after) & {"toffset", "xyzt_units"}


@pytest.mark.parametrize("version", [1, 2])
def test_no_option_touches_what_a_header_merely_carries(resampled, version):
    carried = {"intent_p1", "intent_p2", "intent_p3", "intent_code", "intent_name", "cal_max"}
    carried |= {"cal_min", "aux_file", "descrip", "toffset", "xyzt_units", "dim_info"}
    antialias, nearest = {"scale": 0.5, "antialias": True}, {"size": 1, "mode": "nearest"}
    for options in (antialias, nearest, {"spacing": 1.3}):
        before, after, _ = resampled(options=options, version=version)
        assert not changes(before, after) & carried


def test_nifti_1_refuses_an_axis_that_it_cannot_count(tmp_path, resample, holds_only):
    source = write_volume(tmp_path / "in.nii", voxels_of((4, 1, 1), "u1"))
    with pytest.raises(RequestError, match=r"in\.nii: 32768 voxels .*NIfTI-2"):
        resample(source, tmp_path / "out.nii", size=(32768, 1, 1))
    resample(source, tmp_path / "most.nii", size=(32767, 1, 1))
    assert read_volume(tmp_path / "most.nii").voxels.shape == (32767, 1, 1)
    holds_only("in.nii", "most.nii")


def test_nifti_2_counts_further(resampled):
    _, after, _ = resampled(voxels_of((4, 1, 1), "u1"), {"size": (32768, 1, 1)}, version=2)
    assert after.fields["dim"][:4] == (3, 32768, 1, 1)


@encodings
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_extensions_are_kept_byte_for_byte(resampled, version, order, suffix):
    content = extension(6, b"first", order) + extension(42, bytes(range(1, 60)), order)
    _, after, warned = resampled(
        suffix=suffix, version=version, order=order, extensions=content, flag=b"\1\xab\xcd\xef"
    )
    assert after.extensions[: 4 + len(content)] == b"\1\xab\xcd\xef" + content
    assert not after.extensions[4 + len(content) :].strip(b"\0")
    assert not any("AFNI" in warning for warning in warned)
    assert np.array_equal(after.voxels[:, :, 0].shape, SIZE[:2])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ([AFNI], []),
        ([COMMENT, AFNI], [COMMENT]),
        ([AFNI, PRIVATE], [PRIVATE]),
        ([COMMENT, AFNI, PRIVATE, AFNI], [COMMENT, PRIVATE]),
    ],
)
def test_afnis_extension_is_dropped_with_a_warning(resampled, suffix, content, kept):
    _, after, warned = resampled(suffix=suffix, extensions=b"".join(content))
    rest = b"".join(kept)
    assert after.extensions[0] == bool(kept)
    assert after.extensions[4 : 4 + len(rest)] == rest
    assert not after.extensions[4 + len(rest) :].strip(b"\0")
    assert sum("AFNI" in warning for warning in warned) == 1
    assert np.array_equal(after.voxels, resampled()[1].voxels)


def test_an_extension_flag_of_zero_means_that_none_follows(resampled):
    _, after, warned = resampled(extensions=AFNI, flag=bytes(4))
    assert not any("AFNI" in warning for warning in warned)
    assert after.extensions[: 4 + len(AFNI)] == bytes(4) + AFNI


@encodings
@pytest.mark.parametrize("offset", [0, 4, 20, 164])
def test_voxels_are_found_and_placed_by_their_offset(resampled, version, order, offset):
    size = HEADER_SIZES[version]
    before, after, _ = resampled(version=version, order=order, extensions=bytes(max(0, offset - 4)))
    assert before.fields["vox_offset"] == size + max(offset, 4)
    placed = after.fields["vox_offset"]
    assert placed >= before.fields["vox_offset"]
    assert placed % 16 == 0
    assert after.voxels.shape == SIZE
    assert after.tail == b""


@encodings
@pytest.mark.parametrize("offset", [0, 16, 100])
def test_the_voxels_of_a_pair_are_found_by_their_offset(tmp_path, resample, version, order, offset):
    source = write_volume(
        tmp_path / "in.hdr", voxels_of(), version=version, order=order, vox_offset=offset
    )
    image = tmp_path / "in.img"
    image.write_bytes(b"x" * offset + image.read_bytes())
    resample(source, tmp_path / "out.hdr", scale=1)
    after = read_volume(tmp_path / "out.hdr")
    assert after.fields["magic"] == MAGIC[version, True]
    assert np.array_equal(after.voxels, voxels_of())


@pytest.mark.parametrize(("source", "output"), [(".nii", ".hdr"), (".hdr", ".nii")])
@encodings
def test_single_file_and_pair_turn_into_each_other(
    tmp_path, resample, source, output, version, order
):
    content = extension(6, b"kept", order)
    path = write_volume(
        tmp_path / f"in{source}", voxels_of(), version=version, order=order, extensions=content
    )
    resample(path, tmp_path / f"out{output}", scale=1)
    before, after = read_volume(path), read_volume(tmp_path / f"out{output}")
    assert changes(before, after) == {"magic", "vox_offset"}
    assert after.fields["magic"] == MAGIC[version, output == ".hdr"]
    assert after.extensions[: 4 + len(content)] == before.extensions[: 4 + len(content)]
    assert np.array_equal(after.voxels, voxels_of())


@encodings
@pytest.mark.parametrize("dtype", [RGB, RGBA], ids=["RGB24", "RGBA32"])
def test_colours_are_channels(resampled, version, order, dtype):
    rng = np.random.default_rng(1)
    channels = rng.integers(0, 256, (*SHAPE, dtype.itemsize), np.uint8)
    voxels = channels.reshape(-1, dtype.itemsize).view(dtype).reshape(SHAPE)
    before, after, _ = resampled(voxels, version=version, order=order, dim_info=0b10_00_00)
    assert changes(before, after) == GRID_FIELDS
    for name in dtype.names:
        plain = resampled(voxels[name].copy())[1].voxels
        assert np.array_equal(after.voxels[name], plain)


@encodings
@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_complex_numbers_are_resampled_as_two_parts(resampled, version, order, dtype):
    rng = np.random.default_rng(2)
    voxels = (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)).astype(dtype)
    before, after, _ = resampled(voxels, version=version, order=order, dim_info=0b10_00_00)
    assert changes(before, after) == GRID_FIELDS
    for part in (np.real, np.imag):
        plain = resampled(part(voxels).copy())[1].voxels
        assert np.array_equal(part(after.voxels), plain)


@pytest.mark.parametrize(
    ("datatype", "bytes_each", "what"),
    [(1, 1, "1-bit"), (1536, 16, "float128"), (2048, 32, "complex256"), (3, 1, "datatype 3")],
)
def test_datatypes_without_a_rule_are_refused(
    tmp_path, resample, holds_only, datatype, bytes_each, what
):
    voxels = np.zeros((6 * bytes_each, 5, 4), np.uint8)
    dim = (3, *SHAPE, 1, 1, 1, 1)
    source = write_volume(tmp_path / "in.nii", voxels, datatype=datatype, dim=dim)
    with pytest.raises(FileError, match=rf"in\.nii: it holds .*{what}"):
        resample(source, tmp_path / "out.nii", scale=2)
    holds_only("in.nii")


@pytest.mark.parametrize("mode", ["linear", "cubic", "area", "lanczos"])
def test_blurring_labels_gives_a_warning(resampled, mode):
    _, _, warned = resampled(options={"scale": 2, "mode": mode}, intent_code=1002, sform_code=0)
    assert len(warned) == 1
    assert "labels" in warned[0]
    assert "use label" in warned[0] or "use nearest-exact" in warned[0]


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_copying_labels_gives_none(resampled, mode):
    options = {"scale": 2, "mode": mode}
    assert resampled(options=options, intent_code=1002, sform_code=0)[2] == []


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_a_lone_sample_with_align_corners_spans_its_axis(resampled, mode):
    options = {"size": (1, 5, 7), "mode": mode, "align_corners": True}
    before, after, _ = resampled(options=options)
    step = np.array([6, 1, 3 / 6, 1])
    expected = (sform_affine(before.fields) * step).astype(np.float32)
    assert np.array_equal(sform_affine(after.fields).astype(np.float32), expected)
    assert after.fields["pixdim"][1:4] == (12.0, 2.5, 1.75)
    assert np.array_equal(after.voxels[0, :, 0], before.voxels[0, :, 0])


@encodings
@pytest.mark.parametrize("code", [c for c, dtype in DATATYPES.items() if dtype.kind in "iuf"])
def test_dtype_changes_the_type_of_the_voxels_alone(resampled, version, order, code):
    options = {"scale": 1, "dtype": DATATYPES[code].name}
    before, after, _ = resampled(voxels_of(dtype="i2"), options, version=version, order=order)
    assert changes(before, after) <= {"datatype", "bitpix"}
    assert after.fields["datatype"] == code
    assert after.fields["bitpix"] == DATATYPES[code].itemsize * 8
    assert np.array_equal(after.voxels, before.voxels)


@pytest.mark.parametrize("name", ["float16", "longdouble", "complex64", "S4", "nonsense", "O"])
def test_dtype_refuses_what_nifti_cannot_hold(tmp_path, resample, holds_only, name):
    source = write_volume(tmp_path / "in.nii", voxels_of())
    with pytest.raises(RequestError, match="--dtype: "):
        resample(source, tmp_path / "out.nii", scale=2, dtype=name)
    holds_only("in.nii")


@encodings
def test_the_bytes_of_the_voxels_follow_the_byte_order(resampled, version, order):
    voxels = voxels_of(dtype="i4") * 70001
    before, after, _ = resampled(voxels, {"scale": 1}, version=version, order=order)
    assert before.voxels.dtype.byteorder in ("=", order)
    assert after.voxels.tobytes() == before.voxels.tobytes()
    assert after.header == before.header


def test_a_header_that_no_form_needs_may_hold_a_broken_one(resampled):
    nan_rows = dict.fromkeys(SROWS, (np.nan,) * 4)
    before, after, _ = resampled(sform_code=0, dim_info=0b10_00_00, **nan_rows)
    assert changes(before, after) == GRID_FIELDS - SROWS
    before, after, _ = resampled(qform_code=0, quatern_b=5.0, dim_info=0b10_00_00)
    assert changes(before, after) == GRID_FIELDS - OFFSETS


def test_the_standard_is_what_the_helpers_build(tmp_path):
    for version, order in ENCODINGS:
        path = write_volume(tmp_path / f"{version}.nii", voxels_of(), version=version, order=order)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            image = nib.load(path)
        raw = read_volume(path)
        assert image.header.endianness == order
        np.testing.assert_allclose(image.get_qform(), qform_affine(raw.fields), atol=1e-5)
        np.testing.assert_allclose(image.get_sform(), OBLIQUE, atol=1e-5)
        for name, value in parse_header(raw.header, version, order).items():
            own = np.atleast_1d(image.header[name])
            if own.dtype.kind in "iuf" and name not in HIDDEN_BY_NIBABEL:
                assert np.array_equal(own, np.atleast_1d(value)), name


def test_a_bad_header_is_refused_before_its_voxels_are_looked_at(tmp_path, resample):
    source = write_volume(tmp_path / "in.nii", voxels_of(), dim=(3, 6, -5, 4, 1, 1, 1, 1))
    write_bytes(source, source.read_bytes()[:352])
    with pytest.raises(FileError, match="shape 6×-5×4"):
        resample(source, tmp_path / "out.nii", scale=2)


@pytest.mark.parametrize("dim_info", [0, 0b00_10_01])
@pytest.mark.parametrize(("size", "is_cleared"), [((6, 5, 8), True), ((9, 7, 4), False)])
def test_slices_are_along_z_where_the_header_does_not_say(resampled, dim_info, size, is_cleared):
    before, after, _ = resampled(options={"size": size}, dim_info=dim_info)
    assert changes(before, after) & SLICE_FIELDS == (SLICE_FIELDS if is_cleared else set())


@encodings
def test_afnis_extension_is_told_in_either_byte_order(resampled, version, order):
    content = [extension(code, b"<text/>", order) for code in (6, 4, 42)]
    _, after, warned = resampled(version=version, order=order, extensions=b"".join(content))
    rest = content[0] + content[2]
    assert after.extensions[4 : 4 + len(rest)] == rest
    assert not after.extensions[4 + len(rest) :].strip(b"\0")
    assert sum("AFNI" in warning for warning in warned) == 1


@encodings
@pytest.mark.parametrize("size", [0, 7, -16, 2**31 - 1])
def test_extensions_of_an_impossible_size_are_kept_as_they_are(resampled, version, order, size):
    broken = struct.pack(order + "ii", size, 4) + b"what follows" * 3
    content = extension(6, b"first", order) + broken
    content += bytes(-len(content) % 16)
    _, after, warned = resampled(version=version, order=order, extensions=content)
    assert after.extensions[4 : 4 + len(content)] == content
    assert not any("AFNI" in warning for warning in warned)


@encodings
@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_volume_of_fewer_dimensions_keeps_the_fields_that_it_lacks(
    resampled, version, order, dimensions
):
    voxels = voxels_of(SHAPE[:dimensions])
    before, after, _ = resampled(voxels, {"scale": 2}, version=version, order=order)
    doubled = [2 * n for n in voxels.shape]
    tail = before.fields["dim"][1 + dimensions :]
    assert after.fields["dim"] == (dimensions, *doubled, *tail)
    assert after.fields["pixdim"][1 : 1 + dimensions] == (1.0, 1.25)[:dimensions]
    assert after.fields["pixdim"][1 + dimensions :] == before.fields["pixdim"][1 + dimensions :]
    to_input = np.diag([*[0.5] * dimensions, *[1] * (3 - dimensions), 1])
    to_input[:dimensions, 3] = -0.25
    expected = (sform_affine(before.fields) @ to_input).astype(floats(version))
    assert np.array_equal(sform_affine(after.fields).astype(floats(version)), expected)
    assert changes(before, after) <= GRID_FIELDS


@encodings
@pytest.mark.parametrize(
    ("shape", "scale"), [((1, 5, 4), (2, 1, 1)), ((6, 1, 4), (1, 3, 1)), ((6, 5, 1), (2, 2, 2))]
)
def test_a_lone_voxel_of_an_axis_is_split_like_any_other(resampled, version, order, shape, scale):
    options = {"scale": scale, "mode": "nearest-exact"}
    before, after, _ = resampled(voxels_of(shape), options, version=version, order=order)
    assert after.fields["dim"][:4] == (3, *np.multiply(shape, scale))
    sizes = np.array(before.fields["pixdim"][1:4]) / scale
    np.testing.assert_allclose(after.fields["pixdim"][1:4], sizes, rtol=1e-7)
    ends = [[-0.5, -0.5, -0.5, 1], [n - 0.5 for n in shape] + [1]]
    outer = [[-0.5, -0.5, -0.5, 1], [n - 0.5 for n in after.voxels.shape] + [1]]
    for form in (qform_affine, sform_affine):
        old, new = ends @ form(before.fields).T, outer @ form(after.fields).T
        np.testing.assert_allclose(new, old, rtol=0, atol=1e-5)


@encodings
def test_the_components_of_a_vector_do_not_mix(resampled, version, order):
    voxels = np.stack([np.full(SHAPE, value, "f4") for value in (1, -2, 3)], axis=-1)
    voxels = voxels.reshape(*SHAPE, 1, 3)
    before, after, _ = resampled(
        voxels, {"scale": 2}, version=version, order=order, intent_code=1007
    )
    assert changes(before, after) == GRID_FIELDS | SLICE_FIELDS
    assert after.fields["dim"][:6] == (5, 12, 10, 8, 1, 3)
    assert after.fields["intent_code"] == 1007
    assert [np.unique(after.voxels[..., n]).tolist() for n in range(3)] == [[1], [-2], [3]]


@encodings
@pytest.mark.parametrize("units", [0, 1, 2 | 8, 3 | 16, 3 | 24])
def test_a_spacing_is_in_the_headers_unit_which_stays(resampled, version, order, units):
    options = {"spacing": (1, 1.25, 7)}
    encoding = {"version": version, "order": order, "sform_code": 0, "xyzt_units": units}
    before, after, _ = resampled(voxels_of((6, 5, 4, 2)), options, **encoding)
    assert after.fields["xyzt_units"] == units
    assert after.fields["pixdim"][1:4] == (1, 1.25, 7)
    assert after.fields["pixdim"][4] == before.fields["pixdim"][4] == 2.5


def test_an_sform_alone_is_believed_over_pixdim_which_is_mended(resampled):
    before, after, warned = resampled(options={"scale": 2}, qform_code=0)
    lengths = np.linalg.norm(sform_affine(before.fields)[:3, :3], axis=0)
    np.testing.assert_allclose(after.fields["pixdim"][1:4], lengths / 2, rtol=1e-6)
    assert len(warned) == 1
    assert "disagrees with the sform, which is believed" in warned[0]


@encodings
def test_an_offset_of_0_means_right_after_the_header(tmp_path, resample, version, order):
    source = write_volume(
        tmp_path / "in.nii", voxels_of(), version=version, order=order, vox_offset=0
    )
    resample(source, tmp_path / "out.nii", scale=1)
    assert np.array_equal(read_volume(tmp_path / "out.nii").voxels, voxels_of())


@encodings
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr", ".hdr.gz"])
def test_what_lies_past_the_image_is_named_and_left(resampled, version, order, suffix):
    _, after, warned = resampled(suffix=suffix, version=version, order=order, tail=b"more")
    assert after.tail == b""
    assert sum("4 bytes after the voxels" in warning for warning in warned) == 1
