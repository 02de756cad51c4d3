"""How much memory the control groups of a process leave it: containers, SLURM jobs, services."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

OWN_GROUPS = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")


class _Files(NamedTuple):
    """Where a version of control groups keeps its numbers."""

    folder: str
    limit: str
    used: str
    reclaimable: str


V1 = _Files("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = _Files("", "memory.max", "memory.current", "inactive_file")
"""``reclaimable`` is the line of ``memory.stat`` for cached files that the kernel drops first."""


def memory_left(root: Path = ROOT, own_groups: Path = OWN_GROUPS) -> int | None:
    """Return the bytes that the tightest of this process's groups leaves, or None without any.

    A group counts with those that contain it. What is only cached of files counts as free.
    """
    left = [
        bytes_left
        for files, group in _groups(own_groups)
        for folder in _with_parents(root / files.folder, group)
        if (bytes_left := _left(folder, files)) is not None
    ]
    return min(left, default=None)


def _groups(own_groups: Path) -> Iterator[tuple[_Files, str]]:
    """Yield what each line ``number:controllers:/group`` says of memory."""
    try:
        lines = own_groups.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield V1, group
        elif not controllers:
            yield V2, group


def _with_parents(root: Path, group: str) -> Iterator[Path]:
    """Yield a group's folder and those above it; in a container the outermost is its own."""
    path = PurePosixPath(group.lstrip("/"))
    yield from (root / each for each in (path, *path.parents))


def _left(folder: Path, files: _Files) -> int | None:
    try:
        limit = (folder / files.limit).read_text().strip()
        if limit == "max":
            return None
        used = int((folder / files.used).read_text())
        return max(0, int(limit) - used + _reclaimable(folder, files))
    except (OSError, ValueError):
        return None


def _reclaimable(folder: Path, files: _Files) -> int:
    for line in (folder / "memory.stat").read_text().splitlines():
        name, _, count = line.partition(" ")
        if name == files.reclaimable:
            return int(count)
    return 0
