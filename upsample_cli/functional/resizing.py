"""PyTorch's resampling functions on NumPy arrays, in PyTorch's layout N × C × [D] × [H] × W."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.functional.arguments import as_int
from upsample_cli.passes.choosing import check_dtypes, scaled_axes
from upsample_cli.passes.resampler import Resampler
from upsample_cli.passes.whole import resample_array
from upsample_cli.resources.threads import available_threads
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.modes import (
    DIMENSION_BOUND,
    MODE_NAMES,
    Method,
    Mode,
    SwitchError,
    mode_named,
)
from upsample_cli.sampling.target import axis_from_scale, axis_from_size

Array = NDArray[Any]

_DIMENSIONS_OF = {"linear": 1, **{name: bound[1] for name, bound in DIMENSION_BOUND.items()}}
_NAME_FOR = {"linear": {1: "linear", 2: "bilinear", 3: "trilinear"}, "cubic": {1: "cubic"}}


class PrecisionWarning(UserWarning):
    """Whole numbers beyond 2**53 were rounded to float64 before they were interpolated."""


def interpolate(
    input: Array,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """Resample to a size or by a scale factor, with the numbers of PyTorch 2.13 on the CPU.

    Parameters
    ----------
    input
        Array of shape (N, C, W), (N, C, H, W) or (N, C, D, H, W). Booleans, integers, floats of
        16 to 64 bits and complex numbers; PyTorch takes floats and, in part, uint8.
    size
        Output size: one number for every spatial axis, or one per axis, slowest first.
    scale_factor
        Multiplier: one for every spatial axis, or one per axis, slowest first.
    mode
        ``nearest``, ``nearest-exact``, ``linear`` (1-D), ``bilinear`` (2-D), ``trilinear`` (3-D),
        ``bicubic`` (2-D), ``area``, ``lanczos``; beyond PyTorch, ``cubic`` in every dimension,
        and ``lanczos`` and ``antialias`` in 1-D and 3-D; and ``label`` for integers that are
        labels, where the one wins on which most of the linear weights fall.
    align_corners
        Place the samples from corner voxel to corner voxel; for linear and cubic modes.
    recompute_scale_factor
        Derive the step from the sizes instead of from ``scale_factor``.
    antialias
        Widen the filter to the output's spacing when shrinking; for linear, cubic and lanczos
        (which needs it).

    Returns
    -------
    Array of shape (N, C, *output size), of the input's dtype. Integers are rounded half to even
    and saturated, except uint8 images, which follow PyTorch's fixed-point rule.

    Raises
    ------
    ValueError
        Where PyTorch raises for a wrong value: both or neither of size and scale_factor, wrong
        lengths, sizes below 1, a mode for other data, a switch that the mode does not have.
    TypeError
        For a size or scale factor of the wrong type, or a dtype without a rule.

    Examples
    --------
    >>> import numpy as np
    >>> interpolate(np.array([[[0.0, 1.0]]]), scale_factor=2, mode="linear")
    array([[[0.  , 0.25, 0.75, 1.  ]]])
    """
    if isinstance(input, np.ma.MaskedArray):
        raise TypeError("input is a masked array, whose mask would be lost; use input.filled(...)")
    array = np.asarray(input)
    spatial = array.ndim - 2
    method = _method(mode, spatial, align_corners, antialias)
    _check_input(array, method.mode)
    axes = _axes(array.shape[2:], size, scale_factor, bool(recompute_scale_factor), method)
    axes = scaled_axes(axes, method, array.dtype, array.dtype)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    resampler = Resampler(axes, method, native.dtype, channels=array.shape[1])
    items = np.ascontiguousarray(native).reshape(-1, *array.shape[2:], 1)
    output = np.empty((*array.shape[:2], *resampler.shape_out), native.dtype)
    target = output.reshape(len(items), *resampler.shape_out, 1)
    resample_array(resampler, items, target, available_threads())
    if resampler.arithmetic.is_inexact:
        warnings.warn(
            f"{array.dtype} values beyond 2**53 were rounded; mode nearest-exact keeps them",
            PrecisionWarning,
            stacklevel=2,
        )
    return output


def upsample(
    input: Array,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Array:
    """Resample as ``interpolate`` does: PyTorch's older name, with its shorter list of arguments.

    >>> import numpy as np
    >>> upsample(np.array([[[1, 2]]]), scale_factor=2)
    array([[[1, 1, 2, 2]]])
    """
    return interpolate(input, size, scale_factor, mode, align_corners)


def _method(name: str, spatial: int, align_corners: bool | None, antialias: bool) -> Method:
    if name not in MODE_NAMES:
        raise ValueError(f"mode {name!r} is unknown; use one of {', '.join(MODE_NAMES)}")
    if spatial not in (1, 2, 3):
        raise ValueError(
            f"input has {spatial + 2} dimensions; use 3 (N, C, W), 4 (N, C, H, W) "
            "or 5 (N, C, D, H, W)"
        )
    mode = mode_named(name)
    wanted = _DIMENSIONS_OF.get(name, spatial)
    if wanted != spatial:
        right = _NAME_FOR[mode.name].get(spatial, mode.name)
        raise ValueError(
            f"mode {name} needs {wanted + 2}-D input, but the input is {spatial + 2}-D; use {right}"
        )
    # PyTorch lets its filters refuse the align_corners that they do not have.
    corners = align_corners or None if mode.needs_antialias else align_corners
    try:
        return Method.asked_for(mode, corners, bool(antialias))
    except SwitchError as error:
        is_of_corners = error.switch == "align_corners" and not mode.needs_antialias
        in_our_words = f"mode {name} has no align_corners; leave it None"
        raise ValueError(in_our_words if is_of_corners else str(error)) from error


def _check_input(array: Array, mode: Mode) -> None:
    check_dtypes(array.dtype, array.dtype)
    if 0 in array.shape[2:] or (array.shape[1] == 0 and not mode.averages):
        raise ValueError(f"input of shape {array.shape} is empty; only the batch size N may be 0")


def _axes(
    sizes: tuple[int, ...],
    size: int | Sequence[int] | None,
    scale_factor: float | Sequence[float] | None,
    recompute: bool,
    method: Method,
) -> list[AxisMap]:
    if (size is None) == (scale_factor is None):
        raise ValueError("exactly one of size and scale_factor is needed")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor does not go with size; use scale_factor")
        wanted = _per_axis("size", size, len(sizes))
        return [
            axis_from_size(n, as_int("size", out), method)
            for n, out in zip(sizes, wanted, strict=True)
        ]
    factors = _per_axis("scale_factor", scale_factor, len(sizes))
    return [
        axis_from_scale(n, _as_float(factor), method, recompute=recompute)
        for n, factor in zip(sizes, factors, strict=True)
    ]


def _per_axis(name: str, value: Any, spatial: int) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        return [value] * spatial
    if len(value) != spatial:
        raise ValueError(f"{name} has {len(value)} numbers for {spatial} spatial axes")
    return list(value)


def _as_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"scale_factor must be numbers, not {value!r}")
    return float(value)
