"""One file of a batch: what is to be done, where it is done, and what became of it."""

import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from upsample_cli.batch.operation import Operation
from upsample_cli.batch.stamp import Stamp, stamp_of, stamps_of
from upsample_cli.errors import FileError, MemoryShortError, UpsampleError
from upsample_cli.files import files_of
from upsample_cli.operations.output import Contents, Progress
from upsample_cli.resources.machine import peak_resident_bytes, reset_peak

DONE, FAILED, SKIPPED, POSTPONED = "done", "failed", "skipped", "postponed"


@dataclass(frozen=True)
class Task:
    """A file that is to be done.

    Attributes
    ----------
    source, output
        Names within the source and the target folder.
    stamps
        What the input was like when it was listed; empty if it was not there.
    labels
        Whether it is a label map.
    replaces
        Whether the output may exist: an earlier batch made it, or the user says so.
    """

    source: str
    output: str
    stamps: tuple[Stamp, ...]
    labels: bool = False
    replaces: bool = False

    @property
    def bytes(self) -> int:
        """The size of the input's files."""
        return sum(stamp.bytes for stamp in self.stamps)


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes
    ----------
    status
        DONE, FAILED, or POSTPONED: it needs more memory than its worker may take.
    error
        Why it failed, in one line.
    before, after, how
        What the files hold and what was done, if it was done.
    made
        Each file that was written, by its name in the target folder, with its stamp.
    needed
        The bytes with which a worker could do it, if it was postponed for its limit.
    seconds, peak_bytes
        What it took, the memory as that of the whole process meanwhile.
    trace
        Where in the program an error came from.
    """

    task: Task
    status: str
    error: str = ""
    before: Contents | None = None
    after: Contents | None = None
    how: str = ""
    warnings: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    made: tuple[tuple[str, Stamp], ...] = ()
    needed: int = 0
    seconds: float = 0.0
    peak_bytes: int = 0
    trace: str = ""


@dataclass(frozen=True)
class Setting:
    """What all tasks of a batch share, and a worker has to know.

    Attributes
    ----------
    source, target
        The folders.
    operation
        What is done to a file.
    threads, memory
        What a worker may use, the memory in bytes.
    version
        That of this package, which a worker elsewhere must have too.
    aside
        A folder within the target, this batch's own while it runs; it may not be there.
    """

    source: str
    target: str
    operation: Operation
    threads: int
    memory: int | None
    version: str
    aside: str = ""

    def operation_for(self, task: Task) -> Operation:
        """Return what is done to the file of a task."""
        own = self.operation.for_labels() if task.labels else self.operation
        return own.with_limits(threads=self.threads, memory=self.memory, force=task.replaces)


Advance = Callable[[float], object]
"""Takes the share of a file that is done, 1 for the last time before the output gets its name."""


def run_task(setting: Setting, task: Task, advance: Advance) -> Outcome:
    """Do one file; whatever is wrong with it is in the outcome."""
    started = time.perf_counter()
    reset_peak()
    try:
        outcome = _run(setting, task, advance)
    except MemoryShortError as error:
        outcome = Outcome(task, POSTPONED, str(error), needed=getattr(error, "needed", 0))
    except MemoryError:
        problem = "not enough memory is free; ask for a smaller output"
        outcome = Outcome(task, POSTPONED, f"{task.source}: {problem}")
    except UpsampleError as error:
        outcome = Outcome(task, FAILED, str(error), trace=traceback.format_exc())
    except Exception as error:
        problem = f"internal: {type(error).__name__}: {error}; run with --debug and report it"
        error_line = f"{task.source}: {problem}"
        outcome = Outcome(task, FAILED, error_line, trace=traceback.format_exc())
    seconds = time.perf_counter() - started
    return replace(outcome, seconds=seconds, peak_bytes=peak_resident_bytes())


def _run(setting: Setting, task: Task, advance: Advance) -> Outcome:
    source = os.path.join(setting.source, task.source)
    output = os.path.join(setting.target, task.output)
    operation = setting.operation_for(task)
    _make_folder(os.path.dirname(output))
    summary = operation.run(source, output, _progress(source, task, advance))
    return Outcome(
        task,
        DONE,
        before=summary.before,
        after=summary.after,
        how=summary.how,
        warnings=summary.warnings,
        hints=summary.hints,
        made=made_by(setting, task),
    )


def outputs_of(setting: Setting, task: Task) -> list[str]:
    """Return the paths of all files that a task writes."""
    output = os.path.join(setting.target, task.output)
    return [*files_of(output), *setting.operation_for(task).request.beside(output)]


def made_by(setting: Setting, task: Task) -> tuple[tuple[str, Stamp], ...]:
    """Return the files of a task that are there, by name in the target folder, with stamps."""
    stamps = {name: stamp_of(name) for name in outputs_of(setting, task)}
    return tuple(
        (Path(os.path.relpath(name, setting.target)).as_posix(), stamp)
        for name, stamp in stamps.items()
        if stamp
    )


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path or ".", exist_ok=True)
    except OSError as error:
        raise FileError(path, f"cannot be made a folder ({error.strerror})") from error


def _progress(source: str, task: Task, advance: Advance) -> Progress:
    """Return what follows a file, and refuses its output if the input changed meanwhile."""

    @contextmanager
    def follow(total: int) -> Iterator[Callable[[int], object]]:
        done = 0

        def add(count: int) -> None:
            nonlocal done
            done += count
            advance(done / max(total, 1))

        yield add
        if stamps_of(source) != task.stamps:
            problem = "changed after it was listed, so that its output may be half old, half new"
            raise FileError(source, problem, "run again when nobody writes it")
        advance(1.0)  # an image is encoded after its last pixels were said to be done

    return follow
