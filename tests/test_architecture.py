"""Imports go down the list of rooms and never in a circle; a room uses only its packages."""

import ast
from pathlib import Path

import pytest

import upsample_cli

ROOT = Path(upsample_cli.__file__).parent

ROOMS = (
    "errors",
    "text",
    "sampling",
    "machine_code",
    "kernels",
    "resources",
    "passes",
    "functional",
    "files",
    "operations",
    "verify",
    "demos",
    "batch",
    "__init__",
    "cli",
    "__main__",
)
"""From the ground up: what stands in a room imports from itself and from what is before it."""

THIRD_PARTY = {
    "errors": set(),
    "text": set(),
    "sampling": {"numpy"},
    "machine_code": {"numpy", "numba", "llvmlite", "platformdirs"},
    "kernels": {"numpy"},
    "resources": {"numpy", "psutil"},
    "passes": {"numpy"},
    "functional": {"numpy"},
    "files": {"numpy", "nibabel", "PIL", "isal"},
    "operations": {"numpy", "isal"},
    "verify": {"numpy"},
    "demos": {"numpy", "PIL"},
    "batch": {"numpy", "distributed"},
    "__init__": set(),
    "cli": {"typer", "tqdm"},
    "__main__": set(),
}
"""Room → all that it imports beside the standard library and this package."""

KNOWN_PACKAGES = set.union(*THIRD_PARTY.values()) | {"torch", "dask"}

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


def imported_rooms(path: Path) -> set[str]:
    own = [name for name in imported_names(path) if name.split(".")[0] == "upsample_cli"]
    rooms = {name.removeprefix("upsample_cli").strip(".").split(".")[0] for name in own}
    return {room if room in ROOMS else "__init__" for room in rooms}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_from_its_room_and_those_below(path):
    highest = ROOMS.index(room_of(path))
    assert imported_rooms(path) <= set(ROOMS[: highest + 1])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_uses_only_its_packages(path):
    used = {name.split(".")[0] for name in imported_names(path)} & KNOWN_PACKAGES
    assert used <= THIRD_PARTY[room_of(path)]


def test_every_room_has_its_place():
    assert {room_of(path) for path in MODULES} == set(ROOMS) == set(THIRD_PARTY)
