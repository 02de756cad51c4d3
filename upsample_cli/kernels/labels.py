"""Label maps: the label on which most weight falls, and how many voxels each label has.

Labels are the bits of any integers, seen as unsigned ones of the same size.
"""

from typing import TypeAlias

import numpy as np

from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.primitives import inlined
from upsample_cli.machine_code.types import Array, Label

TIE = 1e-9
"""Sums that are closer than this differ by rounding: 1/3 + 1/3 ties with 2/3."""

HASH = np.uint64(0x9E3779B97F4A7C15)
HASH_SHIFT = np.uint64(32)

VotePlan: TypeAlias = tuple[Array, Array, Array]
Pair: TypeAlias = tuple[Array, Array]
Sample: TypeAlias = tuple[Array, Array, int]
"""The taps and weights of one output within its row, and how many they are."""
Window: TypeAlias = tuple[Array, Array, Array, int, Array]
"""(planes, places, shares, read, marks): the rows that an output reads, ``read`` of them."""

MIXED, CHANGES = 1, 2
"""Marks of a place in a row: the rows that are read differ there; the next label is another."""


@kernel
def vote(
    source: Array,
    outer: VotePlan,
    inner: VotePlan,
    along: VotePlan,
    readers: Array,
    sign: Label,
    rows: Pair,
    marks: Array,
    agreed: Array,
    ballot: Pair,
    target: Array,
) -> None:
    """Elect a label for each output among the taps of all axes, of which tap 0 is the nearest.

    source : (items, planes, rows, values_in)
    outer, inner : (taps, weights, counts) across planes and rows, as in ``sampling.axis``
    along : (taps, weights, counts) within a row, as in ``sampling.rows``
    readers : int64 (values_in, 2), the outputs [begin, end) that read a place in a row
    sign : the bit that makes a label negative, or 0
    rows : scratch for the rows of an output, int64 (n, 2) and float64 (n,)
    marks, agreed : scratch, uint8 (values_in,) and float64 (values_in,)
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
                compare_rows(planes, rows, read, marks, agreed)
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
                            # A half of all weight wins, or ties.
                            if least_support(out[n], nearest, sample, agreed) < 0.5:
                                window = (planes, places, shares, read, marks)
                                out[n] = elect(sample, window, sign, ballot)
                        done = max(done, readers[x, 1])


@inlined
def list_rows(outer: VotePlan, o: int, inner: VotePlan, y: int, read: Pair) -> int:
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
def compare_rows(planes: Array, rows: Pair, read: int, marks: Array, agreed: Array) -> None:
    """Mark the places of a row around which the taps do not all carry one label.

    ``agreed`` becomes the weight of the rows that agree with the nearest one.
    """
    places, shares = rows
    first = planes[places[0, 0], places[0, 1]]
    last = first.size - 1
    for x in range(last):
        marks[x] = CHANGES if first[x] != first[x + 1] else 0
    marks[last] = 0
    for x in range(first.size):
        agreed[x] = shares[0]
    for r in range(1, read):
        row, share = planes[places[r, 0], places[r, 1]], shares[r]
        for x in range(first.size):
            marks[x] |= MIXED if row[x] != first[x] else 0
            agreed[x] += share if row[x] == first[x] else 0.0


@inlined
def least_support(label: Label, first: Array, sample: Sample, agreed: Array) -> float:
    """Return a weight that the label of the nearest row ``first`` has at least."""
    taps, weights, count = sample
    total = 0.0
    for k in range(count):
        share = weights[k] * agreed[taps[k]]
        total += share if first[taps[k]] == label else 0.0
    return total


@inlined
def elect(sample: Sample, window: Window, sign: Label, ballot: Pair) -> Label:
    """Return the label with the largest sum; in a tie the nearest voxel's, then the smallest."""
    size = list_votes(sample, window, ballot)
    labels, votes = ballot
    nearest = labels[0]
    winner, most, rest = nearest, 0.0, 1.0
    for n in range(size):
        # The votes for a label are spent once they are counted.
        if votes[n] > 0:
            label, total = labels[n], 0.0
            for m in range(n, size):
                vote = votes[m] if labels[m] == label else 0.0
                total += vote
                votes[m] -= vote
            is_smaller = label ^ sign < winner ^ sign
            is_tie = abs(total - most) <= TIE and winner != nearest and is_smaller
            if total > most + TIE or is_tie:
                winner = label
            most = max(most, total)
            rest -= total
            if rest < most - TIE:
                break
    return winner


@inlined
def list_votes(sample: Sample, window: Window, ballot: Pair) -> int:
    """List the labels of all taps with their weights, from the nearest on; return how many."""
    taps, weights, count = sample
    planes, places, shares, read, marks = window
    labels, votes = ballot
    n = 0
    for k in range(count):
        x, weight = taps[k], weights[k]
        if marks[x] & MIXED:
            for r in range(read):
                labels[n] = planes[places[r, 0], places[r, 1], x]
                votes[n] = weight * shares[r]
                n += 1
        else:
            # The shares of all rows are 1 together.
            labels[n], votes[n] = planes[places[0, 0], places[0, 1], x], weight
            n += 1
    return n


@kernel
def tally(labels: Array, keys: Array, counts: Array, runs: Array, room: int) -> int:
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
