"""What Windows has not: modules that are None there, and marks that leave out who needs them."""

import sys
from importlib import import_module

import pytest


def _module(name):
    try:
        return import_module(name)
    except ImportError:
        return None


fcntl, pty, resource, termios = map(_module, ("fcntl", "pty", "resource", "termios"))


def not_on_windows(lack):
    """Return a mark of tests that need what Windows lacks; everywhere else they run."""
    return pytest.mark.skipif(sys.platform == "win32", reason=f"Windows has no {lack}")


needs_terminals = not_on_windows("pseudo-terminals")
needs_locks = not_on_windows("flock")
needs_limits = not_on_windows("limit to the size of files")
needs_pipes = not_on_windows("pipes with names in folders")
needs_signals = not_on_windows("signals that stop, kill or end a process in its own way")
needs_preparation = not_on_windows("way to prepare a child before its program begins")
