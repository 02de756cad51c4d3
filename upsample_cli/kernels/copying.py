"""The passes of the nearest modes: values of any unsigned integer dtype move as bits."""

from typing import Any

from upsample_cli.kernels.compile import kernel


@kernel
def along_rows(source: Any, picked: Any, taps: Any, target: Any) -> None:
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
def doubled_rows(source: Any, picked: Any, target: Any) -> None:
    """Copy each value of each row twice, side by side.

    source : (all rows, values_in); picked : uint32 (rows,); target : (rows, 2 * values_in)
    """
    for row in range(target.shape[0]):
        values, out = source[picked[row]], target[row]
        for n in range(values.size):
            out[2 * n] = values[n]
            out[2 * n + 1] = values[n]


@kernel
def across_rows(source: Any, taps: Any, target: Any) -> None:
    """Copy one whole row per output.

    source : (blocks, size_in, row); taps : int64 (size_out,); target : (blocks, size_out, row)
    """
    blocks, size_out, length = target.shape
    for block in range(blocks):
        for o in range(size_out):
            row, out = source[block, taps[o]], target[block, o]
            for n in range(length):
                out[n] = row[n]
