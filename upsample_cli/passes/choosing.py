"""Which arithmetic a resample has: the one place that tells them apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from upsample_cli.passes.arithmetic import Arithmetic
from upsample_cli.passes.averaging import Averaging, averages_windows
from upsample_cli.passes.copying import Copying
from upsample_cli.passes.small import Rest, choose_small
from upsample_cli.passes.sums import FixedPoint, Floating, HalfWeighted
from upsample_cli.passes.voting import Labelling
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.modes import Method

FLOAT32_TAPS = 32
"""Sums of more taps than this run in float64, so that their error stays below 2e-6, unless it is
PyTorch that sums them in float32."""


def scaled_axes(
    axes: Sequence[AxisMap], method: Method, dtype_in: np.dtype[Any], dtype_out: np.dtype[Any]
) -> list[AxisMap]:
    """Return the maps of axes as PyTorch has them where it is given sizes or scale factors.

    In fixed point it copies each axis whose size stays, whatever its scale factor.
    """
    if not _is_fixed_point(method, dtype_in, dtype_out, len(axes)):
        return list(axes)
    return [
        AxisMap.copied(axis.size_in) if axis.size_in == axis.size_out else axis for axis in axes
    ]


def _is_fixed_point(
    method: Method, dtype_in: np.dtype[Any], dtype_out: np.dtype[Any], dimensions: int
) -> bool:
    """Whether PyTorch computes such data, uint8 images, in whole numbers."""
    is_image = dtype_in == dtype_out == np.uint8 and dimensions == 2
    return is_image and method.mode.blurs and not method.mode.averages


def choose_for_tensor(
    axes: Sequence[AxisMap],
    method: Method,
    dtype_in: np.dtype[Any],
    dtype_out: np.dtype[Any],
    channels: int | None,
) -> tuple[Arithmetic, Rest | None]:
    """Return the arithmetic for a tensor of such channels, and what the last ones need apart.

    ``channels`` is None for what is no tensor of PyTorch's. Errors as in `choose_arithmetic`.
    """
    general = choose_arithmetic(axes, method, dtype_in, dtype_out)
    if channels is None:
        return general, None
    if averages_windows(axes, method, dtype_in):
        return Averaging(method, dtype_in), None
    return choose_small(axes, method, general, dtype_in, channels)


def choose_arithmetic(
    axes: Sequence[AxisMap], method: Method, dtype_in: np.dtype[Any], dtype_out: np.dtype[Any]
) -> Arithmetic:
    """Return the arithmetic that PyTorch uses, or where PyTorch refuses, the project's rule.

    Raises
    ------
    TypeError
        If a dtype cannot be resampled, or not into the other.
    """
    check_dtypes(dtype_in, dtype_out)
    is_double = dtype_in in (np.float64, np.complex128)
    if method.mode.votes:
        check_labels(dtype_in, dtype_out)
        return Labelling(method, dtype_in)
    if method.mode.copies:
        return Copying(method, np.float64 if is_double else np.float32, dtype_in)
    if _is_fixed_point(method, dtype_in, dtype_out, len(axes)):
        return FixedPoint(method, np.float64)
    if is_double or (dtype_in.kind in "iu" and dtype_in.itemsize >= 4):
        return Floating(method, np.float64, np.float64)
    if dtype_in == dtype_out == np.float16 and not (method.antialias or method.mode.averages):
        return HalfWeighted(method, np.float32, np.float32)
    widest = max(axis.step for axis in axes) * 2 * max(method.mode.support, 0.5) + 2
    is_filter_of_ours = method.antialias and dtype_in.kind not in "fc"
    is_wide = widest > FLOAT32_TAPS and (is_filter_of_ours or method.mode.averages)
    return Floating(method, np.float32, np.float64 if is_wide else np.float32)


def check_dtypes(dtype_in: np.dtype[Any], dtype_out: np.dtype[Any]) -> None:
    """Raise a TypeError for dtypes that have no resampling rule."""
    for dtype in (dtype_in, dtype_out):
        if dtype.kind not in "biufc" or dtype in (np.longdouble, np.clongdouble):
            raise TypeError(
                f"dtype {dtype} cannot be resampled; use a boolean, an integer, float16, float32, "
                "float64, complex64 or complex128"
            )
    if dtype_in.kind == "c" and dtype_out.kind != "c":
        raise TypeError(f"{dtype_in} does not fit in {dtype_out}; use complex64 or complex128")
    if dtype_in.kind != "c" and dtype_out.kind == "c":
        raise TypeError(f"{dtype_in} data are not complex; use a real dtype such as float32")


def check_labels(dtype_in: np.dtype[Any], dtype_out: np.dtype[Any]) -> None:
    """Raise a TypeError for dtypes that do not hold labels."""
    for dtype in (dtype_in, dtype_out):
        if dtype.kind not in "biu":
            raise TypeError(f"mode label takes whole numbers, not {dtype}; use nearest-exact")
