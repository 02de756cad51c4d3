"""The two passes on uint8 with whole-number weights, as PyTorch's image kernels sum them.

Each pass: clamp(((1 << (precision - 1)) + sum(weight * value)) >> precision, 0, 255), in int32,
which holds every sum: Numba's own int64 would halve what a vector holds.

Arrays are shaped as in ``separable``; source and target are uint8, weights int32.
"""

import numpy as np

from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.interleave import interleave
from upsample_cli.machine_code.lanes import weigh_four_rows, weigh_rgb, weigh_rgba
from upsample_cli.machine_code.primitives import inlined
from upsample_cli.machine_code.types import Array

BLOCK = 1024
"""Elements of a row that are summed before the next, in a scratch of 4 KiB."""


@inlined
def add(total: np.int32, value: np.uint8, weight: np.int32) -> np.int32:
    """Return ``total + value * weight``, all int32."""
    return np.int32(total + np.int32(np.int32(value) * weight))


@inlined
def rounded(total: np.int32, precision: int) -> np.uint8:
    """Return the uint8 of a sum that began with one half."""
    return np.uint8(min(max(total >> np.int32(precision), np.int32(0)), np.int32(255)))


@kernel
def along_rows(
    source: Array,
    picked: Array,
    taps: Array,
    weights: Array,
    counts: Array,
    precision: int,
    target: Array,
) -> None:
    """Weigh values within each row, four rows at a time; a tap is looked up once for all."""
    rows, values_out = target.shape
    half = np.int32(np.int32(1) << np.int32(precision - 1))
    for row in range(0, rows, 4):
        # Past the last row, the last one is done again.
        r1, r2, r3 = min(row + 1, rows - 1), min(row + 2, rows - 1), min(row + 3, rows - 1)
        a, b = source[picked[row]], source[picked[r1]]
        c, d = source[picked[r2]], source[picked[r3]]
        out_a, out_b, out_c, out_d = target[row], target[r1], target[r2], target[r3]
        for n in range(values_out):
            sum_a, sum_b, sum_c, sum_d = half, half, half, half
            for k in range(counts[n]):
                j, w = taps[n, k], weights[n, k]
                sum_a, sum_b = add(sum_a, a[j], w), add(sum_b, b[j], w)
                sum_c, sum_d = add(sum_c, c[j], w), add(sum_d, d[j], w)
            out_a[n], out_b[n] = rounded(sum_a, precision), rounded(sum_b, precision)
            out_c[n], out_d[n] = rounded(sum_c, precision), rounded(sum_d, precision)


@kernel
def along_windows(
    source: Array,
    picked: Array,
    first: Array,
    weights: Array,
    precision: int,
    channels: int,
    padded: Array,
    target: Array,
) -> None:
    """Weigh consecutive taps of 1, 3 or 4 channels within each row, by ``lanes``.

    first : int64 (size_out,), the value at which each output's window begins
    weights : int32 (size_out, taps), as ``lanes`` takes them
    padded : scratch, uint8 (4, values_in + overhang), as ``sampling.rows.WindowPlan`` says
    """
    rows = target.shape[0]
    step = 4 if channels == 1 else 1
    for row in range(0, rows, step):
        for r in range(step):
            values = source[picked[min(row + r, rows - 1)]]
            room = padded[r]
            for n in range(values.size):
                room[n] = values[n]
        out = target[row]
        if channels == 1:
            b, c, d = min(row + 1, rows - 1), min(row + 2, rows - 1), min(row + 3, rows - 1)
            out_b, out_c, out_d = target[b], target[c], target[d]
            for o in range(first.size):
                word = weigh_four_rows(
                    padded[0], padded[1], padded[2], padded[3], first[o], weights, o, precision
                )
                out_d[o], out_c[o] = np.uint8(word >> 24), np.uint8(word >> 16)
                out_b[o], out[o] = np.uint8(word >> 8), np.uint8(word)
        elif channels == 3:
            for o in range(first.size):
                word = weigh_rgb(padded[0], first[o], weights, o, precision)
                out[3 * o], out[3 * o + 1] = np.uint8(word), np.uint8(word >> 8)
                out[3 * o + 2] = np.uint8(word >> 16)
        else:
            for o in range(first.size):
                word = weigh_rgba(padded[0], first[o], weights, o, precision)
                out[4 * o], out[4 * o + 1] = np.uint8(word), np.uint8(word >> 8)
                out[4 * o + 2], out[4 * o + 3] = np.uint8(word >> 16), np.uint8(word >> 24)


@kernel
def doubled_rows(
    source: Array,
    picked: Array,
    taps: Array,
    weights: Array,
    counts: Array,
    precision: int,
    channels: int,
    first: int,
    last: int,
    shifts: Array,
    phase_weights: Array,
    sums: Array,
    phases: Array,
    target: Array,
) -> None:
    """Weigh values within each row, twice as many as there are, as ``PhasePlan`` says: no gather.

    sums : scratch, int32 (values_in,); phases : scratch, uint8 (2, values_in)
    """
    begin, end = first * channels, last * channels
    for row in range(target.shape[0]):
        values, out = source[picked[row]], target[row]
        for p in range(2):
            sum_shifted(values, shifts[p], phase_weights[p], precision, begin, end, sums, phases[p])
        interleave(phases, channels, first, last, out)
        for lo, hi in ((0, 2 * begin), (2 * end, out.size)):
            for n in range(lo, hi):
                total = np.int32(np.int32(1) << np.int32(precision - 1))
                for k in range(counts[n]):
                    total = add(total, values[taps[n, k]], weights[n, k])
                out[n] = rounded(total, precision)


@inlined
def sum_shifted(
    values: Array,
    shifts: Array,
    weights: Array,
    precision: int,
    begin: int,
    end: int,
    sums: Array,
    phase: Array,
) -> None:
    """Set ``phase[n]`` to the weighted mean of ``values[n + shifts[k]]`` for n in [begin, end)."""
    size = end - begin
    half = np.int32(np.int32(1) << np.int32(precision - 1))
    s0, w0 = values[begin + shifts[0] : end + shifts[0]], weights[0, begin:end]
    out = phase[begin:end]
    if shifts.size == 2:
        s1, w1 = values[begin + shifts[1] : end + shifts[1]], weights[1, begin:end]
        for n in range(size):
            out[n] = rounded(add(add(half, s0[n], w0[n]), s1[n], w1[n]), precision)
    elif shifts.size == 4:
        s1, w1 = values[begin + shifts[1] : end + shifts[1]], weights[1, begin:end]
        s2, w2 = values[begin + shifts[2] : end + shifts[2]], weights[2, begin:end]
        s3, w3 = values[begin + shifts[3] : end + shifts[3]], weights[3, begin:end]
        for n in range(size):
            total = add(add(half, s0[n], w0[n]), s1[n], w1[n])
            out[n] = rounded(add(add(total, s2[n], w2[n]), s3[n], w3[n]), precision)
    else:
        for n in range(size):
            sums[n] = add(half, s0[n], w0[n])
        for k in range(1, shifts.size):
            s1, w1 = values[begin + shifts[k] : end + shifts[k]], weights[k, begin:end]
            for n in range(size):
                sums[n] = add(sums[n], s1[n], w1[n])
        for n in range(size):
            out[n] = rounded(sums[n], precision)


@kernel
def across_rows(
    source: Array,
    taps: Array,
    weights: Array,
    counts: Array,
    precision: int,
    sums: Array,
    target: Array,
) -> None:
    """Weigh whole contiguous rows; every inner loop is vectorised.

    sums : scratch, int32 (BLOCK,)
    """
    blocks, size_out, length = target.shape
    half = np.int32(np.int32(1) << np.int32(precision - 1))
    for block in range(blocks):
        for o in range(size_out):
            row = target[block, o]
            first, w0 = source[block, taps[0, o]], weights[0, o]
            if counts[o] == 2:
                second, w1 = source[block, taps[1, o]], weights[1, o]
                for n in range(length):
                    row[n] = rounded(add(add(half, first[n], w0), second[n], w1), precision)
            elif counts[o] == 4:
                second, third = source[block, taps[1, o]], source[block, taps[2, o]]
                fourth = source[block, taps[3, o]]
                w1, w2, w3 = weights[1, o], weights[2, o], weights[3, o]
                for n in range(length):
                    total = add(add(half, first[n], w0), second[n], w1)
                    row[n] = rounded(add(add(total, third[n], w2), fourth[n], w3), precision)
            else:
                for begin in range(0, length, BLOCK):
                    size = min(BLOCK, length - begin)
                    tap = first[begin : begin + size]
                    for n in range(size):
                        sums[n] = add(half, tap[n], w0)
                    for k in range(1, counts[o]):
                        tap = source[block, taps[k, o], begin : begin + size]
                        weight = weights[k, o]
                        for n in range(size):
                            sums[n] = add(sums[n], tap[n], weight)
                    out = row[begin : begin + size]
                    for n in range(size):
                        out[n] = rounded(sums[n], precision)
