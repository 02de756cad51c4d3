"""Every mode of the MODES table on one row of numbers, and on one small scene."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from upsample_cli.demos.steps import PANEL, Array, Demo, Step, finite_range
from upsample_cli.functional import interpolate
from upsample_cli.sampling.axis import AxisMap
from upsample_cli.sampling.modes import DIMENSION_BOUND, MODES, Method
from upsample_cli.sampling.target import axis_from_scale

EXAMPLE_ROW = np.array([10.0, 20.0, 80.0, 40.0])
COLUMNS = 3
MOST_DOTS = 400
ROUNDING = 1e-12
"""Relative; what lies closer to the input's range has not left it."""


def crop_side(scale: float) -> int:
    """Return how many pixels of a file to take, so that every result fits into a panel."""
    return int(PANEL / max(scale, 1))


def example_scene() -> Array:
    """Return 12 × 12 pixels with a diagonal, a dot, an edge and a gradient."""
    scene = np.full((12, 12), 40.0)
    scene[:7, :7] = np.where(np.eye(7, dtype=np.bool_), 255, scene[:7, :7])
    scene[1, 5] = 255
    scene[:8, 9:] = 220
    scene[9:] = np.linspace(0, 255, 12)
    return scene


def methods(scale: float) -> list[Method]:
    """Return every mode for numbers, with what it allows; antialias matters to a shrink alone."""
    found = []
    for mode in MODES.values():
        if mode.votes:
            continue
        found.append(Method(mode, antialias=mode.needs_antialias))
        if mode.allows_align_corners:
            found.append(Method(mode, align_corners=True))
        if mode.allows_antialias and not mode.needs_antialias and scale < 1:
            found.append(Method(mode, antialias=True))
    return found


def label(method: Method) -> str:
    """Return a method's name as its options would be written."""
    corners = ", align_corners" if method.align_corners else ""
    antialias = ", antialias" if method.antialias and not method.mode.needs_antialias else ""
    return f"{method.mode.name}{corners}{antialias}"


@dataclass(frozen=True)
class Result:
    """What one method makes of the input, and where it sampled each axis, slowest first."""

    method: Method
    axes: tuple[AxisMap, ...]
    values: Array


def results(values: Array, scale: float) -> list[Result]:
    """Resample a row or a matrix with every method.

    Raises
    ------
    ValueError
        If the scale is not possible.
    """
    return [_result(values, scale, method) for method in methods(scale)]


def _result(values: Array, scale: float, method: Method) -> Result:
    bound = {of: name for name, of in DIMENSION_BOUND.items()}
    output = interpolate(
        values[np.newaxis, np.newaxis],
        scale_factor=scale,
        mode=bound.get((method.mode.name, values.ndim), method.mode.name),
        align_corners=method.align_corners or None,
        antialias=method.antialias,
    )
    axes = tuple(axis_from_scale(size, scale, method) for size in values.shape)
    return Result(method, axes, output[0, 0])


def modes_of_row(row: Array, scale: float) -> Demo:
    """Resample a row of numbers; what samples alike stands together."""
    groups: dict[AxisMap, list[Result]] = {}
    for result in results(row, scale):
        groups.setdefault(result.axes[0], []).append(result)
    given = Step("input", np.stack([np.arange(row.size), row]), labels=("pixel at", "value"))
    steps = [_sampled(axis, alike) for axis, alike in groups.items()]
    title = f"modes: a row of {row.size} numbers, scale {scale:g}"
    return Demo(title, (given, *steps), _moral(row, results(row, scale)), COLUMNS)


def _sampled(axis: AxisMap, alike: list[Result]) -> Step:
    is_cornered = alike[0].method.align_corners and axis.start == 0
    placement = "align_corners" if is_cornered else "half-pixel"
    names = [label(result.method) for result in alike]
    if all(result.method.align_corners for result in alike):  # as the title says
        names = [result.method.mode.name for result in alike]
    return Step(
        f"{placement}: sample i lies at start + step·i = {axis.start:.4g} + {axis.step:.4g}·i",
        np.stack([axis.source(np.float64), *(result.values for result in alike)]),
        CORNERED if is_cornered else CENTRED,
        labels=("sample at", *names),
    )


CENTRED = (
    "step = 1 / scale; start = (step − 1) / 2, which lets the outer edges of input and output "
    "coincide. nearest alone reads floor(i·step) instead, beside where the sample lies."
)
CORNERED = (
    "step = (in − 1) / (out − 1); start = 0: the centres of the first and of the last pixels "
    "coincide, so the step depends on the size, and is not 1 / scale."
)


def _moral(row: Array, found: list[Result]) -> str:
    slack = ROUNDING * float(np.abs(row).max())
    over = [
        label(result.method)
        for result in found
        if result.values.max() > row.max() + slack or result.values.min() < row.min() - slack
    ]
    if not over:
        return "No mode left the range of the input here."
    return f"Overshoot, values beyond any of the input: {'; '.join(over)}."


def modes_of_scene(scene: Array, scale: float) -> Demo:
    """Resample a matrix with every method; the dots are the centres of its corner pixels."""
    span = finite_range(scene)
    is_legible = scene.size <= MOST_DOTS
    y, x = (range(n) if is_legible else (0, n - 1) for n in scene.shape)
    which = "" if is_legible else "corner "
    remark = f"Dots: the centres of its {which}pixels."
    given = Step("input", scene, remark, span=span, dots=_grid(x, y))
    steps = (_panel(result, span) for result in results(scene, scale))
    title = f"modes: {scene.shape[0]} rows × {scene.shape[1]} columns, scale {scale:g}"
    return Demo(title, (given, *steps), SCENE_MORAL, COLUMNS, is_zoom=True)


SCENE_MORAL = (
    "Dots: where the centres of the input's corner pixels land. With align_corners they land on "
    "the centres of the output's corner pixels; otherwise the outer edges coincide."
)


def _panel(result: Result, span: tuple[float, float]) -> Step:
    y, x = (_corners(axis) for axis in result.axes)
    remark = result.method.mode.summary
    if result.method.align_corners:
        remark = "samples from the centre of the first pixel to that of the last"
    elif result.method.antialias and not result.method.mode.needs_antialias:
        remark = "weighs every pixel that an output pixel covers"
    return Step(label(result.method), result.values, remark, span=span, dots=_grid(x, y))


def _grid(x: Iterable[float], y: Sequence[float]) -> tuple[tuple[float, float], ...]:
    return tuple((column, row) for column in x for row in y)


def _corners(axis: AxisMap) -> tuple[float, float]:
    return -axis.start / axis.step, (axis.size_in - 1 - axis.start) / axis.step
