"""From LLVM code to object files, and from object files to addresses in this process."""

import ctypes
from functools import cache
from typing import Any

import llvmlite.binding as llvm

ENTRY = "kernel"
"""The symbol that every object file exports."""

STAND_INS = {
    # An array that is passed to a kernel has no owner: the pointer is always null, and to free
    # null does nothing.
    "NRT_incref": ctypes.pythonapi.PyMem_RawFree,
    "NRT_decref": ctypes.pythonapi.PyMem_RawFree,
    # Called by no kernel that neither allocates nor raises.
    "NRT_MemInfo_call_dtor": ctypes.pythonapi.Py_FatalError,
    "numba_gil_ensure": ctypes.pythonapi.Py_FatalError,
    "numba_gil_release": ctypes.pythonapi.Py_FatalError,
}
"""The functions of Numba's runtime that object files name, and what they get instead."""

_linked: list[Any] = []


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
        If it is no object file, or needs a symbol that there is not.
    """
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for symbol, stand_in in STAND_INS.items():
        builder.import_symbol(symbol, ctypes.cast(stand_in, ctypes.c_void_p).value or 0)
    _linked.append(None)  # a name cannot be used again, even after a failure
    library = builder.export_symbol(ENTRY).link(_jit(), f"{ENTRY}-{len(_linked)}")
    _linked[-1] = library  # which is unloaded when nothing holds it
    return int(library[ENTRY])


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


def is_ready() -> bool:
    """Whether the linker has been loaded, by the first kernel."""
    return _jit.cache_info().currsize > 0


@cache
def _jit() -> Any:
    return llvm.create_lljit_compiler(_machine())
