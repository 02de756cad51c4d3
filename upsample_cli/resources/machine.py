"""Whether the machine can hold what is asked for, found out before work starts."""

import contextlib
import ctypes
import os
import re
import shutil
import sys
from pathlib import Path

import psutil

from upsample_cli.errors import MemoryShortError, RequestError
from upsample_cli.resources.cgroup import memory_left
from upsample_cli.text import readable_bytes

STATUS_FILE, RESET_FILE = Path("/proc/self/status"), Path("/proc/self/clear_refs")
M_MMAP_THRESHOLD = -3
"""``mallopt``'s name for the size from which on memory is mapped, and unmapped when freed."""
MAPPED_BYTES = 2**18

WORTH_CHECKING = 64 * 2**20


def available_memory() -> int:
    """Return the bytes that this process can still take, within its machine and its cgroup."""
    available = int(psutil.virtual_memory().available)
    left = memory_left()
    return available if left is None else min(available, left)


def check_memory(name: str, needed: int, remedy: str = "ask for a smaller output") -> None:
    """Refuse work that needs more memory than there is."""
    if needed > WORTH_CHECKING and needed > (available := available_memory()):
        raise MemoryShortError(
            name,
            f"needs {readable_bytes(needed)} of memory, but {readable_bytes(available)} are free",
            remedy,
        )


def resident_bytes() -> int:
    """Return the memory that this process holds now."""
    return int(psutil.Process().memory_info().rss)


def peak_resident_bytes() -> int:
    """Return the most that this process has held, since it began or since ``reset_peak``."""
    with contextlib.suppress(OSError):
        if found := re.search(r"^VmHWM:\s*(\d+) kB", STATUS_FILE.read_text(), re.MULTILINE):
            return int(found[1]) * 1024
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return int(psutil.Process().memory_info().peak_wset)
    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def reset_peak() -> bool:
    """Let ``peak_resident_bytes`` begin anew; return whether the system can do that."""
    try:
        RESET_FILE.write_text("5")
    except OSError:
        return False
    return True


def return_freed_memory() -> None:
    """Give what is free in the heap back to the system, now and whenever it becomes free.

    The GNU library otherwise keeps up to 64 MiB, so that arrays would count after their end.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
        library.malloc_trim(0)


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
