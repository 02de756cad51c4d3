"""A volume onto another grid: everything that can be known before the first voxel is read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from upsample_cli.errors import RequestError
from upsample_cli.passes.aligned import AlignedResampler
from upsample_cli.passes.arithmetic import check_dtypes, check_labels
from upsample_cli.passes.direct import SAMPLERS, DirectResampler
from upsample_cli.passes.mapped import MappedResampler
from upsample_cli.resources.machine import check_memory
from upsample_cli.sampling.grid import Grid
from upsample_cli.sampling.mapping import (
    AlignedMap,
    Like,
    Orientation,
    VoxelMap,
    reordered,
    tolerance_between,
)
from upsample_cli.sampling.modes import MODES, Method

if TYPE_CHECKING:
    from upsample_cli.files import VolumeHeader, VolumeSource

PLACE_BYTES = 64
"""What the sampling of an axis takes for each output, in a mode of few taps."""
FARTHEST = 1e12
"""In input voxels: no header means that, and float64 could not tell neighbours there."""

COPYING = Method(MODES["nearest-exact"])
ROUNDING = 1e-6
"""The error of a fill value, relative to a stored step, that no one needs to know."""


@dataclass(frozen=True)
class Mapped:
    """How a volume comes onto another grid.

    Attributes
    ----------
    grids
        The input's and the output's, both in the input's unit.
    mapping
        Where each output voxel lies; None if voxels only change their order.
    aligned
        The same axis by axis, if the grids are aligned.
    method, resampler, header
        How values are made, what makes them, and the output's header.
    warnings
        What the user should know.
    """

    grids: tuple[Grid, Grid]
    mapping: VoxelMap | None
    aligned: AlignedMap | None
    method: Method
    resampler: MappedResampler
    header: "VolumeHeader"
    warnings: list[str]


def map_volume(
    target: Like | Orientation, source: "VolumeSource", method: Method, dtype_out: np.dtype[Any]
) -> Mapped:
    """Settle how a volume comes onto another grid.

    Raises
    ------
    FileError
        If the reference cannot be read, or one of the two does not say where it is.
    RequestError
        If the volume cannot be put there.
    TypeError
        If its dtype cannot become ``dtype_out``.
    """
    from upsample_cli.files.volumes.reference import check_three_axes

    check_dtypes(source.dtype, dtype_out)
    if method.mode.votes:
        check_labels(source.dtype, dtype_out)
    check_three_axes(source.header, f"--{target.kind}")
    source.header.check_placed(f"--{target.kind}")
    if isinstance(target, Orientation):
        return _orient(target, source, dtype_out)
    return _map_like(target, source, method, dtype_out)


def _orient(target: Orientation, source: "VolumeSource", dtype_out: np.dtype[Any]) -> Mapped:
    from upsample_cli.files.volumes.reference import grids, turn_to

    shape = source.header.spatial
    turn = reordered(shape, *turn_to(source.header, target.code))
    header, warnings = source.header.oriented(turn, dtype_out)
    shape_out = tuple(shape[axis] for axis in turn.order)
    resampler = AlignedResampler(turn, shape, shape_out, COPYING, source.dtype, dtype_out)
    both = grids(source.header, header)
    return Mapped(both, None, turn, COPYING, resampler, header, warnings)


def _map_like(
    target: Like, source: "VolumeSource", method: Method, dtype_out: np.dtype[Any]
) -> Mapped:
    from upsample_cli.files.volumes.reference import grids, read_reference

    if method.mode.name not in SAMPLERS:
        problem = f"mode {method.mode.name} does not go with --like"
        raise RequestError("--mode", problem, f"use {', '.join(SAMPLERS)}")
    reference = read_reference(target.reference)
    both = grids(source.header, reference)
    mapping, aligned = _maps(*both, source.name, target.reference)
    if aligned is not None and aligned.copies:
        method = COPYING
    share = mapping.inside_share()
    # Aligned, the output is filled; else the samples, which are the input's or float.
    is_own = aligned is None and not method.mode.blurs
    dtypes = (source.dtype, dtype_out) if is_own else (dtype_out,)
    fill, warnings = 0.0, list[str]()
    if share < 1:
        fill, warnings = _stored_fill(source.header, target.fill, dtypes)
    if share == 0:
        warnings.append(f"{target.reference}: lies wholly outside {source.name}, or nearly so")
    resampler: MappedResampler
    if aligned is None:
        resampler = DirectResampler(mapping, method, source.dtype, dtype_out, fill)
    else:
        shapes = mapping.shape_in, mapping.shape_out
        resampler = AlignedResampler(aligned, *shapes, method, source.dtype, dtype_out, fill)
    header, more = source.header.placed(reference, aligned, dtype_out)
    return Mapped(both, mapping, aligned, method, resampler, header, warnings + more)


def _maps(own: Grid, wanted: Grid, name: str, reference: str) -> tuple[VoxelMap, AlignedMap | None]:
    check_memory("--like", sum(wanted.shape) * PLACE_BYTES)
    mapping = VoxelMap.between(own, wanted)
    if not np.abs(mapping.matrix).max() < FARTHEST:
        problem = f"its grid is out of proportion to that of {name}"
        raise RequestError(reference, problem, "check the affines of both")
    return mapping, mapping.aligned(tolerance_between(own, wanted))


def _stored_fill(
    header: "VolumeHeader", wanted: float | None, dtypes: tuple[np.dtype[Any], ...]
) -> tuple[float, list[str]]:
    """Return the stored value that stands for a real one, and what a user should know about it."""
    slope, intercept = header.scaling
    real = 0.0 if wanted is None else wanted
    exact = (real - intercept) / slope
    stored = exact
    for dtype in dtypes:
        low, high = _limits(dtype)
        fits = low <= np.rint(stored) <= high or (dtype.kind not in "iu" and not np.isfinite(real))
        if not fits and wanted is not None:
            ends = sorted((low * slope + intercept, high * slope + intercept))
            raise RequestError(
                "--fill",
                f"{real:g} does not fit in {dtype.name}",
                f"use {ends[0]:g} to {ends[1]:g}",
            )
        if np.isfinite(real):
            stored = float(np.clip(stored, low, high))
        if dtype.kind in "iu":
            stored = float(np.rint(np.clip(stored, low, high)))
    if stored == exact or np.isnan(exact) or abs(stored - exact) <= ROUNDING:
        return stored, []
    shown = stored * slope + intercept
    return stored, [f"{header.name}: cannot hold {real:g}; outside of it is filled with {shown:g}"]


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    low, high = float(limits.min), float(limits.max)
    # The largest integer of 64 bits is none of float64, and the next one would wrap around.
    return low, high if high <= limits.max else float(np.nextafter(high, 0))
