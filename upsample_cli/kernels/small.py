"""Images as PyTorch resamples small ones: both axes at once, by products of weights.

The order of the four products decides the last bit, so that it is an argument; the loops over a
row are vectorised, and each output is summed by itself, whatever the order.
"""

from typing import TypeAlias

from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.primitives import fma, inlined
from upsample_cli.machine_code.types import Array, Real

Corner: TypeAlias = tuple[Array, Real, int]
"""One of the four voxels around each sample: its values, its row's weight, and 1 if it is right."""


@kernel
def blend(
    source: Array,
    rows: tuple[Array, Array],
    columns: tuple[Array, Array],
    order: tuple[int, int, int, int],
    lines: Array,
    held: Array,
    target: Array,
) -> None:
    """Sum the four voxels around each sample: a product, then fused multiply-adds, in an order.

    source : (items, height, values_in)
    rows, columns : (taps, weights), both (2, outputs), upper or left voxel first
    order : four of 0 (upper left), 1 (upper right), 2 (lower left), 3 (lower right)
    lines : scratch (2, 2, values_out), two rows of the source as their left and right voxels
    held : scratch int64 (2,), which rows these are
    target : (items, height_out, values_out)
    """
    taps, weights = rows
    k0, k1, k2, k3 = order
    for item in range(target.shape[0]):
        held[0] = held[1] = -1
        for o in range(target.shape[1]):
            upper = place(source[item], taps[0, o], taps[1, o], columns, lines, held)
            lower = place(source[item], taps[1, o], taps[0, o], columns, lines, held)
            out = target[item, o]
            first = lines[slot_of(upper, lower, k0), k0 & 1], weight_of(weights, o, k0), k0 & 1
            second = lines[slot_of(upper, lower, k1), k1 & 1], weight_of(weights, o, k1), k1 & 1
            third = lines[slot_of(upper, lower, k2), k2 & 1], weight_of(weights, o, k2), k2 & 1
            fourth = lines[slot_of(upper, lower, k3), k3 & 1], weight_of(weights, o, k3), k3 & 1
            sum_products(first, second, third, fourth, columns[1], out)


@inlined
def place(
    source: Array, row: int, other: int, columns: tuple[Array, Array], lines: Array, held: Array
) -> int:
    """Return where in ``lines`` a row is, having put it there, but not in place of the other."""
    taps, _ = columns
    if held[0] == row:
        return 0
    if held[1] == row:
        return 1
    slot = 1 if held[0] == other else 0
    values, left, right = source[row], lines[slot, 0], lines[slot, 1]
    for n in range(left.size):
        left[n] = values[taps[0, n]]
        right[n] = values[taps[1, n]]
    held[slot] = row
    return slot


@inlined
def slot_of(upper: int, lower: int, k: int) -> int:
    """Return where in ``lines`` the row of one of the four voxels is."""
    return lower if k > 1 else upper


@inlined
def weight_of(weights: Array, o: int, k: int) -> Real:
    """Return the weight of the row of one of the four voxels."""
    return weights[k >> 1, o]


@inlined
def sum_products(
    first: Corner, second: Corner, third: Corner, fourth: Corner, weights: Array, out: Array
) -> None:
    """Sum the four voxels of each output of a row; the products of weights are rounded."""
    a, h_a, side_a = first
    b, h_b, side_b = second
    c, h_c, side_c = third
    d, h_d, side_d = fourth
    w_a, w_b, w_c, w_d = weights[side_a], weights[side_b], weights[side_c], weights[side_d]
    for n in range(out.size):
        total = fma(b[n], h_b * w_b[n], a[n] * (h_a * w_a[n]))
        out[n] = fma(d[n], h_d * w_d[n], fma(c[n], h_c * w_c[n], total))
