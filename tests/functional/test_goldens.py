"""PyTorch 2.13's own outputs, stored by ``goldens/make_goldens.py``."""

import json
from pathlib import Path

import naive
import numpy as np
import pytest

from upsample_cli.functional import interpolate

FOLDER = Path(__file__).parents[1] / "goldens"
INTERPOLATING = ("linear", "bilinear", "trilinear", "bicubic")
TOLERANCE = {
    # Of the largest value. PyTorch rounds float16 between passes; here it is rounded once.
    "float16": 1e-3,
    "float32": 2e-6,
    "float64": 1e-13,
}


HALF_SUMS = 3e-3
"""For the area mode on float16 volumes, whose windows PyTorch sums in float16."""


def load(dtype):
    with np.load(FOLDER / f"{dtype}.npz") as stored:
        cases = json.loads(str(stored["cases"]))
        return [(case, stored[f"output_{number}"]) for number, case in enumerate(cases)]


def is_exact(dtype, options):
    """Whether the bits are PyTorch's: copies, fixed point, and taps that are not filtered."""
    if options["mode"].startswith("nearest") or dtype == "uint8":
        return True
    is_tapped = options["mode"] in INTERPOLATING and not options.get("antialias")
    return is_tapped and dtype != "float16"


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_goldens(dtype):
    wrong = []
    for case, expected in load(dtype):
        options = case["options"]
        array = naive.pseudo_random(case["shape"], dtype, case["seed"])
        result = interpolate(array, **options)
        assert (result.shape, result.dtype) == (expected.shape, expected.dtype), case
        if is_exact(dtype, options):
            is_right = np.array_equal(result, expected)
        else:
            wide = expected.astype(np.float64)
            error = np.abs(result - wide).max() / np.abs(wide).max()
            is_half_sum = (dtype, options["mode"], array.ndim) == ("float16", "area", 5)
            is_right = error <= (HALF_SUMS if is_half_sum else TOLERANCE[dtype])
        if not is_right:
            wrong.append(case)
    assert not wrong


@pytest.mark.parametrize(
    ("dtype", "count", "exact"),
    [("uint8", 116, 116), ("float16", 126, 44), ("float32", 166, 104), ("float64", 166, 104)],
)
def test_no_golden_is_lost(dtype, count, exact):
    cases = [case["options"] for case, _ in load(dtype)]
    assert len(cases) == count
    assert sum(is_exact(dtype, options) for options in cases) == exact
