"""PyTorch 2.13's own outputs, stored by ``goldens/make_goldens.py``."""

import json
from pathlib import Path

import naive
import numpy as np
import pytest

from upsample_cli.functional import interpolate

FOLDER = Path(__file__).parents[1] / "goldens"
TOLERANCE = {"float16": 1e-3, "float32": 2e-6, "float64": 1e-13}
"""For the area mode, of the largest value: PyTorch sums whole windows of volumes otherwise."""

HALF_SUMS = 3e-3
"""For the area mode on float16 volumes, whose windows PyTorch sums in float16."""


def load(dtype):
    with np.load(FOLDER / f"{dtype}.npz") as stored:
        cases = json.loads(str(stored["cases"]))
        return [(case, stored[f"output_{number}"]) for number, case in enumerate(cases)]


def is_exact(options):
    """Whether the bits are PyTorch's."""
    return options["mode"] != "area"


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_goldens(dtype):
    wrong = []
    for case, expected in load(dtype):
        options = case["options"]
        array = naive.pseudo_random(case["shape"], dtype, case["seed"])
        result = interpolate(array, **options)
        assert (result.shape, result.dtype) == (expected.shape, expected.dtype), case
        if is_exact(options):
            is_right = np.array_equal(result, expected)
        else:
            wide = expected.astype(np.float64)
            error = np.abs(result - wide).max() / np.abs(wide).max()
            is_half_sum = (dtype, array.ndim) == ("float16", 5)
            is_right = error <= (HALF_SUMS if is_half_sum else TOLERANCE[dtype])
        if not is_right:
            wrong.append(case)
    assert not wrong


@pytest.mark.parametrize(
    ("dtype", "count", "exact"),
    [("uint8", 116, 116), ("float16", 126, 104), ("float32", 166, 144), ("float64", 166, 144)],
)
def test_no_golden_is_lost(dtype, count, exact):
    cases = [case["options"] for case, _ in load(dtype)]
    assert len(cases) == count
    assert sum(is_exact(options) for options in cases) == exact
