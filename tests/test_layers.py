"""Imports go one way: each room (a folder or a file of `graphssl/`) imports only the rooms before it in the list."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
ROOMS = [
    "errors", "schedule", "console", "ports", "world", "files", "code", "component", "testing", "graph", "data", "track", "checks",
    "program", "report", "train", "evaluation", "runs", "api", "cli", "__main__",
]  # fmt: skip
INNER = ["graph.spec", "graph.language", "graph", "checks.weights", "checks"]  # rooms within a room, in their order
COMPONENT_MAY_IMPORT = {"component", "ports", "schedule", "errors"}


def modules() -> dict[str, Path]:
    package = ROOT / "graphssl"
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts)] = path
    return found


def imports(path: Path, package: list[str]) -> set[str]:
    """The graphssl modules that a file imports at module level, dotted, without the package's name."""
    names = imported_names(ast.parse(path.read_text()).body, package)
    return {n.removeprefix("graphssl.") for n in names if n.startswith("graphssl.")}


def imported_names(nodes: Iterable[ast.AST], package: list[str]) -> set[str]:
    """The names that import statements among the nodes load, dotted."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = f"{base}.{node.module}" if base and node.module else base or node.module or ""
            names |= {f"{module}.{a.name}" for a in node.names}
    return names


def room(module: str) -> int:
    """The place of the room that a module is, or stands in."""
    name = module.split(".")[0]
    return ROOMS.index(name) if name in ROOMS else -1


def test_every_room_has_a_place() -> None:
    there = {name.split(".")[0] for name in modules()} - {"__init__"}
    assert there == set(ROOMS)


@pytest.mark.parametrize("name", [n for n in modules() if n != "__init__"])
def test_imports_only_from_rooms_before(name: str) -> None:
    package = ["graphssl", *name.split(".")[:-1]]
    for target in imports(modules()[name], package):
        if room(target) >= 0 and room(target) != room(name):
            assert room(target) < room(name), f"{name} imports {target}, whose room comes after it"


def inner(module: str) -> int:
    """The place of the inner room that a module stands in; -1 for one of another room."""
    return next((i for i, name in enumerate(INNER) if f"{module}.".startswith(f"{name}.")), -1)


@pytest.mark.parametrize("name", [n for n in modules() if inner(n) >= 0])
def test_rooms_within_a_room_keep_their_order(name: str) -> None:
    for target in imports(modules()[name], ["graphssl", *name.split(".")[:-1]]):
        assert inner(target) <= inner(name), f"{name} imports {target}, whose room comes after it"


def test_an_upward_import_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "errors.py"
    path.write_text("from .graph.graph import Graph\nfrom graphssl.cli import main\nimport graphssl.api\n")
    found = imports(path, ["graphssl"])
    assert found == {"graph.graph.Graph", "cli.main", "api"}
    assert all(room(f) > room("errors") for f in found)


def imported(files: dict[str, Path]) -> nx.DiGraph[str]:
    """Which file imports which when it is loaded: the one of that name, or the one that holds the name."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(files)
    for name, path in files.items():
        for target in imports(path, ["graphssl", *name.split(".")[:-1]]):
            holder = target.rpartition(".")[0]
            found = [f for f in (target, f"{target}.__init__", holder, f"{holder}.__init__") if f in files]
            graph.add_edges_from((name, f) for f in found[:1])
    return graph


def rings(graph: nx.DiGraph[str]) -> list[set[str]]:
    return [ring for ring in nx.strongly_connected_components(graph) if len(ring) > 1]


def test_no_modules_import_each_other() -> None:
    graph = imported(modules())
    assert graph.number_of_edges() > 300
    assert graph.has_edge("checks.rules.training", "checks.rules.facts")
    assert graph.has_edge("graph.views", "ports.__init__")
    assert rings(graph) == []


@pytest.mark.parametrize(
    "texts",
    [
        {"a": "from .b import x", "b": "import graphssl.a"},
        {"a": "from .p import x", "p.__init__": "from .c import x", "p.c": "from ..a import x"},
        {"p.__init__": "from .c import x", "p.c": "from . import x"},
        {"a": "from . import b", "b": "from graphssl import c", "c": "from .a import x"},
    ],
    ids=["two", "through a package", "a package and its part", "three"],
)
def test_a_ring_of_imports_is_noticed(tmp_path: Path, texts: dict[str, str]) -> None:
    files = {name: tmp_path / f"{name}.py" for name in texts}
    for name, path in files.items():
        path.write_text(texts[name] + "\n")
    assert rings(imported(files)) == [set(texts)]
    last = list(files)[-1]
    files[last].write_text("def later() -> None:\n    " + texts[last] + "\n")  # not when it is loaded
    assert rings(imported(files)) == []


def component_files() -> list[Path]:
    return sorted((ROOT / "components").rglob("*.py"))


@pytest.mark.parametrize("path", component_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_components_import_the_framework_sparingly(path: Path) -> None:
    package = ["graphssl", "components", *path.relative_to(ROOT / "components").parts[:-1]]
    for target in imports(path, package):
        if target == "components" or target.startswith("components."):
            continue
        assert target.split(".")[0] in COMPONENT_MAY_IMPORT, f"{path.name} imports graphssl.{target}"


@pytest.mark.parametrize("name", modules())
def test_the_framework_never_imports_components(name: str) -> None:
    nodes = ast.walk(ast.parse(modules()[name].read_text()))
    for target in imported_names(nodes, ["graphssl", *name.split(".")[:-1]]):
        assert target.split(".")[0] != "components"
        assert target.split(".")[:2] != ["graphssl", "components"]


BETWEEN_PROCESSES = {"world", "train.distributed"}


@pytest.mark.parametrize("name", modules())
def test_what_goes_between_processes_stands_in_two_files(name: str) -> None:
    nodes = ast.walk(ast.parse(modules()[name].read_text()))
    found = {n for n in imported_names(nodes, ["graphssl"]) if n.startswith(("torch.distributed", "torch.nn.parallel"))}
    assert not found or name in BETWEEN_PROCESSES
