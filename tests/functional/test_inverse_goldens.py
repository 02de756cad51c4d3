"""PyTorch 2.13's own outputs, stored by ``goldens/make_inverse_goldens.py``."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from upsample_cli import functional

FOLDER = Path(__file__).parents[1] / "goldens"
sys.path.insert(0, str(FOLDER))

from make_inverse_goldens import inputs  # noqa: E402

TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


def load():
    with np.load(FOLDER / "inverse.npz") as stored:
        for seed, case in enumerate(json.loads(str(stored["cases"]))):
            *request, count = case
            yield seed, request, [stored[f"output_{seed}_{n}"] for n in range(count)]


CASES = list(load())


@pytest.mark.parametrize(
    ("seed", "request_", "expected"),
    CASES,
    ids=[f"{seed}-{request[0]}-{request[2]}" for seed, request, _ in CASES],
)
def test_goldens(seed, request_, expected):
    name, shapes, dtype, every, options = request_
    results = getattr(functional, name)(*inputs(name, shapes, dtype, every, seed), **options)
    if name.startswith("conv"):
        assert (results.shape, results.dtype) == (expected[0].shape, dtype)
        difference = np.abs(results - expected[0]).max() / np.abs(expected[0]).max()
        assert difference <= TOLERANCE[dtype]
        return
    results = list(results)
    if len(expected) == 3:
        spatial = int(name[-2])
        unpool = getattr(functional, f"max_unpool{spatial}d")
        results.append(unpool(*results, 2, output_size=list(shapes[0][-spatial:])))
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == wanted.dtype
        assert np.array_equal(result, wanted, equal_nan=wanted.dtype.kind == "f")
