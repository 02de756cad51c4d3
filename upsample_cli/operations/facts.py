"""What a file is or would be, as text: aligned lines, rows of a matrix, or JSON."""

import json
from typing import Any

import numpy as np

from upsample_cli.text import printable

Facts = dict[str, Any]

CODE_NAMES = {0: "unknown", 1: "scanner", 2: "aligned", 3: "talairach", 4: "mni152"}


def as_json(facts: Facts) -> str:
    """Return facts as JSON; what is not finite becomes null, which JSON can hold."""
    return json.dumps(finite(facts), indent=2, ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:
    """Return facts with None in place of numbers that are not finite."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def as_text(facts: Facts) -> str:
    """Return facts as aligned lines, matrices as rows."""
    width = max(len(key) for key in facts)
    lines = []
    for key, value in facts.items():
        if key.endswith("_code"):
            value = f"{value} ({CODE_NAMES.get(value, 'other')})"
        if isinstance(value, list) and value and isinstance(value[0], list):
            lines += rows(key, value, width)
        else:
            lines.append(f"{key:{width}}  {_plain(value)}")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " × ".join(_plain(entry) for entry in value)
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else printable(str(value))


def rows(key: str, matrix: list[list[float]], width: int) -> list[str]:
    """Return a matrix as aligned lines, the first of which begins with its name."""
    cells = [[f"{round(value, 4) + 0.0:.4f}" for value in row] for row in matrix]
    wide = max(len(cell) for row in cells for cell in row)
    return [
        f"{key if index == 0 else '':{width}}  " + "  ".join(f"{cell:>{wide}}" for cell in row)
        for index, row in enumerate(cells)
    ]
