"""A worked example as lines for a terminal of 80 columns."""

import textwrap
from collections.abc import Iterator

import numpy as np

from upsample_cli.demos.steps import Array, Demo, Formula, Step, heading

WIDTH = 80
INDENT = "   "
MOST_ROWS = 16
NO_BREAK = "\N{NO-BREAK SPACE}"


def as_text(demo: Demo) -> str:
    """Return title, steps and moral."""
    lines = [demo.title, ""]
    for number, step in enumerate(demo.steps, start=1):
        lines += [*_wrapped(f"{number}. {heading(step)}", ""), ""]
        for formula in step.formulas:
            lines += [*_formula_lines(formula), ""]
        lines += [*matrix_lines(step), ""]
        if step.remark:
            lines += [*_wrapped(step.remark, INDENT), ""]
    return "\n".join(line.rstrip() for line in [*lines, *_wrapped(demo.moral, "")])


def cell_texts(values: Array) -> list[list[str]]:
    """Return the numbers of a matrix, all in one notation.

    >>> cell_texts(np.array([[1.0, 20.0]])), cell_texts(np.array([[0.5, 20.0]]))
    ([['1', '20']], [['0.50', '20.00']])
    """
    finite = np.abs(values[np.isfinite(values)].astype(float))
    largest = finite.max(initial=0)
    if np.all(finite == np.round(finite)) and largest < 1e9:
        notation = ".0f"
    else:
        notation = ".2f" if 0.1 <= largest < 1e6 else ".2e"
    return [[_unsigned_zero(f"{float(value):{notation}}") for value in row] for row in values]


def _unsigned_zero(text: str) -> str:
    return text.lstrip("-") if not text.strip("-0.") else text


def matrix_lines(step: Step) -> list[str]:
    """Return a matrix in aligned columns, its marked cells in brackets, cut where it is too large.

    What is marked stays, or else what is not 0.

    >>> marked = np.array([[False, True], [False, False]])
    >>> matrix_lines(Step("input", np.array([[1, 20], [3, 4]]), marked=marked))
    ['     1 [20]', '     3   4 ']
    """
    rows = _bracketed(step)
    wide = max(len(cell) for row in rows for cell in row)
    label = max((len(text) + 1 for text in step.labels), default=0)
    # Brackets keep columns apart as blanks do.
    apart = "" if step.marked is not None else " "
    fit = (WIDTH - len(INDENT) - label - len("… …")) // (wide + len(apart))
    tall, broad = _shown(step, 0, MOST_ROWS), _shown(step, 1, fit)
    before = "…" if broad.start else ""
    after = " …" if broad.stop < len(rows[0]) else ""
    lines = [f"{INDENT} …"] if tall.start else []
    for index in tall:
        name = step.labels[index] if step.labels else ""
        cells = "".join(f"{apart}{rows[index][column]:>{wide}}" for column in broad)
        lines.append(f"{INDENT}{name:{label}}{before}{cells}{after}")
    if tall.stop < len(rows):
        lines.append(f"{INDENT} …")
    return lines


def _shown(step: Step, axis: int, most: int) -> range:
    """Return the rows (axis 0) or columns to show: the first ones, or those around the marks."""
    size, begin = step.values.shape[axis], 0
    if step.marked is not None:
        looked_at = step.marked if step.marked.any() else step.values != 0
        places = np.flatnonzero(looked_at.any(axis=1 - axis))
        if places.size:
            # One more than the last mark, but none of the first ones is given up for it.
            begin = max(0, min(places[0], places[-1] + 2 - most, size - most))
    return range(begin, min(begin + most, size))


def _bracketed(step: Step) -> list[list[str]]:
    if step.labels:  # rows of different things, each in its own notation
        return [cell_texts(row[np.newaxis])[0] for row in step.values]
    texts = cell_texts(step.values)
    if step.marked is None:
        return texts
    return [
        [f"[{text}]" if mark else f"{text} " for text, mark in zip(row, marks, strict=True)]
        for row, marks in zip(texts, step.marked, strict=True)
    ]


def _formula_lines(formula: Formula) -> Iterator[str]:
    symbols, numbers = formula
    hanging = INDENT + " " * symbols.index("=")
    yield from _wrapped(symbols, INDENT, hanging)
    yield from _wrapped(numbers, hanging)


def _wrapped(text: str, indent: str, hanging: str | None = None) -> list[str]:
    # An operator begins a line rather than ending one.
    for operator in "=+−·/":
        text = text.replace(f" {operator} ", f" {operator}{NO_BREAK}")
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_on_hyphens=False,
    )
    return [line.replace(NO_BREAK, " ") for line in lines]
