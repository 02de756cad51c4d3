"""A fork waits until no thread compiles, so that the child can load and compile kernels itself.

Its parent's other threads are not in the child, but the locks that they hold are: ours, Numba's and
llvmlite's, and those within LLVM. New locks instead would leave LLVM and Numba as they were amid
their work, and a child that compiles would fail there.
"""

import os
import sys
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from llvmlite.binding import ffi

_held: list[ExitStack] = []


def let_forks_wait(lock: AbstractContextManager[Any]) -> None:
    """Keep this process from being forked while a lock is held, or Numba's or llvmlite's is.

    A thread that holds several has taken them in this order.
    """
    if not hasattr(os, "register_at_fork"):
        return

    def hold() -> None:
        held = ExitStack()
        for each in (lock, *_locks_of_others()):
            held.enter_context(each)
        _held.append(held)

    def release() -> None:
        _held.pop().close()

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=release)


def _locks_of_others() -> list[AbstractContextManager[Any]]:
    """Return Numba's lock, once it has been imported, and llvmlite's: other code compiles too."""
    numba = sys.modules.get("numba.core.compiler_lock")
    locks = getattr(numba, "global_compiler_lock", None), getattr(ffi.lib, "_lock", None)
    return [lock for lock in locks if lock is not None]
