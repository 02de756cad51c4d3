"""Max-pool and max-unpool of volumes; images and rows are volumes of one plane or one row."""

import numpy as np

from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.primitives import inlined
from upsample_cli.machine_code.types import Array, Scalar


@kernel
def max_pool(
    source: Array,
    windows: Array,
    sizes: Array,
    first: int,
    lowest: Scalar,
    phases: Array,
    target: Array,
    indices: Array,
) -> None:
    """Pool the output rows from number ``first`` on, counted over all volumes.

    source : (volumes, depth, height, width), any dtype with an order
    windows : int64 (4, 3), kernel, stride, padding and dilation along z, y, x
    sizes : int64 (3,), the output's size along z, y, x
    lowest : the least value of the dtype, which stands where a window holds nothing else
    phases : scratch of the dtype (stride along x, or more than width, width / stride rounded up)
    target : (rows, sizes[2]); indices : int64, the same, or one row to be used again
    """
    depth, height, width = source.shape[1:]
    for row in range(target.shape[0]):
        best, chosen = target[row], indices[row % indices.shape[0]]
        number = first + row
        z = number // sizes[1] % sizes[0] * windows[1, 0] - windows[2, 0]
        y = number % sizes[1] * windows[1, 1] - windows[2, 1]
        first_k, last_k = _taps_inside(z, windows[0, 0], windows[3, 0], depth)
        first_m, last_m = _taps_inside(y, windows[0, 1], windows[3, 1], height)
        start = (z + first_k * windows[3, 0]) * height + y + first_m * windows[3, 1]
        start *= width
        _start_row(start, windows[1:, 2], lowest, best, chosen)
        volume = source[number // sizes[1] // sizes[0]]
        for k in range(first_k, last_k):
            tap_z = z + k * windows[3, 0]
            for m in range(first_m, last_m):
                tap_y = y + m * windows[3, 1]
                start = (tap_z * height + tap_y) * width
                _split(volume[tap_z, tap_y], windows[1, 2], phases)
                _pool_row(phases, width, start, windows[:, 2], best, chosen)


@inlined
def _taps_inside(start: int, taps: int, dilation: int, size: int) -> tuple[int, int]:
    """Return the first tap that is not in the padding before the input, and the first after it."""
    return max(0, -(start // dilation)), min(taps, -((start - size) // dilation))


@inlined
def _start_row(start: int, steps: Array, lowest: Scalar, best: Array, chosen: Array) -> None:
    """Begin with ``lowest`` at each window's first tap that is not in the left padding."""
    stride, padding, dilation = steps[0], steps[1], steps[2]
    for o in range(best.size):
        best[o] = lowest
        chosen[o] = start + o * stride - padding
    for o in range(min(best.size, (padding + stride - 1) // stride)):
        place = o * stride - padding
        chosen[o] = start + place + max(0, -(place // dilation)) * dilation


@inlined
def _split(line: Array, stride: int, phases: Array) -> None:
    """Put every ``stride``-th value of a row side by side: value x into ``phases[x % stride]``."""
    if stride == 2:
        # Written out, so that whole vectors are loaded and shuffled.
        even, odd = phases[0], phases[1]
        for o in range(line.size // 2):
            even[o] = line[np.uint64(o) * np.uint64(2)]
            odd[o] = line[np.uint64(o) * np.uint64(2) + np.uint64(1)]
        if line.size % 2:
            even[line.size // 2] = line[line.size - 1]
    else:
        for j in range(min(stride, line.size)):
            for o in range((line.size - j + stride - 1) // stride):
                phases[j, o] = line[o * stride + j]


@inlined
def _pool_row(
    phases: Array, width: int, start: int, window: Array, best: Array, chosen: Array
) -> None:
    """Compare all outputs of a row with one tap after the other; the first maximum stays."""
    taps, stride, padding, dilation = window[0], window[1], window[2], window[3]
    # The taps that reach into the row from its first or from its last window.
    first = max(0, -(((best.size - 1) * stride - padding) // dilation))
    last = min(taps, -((-padding - width) // dilation))
    for k in range(first, last):
        offset = k * dilation - padding
        begin = max(0, -(offset // stride))
        end = min(best.size, (width - 1 - offset) // stride + 1)
        shift, phase = offset // stride, offset % stride
        _take_larger(phases[phase], shift, start + offset, stride, begin, end, best, chosen)


@inlined
def _take_larger(
    values: Array,
    shift: int,
    index: int,
    stride: int,
    begin: int,
    end: int,
    best: Array,
    chosen: Array,
) -> None:
    """Replace what is smaller than the value ``shift`` further, or where that value is NaN."""
    for o in range(begin, end):
        # Unsigned subscripts, which cannot count from the end, let the loop be vectorised.
        at, value = np.uint64(o), values[np.uint64(o + shift)]
        is_new = (value > best[at]) | (value != value)
        best[at] = value if is_new else best[at]
        chosen[at] = index + o * stride if is_new else chosen[at]


@kernel
def max_unpool(source: Array, indices: Array, target: Array) -> int:
    """Put each value where its index says; of equal indices, the last one stays.

    source : (volumes, n), any dtype; indices : int64, the same; target : (volumes, m)

    Return the position of the first index beyond the target, counted over all volumes, or -1.
    """
    size = np.uint64(target.shape[1])
    for volume in range(source.shape[0]):
        for n in range(source.shape[1]):
            index = np.uint64(indices[volume, n])  # a negative one becomes too large
            if index >= size:
                return volume * source.shape[1] + n
            target[volume, index] = source[volume, n]
    return -1
