"""Plain-loop references for every rule, from the design's ``semantics.md``; no library code.

Sums use exact fractions, so that each fused multiply-add is rounded once and nowhere else.
"""

import itertools
import math
from fractions import Fraction

import numpy as np

SUPPORT = {"linear": 1, "cubic": 2, "lanczos": 3}


def pseudo_random(shape, dtype, seed):
    """Return values that no NumPy version changes: uint8 over its range, the rest in [0, 255)."""
    k = np.arange(math.prod(shape), dtype=np.uint64) + np.uint64(seed * 1_000_003)
    for _ in range(3):
        k = (k ^ (k >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (k >> np.uint64(11)).astype(np.float64) * (255.99 * 2.0**-53)
    return values.astype(dtype).reshape(shape)


def fma(a, b, c):
    """Return a * b + c rounded once to the dtype of ``a``, ties to even."""
    dtype = np.asarray(a).dtype.type
    if not all(map(math.isfinite, (a, b, c))):
        return dtype(a * b + c)
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    near = dtype(float(exact))
    if dtype is np.float64 or Fraction(float(near)) == exact:
        return near
    bits = np.dtype(f"u{near.itemsize}")
    candidates = [np.nextafter(near, dtype(end)) for end in (-np.inf, near, np.inf)]
    return min(candidates, key=lambda f: (abs(Fraction(float(f)) - exact), int(f.view(bits)) & 1))


def weighted_sums(source, taps, weights, counts, group=0):
    """Sum taps of the middle axis: a product, then fused multiply-adds, from tap 0 on.

    With a group, as many products are rounded and added in order for as long as there are so many
    taps left: PyTorch's filters hold 16 bytes of them.
    """
    target = np.empty((source.shape[0], len(counts), source.shape[2]), source.dtype)
    for block, o, n in np.ndindex(target.shape):
        values = [source[block, taps[k, o], n] for k in range(counts[o])]
        total, k = values[0] * weights[0, o], 1
        while group and counts[o] - k >= group:
            for _ in range(group):
                total += values[k] * weights[k, o]
                k += 1
        for rest in range(k, counts[o]):
            total = fma(values[rest], weights[rest, o], total)
        target[block, o, n] = total
    return target


def interpolated_taps(size_in, size_out, mode, weight_type):
    """Return taps and float32 weights of an axis, in PyTorch's order and arithmetic.

    ``weight_type`` is the data's dtype, float32 or float16, to which each weight is rounded.
    """
    step, half, a = np.float32(size_in / size_out), np.float32(0.5), np.float32(-0.75)
    one = np.float32(1)

    def near(x):
        return fma(a + 2, x, -(a + 3)) * x * x + one

    def far(x):
        return fma(fma(a, x, -5 * a), x, 8 * a) * x - 4 * a

    taps, weights = [], []
    for i in range(size_out):
        position = fma(step, np.float32(i) + half, -half)
        position = max(position, np.float32(0)) if mode == "linear" else position
        left = min(math.floor(position), size_in - 1)
        t = np.float32(min(max(position - np.float32(left), np.float32(0)), one))
        if mode == "linear":
            right = np.float32(weight_type(t))
            pairs = [(1, right), (0, one - right)]
        else:
            u = one - t
            pairs = [(0, near(t)), (-1, far(t + one)), (1, near(u)), (2, far(u + one))]
        taps.append([min(max(left + k, 0), size_in - 1) for k, _ in pairs])
        weights.append([np.float32(weight_type(weight)) for _, weight in pairs])
    return np.array(taps).T, np.array(weights).T


def fixed_point_sums(source, taps, weights, counts, precision):
    """Sum taps of the middle axis in whole numbers, add one half, shift, clamp to a byte."""
    target = np.empty((source.shape[0], len(counts), source.shape[2]), np.uint8)
    for block, o, n in np.ndindex(target.shape):
        total = 1 << (precision - 1)
        for k in range(counts[o]):
            total += int(weights[k, o]) * int(source[block, taps[k, o], n])
        target[block, o, n] = min(max(total >> precision, 0), 255)
    return target


def store_integers(values, dtype):
    """Round half to even and saturate; NaN becomes 0. Return the integers and the misfits."""
    limits = np.iinfo(dtype)
    stored, misfits = [], 0
    for value in map(float, values):
        if math.isnan(value):
            whole, fits = 0, False
        elif math.isinf(value):
            whole, fits = (limits.max if value > 0 else limits.min), False
        else:
            whole = round(value)
            fits = limits.min <= whole <= limits.max
        stored.append(min(max(whole, limits.min), limits.max))
        misfits += not fits
    return np.array(stored, dtype), misfits


def triangle(x):
    return max(1 - abs(x), 0.0)


def keys(x, a):
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def lanczos(x):
    if x == 0:
        return 1.0
    x *= math.pi
    return 3 * math.sin(x) * math.sin(x / 3) / x**2 if abs(x) < 3 * math.pi else 0.0


FILTERS = {"linear": triangle, "cubic": lambda x: keys(x, -0.5), "lanczos": lanczos}


def nearest_index(size_in, size_out, step, mode, float_type):
    """Return the copied voxel of each output, in PyTorch's arithmetic."""
    step, half = float_type(step), float_type(0.5)
    index = []
    for i in range(size_out):
        if mode == "nearest":
            position = float_type(i) * step
        else:
            position = max(fma(step, float_type(i) + half, -half), float_type(0)) + half
        index.append(min(math.floor(np.float32(position)), size_in - 1))
    return index


def small_nearest_index(size_in, size_out, step, mode):
    """Return the same for 2-D outputs whose height and width make at most 128."""
    if mode == "nearest" and size_out == size_in:
        return list(range(size_out))
    if mode == "nearest" and size_out == 2 * size_in:
        return [i // 2 for i in range(size_out)]
    offset = 0 if mode == "nearest" else 0.5
    positions = [np.float32(float(np.float32(step)) * (i + offset)) for i in range(size_out)]
    return [min(math.floor(position), size_in - 1) for position in positions]


def small_taps(size_in, size_out, step, align_corners, float_type):
    """Return the two voxels of each output of a small image, and the second one's weight."""
    if size_in == size_out:
        return [(i, i, float_type(0)) for i in range(size_out)]
    step, half, taps = float_type(step), float_type(0.5), []
    for i in range(size_out):
        if align_corners:
            position = step * float_type(i)
        else:
            position = max(fma(step, float_type(i) + half, -half), float_type(0))
        first = min(math.floor(np.float32(position)), size_in - 1)
        weight = float_type(min(max(position - float_type(first), 0), 1))
        taps.append((first, min(first + 1, size_in - 1), weight))
    return taps


def small_bilinear(values, sizes, scales=None, align_corners=False):
    """Resample (N, C, H, W) to ``sizes``, height + width <= 128, in PyTorch's order of sums.

    Channels in whole groups of 32 bytes have one order, those left over another.
    """
    dtype = values.dtype.type
    float_type = np.float64 if dtype is np.float64 else np.float32
    steps = []
    for n, (size_in, size_out) in enumerate(zip(values.shape[2:], sizes, strict=True)):
        step = size_in / size_out if scales is None else 1 / scales[n]
        corners = (size_in - 1) / (size_out - 1) if size_out > 1 else 0.0
        steps.append(corners if align_corners else step)
    rows, columns = (
        small_taps(size_in, size_out, step, align_corners, float_type)
        for size_in, size_out, step in zip(values.shape[2:], sizes, steps, strict=True)
    )
    in_group, left_over = {
        np.float16: ("dcba", "abcd"),
        np.float32: ("cdba", "bacd"),
        np.float64: ("cdba", "bacd"),
    }[dtype]
    whole = values.shape[1] // (32 // values.itemsize) * (32 // values.itemsize)
    wide = values.astype(float_type)
    target = np.empty((*values.shape[:2], *sizes), dtype)
    for n, c, o, i in np.ndindex(*target.shape):
        (y0, y1, h1), (x0, x1, v1) = rows[o], columns[i]
        h0, v0, plane = float_type(1) - h1, float_type(1) - v1, wide[n, c]
        products = {
            "a": (plane[y0, x0], h0 * v0),
            "b": (plane[y0, x1], h0 * v1),
            "c": (plane[y1, x0], h1 * v0),
            "d": (plane[y1, x1], h1 * v1),
        }
        first, *others = in_group if c < whole else left_over
        total = products[first][0] * products[first][1]
        for name in others:
            total = fma(*products[name], total)
        target[n, c, o, i] = total
    return target


def area(values, sizes):
    """Average windows of floats (N, C, [H,] W): sums in C order, divided by height, then width."""
    float_type = np.float64 if values.dtype == np.float64 else np.float32
    images = values.reshape(*values.shape[:2], -1, values.shape[-1]).astype(float_type)
    height, width = images.shape[2:]
    rows, columns = (1, *sizes)[-2:]
    target = np.empty((*images.shape[:2], rows, columns), values.dtype)
    for n, c, o, i in np.ndindex(*target.shape):
        window = images[
            n,
            c,
            o * height // rows : -(-(o + 1) * height // rows),
            i * width // columns : -(-(i + 1) * width // columns),
        ]
        total = float_type(0)
        for value in window.ravel():
            total += value
        target[n, c, o, i] = total / float_type(len(window)) / float_type(window.shape[1])
    return target.reshape(*values.shape[:2], *sizes)


def fixed_point_precision(weights):
    """Return the bits for weights (outputs, voxels, taps), each voxel's taps from left to right.

    The largest sum counts, also of a voxel whose next tap makes it smaller.
    """
    largest = max(
        sum(voxel[: k + 1]) for output in weights for voxel in output for k in range(len(voxel))
    )
    precision = 0
    while precision < 22 and int(0.5 + largest * 2 ** (precision + 1)) < 2**15:
        precision += 1
    return precision


def axis_matrix(
    size_in,
    size_out,
    mode,
    scale=None,
    align_corners=False,
    antialias=False,
    float_type=np.float64,
    is_small=False,
):
    """Return the weights (size_out, size_in) of one axis; ``scale`` is None for a given size."""
    step = size_in / size_out if scale is None else 1 / scale
    if align_corners:
        step = (size_in - 1) / (size_out - 1) if size_out > 1 else 0.0
    matrix = np.zeros((size_out, size_in))
    if size_in == size_out and (mode == "linear" or antialias):
        return np.eye(size_in)
    if mode.startswith("nearest"):
        index = nearest_index(size_in, size_out, step, mode, float_type)
        if is_small:
            index = small_nearest_index(size_in, size_out, step, mode)
        for i, j in enumerate(index):
            matrix[i, j] = 1
        return matrix
    for i in range(size_out):
        if mode == "area":
            first = i * size_in // size_out
            last = -(-(i + 1) * size_in // size_out)
            matrix[i, first:last] = 1 / (last - first)
        elif antialias:
            stretch = max(step, 1.0)
            support, centre = SUPPORT[mode] * stretch, step * (i + 0.5)
            first = max(int(centre - support + 0.5), 0)
            last = min(int(centre + support + 0.5), size_in)
            for j in range(first, last):
                matrix[i, j] = FILTERS[mode]((j - centre + 0.5) / stretch)
            matrix[i] /= matrix[i].sum()
        else:
            position = step * i if align_corners else step * (i + 0.5) - 0.5
            if mode == "linear":
                position = max(position, 0.0)
            # PyTorch calls floorf also for float64.
            left = min(math.floor(np.float32(position)), size_in - 1)
            t = min(max(position - left, 0.0), 1.0)
            reach = range(2) if mode == "linear" else range(-1, 3)
            for k in reach:
                weight = triangle(t - k) if mode == "linear" else keys(t - k, -0.75)
                matrix[i, min(max(left + k, 0), size_in - 1)] += weight
    return matrix


def interpolate(
    values,
    sizes,
    mode,
    scales=None,
    align_corners=False,
    antialias=False,
    float_type=np.float64,
    is_fixed_point=False,
    is_small=False,
):
    """Resample (N, C, *spatial) to ``sizes`` in float64, x first.

    ``scales`` are the factors that decide the steps, None for steps of in / out. In fixed point
    each pass rounds half up and clamps to a byte. In small images the nearest modes copy others.
    """
    work = np.asarray(values, np.float64)
    for number in reversed(range(len(sizes))):
        axis = number + 2
        scale = None if scales is None else scales[number]
        size_in = work.shape[axis]
        matrix = axis_matrix(
            size_in, sizes[number], mode, scale, align_corners, antialias, float_type, is_small
        )
        work = np.moveaxis(np.tensordot(matrix, work, (1, axis)), 0, axis)
        if is_fixed_point:
            work = np.clip(np.floor(work + 0.5), 0, 255)
    return work


def png_predictor(name, left, up, corner):
    """Return what the PNG filter of this number expects of a byte, from its three neighbours."""
    if name == 4:
        guess = left + up - corner
        return min((left, up, corner), key=lambda value: abs(guess - value))
    return (0, left, up, (left + up) // 2)[name]


def png_filter(name, row, above, step):
    """Filter a row as the PNG specification says, byte by byte."""
    result = []
    for n in range(len(row)):
        left, corner = (int(row[n - step]), int(above[n - step])) if n >= step else (0, 0)
        result.append((int(row[n]) - png_predictor(name, left, int(above[n]), corner)) % 256)
    return result


def taps_of(o, size, kernel, stride, padding, dilation):
    """Yield the voxels of one axis that window number o holds."""
    for k in range(kernel):
        voxel = o * stride - padding + k * dilation
        if 0 <= voxel < size:
            yield voxel


def max_pool(values, sizes, kernel, stride, padding, dilation):
    """Pool (*spatial) to ``sizes``; return maxima and their flat indices, one entry per axis."""
    maxima = np.empty(sizes, values.dtype)
    indices = np.empty(sizes, np.int64)
    for place in np.ndindex(*sizes):
        windows = zip(place, values.shape, kernel, stride, padding, dilation, strict=True)
        best = None
        for voxel in itertools.product(*(taps_of(*window) for window in windows)):
            if best is None or values[voxel] > values[best] or values[voxel] != values[voxel]:
                best = voxel
        if best is None:  # every tap is padding
            maxima[place] = lowest(values.dtype)
            first = zip(place, stride, padding, dilation, strict=True)
            best = [
                next(x for x in itertools.count(o * s - p, d) if x >= 0) for o, s, p, d in first
            ]
        else:
            maxima[place] = values[best]
        steps = [math.prod(values.shape[n + 1 :]) for n in range(values.ndim)]
        indices[place] = sum(n * step for n, step in zip(best, steps, strict=True))
    return maxima, indices


def lowest(dtype):
    if dtype.kind == "f":
        return -math.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def max_unpool(values, indices, sizes):
    """Put each value of (*spatial) where its index says; the last one stays."""
    target = np.zeros(math.prod(sizes), values.dtype)
    for value, index in zip(values.ravel(), indices.ravel(), strict=True):
        target[index] = value
    return target.reshape(sizes)


def conv_transpose(values, weight, bias, sizes, stride, padding, groups, dilation):
    """Add each value of (C, *spatial) times the kernel to the output, in float64."""
    per_group = weight.shape[1]
    target = np.zeros((per_group * groups, *sizes)) + np.reshape(bias, (-1, *[1] * len(sizes)))
    for c, *place in np.ndindex(*values.shape):
        group = c // (len(values) // groups)
        outputs = slice(group * per_group, (group + 1) * per_group)
        for tap in np.ndindex(*weight.shape[2:]):
            at = [
                i * s - p + k * d
                for i, s, p, k, d in zip(place, stride, padding, tap, dilation, strict=True)
            ]
            if all(0 <= n < size for n, size in zip(at, sizes, strict=True)):
                target[(outputs, *at)] += (
                    float(values[(c, *place)]) * weight[(c, slice(None), *tap)]
                )
    return target


def convolve(values, weight, sizes, stride, padding, groups, dilation):
    """Convolve (C, *spatial) with (C_out, C / groups, *kernel) as PyTorch does, in float64."""
    per_group = weight.shape[1]
    target = np.zeros((len(weight), *sizes))
    for channel, *place in np.ndindex(*target.shape):
        first = channel // (len(weight) // groups) * per_group
        for tap in np.ndindex(*weight.shape[2:]):
            at = [
                o * s - p + k * d
                for o, s, p, k, d in zip(place, stride, padding, tap, dilation, strict=True)
            ]
            if all(0 <= n < size for n, size in zip(at, values.shape[1:], strict=True)):
                inputs = values[(slice(first, first + per_group), *at)]
                target[(channel, *place)] += inputs @ weight[(channel, slice(None), *tap)]
    return target


def elect(labels, sizes, scales=None, align_corners=False, antialias=False):
    """Return the label with the most of linear's weight for each output of (*spatial).

    Sums that differ by less than 1e-9 tie: the nearest voxel's label wins, else the smallest.
    """
    matrices, nearest = [], []
    for number, (size_in, size_out) in enumerate(zip(labels.shape, sizes, strict=True)):
        scale = None if scales is None else scales[number]
        matrix = axis_matrix(size_in, size_out, "linear", scale, align_corners, antialias)
        matrices.append(matrix)
        step = size_in / size_out if scale is None else 1 / scale
        if size_in == size_out:
            step = 1.0
        if align_corners and not (antialias and size_out > 1):
            step = (size_in - 1) / (size_out - 1) if size_out > 1 else 0.0
            nearest.append([math.floor(np.float32(step * i + 0.5)) for i in range(size_out)])
        else:
            if align_corners:
                step = (size_in - 1) / (size_out - 1)
            nearest.append(nearest_index(size_in, size_out, step, "nearest-exact", np.float64))
    target = np.empty(sizes, labels.dtype)
    for place in np.ndindex(*sizes):
        rows = [matrix[i] for matrix, i in zip(matrices, place, strict=True)]
        sums = {}
        for taps in itertools.product(*(np.flatnonzero(row) for row in rows)):
            weight = math.prod(float(row[j]) for row, j in zip(rows, taps, strict=True))
            label = int(labels[taps])
            sums[label] = sums.get(label, 0.0) + weight
        most = max(sums.values())
        tied = [label for label, total in sums.items() if total >= most - 1e-9]
        own = int(labels[tuple(index[i] for index, i in zip(nearest, place, strict=True))])
        target[place] = own if own in tied else min(tied)
    return target


EDGE = 0.5 + 1e-6


def sampled(voxels, matrix, shape, mode, fill):
    """Sample (x, y, z, …) at ``matrix @ (i, j, k, 1)`` for every voxel of ``shape``, in float64."""
    result = np.full((*shape, *voxels.shape[3:]), fill, np.result_type(voxels.dtype, np.float64))
    sizes = np.array(voxels.shape[:3])
    for index in np.ndindex(*shape):
        place = matrix[:3, :3] @ index + matrix[:3, 3]
        if (place < -EDGE).any() or (place >= sizes - 1 + EDGE).any():
            continue
        total = 0
        for taps in itertools.product(
            *(axis_taps(p, n, mode) for p, n in zip(place, sizes, strict=True))
        ):
            voxel = tuple(tap for tap, _ in taps)
            total = total + math.prod(weight for _, weight in taps) * voxels[voxel]
        result[index] = total
    return result


def axis_taps(place, size, mode):
    """Return the voxels that a place on an axis weighs, with their weights."""
    left = math.floor(place)
    t = place - left
    if mode == "nearest-exact":
        pairs = [(math.floor(place + 0.5), 1)]
    elif mode in ("linear", "label"):
        pairs = [(left, 1 - t), (left + 1, t)]
    else:
        pairs = [(left - 1 + k, keys(abs(t + 1 - k), -0.75)) for k in range(4)]
    return [(min(max(tap, 0), size - 1), weight) for tap, weight in pairs]


def elected(voxels, matrix, shape, fill):
    """Return the label of most of linear's weight at ``matrix @ (i, j, k, 1)``; ties as `elect`."""
    result = np.full(shape, fill, voxels.dtype)
    sizes = np.array(voxels.shape[:3])
    for index in np.ndindex(*shape):
        place = matrix[:3, :3] @ index + matrix[:3, 3]
        if (place < -EDGE).any() or (place >= sizes - 1 + EDGE).any():
            continue
        sums = {}
        for taps in itertools.product(
            *(axis_taps(p, n, "linear") for p, n in zip(place, sizes, strict=True))
        ):
            label = int(voxels[tuple(tap for tap, _ in taps)])
            sums[label] = sums.get(label, 0.0) + math.prod(weight for _, weight in taps)
        most = max(sums.values())
        tied = [label for label, total in sums.items() if total >= most - 1e-9]
        nearest = np.clip(np.floor(place + 0.5).astype(int), 0, sizes - 1)
        own = int(voxels[tuple(nearest)])
        result[index] = own if own in tied else min(tied)
    return result
