"""The passes of every separable mode, told apart only by memory layout.

Each output is a sum over taps in the plan's order: a product, further products up to ``rounded``,
then fused multiply-adds. The loops for 2 and 4 taps are the same sum written out, so that it stays
in registers. All values are float32 or float64, and every target is written in full.

Along rows: source (all rows, values_in); picked : uint32 (rows,), which of them are passed;
plan : (taps, weights, counts, rounded, is_full) and doubling : (channels, first, last, shifts,
weights, phases), as in ``sampling.rows``, where phases is scratch (2, values_in); work : scratch,
as in ``columns``; target (rows, values_out).

Across rows: source (blocks, size_in, row); plan : (taps, weights, counts, rounded), as in
``sampling.axis.AxisPlan``; target (blocks, size_out, row).
"""

from typing import TypeAlias

from upsample_cli.machine_code.columns import weigh_columns
from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.interleave import interleave
from upsample_cli.machine_code.primitives import fma, inlined
from upsample_cli.machine_code.types import Array, Real, SumPlan, Work

RowSumPlan: TypeAlias = tuple[Array, Array, Array, Array, bool]
Doubling: TypeAlias = tuple[int, int, int, Array, Array, Array]

BLOCK = 2048
"""Elements of a row that are summed over all taps before the next: they stay in the L1 cache."""


@kernel
def along_rows(source: Array, picked: Array, plan: RowSumPlan, target: Array) -> None:
    """Weigh values within each row."""
    gather_rows(source, picked, plan, target)


@kernel
def doubled_rows(
    source: Array, picked: Array, plan: RowSumPlan, doubling: Doubling, target: Array
) -> None:
    """Weigh values within each row, twice as many as there are."""
    double_rows(source, picked, plan, doubling, target)


@kernel
def turned_rows(source: Array, picked: Array, plan: RowSumPlan, work: Work, target: Array) -> None:
    """Weigh values within each row, many rows at a time."""
    turn_rows(source, picked, plan, work, target)


@kernel
def across_rows(source: Array, plan: SumPlan, target: Array) -> None:
    """Weigh whole contiguous rows; every inner loop is vectorised."""
    blocks, size_out, _ = target.shape
    for block in range(blocks):
        for o in range(size_out):
            weigh_row(source[block], plan, o, target[block, o])


@kernel
def planes(
    source: Array,
    used: Array,
    picked: Array,
    along: RowSumPlan,
    doubling: Doubling,
    work: Work,
    inner: SumPlan,
    outer: SumPlan,
    passed: Array,
    ring: Array,
    target: Array,
) -> None:
    """Pass planes along their rows, across them, and across planes, one after the other.

    What is between two passes never leaves the cache.

    source : (planes, rows, values_in); used : uint32, which planes are read, from the first on
    picked : uint32, which rows of a plane are read
    along, doubling : the plans along rows; nothing is doubled where last is first
    work : as in ``columns``; without values, four rows are weighed at a time
    inner, outer : the plans across rows and across planes, among those that are picked and used
    passed : scratch (picked, values_out); ring : scratch (rows_out, room, values_out), with room
        for the planes that one output reads
    target : (planes_out, rows_out, values_out)
    """
    taps, _, counts, _ = outer
    rows_out, room, _ = ring.shape
    done = 0
    for o in range(target.shape[0]):
        last = 0
        for k in range(counts[o]):
            last = max(last, taps[k, o])
        while done <= last:
            slot = done % room
            if doubling[1] < doubling[2]:
                double_rows(source[used[done]], picked, along, doubling, passed)
            elif work[0].size:
                turn_rows(source[used[done]], picked, along, work, passed)
            else:
                gather_rows(source[used[done]], picked, along, passed)
            for row in range(rows_out):
                weigh_row(passed, inner, row, ring[row, slot])
            done += 1
        for row in range(rows_out):
            weigh_row(ring[row], outer, o, target[o, row])


@inlined
def gather_rows(source: Array, picked: Array, plan: RowSumPlan, target: Array) -> None:
    """Weigh four rows at a time, so that a tap is looked up once for all."""
    taps, weights, counts, rounded, is_full = plan
    rows, values_out = target.shape
    for row in range(0, rows, 4):
        # Past the last row, the last one is done again.
        r1, r2, r3 = min(row + 1, rows - 1), min(row + 2, rows - 1), min(row + 3, rows - 1)
        a, b = source[picked[row]], source[picked[r1]]
        c, d = source[picked[r2]], source[picked[r3]]
        out_a, out_b, out_c, out_d = target[row], target[r1], target[r2], target[r3]
        if is_full and taps.shape[1] == 2:
            for n in range(values_out):
                j0, j1 = taps[n, 0], taps[n, 1]
                w0, w1 = weights[n, 0], weights[n, 1]
                out_a[n] = fma(a[j1], w1, a[j0] * w0)
                out_b[n] = fma(b[j1], w1, b[j0] * w0)
                out_c[n] = fma(c[j1], w1, c[j0] * w0)
                out_d[n] = fma(d[j1], w1, d[j0] * w0)
        else:
            for n in range(values_out):
                j, w = taps[n, 0], weights[n, 0]
                sum_a, sum_b, sum_c, sum_d = a[j] * w, b[j] * w, c[j] * w, d[j] * w
                for k in range(1, rounded[n]):
                    j, w = taps[n, k], weights[n, k]
                    sum_a += a[j] * w
                    sum_b += b[j] * w
                    sum_c += c[j] * w
                    sum_d += d[j] * w
                for k in range(rounded[n], counts[n]):
                    j, w = taps[n, k], weights[n, k]
                    sum_a = fma(a[j], w, sum_a)
                    sum_b = fma(b[j], w, sum_b)
                    sum_c = fma(c[j], w, sum_c)
                    sum_d = fma(d[j], w, sum_d)
                out_a[n], out_b[n], out_c[n], out_d[n] = sum_a, sum_b, sum_c, sum_d


@inlined
def turn_rows(source: Array, picked: Array, plan: RowSumPlan, work: Work, target: Array) -> None:
    """Weigh as many rows at a time as a vector has lanes."""
    row = 0
    while row < target.shape[0]:  # a range whose step is a variable can raise
        weigh_columns(source, picked, row, plan[:4], work, target)
        row += work[2].size


@inlined
def double_rows(
    source: Array, picked: Array, plan: RowSumPlan, doubling: Doubling, target: Array
) -> None:
    """Sum the even and the odd outputs apart, which needs no look-up but at the ends of a row."""
    taps, weights, counts, rounded, _ = plan
    channels, first, last, shifts, phase_weights, phases = doubling
    begin, end = first * channels, last * channels
    for row in range(target.shape[0]):
        values, out = source[picked[row]], target[row]
        for p in range(2):
            # Within the run every output has all taps, and as many of their products rounded.
            products = rounded[2 * begin]
            sum_shifted(values, shifts[p], phase_weights[p], begin, end, products, phases[p])
        interleave(phases, channels, first, last, out)
        for lo, hi in ((0, 2 * begin), (2 * end, out.size)):
            for n in range(lo, hi):
                total = values[taps[n, 0]] * weights[n, 0]
                for k in range(1, rounded[n]):
                    total += values[taps[n, k]] * weights[n, k]
                for k in range(rounded[n], counts[n]):
                    total = fma(values[taps[n, k]], weights[n, k], total)
                out[n] = total


@inlined
def sum_shifted(
    values: Array, shifts: Array, weights: Array, begin: int, end: int, rounded: int, sums: Array
) -> None:
    """Set ``sums[n] = sum(weights[k, n] * values[n + shifts[k]])`` for n in [begin, end)."""
    size = end - begin
    s0, w0 = values[begin + shifts[0] : end + shifts[0]], weights[0, begin:end]
    out = sums[begin:end]
    if shifts.size == 2:
        s1, w1 = values[begin + shifts[1] : end + shifts[1]], weights[1, begin:end]
        for n in range(size):
            out[n] = fma(s1[n], w1[n], s0[n] * w0[n])
    elif shifts.size == 4 and rounded == 1:
        s1, w1 = values[begin + shifts[1] : end + shifts[1]], weights[1, begin:end]
        s2, w2 = values[begin + shifts[2] : end + shifts[2]], weights[2, begin:end]
        s3, w3 = values[begin + shifts[3] : end + shifts[3]], weights[3, begin:end]
        for n in range(size):
            total = fma(s1[n], w1[n], s0[n] * w0[n])
            out[n] = fma(s3[n], w3[n], fma(s2[n], w2[n], total))
    else:
        for n in range(size):
            out[n] = s0[n] * w0[n]
        for k in range(1, shifts.size):
            s1, w1 = values[begin + shifts[k] : end + shifts[k]], weights[k, begin:end]
            if k < rounded:
                for n in range(size):
                    out[n] += s1[n] * w1[n]
            else:
                for n in range(size):
                    out[n] = fma(s1[n], w1[n], out[n])


@inlined
def weigh_row(source: Array, plan: SumPlan, o: int, target: Array) -> None:
    """Sum rows of (rows, length) for output ``o``; row j lies at j modulo the number of rows."""
    taps, weights, counts, rounded = plan
    room = source.shape[0]
    first, w0 = source[taps[0, o] % room], weights[0, o]
    if counts[o] == 1:
        for n in range(target.size):
            target[n] = first[n] * w0
    elif counts[o] == 2:
        second, w1 = source[taps[1, o] % room], weights[1, o]
        for n in range(target.size):
            target[n] = fma(second[n], w1, first[n] * w0)
    elif counts[o] == 4 and rounded[o] == 1:
        second, third = source[taps[1, o] % room], source[taps[2, o] % room]
        fourth = source[taps[3, o] % room]
        w1, w2, w3 = weights[1, o], weights[2, o], weights[3, o]
        for n in range(target.size):
            total = fma(second[n], w1, first[n] * w0)
            target[n] = fma(fourth[n], w3, fma(third[n], w2, total))
    else:
        weigh_in_blocks(source, plan, o, target)


@inlined
def weigh_in_blocks(source: Array, plan: SumPlan, o: int, target: Array) -> None:
    """Sum any number of taps, four at a time."""
    taps, weights, counts, rounded = plan
    room = source.shape[0]
    for begin in range(0, target.size, BLOCK):
        size = min(BLOCK, target.size - begin)
        out = target[begin : begin + size]
        first, w0 = source[taps[0, o] % room, begin : begin + size], weights[0, o]
        for n in range(size):
            out[n] = first[n] * w0
        if rounded[o] > 1:
            add_products(source, plan, o, begin, out)
        k = rounded[o]
        while k + 4 <= counts[o]:
            first = source[taps[k, o] % room, begin : begin + size]
            second = source[taps[k + 1, o] % room, begin : begin + size]
            third = source[taps[k + 2, o] % room, begin : begin + size]
            fourth = source[taps[k + 3, o] % room, begin : begin + size]
            w0, w1, w2, w3 = weights[k, o], weights[k + 1, o], weights[k + 2, o], weights[k + 3, o]
            for n in range(size):
                total = fma(second[n], w1, fma(first[n], w0, out[n]))
                out[n] = fma(fourth[n], w3, fma(third[n], w2, total))
            k += 4
        for rest in range(k, counts[o]):
            first, w0 = source[taps[rest, o] % room, begin : begin + size], weights[rest, o]
            for n in range(size):
                out[n] = fma(first[n], w0, out[n])


@inlined
def add_products(source: Array, plan: SumPlan, o: int, begin: int, out: Array) -> None:
    """Add the products that are rounded to the first one, four at a time."""
    taps, weights, _, rounded = plan
    room, end = source.shape[0], begin + out.size
    k = 1
    while k + 4 <= rounded[o]:
        first, second = (
            source[taps[k, o] % room, begin:end],
            source[taps[k + 1, o] % room, begin:end],
        )
        third = source[taps[k + 2, o] % room, begin:end]
        fourth = source[taps[k + 3, o] % room, begin:end]
        w0, w1, w2, w3 = weights[k, o], weights[k + 1, o], weights[k + 2, o], weights[k + 3, o]
        for n in range(out.size):
            total = out[n] + first[n] * w0 + second[n] * w1
            out[n] = total + third[n] * w2 + fourth[n] * w3
        k += 4
    for rest in range(k, rounded[o]):
        first, w0 = source[taps[rest, o] % room, begin:end], weights[rest, o]
        for n in range(out.size):
            out[n] += first[n] * w0


@kernel
def accumulate(source: Array, weight: Real, k: int, rounded: int, target: Array) -> None:
    """Add the row of tap ``k`` to the sums of a wide filter, in the same order as ``across_rows``.

    source, target : (n,); weight : a scalar of their dtype; rounded : how many products are
    """
    if k == 0:
        for n in range(source.size):
            target[n] = source[n] * weight
    elif k < rounded:
        for n in range(source.size):
            target[n] += source[n] * weight
    else:
        for n in range(source.size):
            target[n] = fma(source[n], weight, target[n])
