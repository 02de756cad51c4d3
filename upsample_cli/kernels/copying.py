"""The passes of the nearest modes: values of any unsigned integer dtype move as bits."""

from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.primitives import inlined
from upsample_cli.machine_code.types import Array

KEPT, DOUBLED, GATHERED = range(3)
"""How the values of a row come from those of another: as they are, each twice, or by taps."""


@kernel
def along_rows(source: Array, picked: Array, taps: Array, target: Array) -> None:
    """Copy one value per output within each row.

    source : (all rows, values_in); picked : uint32 (rows,), which of them are passed
    taps : uint32 (values_out,); target : (rows, values_out)
    """
    rows, values_out = target.shape
    for row in range(0, rows, 2):
        # Past the last row, the last one is done again.
        other = min(row + 1, rows - 1)
        a, b = source[picked[row]], source[picked[other]]
        out_a, out_b = target[row], target[other]
        for n in range(values_out):
            out_a[n] = a[taps[n]]
            out_b[n] = b[taps[n]]


@kernel
def doubled_rows(source: Array, picked: Array, target: Array) -> None:
    """Copy each value of each row twice, side by side.

    source : (all rows, values_in); picked : uint32 (rows,); target : (rows, 2 * values_in)
    """
    for row in range(target.shape[0]):
        values, out = source[picked[row]], target[row]
        double_row(values, out)


@kernel
def across_rows(source: Array, taps: Array, target: Array) -> None:
    """Copy one whole row per output.

    source : (blocks, size_in, row); taps : int64 (size_out,); target : (blocks, size_out, row)
    """
    blocks, size_out, _ = target.shape
    for block in range(blocks):
        for o in range(size_out):
            copy_row(source[block, taps[o]], target[block, o])


@kernel
def planes(
    source: Array, planes: Array, rows: Array, values: Array, kind: int, target: Array
) -> None:
    """Copy along all three axes at once: what repeats is copied from the target, in the cache.

    source : (depth, height, values_in); planes, rows : int64, the taps of the target's
    kind : one of the above; values : uint32 (values_out,), the taps within a row, if it needs them
    target : (planes, rows, values_out)
    """
    for o in range(planes.size):
        for y in range(rows.size):
            out = target[o, y]
            if o > 0 and planes[o] == planes[o - 1]:
                copy_row(target[o - 1, y], out)
            elif y > 0 and rows[y] == rows[y - 1]:
                copy_row(target[o, y - 1], out)
            elif kind == KEPT:
                copy_row(source[planes[o], rows[y]], out)
            elif kind == DOUBLED:
                double_row(source[planes[o], rows[y]], out)
            else:
                gather_row(source[planes[o], rows[y]], values, out)


@inlined
def copy_row(row: Array, out: Array) -> None:
    """Copy a row."""
    for n in range(out.size):
        out[n] = row[n]


@inlined
def double_row(row: Array, out: Array) -> None:
    """Copy each value twice."""
    for n in range(row.size):
        out[2 * n] = row[n]
        out[2 * n + 1] = row[n]


@inlined
def gather_row(row: Array, taps: Array, out: Array) -> None:
    """Copy one value per tap."""
    for n in range(out.size):
        out[n] = row[taps[n]]
