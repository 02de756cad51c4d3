"""Independent tasks on a few threads; kernels release the GIL."""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

R = TypeVar("R")

_pools: dict[int, ThreadPoolExecutor] = {}
_lock = threading.RLock()  # a finalizer may run, and come here, while it is held
_own = threading.local()


def _forget_pools() -> None:
    global _lock
    _lock = threading.RLock()
    _pools.clear()


if hasattr(os, "register_at_fork"):  # a child has the pools and the lock, but not their threads
    os.register_at_fork(after_in_child=_forget_pools)


def available_threads() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_threads() -> None:
    """End the threads that are kept, and with them the memory that each keeps."""
    with _lock:
        ended = list(_pools.values())
        _pools.clear()
    for pool in ended:
        pool.shutdown()


def nesting() -> int:
    """Return in how many calls of ``run_all`` this thread is, as a finalizer may call it anew."""
    return getattr(_own, "nesting", 0)


def run_all(tasks: Sequence[Callable[[], R]], threads: int) -> list[R]:
    """Run independent tasks on up to ``threads`` threads, of which the caller's is one.

    Whatever no other thread can be had for, the caller does alone: Python starts none once the
    main thread has ended, in ``atexit`` handlers and in finalizers. The others are kept for the
    next call.

    Parameters
    ----------
    tasks
        What to call. When one raises, those that no thread has begun are dropped; those that were
        begun go on, and what they fill is lost.
    threads
        How many threads, at most.

    Returns
    -------
    list
        What they returned, in the order of the tasks.
    """
    shared = _Shared(tasks)
    helpers = _begin(shared.take_part, threads, min(threads, len(tasks)) - 1)
    try:
        shared.take_part()
        for helper in helpers:
            if not helper.cancel():
                helper.result()
    finally:
        shared.waiting.clear()
    return shared.results


class _Shared(Generic[R]):
    """Tasks of which each thread that takes part does the next one, until none waits."""

    def __init__(self, tasks: Sequence[Callable[[], R]]) -> None:
        self.waiting = deque(enumerate(tasks))
        self.results: list[Any] = [None] * len(tasks)

    def take_part(self) -> None:
        _own.nesting = nesting() + 1
        try:
            while True:
                try:
                    number, task = self.waiting.popleft()
                except IndexError:
                    return
                self.results[number] = task()
        except BaseException:
            self.waiting.clear()
            raise
        finally:
            _own.nesting -= 1


def _begin(work: Callable[[], None], threads: int, count: int) -> list[Future[None]]:
    """Start work on ``count`` threads beside the caller's, or on as many as there can be."""
    helpers: list[Future[None]] = []
    if count < 1:
        return helpers
    with _lock:
        pool = _pools.get(threads)
        if pool is None:
            pool = _pools[threads] = ThreadPoolExecutor(threads - 1)
    try:
        while len(helpers) < count:
            helpers.append(pool.submit(work))
    except RuntimeError:
        # What it took before it refused finds no task left, if it is ever begun.
        pass
    return helpers
