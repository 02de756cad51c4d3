"""How the tests start the command as a process, and what they hold a folder against."""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

SAMPLES = Path(__file__).parent.parent / "sample_data"
TIMEOUT = 120
"""Seconds after which a command is taken to hang; nothing here needs more than a few."""


def command_line(*arguments):
    """Return what starts the command as a process of its own."""
    return [sys.executable, "-m", "upsample_cli", *map(str, arguments)]


MEASURED = """
import re, sys
from pathlib import Path
from upsample_cli.cli.app import run
code = run(sys.argv[1:])
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""
"""The command as a process that tells its own peak: one that is asked by its parent would begin
with what the parent holds."""


def peak_memory(*arguments, **changes):
    """Run the command as a process → exit code, peak in bytes, stderr."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(**changes),
        timeout=TIMEOUT,
        check=False,
    )
    return done.returncode, int(done.stdout) * 1024, done.stderr


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


def check_line(stderr, *named):
    """Assert that this is one line of error, which names what it is about."""
    assert re.fullmatch(r"upsample-cli: error: [^\n]+\n", stderr), stderr
    assert "internal" not in stderr
    for word in named:
        assert word in stderr
