"""Max-pool and max-unpool: PyTorch's arguments, shapes, values, indices and errors."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upsample_cli import functional
from upsample_cli.functional import (
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from upsample_cli.passes import pooling as passes
from upsample_cli.passes.pooling import pool_array, unpool_array
from upsample_cli.sampling.windows import Window

POOL = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}
UNPOOL = {1: max_unpool1d, 2: max_unpool2d, 3: max_unpool3d}
ORDERED = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
ORDERED += ["float16", "float32", "float64"]
EVERY_DTYPE = [*ORDERED, "complex64", "complex128", "longdouble"]
IMAGE = (1, 2, 6, 6)


def few_values(rng, shape, dtype):
    """Return values with many ties and, in floats, NaN, infinities and both zeros."""
    pool = np.array([0, 0, 1, 2, 3, 100])
    if np.dtype(dtype).kind == "f":
        pool = np.array([-math.inf, -1.5, -0.0, 0.0, 1, 2, math.inf, math.nan])
    elif np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        pool = np.array([limits.min, limits.min, 0, 1, limits.max - 1, limits.max], dtype)
    return rng.choice(pool, shape).astype(dtype)


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@st.composite
def poolings(draw):
    """Draw a seed, a shape, a dtype and the arguments of a pooling that PyTorch accepts."""
    spatial = draw(st.integers(1, 3))
    most = {1: 40, 2: 12, 3: 6}[spatial]
    kernel = [draw(st.integers(1, 4)) for _ in range(spatial)]
    options = {
        "kernel_size": kernel,
        "stride": [draw(st.integers(1, 4)) for _ in range(spatial)],
        "padding": [draw(st.integers(0, k // 2)) for k in kernel],
        "dilation": [draw(st.integers(1, 3)) for _ in range(spatial)],
        "ceil_mode": draw(st.booleans()),
    }
    least = [
        max(1, d * (k - 1) + 1 - 2 * p)
        for k, p, d in zip(kernel, options["padding"], options["dilation"], strict=True)
    ]
    shape = [draw(st.integers(1, 2)) for _ in range(draw(st.integers(1, 2)))]
    shape += [draw(st.integers(n, n + most)) for n in least]
    return draw(st.integers(0, 999)), tuple(shape), draw(st.sampled_from(ORDERED)), options


def pooled_sizes(sizes, kernel_size, stride, padding, dilation, ceil_mode):
    """Return the output sizes by PyTorch's formula."""
    result = []
    for n, k, s, p, d in zip(sizes, kernel_size, stride, padding, dilation, strict=True):
        windows = (n + 2 * p - d * (k - 1) - 1) / s + 1
        count = math.ceil(windows) if ceil_mode else math.floor(windows)
        result.append(count - (ceil_mode and (count - 1) * s >= n + p))
    return tuple(result)


@settings(max_examples=200)
@given(poolings())
def test_any_pooling_is_the_plain_loop(pooling):
    seed, shape, dtype, options = pooling
    spatial = len(options["kernel_size"])
    array = few_values(np.random.default_rng(seed), shape, dtype)
    values, indices = POOL[spatial](array, **options, return_indices=True)
    sizes = pooled_sizes(shape[-spatial:], **options)
    assert values.shape == indices.shape == (*shape[:-spatial], *sizes)
    assert indices.dtype == np.int64
    arguments = [options[name] for name in ("kernel_size", "stride", "padding", "dilation")]
    for item in np.ndindex(shape[:-spatial]):
        maxima, places = naive.max_pool(array[item], sizes, *arguments)
        assert same_bits(values[item], maxima)
        assert np.array_equal(indices[item], places)
    assert same_bits(POOL[spatial](array, **options), values)


@settings(max_examples=100)
@given(poolings())
def test_unpooling_keeps_maxima_in_place(pooling):
    seed, shape, _, options = pooling
    spatial = len(options["kernel_size"])
    rng = np.random.default_rng(seed)
    # Without gaps in the windows, the size before pooling is within reach.
    options |= {"dilation": 1, "ceil_mode": False, "padding": 0}
    sizes = [max(n, k) for n, k in zip(shape[-spatial:], options["kernel_size"], strict=True)]
    shape = (*shape[:-spatial], *sizes)
    array = rng.permutation(math.prod(shape)).reshape(shape).astype(np.float32) + 1
    values, indices = POOL[spatial](array, **options, return_indices=True)
    stride = options["stride"]
    back = UNPOOL[spatial](values, indices, options["kernel_size"], stride, 0, sizes)
    assert back.shape == array.shape
    kept = back != 0
    assert np.array_equal(back[kept], array[kept])
    assert np.array_equal(np.unique(back[kept]), np.unique(values))
    assert np.array_equal(POOL[spatial](back, **options), values)


@pytest.mark.parametrize("dtype", EVERY_DTYPE)
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_unpool_copies_bits_and_the_last_duplicate_stays(spatial, dtype):
    rng = np.random.default_rng(spatial)
    shape = (2, 3, *(3, 4, 5)[:spatial])
    values = rng.integers(0, 200, shape).astype(dtype)
    if values.dtype.kind in "fc":
        values.flat[::7] = math.nan
        values.flat[1] = -0.0
    sizes = [2 * n for n in shape[2:]]
    indices = rng.integers(0, math.prod(sizes), shape)
    result = UNPOOL[spatial](values, indices, 2)
    expected = [
        [naive.max_unpool(v, i, sizes) for v, i in zip(*pair, strict=True)]
        for pair in zip(values, indices, strict=True)
    ]
    assert result.dtype == values.dtype
    assert np.array_equal(result, expected, equal_nan=values.dtype.kind in "fc")
    assert np.array_equal(np.signbit(result.real), np.signbit(np.real(expected)))
    single = UNPOOL[spatial](values[1], indices[1], 2)
    assert np.array_equal(single, expected[1], equal_nan=values.dtype.kind in "fc")


def test_the_last_nan_of_a_window_wins():
    row = np.array([[1, math.nan, 2, math.nan, 5, 3]], np.float32)
    values, indices = max_pool1d(row, 3, 1, return_indices=True)
    assert np.isnan(values).all()
    assert indices.tolist() == [[1, 3, 3, 3]]


def test_ties_take_the_first_and_nothing_takes_the_first_tap_in_the_input():
    zeros = np.array([[-0.0, 0.0, 0.0, -0.0]])
    values, indices = max_pool1d(zeros, 2, return_indices=True)
    assert np.signbit(values).tolist() == [[True, False]]
    assert indices.tolist() == [[0, 2]]
    lowest = np.full((1, 4), -math.inf, np.float16)
    assert max_pool1d(lowest, 3, 2, 1, return_indices=True)[1].tolist() == [[0, 1]]


def test_ceil_mode_drops_a_window_that_begins_beyond_the_input():
    row = np.arange(5.0).reshape(1, 5)
    assert max_pool1d(row, 2, ceil_mode=True).tolist() == [[1, 3, 4]]
    assert max_pool1d(row[:, :4], 2, 3, 1, ceil_mode=True).tolist() == [[0, 3]]
    assert max_pool1d(row[:, :1], 1, 3, ceil_mode=True).tolist() == [[0]]


def test_a_kernel_far_larger_than_the_input_takes_no_longer():
    """Its 10**18 taps would take for ever, if those in the padding were visited."""
    array = np.random.default_rng(1).normal(size=(1, 3, 4, 5))
    options = (10**6, 1, 5 * 10**5)
    values, indices = max_pool3d(array, *options, return_indices=True)
    assert values.shape == (1, 4, 5, 6)
    assert (values == array.max()).all()
    assert (indices == array.argmax()).all()


def test_scalars_tuples_and_an_empty_stride_are_alike():
    image = naive.pseudo_random(IMAGE, "float32", 1)
    expected = max_pool2d(image, (2, 2), (2, 2), (1, 1), (1, 1))
    for stride in (2, None, (), [], (2,), [2, 2], np.int32(2)):
        assert np.array_equal(max_pool2d(image, 2, stride, [1], 1), expected)


def test_layout_and_byte_order_do_not_matter():
    image = naive.pseudo_random((6, 7, 2, 3), "float32", 2)
    turned = image.transpose(3, 2, 0, 1)
    expected = max_pool2d(np.ascontiguousarray(turned), 3, 2, return_indices=True)
    for given_as in (turned, turned.astype(">f4"), turned.tolist()):
        values, indices = max_pool2d(given_as, 3, 2, return_indices=True)
        assert np.array_equal(values, expected[0])
        assert np.array_equal(indices, expected[1])


@pytest.mark.parametrize("shape", [(0, 2, 6), (0, 2, 6, 6), (0, 2, 6, 6, 6)])
def test_an_empty_batch_stays_empty(shape):
    spatial = len(shape) - 2
    values, indices = POOL[spatial](np.zeros(shape), 2, return_indices=True)
    assert values.shape == indices.shape == (0, 2, *[3] * spatial)
    assert UNPOOL[spatial](values, indices, 2).shape == shape


@pytest.mark.parametrize("shape", [(1, 2, 300, 700), (3, 9, 70, 90)])
def test_the_number_of_threads_does_not_matter(monkeypatch, shape):
    monkeypatch.setattr(passes, "TASK_TAPS", 2**16)
    array = few_values(np.random.default_rng(3), shape, "float32")
    windows = [Window(3, 2, 1, 1)] * 3
    sizes = [window.pooled_size(n) for window, n in zip(windows, shape[1:], strict=True)]
    runs = [pool_array(array, windows, sizes, threads) for threads in (1, 2, 5)]
    for values, indices in runs[1:]:
        assert same_bits(values, runs[0][0])
        assert same_bits(indices, runs[0][1])
    values, indices = (part.reshape(shape[0], -1) for part in runs[0])
    targets = [np.zeros((shape[0], math.prod(shape[1:])), np.float32) for _ in range(3)]
    for threads, target in zip((1, 2, 5), targets, strict=True):
        assert unpool_array(values, indices, target, threads) == -1
    assert same_bits(targets[0], targets[1])
    assert same_bits(targets[0], targets[2])


@pytest.mark.parametrize(
    ("shape", "options", "error", "message"),
    [
        (IMAGE, {"kernel_size": 0}, ValueError, "a kernel of 0 is not possible; use at least 1"),
        (IMAGE, {"kernel_size": (2, 2, 2)}, ValueError, "kernel_size has 3 numbers for 2 spatial"),
        (IMAGE, {"kernel_size": ()}, ValueError, "kernel_size has 0 numbers for 2 spatial"),
        (IMAGE, {"kernel_size": 2.0}, TypeError, "kernel_size must be whole numbers, not 2.0"),
        (IMAGE, {"kernel_size": True}, TypeError, "kernel_size must be whole numbers, not True"),
        (IMAGE, {"kernel_size": 7}, ValueError, "7 voxels does not fit into 6.* smaller kernel"),
        (IMAGE, {"stride": 0}, ValueError, "a stride of 0 is not possible"),
        (IMAGE, {"stride": "2"}, TypeError, "stride must be whole numbers, not '2'"),
        (IMAGE, {"padding": -1}, ValueError, "a padding of -1 is negative"),
        (IMAGE, {"padding": 2}, ValueError, "more than half of a kernel of 2; use at most 1"),
        (IMAGE, {"padding": 2, "dilation": 3}, ValueError, "more than half of a kernel of 2"),
        (IMAGE, {"padding": None}, TypeError, "padding must be whole numbers, not None"),
        (IMAGE, {"dilation": 0}, ValueError, "a dilation of 0 is not possible"),
        (IMAGE, {"dilation": 6}, ValueError, "a window of 7 voxels does not fit into 6"),
        (IMAGE, {"kernel_size": 2**31, "padding": 2**30}, ValueError, "a kernel of .* too large"),
        (IMAGE, {"stride": 10**20}, ValueError, "a stride of 1.* is too large"),
        (IMAGE, {"padding": 2**31}, ValueError, "a padding of .* is too large"),
        (IMAGE, {"dilation": 2**31}, ValueError, "a dilation of .* is too large"),
        (IMAGE, {"ceil_mode": 1}, TypeError, "ceil_mode must be True or False, not 1"),
        ((6, 6), {}, ValueError, r"2 dimensions; use 4 \(N, C, H, W\) or 3 \(C, H, W\)"),
        ((1, 1, 1, 6, 6), {}, ValueError, "input has 5 dimensions; use 4"),
        ((1, 0, 6, 6), {}, ValueError, r"input of shape \(1, 0, 6, 6\) is empty; only the batch"),
        ((0, 6, 6), {}, ValueError, r"input of shape \(0, 6, 6\) is empty"),
        ((1, 1, 6, 0), {}, ValueError, "is empty"),
    ],
)
def test_pooling_that_is_refused(shape, options, error, message):
    with pytest.raises(error, match=message):
        max_pool2d(np.zeros(shape), **{"kernel_size": 2, **options})


@pytest.mark.parametrize("dtype", ["complex64", "longdouble", "datetime64[s]", "U3"])
def test_what_has_no_order_is_not_pooled(dtype):
    with pytest.raises(TypeError, match="has no maximum here"):
        max_pool1d(np.zeros((1, 4), dtype), 2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kernel_size": (2,)}, ValueError, "kernel_size has 1 numbers for 2 spatial axes"),
        ({"kernel_size": 0}, ValueError, "a kernel of 0 is not possible"),
        ({"kernel_size": 2.0}, TypeError, "kernel_size must be whole numbers"),
        ({"stride": 0}, ValueError, "a stride of 0 is not possible"),
        ({"stride": ()}, ValueError, "stride has 0 numbers for 2"),
        ({"padding": 9}, ValueError, "leave a size of -12; use a smaller padding"),
        ({"padding": -1}, ValueError, "a padding of -1 is negative"),
        ({"padding": 2}, ValueError, r"index \d+ at position .* outside the output of size 2 × 2"),
        ({"output_size": (5, 5)}, ValueError, "outside the output of size 5 × 5"),
        ({"output_size": (8, 8)}, ValueError, "size of 8 does not pool to 3; use 5 to 7"),
        ({"output_size": (4, 6)}, ValueError, "size of 4 does not pool to 3; use 5 to 7"),
        ({"output_size": (6, 6, 6)}, ValueError, "output_size has 3 numbers; use 2, or 4"),
        ({"output_size": 6}, TypeError, "output_size must be a sequence of whole numbers, not 6"),
        ({"output_size": (6.0, 6.0)}, TypeError, "output_size must be whole numbers, not 6.0"),
    ],
)
def test_unpooling_that_is_refused(options, error, message):
    values, indices = max_pool2d(np.arange(36.0).reshape(1, 1, 6, 6), 2, return_indices=True)
    with pytest.raises(error, match=message):
        max_unpool2d(values, indices, **{"kernel_size": 2, **options})


def test_indices_that_are_refused():
    values, indices = max_pool2d(np.arange(36.0).reshape(1, 1, 6, 6), 2, return_indices=True)
    with pytest.raises(TypeError, match="indices must be int64, not int32"):
        max_unpool2d(values, indices.astype(np.int32), 2)
    with pytest.raises(ValueError, match=r"indices of shape \(1, 3, 3\) do not go with"):
        max_unpool2d(values, indices[0], 2)
    with pytest.raises(ValueError, match=r"index -1 at position .*outside"):
        max_unpool2d(values, indices * 0 - 1, 2)
    wrong = indices.copy()
    wrong[0, 0, 2, 1] = 36
    with pytest.raises(ValueError, match=r"index 36 at position \(0, 0, 2, 1\) .* size 6 × 6"):
        max_unpool2d(values, wrong, 2)
    with pytest.raises(ValueError, match=r"\(1, 0, 3\) is empty; only its first axis"):
        max_unpool1d(np.zeros((1, 0, 3)), np.zeros((1, 0, 3), np.int64), 2)
    with pytest.raises(ValueError, match="input has 1 dimensions; use 3"):
        max_unpool1d(np.zeros(3), np.zeros(3, np.int64), 2)
    with pytest.raises(TypeError, match="cannot be unpooled"):
        max_unpool1d(np.array([["a"]]), np.zeros((1, 1), np.int64), 2)


def test_a_mask_is_not_lost_silently():
    masked = np.ma.masked_array(np.zeros((1, 4)), mask=[[0, 1, 0, 0]])
    with pytest.raises(TypeError, match=r"masked array.*filled"):
        max_pool1d(masked, 2)
    assert functional.max_pool1d is max_pool1d


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (4, 3, 1)])
def test_windows_place_their_centres(kernel, stride, padding):
    window = Window(kernel, stride, padding)
    ramp = np.arange(20.0).reshape(1, 20)
    axis = window.pooled(20)
    middle = (
        max_pool1d(ramp, kernel, stride, padding) - max_pool1d(-ramp, kernel, stride, padding)
    ) / 2
    expected = axis.source(np.float64)
    inside = slice(1, axis.size_out - 1)
    assert np.allclose(middle[0, inside], expected[inside])
    back = window.expanded(axis.size_out, 20)
    assert np.allclose(back.start + back.step * expected, np.arange(axis.size_out))
