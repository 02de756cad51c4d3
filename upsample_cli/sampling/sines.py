"""The C library's sines, whose last bits decide those of PyTorch's Lanczos weights.

NumPy's own sines are vectorised: another algorithm on each kind of CPU, and other last bits.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUADRANTS_PER_RADIAN = float.fromhex("0x1.45F306DC9C883p+23")
"""2/pi in units of 2**-24, as a float32 argument is reduced."""
HALF_PI = float.fromhex("0x1.921FB54442D18p0")
SINE = [float.fromhex(c) for c in ("-0x1.555545995a603p-3", "0x1.1107605230bc4p-7")]
SINE += [float.fromhex("-0x1.994eb3774cf24p-13")]
COSINE = [float.fromhex(c) for c in ("-0x1.ffffffd0c621cp-2", "0x1.55553e1068f19p-5")]
COSINE += [float.fromhex(c) for c in ("-0x1.6c087e89a359dp-10", "0x1.99343027bf8c3p-16")]
"""Coefficients of x**3, x**5 … and of x**2, x**4 … in [-pi/4, pi/4]."""


def sine(x: NDArray[Any]) -> NDArray[Any]:
    """Return sin(x) of float32 or float64, any shape, with the C library's rounding.

    For float32 that is glibc's ``sinf`` (the single-precision sine of Arm's Optimized Routines)
    for 0 <= x < 120: polynomials in float64, rounded once; compared on every float32 up to
    3 pi, without a difference. For float64 it is the ``sin`` of the C library that is there.

    >>> float(sine(np.array([0.5]))[0]) == math.sin(0.5)
    True
    """
    if x.dtype == np.float32:
        return _sine_of_single(x)
    return np.array([math.sin(value) for value in x.ravel().tolist()]).reshape(x.shape)


def _sine_of_single(x: NDArray[np.float32]) -> NDArray[np.float32]:
    wide = x.astype(np.float64)
    quadrant = ((wide * QUADRANTS_PER_RADIAN).astype(np.int64) + 2**23) >> 24
    y = wide - quadrant * HALF_PI
    sign = 1 - (quadrant & 2)
    square = y * y
    cube, fourth = y * square, square * square
    by_sine = (y + cube * SINE[0]) + (cube * square) * (SINE[1] + square * SINE[2])
    by_cosine = (1 + square * COSINE[0]) + fourth * COSINE[1]
    by_cosine += (fourth * square) * (COSINE[2] + square * COSINE[3])
    return (sign * np.where(quadrant & 1, by_cosine, by_sine)).astype(np.float32)
