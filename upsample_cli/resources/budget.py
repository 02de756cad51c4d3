"""The largest pieces of some work with which the process stays below a limit of memory.

An estimate has four parts: what the process holds before the work begins, which is measured; what
it is still to load; the arrays of the work, which each of the passes knows; and what reading and
writing a format takes beside them, which the format says.
"""

import sys
from collections.abc import Callable

from upsample_cli.errors import MemoryLimitError
from upsample_cli.machine_code import compile as compiling
from upsample_cli.machine_code.linking import is_ready
from upsample_cli.resources.machine import resident_bytes, return_freed_memory
from upsample_cli.resources.pieces import Pieces
from upsample_cli.resources.scratch import forget
from upsample_cli.resources.threads import end_threads

MIB = 2**20

KERNELS_BYTES = 8 * MIB
"""What the first kernels take: LLVM's linker, and modules that work imports when it begins."""
COMPILING_BYTES = 120 * MIB
"""What Numba takes, where a kernel has to be compiled first."""
THREAD_BYTES = MIB // 2
"""What a thread takes beside its arrays: its stack, and its part of the heap."""

WITH_ROOM_TO_SPARE = 4
"""A limit of so many times what is needed leaves room for what earlier work left in the heap."""

WorkingBytes = Callable[[Pieces], int]
"""From pieces to the bytes that work needs with them, beside the program."""


def program_bytes(threads: int, *, loads_kernels: bool = True) -> int:
    """Return what this process holds, and what it will load for work with kernels or without."""
    loading = loading_bytes() if loads_kernels else 0
    return resident_bytes() + loading + threads * THREAD_BYTES


def loading_bytes() -> int:
    """Return what the kernels take, if none has been loaded yet."""
    return 0 if is_ready() else KERNELS_BYTES


def total_bytes(working_bytes: WorkingBytes, pieces: Pieces, *, loads_kernels: bool = True) -> int:
    """Return the most that the process will hold while it does some work."""
    return program_bytes(pieces.threads, loads_kernels=loads_kernels) + working_bytes(pieces)


def pieces_within(
    limit: int | None,
    working_bytes: WorkingBytes,
    wanted: Pieces,
    subject: str,
    *,
    loads_kernels: bool = True,
) -> Pieces:
    """Return the largest pieces with which some work fits into a limit.

    Parameters
    ----------
    limit
        Bytes that the whole process may hold; None for any number. Under a limit a process does
        one piece of work at a time: what earlier work has left for the next is given back first.
    working_bytes
        What the work needs.
    wanted
        The pieces without a limit.
    subject
        What an error is about.
    loads_kernels
        Whether the work loads any kernel.

    Raises
    ------
    MemoryLimitError
        If even the smallest pieces need more. The amount that it names is enough.
    """

    def total(pieces: Pieces) -> int:
        return total_bytes(working_bytes, pieces, loads_kernels=loads_kernels)

    if limit is None or total(wanted) <= limit // WITH_ROOM_TO_SPARE:
        return wanted
    _give_back_memory()
    least = sys.maxsize
    for pieces in wanted.smaller():
        least = min(least, needed := total(pieces))
        if needed <= limit:
            return pieces
    # What is resident differs a little from run to run.
    raise MemoryLimitError(subject, least + MIB, limit)


def _give_back_memory() -> None:
    end_threads()
    forget()
    return_freed_memory()


def keep_compiler_within(limit: int | None, working_bytes: WorkingBytes, pieces: Pieces) -> None:
    """Refuse to compile kernels from now on, if the work leaves no room for that in a limit."""
    compiling.before_compiling.clear()
    if limit is None:
        return
    needed = total_bytes(working_bytes, pieces)

    def check() -> None:
        if "numba" not in sys.modules and needed + COMPILING_BYTES > limit:
            remedy = "run upsample-cli warmup first, which compiles them"
            raise MemoryLimitError("kernels", needed + COMPILING_BYTES, limit, remedy)

    compiling.before_compiling.append(check)
