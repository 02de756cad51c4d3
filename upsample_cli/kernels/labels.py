"""Label maps: the label on which most weight falls, and how many voxels each label has.

Labels are the bits of any integers, seen as unsigned ones of the same size.
"""

from typing import Any

import numpy as np

from upsample_cli.kernels.compile import inlined, kernel

TIE = 1e-9
"""Sums that are closer than this differ by rounding: 1/3 + 1/3 ties with 2/3."""

HASH = np.uint64(0x9E3779B97F4A7C15)
HASH_SHIFT = np.uint64(32)


MIXED, CHANGES = 1, 2
"""Marks of a place in a row: the rows that are read differ there; the next label is another."""


@kernel
def vote(
    source: Any,
    outer: Any,
    inner: Any,
    along: Any,
    readers: Any,
    sign: Any,
    rows: Any,
    marks: Any,
    ballot: Any,
    target: Any,
) -> None:
    """Elect a label for each output among the taps of all axes, of which tap 0 is the nearest.

    source : (items, planes, rows, values_in)
    outer, inner : (taps, weights, counts) across planes and rows, as in ``sampling.axis``
    along : (taps, weights, counts) within a row, as in ``sampling.rows``
    readers : int64 (values_in, 2), the outputs [begin, end) that read a place in a row
    sign : the bit that makes a label negative, or 0
    rows : scratch for the rows of an output, int64 (n, 2) and float64 (n,)
    marks : scratch, uint8 (values_in,)
    ballot : scratch, labels and float64, one for each tap of an output
    target : (items, planes_out, rows_out, values_out)
    """
    taps, weights, counts = along
    places, shares = rows
    items, planes_out, rows_out, _ = target.shape
    for item in range(items):
        planes = source[item]
        for o in range(planes_out):
            for y in range(rows_out):
                read = list_rows(outer, o, inner, y, rows)
                mark(planes, places, read, marks)
                nearest, out = planes[places[0, 0], places[0, 1]], target[item, o, y]
                for n in range(out.size):
                    out[n] = nearest[taps[n, 0]]
                # Where nothing is marked, all taps carry the label that was just copied.
                done = 0
                for x in range(marks.size):
                    if marks[x]:
                        begin = readers[x, 0] if marks[x] & MIXED else readers[x + 1, 0]
                        for n in range(max(begin, done), readers[x, 1]):
                            sample = (taps[n], weights[n], counts[n])
                            window = (planes, places, shares, read, marks)
                            if support(out[n], sample, window) < 0.5:
                                out[n] = elect(out[n], sample, window, sign, ballot)
                        done = max(done, readers[x, 1])


@inlined
def list_rows(outer: Any, o: Any, inner: Any, y: Any, read: Any) -> int:
    """List the rows that an output row reads, and the weight of each; return how many."""
    planes, plane_weights, plane_counts = outer
    rows, row_weights, row_counts = inner
    places, shares = read
    n = 0
    for i in range(plane_counts[o]):
        for j in range(row_counts[y]):
            places[n, 0], places[n, 1] = planes[i, o], rows[j, y]
            shares[n] = plane_weights[i, o] * row_weights[j, y]
            n += 1
    return n


@inlined
def mark(planes: Any, places: Any, read: Any, marks: Any) -> None:
    """Mark the places of a row around which the taps do not all carry one label."""
    first = planes[places[0, 0], places[0, 1]]
    marks[first.size - 1] = 0
    for x in range(first.size - 1):
        marks[x] = CHANGES if first[x] != first[x + 1] else 0
    for r in range(1, read):
        row = planes[places[r, 0], places[r, 1]]
        for x in range(first.size):
            marks[x] |= MIXED if row[x] != first[x] else 0


@inlined
def support(label: Any, sample: Any, window: Any) -> float:
    """Return the weight of a label's taps; what has a half of all has won or ties."""
    taps, weights, count = sample
    planes, places, shares, read, marks = window
    total = 0.0
    for k in range(count):
        x, weight = taps[k], weights[k]
        if not marks[x] & MIXED:
            # The weights of all rows are 1 together.
            if planes[places[0, 0], places[0, 1], x] == label:
                total += weight
        else:
            for r in range(read):
                share = weight * shares[r]
                total += share if planes[places[r, 0], places[r, 1], x] == label else 0.0
    return total


@inlined
def elect(nearest: Any, sample: Any, window: Any, sign: Any, ballot: Any) -> Any:
    """Return the label with the largest sum; in a tie the nearest voxel's, then the smallest."""
    taps, weights, count = sample
    planes, places, shares, read, marks = window
    labels, sums = ballot
    labels[0], sums[0] = nearest, 0.0
    size = 1
    for k in range(count):
        x, weight = taps[k], weights[k]
        if not marks[x] & MIXED:
            size = add_vote(planes[places[0, 0], places[0, 1], x], weight, size, ballot)
        else:
            for r in range(read):
                label = planes[places[r, 0], places[r, 1], x]
                size = add_vote(label, weight * shares[r], size, ballot)
    most = sums[0]
    for n in range(1, size):
        most = max(most, sums[n])
    if sums[0] >= most - TIE:
        return nearest
    winner = 0
    for n in range(1, size):
        if sums[n] >= most - TIE and (winner == 0 or labels[n] ^ sign < labels[winner] ^ sign):
            winner = n
    return labels[winner]


@inlined
def add_vote(label: Any, weight: Any, size: Any, ballot: Any) -> int:
    """Add a weight to the sum of a label; return how many labels the ballot has then."""
    labels, sums = ballot
    n = 0
    while n < size and labels[n] != label:
        n += 1
    if n == size:
        labels[n], sums[n] = label, 0.0
        size += 1
    sums[n] += weight
    return size


@kernel
def tally(labels: Any, keys: Any, counts: Any, runs: Any, room: int) -> int:
    """Count labels in a hash table until ``room`` new ones are in it; return how many it took.

    labels : (n,); keys : labels (a power of two,)
    counts, runs : int64, as long; a count of 0 is an empty slot. A run is of equal neighbours.
    """
    mask = np.uint64(keys.size - 1)
    n = 0
    while n < labels.size:
        label = labels[n]
        end = n + 1
        while end < labels.size and labels[end] == label:
            end += 1
        slot = ((np.uint64(label) * HASH) >> HASH_SHIFT) & mask
        while counts[slot] > 0 and keys[slot] != label:
            slot = (slot + np.uint64(1)) & mask
        if counts[slot] == 0:
            if room == 0:
                return n
            keys[slot] = label
            room -= 1
        counts[slot] += end - n
        runs[slot] += 1
        n = end
    return n
