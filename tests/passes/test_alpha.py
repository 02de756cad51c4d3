"""Colours weighted by alpha: no halo, and PyTorch's bits where nothing is transparent."""

import numpy as np
import pytest

from upsample_cli.passes.alpha import weigh_colours
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.whole import resample_array
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_scale

METHODS = [
    Method(MODES[name], align_corners, antialias)
    for name, align_corners, antialias in (
        ("linear", False, False),
        ("cubic", False, False),
        ("area", False, False),
        ("linear", False, True),
        ("cubic", False, True),
        ("lanczos", False, True),
        ("cubic", True, False),
    )
]
SCALES = [2, 0.4, 1.3]
COLOUR = (200, 13, 77)


def name_of(method):
    return f"{method.mode.name}-{method.align_corners}-{method.antialias}"


def resample(pixels, method, scale, *, weighs=True):
    axes = [axis_from_scale(size, scale, method) for size in pixels.shape[:2]]
    resampler = Resampler(axes, method, pixels.dtype)
    output = np.empty((*resampler.shape_out, pixels.shape[2]), pixels.dtype)
    resample_array(resampler, pixels[np.newaxis], output[np.newaxis], 1)
    if weighs:
        weigh_colours(pixels, output, axes, method, 2)
    return output


def noise(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_one_colour_stays_that_colour_whatever_hides_in_transparency(method, scale):
    alpha = np.random.default_rng(0).choice([0, 255], (70, 61))
    pixels = np.zeros((70, 61, 4), np.uint8)
    pixels[alpha > 0, :3] = COLOUR
    pixels[..., 3] = alpha
    output = resample(pixels, method, scale)
    is_visible = output[..., 3] > 0
    assert is_visible.any()
    wrong = (output[..., :3] != COLOUR).any(axis=-1) & is_visible
    # Alpha is summed in whole numbers, colours in floats: where one rounds to 0, so may the other.
    assert (output[wrong, 3] <= 1).all()
    assert wrong.mean() < 0.01


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_an_opaque_image_is_left_alone(method):
    pixels = noise((40, 30, 4))
    pixels[..., 3] = 255
    straight = resample(pixels, method, 1.3, weighs=False)
    assert np.array_equal(resample(pixels, method, 1.3), straight)


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_far_from_transparency_the_bits_are_those_without_weights(method):
    pixels = noise((60, 50, 4))
    pixels[..., 3] = 255
    pixels[:8, :8, 3] = 3
    straight = resample(pixels, method, 1.3, weighs=False)
    output = resample(pixels, method, 1.3)
    assert np.array_equal(output[20:], straight[20:])
    assert np.array_equal(output[:, 20:], straight[:, 20:])
    assert not np.array_equal(output, straight)


def test_alpha_itself_is_what_it_is_without_weights():
    pixels = noise((40, 30, 2))
    for method in METHODS:
        straight = resample(pixels, method, 2, weighs=False)
        assert np.array_equal(resample(pixels, method, 2)[..., -1], straight[..., -1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_mean_is_that_of_a_plain_loop(dtype):
    pixels = noise((1, 2, 4), dtype)
    (a, b) = pixels[0].astype(float)
    expected = [
        (w * a[:3] * a[3] + (1 - w) * b[:3] * b[3]) / (w * a[3] + (1 - w) * b[3])
        for w in (1, 0.75, 0.25, 0)
    ]
    output = resample(pixels, Method(MODES["linear"]), 2)
    assert np.abs(output[0, :, :3] - expected).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_16_bit_colours_are_as_exact_as_8_bit_ones(method):
    colour = (65_535, 40_001, 1)
    pixels = np.zeros((70, 61, 4), np.uint16)
    pixels[..., 3] = np.random.default_rng(0).choice([0, 21_845, 65_535], (70, 61))
    pixels[pixels[..., 3] > 0, :3] = colour
    output = resample(pixels, method, 1.3)
    is_visible = output[..., 3] > 1
    assert is_visible.any()
    assert (output[is_visible, :3] == colour).all()


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_an_opaque_16_bit_image_is_left_alone(method):
    pixels = noise((40, 30, 4), np.uint16)
    pixels[..., 3] = 65_535
    assert np.array_equal(
        resample(pixels, method, 1.3), resample(pixels, method, 1.3, weighs=False)
    )


def test_hidden_colours_stay_where_all_is_transparent():
    pixels = noise((6, 5, 4))
    pixels[..., 3] = 0
    method = Method(MODES["linear"])
    assert np.array_equal(resample(pixels, method, 2), resample(pixels, method, 2, weighs=False))
