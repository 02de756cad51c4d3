"""a·b + c rounded once, in NumPy, which has no such operation.

PyTorch's compiled code fuses a multiplication and an addition in some places. The last bit of a
coordinate or a weight depends on it, so it is stated where it happens.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

_SPLITTER = 2.0**27 + 1


def fused_multiply_add(a: Any, b: Any, c: Any) -> Array:
    """Return ``a * b + c`` with a single rounding, in the dtype of ``b`` (float32 or float64).

    float32 goes through float64, which holds the product of two float32 exactly; the sum is
    rounded to odd, so that rounding it again does not err. float64 uses the error-free algorithm
    of Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums" (2008).

    >>> x = np.float64(1 + 2**-30)
    >>> float(fused_multiply_add(x, x, -1.0)) == 2**-29 + 2**-60
    True
    """
    dtype = np.asarray(b).dtype
    a, b, c = (np.asarray(value, np.float64) for value in (a, b, c))
    if dtype == np.float32:
        return np.asarray(_round_to_odd(a * b, c), np.float32)
    product, product_error = _two_product(a, b)
    low, low_error = _two_sum(c, product_error)
    high, high_error = _two_sum(product, low)
    return np.asarray(high + _round_to_odd(low_error, high_error))


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return product, error


def _split(a: Array) -> tuple[Array, Array]:
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def _round_to_odd(a: Array, b: Array) -> Array:
    total, error = _two_sum(a, b)
    is_even = np.asarray(total).view(np.int64) & 1 == 0
    toward = np.where(error > 0, np.inf, -np.inf)
    with np.errstate(under="ignore"):  # what is next to 0 is no fault, though NumPy says so
        return np.where((error != 0) & is_even, np.nextafter(total, toward), total)
