"""How the tests start the command as a process, and what they hold a folder against."""

import ctypes
import os
import sys
from pathlib import Path

SAMPLES = Path(__file__).parent.parent / "sample_data"
TIMEOUT = 120
"""Seconds after which a command is taken to hang; nothing here needs more than a few."""


def command_line(*arguments):
    """Return what starts the command as a process of its own."""
    return [sys.executable, "-m", "upsample_cli", *map(str, arguments)]


def environment(**changes):
    """Return an environment in which output does not depend on who runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return inherited | {"PYTHONUTF8": "1", "COLUMNS": "100", "NO_COLOR": "1"} | changes


def snapshot(folder):
    """Return every entry of a folder: what a link points to, what a file holds, hidden ones too."""
    return {
        str(path.relative_to(folder)): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in Path(folder).rglob("*")
    }


def powerless():
    """Give up root's power to read and write what permissions forbid, in a child before exec."""
    drop_from_bounds, override, search = 24, 1, 2
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (override, search):
        if libc.prctl(drop_from_bounds, capability, 0, 0, 0) and os.geteuid() == 0:
            raise OSError(ctypes.get_errno(), "root keeps its power")
