"""Max-pool and max-unpool of volumes; images and rows are volumes of one plane or one row."""

from typing import Any

import numpy as np

from upsample_cli.kernels.compile import kernel


@kernel
def max_pool(
    source: Any, windows: Any, sizes: Any, first: int, lowest: Any, target: Any, indices: Any
) -> None:
    """Pool the output rows from number ``first`` on, counted over all volumes.

    source : (volumes, depth, height, width), any dtype with an order
    windows : int64 (4, 3), kernel, stride, padding and dilation along z, y, x
    sizes : int64 (3,), the output's size along z, y, x
    lowest : the least value of the dtype, which stands where a window holds nothing else
    target : (rows, sizes[2]); indices : int64, the same, or one row to be used again
    """
    depth, height, width = source.shape[1:]
    for row in range(target.shape[0]):
        best, chosen = target[row], indices[row % indices.shape[0]]
        number = first + row
        z = number // sizes[1] % sizes[0] * windows[1, 0] - windows[2, 0]
        y = number % sizes[1] * windows[1, 1] - windows[2, 1]
        z_end = min(z + (windows[0, 0] - 1) * windows[3, 0] + 1, depth)
        y_end = min(y + (windows[0, 1] - 1) * windows[3, 1] + 1, height)
        while z < 0:
            z += windows[3, 0]
        while y < 0:
            y += windows[3, 1]
        _start_row((z * height + y) * width, windows[1:, 2], lowest, best, chosen)
        volume = source[number // sizes[1] // sizes[0]]
        for j in range(z, z_end, windows[3, 0]):
            for i in range(y, y_end, windows[3, 1]):
                _pool_row(volume[j, i], (j * height + i) * width, windows[:, 2], best, chosen)


@kernel
def _start_row(start: int, steps: Any, lowest: Any, best: Any, chosen: Any) -> None:
    """Begin with ``lowest`` at each window's first tap that is not in the left padding."""
    stride, padding, dilation = steps
    for o in range(best.size):
        best[o] = lowest
        chosen[o] = start + o * stride - padding
    for o in range(min(best.size, (padding + stride - 1) // stride)):
        while chosen[o] < start:
            chosen[o] += dilation


@kernel
def _pool_row(line: Any, start: int, window: Any, best: Any, chosen: Any) -> None:
    """Compare all outputs of a row with one tap after the other; the first maximum stays."""
    taps, stride, padding, dilation = window
    for k in range(taps):
        offset = k * dilation - padding
        begin = max(0, -(offset // stride))
        end = min(best.size, (line.size - 1 - offset) // stride + 1)
        if begin < end:
            x = begin * stride + offset
            _take_larger(line[x:], stride, start + x, best[begin:end], chosen[begin:end])


@kernel
def _take_larger(line: Any, stride: int, index: int, best: Any, chosen: Any) -> None:
    """Replace what is smaller than every ``stride``-th value, or where that value is NaN."""
    # A stride that is written out lets the loop be vectorised; so do unsigned subscripts.
    if stride == 1:
        for o in range(best.size):
            value = line[o]
            is_new = (value > best[o]) | (value != value)
            best[o] = value if is_new else best[o]
            chosen[o] = index + o if is_new else chosen[o]
    elif stride == 2:
        for o in range(best.size):
            value = line[np.uint64(o) * np.uint64(2)]
            is_new = (value > best[o]) | (value != value)
            best[o] = value if is_new else best[o]
            chosen[o] = index + o * 2 if is_new else chosen[o]
    else:
        for o in range(best.size):
            value = line[o * stride]
            if value > best[o] or value != value:
                best[o] = value
                chosen[o] = index + o * stride


@kernel
def max_unpool(source: Any, indices: Any, target: Any) -> int:
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
