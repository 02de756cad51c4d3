"""What earlier batches did in a target folder: one line of JSON per event, and one lock.

The lines are in ``TARGET/.upsample-batch/``: in ``journal.jsonl``, or for shard I of N in
``journal-I-of-N.jsonl``, so that every file has one writer, also on a network's disk. A line is
appended before a file is begun and after it has ended, in one write each; what a crash leaves of a
last line is passed over. So an output without a line that says it is done was begun and not ended,
or is not ours.
"""

import contextlib
import errno
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from upsample_cli.batch.finding import JOURNAL_FOLDER
from upsample_cli.batch.sharding import Shard
from upsample_cli.batch.stamp import Stamp
from upsample_cli.errors import FileError, RequestError
from upsample_cli.files.atomic import AtomicFile

try:
    import fcntl
except ImportError:  # Windows has no flock; there the user must not run two at once.
    fcntl = None  # type: ignore[assignment]

NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
"""What a network's disk without locks says; there, too, the user must not run two at once."""

BEGUN = "begun"
SHRINK_FROM = 10_000
"""Lines beyond twice the entries from which on a journal is written anew."""


@dataclass(frozen=True)
class Entry:
    """The latest that is known of an output.

    Attributes
    ----------
    output, source
        Names within the folders.
    status
        BEGUN, DONE or FAILED.
    key
        The digest of operation, options and version.
    stamps, checksum
        What the input was like: its files' stamps, and their SHA-256 if it was asked for.
    made
        The files of the last time that it was done, each with its stamp.
    error
        Why it failed.
    at
        When, in seconds since 1970: of the entries of one output the latest counts.
    """

    output: str
    source: str
    status: str
    key: str
    stamps: tuple[Stamp, ...] = ()
    checksum: str | None = None
    made: tuple[tuple[str, Stamp], ...] = ()
    error: str = ""
    at: float = field(default_factory=time.time)

    def to_line(self) -> bytes:
        """Return the entry as a line; names that are not UTF-8 keep their bytes as escapes."""
        return json.dumps(asdict(self)).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Entry | None":
        """Return the entry of a line, or None for what a crash left, or is none of ours."""
        try:
            facts: dict[str, Any] = json.loads(line)
            facts["stamps"] = tuple(_stamp(stamp) for stamp in facts["stamps"])
            facts["made"] = tuple((name, _stamp(stamp)) for name, stamp in facts["made"])
            texts = (facts[name] for name in ("output", "source", "status", "key"))
            if all(isinstance(text, str) for text in texts) and isinstance(facts["at"], float):
                return cls(**facts)
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        return None


def _stamp(numbers: Any) -> Stamp:
    size, changed = numbers
    if not (isinstance(size, int) and isinstance(changed, int)):
        raise TypeError
    return Stamp(size, changed)


def read_journal(folder: Path) -> tuple[dict[str, Entry], int]:
    """Return the latest entry of every output, and how many lines were read.

    Raises
    ------
    FileError
        If one of the files cannot be read.
    """
    entries: dict[str, Entry] = {}
    lines = 0
    for path in folder.glob("journal*.jsonl"):
        try:
            content = path.read_bytes()
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
            raise FileError(path, problem, "make it readable") from error
        for line in content.splitlines():
            lines += 1
            if entry := Entry.from_line(line):
                known = entries.get(entry.output)
                if known is None or known.at <= entry.at:
                    entries[entry.output] = entry
    return entries, lines


class Journal:
    """The entries of a target folder, and the one file that this batch appends to.

    Parameters
    ----------
    target
        The target folder, which exists.
    shard
        The part of the inputs that this batch does, or None for all.

    Attributes
    ----------
    entries
        By output.
    own_folder
        For what workers share or make aside; this batch's own, while it runs.

    Raises
    ------
    RequestError
        If another batch works in the folder, other than another shard of as many.
    FileError
        If the journal cannot be read or written.
    """

    def __init__(self, target: str, shard: Shard | None = None) -> None:
        self.folder = Path(target) / JOURNAL_FOLDER
        self.target = target
        suffix = f"-{shard.number}-of-{shard.count}" if shard else ""
        self.path = self.folder / f"journal{suffix}.jsonl"
        self.own_folder = self.folder / f"own{suffix}"
        self._lock = self.folder / f"lock{suffix}"
        self.entries: dict[str, Entry] = {}
        with contextlib.ExitStack() as held, self._named_errors():
            self.folder.mkdir(exist_ok=True)
            held.enter_context(self._locked(shard))
            self._file = self._open(held)
            self._held = held.pop_all()

    def _open(self, held: contextlib.ExitStack) -> int:
        self.entries, lines = read_journal(self.folder)
        if lines > 2 * len(self.entries) + SHRINK_FROM and self._lock.name == "lock":
            self._shrink()
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        held.callback(os.close, file)
        if os.lseek(file, 0, os.SEEK_END):
            os.lseek(file, -1, os.SEEK_END)
            if os.read(file, 1) != b"\n":
                os.write(file, b"\n")
        return file

    def _shrink(self) -> None:
        """Write every entry once. Nobody else writes: this batch holds the lock of the whole."""
        file = AtomicFile(self.folder / "journal.jsonl", force=True)
        try:
            file.file.writelines(entry.to_line() for entry in self.entries.values())
        except BaseException:
            file.discard()
            raise
        file.commit()
        for path in self.folder.glob("journal-*.jsonl"):
            path.unlink()

    def add(self, entries: list[Entry]) -> None:
        """Append entries, in one write.

        Raises
        ------
        FileError
            If they cannot all be written.
        """
        entries = [self._later(entry) for entry in entries]
        lines = b"".join(entry.to_line() for entry in entries)
        with self._named_errors():
            if os.write(self._file, lines) != len(lines):
                raise OSError(None, "the disk is full")
        self.entries.update((entry.output, entry) for entry in entries)

    def _later(self, entry: Entry) -> Entry:
        """Return an entry that is later than what is known, also where a clock was put back."""
        known = self.entries.get(entry.output)
        if known is None or known.at < entry.at:
            return entry
        return replace(entry, at=math.nextafter(known.at, math.inf))

    def close(self) -> None:
        """Close the file and let others work in the folder."""
        self._held.close()

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            problem = f"cannot keep the journal of the batch ({error.strerror or error})"
            raise FileError(self.folder, problem, "make room, or make it writable") from error

    @contextlib.contextmanager
    def _locked(self, shard: Shard | None) -> Iterator[None]:
        """Hold this batch's own lock, having seen that no other batch holds one that excludes it.

        Each takes its own first and looks at the others' then, so that of two one at least sees
        the other.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._flock(self._lock))
            siblings = f"-of-{shard.count}" if shard else None
            for path in self.folder.glob("lock*"):
                if path != self._lock and not (siblings and path.name.endswith(siblings)):
                    with self._flock(path, only_look=True):
                        pass
            yield

    @contextlib.contextmanager
    def _flock(self, path: Path, *, only_look: bool = False) -> Iterator[None]:
        # A network's disk grants such locks only on what is open for reading and writing.
        with open(path, "a+b") as file:
            try:
                if fcntl is not None:
                    # Those who only look do not disturb each other.
                    kind = fcntl.LOCK_SH if only_look else fcntl.LOCK_EX
                    fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError as error:
                problem = "another batch is at work in it"
                raise RequestError(self.target, problem, "wait for its end") from error
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
            yield
