"""Samples at places that lie along no axis of the input: any affine map, one output row at a time.

Output voxel i of a row lies at ``base + i * step`` in input voxels, for each axis in float64; i is
multiplied, never accumulated. Each kernel takes

source : flat (planes * height * width * lanes,), the input planes from ``origin`` on
frame : (origin, depth, height, width), where depth counts the whole input's planes
matrix : float64 (3, 4), from output voxels to input voxels, x first
fills : (lanes,), what a sample outside the field of view becomes
first : the first output row; rows_out : output rows in a plane
target : (rows, width_out * lanes)

Along each axis a sample is inside if it lies between the outer edges of the first and the last
voxel. Where it lies beyond their centres, their values go on.
"""

from typing import TypeAlias

import numpy as np

from upsample_cli.kernels.labels import TIE
from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.primitives import fma, inlined
from upsample_cli.machine_code.types import Array, Label, Real

Frame: TypeAlias = tuple[int, int, int, int]
Point: TypeAlias = tuple[float, float, float]
Span: TypeAlias = tuple[int, int]
Strides: TypeAlias = tuple[np.uint64, np.uint64, np.uint64]
Taps: TypeAlias = tuple[np.uint64, np.uint64, np.uint64, np.uint64]
Weights: TypeAlias = tuple[Real, Real, Real, Real]

EDGE = 0.5 + 1e-6
"""In voxels: the outer edge of a voxel from its centre, past what rounding takes off."""

KEYS_A = -0.75
"""The free parameter of the Keys cubic; ``sampling.modes`` has the same."""


@kernel
def nearest(
    source: Array,
    frame: Frame,
    matrix: Array,
    fills: Array,
    first: int,
    rows_out: int,
    target: Array,
) -> None:
    """Copy the voxel nearest to each sample, the upper one of two; any unsigned dtype, as bits."""
    lanes = fills.size
    for row in range(target.shape[0]):
        out = target[row]
        bases = row_bases(matrix, (first + row) % rows_out, (first + row) // rows_out)
        ends = clip(bases, matrix, frame, -EDGE, EDGE - 1, (0, out.size // lanes))
        fill(out, fills, ends[0], ends[1])
        if lanes == 1:
            pick(source, frame, bases, matrix, ends, 1, out)
        else:
            pick(source, frame, bases, matrix, ends, lanes, out)


@kernel
def linear(
    source: Array,
    frame: Frame,
    matrix: Array,
    fills: Array,
    first: int,
    rows_out: int,
    target: Array,
) -> None:
    """Interpolate between the 8 voxels around each sample, along x, then y, then z."""
    lanes = fills.size
    for row in range(target.shape[0]):
        out = target[row]
        bases = row_bases(matrix, (first + row) % rows_out, (first + row) // rows_out)
        lo, hi = clip(bases, matrix, frame, -EDGE, EDGE - 1, (0, out.size // lanes))
        fill(out, fills, lo, hi)
        begin, end = clip(bases, matrix, frame, 0.0, -1.0, (lo, hi))
        for lane in range(lanes):
            blend_held(source, frame, bases, matrix, (lo, begin), (lanes, lane), out)
            if lanes == 1:
                blend(source, frame, bases, matrix, (begin, end), (1, 0), out)
            else:
                blend(source, frame, bases, matrix, (begin, end), (lanes, lane), out)
            blend_held(source, frame, bases, matrix, (end, hi), (lanes, lane), out)


@kernel
def cubic(
    source: Array,
    frame: Frame,
    matrix: Array,
    fills: Array,
    first: int,
    rows_out: int,
    target: Array,
) -> None:
    """Weigh the 64 voxels around each sample, along x, then y, then z."""
    origin, depth, height, width = frame
    lanes, real = fills.size, source.dtype.type
    for row in range(target.shape[0]):
        out = target[row]
        bases = row_bases(matrix, (first + row) % rows_out, (first + row) // rows_out)
        lo, hi = clip(bases, matrix, frame, -EDGE, EDGE - 1, (0, out.size // lanes))
        fill(out, fills, lo, hi)
        for i in range(lo, hi):
            x = bases[0] + i * matrix[0, 0]
            y = bases[1] + i * matrix[1, 0]
            z = bases[2] + i * matrix[2, 0]
            xs, x_weights = cubic_taps(x, width, lanes), cubic_weights(x, real)
            ys, y_weights = cubic_taps(y, height, width * lanes), cubic_weights(y, real)
            zs = cubic_taps(z, depth, height * width * lanes)
            before = np.uint64(origin * height * width * lanes)
            for lane in range(lanes):
                n = np.uint64(lane) - before
                out[i * lanes + lane] = weigh_four(
                    weigh_plane(source, n + zs[0], xs, ys, x_weights, y_weights),
                    weigh_plane(source, n + zs[1], xs, ys, x_weights, y_weights),
                    weigh_plane(source, n + zs[2], xs, ys, x_weights, y_weights),
                    weigh_plane(source, n + zs[3], xs, ys, x_weights, y_weights),
                    cubic_weights(z, real),
                )


@kernel
def label(
    source: Array,
    frame: Frame,
    matrix: Array,
    fills: Array,
    first: int,
    rows_out: int,
    sign: Label,
    target: Array,
) -> None:
    """Elect a label among the 8 voxels around each sample, by their weights in ``linear``.

    sign : the bit that makes a label negative, or 0
    """
    origin, depth, height, width = frame
    for row in range(target.shape[0]):
        out = target[row]
        bases = row_bases(matrix, (first + row) % rows_out, (first + row) // rows_out)
        lo, hi = clip(bases, matrix, frame, -EDGE, EDGE - 1, (0, out.size))
        fill(out, fills, lo, hi)
        for i in range(lo, hi):
            x = min(max(bases[0] + i * matrix[0, 0], 0.0), width - 1.0)
            y = min(max(bases[1] + i * matrix[1, 0], 0.0), height - 1.0)
            z = min(max(bases[2] + i * matrix[2, 0], 0.0), depth - 1.0)
            left, top, front = int(x), int(y), int(z)
            right = np.uint64(min(1, width - 1 - left))
            down = np.uint64(min(1, height - 1 - top) * width)
            deeper = np.uint64(min(1, depth - 1 - front) * height * width)
            n = np.uint64(((front - origin) * height + top) * width + left)
            labels = (
                source[n],
                source[n + right],
                source[n + down],
                source[n + down + right],
                source[n + deeper],
                source[n + deeper + right],
                source[n + deeper + down],
                source[n + deeper + down + right],
            )
            out[i] = elect(labels, (x - left, y - top, z - front), sign)


@inlined
def elect(labels: tuple[Label, ...], fractions: Point, sign: Label) -> Label:
    """Return the label of most weight; in a tie the nearest voxel's, then the smallest."""
    x, y, z = fractions
    nearest = labels[int(x >= 0.5) + 2 * int(y >= 0.5) + 4 * int(z >= 0.5)]
    is_one = True
    for n in range(8):
        is_one &= labels[n] == nearest
    if is_one:
        return nearest
    winner, most = nearest, weight_of(nearest, labels, fractions)
    for n in range(8):
        total = weight_of(labels[n], labels, fractions)
        is_smaller = labels[n] ^ sign < winner ^ sign
        is_tie = abs(total - most) <= TIE and winner != nearest and is_smaller
        if total > most + TIE or is_tie:
            winner = labels[n]
        most = max(most, total)
    return winner


@inlined
def weight_of(label: Label, labels: tuple[Label, ...], fractions: Point) -> float:
    """Return the weight of all of the 8 voxels that carry a label."""
    x, y, z = fractions
    total = 0.0
    for n in range(8):
        share = (x if n & 1 else 1 - x) * (y if n & 2 else 1 - y) * (z if n & 4 else 1 - z)
        total += share if labels[n] == label else 0.0
    return total


@inlined
def row_bases(matrix: Array, j: int, k: int) -> Point:
    """Return where the first voxel of output row (j, k) lies."""
    return (
        matrix[0, 3] + j * matrix[0, 1] + k * matrix[0, 2],
        matrix[1, 3] + j * matrix[1, 1] + k * matrix[1, 2],
        matrix[2, 3] + j * matrix[2, 1] + k * matrix[2, 2],
    )


@inlined
def clip(bases: Point, matrix: Array, frame: Frame, low: float, margin: float, ends: Span) -> Span:
    """Narrow [lo, hi) to the i whose places are in [low, size + margin) along every axis."""
    lo, hi = ends
    for axis in range(3):
        high = frame[3 - axis] + margin
        base, step = bases[axis], matrix[axis, 0]
        if step == 0:
            if base < low or base >= high:
                hi = lo
            continue
        enters, leaves = (low - base) / step, (high - base) / step
        begin = int(min(max(np.ceil(min(enters, leaves)), lo), hi))
        end = int(min(max(np.ceil(max(enters, leaves)), lo), hi))
        # The division has rounded; what counts is the place as it will be computed.
        while begin > lo and low <= base + (begin - 1) * step < high:
            begin -= 1
        while begin < end and not low <= base + begin * step < high:
            begin += 1
        while end < hi and low <= base + end * step < high:
            end += 1
        while end > begin and not low <= base + (end - 1) * step < high:
            end -= 1
        lo, hi = begin, end
    return lo, hi


@inlined
def fill(out: Array, fills: Array, lo: int, hi: int) -> None:
    """Fill a row outside of [lo, hi)."""
    lanes = fills.size
    for lane in range(lanes):
        for n in range(lane, lo * lanes, lanes):
            out[n] = fills[lane]
        for n in range(hi * lanes + lane, out.size, lanes):
            out[n] = fills[lane]


@inlined
def pick(
    source: Array, frame: Frame, bases: Point, matrix: Array, ends: Span, lanes: int, out: Array
) -> None:
    """Copy the nearest voxels."""
    origin, depth, height, width = frame
    for i in range(ends[0], ends[1]):
        # Half a voxel added, no place is negative, so that cutting it off is a floor.
        x = min(int(bases[0] + i * matrix[0, 0] + 0.5), width - 1)
        y = min(int(bases[1] + i * matrix[1, 0] + 0.5), height - 1)
        z = min(int(bases[2] + i * matrix[2, 0] + 0.5), depth - 1) - origin
        n = np.uint64(((z * height + y) * width + x) * lanes)
        for lane in range(lanes):
            out[i * lanes + lane] = source[n + np.uint64(lane)]


@inlined
def blend(
    source: Array,
    frame: Frame,
    bases: Point,
    matrix: Array,
    ends: Span,
    lanes: tuple[int, int],
    out: Array,
) -> None:
    """Interpolate where all 8 voxels are there."""
    origin, _, height, width = frame
    count, lane = lanes
    strides = np.uint64(count), np.uint64(width * count), np.uint64(height * width * count)
    for i in range(ends[0], ends[1]):
        x = bases[0] + i * matrix[0, 0]
        y = bases[1] + i * matrix[1, 0]
        z = bases[2] + i * matrix[2, 0]
        # No place is negative here, so that cutting it off is a floor.
        left, top, front = int(x), int(y), int(z)
        n = np.uint64((((front - origin) * height + top) * width + left) * count + lane)
        out[i * count + lane] = blend_eight(source, n, strides, (x - left, y - top, z - front))


@inlined
def blend_held(
    source: Array,
    frame: Frame,
    bases: Point,
    matrix: Array,
    ends: Span,
    lanes: tuple[int, int],
    out: Array,
) -> None:
    """Interpolate near the border, whose voxels go on for the half that is missing."""
    origin, depth, height, width = frame
    count, lane = lanes
    for i in range(ends[0], ends[1]):
        x = min(max(bases[0] + i * matrix[0, 0], 0.0), width - 1.0)
        y = min(max(bases[1] + i * matrix[1, 0], 0.0), height - 1.0)
        z = min(max(bases[2] + i * matrix[2, 0], 0.0), depth - 1.0)
        left, top, front = int(x), int(y), int(z)
        strides = (
            np.uint64(min(1, width - 1 - left) * count),
            np.uint64(min(1, height - 1 - top) * width * count),
            np.uint64(min(1, depth - 1 - front) * height * width * count),
        )
        n = np.uint64((((front - origin) * height + top) * width + left) * count + lane)
        out[i * count + lane] = blend_eight(source, n, strides, (x - left, y - top, z - front))


@inlined
def blend_eight(source: Array, n: np.uint64, strides: Strides, fractions: Point) -> Real:
    """Interpolate between the voxels at ``n`` and one stride further along each axis."""
    real = source.dtype.type
    right, down, deeper = strides
    x1, y1, z1 = real(fractions[0]), real(fractions[1]), real(fractions[2])
    x0, y0, z0 = real(1) - x1, real(1) - y1, real(1) - z1
    a = fma(source[n + right], x1, source[n] * x0)
    n += down
    b = fma(source[n + right], x1, source[n] * x0)
    n += deeper
    d = fma(source[n + right], x1, source[n] * x0)
    n -= down
    c = fma(source[n + right], x1, source[n] * x0)
    return fma(fma(d, y1, c * y0), z1, fma(b, y1, a * y0) * z0)


@inlined
def cubic_taps(place: float, size: int, stride: int) -> Taps:
    """Return where the 4 voxels around a place lie, from the first of its axis."""
    left = int(np.floor(place))
    return (
        np.uint64(min(max(left - 1, 0), size - 1) * stride),
        np.uint64(min(max(left, 0), size - 1) * stride),
        np.uint64(min(max(left + 1, 0), size - 1) * stride),
        np.uint64(min(max(left + 2, 0), size - 1) * stride),
    )


@inlined
def cubic_weights(place: float, real: type[Real]) -> Weights:
    """Return the weights of the 4 voxels around a place."""
    t = real(place - np.floor(place))
    u = real(1) - t
    return cubic_far(t + real(1)), cubic_near(t), cubic_near(u), cubic_far(u + real(1))


@inlined
def cubic_near(x: Real) -> Real:
    """Return the Keys cubic up to 1 from its centre."""
    real = type(x)
    return fma(fma(real(KEYS_A + 2), x, real(-KEYS_A - 3)) * x, x, real(1))


@inlined
def cubic_far(x: Real) -> Real:
    """Return the Keys cubic from 1 to 2 from its centre."""
    real = type(x)
    return fma(
        fma(fma(real(KEYS_A), x, real(-5 * KEYS_A)), x, real(8 * KEYS_A)), x, real(-4 * KEYS_A)
    )


@inlined
def weigh_plane(
    source: Array, n: np.uint64, xs: Taps, ys: Taps, x_weights: Weights, y_weights: Weights
) -> Real:
    """Sum the 16 voxels of one plane."""
    return weigh_four(
        weigh_line(source, n + ys[0], xs, x_weights),
        weigh_line(source, n + ys[1], xs, x_weights),
        weigh_line(source, n + ys[2], xs, x_weights),
        weigh_line(source, n + ys[3], xs, x_weights),
        y_weights,
    )


@inlined
def weigh_line(source: Array, n: np.uint64, xs: Taps, weights: Weights) -> Real:
    """Sum 4 voxels of one row."""
    return weigh_four(
        source[n + xs[0]], source[n + xs[1]], source[n + xs[2]], source[n + xs[3]], weights
    )


@inlined
def weigh_four(a: Real, b: Real, c: Real, d: Real, weights: Weights) -> Real:
    """Sum 4 values, in PyTorch's order."""
    return fma(d, weights[3], fma(c, weights[2], fma(a, weights[0], b * weights[1])))
