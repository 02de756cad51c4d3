"""How many workers, with how many threads and how much memory each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from upsample_cli.batch.task import Task
from upsample_cli.errors import RequestError
from upsample_cli.resources.machine import available_memory, resident_bytes
from upsample_cli.resources.threads import available_threads
from upsample_cli.text import counted, readable_bytes

USUAL_WORKER = 160 * 2**20
"""What a worker likes to have: the program, and windows or small images at their full size."""

LEAST_WORKER = 128 * 2**20
"""What a worker cannot do without: the program, and a few small planes."""

HELPER_BYTES = 16 * 2**20
"""What the process takes that the standard library starts beside the workers."""

SPARED_SHARE = 0.1
"""The part of the free memory that is left to others, who may want more while the batch runs."""


@dataclass(frozen=True)
class Budget:
    """The workers of a batch.

    Attributes
    ----------
    jobs
        Worker processes.
    threads
        Threads of each.
    memory
        Bytes that each may hold; None for what the machine says.
    """

    jobs: int
    threads: int
    memory: int | None

    def rounds(self, cores: int, *, is_limited: bool) -> list["Budget"]:
        """Return these workers, and ever fewer with more each, for files too large for a share.

        Parameters
        ----------
        cores
            What the threads of all workers may use.
        is_limited
            Whether the memory is a limit that the user set. If not, the last round has none.
        """
        rounds = [self]
        while (last := rounds[-1]).jobs > 1:
            jobs = last.jobs // 2
            memory = last.memory and last.memory * last.jobs // jobs
            rounds.append(Budget(jobs, max(last.threads, cores // jobs), memory))
        return rounds if is_limited else [*rounds, replace(rounds[-1], memory=None)]


def plan_budget(
    tasks: Sequence[Task], jobs: int | None, threads: int | None, max_memory: int | None
) -> Budget:
    """Divide the cores and the memory that are free, or that the user allows.

    Parameters
    ----------
    tasks
        What is to be done.
    jobs, threads
        As the user wants them, or None.
    max_memory
        Bytes that the batch may hold, all its processes together; None for what is free within
        the machine and its cgroup.

    Raises
    ------
    RequestError
        If they do not suffice for the workers that the user wants, or for one.
    """
    cores = available_threads()
    free = int(available_memory() * (1 - SPARED_SHARE))
    own = resident_bytes() + HELPER_BYTES
    memory = free if max_memory is None else min(free, max_memory - own)
    wanted = jobs or max(1, min(len(tasks), cores // (threads or 1), memory // USUAL_WORKER))
    if memory < wanted * LEAST_WORKER:
        enough = None if max_memory is None else own + wanted * LEAST_WORKER
        _refuse(wanted, memory, enough)
    return Budget(wanted, threads or max(1, cores // wanted), memory // wanted)


def _refuse(jobs: int, memory: int, enough: int | None) -> NoReturn:
    """Say what is missing, and of a limit that the user set what would be enough."""
    needed, left = readable_bytes(jobs * LEAST_WORKER), readable_bytes(max(0, memory))
    there = f"{left} are free" if enough is None else f"--max-memory leaves {left}"
    need = "needs" if jobs == 1 else "need"
    problem = f"{counted(jobs, 'worker')} {need} at least {needed} of memory, but {there}"
    # Not every run of the program takes the same.
    remedy = "free some" if enough is None else f"allow at least {enough // 2**20 + 2} MiB"
    raise RequestError("--jobs", problem, remedy if jobs == 1 else f"use fewer, or {remedy}")
