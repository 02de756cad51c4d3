"""The fused multiply-add against exact fractions."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upsample_cli.sampling.rounding import fused_multiply_add

LARGEST = {np.float32: 2.0**30, np.float64: 2.0**200}


def numbers(dtype):
    width = np.finfo(dtype).bits
    largest = LARGEST[dtype]
    positive = st.floats(1 / largest, largest, width=width)
    return st.one_of(st.just(0.0), positive, positive.map(lambda x: -x)).map(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_rounds_once(dtype, data):
    a, b, c = (data.draw(numbers(dtype)) for _ in range(3))
    result = fused_multiply_add(a, b, c)
    assert result.dtype == dtype
    assert result == naive.fma(a, b, c)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data(), ulps=st.integers(-3, 3))
def test_keeps_what_cancellation_leaves(dtype, data, ulps):
    a, b = data.draw(numbers(dtype)), data.draw(numbers(dtype))
    c = -(a * b)
    for _ in range(abs(ulps)):
        c = np.nextafter(c, dtype(np.inf * ulps))
    assert fused_multiply_add(a, b, c) == naive.fma(a, b, c)


@pytest.mark.parametrize(
    ("dtype", "a", "b", "c"),
    [
        # The product lies half way between two floats; c, far below, decides.
        (np.float32, 24929.0, 673 * 2.0**-24, 2.0**-80),
        (np.float32, 24929.0, 673 * 2.0**-24, -(2.0**-80)),
        (np.float64, 321 * 2.0**-53, 28059810762433.0, 2.0**-150),
        (np.float64, 321 * 2.0**-53, 28059810762433.0, -(2.0**-150)),
        (np.float32, 1 + 2.0**-12, 1 + 2.0**-12, -1.0),
        (np.float64, 1 + 2.0**-30, 1 + 2.0**-30, -1.0),
    ],
)
def test_breaks_ties_by_the_part_that_is_lost(dtype, a, b, c):
    a, b, c = dtype(a), dtype(b), dtype(c)
    assert fused_multiply_add(a, b, c) == naive.fma(a, b, c)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_broadcasts_in_the_dtype_of_b(dtype):
    b = np.linspace(0, 1, 7, dtype=dtype)
    result = fused_multiply_add(dtype(1 / 3), b, -0.5)
    expected = [naive.fma(dtype(1 / 3), x, dtype(-0.5)) for x in b]
    assert result.dtype == dtype
    assert np.array_equal(result, expected)
