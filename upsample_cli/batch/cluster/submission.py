"""The tasks that a scheduler was given, and what is heard of them."""

import asyncio
import contextlib
import queue
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Any

from upsample_cli.batch.cluster.remote import TOPIC, Token, Unfit, run_on_worker
from upsample_cli.batch.task import FAILED, POSTPONED, Outcome, Setting, Task, made_by, outputs_of
from upsample_cli.batch.workers import Advance, Event, Note
from upsample_cli.errors import FileError
from upsample_cli.files.atomic import remove_stale
from upsample_cli.text import printable

SECONDS_OF_QUIET = 2.0
"""After how long without news it is asked whether there are workers at all."""

TIMES_SUBMITTED = 4
"""How often a file is submitted that met workers which could not do it, or were lost by another."""

TIMES_RAISED = 3
"""How often Dask itself gives a file out again that raised an error: not even ours could run."""


class Submission:
    """Tasks on a cluster.

    Parameters
    ----------
    client, address
        The connection to the scheduler, and the scheduler's address.
    setting
        What the tasks share.
    token
        What the workers know the batch by.
    tasks
        What is to be done.
    """

    def __init__(
        self, client: Any, address: str, setting: Setting, token: Token, tasks: list[Task]
    ) -> None:
        self.client = client
        self.address = address
        self.setting = setting
        self.token = token
        self.tasks = tasks
        # The dashboard groups tasks by what is before the number.
        self.kind = f"{setting.operation.name}-{token.text}"
        self.news: queue.SimpleQueue[tuple[int, float | None]] = queue.SimpleQueue()
        self.futures: dict[int, Any] = {}
        self.begun: Counter[int] = Counter()
        self.submitted: Counter[int] = Counter()
        self.unfit: set[str] = set()

    def events(self) -> Iterator[Event]:
        """Submit all, and yield what happens until each has an outcome.

        Raises
        ------
        FileError
            If the scheduler is lost.
        """
        self.client.subscribe_topic(TOPIC, self._hear)
        for number in range(len(self.tasks)):
            self._submit(number)
        while self.futures:
            try:
                number, share = self.news.get(timeout=SECONDS_OF_QUIET)
            except queue.Empty:
                yield from self._after_quiet()
                continue
            if number not in self.futures:
                continue
            yield from self._ended(number) if share is None else self._goes_on(number, share)

    def _hear(self, event: tuple[float, tuple[str, int, float]]) -> None:
        _, (batch, number, share) = event
        if batch == self.token.text:
            self.news.put((number, share))

    def _submit(self, number: int) -> None:
        task = self.tasks[number]
        self.submitted[number] += 1
        self.begun[number] = 0
        with named_loss(self.client, self.address):
            future = self.client.submit(
                run_on_worker,
                self.setting,
                task,
                self.token,
                number,
                # What a dashboard shows; names that print alike are told apart by their numbers.
                key=(self.kind, number, self.submitted[number], printable(task.source)),
                retries=TIMES_RAISED,
                pure=False,
                **self._preference(),
            )
        self.futures[number] = future
        future.add_done_callback(lambda _: self.news.put((number, None)))

    def _preference(self) -> dict[str, Any]:
        """Return which workers to take, if there are any: those not known to be unfit."""
        if not self.unfit:
            return {}
        fit = [worker for worker in self.client.nthreads() if worker not in self.unfit]
        return {"workers": fit, "allow_other_workers": True} if fit else {}

    def _goes_on(self, number: int, share: float) -> Iterator[Event]:
        task = self.tasks[number]
        if share:
            yield Advance(task, share)
            return
        self.begun[number] += 1
        if self.begun[number] > 1:
            yield Note(f"{task.source}: begun again, by another worker")

    def _ended(self, number: int) -> Iterator[Event]:
        result = self._result(number, self.futures.pop(number))
        if isinstance(result, Unfit):
            self.unfit.add(result.worker)
            yield Note(f"worker {result.worker} {result.why}")
        if isinstance(result, Outcome):
            yield result
        elif self.submitted[number] < TIMES_SUBMITTED and self._may_pass(number, result):
            self._submit(number)
        else:
            yield self._failed(number, result)

    def _may_pass(self, number: int, result: Any) -> bool:
        """Whether a task that met an unfit worker, or died with too many, may do well elsewhere."""
        # Dask blames all that a lost worker had. What had only waited there is innocent.
        return isinstance(result, Unfit) or self.begun[number] <= result.allowed_failures

    def _result(self, number: int, future: Any) -> Any:
        """Return what a task ended with: an Outcome, Unfit, or a KilledWorker."""
        from distributed import KilledWorker

        task = self.tasks[number]
        try:
            with named_loss(self.client, self.address):
                result = future.result()
        except FileError:
            raise
        except KilledWorker as error:
            return error
        except Exception as error:
            problem = f"no worker could take it ({type(error).__name__}: {error})"
            return Outcome(task, FAILED, f"{task.source}: {problem}; see the workers' logs")
        if isinstance(result, Outcome) and result.status == POSTPONED:
            # A cluster's worker has no neighbours whose memory it could be given.
            return replace(result, status=FAILED)
        return result

    def _failed(self, number: int, result: Any) -> Outcome:
        task = self.tasks[number]
        if isinstance(result, Unfit):
            problem = f"worker {result.worker} {result.why}"
            remedy = "give all the same version and folders; or the input changed: run again"
            return Outcome(task, FAILED, f"{task.source}: {problem}; {remedy}")
        for name in outputs_of(self.setting, task):
            remove_stale(Path(name).resolve())
        problem = f"{result.allowed_failures + 1} workers were lost while they did it"
        remedy = f"see the log of {result.last_worker.address}, or give workers more memory"
        why = f"{task.source}: {problem}; {remedy}"
        return Outcome(task, FAILED, why, made=made_by(self.setting, task))

    def _after_quiet(self) -> Iterator[Event]:
        """Say so when there is nobody to wait for."""
        with named_loss(self.client, self.address):
            workers = self.client.nthreads()
        if not workers:
            yield Note(f"no worker is left; start some with dask worker {self.address}")


@contextlib.contextmanager
def named_loss(client: Any, address: str) -> Iterator[None]:
    """Turn an error into the one line that says so, if the scheduler is lost.

    Raises
    ------
    FileError
        Then, and whatever else was raised otherwise.
    """
    try:
        yield
    except (Exception, asyncio.CancelledError) as error:
        from distributed.comm import CommClosedError

        signs = (CancelledError, asyncio.CancelledError, CommClosedError)
        if client.status == "running" and not isinstance(error, signs):
            raise
        problem = "is lost, or has dropped the batch"
        remedy = "what is done is kept, and the same command goes on"
        raise FileError(f"scheduler {address}", problem, remedy) from error
