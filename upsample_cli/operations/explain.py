"""What work would do, as text: shapes, memory, samples and affine; nothing is changed by it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from upsample_cli.errors import MemoryLimitError
from upsample_cli.operations.facts import rows
from upsample_cli.resources.budget import pieces_within, total_bytes
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.grid import Grid, corner_tolerance
from upsample_cli.text import readable_bytes

if TYPE_CHECKING:
    from upsample_cli.files import VolumeHeader
    from upsample_cli.operations.work import Work


def explained(work: "Work") -> str:
    """Return what work would do: shapes, sampling, affine and memory, as text."""
    lines = [
        f"input    {work.before}",
        f"output   {work.after}, {readable_bytes(work.output_bytes)}",
        *work.described(),
        _memory_line(work),
        *work.sampled(),
    ]
    if work.header is not None:
        lines += ["", *rows("affine", work.header.affine.tolist(), 6)]
    return "\n".join(lines)


def _memory_line(work: "Work") -> str:
    """Return the memory that work needs, and whether and how it fits into its limit."""
    limit, wanted = work.request.max_memory, work.pieces
    if limit is None:
        return f"memory   about {readable_bytes(work.working_bytes(wanted))} beside the program"
    try:
        given = pieces_within(
            limit, work.working_bytes, wanted, work.source.name, loads_kernels=work.loads_kernels
        )
    except MemoryLimitError as error:
        return f"memory   {error.problem}; {error.remedy}"
    needed = readable_bytes(
        total_bytes(work.working_bytes, given, loads_kernels=work.loads_kernels)
    )
    how = f"1/{given.division} of the usual pieces, {given.threads} of {wanted.threads} threads"
    line = f"memory   about {needed}, program included, which fits"
    return line + (f": {how}" if given != wanted else "")


def axis_rows(axes: Sequence[AxisMap], taps: Sequence[str] = ()) -> Iterator[str]:
    """Yield how each axis is sampled, and of how many taps, x first; both are given slowest first.

    Sample i of an axis lies at start + step·i, in input voxels.
    """
    yield "axis   size in   size out   first sample at         step" + ("   taps" if taps else "")
    counts = taps[::-1] or [""] * len(axes)
    for name, axis, count in zip("xyz", axes[::-1], counts, strict=False):
        line = f"{name:4} {axis.size_in:9} {axis.size_out:10} {axis.start:17.6g} {axis.step:12.6g}"
        yield f"{line} {count:>6}" if count else line


def size_rows(axes: Sequence[AxisMap], formulas: Sequence[str]) -> Iterator[str]:
    """Yield the size of each axis with its formula, x first; both are given slowest first."""
    yield "axis   size out"
    for name, axis, formula in zip("xyz", axes[::-1], formulas[::-1], strict=False):
        yield f"{name:4} {axis.size_out:10} = {formula}"


def field_of_axes(
    before: "VolumeHeader", after: "VolumeHeader", axes: Sequence[AxisMap]
) -> Iterator[str]:
    """Yield voxel size and field of view, and how far its edges move; axes are slowest first."""
    sizes = [np.array(header.spacing) for header in (before, after)]
    fields = [size * h.spatial for size, h in zip(sizes, (before, after), strict=True)]
    shifts = np.abs([axis.edge_shifts for axis in axes[::-1]]).max(axis=1) * sizes[0]
    moved = "edges  ", float(shifts.max()), 1e-6 * float(sizes[0].min())
    yield from _field(before.unit, sizes, fields, moved)


def field_of_grids(unit: str, own: Grid, new: Grid) -> Iterator[str]:
    """Yield voxel size and field of view of two grids, and how far the corners are apart."""
    sizes = [np.array(grid.spacing) for grid in (own, new)]
    fields = [size * grid.shape for size, grid in zip(sizes, (own, new), strict=True)]
    moved = "corners", own.distance(new), corner_tolerance(own, new)
    yield from _field(unit, sizes, fields, moved)


def _field(
    unit: str,
    sizes: Sequence[Iterable[float]],
    fields: Sequence[Iterable[float]],
    moved: tuple[str, float, float],
) -> Iterator[str]:
    unit = f" {unit}".rstrip()
    what, farthest, rounding = moved
    # What rounding leaves of 0 is 0.
    shift = f"{farthest:.3g}{unit}" if farthest > rounding else f"0{unit}"
    yield f"spacing  {_by(sizes[0])}{unit} → {_by(sizes[1])}{unit}"
    yield f"field    {_by(fields[0])}{unit} → {_by(fields[1])}{unit}"
    yield f"{what}  move by up to {shift}"


def _by(lengths: Iterable[float]) -> str:
    return " × ".join(f"{length:.6g}" for length in lengths)
