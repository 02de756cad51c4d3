"""``conv-transpose`` on files: the library's numbers, in real units, where the header says."""

import re
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from processes import SAMPLES, snapshot
from ramps import FORMS, QFORM, SHAPE, measured, ramp
from volumes import OBLIQUE, RGB, changed_fields, read_volume, write_volume

from upsample_cli import functional
from upsample_cli.operations import stack
from upsample_cli.passes.transposed import scratch_elements, transposed_array
from upsample_cli.resources import machine
from upsample_cli.sampling.upsampling import UPSAMPLING_KERNELS, upsampling_kernel
from upsample_cli.sampling.windows import Window

WRONG, FAILED = 2, 1
RNG = np.random.default_rng(23)
PLAIN = {"scl_slope": 0.0, "scl_inter": 0.0, "sform_code": 0}
VOXELS = RNG.integers(-900, 900, (7, 6, 5), "i2")
PIXELS = RNG.integers(0, 256, (7, 6, 3), np.uint8)


def save(folder, name, *shape, dtype="f4"):
    array = RNG.normal(size=shape).astype(dtype)
    np.save(folder / name, array)
    return array


def words(line):
    return line.split()


@pytest.fixture
def folder(tmp_path):
    """Return a folder with inputs of every kind, and weights."""
    save(tmp_path, "batch.npy", 2, 4, 7, 6)
    save(tmp_path, "in.npy", 4, 7, 6)
    save(tmp_path, "deep.npy", 1, 2, 4, 5, 6, dtype="f8")
    save(tmp_path, "row.npy", 3, 9)
    save(tmp_path, "w4.npy", 4, 3, 3, 2)
    save(tmp_path, "w2.npy", 4, 1, 3, 3, dtype="f8")
    save(tmp_path, "w3d.npy", 2, 2, 2, 3, 2)
    save(tmp_path, "w1.npy", 1, 1, 3, 2, 3)
    save(tmp_path, "wrow.npy", 3, 2, 4)
    save(tmp_path, "wrgb.npy", 3, 3, 3, 3)
    save(tmp_path, "wgrey.npy", 3, 1, 2, 2)
    save(tmp_path, "b1.npy", 1)
    save(tmp_path, "b3.npy", 3)
    save(tmp_path, "b4.npy", 4)
    Image.fromarray(PIXELS).save(tmp_path / "in.png")
    Image.fromarray(PIXELS[:, :, 0].astype("f4")).save(tmp_path / "in.tif")
    write_volume(tmp_path / "in.nii", VOXELS, scl_slope=0.5, scl_inter=-3.0, sform_code=0)
    write_volume(tmp_path / "plain.nii.gz", VOXELS, **PLAIN)
    return tmp_path


def expected_of(folder, source, weight, **call):
    weight, bias = np.load(folder / weight), call.pop("bias", None)
    array = np.load(folder / source)
    element = np.result_type(array, np.float32)
    bias = None if bias is None else np.load(folder / bias).astype(element)
    function = getattr(functional, f"conv_transpose{weight.ndim - 2}d")
    return function(array.astype(element), weight.astype(element), bias, **call).astype("f4")


ARRAYS = [
    ("batch.npy", "w4.npy", "", {}),
    ("in.npy", "w4.npy", "--bias b3.npy --stride 2x3 --padding 0x1", {
        "bias": "b3.npy", "stride": (3, 2), "padding": (1, 0)}),
    ("batch.npy", "w2.npy", "--groups 4 --stride 2 --output-padding 1x0 --bias b4.npy", {
        "bias": "b4.npy", "groups": 4, "stride": 2, "output_padding": (0, 1)}),
    ("in.npy", "w4.npy", "--stride 3 --dilation 2x1 --output-size 20x22", {
        "stride": 3, "dilation": (1, 2), "output_size": (22, 20)}),
    ("deep.npy", "w3d.npy", "--stride 2 -j 3", {"stride": 2}),
    ("row.npy", "wrow.npy", "--stride 2", {"stride": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("source", "weight", "options", "call"), ARRAYS, ids=str)
def test_arrays_have_the_librarys_numbers(here, folder, source, weight, options, call):
    code, out, err = here("conv-transpose", source, "out.npy", "--weight", weight, *options.split())
    assert (code, out) == (0, ""), err
    assert re.search(r"float\d\d → out\.npy \S+ float32, transposed convolution \(weight\), ", err)
    result = np.load(folder / "out.npy")
    assert result.dtype == np.float32
    assert np.array_equal(result, expected_of(folder, source, weight, **call))


def test_float64_is_computed_and_kept_where_it_is_asked_for(here, folder):
    here(*words("conv-transpose deep.npy out.npy --weight w3d.npy --dtype float64"))
    weight = np.load(folder / "w3d.npy").astype("f8")
    expected = functional.conv_transpose3d(np.load(folder / "deep.npy"), weight)
    assert np.array_equal(np.load(folder / "out.npy"), expected)


def test_items_are_read_together_or_alone(here, folder, monkeypatch):
    command = "conv-transpose batch.npy {} --weight w4.npy"
    here(*command.format("a.npy").split())
    monkeypatch.setattr(stack, "BATCH_BYTES", 1)
    here(*command.format("b.npy").split())
    assert (folder / "a.npy").read_bytes() == (folder / "b.npy").read_bytes()


def test_volumes_are_convolved_in_real_units(here, folder):
    code, _, err = here(
        *words("conv-transpose in.nii out.nii --weight w1.npy --bias b1.npy --stride 2")
    )
    assert code == 0, err
    real = (VOXELS.T * 0.5 - 3).astype("f4")[np.newaxis]
    weight, bias = np.load(folder / "w1.npy"), np.load(folder / "b1.npy")
    expected = functional.conv_transpose3d(real, weight, bias, stride=2)[0]
    before, after = read_volume(folder / "in.nii"), read_volume(folder / "out.nii")
    assert np.array_equal(after.voxels.T, expected)
    assert (after.fields["scl_slope"], after.fields["scl_inter"]) == (1.0, 0.0)
    assert (after.fields["datatype"], after.fields["bitpix"]) == (16, 32)
    changed = changed_fields(before.header, after.header)
    forms = {"qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"}
    data = {"dim", "pixdim", "datatype", "bitpix", "scl_slope", "scl_inter", "vox_offset"}
    assert changed <= forms | data | {"slice_start", "slice_end", "slice_code", "slice_duration"}
    assert after.fields["pixdim"][1:4] == (1.0, 1.25, 1.75)


def test_integers_are_rounded_and_saturated(here, folder):
    code, _, err = here(
        *words("conv-transpose in.nii out.nii --weight w1.npy --stride 2 --dtype uint8")
    )
    assert code == 0
    here(*words("conv-transpose in.nii real.nii --weight w1.npy --stride 2"))
    real = read_volume(folder / "real.nii").voxels
    result = read_volume(folder / "out.nii").voxels
    assert np.array_equal(result, np.clip(np.rint(real), 0, 255).astype("u1"))
    lost = np.count_nonzero(np.rint(real) != result)
    assert f"{lost} values do not fit in uint8" in err


def test_a_series_is_a_batch(here, folder):
    series = RNG.normal(size=(6, 5, 4, 2, 3)).astype("f4")
    write_volume(folder / "series.nii", series, **PLAIN)
    here(*words("conv-transpose series.nii out.nii --weight w1.npy"))
    items = series.T.reshape(6, 1, 4, 5, 6)
    expected = functional.conv_transpose3d(items, np.load(folder / "w1.npy"))
    after = read_volume(folder / "out.nii").voxels
    assert after.shape == (8, 6, 6, 2, 3)
    assert np.array_equal(after.T.reshape(expected.shape), expected)


def test_an_image_with_the_weights_of_its_channels(here, folder):
    weight = np.load(folder / "wrgb.npy")
    code, _, err = here(
        *words("conv-transpose in.png out.png --weight wrgb.npy --stride 2 --dtype uint8")
    )
    assert code == 0, err
    planes = np.ascontiguousarray(np.moveaxis(PIXELS, -1, 0), "f4")
    expected = np.clip(np.rint(functional.conv_transpose2d(planes, weight, stride=2)), 0, 255)
    with Image.open(folder / "out.png") as image:
        assert np.array_equal(np.moveaxis(np.asarray(image), -1, 0), expected)
    code, _, err = here(*words("conv-transpose in.png grey.tif --weight wgrey.npy"))
    assert code == 0, err
    expected = functional.conv_transpose2d(planes, np.load(folder / "wgrey.npy"))
    with Image.open(folder / "grey.tif") as image:
        assert image.mode == "F"
        assert np.array_equal(np.asarray(image), expected[0])


def test_what_a_user_should_know_of_the_input(here, folder):
    labels = PLAIN | {"intent_code": 1002}
    write_volume(folder / "labels.nii", VOXELS, **labels)
    command = "conv-transpose labels.nii {0}.nii --kernel {0} --stride 2"
    assert "invents values between them" in here(*command.format("gaussian").split())[2]
    assert "invents" not in here(*command.format("nearest").split())[2]
    Image.fromarray(np.dstack([PIXELS, PIXELS[:, :, 0]])).save(folder / "alpha.png")
    command = "conv-transpose alpha.png out.png --kernel bilinear --stride 2 --dtype uint8"
    assert "hint: transparency is one channel" in here(*command.split())[2]


# Named kernels


def inner(array, strides):
    """Return what lies more than a stride away from the border."""
    return array[tuple(slice(s, n - s) for s, n in zip(strides, array.shape, strict=True))]


@pytest.mark.parametrize("stride", ["1", "2", "3", "4", "5x2", "1x3"])
def test_bilinear_is_a_linear_resample_away_from_the_border(here, folder, resample, stride):
    numbers = [int(n) for n in (stride if "x" in stride else f"{stride}x{stride}").split("x")]
    code, _, err = here(
        "conv-transpose", "in.tif", "out.tif", "--kernel", "bilinear", "--stride", stride
    )
    assert code == 0, err
    resample(folder / "in.tif", folder / "expected.tif", scale=tuple(map(float, numbers)))
    with Image.open(folder / "out.tif") as out, Image.open(folder / "expected.tif") as expected:
        assert out.size == expected.size == (6 * numbers[0], 7 * numbers[1])
        own, linear = np.asarray(out), np.asarray(expected)
    np.testing.assert_allclose(
        inner(own, numbers[::-1]), inner(linear, numbers[::-1]), rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize("stride", ["2", "3", "3x2x1", "4x1x2"])
def test_bilinear_is_trilinear_on_volumes(here, folder, resample, stride):
    numbers = tuple(int(n) for n in (stride if "x" in stride else "x".join(stride * 3)).split("x"))
    write_volume(folder / "in.nii", VOXELS.astype("f4"), **PLAIN)
    here("conv-transpose", "in.nii", "out.nii", "--kernel", "bilinear", "--stride", stride)
    resample(folder / "in.nii", folder / "expected.nii", scale=tuple(map(float, numbers)))
    own, linear = read_volume(folder / "out.nii"), read_volume(folder / "expected.nii")
    np.testing.assert_allclose(
        inner(own.voxels, numbers), inner(linear.voxels, numbers), rtol=1e-5, atol=2e-3
    )
    geometry = changed_fields(own.header, linear.header)
    assert geometry <= {"scl_slope", "scl_inter"}


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_nearest_repeats_each_voxel(here, folder, stride):
    command = f"conv-transpose plain.nii.gz out.nii.gz --kernel nearest --stride {stride}"
    assert here(*command.split())[0] == 0
    expected = VOXELS
    for axis in range(3):
        expected = np.repeat(expected, stride, axis)
    assert np.array_equal(read_volume(folder / "out.nii.gz").voxels, expected)


@pytest.mark.parametrize("name", UPSAMPLING_KERNELS)
@pytest.mark.parametrize("stride", range(1, 8))
def test_a_constant_stays_constant(name, stride):
    taps, (window,) = upsampling_kernel(name, [stride])
    assert window.transposed_size(10) == 10 * stride
    axis = window.expanded(10, 10 * stride)
    assert axis.start == pytest.approx((axis.step - 1) / 2)
    np.testing.assert_allclose(taps, taps[::-1], rtol=1e-12)
    padded = np.pad(taps, (0, -taps.size % stride)).reshape(-1, stride)
    np.testing.assert_allclose(padded.sum(axis=0), 1, rtol=1e-12)


def test_every_channel_is_enlarged_on_its_own(here, folder):
    save(folder, "five.npy", 2, 3, 4, 5)
    here(*words("conv-transpose five.npy out.npy --kernel gaussian --stride 3x2"))
    taps, _ = upsampling_kernel("gaussian", [2, 3])
    weight = np.tile(taps.astype("f4"), (3, 1, 1, 1))
    expected = functional.conv_transpose2d(
        np.load(folder / "five.npy"), weight, stride=(2, 3), padding=(2, 3), groups=3
    )
    result = np.load(folder / "out.npy")
    assert result.shape == (2, 3, 8, 15)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


def test_colours_of_a_volume(here, folder):
    plain = RNG.integers(0, 256, (4, 4, 3, 3), np.uint8)
    write_volume(folder / "rgb.nii", plain.view(RGB)[..., 0], scl_slope=2.0, sform_code=0)
    command = ["conv-transpose", "rgb.nii", "out.nii", "--kernel", "nearest", "--stride", "2"]
    code, _, err = here(*command)
    assert (code, "--dtype: NIfTI cannot hold float32" in err) == (WRONG, True)
    assert here(*command, "--dtype", "uint8")[0] == 0
    after = read_volume(folder / "out.nii").voxels
    assert np.array_equal(np.stack([after[n] for n in "RGB"], -1)[::2, ::2, ::2], plain)


# Geometry


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stride", ["2", "3x2x4"])
def test_an_enlarged_ramp_lies_where_the_header_says(here, tmp_path, form, stride):
    source = ramp(tmp_path, OBLIQUE if form == "sform" else QFORM, form)
    command = f"conv-transpose in.nii out.nii --kernel bilinear --stride {stride}"
    assert here(*command.split())[0] == 0
    promised, held, _ = measured(source, tmp_path / "out.nii", form)
    inside = ((promised >= 0) & (promised <= np.array(SHAPE) - 1)).all(axis=-1)
    assert inside.mean() > 0.7
    np.testing.assert_allclose(promised[inside], held[inside], atol=2e-4)


def test_an_asymmetric_window_is_placed_by_its_centre(here, folder):
    """A lone tap of 1 in the middle puts each voxel where the header says."""
    weight = np.zeros((1, 1, 5, 3, 3), "f4")
    weight[0, 0, 2, 1, 1] = 1
    np.save(folder / "delta.npy", weight)
    write_volume(folder / "in.nii", VOXELS, **(PLAIN | {"qform_code": 0, "sform_code": 1}))
    here(*words("conv-transpose in.nii out.nii --weight delta.npy --stride 3 --padding 1x0x2"))
    before, after = read_volume(folder / "in.nii"), read_volume(folder / "out.nii")
    rows = np.array([after.fields[f"srow_{n}"] for n in "xyz"])
    own = np.array([before.fields[f"srow_{n}"] for n in "xyz"])
    there = np.argwhere(after.voxels)
    where = there @ rows[:, :3].T + rows[:, 3]
    voxels = np.argwhere(VOXELS)
    assert len(there) == len(voxels)
    np.testing.assert_allclose(where, voxels @ own[:, :3].T + own[:, 3], atol=1e-4)


# The command line


def test_processes(cli, folder):
    command = ["conv-transpose", "in.nii", "{}", "--kernel", "bilinear", "--stride", "2"]
    done = cli(*[word.replace("{}", "out.nii.gz") for word in command])
    assert (done.returncode, done.stdout) == (0, b"")
    line = r"in\.nii 7×6×5 int16 → out\.nii\.gz 14×12×10 float32, transposed convolution "
    assert re.fullmatch(line + r"\(bilinear\), \d+\.\d s\n", done.stderr)
    piped = [{"in.nii": "-", "{}": "-"}.get(word, word) for word in command]
    data = (folder / "in.nii").read_bytes()
    done = cli(*piped, "--format", "nii.gz", "-q", stdin=data)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (folder / "out.nii.gz").read_bytes()


REQUESTS = [
    ("in.png out.png --kernel bilinear --stride 2", "--dtype: RGB pixels are uint8, never float32; "
     "use uint8"),
    ("in.tif out.png --kernel bilinear --stride 2", "or use --dtype uint8"),
    ("in.nii out.nii", "--weight: is missing; use either --weight or --kernel"),
    ("in.nii out.nii --kernel bilinear --weight w1.npy", "--weight: and --kernel exclude"),
    ("in.nii out.nii --kernel bilinear", "--stride: is missing"),
    ("in.nii out.nii --kernel cubic --stride 2", "--kernel: 'cubic' is not one of"),
    ("in.nii out.nii --kernel nearest --stride 2 --padding 1", "--padding: goes with --weight"),
    ("in.nii out.nii --kernel nearest --stride 2x2", "--stride: 2 numbers were given for 3 axes"),
    ("in.nii out.nii --kernel nearest --stride 2 --output-size 9", "--output-size: an output"),
    ("in.nii out.nii --weight w4.npy", "--weight: has 4 axes, but in.nii has 3 spatial ones"),
    ("in.nii out.nii --weight w3d.npy", "--weight: takes 2 channels, but in.nii has 1"),
    ("batch.npy out.npy --weight w4.npy --groups 3", "--groups: 4 channels do not make 3 groups"),
    ("batch.npy out.npy --weight w4.npy --bias b4.npy", "--bias: has shape (4,); use (3,)"),
    ("batch.npy out.npy --weight w4.npy --output-padding 1", "--output-padding: an output_padding"),
    ("batch.npy out.npy --weight w4.npy --padding 9", "--padding: "),
    ("batch.npy out.npy --weight w4.npy --stride 2 --output-padding 1 --output-size 13",
     "--output-padding: and --output-size exclude each other"),
    ("row.npy out.npy --weight w4.npy",
     "--weight: of 4 axes does not go with an input of shape (3, 9); use"),
    ("in.png out.png --weight w4.npy --dtype uint8", "--weight: takes 4 channels, but in.png"),
    ("in.nii out.nii --kernel nearest --stride 2 --dtype int99", "--dtype: int99 is unknown"),
    ("in.nii out.nii --kernel nearest --stride 2 --dtype complex64", "--dtype: is complex64"),
    ("complex.npy out.npy --kernel nearest --stride 2", "complex.npy: holds complex64"),
    ("rgb.nii out.nii --kernel nearest --stride 2 --dtype int16",
     "--dtype: NIfTI cannot hold int16 in this volume; use one of uint8\n"),
    ("in.npy out.npy --weight w4.npy --dilation 6000000000", "--dilation: 6000000000 is too large"),
    ("in.nii out.nii --kernel gaussian --stride 2000000000", "--stride: a kernel of 6000000000 is"),
    ("in.nii out.nii --kernel bilinear --stride 9999", "--stride: needs"),
    ("row.npy out.npy --weight wrow.npy --stride 2 --dilation 600000000 --padding 600000000",
     "of memory, but"),
    ("in.nii out.nii --weight -", "--weight: cannot be standard input"),
    ("in.nii w1.npy --kernel nearest --stride 2", "w1.npy: exists"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), REQUESTS)
def test_wrong_requests(here, folder, monkeypatch, line, message):
    monkeypatch.setattr(machine, "available_memory", lambda: 2**30)
    write_volume(folder / "rgb.nii", PIXELS[:, :, np.newaxis].view(RGB)[..., 0])
    np.save(folder / "complex.npy", np.ones((4, 4), "c8"))
    before = snapshot(folder)
    code, out, err = here("conv-transpose", *line.split())
    assert (code, out) == (WRONG, "")
    assert err.startswith("upsample-cli: error: ")
    assert message in err
    assert len(err.splitlines()) == 1
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("none.npy", "none.npy: does not exist"),
        ("in.png", "in.png: is of kind image; use a .npy array"),
        ("complex.npy", "complex.npy: holds complex64"),
        ("cut.npy", "cut.npy: is truncated"),
    ],
)
def test_bad_weights(here, folder, weight, message):
    np.save(folder / "complex.npy", np.ones((1, 1, 2, 2, 2), "c8"))
    (folder / "cut.npy").write_bytes((folder / "w1.npy").read_bytes()[:-4])
    before = snapshot(folder)
    code, _, err = here("conv-transpose", "in.nii", "out.nii", "--weight", weight)
    assert code == FAILED
    assert message in err
    assert len(err.splitlines()) == 1
    assert snapshot(folder) == before


@pytest.mark.parametrize("value", [1.0, np.inf])
def test_the_memory_of_padding_and_of_stamps_is_known(value):
    """The estimate is of what is allocated, for either way of adding up the stamps."""
    source, weight = np.ones((1, 1, 1, 1, 1, 9)), np.full((1, 1, 1, 1, 1, 3), value)
    windows = [Window(1, 1), Window(1, 1), Window(3, 1, padding=10**6, dilation=10**6)]
    target = np.empty((1, 1, 1, 1, 1, 9))
    tracemalloc.start()
    transposed_array(source, weight, np.zeros((1, 1)), windows, target, 1)
    peak = tracemalloc.get_traced_memory()[1] / 8
    tracemalloc.stop()
    estimate = scratch_elements(source.shape, weight, windows, target.shape)
    assert 0.9 * peak < estimate < 1.2 * peak


def test_help_shows_the_layout_of_weights(here):
    flat = re.sub(r"[\s│]+", " ", here("conv-transpose", "--help")[1])
    assert "(C_in, C_out / groups, kernel sizes)" in flat


def test_explain_fills_in_the_formulas_and_writes_nothing(here, folder):
    before = snapshot(folder)
    command = "conv-transpose in.nii out.nii --weight w1.npy --stride 2 --output-padding 1x0x0"
    code, out, err = here(*command.split(), "--explain")
    assert (code, err, snapshot(folder)) == (0, "", before)
    assert "x            16 = (7 - 1) * 2 - 2 * 0 + 1 * (3 - 1) + 1 + 1" in out
    assert "output   16×12×11 float32" in out
    assert re.search(r"^x +7 +16 +-0\.5 +0\.5$", out, re.M)
    assert "affine" in out


def test_the_sample_volume(here, tmp_path, resample):
    source = SAMPLES / "brain.nii.gz"
    command = ["conv-transpose", source, "out.nii.gz", "--kernel", "bilinear", "--stride", 2]
    assert here(*command)[0] == 0
    resample(source, tmp_path / "linear.nii.gz", scale=2, dtype="float32")
    own, linear = (read_volume(tmp_path / f"{name}.nii.gz") for name in ("out", "linear"))
    real = linear.voxels * linear.fields["scl_slope"] + linear.fields["scl_inter"]
    strides = (2, 2, 2)
    np.testing.assert_allclose(inner(own.voxels, strides), inner(real, strides), atol=0.02)
    assert changed_fields(own.header, linear.header) == {"scl_slope", "scl_inter"}
