"""The picture: for each headline case, bars of seconds, peers side by side."""

from pathlib import Path
from typing import Any

from cases import COMPRESSION, COPY, KERNELS, OURS, PROCESSES, Row, peers_of
from charts import BOUND, FAINT, OWN, PEER, WIDTH, Canvas
from report import text_of

COLUMNS = 2
MARGIN, GUTTER = 12, 28
TITLE, BAR, STEP, BELOW = 26, 13, 19, 18
NAMES, FIGURES = 92, 112
"""Widths left of the bars, for names, and right of the longest, for figures."""


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the panels in rows as high as their longest."""
    cases = [case for case in [*PROCESSES, *KERNELS] if case.in_picture]
    panels = [case.name for case in cases if case.name in results["rows"]]
    if not panels:
        return
    rows = [panels[begin : begin + COLUMNS] for begin in range(0, len(panels), COLUMNS)]
    heights = [max(height_of(results, name) for name in row) for row in rows]
    canvas = Canvas(MARGIN + sum(heights))
    width = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GUTTER) / COLUMNS
    top = float(MARGIN)
    for row, height in zip(rows, heights, strict=True):
        for column, name in enumerate(row):
            panel(canvas, results, name, (MARGIN + column * (width + GUTTER), top), width)
        top += height
    canvas.save(path)


def lines_of(row: Row) -> list[str]:
    """Return whose bars a panel has: ours, the bound, then the peers, the fastest first."""
    own = [name for name in (OURS, COMPRESSION, COPY) if name in row]
    return own + [name for name, _ in peers_of(row)]


def height_of(results: dict[str, Any], name: str) -> float:
    count = len(lines_of(results["rows"][name])) + len(results["absent"][name])
    return TITLE + count * STEP + BELOW


def panel(
    canvas: Canvas, results: dict[str, Any], name: str, at: tuple[float, float], width: float
) -> None:
    row: Row = results["rows"][name]
    left, top = at
    begin = left + canvas.text(at, name, "la", size=14) + 10
    is_process = row[OURS].peak is not None
    kind = "whole process: time, peak memory" if is_process else "in memory"
    canvas.text((begin, top + 2), kind, "la", ink=FAINT)
    longest = max(row[line].seconds for line in lines_of(row))
    room = width - NAMES - FIGURES
    begin, y = left + NAMES, top + TITLE
    for line in lines_of(row):
        ink = OWN if line == OURS else BOUND if line in (COPY, COMPRESSION) else PEER
        length = max(1.5, room * row[line].seconds / longest)
        canvas.text((begin - 6, y + BAR / 2), line, "rm", ink=OWN if line == OURS else FAINT)
        canvas.bar((begin, y), (begin + length, y + BAR), ink)
        canvas.text((begin + length + 6, y + BAR / 2), text_of(row, line), "lm")
        y += STEP
    for line, why in results["absent"][name].items():
        canvas.text((begin - 6, y + BAR / 2), line, "rm", ink=FAINT)
        canvas.text((begin, y + BAR / 2), why.split(":")[0], "lm", ink=FAINT)
        y += STEP
