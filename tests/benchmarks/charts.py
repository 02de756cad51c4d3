"""What both pictures share: a canvas twice as fine as it is shown, its ink and its letters."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH = 840
FINENESS = 2
PAPER, INK, FAINT, GRID = "#ffffff", "#202428", "#6b7680", "#dfe3e7"
OWN, BOUND, PEER = "#d9480f", "#c9ced3", "#5c7c99"

Point = tuple[float, float]


class Canvas:
    """Draws in the pixels of the README."""

    def __init__(self, height: float) -> None:
        size = (WIDTH * FINENESS, round(height * FINENESS))
        self.image = Image.new("RGB", size, PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def text(self, at: Point, words: str, anchor: str, ink: str = INK, size: float = 12) -> float:
        """Write ``words``; return how wide they are."""
        font = ImageFont.load_default(size * FINENESS)
        # Pillow's own font has neither sign.
        words = words.replace("×", "x").replace("→", "to")
        self.draw.text(self._fine(at), words, ink, font, anchor=anchor)
        return self.draw.textlength(words, font) / FINENESS

    def bar(self, left_top: Point, right_bottom: Point, ink: str) -> None:
        self.draw.rectangle([*self._fine(left_top), *self._fine(right_bottom)], fill=ink)

    def line(self, points: list[Point], ink: str, width: float = 1) -> None:
        fine = [self._fine(point) for point in points]
        self.draw.line(fine, fill=ink, width=round(width * FINENESS), joint="curve")

    def dot(self, at: Point, radius: float, ink: str) -> None:
        self.draw.circle(self._fine(at), radius * FINENESS, fill=ink)

    def save(self, path: Path) -> None:
        """Write few colours, which keep letters sharp and the file small."""
        self.image.quantize(64).save(path, optimize=True)

    def _fine(self, at: Point) -> Point:
        return at[0] * FINENESS, at[1] * FINENESS
