"""PyTorch 2.13's own small images, stored by ``goldens/make_small_goldens.py``."""

import json
from pathlib import Path

import naive
import numpy as np

from upsample_cli.functional import interpolate


def load():
    with np.load(Path(__file__).parents[1] / "goldens" / "small.npz") as stored:
        for seed, (dtype, shape, options) in enumerate(json.loads(str(stored["cases"]))):
            yield seed, dtype, shape, options, stored[f"output_{seed}"]


def test_all_bits_are_the_same():
    wrong = []
    for seed, dtype, shape, options, expected in load():
        result = interpolate(naive.pseudo_random(shape, dtype, seed), **options)
        assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
        if not np.array_equal(result, expected):
            wrong.append((dtype, shape, options))
    assert not wrong


def test_no_golden_is_lost():
    assert len(list(load())) == 124
