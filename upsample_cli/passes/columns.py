"""The scratch that turns rows on their side, where that pays."""

from typing import Any

import numpy as np

from upsample_cli.machine_code import columns
from upsample_cli.machine_code.types import Work
from upsample_cli.resources.scratch import scratch
from upsample_cli.sampling.rows import RowPlan

CACHED_BYTES = 2**20
"""What rows on their side and their sums may take, so that a cache holds them."""


def columns_for(rows: RowPlan, values_in: int, count: int, dtype: np.dtype[Any]) -> Work:
    """Return scratch as ``machine_code.columns`` takes it, of no value where rows stay as they are.

    Pairs of taps are summed as fast where they lie, and what is less than a vector of values or
    of rows (``count``) fills none.
    """
    lanes, values_out = columns.lanes(dtype.itemsize), len(rows.counts)
    is_pair = rows.is_full and rows.weights.shape[1] == 2
    is_cached = (values_in + values_out) * columns.VECTOR_BYTES <= CACHED_BYTES
    if is_pair or min(count, values_in, values_out) < lanes or not is_cached:
        values_in = values_out = 0
    return (
        scratch("columns", (values_in * lanes,), dtype),
        scratch("sums of columns", (values_out * lanes,), dtype),
        scratch("starts", (lanes,), np.int64),
    )
