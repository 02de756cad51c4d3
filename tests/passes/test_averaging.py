"""The area mode of floats in one and two dimensions, to the last bit."""

import json
from pathlib import Path

import naive
import numpy as np
import pytest

from upsample_cli import interpolate
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.streaming import stream_item
from upsample_cli.sampling.modes import MODES, Method
from upsample_cli.sampling.target import axis_from_size

FLOATS = ("float16", "float32", "float64")
AREA = Method(MODES["area"])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((2, 3, 9, 7), (4, 3)),
        ((1, 1, 5, 6), (8, 15)),
        ((1, 2, 1, 1), (3, 2)),
        ((1, 1, 4, 90), (4, 7)),  # windows of more than NARROW taps
        ((1, 1, 40, 6), (1, 2)),
        ((1, 2, 23), (7,)),
    ],
)
def test_windows_are_summed_in_c_order_and_divided_twice(dtype, shape, size):
    array = naive.pseudo_random(shape, dtype, 3)
    result = interpolate(array, size=size, mode="area")
    assert result.dtype == dtype
    assert np.array_equal(result, naive.area(array, size))


@pytest.mark.parametrize("dtype", FLOATS)
def test_pytorchs_bits(dtype):
    compared = 0
    with np.load(Path(__file__).parents[1] / "goldens" / f"{dtype}.npz") as stored:
        for number, case in enumerate(json.loads(str(stored["cases"]))):
            if case["options"]["mode"] == "area" and len(case["shape"]) < 5:
                if stored[f"output_{number}"][0, 0].size == 1:  # one mean of everything
                    continue
                array = naive.pseudo_random(case["shape"], dtype, case["seed"])
                result = interpolate(array, **case["options"])
                assert np.array_equal(result, stored[f"output_{number}"]), case
                compared += 1
    assert compared == 16


@pytest.mark.parametrize("dtype", FLOATS)
def test_streamed_rows_have_the_same_bits(dtype):
    axes = [axis_from_size(*sizes, AREA) for sizes in ((301, 40), (50, 33))]
    resampler = Resampler(axes, AREA, dtype, channels=2)
    item = naive.pseudo_random((301, 50, 2), dtype, 1)
    expected = naive.area(np.moveaxis(item, -1, 0)[np.newaxis], (40, 33))
    for chunk, slab in ((1, 1), (7, 40), (301, 5)):
        chunks = (item[begin : begin + chunk] for begin in range(0, 301, chunk))
        slabs = [part for part, _ in stream_item(resampler, chunks, 2, slab)]
        assert np.array_equal(np.moveaxis(np.concatenate(slabs), -1, 0), expected[0])


def test_strips_on_threads_have_the_same_bits():
    array = naive.pseudo_random((1, 1, 1300, 1100), "float32", 2)
    result = interpolate(array, size=(1040, 1040), mode="area")
    rows = interpolate(array[:, :, :5], size=(4, 1040), mode="area")
    assert np.array_equal(result[:, :, :4], rows)
