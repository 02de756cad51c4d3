"""Imports go down the list of rooms and never in a circle; a room uses only its packages.

``python tests/test_architecture.py`` counts rooms, modules, arrows and circles.
"""

import ast
import sys
from collections.abc import Iterator
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
    "operations": {"numpy"},
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


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_of(path): path for path in MODULES}


def all_nodes(node: ast.AST, *, at_run_time: bool) -> Iterator[ast.AST]:
    """Yield what is below a node; at run time, nothing is below ``if TYPE_CHECKING:``."""
    for below in ast.iter_child_nodes(node):
        is_for_types = isinstance(below, ast.If) and ast.unparse(below.test) == "TYPE_CHECKING"
        if at_run_time and is_for_types:
            assert not below.orelse
            continue
        yield below
        yield from all_nodes(below, at_run_time=at_run_time)


def imported_names(path: Path, *, at_run_time: bool = False) -> set[str]:
    """Return the modules that a module imports anywhere in it, its functions included."""
    names = set()
    for node in all_nodes(ast.parse(path.read_text("utf-8")), at_run_time=at_run_time):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in NAMES else str(node.module) for name in below}
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


def arrows() -> dict[str, set[str]]:
    """Return the modules that each module imports at run time.

    A package's ``__init__`` comes before each of its modules whoever wants them, which is no arrow;
    nor is an operation's module, which `operations.work` takes by its name in a row of commands.
    """
    found = {}
    for name, path in NAMES.items():
        own = imported_names(path, at_run_time=True) & set(NAMES)
        found[name] = own - {name}
    return found


def circles(graph: dict[str, set[str]]) -> list[tuple[str, ...]]:
    """Return the groups of modules of which each comes to all others, and so to itself."""
    reached = {name: set(others) for name, others in graph.items()}
    for through in graph:
        for others in reached.values():
            if through in others:
                others |= reached[through]
    ends = {name: {other for other in reached[name] if name in reached[other]} for name in graph}
    return sorted({tuple(sorted(group)) for group in ends.values() if group})


def test_no_module_imports_itself_by_way_of_others():
    assert circles(arrows()) == []


def test_what_is_imported_of_the_package_is_a_module_of_it():
    for path in MODULES:
        own = {name for name in imported_names(path) if name.split(".")[0] == ROOT.name}
        assert own <= set(NAMES), path


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    two = {"a": {"b"}, "b": {"c"}, "c": {"d", "a"}, "d": {"e"}, "e": {"f"}, "f": {"e"}}
    assert circles(two) == [("a", "b", "c"), ("e", "f")]


def test_an_import_is_found_wherever_it_stands(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "if TYPE_CHECKING:\n    import upsample_cli.cli.app\n"
        "def late():\n    from upsample_cli.sampling import axis, modes\n"
        "    from upsample_cli.errors import FileError\n"
    )
    late = {"upsample_cli.sampling.axis", "upsample_cli.sampling.modes", "upsample_cli.errors"}
    assert imported_names(path, at_run_time=True) == late
    assert imported_names(path) == late | {"upsample_cli.cli.app"}


def summary() -> str:
    """Count rooms, modules, and the arrows between either, and tell which are in circles."""
    graph = arrows()
    between = {
        (room_of(NAMES[name]), room_of(NAMES[other]))
        for name, others in graph.items()
        for other in others
    }
    between = {(room, other) for room, other in between if room != other}
    found = circles(graph)
    lines = [
        f"{len(ROOMS)} rooms, {len(between)} arrows between them",
        f"{len(graph)} modules, {sum(map(len, graph.values()))} arrows between them",
        f"{len(found)} circles",
        *(f"  {', '.join(group)}" for group in found),
    ]
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(summary())
