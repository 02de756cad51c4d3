"""The two passes of every separable mode, told apart only by memory layout.

Each output is a sum over taps in the plan's order: a product, then fused multiply-adds. The
loops for 2 and 4 taps are the same sum written out, so that it stays in registers.

source : (rows, size_in, channels) or (blocks, size_in, row), float32 or float64
taps, weights : (width, size_out); counts : (size_out,), as in ``sampling.axis.AxisPlan``
target : like the source with size_out in the middle, written in full
"""

from typing import Any

from upsample_cli.kernels.compile import fma, kernel

BLOCK = 2048
"""Elements of a row that are summed over all taps before the next: they stay in the L1 cache."""


@kernel
def along_rows(source: Any, taps: Any, weights: Any, counts: Any, target: Any) -> None:
    """Weigh elements of one row, each of ``channels`` interleaved values."""
    rows, size_out, channels = target.shape
    width = taps.shape[0]
    is_full = counts.min() == width
    for row in range(rows):
        if width == 2 and is_full:
            for o in range(size_out):
                j0, j1 = taps[0, o], taps[1, o]
                w0, w1 = weights[0, o], weights[1, o]
                for c in range(channels):
                    total = source[row, j0, c] * w0
                    target[row, o, c] = fma(source[row, j1, c], w1, total)
        elif width == 4 and is_full:
            for o in range(size_out):
                j0, j1, j2, j3 = taps[0, o], taps[1, o], taps[2, o], taps[3, o]
                w0, w1, w2, w3 = weights[0, o], weights[1, o], weights[2, o], weights[3, o]
                for c in range(channels):
                    total = fma(source[row, j1, c], w1, source[row, j0, c] * w0)
                    total = fma(source[row, j2, c], w2, total)
                    target[row, o, c] = fma(source[row, j3, c], w3, total)
        else:
            for o in range(size_out):
                for c in range(channels):
                    total = source[row, taps[0, o], c] * weights[0, o]
                    for k in range(1, counts[o]):
                        total = fma(source[row, taps[k, o], c], weights[k, o], total)
                    target[row, o, c] = total


@kernel
def across_rows(source: Any, taps: Any, weights: Any, counts: Any, target: Any) -> None:
    """Weigh whole contiguous rows; every inner loop is vectorised."""
    blocks, size_out, length = target.shape
    for block in range(blocks):
        for o in range(size_out):
            out = target[block, o]
            first = source[block, taps[0, o]]
            w0 = weights[0, o]
            if counts[o] == 1:
                for n in range(length):
                    out[n] = first[n] * w0
            elif counts[o] == 2:
                second = source[block, taps[1, o]]
                w1 = weights[1, o]
                for n in range(length):
                    out[n] = fma(second[n], w1, first[n] * w0)
            elif counts[o] == 4:
                second, third = source[block, taps[1, o]], source[block, taps[2, o]]
                fourth = source[block, taps[3, o]]
                w1, w2, w3 = weights[1, o], weights[2, o], weights[3, o]
                for n in range(length):
                    total = fma(second[n], w1, first[n] * w0)
                    out[n] = fma(fourth[n], w3, fma(third[n], w2, total))
            else:
                for begin in range(0, length, BLOCK):
                    end = min(begin + BLOCK, length)
                    for n in range(begin, end):
                        out[n] = first[n] * w0
                    for k in range(1, counts[o]):
                        tap = source[block, taps[k, o]]
                        weight = weights[k, o]
                        for n in range(begin, end):
                            out[n] = fma(tap[n], weight, out[n])


@kernel
def take(source: Any, taps: Any, target: Any) -> None:
    """Copy one tap per output, for the nearest modes; any unsigned integer dtype.

    source : (blocks, size_in, row); taps : int64 (size_out,); target : (blocks, size_out, row)
    """
    blocks, size_out, length = target.shape
    for block in range(blocks):
        for o in range(size_out):
            for n in range(length):
                target[block, o, n] = source[block, taps[o], n]


@kernel
def accumulate(source: Any, weight: Any, is_first: bool, target: Any) -> None:
    """Add one tap's row to the sums of a wide filter, in the same order as ``across_rows``.

    source, target : (n,); weight : a scalar of their dtype
    """
    if is_first:
        for n in range(source.size):
            target[n] = source[n] * weight
    else:
        for n in range(source.size):
            target[n] = fma(source[n], weight, target[n])
