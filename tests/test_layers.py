"""Imports go one way: each module imports only what stands above it (the list below, top to bottom)."""

from __future__ import annotations

import ast
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
LAYERS = [
    "errors", "cache", "pairs", "ports", "schedule", "component", "recompute", "testing", "yaml", "source", "allowed",
    "choices", "validation", "spec", "sections", "expr", "plugins", "nodes", "values", "views", "wiring", "graph", "fit",
    "counting", "shapes", "features", "checks", "together", "emission", "compiler", "cost", "runs", "data", "train.optim",
    "evaluate", "track", "report", "train", "checked", "batch_size", "export", "results", "session", "api", "combinations", "describe", "catalogue",
    "schema", "starter", "cli", "__main__",
]  # fmt: skip
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
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = f"{base}.{node.module}" if base and node.module else base or node.module or ""
            names |= {f"{module}.{a.name}" for a in node.names}
    return {n.removeprefix("graphssl.") for n in names if n.startswith("graphssl.")}


def layer(module: str) -> int:
    """The place of a module in the list; a submodule stands where its package does, if it has no place of its own."""
    while module:
        if module in LAYERS:
            return LAYERS.index(module)
        module = module.rpartition(".")[0]
    return -1


@pytest.mark.parametrize("name", [n for n in modules() if n != "__init__"])
def test_imports_only_from_above(name: str) -> None:
    path = modules()[name]
    package = ["graphssl", *name.split(".")[:-1]]
    own = name.removesuffix(".__init__")
    assert layer(own) >= 0, f"{own} has no place in the layers"
    top = own.split(".")[0]
    for target in imports(path, package):
        if layer(target) < 0 or target.split(".")[0] == top:
            continue
        assert layer(target) < layer(own), f"{own} imports {target}, which stands below it"


def test_an_upward_import_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "errors.py"
    path.write_text("from .graph import Graph\nfrom graphssl.cli import main\nimport graphssl.api\n")
    found = imports(path, ["graphssl"])
    assert found == {"graph.Graph", "cli.main", "api"}
    assert all(layer(f) > layer("errors") for f in found)


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
    assert graph.has_edge("checks.training", "checks.facts")
    assert graph.has_edge("checked", "checks.__init__")
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


@pytest.mark.parametrize("path", [p for n, p in modules().items()], ids=str)
def test_the_framework_never_imports_components(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith(("components", "graphssl.components")), path
        if isinstance(node, ast.Import):
            assert not any(a.name.startswith("graphssl.components") for a in node.names), path
