"""The processor that kernels are made for: this machine's, or one that the user names."""

import os
import sys
from functools import cache

import llvmlite.binding as llvm

from upsample_cli.errors import RequestError

VARIABLE = "UPSAMPLE_CLI_CPU"
"""The environment variable that names another processor than this machine's, in LLVM's words."""

LEVELS = {
    "x86-64": (),
    "x86-64-v2": ("popcnt", "sse4.2"),
    "x86-64-v3": ("avx2", "bmi2", "f16c", "fma", "lzcnt", "movbe"),
    "x86-64-v4": ("avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"),
}
"""Each level of x86-64, from the lowest, and what it has beyond the one before."""

_PROBE = """
import sys
import llvmlite.binding as llvm
llvm.initialize_native_target()
llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(cpu=sys.argv[1])
"""


def named() -> str:
    """Return the name of the processor that the user chose, or "" for this machine's."""
    return os.environ.get(VARIABLE, "")


def name_and_features() -> tuple[str, str]:
    """Return what LLVM takes for the processor: its name, and what it has beyond the name's."""
    if named():
        return named(), ""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def has_long_registers() -> bool:
    """Whether vectors of 512 bits have registers; no, where a name alone does not tell."""
    return named() == "x86-64-v4" or (not named() and _host_features().get("avx512f", False))


def refuse_lower_host() -> None:
    """Refuse a level that this machine does not reach, whose code would end the process.

    Raises
    ------
    RequestError
        If a level of x86-64 has been chosen that needs more than this machine has.
    """
    if named() not in LEVELS:
        return
    levels = list(LEVELS)
    needed = {part for level in levels[: levels.index(named()) + 1] for part in LEVELS[level]}
    missing = sorted(part for part in needed if not _host_features().get(part, False))
    if missing:
        problem = f"this machine's processor has no {', '.join(missing)}"
        raise RequestError(f"{VARIABLE}={named()}", problem, "name a lower one, such as x86-64-v2")


def refuse_unknown() -> None:
    """Refuse a name that LLVM does not know, for which it would take any processor.

    LLVM says so on the standard error stream alone, hence the process of its own.

    Raises
    ------
    RequestError
        If LLVM does not know the processor that the user chose.
    """
    if not named():
        return
    import subprocess  # slow, and seldom needed

    command = [sys.executable, "-c", _PROBE, named()]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    if "not a recognized processor" in said:
        remedy = "name one such as x86-64-v3, or leave it unset for this machine's"
        raise RequestError(f"{VARIABLE}={named()}", "LLVM knows no such processor", remedy)


@cache
def _host_features() -> dict[str, bool]:
    return dict(llvm.get_host_cpu_features())
