"""The five filters that a PNG applies to its rows, and their inverse.

row, above : uint8 (length,), a row of packed pixels and the one above it, zeros for the first
step : bytes from a sample to the same sample of the pixel on its left, at least 1
"""

import numpy as np

from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.primitives import inlined
from upsample_cli.machine_code.types import Array

NONE, SUB, UP, AVERAGE, PAETH = range(5)
FILTERS = 5


@kernel
def filter_rows(rows: Array, above: Array, step: int, candidates: Array, filtered: Array) -> None:
    """Filter each row in the way that leaves the least sum of absolute differences.

    rows : uint8 (n, length); filtered : uint8 (n, 1 + length), the filter before each row
    candidates : uint8 (FILTERS, length), scratch
    """
    for r in range(rows.shape[0]):
        _filter_row(rows[r], rows[r - 1] if r > 0 else above, step, candidates)
        best, least = NONE, _cost(candidates[NONE])
        for f in range(SUB, FILTERS):
            cost = _cost(candidates[f])
            if cost < least:
                best, least = f, cost
        chosen, out = candidates[best], filtered[r, 1:]
        filtered[r, 0] = best
        for n in range(chosen.size):
            out[n] = chosen[n]


@inlined
def _filter_row(row: Array, above: Array, step: int, candidates: Array) -> None:
    """Apply every filter. Each reads raw bytes alone, so that every loop is vectorised."""
    for n in range(min(step, row.size)):
        candidates[NONE, n] = row[n]
        candidates[SUB, n] = row[n]
        candidates[UP, n] = row[n] - above[n]
        candidates[AVERAGE, n] = row[n] - (above[n] >> 1)
        candidates[PAETH, n] = row[n] - above[n]
    inner, up = row[step:], above[step:]
    left, corner = row[: inner.size], above[: inner.size]
    none, sub, up_only = candidates[NONE, step:], candidates[SUB, step:], candidates[UP, step:]
    average, paeth = candidates[AVERAGE, step:], candidates[PAETH, step:]
    for n in range(inner.size):
        none[n] = inner[n]
    for n in range(inner.size):
        sub[n] = inner[n] - left[n]
    for n in range(inner.size):
        up_only[n] = inner[n] - up[n]
    for n in range(inner.size):
        average[n] = inner[n] - ((np.int16(left[n]) + np.int16(up[n])) >> 1)
    for n in range(inner.size):
        paeth[n] = inner[n] - _nearest_neighbour(left[n], up[n], corner[n])


@inlined
def _nearest_neighbour(left: np.uint8, up: np.uint8, corner: np.uint8) -> int:
    """Return the neighbour nearest to left + up - corner, the first of them on a tie."""
    a, b, c = np.int16(left), np.int16(up), np.int16(corner)
    # Sums of 16-bit numbers are wider to the compiler unless they are cast.
    from_a, from_b = np.int16(b - c), np.int16(a - c)
    from_c = abs(np.int16(from_a + from_b))
    from_a, from_b = abs(from_a), abs(from_b)
    b_or_c = b if from_b <= from_c else c
    return a if (from_a <= from_b and from_a <= from_c) else b_or_c


@inlined
def _cost(row: Array) -> int:
    """Return the sum of absolute values of bytes taken as signed."""
    total = np.int64(0)
    # int32 is twice as fast to sum in, and holds 2**24 bytes
    for begin in range(0, row.size, 1 << 20):
        part = row[begin : begin + (1 << 20)]
        subtotal = np.int32(0)
        for n in range(part.size):
            subtotal += abs(np.int32(part[n] ^ np.uint8(128)) - np.int32(128))
        total += subtotal
    return total


@kernel
def unfilter_rows(filtered: Array, above: Array, step: int, rows: Array) -> int:
    """Undo the filter of each row; return how many rows name a filter that does not exist.

    filtered : uint8 (n, 1 + length); rows : uint8 (n, length)
    """
    unknown = 0
    for r in range(rows.shape[0]):
        name = filtered[r, 0]
        unknown += name >= FILTERS
        _unfilter_row(name, filtered[r, 1:], rows[r - 1] if r > 0 else above, step, rows[r])
    return unknown


@inlined
def _unfilter_row(name: int, residue: Array, above: Array, step: int, row: Array) -> None:
    for n in range(min(step, row.size)):
        up = above[n] if name in (UP, PAETH) else above[n] >> 1 if name == AVERAGE else np.uint8(0)
        row[n] = residue[n] + up
    if name == SUB:
        for n in range(step, row.size):
            row[n] = residue[n] + row[n - step]
    elif name == UP:
        for n in range(step, row.size):
            row[n] = residue[n] + above[n]
    elif name == AVERAGE:
        for n in range(step, row.size):
            row[n] = residue[n] + ((np.int16(row[n - step]) + np.int16(above[n])) >> 1)
    elif name == PAETH:
        for n in range(step, row.size):
            row[n] = residue[n] + _nearest_neighbour(row[n - step], above[n], above[n - step])
    else:
        for n in range(step, row.size):
            row[n] = residue[n]
