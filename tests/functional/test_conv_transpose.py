"""Transposed convolution: PyTorch's arguments, shapes and errors, and the adjoint's numbers."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upsample_cli.functional import conv_transpose1d, conv_transpose2d, conv_transpose3d
from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.tile import ROWS, VECTOR_BYTES, multiply_tile
from upsample_cli.passes import transposed
from upsample_cli.passes.transposed import transposed_array
from upsample_cli.sampling.windows import Window

CONV = {1: conv_transpose1d, 2: conv_transpose2d, 3: conv_transpose3d}
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}
IMAGE, WEIGHT = (1, 4, 5, 6), (4, 2, 3, 3)


def normal(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def is_near(result, expected):
    largest = np.abs(expected).max(initial=1e-30)
    return np.abs(result - expected).max(initial=0) <= TOLERANCE[result.dtype.name] * largest


@st.composite
def requests(draw):
    """Draw a seed, a dtype, shapes and options that PyTorch accepts."""
    spatial = draw(st.integers(1, 3))
    most = {1: 60, 2: 9, 3: 4}[spatial]

    def each(strategy):
        return [draw(strategy) for _ in range(spatial)]

    kernel, sizes = each(st.integers(1, 4)), each(st.integers(1, most))
    options = {"stride": each(st.integers(1, 4)), "dilation": each(st.integers(1, 3))}
    options["output_padding"] = [
        draw(st.integers(0, max(s, d) - 1)) for s, d in zip(*options.values(), strict=True)
    ]
    least = [
        (n - 1) * s + d * (k - 1) + extra
        for n, k, s, d, extra in zip(sizes, kernel, *options.values(), strict=True)
    ]
    options["padding"] = [draw(st.integers(0, min(n // 2, 5))) for n in least]
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, outputs = groups * draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 5, 9]))
    weight = (channels, outputs, *kernel)
    options["groups"] = groups
    return (
        draw(st.integers(0, 999)),
        draw(st.sampled_from(["float32", "float64"])),
        (
            (channels, *sizes),
            weight,
            options,
        ),
    )


@settings(max_examples=120)
@given(requests())
def test_any_request_is_the_plain_loop(request):
    seed, dtype, (shape, weight_shape, options) = request
    rng = np.random.default_rng(seed)
    array, weight = normal(rng, shape, dtype), normal(rng, weight_shape, dtype)
    bias = normal(rng, weight_shape[1] * options["groups"], dtype)
    result = CONV[len(shape) - 1](array, weight, bias, **options)
    sizes = [
        (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
        for n, k, s, d, extra, p in zip(
            shape[1:],
            weight_shape[2:],
            *(options[name] for name in ("stride", "dilation", "output_padding", "padding")),
            strict=True,
        )
    ]
    arguments = [options[name] for name in ("stride", "padding", "groups", "dilation")]
    expected = naive.conv_transpose(array, weight, bias, sizes, *arguments)
    assert result.dtype == dtype
    assert result.shape == expected.shape
    assert is_near(result, expected)


@settings(max_examples=60)
@given(requests())
def test_it_is_the_adjoint_of_convolution(request):
    seed, _, (shape, weight_shape, options) = request
    rng = np.random.default_rng(seed)
    y, weight = normal(rng, shape, "float64"), normal(rng, weight_shape, "float64")
    back = CONV[len(shape) - 1](y, weight, **options)
    x = normal(rng, back.shape, "float64")
    arguments = [options[name] for name in ("stride", "padding", "groups", "dilation")]
    forth = naive.convolve(x, weight, shape[1:], *arguments)
    scale = np.abs(x).sum() * np.abs(back).max(initial=1e-30)
    assert abs((forth * y).sum() - (x * back).sum()) <= 1e-13 * scale


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_batches_are_items_and_arguments_are_alike(spatial):
    rng = np.random.default_rng(spatial)
    array = normal(rng, (3, 4, *(40, 5, 6)[:spatial]), "float32")
    weight = normal(rng, (4, 2, *[3] * spatial), "float32")
    bias = normal(rng, 2, "float32")
    convolve = CONV[spatial]
    whole = convolve(array, weight, bias, 2, 1, 1, 1, 2)
    for item, expected in zip(array, whole, strict=True):
        assert np.array_equal(convolve(item, weight, bias, 2, 1, 1, 1, 2), expected)
    one, two = (1,) * spatial, [2] * spatial
    assert np.array_equal(convolve(array, weight, bias, two, one, [1], 1, two), whole)
    strided = np.asfortranarray(array)
    assert np.array_equal(convolve(strided, weight.astype(">f4"), bias, 2, 1, 1, 1, 2), whole)
    assert convolve(array[:0], weight).shape[0] == 0


@pytest.mark.parametrize("shape", [(1, 3, 40, 50), (2, 3, 1, 5000), (1, 3, 6, 7)])
def test_the_number_of_threads_does_not_matter(monkeypatch, shape):
    monkeypatch.setattr(transposed, "TASK_PRODUCTS", 1)
    rng = np.random.default_rng(4)
    source = normal(rng, (shape[0], 1, shape[1], 1, *shape[2:]), "float32")
    weight = normal(rng, (1, 3, 5, 1, 4, 4), "float32")
    windows = [Window(1, 1), Window(4, 2, 1), Window(4, 3, 2)]
    sizes = [w.transposed_size(n) for w, n in zip(windows, source.shape[3:], strict=True)]
    targets = [np.full((shape[0], 1, 5, *sizes), np.nan, np.float32) for _ in range(3)]
    for threads, target in zip((1, 2, 5), targets, strict=True):
        transposed_array(source, weight, np.ones((1, 5), np.float32), windows, target, threads)
    assert np.array_equal(targets[0], targets[1])
    assert np.array_equal(targets[0], targets[2])
    assert not np.isnan(targets[0]).any()


def test_output_size_stands_for_output_padding():
    rng = np.random.default_rng(5)
    array, weight = normal(rng, IMAGE, "float64"), normal(rng, WEIGHT, "float64")
    expected = conv_transpose2d(array, weight, stride=2, output_padding=(1, 0))
    for size in ((12, 13), [1, 2, 12, 13]):
        result = conv_transpose2d(array, weight, stride=2, output_size=size)
        assert np.array_equal(result, expected)
    single = conv_transpose2d(array[0], weight, stride=2, output_size=(2, 12, 13))
    assert np.array_equal(single, expected[0])


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_what_is_not_finite_stays_where_it_belongs(value):
    rng = np.random.default_rng(6)
    array, weight = normal(rng, IMAGE, "float64"), normal(rng, WEIGHT, "float64")
    arguments = ([2, 2], [1, 1], 1, [1, 1])
    spoilt = weight.copy()
    spoilt[0, 0, 0, 0] = value
    with np.errstate(invalid="ignore"):
        expected = naive.conv_transpose(array[0], spoilt, [0, 0], (9, 11), *arguments)
    result = conv_transpose2d(array, spoilt, stride=2, padding=1)[0]
    finite = np.isfinite(expected)
    assert 0 < finite.mean() < 1
    assert np.array_equal(np.isfinite(result), finite)
    assert np.allclose(result[finite], expected[finite], rtol=1e-12, atol=1e-12)
    spoilt = array.copy()
    spoilt[0, 0, 2, 2] = value
    result = conv_transpose2d(spoilt, weight, stride=2, padding=1)[0]
    reached = np.zeros((9, 11), bool)
    reached[3:6, 3:6] = True
    assert np.array_equal(~np.isfinite(result).all(axis=0), reached)


def test_more_phases_than_taps_leave_the_bias():
    array, weight = np.ones((1, 2, 2)), np.full((1, 1, 1, 1), 3.0)
    result = conv_transpose2d(array, weight, np.array([7.0]), stride=3)
    expected = np.full((1, 4, 4), 7.0)
    expected[0, ::3, ::3] = 10
    assert np.array_equal(result, expected)
    far = conv_transpose3d(np.ones((1, 1, 1, 2)), weight[..., np.newaxis], stride=2000)
    assert np.flatnonzero(far).tolist() == [0, 2000]
    assert far.shape == (1, 1, 1, 2001)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_tile_is_a_matrix_product(dtype):
    rng = np.random.default_rng(7)
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    source = rng.integers(-9, 9, 200).astype(dtype)
    offsets = rng.integers(0, 100, 9)
    weights = rng.integers(-9, 9, (9, ROWS)).astype(dtype)
    target = np.full((ROWS, 2 * lanes), 77, dtype)

    one_tile(source, offsets, weights.ravel(), target.ravel(), 5, 2 * lanes)
    taps = np.stack([source[3 + offset : 3 + offset + lanes] for offset in offsets[2:7]])
    assert np.array_equal(target[:, 5 : 5 + lanes], weights[2:7].T @ taps)
    assert (target[:, :5] == 77).all()
    assert (target[:, 5 + lanes :] == 77).all()


@kernel
def one_tile(source, offsets, weights, target, place, step) -> None:
    multiply_tile(source, 3, offsets, weights, 2, 5, target, place, step)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"stride": 0}, ValueError, "a stride of 0 is not possible"),
        ({"stride": 2.0}, TypeError, "stride must be whole numbers, not 2.0"),
        ({"stride": True}, TypeError, "stride must be whole numbers, not True"),
        ({"stride": (1, 1, 1)}, ValueError, "stride has 3 numbers for 2 spatial axes"),
        ({"padding": -1}, ValueError, "a padding of -1 is negative"),
        ({"padding": "same"}, TypeError, "padding must be whole numbers, not 'same'"),
        ({"padding": 4}, ValueError, "leave a size of -1; use a smaller padding"),
        ({"dilation": 0}, ValueError, "a dilation of 0 is not possible"),
        ({"output_padding": -1}, ValueError, "output_padding of -1 is not possible"),
        ({"output_padding": 1}, ValueError, "stride of 1 and a dilation of 1; use 0$"),
        ({"output_padding": 2, "stride": 2}, ValueError, "output_padding of 2 .* use 0 to 1"),
        ({"stride": 2**31}, ValueError, "a stride of 2147483648 is too large; use less than"),
        ({"dilation": 10**20}, ValueError, "a dilation of 1.* is too large"),
        ({"groups": 0}, ValueError, "4 channels do not make 0 groups; use a divisor"),
        ({"groups": 3}, ValueError, "4 channels do not make 3 groups"),
        ({"groups": 1.0}, TypeError, "groups must be whole numbers"),
        ({"bias": np.zeros(3)}, ValueError, r"bias of shape \(3,\) does not go with 2 channels"),
        ({"bias": np.zeros((1, 2))}, ValueError, r"bias of shape \(1, 2\) does not go"),
        ({"bias": np.zeros(2, "f4")}, TypeError, "and bias float32; use one dtype"),
        ({"weight": np.zeros(WEIGHT, "f4")}, TypeError, "input is float64, weight float32"),
        ({"weight": np.zeros((3, 2, 3, 3))}, ValueError, "input has 4 channels, but weight"),
        ({"weight": np.zeros((4, 2, 3))}, ValueError, r"weight of shape \(4, 2, 3\) is not"),
        ({"weight": np.zeros((4, 0, 3, 3))}, ValueError, "each at least 1"),
        ({"weight": np.zeros((4, 2, 3, 0))}, ValueError, "each at least 1"),
        ({"input": np.zeros((5, 6))}, ValueError, "input has 2 dimensions; use 4"),
        ({"input": np.zeros((1, 4, 0, 6))}, ValueError, "is empty; only the batch size N may"),
        ({"input": np.zeros(IMAGE, int)}, TypeError, "input is int64; use float32 or float64"),
        ({"input": np.zeros(IMAGE, "f2")}, TypeError, "input is float16; use float32 or float64"),
        ({"output_size": (8, 8)}, ValueError, "size of 8 does not follow from 5; use 7$"),
        ({"output_size": (7, 8, 1)}, ValueError, "output_size has 3 numbers; use 2, or 4"),
        (
            {"output_size": (12, 13), "stride": 2, "output_padding": 1},
            ValueError,
            "at most one of output_padding and output_size",
        ),
    ],
)
def test_what_is_refused(options, error, message):
    arguments = {"input": np.zeros(IMAGE), "weight": np.zeros(WEIGHT), **options}
    with pytest.raises(error, match=message):
        conv_transpose2d(**arguments)
