"""What a file holds, and what a job would do, as text."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from upsample_cli.sampling.axis import AxisMap
from upsample_cli.text import printable, readable_bytes

if TYPE_CHECKING:
    from upsample_cli.job import Job

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
    resampler = job.resampler
    lines = [
        f"input    {job.shape_in} {resampler.dtype_in.name}",
        f"output   {job.shape_out} {resampler.dtype_out.name}, {readable_bytes(job.output_bytes)}",
        f"mode     {job.method.mode.name}"
        + (", align_corners" if job.method.align_corners else "")
        + (", antialias" if job.method.antialias else ""),
        f"which    {job.method.mode.summary}",
        f"sums in  {resampler.arithmetic.description}",
        f"memory   about {readable_bytes(job.working_bytes)} beside the program",
        *_field_lines(job),
        "",
        "axis   size in   size out   first sample at         step   taps",
    ]
    for name, axis, plan in zip("xyz", job.axes[::-1], resampler.plans[::-1], strict=False):
        taps = "copied" if plan is None else str(plan.width)
        lines.append(_axis_line(name, axis, taps))
    if job.header is not None:
        lines += ["", *_rows("affine", job.header.affine.tolist(), 6)]
    return "\n".join(lines)


def _field_lines(job: "Job") -> list[str]:
    """Return voxel size and field of view before and after, and how far its edges move."""
    if job.source.kind != "volume" or job.header is None:
        return []
    before, after = job.source.header, job.header
    sizes = [np.array(header.spacing) for header in (before, after)]
    fields = [size * header.spatial for size, header in zip(sizes, (before, after), strict=True)]
    shifts = np.abs([axis.edge_shifts for axis in job.axes[::-1]]).max(axis=1) * sizes[0]
    farthest = float(shifts.max())
    unit = f" {before.unit}".rstrip()
    # What rounding leaves of 0 is 0.
    moved = f"{farthest:.3g}{unit}" if farthest > 1e-6 * sizes[0].min() else f"0{unit}"
    return [
        f"spacing  {_by(sizes[0])}{unit} → {_by(sizes[1])}{unit}",
        f"field    {_by(fields[0])}{unit} → {_by(fields[1])}{unit}",
        f"edges    move by up to {moved}",
    ]


def _by(lengths: Iterable[float]) -> str:
    return " × ".join(f"{length:.6g}" for length in lengths)


def _axis_line(name: str, axis: AxisMap, taps: str) -> str:
    return (
        f"{name:4} {axis.size_in:9} {axis.size_out:10} {axis.start:17.6g} {axis.step:12.6g} "
        f"{taps:>6}"
    )
