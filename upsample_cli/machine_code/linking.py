"""From LLVM code to object files, and from object files to addresses in this process."""

import sys
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from upsample_cli.machine_code import processor

ENTRY = "kernel"
"""The symbol that every object file exports."""

_linked: list[Any] = []


class NotAKernelError(Exception):
    """A function that is no machine code by itself, without Numba's runtime and Python."""


def object_of(llvm_ir: str, function_name: str) -> bytes:
    """Turn optimised LLVM code into an object file for the processor, which exports the function.

    Raises
    ------
    NotAKernelError
        If the code calls anything but LLVM's own functions: it would allocate memory, or raise.
    """
    module = llvm.parse_assembly(llvm_ir)
    module.get_function(function_name).name = ENTRY
    _drop_unreachable(module)
    called = [part.name for part in module.functions if part.is_declaration]
    foreign = sorted(name for name in called if not name.startswith("llvm."))
    if foreign:
        raise NotAKernelError(f"it calls {', '.join(foreign)}")
    return bytes(_machine().emit_object(module))


def _drop_unreachable(module: Any) -> None:
    """Drop what no call of the entry reaches: Numba's answer to errors that cannot happen.

    The entry handles whatever status the kernel could return. Where nothing outside can call the
    kernel, LLVM sees that it returns no other than 0.
    """
    for part in (*module.functions, *module.global_variables):
        if not part.is_declaration and part.name != ENTRY:
            part.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_ipsccp_pass()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    options = llvm.create_pipeline_tuning_options()
    passes.run(module, llvm.create_pass_builder(_machine(), options))


def link(code: bytes) -> int:
    """Load an object file into this process and return the address of its function.

    Raises
    ------
    RuntimeError
        If it is no object file, or needs a symbol that there is not.
    """
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    _linked.append(None)  # a name cannot be used again, even after a failure
    library = builder.export_symbol(ENTRY).link(_jit(), f"{ENTRY}-{len(_linked)}")
    _linked[-1] = library  # which is unloaded when nothing holds it
    return int(library[ENTRY])


@cache
def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = processor.name_and_features()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=cpu,
        features=features,
        opt=3,
        reloc="pic",
        codemodel="jitdefault",
    )


def is_ready() -> bool:
    """Whether the linker has been loaded, by the first kernel."""
    return _jit.cache_info().currsize > 0


@cache
def _jit() -> Any:
    # LLVM's older linker ends the process where aarch64's code and constants land 4 GB apart.
    return llvm.create_lljit_compiler(_machine(), use_jit_link=sys.platform != "win32")
