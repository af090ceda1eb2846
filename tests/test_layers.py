"""Imports go one way: each module imports only what stands above it (the list below, top to bottom)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = [
    "errors", "ports", "schedule", "component", "testing", "yaml", "source", "allowed", "validation", "spec", "sections", "expr",
    "plugins", "nodes", "values", "views", "wiring", "graph", "fit", "shapes", "features", "checks", "emission", "compiler",
    "runs", "data", "train.optim", "evaluate", "track", "report", "train", "checked", "export", "results", "session", "api", "grid",
    "describe", "catalogue", "schema", "starter", "cli", "__main__",
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


def test_no_two_modules_import_each_other() -> None:
    graph = {n: {layer(t) for t in imports(p, ["graphssl", *n.split(".")[:-1]])} for n, p in modules().items()}
    assert len(graph) > 20


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
