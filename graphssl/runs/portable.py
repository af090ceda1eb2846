"""A resolved graph as a run's folder keeps it: readable from any folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..checks.checked import Checked
from ..component import Code
from ..graph.graph import Graph

__all__ = ["component_files", "portable"]


def portable(checked: Checked) -> dict[str, Any]:
    """The resolved graph with the user's files of Python by their full path, readable from any folder."""
    data = checked.graph.resolved()
    for name, node in checked.graph.nodes.items():
        data["nodes"][name].update({k: v.portable().text for k, v in node.config if isinstance(v, Code)})
    return {**data, "components": [str(entry) for entry in _components(checked.graph)]}


def component_files(graph: Graph) -> list[Path]:
    """The files of `components:`, by their full path."""
    return [entry for entry in _components(graph) if isinstance(entry, Path)]


def _components(graph: Graph) -> list[Path | str]:
    """What `components:` names: files by their full path, packages as they are."""
    folders = [Path(graph.source.at(("components", i)).file).parent for i in range(len(graph.spec.components))]
    entries = zip(folders, graph.spec.components, strict=True)
    return [(folder / entry).resolve() if entry.endswith(".py") else entry for folder, entry in entries]
