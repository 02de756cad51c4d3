"""From sums to stored values: rounding and saturation."""

import numpy as np

from upsample_cli.machine_code.compile import kernel
from upsample_cli.machine_code.types import Array, Scalar


@kernel
def store_integers(
    source: Array, low: Scalar, above: Scalar, lowest: Scalar, highest: Scalar, target: Array
) -> int:
    """Round half to even, saturate, store; NaN becomes 0. Return how many did not fit.

    source : float (n,); target : any integer dtype (n,)
    lowest, highest : the target dtype's limits, in that dtype
    low, above : the same limits in the source's dtype; a rounded value fits in [low, above)
    """
    misfits = 0
    for n in range(source.size):
        value = np.rint(source[n])
        fits = value >= low and value < above
        misfits += not fits
        # A value that does not fit must not reach the conversion, which has no answer for it;
        # 0 stands in, which is what NaN becomes.
        target[n] = target.dtype.type(value if fits else low * 0)
        if value >= above:
            target[n] = highest
        if value < low:
            target[n] = lowest
    return misfits
