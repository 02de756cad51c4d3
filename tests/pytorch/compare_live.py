"""Compare with PyTorch 2.13 itself: ``pytest tests/pytorch/compare_live.py``.

What differs from PyTorch on purpose, or because PyTorch differs from itself, is listed here:

- 2-D outputs of height + width <= 128. PyTorch then takes another path: the linear family on
  floats comes out within 2 ulp of its general path, and the nearest modes copy an axis whose
  size stays (or shift an index where it doubles) whatever the scale factor says, and do not
  round float64 positions to float32. Here the general path is followed at every size.
- Floats of exactly 3 channels in bilinear mode, on one thread: PyTorch takes the path of small
  images at every size (2 threads, or the channels one by one, give the general path's bits), and
  likewise for channels-last tensors of more than 3 channels. So PyTorch gets 2 threads here, and
  contiguous tensors.
- Antialiased floats of output width 1: PyTorch repeats the first row, also where the height
  changes. Its transposed case (height 1) is right, and so are both here.
- uint8 images of 3 channels shrunk to 1 × 1: an internal assertion of PyTorch fails.
- ``area`` with an output size of 0: PyTorch returns an empty array; here it is an error.
- ``area``: PyTorch sums whole windows, here axis by axis. It sums the windows of float16 volumes
  in float16, so its error grows with the window.
"""

import itertools
import json
import math

import numpy as np
import pytest
import torch

from upsample_cli.functional import interpolate

DRAWS = 200
SMALL = 128
LARGEST = {1: (300, 400), 2: (90, 180), 3: (24, 40)}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
TOLERANCE = {"float16": 1.5e-3, "float32": 2e-6, "float64": 1e-13}
ULPS_OF_SMALL_IMAGES = 2

torch.set_num_threads(2)


def methods():
    """Yield (dtype, dimensions, mode, align_corners, antialias): all that PyTorch has."""
    for dtype, dimensions in itertools.product(
        ["float32", "float64", "float16", "uint8"], (1, 2, 3)
    ):
        modes = ["nearest", "nearest-exact"]
        is_image = dimensions == 2
        if dtype != "uint8":
            modes.append("area")
        for mode in modes:
            yield dtype, dimensions, mode, None, False
        if dtype == "uint8" and not is_image:
            continue
        for mode in [LINEAR[dimensions], *(["bicubic"] if is_image else [])]:
            filters = (False, True) if is_image and dtype != "float16" else (False,)
            for align_corners, antialias in itertools.product((False, True), filters):
                yield dtype, dimensions, mode, align_corners, antialias
        if is_image and dtype != "float16":
            yield dtype, dimensions, "lanczos", None, True


def log_uniform(rng, largest):
    return int(math.exp(rng.uniform(0, math.log(largest + 1))))


def draw(rng, dimensions):
    """Return a shape and a target."""
    most_in, most_out = LARGEST[dimensions]
    sizes = [log_uniform(rng, most_in) for _ in range(dimensions)]
    shape = (int(rng.integers(1, 3)), int(rng.integers(1, 5)), *sizes)
    kind = rng.integers(5)
    if kind == 0:
        return shape, {"size": [log_uniform(rng, most_out) for _ in sizes]}
    if kind == 1:
        return shape, {"size": [int(rng.integers(1, most_out)) for _ in sizes]}
    exponents = [rng.uniform(max(-1.5, -math.log(n) + 1e-9), 1.2) for n in sizes]
    scales = [float(np.exp(exponent)) for exponent in exponents]
    if kind == 2:
        # Few digits, so that scales of 1, 2 and 0.5 and whole steps come up.
        scales = [max(round(scale * 4) / 4, 1 / n) for scale, n in zip(scales, sizes, strict=True)]
    if kind == 3:
        # Sizes that stay while the scale is not 1.
        stays = rng.integers(2, size=dimensions)
        near_one = [1 + rng.uniform(0, 0.9) / n for n in sizes]
        scales = [
            float(one if keep else f) for one, f, keep in zip(near_one, scales, stays, strict=True)
        ]
    scales = [f if int(n * f) else 1.0 for f, n in zip(scales, sizes, strict=True)]
    return shape, {"scale_factor": scales, "recompute_scale_factor": bool(rng.integers(2))}


def output_size(shape, target):
    if "size" in target:
        return target["size"]
    return [int(n * f) for n, f in zip(shape[2:], target["scale_factor"], strict=True)]


def is_small(output):
    return output.ndim == 4 and sum(output.shape[2:]) <= SMALL


def takes_another_path(shape, output):
    """Whether PyTorch leaves its general path; one pixel is channels-last as well."""
    return is_small(output) or (shape[1] > 3 and set(shape[2:]) == {1})


def tolerance(dtype, mode, antialias, shape, output):
    """Return the allowed difference, relative to the largest value; 0 where bits must agree."""
    if mode != "area":
        is_linear = mode in LINEAR.values() and dtype != "uint8" and not antialias
        if is_linear and takes_another_path(shape, output):
            return ULPS_OF_SMALL_IMAGES * np.finfo(dtype).eps
        return 0.0
    if (dtype, mode, output.ndim) == ("float16", "area", 5):
        return 2e-2
    return TOLERANCE[dtype]


@pytest.mark.parametrize(
    ("dtype", "dimensions", "mode", "align_corners", "antialias"), list(methods())
)
def test_numbers(record_property, dtype, dimensions, mode, align_corners, antialias):
    rng = np.random.default_rng(
        list(f"{dtype}{dimensions}{mode}{align_corners}{antialias}".encode())
    )
    found, wrong, small = {}, [], 0
    while sum(count for count, _, _ in found.values()) < DRAWS:
        shape, target = draw(rng, dimensions)
        array = (rng.random(shape) * 255.99).astype(dtype)
        options = {"mode": mode, "align_corners": align_corners, "antialias": antialias, **target}
        if (dtype, shape[1], *output_size(shape, target)) == ("uint8", 3, 1, 1):
            continue
        expected = torch.nn.functional.interpolate(torch.from_numpy(array), **options).numpy()
        if antialias and dtype != "uint8" and expected.shape[-1] == 1:
            continue
        if is_small(expected) and (mode.startswith("nearest") or small == DRAWS // 4):
            continue
        small += is_small(expected)
        result = interpolate(array, **options)
        assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
        wide = expected.astype(np.float64)
        difference = float(np.abs(result - wide).max() / max(np.abs(wide).max(), 1e-30))
        if difference > tolerance(dtype, mode, antialias, shape, expected):
            wrong.append((difference, shape, options))
        dims = f"{dimensions}-D" + (f", H+W ≤ {SMALL}" if is_small(expected) else "")
        count, same, worst = found.get(dims, (0, 0, 0.0))
        is_same = bool(np.array_equal(result, expected))
        found[dims] = (count + 1, same + is_same, max(worst, difference))
    for dims, totals in found.items():
        key = [mode, dtype, dims, "yes" if antialias else "no"]
        record_property("comparison", [key, *totals])
    assert not wrong


MODES = ["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"]
MODES += ["lanczos", "cubic", "spline"]
TARGETS = {
    "size": {"size": 4},
    "sizes": {"size": "one per axis"},
    "too many sizes": {"size": "one too many"},
    "size 0": {"size": 0},
    "size -1": {"size": -1},
    "size 4.0": {"size": 4.0},
    "size text": {"size": "4"},
    "neither": {},
    "both": {"size": 4, "scale_factor": 2.0},
    "scale": {"scale_factor": 1.5},
    "scales": {"scale_factor": "one per axis"},
    "too many scales": {"scale_factor": "one too many"},
    "scale 0": {"scale_factor": 0.0},
    "scale -1": {"scale_factor": -1.0},
    "scale nan": {"scale_factor": math.nan},
    "scale inf": {"scale_factor": math.inf},
    "small scale": {"scale_factor": 0.01},
    "scale text": {"scale_factor": "two"},
    "recompute": {"scale_factor": 1.5, "recompute_scale_factor": True},
    "recompute with size": {"size": 4, "recompute_scale_factor": True},
}
SHAPES = [(1, 2, 5), (1, 2, 5, 6), (1, 2, 4, 5, 6), (5, 6), (1,) * 6]
SHAPES += [
    (0, 2, 5),
    (0, 2, 5, 6),
    (0, 2, 4, 5, 6),
    (1, 0, 5),
    (1, 0, 5, 6),
    (1, 2, 0),
    (1, 2, 5, 0),
]
PLENTY = {"one per axis": 0, "one too many": 1}


def is_accepted_beyond_pytorch(dtype, shape, options):
    """What PyTorch refuses and this does not."""
    mode, spatial = options["mode"], len(shape) - 2
    if dtype not in ("float32", "float64"):
        return True
    if mode == "cubic" or (mode == "lanczos" and options["antialias"]):
        return True
    return options["antialias"] and spatial != 2 and mode == LINEAR[spatial]


def outcome(function, array, options):
    """Return the output's shape, or the error."""
    try:
        return tuple(function(array, **options).shape)
    except Exception as error:
        return error


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", "int32", "bool"])
@pytest.mark.parametrize("shape", SHAPES)
def test_refusals(shape, dtype):
    array = np.zeros(shape, dtype)
    tensor = torch.from_numpy(array)
    wrong, refused = [], 0
    switches = itertools.product((None, False, True), (False, True))
    for mode, (name, target), (align_corners, antialias) in itertools.product(
        MODES, TARGETS.items(), list(switches)
    ):
        target = {
            key: (2,) * (array.ndim - 2 + PLENTY[value]) if value in PLENTY else value
            for key, value in target.items()
        }
        options = {"mode": mode, "align_corners": align_corners, "antialias": antialias, **target}
        theirs = outcome(torch.nn.functional.interpolate, tensor, options)
        ours = outcome(interpolate, array, options)
        is_empty_area = mode == "area" and not isinstance(theirs, Exception) and 0 in theirs[2:]
        refused += isinstance(theirs, Exception)
        if isinstance(theirs, Exception) or is_empty_area:
            is_right = isinstance(ours, (ValueError, TypeError)) or (
                isinstance(ours, tuple) and is_accepted_beyond_pytorch(dtype, shape, options)
            )
        else:
            is_right = ours == theirs
        if not is_right:
            wrong.append((name, options, repr(theirs)[:120], repr(ours)[:120]))
    assert refused
    assert not wrong, f"{len(wrong)}: " + json.dumps(wrong[:12], indent=1, default=str)
