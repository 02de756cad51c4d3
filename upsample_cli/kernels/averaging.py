"""Means of whole windows, summed in C order and divided by height, then by width."""

import numpy as np

from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.primitives import inlined
from upsample_cli.machine_code.types import Array

NARROW = 8
"""Up to so many taps, one tap of all outputs at a time is faster than one output at a time."""


@kernel
def average(
    source: Array,
    rows: tuple[Array, Array],
    columns: tuple[Array, Array, Array],
    least: int,
    target: Array,
) -> None:
    """Average the window of each output.

    source : (items, height, values_in)
    rows : (taps, counts), int64 (width, height_out) and (height_out,)
    columns : (taps, counts, sizes), per output value: uint32 (width, values_out), of which those
        past the count repeat another; int64 (values_out,); that again in the source's dtype
    least : how many taps every output has
    target : (items, height_out, values_out)
    """
    taps, heights = rows
    for item in range(target.shape[0]):
        for o in range(target.shape[1]):
            out = target[item, o]
            for n in range(out.size):
                out[n] = 0
            for k in range(heights[o]):
                add_windows(source[item, taps[k, o]], columns, least, out)
            divide(out, heights[o], columns[2])


@inlined
def add_windows(row: Array, columns: tuple[Array, Array, Array], least: int, out: Array) -> None:
    """Add the values of one row, window by window, to the sums."""
    taps, counts, _ = columns
    if taps.shape[0] > NARROW:
        add_wide(row, taps, counts, out)
        return
    k = 0
    while k + 2 <= least:
        first, second = taps[k], taps[k + 1]
        for n in range(out.size):
            out[n] = out[n] + row[first[n]] + row[second[n]]
        k += 2
    for rest in range(k, taps.shape[0]):
        here = taps[rest]
        for n in range(out.size):
            value = row[here[n]]
            out[n] += value if rest < counts[n] else out.dtype.type(0)


@inlined
def add_wide(row: Array, taps: Array, counts: Array, out: Array) -> None:
    """Add window by window, which is as fast where the sums are long."""
    for n in range(out.size):
        total, place = out[n], np.uint64(taps[0, n])
        step = np.uint64(taps[1, n]) - place
        for _ in range(counts[n]):
            total += row[place]
            place += step
        out[n] = total


@inlined
def divide(out: Array, height: int, widths: Array) -> None:
    """Divide twice, because one division by the product would round otherwise."""
    rows = out.dtype.type(height)
    for n in range(out.size):
        out[n] = out[n] / rows / widths[n]
