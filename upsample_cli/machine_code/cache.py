"""Machine code on disk: what Numba compiled once, later processes load without Numba.

Each kernel and signature is one object file in the user's cache folder, behind a checksum. The
folder's name is a digest of everything that the code depends on. A folder that is not there or
cannot be read or written, and a file that is not what was saved for its kernel, are as if there
were none.
"""

import hashlib
import importlib.util
import os
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import platformdirs

from upsample_cli.machine_code import processor

FOLDER_VARIABLE = "UPSAMPLE_CLI_CACHE"
"""The environment variable that names another folder than the user's cache folder."""

CHECKSUM_BYTES = hashlib.sha256().digest_size
TEMPORARY_SUFFIX = ".tmp"
ABANDONED_SECONDS = 3600
"""A temporary file of this age belongs to a process that was killed."""
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
FOLDER_MODE, FILE_MODE = 0o755, 0o644
"""What the umask leaves of these: where it is 002, as for users with a group of their own, a file
would be the group's to write, and what others could write is not loaded."""

SOURCES = [Path(__file__).parents[1] / room for room in ("kernels", "machine_code")]
"""The folders of the modules that kernels are made of."""


def load(name: str, signature: Any) -> bytes | None:
    """Return the object file of a kernel, or None if it must be compiled."""
    path = _path(name, signature)
    if path is None:
        return None
    try:
        content = _read_trusted(path)
    except OSError:
        return None
    checksum, code = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
    return code if _checksum(name, signature, code) == checksum else None


def save(name: str, signature: Any, code: bytes) -> None:
    """Keep an object file for later processes, if the folder can be written."""
    path = _path(name, signature)
    if path is None:
        return
    temporary = path.with_name(f"{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    with suppress(OSError):
        _make_folder(path.parent)
        _remove_abandoned(path.parent)
        try:
            with open(temporary, "xb", opener=partial(os.open, mode=FILE_MODE)) as file:
                file.write(_checksum(name, signature, code) + code)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def folder() -> Path | None:
    """Return the folder of this machine, which may not exist yet, or None without a home."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    try:
        base = Path(chosen or platformdirs.user_cache_dir("upsample-cli", appauthor=False))
    except RuntimeError:
        return None
    return base / _environment()


def obstacle() -> str:
    """Return what keeps kernels from the folder, which is made if it is not there, or ""."""
    place = folder()
    if place is None:
        return "cannot be found"
    trial = place / f"{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    try:
        _make_folder(place)
        trial.touch()
        trial.unlink()
        is_trusted = _is_trusted(place.stat())
    except OSError:
        return "cannot be written"
    return "" if is_trusted else "can be written by others"


def kept() -> int:
    """Return how many kernels are in the folder."""
    place = folder()
    return 0 if place is None else sum(1 for _ in place.glob("*.o"))


def _path(name: str, signature: Any) -> Path | None:
    place = folder()
    types = hashlib.sha256(repr(signature).encode()).hexdigest()[:16]
    return None if place is None else place / f"{name}-{types}.o"


def _checksum(name: str, signature: Any, code: bytes) -> bytes:
    return hashlib.sha256(repr((name, signature)).encode() + code).digest()


def _make_folder(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir(mode=FOLDER_MODE, exist_ok=True)


def _read_trusted(path: Path) -> bytes:
    """Return what a file holds, or nothing if others could have written it.

    What has been opened is asked, not its name, which could stand for another file by then.
    """
    if not hasattr(os, "getuid"):
        return path.read_bytes()
    place = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not _is_trusted(os.fstat(place)):
            return b""
        with open(path.name, "rb", opener=partial(os.open, dir_fd=place)) as file:
            return file.read() if _is_trusted(os.fstat(file.fileno())) else b""
    finally:
        os.close(place)


def _is_trusted(facts: os.stat_result) -> bool:
    """Whether only this user, or the one who set up the machine, can write a file or folder."""
    if not hasattr(os, "getuid"):
        return True
    return facts.st_uid in (os.getuid(), 0) and not facts.st_mode & WRITABLE_BY_OTHERS


def _remove_abandoned(place: Path) -> None:
    for left in place.glob(f"*{TEMPORARY_SUFFIX}"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                left.unlink()


@cache
def _environment() -> str:
    processor.refuse_lower_host()
    digest = hashlib.sha256()
    for part in _dependencies():
        digest.update(part + b"\0")
    return f"kernels-{digest.hexdigest()[:16]}"


def _dependencies() -> Iterator[bytes]:
    versions = _installed("numba"), _installed("upsample_cli"), llvmlite.__version__
    yield repr((sys.version_info, versions)).encode()
    yield llvm.get_process_triple().encode()
    yield repr(processor.name_and_features()).encode()
    for folder in SOURCES:
        for source in sorted(folder.glob("*.py")):
            yield source.read_bytes()


def _installed(package: str) -> list[str]:
    """Tell a package's version without importing it, or what reads versions, which is slow."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return []
    return sorted(path.name for path in Path(spec.origin).parents[1].glob(f"{package}-*"))
