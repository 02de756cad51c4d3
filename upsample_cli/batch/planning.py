"""What is to be done with each input: done already, to do, or not to be touched."""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from upsample_cli.batch.finding import Found
from upsample_cli.batch.journal import BEGUN, Entry
from upsample_cli.batch.operation import Operation
from upsample_cli.batch.stamp import Stamp, checksum_of, stamp_of
from upsample_cli.batch.task import DONE, FAILED, Task
from upsample_cli.errors import FileError
from upsample_cli.files import files_of
from upsample_cli.resources.threads import available_threads
from upsample_cli.text import counted


@dataclass(frozen=True)
class Rules:
    """How a batch treats what is there already.

    Attributes
    ----------
    force
        Do everything, and replace outputs whoever made them.
    retry_failed
        Take those alone that failed the last time.
    checksum
        Tell inputs by their bytes, not by size and time of change.
    """

    force: bool = False
    retry_failed: bool = False
    checksum: bool = False


@dataclass(frozen=True)
class Wanted:
    """An input, its output, and whether it is a label map."""

    found: Found
    output: str
    labels: bool = False


@dataclass
class Work:
    """What is to be done, and what is not.

    Attributes
    ----------
    tasks
        To do, in order.
    skipped
        Done already.
    refused
        Tasks that cannot be done, each with why.
    nothing_failed
        Whether the failed ones were asked for, and there are none.
    unclear
        Outputs that are there, and may be of a batch that was killed before it could say so.
    unpaired
        Label maps of which no image is known.
    unmatched
        Patterns for label maps that no input matches.
    keys, checksums
        By output: the digest of what is done, and of the input if that was asked for.
    """

    tasks: list[Task] = field(default_factory=list)
    skipped: list[Task] = field(default_factory=list)
    refused: list[tuple[Task, str]] = field(default_factory=list)
    nothing_failed: bool = False
    unclear: set[str] = field(default_factory=set)
    unpaired: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)

    def refuse(self, reasons: Mapping[str, str]) -> None:
        """Refuse the tasks of some outputs, each for its reason."""
        refused = [task for task in self.tasks if task.output in reasons]
        self.refused += [(task, reasons[task.output]) for task in refused]
        self.tasks = [task for task in self.tasks if task.output not in reasons]

    @property
    def remarks(self) -> list[str]:
        """What a user may want to know of it."""
        remarks = ["nothing failed the last time"] if self.nothing_failed else []
        remarks += [f"--labels-pattern: {glob!r} matches no input" for glob in self.unmatched]
        if not self.unpaired:
            return remarks
        maps = counted(len(self.unpaired), "label map")
        whose = f"without an image of their name, such as {self.unpaired[0]}"
        return [*remarks, f"{maps} {whose}; no grid was compared"]


def plan_work(
    wanted: list[Wanted],
    keys: dict[bool, str],
    folders: tuple[str, str],
    operation: Operation,
    entries: dict[str, Entry],
    rules: Rules,
) -> Work:
    """Decide on every input.

    Parameters
    ----------
    wanted
        The inputs with their outputs.
    keys
        The digest of what is done to an image, and (by True) to a label map.
    folders
        The source and the target.
    operation
        What is done.
    entries
        What is known of the outputs.
    rules
        What counts as done.
    """
    source, target = folders
    if rules.retry_failed:
        wanted = [each for each in wanted if _failed(entries.get(each.output))]
    work = Work(keys={each.output: keys[each.labels] for each in wanted})
    work.nothing_failed = rules.retry_failed and not wanted
    if rules.checksum:
        work.checksums = _checksums(source, wanted)
    for each in wanted:
        names = [*files_of(each.output), *operation.request.beside(each.output)]
        _decide(each, names, target, entries.get(each.output), rules, work)
    return work


def _failed(entry: Entry | None) -> bool:
    return entry is not None and entry.status == FAILED


def _checksums(source: str, wanted: Iterable[Wanted]) -> dict[str, str]:
    def digest(each: Wanted) -> tuple[str, str]:
        try:
            return each.output, checksum_of(os.path.join(source, each.found.name))
        except FileError:
            return each.output, ""  # whoever reads it will say what is wrong

    with ThreadPoolExecutor(available_threads()) as pool:
        return dict(pool.map(digest, wanted))


def _decide(
    each: Wanted, names: list[str], target: str, entry: Entry | None, rules: Rules, work: Work
) -> None:
    there = {name: stamp_of(os.path.join(target, name)) for name in names}
    ours = {} if entry is None else dict(entry.made)
    is_ours = all(stamp in (None, ours.get(name)) for name, stamp in there.items())
    is_there = any(there.values())
    may_replace = rules.force or (is_there and is_ours)
    task = Task(each.found.name, each.output, each.found.stamps, each.labels, may_replace)
    if rules.force or not is_there:
        work.tasks.append(task)
    elif entry and entry.status == BEGUN:
        work.tasks.append(task)
        work.unclear |= set() if is_ours else {task.output}
    elif not ours:
        why = "exists, and no batch made it; use --force to replace it"
        work.refused.append((task, f"{each.output}: {why}"))
    elif _is_same(entry, each, work) and _sizes(there) == _sizes(ours):
        work.skipped.append(task)
    elif is_ours:
        work.tasks.append(task)
    else:
        why = "is not as the last batch left it; use --force to replace it"
        work.refused.append((task, f"{each.output}: {why}"))


def _is_same(entry: Entry | None, each: Wanted, work: Work) -> bool:
    """Whether the latest output was made from this input, in this way."""
    if entry is None or entry.status != DONE or entry.source != each.found.name:
        return False
    if entry.key != work.keys[each.output] or not each.found.stamps:
        return False
    if work.checksums:
        return bool(entry.checksum) and entry.checksum == work.checksums[each.output]
    return entry.stamps == each.found.stamps


def _sizes(files: Mapping[str, Stamp | None]) -> dict[str, int | None]:
    """Return sizes alone: a copy of the target folder has other times."""
    return {name: stamp and stamp.bytes for name, stamp in files.items()}
