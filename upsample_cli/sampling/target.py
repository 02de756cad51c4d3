"""From a size, a scale factor or a voxel spacing to one AxisMap per axis."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.modes import Method

LARGEST_AXIS = 2**31 - 1
"""The longest axis of an output; NIfTI-1 holds far less, and images do too."""

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def axis_from_size(size_in: int, size_out: int, method: Method) -> AxisMap:
    """Map an axis onto ``size_out`` samples (PyTorch's ``size``).

    >>> from upsample_cli.sampling.modes import MODES
    >>> axis_from_size(4, 8, Method(MODES["linear"]))
    AxisMap(size_in=4, size_out=8, start=-0.25, step=0.5)

    Raises
    ------
    ValueError
        If the size is not a positive number of samples.
    """
    if size_out < 1:
        raise ValueError(f"a size of {size_out} leaves no sample; use at least 1")
    if size_out > LARGEST_AXIS:
        raise ValueError(f"a size of {size_out} is too large; the limit is {LARGEST_AXIS}")
    return _axis(size_in, size_out, size_in / size_out, method)


def axis_from_scale(
    size_in: int, scale: float, method: Method, *, recompute: bool = False
) -> AxisMap:
    """Map an axis onto ``trunc(size_in * scale)`` samples (PyTorch's ``scale_factor``).

    The step is ``1 / scale``; with ``recompute``, and always in area mode, it is
    ``size_in / size_out``.

    Raises
    ------
    ValueError
        If the scale is not a positive finite number, or leaves no sample.
    """
    scale = float(scale)
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"a scale of {scale:g} is not possible; use a positive finite number")
    size_out = math.trunc(min(size_in * scale, 2.0 * LARGEST_AXIS))
    if size_out < 1:
        least = f"at least {1 / size_in:.6g}"
        raise ValueError(f"a scale of {scale!r} leaves no sample of {size_in}; use {least}")
    if recompute or method.mode.averages:
        return axis_from_size(size_in, size_out, method)
    axis_from_size(size_in, size_out, method)
    return _axis(size_in, size_out, 1 / scale, method)


def axis_from_spacing(size_in: int, spacing: float, wanted: float, method: Method) -> AxisMap:
    """Map an axis of voxels ``spacing`` apart onto voxels exactly ``wanted`` apart.

    The two are in one unit, and float32 in a header: an axis whose voxels are as wanted in that
    precision is copied. The number of voxels is the nearest to the same extent, at least 1.

    Raises
    ------
    ValueError
        If ``wanted`` is not a positive finite number, or with ``align_corners``.
    """
    if method.align_corners:
        raise ValueError("a spacing does not go with align_corners, whose step follows from sizes")
    if not (math.isfinite(wanted) and 0 < wanted < LARGEST_FLOAT32):
        raise ValueError(f"a spacing of {wanted:g} is not possible; use a positive finite number")
    if np.float32(wanted) == np.float32(spacing):
        return AxisMap.copied(size_in)
    step = wanted / spacing
    if not 1 / LARGEST_AXIS <= step <= LARGEST_AXIS:
        raise ValueError(f"a spacing of {wanted:g} is out of proportion to the present {spacing:g}")
    size_out = max(1, round(min(size_in / step, 2.0 * LARGEST_AXIS)))
    axis_from_size(size_in, size_out, method)
    return AxisMap.centred(size_in, size_out, step)


def _axis(size_in: int, size_out: int, step: float, method: Method) -> AxisMap:
    if size_out == size_in and method.copies_equal_sizes:
        return AxisMap.copied(size_in)
    if not method.align_corners:
        return AxisMap.centred(size_in, size_out, step)
    cornered = AxisMap.cornered(size_in, size_out)
    if method.antialias and size_out > 1:
        return AxisMap.centred(size_in, size_out, cornered.step)
    return cornered


Kind = Literal["scale", "size", "spacing", "isotropic", "max-size", "fit", "record"]


@dataclass(frozen=True)
class Target:
    """What was asked for: one value for every axis, or one per axis, x first.

    ``None`` in a size stands for the number that keeps an image's aspect ratio, in a spacing for
    the axis's own, and in ``isotropic`` for the smallest. ``max-size`` is the most samples of the
    longest axis, and ``fit`` the box that an image is to fill in width or height; both keep the
    proportions. ``record`` stands for ``maps`` that are known beforehand, one per axis.
    """

    kind: Kind
    values: tuple[float | None, ...]
    maps: tuple[AxisMap, ...] = field(default=(), repr=False)

    def axes(
        self,
        sizes: Sequence[int],
        spacing: Sequence[float] | None,
        method: Method,
        *,
        recompute: bool = False,
    ) -> list[AxisMap]:
        """Return one map per axis, x first.

        Parameters
        ----------
        sizes
            The input's spatial dimensions, x first.
        spacing
            The distance between voxels along each axis; None for data that have none.
        method
            Decides how samples are placed.
        recompute
            ``recompute_scale_factor``.

        Raises
        ------
        ValueError
            If the target does not fit the axes, or is not possible.
        """
        if recompute and self.kind != "scale":
            raise ValueError("recompute_scale_factor goes with a scale only")
        if self.kind == "record":
            return self._recorded(method)
        if self.kind in PLAIN:
            target = PLAIN[self.kind](self.values, sizes, spacing)
            return target.axes(sizes, spacing, method)
        values = self._per_axis(sizes, spacing)
        if self.kind == "scale":
            return [
                axis_from_scale(n, value, method, recompute=recompute)
                for n, value in zip(sizes, values, strict=True)
            ]
        if self.kind == "size":
            return [
                axis_from_size(n, int(value), method)
                for n, value in zip(sizes, values, strict=True)
            ]
        return [
            axis_from_spacing(n, own, value, method)
            for n, own, value in zip(sizes, _known(spacing), values, strict=True)
        ]

    def _recorded(self, method: Method) -> list[AxisMap]:
        if method.antialias and not all(axis.is_centred for axis in self.maps):
            raise ValueError(
                f"it was made with align_corners, from which {method.mode.name} cannot go back; "
                "use another mode"
            )
        return list(self.maps)

    def _per_axis(self, sizes: Sequence[int], spacing: Sequence[float] | None) -> list[float]:
        values = self.values * len(sizes) if len(self.values) == 1 else self.values
        if len(values) != len(sizes):
            raise ValueError(
                f"{len(values)} numbers were given for {len(sizes)} axes; "
                f"give 1 or {len(sizes)}, x first"
            )
        if self.kind == "spacing":
            own = _known(spacing)
            return [n if value is None else value for n, value in zip(own, values, strict=True)]
        known = [(n, value) for n, value in zip(sizes, values, strict=True) if value is not None]
        if len(known) == len(values):
            return [value for _, value in known]
        if len(sizes) != 2 or len(known) != 1:
            raise ValueError("a number can be left out for images only, and only one of the two")
        (n, value) = known[0]
        return [
            max(1, round(own * value / n)) if wanted is None else wanted
            for own, wanted in zip(sizes, values, strict=True)
        ]


def _known(spacing: Sequence[float] | None) -> Sequence[float]:
    if spacing is None:
        raise ValueError("only volumes have a voxel spacing; use a size or a scale")
    return spacing


Values = tuple[float | None, ...]


def _isotropic(values: Values, _: Sequence[int], spacing: Sequence[float] | None) -> Target:
    (wanted,) = values
    return Target("spacing", (min(_known(spacing)) if wanted is None else wanted,))


def _max_size(values: Values, sizes: Sequence[int], _: Sequence[float] | None) -> Target:
    (most,) = values
    assert most is not None
    return _proportional(sizes, min(most, max(sizes)), max(sizes))


def _fit(values: Values, sizes: Sequence[int], _: Sequence[float] | None) -> Target:
    if len(sizes) != 2:
        raise ValueError("only what has a width and a height fits in a box; use a size")
    width, height = values
    assert width is not None
    assert height is not None
    # The side that is the first to touch the box, told without rounding.
    is_wide = sizes[0] * height >= sizes[1] * width
    wanted, own = (width, sizes[0]) if is_wide else (height, sizes[1])
    return _proportional(sizes, wanted, own)


def _proportional(sizes: Sequence[int], wanted: float, own: int) -> Target:
    """Return the sizes that make ``own`` samples ``wanted`` and keep the proportions."""
    if wanted < 1:
        raise ValueError(f"a size of {wanted:g} leaves no sample; use at least 1")
    wanted = min(wanted, 2.0 * LARGEST_AXIS)
    return Target("size", tuple(max(1, round(n * wanted / own)) for n in sizes))


PLAIN: dict[Kind, Callable[[Values, Sequence[int], Sequence[float] | None], Target]] = {
    "isotropic": _isotropic,
    "max-size": _max_size,
    "fit": _fit,
}
"""The targets that are a size or a spacing once the input is known."""
