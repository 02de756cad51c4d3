"""What a batch would do: every output's shape, the bytes of all, and whether they fit."""

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from upsample_cli.batch.finding import JOURNAL_FOLDER
from upsample_cli.batch.journal import read_journal
from upsample_cli.batch.run import BatchRequest, decide, survey
from upsample_cli.batch.task import Setting, Task
from upsample_cli.errors import UpsampleError
from upsample_cli.files import is_uncompressed
from upsample_cli.operations.output import COMPRESSED_AT_MOST
from upsample_cli.resources.machine import check_memory
from upsample_cli.text import about, printable, readable_bytes

Progress = Callable[[int], AbstractContextManager[Callable[[int], object]]]


@dataclass
class Preview:
    """What would become of every file.

    Attributes
    ----------
    lines
        One for each file.
    skipped
        The number of files that were done before.
    errors
        Why a file would fail.
    remarks
        What else a user may want to know.
    least, most
        The bytes of all outputs, with the best compression that there is and with none.
    free
        The bytes that are free on the target's disk.
    """

    lines: list[str] = field(default_factory=list)
    skipped: int = 0
    errors: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    least: int = 0
    most: int = 0
    free: int = 0

    @property
    def fits(self) -> bool:
        """Whether the disk has room, for all that is known of how far the outputs compress."""
        return self.least <= self.free

    @property
    def totals(self) -> str:
        """The last line."""
        may_be = "" if self.most <= self.free else "; they fit only if they compress well"
        return (
            f"{len(self.lines)} to do, {self.skipped} done before, {len(self.errors)} would fail; "
            f"outputs up to {readable_bytes(self.most)}, free {readable_bytes(self.free)}{may_be}"
        )


def preview(request: BatchRequest, progress: Progress) -> Preview:
    """Settle every file without reading its voxels.

    Raises
    ------
    RequestError, FileError
        If nothing can be done as it is asked.
    """
    found = survey(request)
    entries, _ = read_journal(Path(request.target, JOURNAL_FOLDER))
    work = decide(request, found, entries)
    result = Preview(skipped=len(work.skipped), free=_free(request.target))
    result.remarks += found.listing.remarks + work.remarks
    result.errors += [str(problem) for problem in found.listing.problems]
    result.errors += [about(task.source, why) for task, why in work.refused]
    folders = os.path.abspath(request.source), os.path.abspath(request.target)
    setting = Setting(*folders, request.operation, 1, None, request.version)
    with progress(len(work.tasks)) as done:
        for task in work.tasks:
            _add(result, setting, task)
            done(1)
    return result


def _add(result: Preview, setting: Setting, task: Task) -> None:
    operation = setting.operation_for(task)
    try:
        with operation.prepared(os.path.join(setting.source, task.source)) as plan:
            output = operation.check_output(plan, os.path.join(setting.target, task.output))
            check_memory(output.name, plan.working_bytes)
            size, beside = plan.output_bytes, operation.bytes_beside(plan)
            line = f"{task.source} {plan.before} → {task.output} {plan.after}, {plan.how}"
    except UpsampleError as error:
        result.errors.append(about(task.source, str(error)))
        return
    result.lines.append(printable(f"{line}, {readable_bytes(size)}"))
    result.most += size + beside
    result.least += size // (1 if is_uncompressed(output.suffix) else COMPRESSED_AT_MOST)


def _free(target: str) -> int:
    path = Path(target).resolve()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
