"""How many workers, with how many threads and how much memory each."""

from collections.abc import Sequence
from dataclasses import dataclass

from upsample_cli.batch.task import Task
from upsample_cli.errors import RequestError
from upsample_cli.resources import available_memory, resident_bytes
from upsample_cli.text import readable_bytes
from upsample_cli.threads import available_threads

USUAL_WORKER = 256 * 2**20
"""What a worker likes to have: the program, and windows or small images at their full size."""

LEAST_WORKER = 128 * 2**20
"""What a worker cannot do without: the program, and a few small planes."""

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
        Bytes that each may hold.
    """

    jobs: int
    threads: int
    memory: int

    def alone(self, cores: int) -> "Budget":
        """Return the same resources for one worker, for what is too large for a share of them."""
        return Budget(1, max(self.threads, cores), self.memory * self.jobs)


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
    memory = free if max_memory is None else min(free, max_memory - resident_bytes())
    wanted = jobs or max(1, min(len(tasks), cores // (threads or 1), memory // USUAL_WORKER))
    if memory < wanted * LEAST_WORKER:
        problem = f"{wanted} workers need {readable_bytes(wanted * LEAST_WORKER)} of memory"
        raise RequestError("--jobs", problem, "use fewer, or allow more")
    return Budget(wanted, threads or max(1, cores // wanted), memory // wanted)
