"""Compare with PyTorch 2.13 itself: ``pytest tests/pytorch/compare_live.py``.

Contiguous tensors and 2 threads, because PyTorch's bits depend on both. What differs is listed in
``docs/differences_from_pytorch.md``, and here in ``EXPECTED``; where PyTorch is wrong or fails, the
comparison is with what it says otherwise: see ``pytorchs``.
"""

import functools
import itertools
import json
import math

import numpy as np
import pytest
import torch

from upsample_cli.functional import interpolate

DRAWS = 200
SMALL = 128
SMALL_DRAWS = 300
EDGES = (1, 2, 63, 64)
CHANNELS = (1, 3, 4, 8, 9)
LARGEST = {1: (300, 400), 2: (90, 180), 3: (24, 40)}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
BITS = 0.0
EXACT = dict.fromkeys(("uint8", "float16", "float32", "float64"), BITS)
SEPARABLE = {"float16": 2e-2, "float32": 2e-6, "float64": 1e-13}
"""PyTorch sums the whole window of a volume, in float16 as such; here one axis after the other."""

EXPECTED = {
    ("nearest", False): EXACT,
    ("nearest-exact", False): EXACT,
    ("linear", False): EXACT,
    ("bilinear", False): EXACT,
    ("trilinear", False): EXACT,
    ("bicubic", False): EXACT,
    ("area", False): EXACT,
    ("bilinear", True): EXACT,
    ("bicubic", True): EXACT,
    ("lanczos", True): EXACT,
}
"""(mode, antialias) → dtype → the largest difference, relative to the largest value."""

EXPECTED_OF_VOLUMES = {("area", False): SEPARABLE}
"""The same where it is another for volumes."""

MEAN = {("area", False): {"float16": 1.5e-3, "float32": 2e-6, "float64": 1e-13}}
"""The same for one mean of everything, which PyTorch sums in another order."""

ONE_VOXEL = {dtype: 4 * float(np.finfo(dtype).eps) for dtype in ("float16", "float32", "float64")}
EXPECTED_OF_ONE_VOXEL = {("trilinear", False): ONE_VOXEL}
"""The same for inputs of one voxel and more than 3 channels, which count as channels-last."""

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


def tolerance(dtype, mode, antialias, shape, output):
    """Return the allowed difference, relative to the largest value; BITS where all must agree."""
    key = mode, antialias
    tables = [EXPECTED]
    if output.ndim == 5:
        tables.insert(0, EXPECTED_OF_VOLUMES)
    if output[0, 0].size == 1:
        tables.insert(0, MEAN)
    if shape[1] > 3 and shape[2:] == (1, 1, 1):
        tables.insert(0, EXPECTED_OF_ONE_VOXEL)
    return next(table[key][dtype] for table in tables if dtype in table.get(key, {}))


def pytorchs(array, options):
    """Return PyTorch's output, and how many of its rows are right, first to last.

    Three channels of uint8 onto one pixel fail an assertion of PyTorch's; they are taken one by
    one. Where PyTorch passes one axis after the other, and the output is one pixel wide, it repeats
    the first row: with antialias in floats, and for uint8 from 5 channels on.
    """
    tensor = torch.from_numpy(array)
    apply = functools.partial(torch.nn.functional.interpolate, **options)
    is_bytes = array.dtype == np.uint8
    onto_pixel = list(output_size(array.shape, options)) == [1, 1]
    if is_bytes and array.shape[1] == 3 and onto_pixel:
        output = torch.cat([apply(tensor[:, n : n + 1].contiguous()) for n in range(3)], 1)
    else:
        output = apply(tensor)
    is_passed = array.shape[1] > 4 if is_bytes else options["antialias"]
    is_passed &= not options["mode"].startswith("nearest")
    is_narrow = output.ndim == 4 and output.shape[-1] == 1
    return output.numpy(), 1 if is_passed and is_narrow else output.shape[-2]


class Tally:
    """Counts comparisons, by dimensions, and keeps those whose difference is not allowed."""

    def __init__(self):
        self.found, self.wrong = {}, []

    def compare(self, dtype, shape, options, seed):
        """Compare one case."""
        values = np.random.default_rng(seed).random(shape)
        array = (values * 255.99).astype(dtype)
        expected, rows = pytorchs(array, options)
        result = interpolate(array, **options)
        assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
        is_row = expected.ndim == 3
        a, b = (part if is_row else part[..., :rows, :] for part in (result, expected))
        wide = b.astype(np.float64)
        difference = float(np.abs(a - wide).max() / max(np.abs(wide).max(), 1e-30))
        is_same = a.tobytes() == b.tobytes()
        allowed = tolerance(dtype, options["mode"], options["antialias"], shape, expected)
        if difference > allowed or (allowed == BITS and not is_same):
            self.wrong.append((difference, shape, options))
        dims = f"{len(shape) - 2}-D" + (f", H+W ≤ {SMALL}" if is_small(expected) else "")
        count, same, worst = self.found.get(dims, (0, 0, 0.0))
        self.found[dims] = count + 1, same + is_same, max(worst, difference)

    def record(self, record_property, dtype, mode, antialias):
        """Leave the numbers to the table at the end."""
        for dims, totals in self.found.items():
            key = [mode, dtype, dims, "yes" if antialias else "no"]
            record_property("comparison", [key, *totals])


@pytest.mark.parametrize(
    ("dtype", "dimensions", "mode", "align_corners", "antialias"), list(methods())
)
def test_numbers(record_property, dtype, dimensions, mode, align_corners, antialias):
    seed = list(f"{dtype}{dimensions}{mode}{align_corners}{antialias}".encode())
    rng, tally = np.random.default_rng(seed), Tally()
    small = 0
    while sum(count for count, _, _ in tally.found.values()) < DRAWS:
        shape, target = draw(rng, dimensions)
        if dimensions == 2 and sum(output_size(shape, target)) <= SMALL:
            small += 1
            if small > DRAWS // 4:
                continue
        options = {"mode": mode, "align_corners": align_corners, "antialias": antialias, **target}
        tally.compare(dtype, shape, options, rng)
    tally.record(record_property, dtype, mode, antialias)
    assert not tally.wrong


def small_targets(rng):
    """Yield (height, width) and target from 1 × 1 to 64 × 64: the edges, and any."""
    for *sizes, height, width in itertools.product(EDGES, repeat=4):
        yield sizes, {"size": (height, width)}
    for number in range(SMALL_DRAWS):
        sizes = rng.integers(1, 65, 2).tolist()
        if number % 2:
            yield sizes, {"size": tuple(rng.integers(1, 65, 2).tolist())}
            continue
        # A third of the factors keeps or doubles a size, though it is not 1 or 2.
        kinds = rng.integers(6, size=2)
        factors = {0: 1 + 0.9 * rng.random(), 1: 2 + 0.9 * rng.random()}
        scales = [
            kind + 1 + (factors[kind] % 1) / n
            if kind < 2 and n * (kind + 1) <= 64
            else rng.uniform(1 / n, 64.9 / n) * (1 + 1e-9)
            for kind, n in zip(kinds.tolist(), sizes, strict=True)
        ]
        yield sizes, {"scale_factor": scales}


@pytest.mark.parametrize(
    ("dtype", "dimensions", "mode", "align_corners", "antialias"),
    [method for method in methods() if method[1] == 2],
)
def test_small_sizes(record_property, dtype, dimensions, mode, align_corners, antialias):
    rng, tally = np.random.default_rng(list(f"{dtype}{mode}{antialias}".encode())), Tally()
    for number, (sizes, target) in enumerate(small_targets(rng)):
        shape = (1 + number % 2, CHANNELS[number % len(CHANNELS)], *sizes)
        options = {"mode": mode, "align_corners": align_corners, "antialias": antialias, **target}
        tally.compare(dtype, shape, options, rng)
    tally.record(record_property, dtype, mode, antialias)
    assert set(tally.found) == {f"2-D, H+W ≤ {SMALL}"}
    assert not tally.wrong


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
