"""Small images, which PyTorch resamples by other code; see ``upsample_cli.sampling.small``."""

import naive
import numpy as np
import pytest
from inprocess import resample_file
from PIL import Image

from upsample_cli import interpolate
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.streaming import stream_item
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_size

FLOATS = ("float16", "float32", "float64")
BILINEAR = Method(MODES["linear"])


@pytest.mark.parametrize("channels", [1, 4, 8, 9, 17])
@pytest.mark.parametrize("dtype", FLOATS)
def test_bilinear_is_the_plain_loop(dtype, channels):
    array = naive.pseudo_random((1, channels, 5, 4), dtype, channels)
    for options in (
        {"size": (7, 6)},
        {"size": (3, 4), "align_corners": True},
        {"size": (1, 5), "align_corners": True},
        {"scale_factor": (1.1, 1.9)},
    ):
        result = interpolate(array, mode="bilinear", **options)
        scales, corners = options.get("scale_factor"), options.get("align_corners", False)
        expected = naive.small_bilinear(array, result.shape[2:], scales, corners)
        assert np.array_equal(result, expected), options


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("dtype", ["bool", "int16", "uint8", *FLOATS])
def test_nearest_copies_the_same_voxels_in_every_dtype(dtype, mode):
    rng = np.random.default_rng(5)
    array = naive.pseudo_random((2, 3, 31, 9), dtype, 7)
    for _ in range(200):
        scales = float(rng.uniform(1 / 31, 4)), float(rng.uniform(1 / 9, 4))
        result = interpolate(array, scale_factor=scales, mode=mode)
        is_small = sum(result.shape[2:]) <= 128
        float_type = np.float64 if dtype == "float64" else np.float32
        index = [
            naive.small_nearest_index(n, out, 1 / scale, mode)
            if is_small
            else naive.nearest_index(n, out, 1 / scale, mode, float_type)
            for n, out, scale in zip((31, 9), result.shape[2:], scales, strict=True)
        ]
        assert np.array_equal(result, array[:, :, index[0]][:, :, :, index[1]])


def test_nearest_keeps_and_doubles_sizes_whatever_the_scale():
    row = np.arange(10.0).reshape(1, 1, 1, 10)
    kept = interpolate(row, scale_factor=(1.0, 1.09), mode="nearest")
    doubled = interpolate(row, scale_factor=(1.0, 2.05), mode="nearest")
    assert kept.ravel().tolist() == list(range(10))
    assert doubled.ravel().tolist() == [n // 2 for n in range(20)]
    volume = interpolate(row[:, :, np.newaxis], scale_factor=(1.0, 1.0, 2.05), mode="nearest")
    assert not np.array_equal(volume.ravel(), doubled.ravel())


def test_small_ends_where_height_and_width_make_more_than_128():
    array = naive.pseudo_random((1, 1, 9, 11), "float32", 3)
    for width, is_small in ((126, True), (127, False)):
        result = interpolate(array, size=(2, width), mode="bilinear")
        expected = naive.small_bilinear(array, (2, width))
        assert np.array_equal(result, expected) == is_small


def test_one_pixel_of_many_channels_is_small_at_any_size():
    value = np.float32(0.1)
    for channels in (3, 4):
        array = np.full((1, channels, 1, 1), value)
        result = interpolate(array, size=(130, 7), mode="bilinear")
        assert np.array_equal(result, naive.small_bilinear(array, (130, 7))) == (channels > 3)


def test_infinity_on_an_axis_of_unchanged_size_is_weighed():
    array = np.ones((1, 1, 4, 4), np.float32)
    array[0, 0, 1, 1], array[0, 0, 3, 3] = np.inf, np.nan
    result = interpolate(array, size=(4, 8), mode="bilinear")
    with np.errstate(invalid="ignore"):
        expected = naive.small_bilinear(array, (4, 8))
    assert np.isnan(result[0, 0, 1, 1:4]).all()
    assert not np.isinf(result).any()
    assert np.array_equal(result, expected, equal_nan=True)


@pytest.mark.parametrize("dtype", FLOATS)
def test_large_inputs_are_streamed_to_the_same_bits(dtype):
    axes = [axis_from_size(*sizes, BILINEAR) for sizes in ((301, 64), (40, 64))]
    resampler = Resampler(axes, BILINEAR, dtype, channels=1)
    item = naive.pseudo_random((301, 40, 1), dtype, 1)
    whole = interpolate(item[np.newaxis, np.newaxis, ..., 0], size=(64, 64), mode="bilinear")
    for chunk, slab in ((1, 1), (7, 64), (301, 5)):
        chunks = (item[begin : begin + chunk] for begin in range(0, 301, chunk))
        slabs = [part for part, _ in stream_item(resampler, chunks, 2, slab)]
        assert np.array_equal(np.concatenate(slabs)[..., 0], whole[0, 0])


def test_items_on_threads_and_in_strips_have_the_same_bits():
    few = naive.pseudo_random((1, 9, 1100, 1000), "float32", 2)
    result = interpolate(few, size=(40, 33), mode="bilinear")
    for channel in (0, 7, 8):
        same = 8 if channel < 8 else 1
        alone = np.repeat(few[:, channel : channel + 1], same, axis=1)
        expected = interpolate(alone, size=(40, 33), mode="bilinear")
        assert np.array_equal(result[:, channel], expected[:, 0])


@pytest.mark.parametrize("shape", [(6, 5), (9, 6, 5), (2, 9, 6, 5)])
@pytest.mark.parametrize("size", [(7, 12), (200, 3)])
def test_arrays_in_files_follow_their_channels(tmp_path, shape, size):
    array = naive.pseudo_random(shape, "float32", 4)
    np.save(tmp_path / "a.npy", array)
    resample_file(tmp_path / "a.npy", tmp_path / "b.npy", size=size[::-1], mode="bilinear")
    tensor = array.reshape((1,) * (4 - len(shape)) + shape)
    expected = interpolate(tensor, size=size, mode="bilinear")
    assert np.array_equal(np.load(tmp_path / "b.npy"), expected.reshape(*shape[:-2], *size))


def test_a_large_array_in_a_file_becomes_a_small_image(tmp_path):
    """Each item is larger than what is read at once."""
    array = naive.pseudo_random((9, 1500, 1500), "float32", 4)
    np.save(tmp_path / "a.npy", array)
    resample_file(tmp_path / "a.npy", tmp_path / "b.npy", size=(30, 20), mode="bilinear")
    expected = interpolate(array[np.newaxis], size=(20, 30), mode="bilinear")
    assert np.array_equal(np.load(tmp_path / "b.npy"), expected[0])


def test_images_in_files_follow_the_small_rule(tmp_path):
    pixels = naive.pseudo_random((10, 10, 3), "uint8", 4)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    resample_file(tmp_path / "a.png", tmp_path / "b.png", scale=2.05, mode="nearest")
    assert np.array_equal(
        np.asarray(Image.open(tmp_path / "b.png")), pixels.repeat(2, 0).repeat(2, 1)
    )
