"""The inputs of a batch: which files of a tree are taken, always in the same order."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from upsample_cli.batch.stamp import Stamp, stamps_of
from upsample_cli.errors import FileError, RequestError
from upsample_cli.files import files_of, suffix_of
from upsample_cli.text import counted

JOURNAL_FOLDER = ".upsample-batch"
"""In a target folder, what earlier batches did there."""


@dataclass(frozen=True)
class Found:
    """An input: its name within the source folder, and what its files were like when listed.

    ``stamps`` is empty for a file that is listed but not there, such as a link to nothing.
    """

    name: str
    stamps: tuple[Stamp, ...]

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(stamp.bytes for stamp in self.stamps)


@dataclass
class Listing:
    """What a source folder holds.

    Attributes
    ----------
    inputs
        In the order of their names' bytes.
    left_out
        Why a file was not taken that its name would have included, in words.
    others
        The number of files of other formats.
    problems
        Folders that could not be read.
    """

    inputs: list[Found] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    others: int = 0
    problems: list[FileError] = field(default_factory=list)

    @property
    def remarks(self) -> list[str]:
        """What a user may want to know of it."""
        remarks = [f"left out {why}" for why in self.left_out]
        if self.others:
            remarks.append(f"left out {counted(self.others, 'file')} of other formats")
        return remarks


@dataclass(frozen=True)
class Selection:
    """Which names are taken.

    A pattern is a shell's glob. One with a slash is for the path within the source folder, where
    ``*`` matches slashes too, and ``**/`` any folders or none; one without is for the name alone.
    ``exclude`` also leaves out whole folders.
    """

    patterns: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def takes(self, path: str) -> bool:
        """Whether a file is wanted, for all that its name says."""
        return not self.patterns or matches_any(path, self.patterns)

    def leaves_out(self, path: str) -> bool:
        """Whether a file or a folder is not wanted."""
        return matches_any(path, [glob.rstrip("/") for glob in self.exclude])


def matches_any(path: str, patterns: Sequence[str]) -> bool:
    """Whether a path within the source folder matches one of some globs.

    >>> matches_any("sub-01/t1.nii", ["t1*"]), matches_any("t1.nii", ["**/t1*"])
    (True, True)
    """
    name = path.rpartition("/")[2]
    return any(
        fnmatchcase(path, glob) or fnmatchcase(path, glob.replace("**/", ""))
        if "/" in glob
        else fnmatchcase(name, glob)
        for glob in patterns
    )


def find(source: str, target: str, selection: Selection) -> Listing:
    """List the inputs below a folder.

    Hidden files and folders (``.git``, ``._x.nii``), the target folder and those of other batches
    are passed over; so is a folder behind a link, and a link that leads out of the source.

    Raises
    ------
    RequestError
        If the source is no folder, or holds no input.
    """
    if not os.path.isdir(source):
        if os.path.exists(source):
            raise RequestError(source, "is not a folder", "name its folder, or use resample")
        raise RequestError(source, "does not exist", "name the folder that holds the inputs")
    listing = Listing()
    walk = _Walk(os.path.realpath(source), os.path.realpath(target), selection, listing)
    walk.all()
    listing.inputs.sort(key=lambda found: os.fsencode(found.name))
    if not (listing.inputs or listing.problems):
        problem = "; ".join(["holds no input", *listing.remarks[:1]])
        if more := len(listing.remarks[1:]):
            problem += f", and {more:,} more"
        raise RequestError(source, problem, "check --pattern and --exclude")
    return listing


@dataclass
class _Walk:
    source: str
    target: str
    selection: Selection
    listing: Listing

    def all(self) -> None:
        """List every folder, however deep, with one open at a time."""
        folders = [""]
        while folders:
            folders += self.folder(folders.pop())

    def folder(self, path: str) -> list[str]:
        """List a folder, relative: empty, or with a last slash. Return those in it."""
        below = []
        for entry in self._entries(path):
            name = path + entry.name
            if entry.name.startswith(".") or self.selection.leaves_out(name):
                continue
            if entry.path == self.target:
                continue
            if entry.is_dir(follow_symlinks=False):
                if os.path.isdir(os.path.join(entry.path, JOURNAL_FOLDER)):
                    why = "holds another batch's outputs; to take them, name it as SOURCE_DIR"
                    self.listing.left_out.append(f"{name}: {why}")
                else:
                    below.append(f"{name}/")
            elif entry.is_symlink() and os.path.isdir(entry.path):
                self.listing.left_out.append(f"{name}: {self._why_not(entry)}")
            elif not self.selection.takes(name):
                continue
            elif not suffix_of(entry.name):
                self.listing.others += 1
            elif why := self._why_not(entry):
                self.listing.left_out.append(f"{name}: {why}")
            elif not self._comes_with_header(name, entry.path):
                self.listing.inputs.append(Found(name, stamps_of(entry.path)))
        return below

    def _entries(self, path: str) -> Iterator[os.DirEntry[str]]:
        folder = os.path.join(self.source, path) if path else self.source
        try:
            with os.scandir(folder) as entries:
                yield from entries
        except OSError as error:
            problem = f"cannot be listed ({error.strerror})"
            self.listing.problems.append(FileError(folder, problem, "make it readable"))

    def _why_not(self, entry: os.DirEntry[str]) -> str:
        if entry.is_file(follow_symlinks=False):
            return ""
        if not entry.is_symlink():
            return "is not a regular file"
        end = os.path.realpath(entry.path)
        if not Path(end).is_relative_to(self.source):
            return "is a link that leads out of the source folder"
        try:
            mode = os.stat(end).st_mode
        except OSError:
            return ""  # whoever reads it will say what is wrong
        if stat.S_ISDIR(mode):
            return "is a link to a folder, whose files are found where they are"
        return "" if stat.S_ISREG(mode) else "is not a regular file"

    def _comes_with_header(self, name: str, path: str) -> bool:
        """Whether a file belongs to another, such as the header of a pair, that is taken."""
        header, *others = files_of(path)
        first = files_of(name)[0]
        if path not in others or not os.path.exists(header):
            return False
        return self.selection.takes(first) and not self.selection.leaves_out(first)
