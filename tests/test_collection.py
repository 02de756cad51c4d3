"""What comes before the first test: all are collected on any system; kernels, if one is needed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

from upsample_cli.machine_code.cache import FOLDER_VARIABLE

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


def output_of(*command, cwd=TESTS.parent, **changes):
    """Run Python in a child → exit code, what it said."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=environment(**changes),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def collected_without_posix(*arguments, cwd=TESTS.parent):
    """Collect tests in a child without POSIX's modules and names → exit code, what it said."""
    options = ("--collect-only", "-q", "-p", "no:xdist", "-p", "no:cacheprovider")
    options += ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # of plugins that are there
    return output_of("-c", WITHOUT_POSIX, *options, *arguments, cwd=cwd)


def test_every_test_can_be_collected_where_there_is_no_posix():
    code, said = collected_without_posix(TESTS)
    assert code == 0, said[-4000:]
    found = {TESTS.parent / line.partition("::")[0] for line in said.splitlines() if "::" in line}
    ignored = {"benchmarks", "drills", "fuzz"}
    tests = {path for path in TESTS.rglob("test_*.py") if path.parent.name not in ignored}
    assert tests <= found


@pytest.mark.parametrize("line", ["from pty import openpty", "import signal\nsignal.SIGKILL"])
def test_a_test_that_needs_posix_is_not_collected(tmp_path, line):
    (tmp_path / "test_it.py").write_text(f"{line}\ndef test_it(): pass\n")
    code, said = collected_without_posix(tmp_path, cwd=tmp_path)
    assert code == pytest.ExitCode.INTERRUPTED
    assert re.search("ModuleNotFoundError|AttributeError|ImportError", said)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("place", "compiles"), [("sampling/test_modes.py", False), ("kernels/test_kernels.py", True)]
)
def test_kernels_are_compiled_ahead_if_a_test_needs_one(workers, place, compiles):
    """Where none can be kept, that is what ends the run."""
    options = ("-q", "-x", "-p", "no:cacheprovider", "-n", workers)
    cache = {FOLDER_VARIABLE: os.devnull}
    code, said = output_of("-m", "pytest", *options, TESTS / place, **cache)
    assert ("cannot be written; set UPSAMPLE_CLI_CACHE" in said) == compiles
    assert (code == 0) == (not compiles), said
