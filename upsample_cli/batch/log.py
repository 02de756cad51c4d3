"""What became of a batch: totals for people, and a line of JSON per file for programs."""

import errno
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from upsample_cli.batch.finding import JOURNAL_FOLDER
from upsample_cli.batch.task import DONE, FAILED, SKIPPED, Outcome, Task
from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import suffix_of
from upsample_cli.text import readable_bytes


@dataclass
class Totals:
    """How many files ended how, and their bytes.

    Attributes
    ----------
    files, bytes_in, bytes_out
        By status.
    folders_failed
        Folders that could not be listed.
    left
        Files that were not begun, or not ended.
    """

    files: Counter[str] = field(default_factory=Counter)
    bytes_in: Counter[str] = field(default_factory=Counter)
    bytes_out: Counter[str] = field(default_factory=Counter)
    folders_failed: int = 0
    left: int = 0

    @property
    def ended(self) -> int:
        """The number of files that something became of."""
        return self.files.total()

    @property
    def all_good(self) -> bool:
        """Whether nothing failed."""
        return not self.files[FAILED] and not self.folders_failed

    def add(self, outcome: Outcome) -> None:
        """Count one file."""
        self.files[outcome.status] += 1
        self.bytes_in[outcome.status] += outcome.task.bytes
        self.bytes_out[outcome.status] += sum(stamp.bytes for _, stamp in outcome.made)

    def table(self, seconds: float) -> str:
        """Return the totals as aligned lines."""
        lines = [f"{'':8} {'files':>8} {'input':>10} {'output':>10}"]
        for status in (DONE, SKIPPED, FAILED):
            count, size_in = self.files[status], readable_bytes(self.bytes_in[status])
            size_out = readable_bytes(self.bytes_out[status]) if status == DONE else ""
            lines.append(f"{status:8} {count:8,} {size_in:>10} {size_out:>10}".rstrip())
        if self.left:
            lines.append(f"{'left':8} {self.left:8,}")
        return "\n".join([*lines, f"{'seconds':8} {seconds:8.1f}"])


def check_log(name: str, target: str) -> None:
    """Refuse a log among the files that a batch reads or writes: lines would be added to one.

    Parameters
    ----------
    name
        The log's name.
    target
        The target folder.

    Raises
    ------
    RequestError
        If it is named as an image, a volume or an array is, lies beside the journal, or is ``-``.
    """
    if name == "-":
        raise RequestError("--log", "- is not a file's name", "name a file, or /dev/stdout")
    path = Path(name).resolve()  # a link may lead to one
    if suffix := suffix_of(path.name):
        problem = f"{name} has the suffix of an input, {suffix}, and lines would be added to it"
        raise RequestError("--log", problem, "name a .jsonl file")
    if path.is_relative_to(Path(target, JOURNAL_FOLDER).resolve()):
        raise RequestError("--log", f"{name} lies where the journal is", "name a file elsewhere")


class Log:
    """A file to which a line of JSON is added for every file; None writes nothing.

    Parameters
    ----------
    name
        The file's name.
    options
        What is asked of an image, and (by True) of a label map.

    Raises
    ------
    FileError
        If it cannot be written.
    """

    def __init__(self, name: str | None, options: dict[bool, dict[str, Any]]) -> None:
        self.name = name
        self.options = options
        self.file: FileIO | None = None
        if name is not None:
            with self._named_errors():
                # Without a buffer: what a full disk did not take must not come later, or twice.
                self.file = open(name, "a+b", buffering=0)  # noqa: SIM115
                self._end_torn_line()

    def _end_torn_line(self) -> None:
        """Begin a new line where a batch before could not end its last one."""
        if self.file is not None and self.file.seekable() and self.file.seek(0, os.SEEK_END):
            self.file.seek(-1, os.SEEK_END)
            if self.file.read(1) != b"\n":
                self._write(b"\n")

    def _write(self, line: bytes) -> None:
        if self.file is not None and self.file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def add(self, outcome: Outcome) -> None:
        """Write one file's line; a name that is not UTF-8 keeps its bytes as escapes."""
        if self.file is None:
            return
        with self._named_errors():
            self._write(json.dumps(self._facts(outcome)).encode("ascii") + b"\n")

    def _facts(self, outcome: Outcome) -> dict[str, Any]:
        before, after = outcome.before, outcome.after
        return {
            "input": outcome.task.source,
            "output": outcome.task.output,
            "status": outcome.status,
            "error": outcome.error or None,
            "shape_in": before and before.shape,
            "dtype_in": before and before.dtype,
            "shape_out": after and after.shape,
            "dtype_out": after and after.dtype,
            "how": outcome.how or None,
            "options": self.options[outcome.task.labels],
            "seconds": round(outcome.seconds, 4),
            "peak_memory": outcome.peak_bytes or None,
            "warnings": outcome.warnings,
        }

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            problem = f"cannot be written ({error.strerror})"
            raise FileError(self.name, problem, "name another --log") from error


def skipped(task: Task) -> Outcome:
    """Return the outcome of a file that was done before."""
    return Outcome(task, SKIPPED)


def refused(task: Task, why: str) -> Outcome:
    """Return the outcome of a file that is not even begun."""
    return Outcome(task, FAILED, why)
