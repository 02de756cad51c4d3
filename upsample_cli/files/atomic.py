"""The temporary file that becomes the output: whole or absent, whatever happens."""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from upsample_cli.errors import FileError, RequestError

try:
    import fcntl
except ImportError:  # Windows has no flock; there a stale file is left to its owner.
    fcntl = None  # type: ignore[assignment]

PREFIX, TEMPORARY_SUFFIX = ".upsample-", ".upsample-tmp"
MOST_WRITERS = 16
"""Runs that may write one destination at once; the last to end says what it holds."""


class AtomicFile:
    """A file that appears under ``destination`` on ``commit``, and never half-written.

    It is written beside its destination under a hidden name, and locked, so that a later run can
    tell a file that is being written from one that a killed run left, and remove the latter.

    Raises
    ------
    RequestError
        If the destination exists (without ``force``), or is not a regular file.
    FileError
        If the folder cannot be written.
    """

    def __init__(self, destination: str | Path, *, force: bool = False) -> None:
        self.name = str(destination)
        check_destination(self.name, force=force)
        # A link is followed, so that it keeps pointing at what is now new.
        self.destination = Path(os.path.realpath(self.name))
        self.force = force
        remove_stale(self.destination)
        try:
            self.file, self.temporary = _create_locked(self.destination)
        except OSError as error:
            raise FileError(self.name, f"cannot be written ({error.strerror})") from error

    def commit(self) -> None:
        """Give the file its name. Without ``force``, a file that appeared meanwhile stays."""
        try:
            self._keep_permissions()
            self.file.flush()
            # A network's disk says that it is full when a file is closed, and not before.
            os.close(os.dup(self.file.fileno()))
            if fcntl is None:
                self.file.close()
            # The lock is held until the file has its name, or another run would call it stale.
            if self.force:
                os.replace(self.temporary, self.destination)
            else:
                _rename_if_absent(self.temporary, self.destination)
            self.file.close()
        except FileExistsError as error:
            self.discard()
            raise RequestError(self.name, "exists", "use --force to replace it") from error
        except OSError as error:
            self.discard()
            raise FileError(self.name, f"cannot be written ({error.strerror})") from error

    def discard(self) -> None:
        """Remove the temporary file."""
        with contextlib.suppress(OSError):
            self.file.close()
        self.temporary.unlink(missing_ok=True)

    def _keep_permissions(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(self.destination.stat().st_mode)
            os.chmod(self.temporary, mode)


def check_destination(name: str, *, force: bool) -> None:
    """Refuse a destination that exists, is a folder or a device, or has no folder to be in."""
    path = Path(os.path.realpath(name))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            folder = Path(name).parent
            raise RequestError(name, f"the folder {folder} does not exist", "create it") from None
        return
    except OSError as error:
        raise RequestError(name, f"cannot be written ({error.strerror})", "use another") from error
    if stat.S_ISDIR(mode):
        raise RequestError(name, "is a folder", "name a file in it")
    if not stat.S_ISREG(mode):
        raise RequestError(name, "is not a regular file", "use - for standard output")
    if not force:
        raise RequestError(name, "exists", "use --force to replace it")


def remove_stale(destination: Path) -> None:
    """Remove temporary files of this destination that no running process holds."""
    for path in _temporaries(destination):
        if os.path.lexists(path):
            _remove_if_stale(path)


def remove_all_stale(folder: Path) -> None:
    """Do the same for every destination in a folder."""
    for path in folder.glob(f"{PREFIX}*{TEMPORARY_SUFFIX}"):
        _remove_if_stale(path)


def _remove_if_stale(path: Path) -> None:
    if fcntl is None:
        return
    # A network's disk grants such a lock only on what is open for writing.
    with contextlib.suppress(OSError), open(path, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another run may have removed it meanwhile, and a third have taken its name.
        if _is_still(file, path):
            path.unlink()


def _temporaries(destination: Path) -> Iterator[Path]:
    """Yield the names that are possible, so that no folder of many files has to be listed."""
    # A digest, because the name itself may be as long as the file system allows.
    digest = hashlib.sha256(os.fsencode(destination.name)).hexdigest()[:16]
    for number in range(MOST_WRITERS):
        yield destination.parent / f"{PREFIX}{digest}-{number}{TEMPORARY_SUFFIX}"


def _create_locked(destination: Path) -> tuple[BinaryIO, Path]:
    for path in _temporaries(destination):
        try:
            file = open(path, "x+b")  # noqa: SIM115 - the caller closes it
        except FileExistsError:
            continue
        if fcntl is None:
            return file, path
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        # Between creation and lock another process may have taken it for stale.
        if _is_still(file, path):
            return file, path
        file.close()
    raise FileExistsError(errno.EEXIST, f"{MOST_WRITERS} other runs are writing it")


def _is_still(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _rename_if_absent(source: Path, destination: Path) -> None:
    try:
        os.link(source, destination)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if destination.exists():
            raise FileExistsError(destination) from None
        os.replace(source, destination)
    else:
        source.unlink()
