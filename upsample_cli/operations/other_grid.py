"""Resample a volume onto another grid: that of a reference, or its own with its axes turned."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from upsample_cli.errors import RequestError
from upsample_cli.files.volumes.reference import (
    check_three_axes,
    grids,
    read_reference,
    turn_to,
)
from upsample_cli.operations.advice import coarser_grid_hints
from upsample_cli.operations.explain import field_of_grids
from upsample_cli.operations.labels import Labels
from upsample_cli.operations.requests import ResampleRequest, named_dtype
from upsample_cli.operations.resampling import Resampling, elements_of, named_dtype_errors
from upsample_cli.passes.aligned import AlignedResampler
from upsample_cli.passes.choosing import check_dtypes, check_labels
from upsample_cli.passes.direct import SAMPLERS, DirectResampler
from upsample_cli.passes.streamed import Streamed
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
    from upsample_cli.files import Source, VolumeHeader, VolumeSource

PLACE_BYTES = 64
"""What the sampling of an axis takes for each output, in a mode of few taps."""
FARTHEST = 1e12
"""In input voxels: no header means that, and float64 could not tell neighbours there."""

COPYING = Method(MODES["nearest-exact"])
ROUNDING = 1e-6
"""The error of a fill value, relative to a stored step, that no one needs to know."""


@dataclass(frozen=True)
class Placement:
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
    resampler: Streamed
    header: "VolumeHeader"
    warnings: list[str]


@dataclass(kw_only=True)
class OntoGrid(Resampling):
    """A resample of a volume onto another grid; it has no axes that are sampled one by one."""

    placement: Placement

    def __post_init__(self) -> None:
        super().__post_init__()
        mapping = self.placement.mapping
        step = max(mapping.steps) if mapping else 1.0
        self.hints += coarser_grid_hints(step, self.method)
        if self.resampler.holds_item:
            self.less_memory = (
                "its planes are needed out of their order, so that all are held at once"
            )

    @property
    def is_copied(self) -> bool:
        """Whether voxels are only copied, where the mode would do more."""
        return self.method.mode.name != self.mode and not self.method.mode.blurs

    @property
    def shown_mode(self) -> str:
        """The mode, or that voxels are only copied."""
        return "copied" if self.is_copied else self.mode

    @property
    def explained_mode(self) -> str:
        """The same, by the name that the mode has for any dimensions."""
        return "copied" if self.is_copied else self.method.mode.name

    def sampled(self) -> Iterator[str]:
        """Yield the field of view, where the output's voxels lie, and how much is filled."""
        placement = self.placement
        yield from field_of_grids(cast("VolumeSource", self.source).header.unit, *placement.grids)
        yield ""
        if placement.aligned is not None:
            yield from _aligned_rows(placement.aligned, self.shape_out[::-1])
        elif placement.mapping is not None:
            yield from _matrix_rows(placement.mapping)
        if placement.mapping is not None:
            outside = 1 - placement.mapping.inside_share()
            share = f"about {outside:.0%} of the output" if outside else "nothing"
            yield f"filled   {share}, where it lies outside the input"
        if self.resampler.holds_item:
            yield "planes   needed out of their order: those of a volume are held in memory"


def _aligned_rows(aligned: AlignedMap, shape_out: tuple[int, ...]) -> Iterator[str]:
    yield "axis   from   size in   size out    inside   first sample at         step"
    rows = zip("xyz", aligned.order, aligned.flips, aligned.axes, shape_out, strict=True)
    for name, row, is_flipped, along, size_out in rows:
        source = ("-" if is_flipped else "+") + "xyz"[row]
        yield (
            f"{name:4} {source:>6} {along.size_in:9} {size_out:10} {along.size_out:9} "
            f"{along.start:17.6g} {along.step:12.6g}"
        )


def _matrix_rows(mapping: VoxelMap) -> Iterator[str]:
    yield "output voxel (i, j, k) lies at the input voxel"
    for name, row in zip("xyz", mapping.matrix.tolist(), strict=False):
        numbers = zip(row[:3], "ijk", strict=True)
        terms = " ".join(f"{value:+11.6g} {letter}" for value, letter in numbers)
        yield f"  {name} = {row[3]:11.6g} {terms}"


def onto_grid(
    request: ResampleRequest, source: "Source", mode: str, method: Method, labels: Labels
) -> OntoGrid:
    """Settle how an open volume comes onto the grid that is asked for.

    Raises
    ------
    FileError
        If the reference cannot be read, or one of the two does not say where it is.
    RequestError
        If the volume cannot be put there.
    """
    target = request.target
    assert isinstance(target, Like | Orientation)
    volume = _checked(request, target, source, method)
    dtype_out = volume.dtype if request.dtype is None else named_dtype(request.dtype)
    with named_dtype_errors(request, source):
        check_dtypes(volume.dtype, dtype_out)
        if method.mode.votes:
            check_labels(volume.dtype, dtype_out)
    check_three_axes(volume.header, f"--{target.kind}")
    volume.header.check_placed(f"--{target.kind}")
    if isinstance(target, Orientation):
        placement = _orient(target, volume, dtype_out)
    else:
        placement = _place_like(target, volume, method, dtype_out)
    return OntoGrid(
        request=request,
        source=source,
        axes=[],
        dtype_out=dtype_out,
        channels=volume.channels,
        header=placement.header,
        warnings=placement.warnings,
        mode=mode,
        method=placement.method,
        resampler=placement.resampler,
        labels=labels,
        placement=placement,
    )


def _checked(
    request: ResampleRequest, target: Like | Orientation, source: "Source", method: Method
) -> "VolumeSource":
    """Return a source that can be put on another grid, by a mode without switches."""
    option = f"--{target.kind}"
    if source.kind != "volume":
        problem = f"{source.name} is of kind {source.kind}, which has no place in the world"
        raise RequestError(option, problem, "use a NIfTI volume")
    source.header.check_able("grids", option)
    switches = {
        "--align-corners": method.align_corners,
        "--antialias": method.antialias and not method.mode.needs_antialias,
        "--recompute-scale-factor": request.recompute_scale_factor,
    }
    for name, is_on in switches.items():
        if is_on:
            raise RequestError(name, f"does not go with {option}", "drop one")
    elements_of(source, method)
    return source


def _orient(target: Orientation, source: "VolumeSource", dtype_out: np.dtype[Any]) -> Placement:
    header, shape = source.header, source.header.spatial
    turn = reordered(shape, *turn_to(header, target.code))
    new, warnings = header.oriented(turn, dtype_out)
    shape_out = tuple(shape[axis] for axis in turn.order)
    resampler = AlignedResampler(
        turn, shape, shape_out, COPYING, source.dtype, dtype_out, items=source.items
    )
    return Placement(grids(header, new), None, turn, COPYING, resampler, new, warnings)


def _place_like(
    target: Like, source: "VolumeSource", method: Method, dtype_out: np.dtype[Any]
) -> Placement:
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
    shapes, dtypes_of = (mapping.shape_in, mapping.shape_out), (source.dtype, dtype_out)
    resampler: Streamed
    if aligned is None:
        resampler = DirectResampler(mapping, method, *dtypes_of, fill, source.items)
    else:
        resampler = AlignedResampler(aligned, *shapes, method, *dtypes_of, fill, source.items)
    header, more = source.header.placed(reference, aligned, dtype_out)
    return Placement(both, mapping, aligned, method, resampler, header, warnings + more)


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
