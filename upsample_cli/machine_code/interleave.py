"""Two phases of a doubled row, back in the order of the samples."""

from upsample_cli.machine_code.primitives import inlined
from upsample_cli.machine_code.types import Array


@inlined
def interleave(phases: Array, channels: int, first: int, last: int, row: Array) -> None:
    """Set ``row[(2 * m + p) * channels + c] = phases[p, m * channels + c]``, m in [first, last).

    The loops for 1, 3 and 4 channels are written out, so that they become vector shuffles.

    phases : (2, values_in); row : (2 * values_in,)
    """
    size = last - first
    even = phases[0, first * channels : last * channels]
    odd = phases[1, first * channels : last * channels]
    out = row[2 * first * channels : 2 * last * channels]
    if channels == 1:
        for m in range(size):
            out[2 * m] = even[m]
            out[2 * m + 1] = odd[m]
    elif channels == 3:
        for m in range(size):
            out[6 * m] = even[3 * m]
            out[6 * m + 1] = even[3 * m + 1]
            out[6 * m + 2] = even[3 * m + 2]
            out[6 * m + 3] = odd[3 * m]
            out[6 * m + 4] = odd[3 * m + 1]
            out[6 * m + 5] = odd[3 * m + 2]
    elif channels == 4:
        for m in range(size):
            out[8 * m] = even[4 * m]
            out[8 * m + 1] = even[4 * m + 1]
            out[8 * m + 2] = even[4 * m + 2]
            out[8 * m + 3] = even[4 * m + 3]
            out[8 * m + 4] = odd[4 * m]
            out[8 * m + 5] = odd[4 * m + 1]
            out[8 * m + 6] = odd[4 * m + 2]
            out[8 * m + 7] = odd[4 * m + 3]
    else:
        for m in range(size):
            for c in range(channels):
                out[2 * m * channels + c] = even[m * channels + c]
                out[(2 * m + 1) * channels + c] = odd[m * channels + c]
