"""The tests can be collected where Python lacks what POSIX alone has."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

TESTS = Path(__file__).parent

WITHOUT_POSIX = """
import asyncio, os, signal, sys
import distributed, nibabel, numba, platformdirs, psutil, pytest  # theirs is their own matter

for name in ("fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None
for place, names in (
    (os, "chown fork forkpty geteuid getuid mkfifo register_at_fork sched_getaffinity "
     "sched_setaffinity statvfs sysconf waitid WNOHANG O_DIRECTORY"),
    (signal, "SIGALRM SIGCONT SIGHUP SIGKILL SIGPIPE SIGSTOP SIGTSTP SIGXFSZ"),
):
    for name in names.split():
        delattr(place, name)
sys.exit(pytest.main(sys.argv[1:]))
"""


def collected_without_posix(*arguments, cwd):
    """Collect tests in a child without POSIX's modules and names → exit code, what it said."""
    options = ("--collect-only", "-q", "-p", "no:xdist", "-p", "no:cacheprovider")
    options += ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # of plugins that are there
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX, *options, *map(str, arguments)],
        env=environment(),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_every_test_can_be_collected_where_there_is_no_posix(tmp_path):
    code, said = collected_without_posix(TESTS, cwd=TESTS.parent)
    assert code == 0, said[-4000:]
    found = {TESTS.parent / line.partition("::")[0] for line in said.splitlines() if "::" in line}
    ignored = {"benchmarks", "drills", "fuzz"}
    tests = {path for path in TESTS.rglob("test_*.py") if path.parent.name not in ignored}
    assert tests <= found


@pytest.mark.parametrize(
    "line",
    [
        "import fcntl",
        "from pty import openpty",
        "import os\nos.fork",
        "import signal\nsignal.SIGKILL",
    ],
)
def test_a_test_that_needs_posix_is_not_collected(tmp_path, line):
    (tmp_path / "test_it.py").write_text(f"{line}\ndef test_it(): pass\n")
    code, said = collected_without_posix(tmp_path, cwd=tmp_path)
    assert code == pytest.ExitCode.INTERRUPTED
    assert re.search("ModuleNotFoundError|AttributeError|ImportError", said)
