"""The verdict on two volumes, and how it is told."""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upsample_cli.errors import RequestError
from upsample_cli.files import open_source
from upsample_cli.files.images.options import ImageOptions
from upsample_cli.sampling.grid import corner_tolerance
from upsample_cli.text import printable
from upsample_cli.verify.rows import Row, compare_headers, grid_of
from upsample_cli.verify.values import compare_values

if TYPE_CHECKING:
    from upsample_cli.files import VolumeSource

Progress = Callable[[int], AbstractContextManager[Callable[[int], object]]]


@dataclass(frozen=True)
class Criteria:
    """What counts.

    ``tolerance`` is how far corners may be apart, in the headers' unit, None for the default.
    ``values`` is how far scaled values may be apart, None if they do not count.
    """

    tolerance: float | None = None
    same_grid: bool = False
    values: float | None = None
    reads_values: bool = True


@dataclass(frozen=True)
class Verdict:
    """What the comparison of two volumes has found; ``tolerance`` is the one that was used."""

    a: str
    b: str
    tolerance: float
    unit: str
    rows: list[Row]

    @property
    def failed(self) -> list[str]:
        """The names of what disagrees and counts."""
        return [row.name for row in self.rows if row.counts and not row.agrees]

    def facts(self) -> dict[str, Any]:
        """Return the verdict as JSON can hold it."""
        rows = [
            {"name": row.name, "a": row.a, "b": row.b, "agrees": row.agrees, "counts": row.counts}
            | row.facts
            for row in self.rows
        ]
        agree = not self.failed
        return {
            **{"a": self.a, "b": self.b, "agree": agree, "failed": self.failed},
            **{"tolerance": self.tolerance, "unit": self.unit or "unknown", "rows": rows},
        }

    def table(self) -> str:
        """Return the verdict as aligned columns and a sentence."""
        names = ["-" if name == "-" else Path(name).name for name in (self.a, self.b)]
        lines = [("", *(printable(name) for name in names), "agree")]
        for row in self.rows:
            detail = f" ({row.detail})" if row.detail else ""
            lines.append((row.name, row.a, row.b, f"{_answer(row)}{detail}"))
        widths = [max(len(line[column]) for line in lines) for column in range(3)]
        text = [
            "  ".join([*(f"{cell:{n}}" for cell, n in zip(line, widths, strict=False)), line[3]])
            for line in lines
        ]
        return "\n".join([*text, "", self.sentence()])

    def sentence(self) -> str:
        """Return the verdict in words."""
        if self.failed:
            return f"they do not agree: {', '.join(self.failed)}"
        return f"they agree; corners within {self.tolerance:.3g} {self.unit}".rstrip()


def _answer(row: Row) -> str:
    if row.agrees:
        return "yes"
    return "no" if row.counts else "differs"


def verify(a_name: str, b_name: str, criteria: Criteria, progress: Progress) -> Verdict:
    """Compare two volumes: geometry, header and values.

    Raises
    ------
    FileError
        If one cannot be read or is broken.
    RequestError
        If one is no volume.
    """
    if a_name == b_name == "-":
        raise RequestError("-", "is one volume, not two", "name a file")
    with closing(_open(a_name)) as a, closing(_open(b_name)) as b:
        tolerance = criteria.tolerance
        if tolerance is None:
            tolerance = corner_tolerance(grid_of(a.header), grid_of(b.header))
        rows = compare_headers(a.header, b.header, tolerance, same_grid=criteria.same_grid)
        if criteria.reads_values:
            with progress(a.header.data_bytes) as done:
                rows.append(compare_values(a, b, criteria.values, done))
        return Verdict(a_name, b_name, tolerance, a.header.unit, rows)


def _open(name: str) -> "VolumeSource":
    source = open_source(name, ImageOptions())
    if source.kind != "volume":
        source.close()
        problem = f"is of kind {source.kind}, and verify compares volumes"
        raise RequestError(name, problem, "name a NIfTI or MGH file")
    return source
