"""What tells that a file is still the same one: its size and its time of change, or its bytes."""

import hashlib
import os
from typing import NamedTuple

from upsample_cli.errors import FileError
from upsample_cli.files import files_of


class Stamp(NamedTuple):
    """A file's size in bytes, and when its contents changed, in nanoseconds."""

    bytes: int
    changed: int


def stamp_of(path: str) -> Stamp | None:
    """Return the stamp of a file, or None if there is none."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return Stamp(facts.st_size, facts.st_mtime_ns)


def stamps_of(path: str) -> tuple[Stamp, ...]:
    """Return the stamps of an input's files; none if one of them is not there."""
    stamps = [stamp_of(name) for name in files_of(path)]
    return () if None in stamps else tuple(stamp for stamp in stamps if stamp)


def checksum_of(path: str) -> str:
    """Return the SHA-256 of the bytes of an input's files.

    Raises
    ------
    FileError
        If one cannot be read.
    """
    digest = hashlib.sha256()
    for name in files_of(path):
        try:
            with open(name, "rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
        except OSError as error:
            raise FileError(name, f"cannot be read ({error.strerror})") from error
    return digest.hexdigest()
