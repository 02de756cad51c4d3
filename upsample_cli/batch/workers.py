"""Worker processes of this machine: each does one file after the other until none is left.

A worker that dies fails the file that it was at, and no other: what else waited for it is given to
a new one. Workers are started afresh, not forked, so that no thread's lock is inherited.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NoReturn

from upsample_cli.batch.again import run_or_compare
from upsample_cli.batch.signals import held_back
from upsample_cli.batch.task import FAILED, Outcome, Setting, Task, made_by, outputs_of
from upsample_cli.errors import FileError
from upsample_cli.files.atomic import remove_stale

READY = None
"""The first word of a worker."""

SMALL_FILE = 2**20
SMALL_FILES_AHEAD = 8
"""How many small files wait at a worker, so that it never waits for the next."""

SECONDS_TO_STOP = 1.0
LEAST_ADVANCE = 0.01
"""The share of a file from which on a worker says that it got on."""


@dataclass(frozen=True)
class Advance:
    """A share of a task is done."""

    task: Task
    share: float


@dataclass(frozen=True)
class Note:
    """Something that a worker's library has to say, such as that it compiles."""

    text: str


Event = Advance | Note | Outcome


class _Worker:
    """A process, the end of a pipe to it, and the tasks that it was given."""

    def __init__(self, setting: Setting) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.tasks: deque[Task] = deque()
        self.is_ready = False
        self.process: BaseProcess = context.Process(
            target=_work, args=(theirs, setting), name="upsample-cli worker", daemon=True
        )
        self.process.start()
        theirs.close()

    def takes(self, task: Task) -> bool:
        """Whether a task may wait here."""
        if not self.tasks:
            return True
        waiting = [*self.tasks, task]
        return len(self.tasks) < SMALL_FILES_AHEAD and all(t.bytes <= SMALL_FILE for t in waiting)

    def send(self, task: Task) -> None:
        """Send a task. A worker that has died is found out when its pipe is read."""
        with contextlib.suppress(OSError):
            self.pipe.send(task)

    def end(self) -> str:
        """Wait for the process, which has closed its pipe, and return why it ended, in words."""
        self.pipe.close()
        self.process.join(SECONDS_TO_STOP)
        self.kill()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with code {code}"
        name = signal.Signals(-code).name
        is_kill = name == "SIGKILL"  # which Windows does not have
        return "was killed, perhaps for lack of memory" if is_kill else f"ended by {name}"

    def kill(self) -> None:
        """End the process whatever it does."""
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Workers:
    """A pool of worker processes.

    Parameters
    ----------
    setting
        What they share.
    jobs
        How many there are.
    begin
        Called with tasks before a worker gets them.
    """

    def __init__(self, setting: Setting, jobs: int, begin: Callable[[list[Task]], object]) -> None:
        self.setting = setting
        self.jobs = jobs
        self.begin = begin
        self.workers: list[_Worker] = []

    def run(self, tasks: Iterable[Task]) -> Generator[Event, None, None]:
        """Yield what happens until every task has an outcome.

        Closing the iterator stops all; files that are being written are discarded.

        Raises
        ------
        FileError
            If no worker can be started; while there are others, they do without one.
        """
        to_do = deque(tasks)
        try:
            while to_do or any(worker.tasks for worker in self.workers):
                self._staff(len(to_do))
                self._hand_out(to_do)
                pipes = {worker.pipe: worker for worker in self.workers}
                for pipe in wait(list(pipes)):
                    yield from self._events(pipes[pipe], to_do)  # type: ignore[index]
        finally:
            self.stop()

    def _staff(self, waiting: int) -> None:
        while len(self.workers) < self.jobs and waiting > 0:
            try:
                _start_tracker()
                # Else a signal could come between a process and what it has to be told.
                with held_back():
                    self.workers.append(_Worker(self.setting))
            except OSError as error:
                self._do_without_one(f"could not be started ({error.strerror})")
            waiting -= 1

    def _do_without_one(self, problem: str) -> None:
        self.jobs -= 1
        if not self.jobs:
            raise FileError("worker process", problem, "try --jobs 1, or more memory")

    def _hand_out(self, to_do: deque[Task]) -> None:
        given: list[tuple[_Worker, Task]] = []
        # The one with the least to do first, so that all end at about one time.
        while to_do and (worker := self._free_for(to_do[0])):
            given.append((worker, to_do.popleft()))
            worker.tasks.append(given[-1][1])
        if given:
            self.begin([task for _, task in given])
        for worker, task in given:
            worker.send(task)

    def _free_for(self, task: Task) -> _Worker | None:
        free = [worker for worker in self.workers if worker.takes(task)]
        return min(free, key=lambda worker: len(worker.tasks), default=None)

    def _events(self, worker: _Worker, to_do: deque[Task]) -> Iterator[Event]:
        """Yield what a worker has to say, or what follows from its end."""
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            self.workers.remove(worker)
            yield from self._after(worker, to_do)
            return
        if message is READY:
            worker.is_ready = True
        elif isinstance(message, float):
            yield Advance(worker.tasks[0], message)
        else:
            if isinstance(message, Outcome):
                worker.tasks.popleft()
            yield message

    def _after(self, worker: _Worker, to_do: deque[Task]) -> Iterator[Event]:
        why = worker.end()
        if not worker.is_ready:
            self._do_without_one(f"could not be started: it {why}")
        elif worker.tasks:
            lost = worker.tasks.popleft()
            self._tidy(lost)
            error = f"{lost.source}: the worker process {why}; try it alone, with --jobs 1"
            yield Outcome(lost, FAILED, error, made=made_by(self.setting, lost))
        to_do.extendleft(reversed(worker.tasks))

    def _tidy(self, task: Task) -> None:
        """Remove what a worker that died may have left beside an output."""
        for name in outputs_of(self.setting, task):
            remove_stale(Path(name).resolve())

    def stop(self) -> None:
        """End all workers, within a second or so, and leave no half-written file."""
        with held_back():  # people press Ctrl-C twice
            for worker in self.workers:
                worker.process.terminate()
            deadline = time.monotonic() + SECONDS_TO_STOP
            for worker in self.workers:
                worker.process.join(max(0.0, deadline - time.monotonic()))
                worker.kill()
                worker.pipe.close()
                for task in worker.tasks:
                    self._tidy(task)
            self.workers.clear()


def _start_tracker() -> None:
    """Start what multiprocessing starts with the first process, and then unblocks signals."""
    if os.name == "posix":
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()


class _Stopped(BaseException):
    """The signal that ends a worker arrived."""


def _work(pipe: Connection, setting: Setting) -> None:
    """Be a worker: answer every task with its outcome until the pipe is closed."""
    signal.signal(signal.SIGTERM, _stop)
    # Where it could not be blocked: the batch itself ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _answer(_Line(pipe), setting)
    except (_Stopped, EOFError, OSError):
        os._exit(128 + signal.SIGTERM)  # at once, whatever threads are still at


def _stop(number: int, _frame: object) -> NoReturn:
    # It may come twice: from who ends a group of processes, and from the batch that ends then.
    signal.signal(number, signal.SIG_IGN)
    raise _Stopped


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class _Line:
    """A worker's end of the pipe, which its threads share."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.lock = threading.Lock()

    def send(self, message: object) -> None:
        with self.lock:
            self.pipe.send(message)


class _Notes(logging.Handler):
    def __init__(self, line: _Line) -> None:
        super().__init__()
        self.line = line

    def emit(self, record: logging.LogRecord) -> None:
        self.line.send(Note(record.getMessage()))


def _answer(line: _Line, setting: Setting) -> None:
    log = logging.getLogger("upsample_cli")
    log.addHandler(_Notes(line))
    log.setLevel(logging.INFO)
    line.send(READY)
    while True:
        task = line.pipe.recv()
        line.send(run_or_compare(setting, task, _Steps(line)))


class _Steps:
    """Sends how far a file is, but not too often."""

    def __init__(self, line: _Line) -> None:
        self.line = line
        self.sent = 0.0

    def __call__(self, share: float) -> None:
        if share - self.sent >= LEAST_ADVANCE and share < 1:
            self.sent = share
            self.line.send(share)
