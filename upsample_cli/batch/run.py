"""The batch itself: list, plan, hand out, and keep what became of every file."""

import contextlib
import os
import shutil
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from upsample_cli.batch.budget import Budget, plan_budget
from upsample_cli.batch.cluster.client import Cluster
from upsample_cli.batch.finding import JOURNAL_FOLDER, Listing, Selection, find, matches_any
from upsample_cli.batch.journal import BEGUN, Entry, Journal
from upsample_cli.batch.log import Log, Totals, check_log, refused, skipped
from upsample_cli.batch.naming import Naming, check_outputs
from upsample_cli.batch.operation import Operation
from upsample_cli.batch.pairing import refuse_unequal_pairs
from upsample_cli.batch.planning import Rules, Wanted, Work, plan_work
from upsample_cli.batch.sharding import Shard
from upsample_cli.batch.task import DONE, FAILED, POSTPONED, Outcome, Setting, Task, made_by
from upsample_cli.batch.workers import Advance, Event, Note, Workers
from upsample_cli.errors import FileError, MemoryLimitError, RequestError
from upsample_cli.files.atomic import remove_all_stale
from upsample_cli.resources.threads import available_threads


@dataclass(frozen=True)
class BatchRequest:
    """Everything that a user can ask of one batch; memory is in bytes."""

    source: str
    target: str
    operation: Operation
    version: str
    selection: Selection = field(default_factory=Selection)
    naming: Naming = field(default_factory=Naming)
    labels: tuple[str, ...] = ()
    rules: Rules = field(default_factory=Rules)
    jobs: int | None = None
    threads: int | None = None
    max_memory: int | None = None
    shard: Shard | None = None
    scheduler: str | None = None
    fail_fast: bool = False
    log: str | None = None


class Screen(Protocol):
    """Who watches a batch."""

    def begin(self, tasks: list[Task]) -> None:
        """Take note of all that will be done."""

    def advance(self, task: Task, share: float) -> None:
        """Take note that a share of a file is done."""

    def end(self, outcome: Outcome) -> None:
        """Take note of what became of a file."""

    def note(self, text: str) -> None:
        """Show something worth knowing, once."""

    def failed(self, text: str) -> None:
        """Show what is wrong, where it is wrong with no input."""


@dataclass(frozen=True)
class Survey:
    """What a batch is about, by what is in the source folder now.

    Attributes
    ----------
    listing
        What the folder holds.
    wanted, mine
        Every input with its output, and those of this shard.
    operations, keys
        What is done to images, and (by True) to label maps; and the digest of each.
    """

    listing: Listing
    wanted: list[Wanted]
    mine: list[Wanted]
    operations: dict[bool, Operation]
    keys: dict[bool, str]


def survey(request: BatchRequest) -> Survey:
    """List the inputs and name the outputs; nothing is written.

    Raises
    ------
    RequestError, FileError
        If nothing can be done as it is asked.
    """
    _check_options(request)
    operation = request.operation
    operations = {False: operation} | ({True: operation.for_labels()} if request.labels else {})
    for each in operations.values():
        each.request.check()
    listing = find(request.source, request.target, request.selection)
    wanted = [
        Wanted(found, request.naming.output(found.name), matches_any(found.name, request.labels))
        for found in listing.inputs
    ]
    pairs = [(each.found, each.output) for each in wanted]
    check_outputs(request.source, request.target, pairs, operation.request.beside)
    mine = wanted
    if request.shard:
        taken = {found.name for found in request.shard.of(listing.inputs)}
        mine = [each for each in wanted if each.found.name in taken]
    checksum = request.rules.checksum
    keys = {
        labels: each.key(request.version, checksum=checksum) for labels, each in operations.items()
    }
    return Survey(listing, wanted, mine, operations, keys)


def _check_options(request: BatchRequest) -> None:
    """Refuse what is wrong whatever the folders hold."""
    if request.labels and not request.operation.request.takes_labels:
        raise RequestError("--labels-pattern", "goes with --op resample", "drop it")
    if request.rules.force and request.rules.retry_failed:
        raise RequestError("--force", "does not go with --retry-failed", "drop one of them")
    if request.scheduler and (request.jobs or request.max_memory):
        option = "--jobs" if request.jobs else "--max-memory"
        remedy = "drop it: a cluster's workers have their own number, and limits"
        raise RequestError(option, "does not go with --dask", remedy)
    for argument, name in (("SOURCE_DIR", request.source), ("TARGET_DIR", request.target)):
        if not name:  # as a script's unset variable is
            raise RequestError(argument, "is empty", "name a folder")
    if request.log is not None:
        check_log(request.log, request.target)


def decide(request: BatchRequest, found: Survey, entries: dict[str, Entry]) -> Work:
    """Decide what is to be done with each input, by what is known of its output."""
    folders, operation = (request.source, request.target), request.operation
    work = plan_work(found.mine, found.keys, folders, operation, entries, request.rules)
    if request.labels:
        refuse_unequal_pairs(request.source, found.wanted, request.labels, operation, work)
        names = [each.found.name for each in found.wanted]
        work.unmatched = [
            glob for glob in request.labels if not any(matches_any(name, [glob]) for name in names)
        ]
    return work


def run_batch(request: BatchRequest, screen: Screen) -> Totals:
    """Do every file of a folder; a file that fails stops no other.

    Raises
    ------
    RequestError, FileError
        If nothing can be done as it is asked, or the batch itself cannot go on.
    """
    found = survey(request)
    with contextlib.ExitStack() as stack:
        _make_folder(request.target)  # where the log may be
        options = {labels: each.facts() for labels, each in found.operations.items()}
        log = stack.enter_context(contextlib.closing(Log(request.log, options)))
        journal = stack.enter_context(contextlib.closing(Journal(request.target, request.shard)))
        run = _Run(request, decide(request, found, journal.entries), journal, log, screen)
        return run.run(found.listing)


def _make_folder(name: str) -> None:
    try:
        os.makedirs(name, exist_ok=True)
    except OSError as error:
        problem = f"cannot be made a folder ({error.strerror})"
        raise FileError(name, problem, "name another target") from error


class _FailedFast(Exception):  # noqa: N818 - it ends a loop, and nothing is wrong with it
    """A file failed, and the user wants to stop then."""


class _Run:
    """A batch under way."""

    def __init__(
        self, request: BatchRequest, work: Work, journal: Journal, log: Log, screen: Screen
    ) -> None:
        self.request = request
        self.work = work
        self.journal = journal
        self.log = log
        self.screen = screen
        self.totals = Totals()
        self.begun: dict[str, Task] = {}

    def run(self, listing: Listing) -> Totals:
        """Do all, and return how many files ended how."""
        self._say_what_is_left_out(listing)
        self._remove_stale()
        self.screen.begin(self.work.tasks)
        try:
            with contextlib.suppress(_FailedFast):
                self._do_all()
        finally:
            self._own_what_is_there()
        everything = len(self.work.tasks) + len(self.work.skipped) + len(self.work.refused)
        self.totals.left = everything - self.totals.ended
        return self.totals

    def _do_all(self) -> None:
        with contextlib.closing(self._events()) as events:
            for task in self.work.skipped:
                self._end(skipped(task))
            for task, why in self.work.refused:
                self._end(refused(task, why))
            for event in events:
                if isinstance(event, Advance):
                    self.screen.advance(event.task, event.share)
                elif isinstance(event, Note):
                    self.screen.note(event.text)
                else:
                    self._end(event)

    def _own_what_is_there(self) -> None:
        """Note down the outputs of a batch that was stopped before it heard that they are done."""
        shutil.rmtree(self.journal.own_folder, ignore_errors=True)
        setting = self._setting(0, None)
        begun = [(self._entry(task, BEGUN), made_by(setting, task)) for task in self.begun.values()]
        owned = [replace(entry, made=made) for entry, made in begun if made]
        with contextlib.suppress(FileError):  # the disk is full, which was said
            self.journal.add(owned)

    def _say_what_is_left_out(self, listing: Listing) -> None:
        for problem in listing.problems:
            self.totals.folders_failed += 1
            self.screen.failed(str(problem))
        for remark in listing.remarks + self.work.remarks:
            self.screen.note(remark)

    def _remove_stale(self) -> None:
        """Remove what killed runs left, also of outputs that this batch does not write."""
        if self.request.shard:
            # Another shard may be writing there, and not every network's disk shows its locks. What
            # this one left itself is removed when its outputs are written again.
            return
        outputs = [task.output for task in self.work.tasks]
        outputs += [e.output for e in self.journal.entries.values() if e.status == BEGUN]
        for folder in {JOURNAL_FOLDER, *map(os.path.dirname, outputs)}:
            remove_all_stale(Path(self.request.target, folder))

    def _events(self) -> Generator[Event, None, None]:
        tasks, request = self.work.tasks, self.request
        if not tasks:
            return
        if request.scheduler:
            setting, folder = self._setting(request.threads or 0, None), self.journal.own_folder
            yield from Cluster(setting, request.scheduler, folder, self._begin).run(tasks)
            return
        if self.work.unclear:
            with contextlib.suppress(OSError):  # then a stranger's they are
                self.journal.own_folder.mkdir(exist_ok=True)
        budget = plan_budget(tasks, request.jobs, request.threads, request.max_memory)
        cores = request.threads or available_threads()
        rounds = budget.rounds(cores, is_limited=request.max_memory is not None)
        for each in rounds:
            tasks = yield from self._round(each, tasks, is_last=each is rounds[-1])
            if not tasks:
                return

    def _round(
        self, budget: Budget, tasks: list[Task], *, is_last: bool
    ) -> Generator[Event, None, list[Task]]:
        """Do what fits in the memory of a worker, and return what does not."""
        postponed: list[Task] = []
        setting = self._setting(budget.threads, budget.memory)
        with contextlib.closing(Workers(setting, budget.jobs, self._begin).run(tasks)) as events:
            for event in events:
                if isinstance(event, Outcome) and event.status == POSTPONED and not is_last:
                    postponed.append(event.task)
                else:
                    yield self._as_last(event, budget)
        return postponed

    def _as_last(self, event: Event, budget: Budget) -> Event:
        """Return an event where nobody with more memory is left."""
        if not (isinstance(event, Outcome) and event.status == POSTPONED):
            return event
        error, limit = event.error, self.request.max_memory
        if limit and event.needed and budget.memory:
            # A user's limit is on all processes together.
            others = limit - budget.memory * budget.jobs
            output = os.path.join(self.request.target, event.task.output)
            error = str(MemoryLimitError(output, event.needed + others, limit))
        return replace(event, status=FAILED, error=error)

    def _setting(self, threads: int, memory: int | None) -> Setting:
        request = self.request
        folders = os.path.abspath(request.source), os.path.abspath(request.target)
        aside = os.path.abspath(self.journal.own_folder)
        return Setting(*folders, request.operation, threads, memory, request.version, aside)

    def _begin(self, tasks: list[Task]) -> None:
        self.begun.update((task.output, task) for task in tasks if not self._is_unclear(task))
        self.journal.add([self._entry(task, BEGUN) for task in tasks])

    def _end(self, outcome: Outcome) -> None:
        self.totals.add(outcome)
        if outcome.status in (DONE, FAILED):
            entry = self._entry(outcome.task, outcome.status)
            made = outcome.made or entry.made
            if outcome.status == FAILED and self._is_unclear(outcome.task):
                made = entry.made
            self.journal.add([replace(entry, made=made, error=outcome.error)])
            self.begun.pop(outcome.task.output, None)
        self.log.add(outcome)
        self.screen.end(outcome)
        if outcome.status == FAILED and self.request.fail_fast:
            raise _FailedFast

    def _is_unclear(self, task: Task) -> bool:
        """Whether an output may be a stranger's, as long as the task is not done."""
        return task.output in self.work.unclear

    def _entry(self, task: Task, status: str) -> Entry:
        known = self.journal.entries.get(task.output)
        return Entry(
            task.output,
            task.source,
            status,
            self.work.keys[task.output],
            task.stamps,
            self.work.checksums.get(task.output) or None,
            known.made if known else (),
        )
