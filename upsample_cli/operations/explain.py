"""What a file holds, and what a job would do, as text."""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.grid import corner_tolerance
from upsample_cli.text import printable, readable_bytes

if TYPE_CHECKING:
    from upsample_cli.operations.inverse_plan import Plan
    from upsample_cli.operations.job import Job
    from upsample_cli.operations.memory import Work
    from upsample_cli.operations.other_grid import Mapped
    from upsample_cli.passes.resampler import Resampler
    from upsample_cli.sampling.mapping import AlignedMap

Facts = dict[str, Any]

CODE_NAMES = {0: "unknown", 1: "scanner", 2: "aligned", 3: "talairach", 4: "mni152"}


def as_json(facts: Facts) -> str:
    """Return facts as JSON; what is not finite becomes null, which JSON can hold."""
    return json.dumps(_finite(facts), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def as_text(facts: Facts) -> str:
    """Return facts as aligned lines, matrices as rows."""
    width = max(len(key) for key in facts)
    lines = []
    for key, value in facts.items():
        if key.endswith("_code"):
            value = f"{value} ({CODE_NAMES.get(value, 'other')})"
        if isinstance(value, list) and value and isinstance(value[0], list):
            lines += _rows(key, value, width)
        else:
            lines.append(f"{key:{width}}  {_plain(value)}")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " × ".join(_plain(entry) for entry in value)
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else printable(str(value))


def _rows(key: str, matrix: list[list[float]], width: int) -> list[str]:
    cells = [[f"{round(value, 4) + 0.0:.4f}" for value in row] for row in matrix]
    wide = max(len(cell) for row in cells for cell in row)
    return [
        f"{key if index == 0 else '':{width}}  " + "  ".join(f"{cell:>{wide}}" for cell in row)
        for index, row in enumerate(cells)
    ]


def explain_job(job: "Job") -> str:
    """Return what a job would do: shapes, sampling, affine and memory, as text."""
    limit = job.request.max_memory
    resampler = job.resampler
    lines = [
        f"input    {job.before}",
        f"output   {job.after}, {readable_bytes(job.output_bytes)}",
        f"mode     {'copied' if job.is_copied else job.method.mode.name}"
        + (", align_corners" if job.method.align_corners else "")
        + (", antialias" if job.method.antialias else ""),
        f"which    {job.method.mode.summary}",
        f"sums in  {resampler.arithmetic.description}",
        _memory_line(job, limit, job.source.name),
        *_field_lines(job),
        "",
        *(_axis_lines(job) if job.mapped is None else _mapped_lines(job.mapped)),
    ]
    if job.header is not None:
        lines += ["", *_rows("affine", job.header.affine.tolist(), 6)]
    return "\n".join(lines)


def _field_lines(job: "Job") -> list[str]:
    """Return voxel size and field of view before and after, and how far the field moves."""
    if job.source.kind != "volume" or job.header is None:
        return []
    before, after = job.source.header, job.header
    unit = f" {before.unit}".rstrip()
    if job.mapped is None:
        sizes = [np.array(header.spacing) for header in (before, after)]
        fields = [size * h.spatial for size, h in zip(sizes, (before, after), strict=True)]
        shifts = np.abs([axis.edge_shifts for axis in job.axes[::-1]]).max(axis=1) * sizes[0]
        what, farthest, rounding = "edges  ", float(shifts.max()), 1e-6 * sizes[0].min()
    else:
        own, new = job.mapped.grids
        sizes = [np.array(grid.spacing) for grid in (own, new)]
        fields = [size * grid.shape for size, grid in zip(sizes, (own, new), strict=True)]
        what, farthest, rounding = "corners", own.distance(new), corner_tolerance(own, new)
    # What rounding leaves of 0 is 0.
    moved = f"{farthest:.3g}{unit}" if farthest > rounding else f"0{unit}"
    return [
        f"spacing  {_by(sizes[0])}{unit} → {_by(sizes[1])}{unit}",
        f"field    {_by(fields[0])}{unit} → {_by(fields[1])}{unit}",
        f"{what}  move by up to {moved}",
    ]


def _by(lengths: Iterable[float]) -> str:
    return " × ".join(f"{length:.6g}" for length in lengths)


def _memory_line(work: "Work", limit: int | None, name: str) -> str:
    """Return the memory that work needs, and whether and how it fits into a limit."""
    from upsample_cli.errors import MemoryLimitError
    from upsample_cli.operations.memory import fit, total_bytes

    if limit is None:
        return f"memory   about {readable_bytes(work.working_bytes)} beside the program"
    wanted = work.pieces
    try:
        fit(work, limit, name)
    except MemoryLimitError as error:
        return f"memory   {error.problem}; {error.remedy}"
    given = work.pieces
    how = f"1/{given.division} of the usual pieces, {given.threads} of {wanted.threads} threads"
    line = f"memory   about {readable_bytes(total_bytes(work))}, program included, which fits"
    return line + (f": {how}" if given != wanted else "")


def explain_plan(plan: "Plan", limit: int | None = None) -> str:
    """Return what a pooling or one of its inverses would do, with each size's formula.

    ``limit`` is what the whole process may hold, in bytes.
    """
    lines = [
        f"input    {plan.before}",
        f"output   {plan.after}, {readable_bytes(plan.output_bytes)}",
        f"does     {plan.name}",
        _memory_line(plan, limit, plan.stack.source.name),
        "",
        "axis   size out",
    ]
    axes, formulas = plan.axes[::-1], plan.formulas[::-1]
    for name, axis, formula in zip("xyz", axes, formulas, strict=False):
        lines.append(f"{name:4} {axis.size_out:10} = {formula}")
    lines += ["", "axis   size in   size out   first sample at         step"]
    lines += [_axis_line(name, axis) for name, axis in zip("xyz", axes, strict=False)]
    if plan.header is not None:
        lines += ["", *_rows("affine", plan.header.affine.tolist(), 6)]
    return "\n".join(lines)


def _axis_lines(job: "Job") -> Iterator[str]:
    plans = cast("Resampler", job.resampler).plans
    yield "axis   size in   size out   first sample at         step   taps"
    for name, axis, plan in zip("xyz", job.axes[::-1], plans[::-1], strict=False):
        taps = "copied" if plan is None else str(plan.width)
        yield _axis_line(name, axis, taps)


def _axis_line(name: str, axis: AxisMap, taps: str = "") -> str:
    line = f"{name:4} {axis.size_in:9} {axis.size_out:10} {axis.start:17.6g} {axis.step:12.6g}"
    return f"{line} {taps:>6}" if taps else line


def _mapped_lines(mapped: "Mapped") -> Iterator[str]:
    aligned, resampler = mapped.aligned, mapped.resampler
    if aligned is not None:
        yield "axis   from   size in   size out    inside   first sample at         step"
        shape_out = resampler.shape_out[::-1]
        for axis, row in enumerate(aligned.order):
            yield _aligned_line(aligned, axis, row, shape_out[axis])
    elif mapped.mapping is not None:
        yield "output voxel (i, j, k) lies at the input voxel"
        for name, row in zip("xyz", mapped.mapping.matrix.tolist(), strict=False):
            terms = " ".join(
                f"{value:+11.6g} {letter}" for value, letter in zip(row[:3], "ijk", strict=True)
            )
            yield f"  {name} = {row[3]:11.6g} {terms}"
    if mapped.mapping is not None:
        outside = 1 - mapped.mapping.inside_share()
        share = f"about {outside:.0%} of the output" if outside else "nothing"
        yield f"filled   {share}, where it lies outside the input"
    if resampler.holds_item:
        yield "planes   needed out of their order: those of a volume are held in memory"


def _aligned_line(aligned: "AlignedMap", axis: int, row: int, size_out: int) -> str:
    along = aligned.axes[axis]
    source = ("-" if aligned.flips[axis] else "+") + "xyz"[row]
    return (
        f"{'xyz'[axis]:4} {source:>6} {along.size_in:9} {size_out:10} {along.size_out:9} "
        f"{along.start:17.6g} {along.step:12.6g}"
    )
