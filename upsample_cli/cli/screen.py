"""What a batch shows while it runs: a bar on a terminal, else a line for every file."""

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from upsample_cli.cli import console
from upsample_cli.text import about, counted, printable

if TYPE_CHECKING:
    from upsample_cli.batch.log import Totals
    from upsample_cli.batch.task import Outcome, Task

NUMBERS = re.compile(r"\d[\d.,×e+-]*")
MOST_ALIKE = 3
"""Warnings that differ only in the file and its numbers, of which the rest is counted."""


class BatchScreen:
    """Shows a batch to its user.

    Parameters
    ----------
    quiet
        Show what is wrong, and nothing else.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.bar: Any = None
        self.shown: dict[str, float] = {}
        self.said: set[str] = set()
        self.warned: Counter[str] = Counter()
        self.unshown: dict[str, str] = {}
        self.to_do: set[str] = set()
        self.done = self.failures = 0

    def begin(self, tasks: "list[Task]") -> None:
        """Draw the bar, if there is a terminal for it."""
        self.to_do = {task.output for task in tasks}
        self.bar = console.file_bar(sum(task.bytes for task in tasks), len(tasks), self.quiet)

    def advance(self, task: "Task", share: float) -> None:
        """Move the bar by what was done of a file since the last time."""
        before = self.shown.get(task.source, 0.0)
        if self.bar is not None and share > before:
            self.bar.update(int(task.bytes * share) - int(task.bytes * before))
            self.shown[task.source] = share

    def end(self, outcome: "Outcome") -> None:
        """Show what became of a file."""
        name, status = outcome.task.source, outcome.status
        self.done += status == "done"
        self.failures += status == "failed"
        self._count(outcome.task, status)
        for hint in outcome.hints:
            self.note(hint)
        for warning in outcome.warnings:
            self._warn(name, warning)
        if status == "failed":
            with console.beside(self.bar):
                console.problem(about(name, outcome.error), outcome.trace)
        elif status == "done" and self.bar is None:
            done = f"{name} {outcome.before} → {outcome.task.output} {outcome.after}"
            console.summary(f"{done}, {outcome.how}, {outcome.seconds:.1f} s", quiet=self.quiet)

    def _warn(self, name: str, warning: str) -> None:
        """Show a warning, unless it was shown of several other files."""
        what = warning.partition(": ")[2] if printable(name) in printable(warning) else warning
        kind = NUMBERS.sub("", what)
        self.warned[kind] += 1
        if self.warned[kind] > MOST_ALIKE:
            self.unshown[kind] = what
            return
        with console.beside(self.bar):
            console.notes([about(name, warning)], [], quiet=self.quiet)

    def _count(self, task: "Task", status: str) -> None:
        """Let the bar show the end of a file."""
        if self.bar is None:
            return
        self.bar.set_postfix_str(f"{self.done} done, {self.failures} failed", refresh=False)
        if status == "failed" and task.output in self.to_do:
            # Bytes that were not worked on say nothing of how fast the others will be.
            self.bar.total -= task.bytes - int(task.bytes * self.shown.get(task.source, 0.0))
            self.bar.update(0)
        elif status == "done":
            self.advance(task, 1.0)

    def note(self, text: str) -> None:
        """Show something worth knowing, the first time."""
        if text not in self.said:
            self.said.add(text)
            with console.beside(self.bar):
                console.notes([], [text], quiet=self.quiet)

    def failed(self, text: str) -> None:
        """Show what is wrong where it is wrong with no input."""
        with console.beside(self.bar):
            console.problem(text, "")

    def finish(self, totals: "Totals | None", seconds: float) -> None:
        """Take the bar away, and show the table of what became of all."""
        if self.bar is not None:
            self.bar.close()
        for kind, what in self.unshown.items():
            more = counted(self.warned[kind] - MOST_ALIKE, "file")
            console.notes([f"{more} more: {what}; --log names them"], [], quiet=self.quiet)
        if totals is not None:
            for line in totals.table(seconds).splitlines():
                console.summary(line, quiet=self.quiet)
