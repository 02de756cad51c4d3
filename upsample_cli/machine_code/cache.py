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
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import platformdirs

FOLDER_VARIABLE = "UPSAMPLE_CLI_CACHE"
"""The environment variable that names another folder than the user's cache folder."""

CHECKSUM_BYTES = hashlib.sha256().digest_size
TEMPORARY_SUFFIX = ".tmp"
ABANDONED_SECONDS = 3600
"""A temporary file of this age belongs to a process that was killed."""
WRITABLE_BY_ALL = 0o002

SOURCES = [Path(__file__).parents[1] / room for room in ("kernels", "machine_code")]
"""The folders of the modules that kernels are made of."""


def load(name: str, signature: Any) -> bytes | None:
    """Return the object file of a kernel, or None if it must be compiled."""
    path = _path(name, signature)
    if path is None:
        return None
    try:
        content = path.read_bytes() if _is_trusted(path) else b""
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
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path.parent)
        try:
            temporary.write_bytes(_checksum(name, signature, code) + code)
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


def can_be_written() -> bool:
    """Whether kernels can be kept in the folder, which is made if it is not there."""
    place = folder()
    if place is None:
        return False
    trial = place / f"{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError:
        return False
    return True


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


def _is_trusted(path: Path) -> bool:
    """Whether only this user, or the one who set up the machine, could have written a file."""
    if not hasattr(os, "getuid"):
        return True
    facts = [path.stat(), path.parent.stat()]
    return all(f.st_uid in (os.getuid(), 0) and not f.st_mode & WRITABLE_BY_ALL for f in facts)


def _remove_abandoned(place: Path) -> None:
    for left in place.glob(f"*{TEMPORARY_SUFFIX}"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                left.unlink()


@cache
def _environment() -> str:
    digest = hashlib.sha256()
    for part in _dependencies():
        digest.update(part + b"\0")
    return f"kernels-{digest.hexdigest()[:16]}"


def _dependencies() -> Iterator[bytes]:
    versions = _installed("numba"), _installed("upsample_cli"), llvmlite.__version__
    yield repr((sys.version_info, versions)).encode()
    yield llvm.get_process_triple().encode()
    yield llvm.get_host_cpu_name().encode()
    yield llvm.get_host_cpu_features().flatten().encode()
    yield repr(sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_"))).encode()
    for folder in SOURCES:
        for source in sorted(folder.glob("*.py")):
            yield source.read_bytes()


def _installed(package: str) -> list[str]:
    """Tell a package's version without importing it, or what reads versions, which is slow."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return []
    return sorted(path.name for path in Path(spec.origin).parents[1].glob(f"{package}-*"))
