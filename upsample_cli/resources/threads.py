"""Independent tasks on a few threads; kernels release the GIL."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

R = TypeVar("R")

_pools: dict[int, ThreadPoolExecutor] = {}

if hasattr(os, "register_at_fork"):  # a child has the pools, but not their threads
    os.register_at_fork(after_in_child=_pools.clear)


def available_threads() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_threads() -> None:
    """End the threads that are kept, and with them the memory that each keeps."""
    while _pools:
        _pools.popitem()[1].shutdown()


def run_all(tasks: Sequence[Callable[[], R]], threads: int) -> list[R]:
    """Run independent tasks on up to ``threads`` threads.

    The first error is raised; tasks that have begun by then go on, and what they fill is lost.
    The threads are kept for the next call. Tasks must not call this function themselves.
    """
    if threads <= 1 or len(tasks) <= 1:
        return [task() for task in tasks]
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads)
    return list(_pools[threads].map(lambda task: task(), tasks))
