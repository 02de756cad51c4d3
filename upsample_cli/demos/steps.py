"""A worked example as data: what is printed and what is drawn both follow from its steps."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upsample_cli.sampling.windows import filled

Array = NDArray[Any]
Formula = tuple[str, str]
"""A size in symbols, ``H_out = …``, and in numbers, ``= … = 7``."""


PANEL = 288
"""Pixels that a panel may be wide where three stand side by side."""


@dataclass(frozen=True)
class Step:
    """One matrix on the way from the input to the result.

    Parameters
    ----------
    title, remark
        What the matrix is, and what to see in it.
    values
        Shape (rows, columns).
    formulas
        How its size follows from the one before.
    marked
        Booleans of the same shape: the cells to look at.
    labels
        A name for each row, or nothing.
    span
        The values at the two ends of the colours; by default the matrix's own, with 0.
    dots
        Points (x, y) to mark, in cells: the centre of the first cell is (0, 0).
    """

    title: str
    values: Array
    remark: str = ""
    formulas: tuple[Formula, ...] = ()
    marked: Array | None = None
    labels: tuple[str, ...] = ()
    span: tuple[float, float] | None = None
    dots: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Demo:
    """A worked example.

    Parameters
    ----------
    title, steps, moral
        What it is about, its steps in order, and what it teaches.
    columns
        How many steps stand side by side in the picture.
    is_zoom
        Every panel shows the same scene, so all are drawn equally large; otherwise cells are
        equally large, and a panel shows its size.
    """

    title: str
    steps: tuple[Step, ...]
    moral: str
    columns: int
    is_zoom: bool = False


def size_formulas(
    formula: str, before: tuple[int, ...], after: tuple[int, ...], **numbers: int
) -> tuple[Formula, ...]:
    """Return a size formula of ``sampling.windows`` filled in: once if both axes are alike.

    >>> size_formulas("(size - 1) * stride + kernel", (4, 4), (8, 8), stride=2, kernel=2)
    (('H_out = (H_in − 1)·stride + kernel', '= (4 − 1)·2 + 2 = 8'),)
    """
    text = formula.replace(" * ", "·").replace(" - ", " − ")
    axes = dict(zip("HW", zip(before, after, strict=True), strict=True))
    if axes["H"] == axes["W"]:
        del axes["W"]
    return tuple(
        (
            f"{axis}_out = {filled(text, size=f'{axis}_in')}",
            f"= {filled(text, size=size, **numbers)} = {result}",
        )
        for axis, (size, result) in axes.items()
    )


def heading(step: Step) -> str:
    """Return a step's title, with rows × columns where it is one matrix."""
    return step.title if step.labels else f"{step.title}, {' × '.join(map(str, step.values.shape))}"


def finite_range(values: Array) -> tuple[float, float]:
    """Return the smallest and the largest finite value, or 0 and 0."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
