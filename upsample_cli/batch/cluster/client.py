"""A cluster of dask.distributed: each file is a task of its scheduler, until all have an outcome.

What is wrong with a file is in its outcome, so that Dask repeats only what a worker was lost with.
"""

import asyncio
import contextlib
import logging
import os
import re
import secrets
import shutil
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from upsample_cli.batch.cluster.remote import DISTRIBUTION, Seen, Token, difference
from upsample_cli.batch.cluster.submission import Submission, named_loss
from upsample_cli.batch.stamp import stamps_of
from upsample_cli.batch.task import Setting, Task
from upsample_cli.batch.workers import Event, Note
from upsample_cli.errors import FileError, RequestError

SECONDS_TO_CONNECT = 5.0
SECONDS_FOR_WORKERS = 5.0
SECONDS_TO_CLOSE = 1.0
SECONDS_BETWEEN_LOOKS = 0.2

INPUTS_CHECKED = 4

ADDRESS = r"((tcp|tls|ws|wss|ucx)://)?[^/\s]+:\d+/?"
"""Dask itself takes long to say that something else is none."""

LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application", "asyncio")
"""Those that print what this program says in a line of its own."""


class Cluster:
    """The workers of a scheduler.

    Parameters
    ----------
    setting
        What the tasks share; 0 threads stand for a worker's share of its machine's CPUs.
    address
        The scheduler's, such as ``tcp://10.0.0.5:8786``.
    folder
        A folder within the target, which is this batch's own while it runs.
    begin
        Called with all tasks before the scheduler gets the first.
    """

    def __init__(
        self, setting: Setting, address: str, folder: Path, begin: Callable[[list[Task]], object]
    ) -> None:
        operation = setting.operation.with_absolute_references()
        self.setting = replace(setting, operation=operation)
        self.address = address
        self.folder = folder.absolute()  # workers have working folders of their own
        self.begin = begin

    def run(self, tasks: Iterable[Task]) -> Generator[Event, None, None]:
        """Yield what happens until every task has an outcome.

        Closing the iterator drops what is not done; a worker gives up the file that it is at.

        Raises
        ------
        RequestError
            If no scheduler or no worker is there, or one is not like the others.
        FileError
            If the scheduler is lost.
        """
        to_do = list(tasks)
        with self._connected() as client, self._token() as token:
            with contextlib.suppress(Exception):  # there may be none
                yield Note(f"dashboard: {client.dashboard_link}")
            with named_loss(client, self.address):
                self._await_workers(client)
                self._check_versions(client)
                self._check_folders(client, token, to_do)
            self.begin(to_do)
            submission = Submission(client, self.address, self.setting, token, to_do)
            yield from submission.events()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        if not re.fullmatch(ADDRESS, self.address):
            problem = f"{self.address!r} is no scheduler's address"
            raise RequestError("--dask", problem, "use tcp://HOST:PORT, as the scheduler says it")
        try:
            import distributed
        except ImportError as error:
            remedy = "pip install 'upsample-cli[dask]'"
            raise RequestError("--dask", "needs dask.distributed", remedy) from error
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        try:
            with warnings.catch_warnings():
                # That Python and the like differ is for those who run the cluster.
                warnings.simplefilter("ignore")
                client = distributed.Client(
                    self.address, timeout=SECONDS_TO_CONNECT, set_as_default=False
                )
        except (OSError, ValueError, ImportError, asyncio.TimeoutError) as error:
            problem = f"no scheduler answers at {self.address}"
            remedy = "start one with dask scheduler, and give its address, as in tcp://HOST:8786"
            raise RequestError("--dask", problem, remedy) from error
        try:
            yield client
        finally:
            # A scheduler drops the tasks that nobody is left to want.
            with contextlib.suppress(Exception):
                client.close(timeout=SECONDS_TO_CLOSE)

    @contextlib.contextmanager
    def _token(self) -> Iterator[Token]:
        token = Token(os.path.join(self.folder, "token"), secrets.token_hex(16))
        # By the journal's lock this batch alone is in it: what is there, a killed one left.
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self._write(token)
            yield token
        finally:
            with contextlib.suppress(OSError):
                os.unlink(token.path)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, token: Token) -> None:
        try:
            self.folder.mkdir()
            Path(token.path).write_text(token.text, encoding="ascii")
        except OSError as error:
            problem = f"cannot be written ({error.strerror})"
            raise FileError(self.folder, problem, "make room, or make it writable") from error

    def _await_workers(self, client: Any) -> None:
        deadline = time.monotonic() + SECONDS_FOR_WORKERS
        while not client.nthreads():
            if time.monotonic() > deadline:
                problem = f"the scheduler {self.address} has no workers"
                remedy = f"start some with dask worker {self.address}"
                raise RequestError("--dask", problem, remedy)
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _check_versions(self, client: Any) -> None:
        """Refuse a cluster where one has another version, or none: it may not even run a check."""
        # What is run is of the standard library, which everyone has.
        try:
            scheduler = client.run_on_scheduler(version, DISTRIBUTION)
        except PackageNotFoundError as error:
            scheduler = error
        found = {f"scheduler {self.address}": scheduler}
        found |= client.run(version, DISTRIBUTION, on_error="return")
        for name, installed in found.items():
            if installed == self.setting.version:
                continue
            problem = f"runs {DISTRIBUTION} {installed}, and not {self.setting.version}"
            if isinstance(installed, PackageNotFoundError):
                problem = f"has no {DISTRIBUTION}"
            elif isinstance(installed, Exception):
                problem = f"does not answer ({type(installed).__name__}: {installed})"
            remedy = f"install {DISTRIBUTION} {self.setting.version} on all of the cluster"
            raise RequestError(name, problem, remedy)

    def _check_folders(self, client: Any, token: Token, tasks: list[Task]) -> None:
        """Refuse a cluster where a worker does not see the same files."""
        seen = self._to_be_seen(tasks)
        found = client.run(difference, self.setting, token, seen, on_error="return")
        for worker, answer in found.items():
            why = answer
            if isinstance(answer, Exception):
                why = f"cannot run {DISTRIBUTION} ({type(answer).__name__}: {answer})"
            if why:
                raise RequestError(worker, why, "give every worker the same folders and files")

    def _to_be_seen(self, tasks: list[Task]) -> Seen:
        """Return what to compare: a few inputs, and the files that all outputs depend on."""
        listed = [task for task in tasks if task.stamps]
        few = listed[:: max(1, len(listed) // INPUTS_CHECKED)]
        inputs = [(os.path.join(self.setting.source, task.source), task.stamps) for task in few]
        references = [(name, stamps_of(name)) for name in self.setting.operation.request.references]
        return (*references, *inputs)
