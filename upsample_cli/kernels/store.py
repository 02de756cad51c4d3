"""Machine code on disk: what Numba compiled once, later processes load without Numba.

Each kernel and signature is one object file in the user's cache folder, behind its checksum. The
folder's name is a digest of everything that the code depends on. A folder that cannot be read or
written, and a file that is not what was saved, are as if there were none.
"""

import ctypes
import hashlib
import importlib.util
import os
import sys
import tempfile
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

ENTRY = "kernel"
"""The symbol that every object file exports."""

STAND_INS = {
    # Kernels' arrays have no owner, and nothing is what a null pointer's memory takes to be freed.
    "NRT_incref": ctypes.pythonapi.PyMem_RawFree,
    "NRT_decref": ctypes.pythonapi.PyMem_RawFree,
    # Called by no kernel that neither allocates nor raises.
    "NRT_MemInfo_call_dtor": ctypes.pythonapi.Py_FatalError,
    "numba_gil_ensure": ctypes.pythonapi.Py_FatalError,
    "numba_gil_release": ctypes.pythonapi.Py_FatalError,
}
"""The functions of Numba's runtime that object files name, and what they get instead."""

CHECKSUM_BYTES = hashlib.sha256().digest_size

_linked: list[Any] = []


def load(name: str, signature: Any) -> bytes | None:
    """Return the object file of a kernel, or None if it must be compiled."""
    try:
        content = _path(name, signature).read_bytes()
    except OSError:
        return None
    checksum, code = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
    return code if hashlib.sha256(code).digest() == checksum else None


def save(name: str, signature: Any, code: bytes) -> None:
    """Keep an object file for later processes, if the folder can be written."""
    path = _path(name, signature)
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


def object_of(llvm_ir: str, function_name: str) -> bytes:
    """Turn optimised LLVM code into an object file for this CPU, which exports the function."""
    module = llvm.parse_assembly(llvm_ir)
    module.get_function(function_name).name = ENTRY
    return bytes(_machine().emit_object(module))


def link(code: bytes) -> int:
    """Load an object file into this process and return the address of its function.

    Raises
    ------
    RuntimeError
        If it needs a symbol that there is not.
    """
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for symbol, stand_in in STAND_INS.items():
        builder.import_symbol(symbol, ctypes.cast(stand_in, ctypes.c_void_p).value or 0)
    library = builder.export_symbol(ENTRY).link(_jit(), f"{ENTRY}-{len(_linked)}")
    _linked.append(library)
    return int(library[ENTRY])


def folder() -> Path:
    """Return the folder of this machine's object files, which may not exist yet."""
    chosen = os.environ.get(FOLDER_VARIABLE) or platformdirs.user_cache_dir("upsample-cli", False)
    return Path(chosen) / _environment()


def can_be_written() -> bool:
    """Whether kernels can be kept in the folder, which is made if it is not there."""
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder()):
            return True
    except OSError:
        return False


def kept() -> int:
    """Return how many kernels are in the folder."""
    return sum(1 for _ in folder().glob("*.o"))


def _path(name: str, signature: Any) -> Path:
    types = hashlib.sha256(repr(signature).encode()).hexdigest()[:16]
    return folder() / f"{name}-{types}.o"


@cache
def _environment() -> str:
    digest = hashlib.sha256()
    for part in _dependencies():
        digest.update(part + b"\0")
    return f"kernels-{digest.hexdigest()[:16]}"


def _dependencies() -> Iterator[bytes]:
    yield repr((sys.version_info, llvmlite.__version__, _version_of_numba())).encode()
    yield llvm.get_process_triple().encode()
    yield llvm.get_host_cpu_name().encode()
    yield llvm.get_host_cpu_features().flatten().encode()
    yield repr(sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_"))).encode()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        yield source.read_bytes()


def _version_of_numba() -> tuple[list[str], int]:
    """Tell Numba's version without importing it, nor what reads versions, which takes longer."""
    spec = importlib.util.find_spec("numba")
    if spec is None or spec.origin is None:
        return [], 0
    package = Path(spec.origin)
    installed = sorted(path.name for path in package.parents[1].glob("numba-*"))
    return installed, package.stat().st_mtime_ns


@cache
def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="jitdefault",
    )


@cache
def _jit() -> Any:
    return llvm.create_lljit_compiler(_machine())
