"""A cluster's worker: whether it fits, and one file at a time, as often as it is given it.

A scheduler gives a file to another worker when one is lost. The lost one may have been about to
start, may have given the output its name and not yet have said so, or may even be at work still,
cut off.
"""

import os
import time
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version

from upsample_cli.batch.again import run_or_compare
from upsample_cli.batch.stamp import Stamp, stamps_of
from upsample_cli.batch.task import Advance, Outcome, Setting, Task
from upsample_cli.errors import FileError
from upsample_cli.resources.threads import available_threads

DISTRIBUTION = "upsample-cli"

TOPIC = DISTRIBUTION
"""One for all batches, as a scheduler keeps some events of every topic for ever."""

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_UNFIT = 1.0
"""How long a worker that does not fit keeps a file, so that it does not draw all to itself."""

Seen = tuple[tuple[str, tuple[Stamp, ...]], ...]
"""Paths, each with the stamps that it has where the batch was started."""


@dataclass(frozen=True)
class Unfit:
    """A worker cannot do a file that another could; ``why`` is what the worker does."""

    worker: str
    why: str


@dataclass(frozen=True)
class Token:
    """A file with a text of its own in a folder of its own, within the target folder.

    Who reads it there sees the folder in which the batch was started. The batch removes it when it
    ends, and what a worker is still at is given up.
    """

    path: str
    text: str

    def is_seen(self) -> bool:
        """Whether the file is there."""
        try:
            with open(self.path, encoding="ascii") as file:
                return file.read() == self.text
        except OSError:
            return False


def difference(setting: Setting, token: Token, seen: Seen) -> str:
    """Return what is not here as it is where the batch was started, in words; empty if nothing."""
    if (installed := _installed_version()) != setting.version:
        return f"runs {DISTRIBUTION} {installed}, and not {setting.version}"
    if not token.is_seen():
        return f"does not see the same target folder {setting.target}"
    if not os.access(setting.target, os.W_OK | os.X_OK):
        return f"may not write into the target folder {setting.target}"
    for path, stamps in seen:
        here = stamps_of(path)
        if not here:
            return f"does not see {path}"
        if here != stamps:
            return f"sees another {path}"
    return ""


@cache
def _installed_version() -> str:
    return version(DISTRIBUTION)


def run_on_worker(setting: Setting, task: Task, token: Token, number: int) -> Outcome | Unfit:
    """Do one file on a worker of a cluster.

    Parameters
    ----------
    setting
        What all tasks share; no ``threads`` are the worker's share of its machine's CPUs.
    task
        The file.
    token
        What tells that the folders are the same, and that the batch goes on.
    number
        What the worker calls the task when it says that it begins, and how far it is.
    """
    from distributed import get_worker

    worker = get_worker()

    def say(share: float) -> None:
        worker.log_event(TOPIC, (token.text, number, share))

    say(0.0)
    if why := _why_unfit(setting, task, token):
        time.sleep(SECONDS_UNFIT)
        return Unfit(worker.address, why)
    threads = setting.threads or max(1, available_threads() // worker.state.nthreads)
    setting = replace(setting, threads=threads)
    return run_or_compare(setting, task, _Steps(task, token, say))


def _why_unfit(setting: Setting, task: Task, token: Token) -> str:
    # An input that was not there when it was listed fails like everywhere.
    source = os.path.join(setting.source, task.source)
    return difference(setting, token, ((source, task.stamps),) if task.stamps else ())


class _Steps:
    """Says how far a file is, and ends the work on it when the batch has ended."""

    def __init__(self, task: Task, token: Token, say: Advance) -> None:
        self.task = task
        self.token = token
        self.say = say
        self.looked = time.monotonic()

    def __call__(self, share: float) -> None:
        is_last = share >= 1  # an output that got its name now would be one that nobody expects
        if time.monotonic() - self.looked < SECONDS_BETWEEN_LOOKS and not is_last:
            return
        self.looked = time.monotonic()
        if not self.token.is_seen():
            raise FileError(self.task.source, "was given up, as the batch has ended")
        self.say(share)
