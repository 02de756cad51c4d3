"""Imports go one way: cli → batch → pipeline, inverse → job → passes, files → codecs → kernels."""

import ast
from pathlib import Path

import pytest

import upsample_cli

ROOT = Path(upsample_cli.__file__).parent

ALLOWED = {
    "errors": set(),
    "threads": set(),
    "sampling": {"sampling"},
    "kernels": {"kernels"},
    "request": {"errors", "files", "output", "sampling"},
    "resources": {"cgroup", "errors", "text"},
    "cgroup": set(),
    "text": set(),
    "passes": {"kernels", "passes", "sampling", "threads"},
    "functional": {"functional", "passes", "sampling", "threads"},
    "codecs": {"codecs", "kernels", "threads"},
    "files": {"codecs", "errors", "files", "sampling"},
    "output": {"errors", "files", "resources"},
    "memory": {
        *{"advice", "errors", "files", "job", "kernels", "output", "passes", "request"},
        *{"resources", "sampling", "threads"},
    },
    "advice": {"files", "job", "sampling"},
    "mapped": {"errors", "files", "passes", "resources", "sampling"},
    "job": {
        "request",
        *{"advice", "errors", "files", "mapped", "memory", "output", "passes", "resources"},
        "sampling",
    },
    "pipeline": {
        "request",
        "advice",
        "errors",
        "files",
        "job",
        "memory",
        "output",
        "passes",
        "record",
    },
    "inverse": {
        *{
            "request",
            "advice",
            "errors",
            "files",
            "inverse",
            "memory",
            "output",
            "passes",
            "resources",
        },
        "sampling",
    },
    "record": {"errors", "files", "job", "sampling"},
    "restore": {
        "request",
        "errors",
        "files",
        "job",
        "pipeline",
        "output",
        "passes",
        "record",
        "sampling",
    },
    "report": {"errors", "inverse", "job", "mapped", "memory", "passes", "sampling", "text"},
    "verify": {"errors", "files", "report", "resources", "sampling", "text", "verify"},
    "demos": {"demos", "errors", "files", "functional", "sampling"},
    "batch": {
        *{"batch", "errors", "files", "inverse", "job", "output", "pipeline", "record"},
        *{"request", "resources", "sampling", "text", "threads"},
    },
    "cli": {
        *{
            "",
            "batch",
            "request",
            "cli",
            "demos",
            "errors",
            "files",
            "inverse",
            "job",
            "kernels",
            "output",
        },
        *{"pipeline", "report", "restore", "sampling", "text", "threads", "verify", "warmup"},
    },
    "warmup": {"codecs", "functional", "kernels", "passes", "sampling"},
    "__main__": {"cli"},
    "__init__": {"", "functional"},
}
"""Room → the rooms that it may import from; "" is the package itself."""

THIRD_PARTY = {
    "sampling": {"numpy"},
    "kernels": {"numpy", "numba", "llvmlite", "platformdirs"},
    "codecs": {"numpy", "isal"},
    "files": {"numpy", "nibabel", "PIL", "isal"},
    "demos": {"numpy", "PIL"},
    "errors": set(),
    "cli": {"typer", "tqdm"},
    "batch": {"numpy", "distributed"},
}
"""Rooms that may import from these packages alone, beside the standard library."""

MODULES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_names(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            is_package = (ROOT.parent / module.replace(".", "/")).is_dir()
            names |= {f"{module}.{alias.name}" if is_package else module for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_room_may(path):
    own = [name for name in imported_names(path) if name.split(".")[0] == "upsample_cli"]
    rooms = {name.removeprefix("upsample_cli").strip(".").split(".")[0] for name in own}
    rooms = {"" if room == "__version__" else room for room in rooms}
    assert rooms <= ALLOWED[room_of(path)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_uses_only_its_packages(path):
    known = {"numpy", "numba", "nibabel", "PIL", "isal", "typer", "tqdm", "psutil", "torch"}
    known |= {"llvmlite", "platformdirs", "distributed", "dask"}
    used = {name.split(".")[0] for name in imported_names(path)} & known
    assert used <= THIRD_PARTY.get(room_of(path), {"numpy", "psutil"})


def test_every_room_has_a_rule():
    assert {room_of(path) for path in MODULES} == set(ALLOWED)
