"""The two passes on uint8 with whole-number weights, as PyTorch's image kernels sum them.

Each pass: clamp(((1 << (precision - 1)) + sum(weight * value)) >> precision, 0, 255).

source, target : uint8, shaped as in ``separable``; weights : int32 (width, size_out)
"""

from typing import Any

import numpy as np

from upsample_cli.kernels.compile import kernel

BLOCK = 1024
"""Elements of a row that are summed before the next, in a scratch of 4 KiB."""


@kernel
def along_rows(
    source: Any, taps: Any, weights: Any, counts: Any, precision: Any, target: Any
) -> None:
    """Weigh elements of one row, each of ``channels`` interleaved values."""
    rows, size_out, channels = target.shape
    half = np.int32(1) << np.int32(precision - 1)
    shift = np.int32(precision)
    for row in range(rows):
        for o in range(size_out):
            for c in range(channels):
                total = half
                for k in range(counts[o]):
                    total += weights[k, o] * np.int32(source[row, taps[k, o], c])
                target[row, o, c] = np.uint8(min(max(total >> shift, 0), 255))


@kernel
def across_rows(
    source: Any, taps: Any, weights: Any, counts: Any, precision: Any, target: Any
) -> None:
    """Weigh whole contiguous rows; every inner loop is vectorised."""
    blocks, size_out, length = target.shape
    half = np.int32(1) << np.int32(precision - 1)
    shift = np.int32(precision)
    totals = np.empty(BLOCK, np.int32)
    for block in range(blocks):
        for o in range(size_out):
            for begin in range(0, length, BLOCK):
                size = min(BLOCK, length - begin)
                totals[:size] = half
                for k in range(counts[o]):
                    tap = source[block, taps[k, o], begin : begin + size]
                    weight = weights[k, o]
                    for n in range(size):
                        totals[n] += weight * np.int32(tap[n])
                out = target[block, o, begin : begin + size]
                for n in range(size):
                    out[n] = np.uint8(min(max(totals[n] >> shift, np.int32(0)), np.int32(255)))
