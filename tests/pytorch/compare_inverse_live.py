"""Compare pooling, unpooling and transposed convolution with PyTorch 2.13 itself.

What differs from PyTorch on purpose, or because PyTorch differs from itself:

- dtypes: pooling and unpooling take every one (pooling none of complex numbers); transposed
  convolution takes float32 and float64 alone, and no mixture, which PyTorch takes in part.
- Equal indices in one plane: PyTorch's unpooling depends on its threads. Here the last one counts.
- Unpooling with a kernel or a stride below 1, with a negative padding, or with more numbers than
  axes, which PyTorch takes in part, is an error.
- Transposed convolution to a size of 0, which some of PyTorch's backends refuse and some give, is
  an error; so is a wrong dilation or output_padding of an empty batch, which PyTorch ignores.
"""

import itertools
import json
import math

import numpy as np
import pytest
import torch

from upsample_cli import functional

DRAWS = 300
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}
POOLED = ["float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64"]

torch.set_num_threads(2)


def few_values(rng, shape, dtype):
    """Return values with many ties and, in floats, NaN and infinities; or values without any."""
    if rng.random() < 0.4:
        return (rng.standard_normal(shape) * 60).astype(dtype)
    if np.dtype(dtype).kind == "f":
        pool = [-math.inf, -1.5, -0.0, 0.0, 1, 2, math.inf, *[math.nan] * int(rng.integers(2))]
    else:
        pool = [np.iinfo(dtype).min, 0, 1, np.iinfo(dtype).max]
    return rng.choice(np.array(pool, dtype), shape)


def outcome(function, *arrays, **options):
    """Return the outputs, or the error."""
    try:
        result = function(*arrays, **options)
    except Exception as error:
        return error
    return [np.asarray(part) for part in (result if isinstance(result, tuple) else (result,))]


def both(name, *arrays, **options):
    """Return PyTorch's outcome and this package's."""
    tensors = [torch.from_numpy(array) for array in arrays]
    theirs = getattr(torch.nn.functional, name)
    return (
        outcome(theirs, *tensors, **options),
        outcome(getattr(functional, name), *arrays, **options),
    )


def same_bits(theirs, ours):
    return all(
        (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        for a, b in zip(theirs, ours, strict=True)
    )


def numbers(rng, spatial, low, high):
    """Return one number for all axes, or one per axis as a tuple or a list."""
    kind = rng.integers(3)
    if kind == 0:
        return int(rng.integers(low, high))
    return (tuple, list)[kind - 1](map(int, rng.integers(low, high, spatial)))


def draw_pooling(rng, spatial):
    """Return a shape and options; about a quarter is refused."""
    most = {1: 60, 2: 20, 3: 9}[spatial]
    shape = [*rng.integers(1, 4, rng.integers(1, 3)), *rng.integers(1, most, spatial)]
    options = {
        "kernel_size": numbers(rng, spatial, 1, 5),
        "padding": numbers(rng, spatial, 0, 3),
        "dilation": numbers(rng, spatial, 1, 4),
        "ceil_mode": bool(rng.integers(2)),
    }
    if rng.integers(3):
        options["stride"] = numbers(rng, spatial, 1, 5)
    return tuple(map(int, shape)), options


def is_refused(ours):
    return isinstance(ours, (ValueError, TypeError))


@pytest.mark.parametrize("dtype", POOLED)
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_pooling(record_property, spatial, dtype):
    rng = np.random.default_rng([spatial, *dtype.encode()])
    wrong, count, refused = [], 0, 0
    for _ in range(DRAWS):
        shape, options = draw_pooling(rng, spatial)
        options["return_indices"] = dtype[0] != "f" or bool(rng.integers(4))
        array = few_values(rng, shape, dtype)
        theirs, ours = both(f"max_pool{spatial}d", array, **options)
        if isinstance(theirs, Exception):
            refused += 1
            is_right = is_refused(ours)
        else:
            count += 1
            is_right = not isinstance(ours, Exception) and same_bits(theirs, ours)
        if not is_right:
            wrong.append((shape, options, repr(theirs)[:300], repr(ours)[:300]))
    record_property("comparison", [["max_pool", dtype, f"{spatial}-D", "no"], count, count, 0.0])
    record_property("comparison", [["max_pool, refused", "", "", "no"], refused, refused, 0.0])
    assert count > DRAWS / 10
    assert not wrong, f"{len(wrong)}: " + json.dumps(wrong[:5], indent=1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_unpooling(record_property, spatial, dtype):
    rng = np.random.default_rng([spatial, 7, *dtype.encode()])
    wrong, count, refused = [], 0, 0
    for _ in range(DRAWS):
        shape = (*rng.integers(1, 4, rng.integers(1, 3)), *rng.integers(1, 8, spatial))
        options = {
            "kernel_size": numbers(rng, spatial, 1, 5),
            "stride": numbers(rng, spatial, 1, 5),
            "padding": numbers(rng, spatial, 0, 2),
        }
        each = [np.broadcast_to(value, spatial) for value in options.values()]
        sizes = [
            int((n - 1) * s - 2 * p + k) for n, k, s, p in zip(shape[-spatial:], *each, strict=True)
        ]
        if rng.integers(2):
            sizes = [n + int(rng.integers(-2, 3)) for n in sizes]
            leading = list(shape[:-spatial]) if rng.integers(2) else []
            options["output_size"] = [*map(int, leading), *sizes]
        # No index comes twice in a plane; some lie outside.
        reach = max(math.prod(max(n, 0) for n in sizes), math.prod(shape[-spatial:]))
        reach += int(rng.integers(5) == 0)
        indices = np.stack(
            [
                rng.permutation(reach)[: math.prod(shape[-spatial:])]
                for _ in np.ndindex(shape[:-spatial])
            ]
        ).reshape(shape)
        values = few_values(rng, shape, dtype)
        theirs, ours = both(f"max_unpool{spatial}d", values, indices, **options)
        if isinstance(theirs, Exception):
            refused += 1
            is_right = is_refused(ours)
        else:
            count += 1
            is_right = not isinstance(ours, Exception) and same_bits(theirs, ours)
        if not is_right:
            wrong.append((list(map(int, shape)), options, repr(theirs)[:300], repr(ours)[:300]))
    record_property("comparison", [["max_unpool", dtype, f"{spatial}-D", "no"], count, count, 0.0])
    record_property("comparison", [["max_unpool, refused", "", "", "no"], refused, refused, 0.0])
    assert min(count, refused) > DRAWS / 20
    assert not wrong, f"{len(wrong)}: " + json.dumps(wrong[:5], indent=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_transposed_convolution(record_property, spatial, dtype):
    rng = np.random.default_rng([spatial, 8, *dtype.encode()])
    wrong, count, refused, same, worst = [], 0, 0, 0, 0.0
    most = {1: 90, 2: 20, 3: 7}[spatial]
    for _ in range(DRAWS):
        groups = int(rng.choice([1, 1, 2, 3]))
        channels = groups * int(rng.integers(1, 5))
        sizes = rng.integers(1, most, spatial)
        array = rng.standard_normal((*[2] * int(rng.integers(2)), channels, *sizes)).astype(dtype)
        kernel = rng.integers(1, 5, spatial)
        weight = rng.standard_normal((channels, rng.integers(1, 12), *kernel)).astype(dtype)
        bias = rng.standard_normal(weight.shape[1] * groups).astype(dtype)
        options = {
            "stride": numbers(rng, spatial, 1, 5),
            "padding": numbers(rng, spatial, 0, 4),
            "dilation": numbers(rng, spatial, 1, 4),
            "output_padding": numbers(rng, spatial, 0, 2),
            "groups": groups,
        }
        arrays = (array, weight, bias)[: int(rng.integers(2, 4))]
        theirs, ours = both(f"conv_transpose{spatial}d", *arrays, **options)
        if isinstance(theirs, Exception) or not theirs[0].size:
            refused += 1
            is_right = is_refused(ours)
        else:
            count += 1
            is_right = not isinstance(ours, Exception) and ours[0].shape == theirs[0].shape
            if is_right:
                largest = max(np.abs(theirs[0]).max(), 1e-30)
                difference = np.abs(theirs[0] - ours[0]).max() / largest
                worst, same = max(worst, float(difference)), same + same_bits(theirs, ours)
                is_right = difference <= TOLERANCE[dtype] and ours[0].dtype == dtype
        if not is_right:
            wrong.append((array.shape, weight.shape, options, repr(theirs)[:99], repr(ours)[:99]))
    key = ["conv_transpose", dtype, f"{spatial}-D", "no"]
    record_property("comparison", [key, count, same, worst])
    record_property(
        "comparison", [["conv_transpose, refused", "", "", "no"], refused, refused, 0.0]
    )
    assert min(count, refused) > DRAWS / 40
    assert not wrong, f"{len(wrong)}: " + json.dumps(wrong[:5], indent=1)


ODD = [0, -1, 2.0, True, None, "2", (), (2,), (2, 2), [1, 2, 2], (1, 1, 1, 1), 9, (2, 0)]


def odd_shapes(spatial):
    """Yield shapes with too few or too many axes, or empty ones."""
    sizes = (6,) * spatial
    yield from (sizes, (1, 4, *sizes), (4, *sizes), (1, 1, 4, *sizes), (0, 4, *sizes))
    yield from ((1, 0, *sizes), (0, *sizes), (1, 4, *sizes[1:], 0), (4, 0, *sizes[1:]))


def is_stricter(family, spatial, shape, argument, value):
    """What PyTorch takes and this does not: see the module's docstring."""
    if family == "conv_transpose":
        return shape[0] == 0 and argument in ("dilation", "output_padding")
    values = value if isinstance(value, (tuple, list)) else [value]
    is_odd = any(isinstance(n, bool) or (isinstance(n, int) and n < 1) for n in values)
    return (
        family == "max_unpool" and argument != "output_size" and (is_odd or len(values) > spatial)
    )


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("family", ["max_pool", "max_unpool", "conv_transpose"])
def test_odd_arguments(family, spatial):
    name, wrong, refused = f"{family}{spatial}d", [], 0
    arguments = {
        "max_pool": ["kernel_size", "stride", "padding", "dilation", "ceil_mode"],
        "max_unpool": ["kernel_size", "stride", "padding", "output_size"],
        "conv_transpose": ["stride", "padding", "output_padding", "groups", "dilation"],
    }[family]
    for shape, argument, value in itertools.product(odd_shapes(spatial), arguments, [*ODD, "-"]):
        arrays = [np.ones(shape, np.float32)]
        options = {} if family == "conv_transpose" else {"kernel_size": 2}
        if family == "max_unpool":
            steps = np.cumprod([1, *[12] * (spatial - 1)])[::-1]
            indices = np.indices(shape[-spatial:]) * 2
            flat = sum(i * step for i, step in zip(indices, steps, strict=True))
            arrays.append(np.broadcast_to(flat, shape).astype(np.int64))
        if family == "conv_transpose":
            arrays.append(np.ones((4, 2, *[3] * spatial), np.float32))
        if value != "-":
            options[argument] = value
        theirs, ours = both(name, *arrays, **options)
        if isinstance(theirs, Exception):
            refused += 1
            is_right = is_refused(ours)
        elif isinstance(ours, Exception):
            is_right = is_stricter(family, spatial, shape, argument, value)
        else:
            is_right = [part.shape for part in ours] == [part.shape for part in theirs]
        if not is_right:
            wrong.append((shape, argument, value, repr(theirs)[:200], repr(ours)[:200]))
    assert refused
    assert not wrong, f"{len(wrong)}: " + json.dumps(wrong[:9], indent=1)


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_output_size_is_that_of_the_module(spatial):
    rng = np.random.default_rng(spatial)
    module = getattr(torch.nn, f"ConvTranspose{spatial}d")(4, 6, 3, 3, 1, groups=2)
    weight, bias = module.weight.detach().numpy(), module.bias.detach().numpy()
    convolve = getattr(functional, f"conv_transpose{spatial}d")
    shapes = [(2, 4, *[5] * spatial), (4, *[5] * spatial)]
    for shape, size, is_whole in itertools.product(shapes, range(10, 19), (False, True)):
        array = rng.standard_normal(shape).astype(np.float32)
        wanted = [*([*shape[: -spatial - 1], 6] if is_whole else []), *[size] * spatial]

        def theirs(array=array, wanted=wanted):
            with torch.no_grad():
                return module(torch.from_numpy(array), wanted)

        expected = outcome(theirs)
        result = outcome(convolve, array, weight, bias, 3, 1, 0, 2, output_size=wanted)
        if isinstance(expected, Exception):
            assert is_refused(result)
        else:
            assert result[0].shape == expected[0].shape
            assert np.abs(result[0] - expected[0]).max() <= 2e-6 * np.abs(expected[0]).max()
