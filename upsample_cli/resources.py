"""Whether the machine can hold what is asked for, found out before work starts."""

import contextlib
import os
import shutil
from pathlib import Path

import psutil

from upsample_cli.cgroup import memory_left
from upsample_cli.errors import RequestError
from upsample_cli.text import readable_bytes

WORTH_CHECKING = 64 * 2**20


def available_memory() -> int:
    """Return the bytes that this process can still take, within its machine and its cgroup."""
    available = int(psutil.virtual_memory().available)
    left = memory_left()
    return available if left is None else min(available, left)


def resident_bytes() -> int:
    """Return the memory that this process holds now."""
    return int(psutil.Process().memory_info().rss)


def reset_peak() -> None:
    """Let ``peak_resident_bytes`` begin anew, on systems where that can be."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_resident_bytes() -> int:
    """Return the most memory that this process has held since its start or ``reset_peak``."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resident_bytes()
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), None)
    return int(line.split()[1]) * 1024 if line else resident_bytes()


def check_memory(name: str, needed: int, remedy: str = "ask for a smaller output") -> None:
    """Refuse work that needs more memory than there is."""
    if needed > WORTH_CHECKING and needed > (available := available_memory()):
        raise RequestError(
            name,
            f"needs {readable_bytes(needed)} of memory, but {readable_bytes(available)} are free",
            remedy,
        )


def check_disk(name: str, needed: int) -> None:
    """Refuse an output of ``needed`` bytes that its disk has no room for."""
    if name == "-":
        return
    free = shutil.disk_usage(Path(os.path.realpath(name)).parent).free
    if needed > free:
        raise RequestError(
            name,
            f"needs {readable_bytes(needed)} of disk, but {readable_bytes(free)} are free",
            "free some, or ask for a smaller output",
        )
