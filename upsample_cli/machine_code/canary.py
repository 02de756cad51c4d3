"""A kernel whose answer is known: wrong where Numba passes arguments otherwise than was agreed."""

from collections.abc import Callable
from typing import Any

import numpy as np

from upsample_cli.machine_code.types import Array


def answer(
    source: Array, pair: tuple[Array, int], factor: np.float32, is_added: bool, target: Array
) -> int:
    """Set ``target = source * factor + offsets``, and return what tells every field that is read.

    source, target : float32 (rows, columns); pair : (offsets, number), int16 (columns,) and int
    factor : float32
    """
    offsets, number = pair
    rows, columns = source.shape
    for row in range(rows):
        values, out = source[row], target[row]
        for column in range(columns):
            out[column] = values[column] * factor
            if is_added:
                out[column] += offsets[column]
    sizes = source.size + 100 * offsets.itemsize + 10_000 * source.strides[0]
    return sizes + 1_000_000 * number


def arguments() -> tuple[Any, ...]:
    """Return the arguments whose answer is known; the last one is written."""
    source = np.arange(6, dtype=np.float32).reshape(2, 3)
    pair = np.array([10, 20, -30], np.int16), 7
    return source, pair, np.float32(0.5), True, np.zeros((2, 3), np.float32)


def is_right(kernel: Callable[..., Any]) -> bool:
    """Whether machine code gives the answer that is known."""
    taken = arguments()
    number = kernel(*taken)
    expected = [[10, 20.5, -29], [11.5, 22, -27.5]]
    return bool(number == 7_120_206 and (taken[-1] == expected).all())
