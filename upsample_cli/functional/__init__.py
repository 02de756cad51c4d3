"""PyTorch's resampling functions and their inverses on NumPy arrays, in PyTorch's layout."""

from upsample_cli.functional.pooling import (
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from upsample_cli.functional.resizing import PrecisionWarning, interpolate, upsample
from upsample_cli.functional.transposed import (
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)

__all__ = [
    "PrecisionWarning",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "interpolate",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "upsample",
]
