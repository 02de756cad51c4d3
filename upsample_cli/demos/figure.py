"""A worked example as a picture: its steps side by side, drawn with Pillow."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from upsample_cli.demos.steps import PANEL, Array, Demo, Step, finite_range, heading
from upsample_cli.demos.text import cell_texts

MARGIN, GAP = 24, 24
WIDTH = 3 * PANEL + 2 * GAP + 2 * MARGIN
PAPER, INK, FAINT, LINE = "#ffffff", "#202428", "#5f6b75", "#aab4bd"
MARK, DOT = "#d9480f", "#e8590c"
TINGE = 0.4
DARKEST_TINT = (92, 148, 200)
TITLE, TEXT = 19, 15
LEADING = 19
LARGEST_CELL = 52
SMALLEST_TEXT = 11
LARGEST_MATRIX = 12
"""Rows or columns up to which a panel is a matrix of numbers, not a picture of grey pixels."""

WITHOUT_GLYPH = str.maketrans({"×": "x", "−": "-", "→": ">", "–": "-"})
"""What Pillow's own font does not have."""


@dataclass(frozen=True)
class Panel:
    """Where a step is drawn: the corner of its first cell, and the side of a cell, in pixels."""

    step: Step
    left: int
    top: int
    cell: int
    is_matrix: bool

    @property
    def remark_top(self) -> int:
        """Where the remark begins, below the cells."""
        return self.top + self.cell * len(self.step.values) + 8

    def centre(self, x: float, y: float) -> tuple[float, float]:
        """Return the middle of the cell in column x, row y."""
        return self.left + (x + 0.5) * self.cell, self.top + (y + 0.5) * self.cell


def png_bytes(demo: Demo) -> bytes:
    """Return the picture as a PNG file."""
    file = io.BytesIO()
    draw(demo).save(file, "PNG", optimize=True)
    return file.getvalue()


def draw(demo: Demo) -> Image.Image:
    """Draw title, panels, formulas and moral, one below the other."""
    panels, bottom = lay_out(demo)
    formulas = [" ".join(formula) for step in demo.steps for formula in step.formulas]
    closing = [
        line for text in (*formulas, demo.moral) for line in wrapped(text, WIDTH - 2 * MARGIN)
    ]
    height = bottom + len(closing) * LEADING + MARGIN
    picture = Image.new("RGB", (WIDTH, height), PAPER)
    brush = ImageDraw.Draw(picture)
    _write(brush, (MARGIN, MARGIN), demo.title, INK, TITLE)
    slot = _slot(demo.columns)
    for number, panel in enumerate(panels, start=1):
        title = panel.step.title if demo.is_zoom else heading(panel.step)
        _write(brush, (panel.left, panel.top - LEADING - 4), f"{number}. {title}", INK)
        _draw_cells(picture, panel)
        _write_lines(brush, (panel.left, panel.remark_top), wrapped(panel.step.remark, slot), FAINT)
    _write_lines(brush, (MARGIN, bottom), closing, INK)
    return picture


def lay_out(demo: Demo) -> tuple[list[Panel], int]:
    """Return the panels in rows, and where the last row ends."""
    slot = _slot(demo.columns)
    panels = []
    top = MARGIN + TITLE + 20
    for begin in range(0, len(demo.steps), demo.columns):
        row = demo.steps[begin : begin + demo.columns]
        cells_top = top + LEADING + 4
        for column, step in enumerate(row):
            cell, is_matrix = _cell(step, demo, slot)
            left = MARGIN + column * (slot + GAP)
            panels.append(Panel(step, left, cells_top, cell, is_matrix))
        top = max(panel.remark_top + _remark_height(panel, slot) for panel in panels[begin:]) + 20
    return panels, top


def _remark_height(panel: Panel, slot: int) -> int:
    return LEADING * len(wrapped(panel.step.remark, slot))


def _slot(columns: int) -> int:
    return (WIDTH - 2 * MARGIN - (columns - 1) * GAP) // columns


def _cell(step: Step, demo: Demo, slot: int) -> tuple[int, bool]:
    if demo.is_zoom:
        return max(1, slot // max(step.values.shape)), False
    alike = [other for other in demo.steps if _is_small(other) == _is_small(step)]
    largest = max(max(other.values.shape) for other in alike)
    cell = max(1, min(slot // largest, LARGEST_CELL))
    return cell, _is_small(step) and _number_size(step, cell) >= SMALLEST_TEXT


def _is_small(step: Step) -> bool:
    return max(step.values.shape) <= LARGEST_MATRIX


def _draw_cells(picture: Image.Image, panel: Panel) -> None:
    colours = tints(panel.step) if panel.is_matrix else greys(panel.step)
    rows, columns = panel.step.values.shape
    size = (columns * panel.cell, rows * panel.cell)
    cells = Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)
    picture.paste(cells, (panel.left, panel.top))
    brush = ImageDraw.Draw(picture)
    if panel.is_matrix:
        _draw_numbers(brush, panel)
    brush.rectangle(
        (panel.left - 1, panel.top - 1, panel.left + size[0], panel.top + size[1]), outline=LINE
    )
    for x, y in panel.step.dots:
        brush.circle(panel.centre(x, y), 3, DOT, PAPER)


def _draw_numbers(brush: ImageDraw.ImageDraw, panel: Panel) -> None:
    step, cell = panel.step, panel.cell
    texts = cell_texts(step.values)
    font = _font(_number_size(step, cell))
    for y, x in np.ndindex(step.values.shape):
        left, top = panel.left + x * cell, panel.top + y * cell
        brush.rectangle((left, top, left + cell, top + cell), outline=LINE)
        ink = FAINT if step.values[y, x] == 0 else INK
        brush.text(panel.centre(x, y), texts[y][x], ink, font, anchor="mm")
    if step.marked is not None:
        for y, x in np.argwhere(step.marked):
            left, top = panel.left + x * cell, panel.top + y * cell
            # Inside the grid, so that marked neighbours do not seem to mark what they enclose.
            box = (left + 1, top + 1, left + cell - 1, top + cell - 1)
            brush.rectangle(box, outline=MARK, width=2)


def _number_size(step: Step, cell: int) -> int:
    """Return the largest size of letters at which the numbers fit into cells."""
    texts = [text for row in cell_texts(step.values) for text in row]

    def fits(size: int) -> bool:
        return max(map(_font(size).getlength, texts)) <= cell - 6

    return next((size for size in range(TEXT, 0, -1) if fits(size)), 0)


def fractions(step: Step) -> Array:
    """Return where each value lies between the ends of the step's span, 0 to 1; NaN is 0."""
    low, high = step.span or _span(step.values)
    with np.errstate(invalid="ignore"):
        share = (step.values.astype(np.float64) - low) / ((high - low) or 1.0)
    return np.nan_to_num(np.clip(share, 0, 1), nan=0.0)


def _span(values: Array) -> tuple[float, float]:
    low, high = finite_range(values)
    return min(low, 0.0), high


def tints(step: Step) -> Array:
    """Return the colours of a matrix, white to blue: uint8 (rows, columns, 3)."""
    white = np.array([255.0, 255.0, 255.0])
    colours = white + fractions(step)[..., np.newaxis] * (np.array(DARKEST_TINT) - white)
    return np.uint8(np.round(colours))


def greys(step: Step) -> Array:
    """Return the colours of a picture, black to white, marks tinged: uint8 (rows, columns, 3)."""
    colours = np.repeat(fractions(step)[..., np.newaxis] * 255, 3, axis=-1)
    if step.marked is not None:
        colours[step.marked] += TINGE * (np.array(ImageColor.getrgb(MARK)) - colours[step.marked])
    return np.uint8(np.round(colours))


def wrapped(text: str, width: int) -> list[str]:
    """Return lines of words that are at most ``width`` pixels wide."""
    lines: list[str] = []
    for word in text.translate(WITHOUT_GLYPH).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _font(TEXT).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _write_lines(
    brush: ImageDraw.ImageDraw, at: tuple[int, int], lines: list[str], ink: str
) -> None:
    for index, line in enumerate(lines):
        _write(brush, (at[0], at[1] + index * LEADING), line, ink)


def _write(
    brush: ImageDraw.ImageDraw, at: tuple[int, int], text: str, ink: str, size: int = TEXT
) -> None:
    brush.text(at, text.translate(WITHOUT_GLYPH), ink, _font(size))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
