"""Transposed convolution, as one small dense convolution per phase of the output.

Along an axis, output o has the padded position ``o + padding = stride * q + phase``. It sums the
taps k with ``k * dilation % stride == phase``, each of input ``q - k * dilation // stride``.
"""

import numpy as np

from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.primitives import inlined
from upsample_cli.machine_code.tile import ROWS, VECTOR_BYTES, multiply_tile
from upsample_cli.machine_code.types import Array, Real


@kernel
def transposed_rows(
    source: Array,
    offsets: Array,
    weights: Array,
    starts: Array,
    bias: Array,
    axes: Array,
    layout: Array,
    part: int,
    first: int,
    last: int,
    scratch: Array,
    target: Array,
) -> None:
    """Fill parts of output rows, numbers [first, last) of (item, group, z, y, part of the row).

    source : (n,), the input with what its borders lack, and a vector more
    offsets : int64, where the terms of a phase's sum lie in it, phase after phase
    weights : (groups * blocks, terms * ROWS), where a block is ROWS output channels
    starts : int64 (phases + 1), the first term of each phase, z slowest
    bias : (groups * blocks * ROWS,)
    axes : int64 (3, 3), stride, padding and the first q of the source along z, y, x
    layout : int64 (4,), the distance in the source between groups, planes, rows, and columns
    part : how many elements of each phase make a part, a multiple of the vector's
    scratch : (strides along x * ROWS * part,); target : (items, groups, channels, *spatial)
    """
    groups, channels, depth, height, width = target.shape[1:]
    blocks, lanes = weights.shape[0] // groups, VECTOR_BYTES // source.itemsize
    stride = axes[0, 2]
    parts = (width + stride * part - 1) // (stride * part)
    for number in range(first, last):
        begin = number % parts * stride * part
        row = number // parts
        y, z = row % height, row // height % depth
        group, item = row // height // depth % groups, row // height // depth // groups
        at_z, at_y = z + axes[1, 0], y + axes[1, 1]
        plane = at_z % axes[0, 0] * axes[0, 1] + at_y % axes[0, 1]
        base = (item * groups + group) * layout[0]
        base += (at_z // axes[0, 0] - axes[2, 0]) * layout[1]
        base += (at_y // axes[0, 1] - axes[2, 1]) * layout[2]
        end = min(width, begin + stride * part)
        for block in range(blocks):
            lane = group * blocks + block
            own = weights[lane]
            for j in range(min(stride, end - begin)):
                at_x = begin + j + axes[1, 2]
                phase = plane * stride + at_x % stride
                column = base + at_x // stride - axes[2, 2]
                count = starts[phase + 1] - starts[phase]
                size = (end - begin - j + stride - 1) // stride
                for tile in range((size + lanes - 1) // lanes):
                    x = tile * lanes
                    place = j * ROWS * part + x
                    multiply_tile(
                        source, column + x, offsets, own, starts[phase], count, scratch, place, part
                    )
            for n in range(min(ROWS, channels - block * ROWS)):
                out = target[item, group, block * ROWS + n, z, y, begin:end]
                _interleave(scratch[n * part :], ROWS * part, stride, bias[lane * ROWS + n], out)


@inlined
def _interleave(phases: Array, step: int, stride: int, bias: Real, out: Array) -> None:
    """Put element x of phase j, which lies at ``j * step + x``, at ``x * stride + j``."""
    whole = out.size // stride
    # A stride that is written out lets the loop be vectorised; so do unsigned subscripts.
    if stride == 2:
        second = phases[step:]
        for x in range(whole):
            out[np.uint64(x) * np.uint64(2)] = phases[x] + bias
            out[np.uint64(x) * np.uint64(2) + np.uint64(1)] = second[x] + bias
    else:
        for j in range(stride):
            for x in range(whole):
                out[x * stride + j] = phases[j * step + x] + bias
    for j in range(out.size - whole * stride):
        out[whole * stride + j] = phases[j * step + whole] + bias
