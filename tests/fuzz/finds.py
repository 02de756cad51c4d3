"""Where cases that break the rule are kept, one of a kind."""

import re
import zlib
from pathlib import Path


class Finds:
    """A folder of cases with what was wrong; the smallest of each kind is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, format: str, data: bytes, problem: str) -> None:
        """Keep a case, unless one of its kind is smaller."""
        # What differs from case to case of a kind: the command line, names, numbers, bytes.
        kind = re.sub(r"\A.*", "", problem)
        kind = re.sub(r"0x[0-9a-f]+|\d+|'.*?'|\bb?\".*?\"", "#", kind)
        stem = self.folder / f"{format}-{zlib.crc32(kind.encode()):08x}"
        case, words = stem.with_suffix(".bin"), stem.with_suffix(".txt")
        if not case.exists() or len(data) < case.stat().st_size:
            case.write_bytes(data)
            words.write_text(problem)

    def names(self) -> list[str]:
        """Return the cases, by name."""
        return sorted(path.name for path in self.folder.glob("*.bin"))
