"""A graph by its own name, or by a run that was trained with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..graph.graph import Graph
from ..graph.language.given import is_text
from ..graph.language.packaged import packaged_file
from ..graph.read import load
from .folder import RUNS, RunFolder

__all__ = ["graph_of"]


def graph_of(name: str | Mapping[str, Any], sets: Sequence[str] = ()) -> Graph:
    """A run's graph where there is a run of that name, or in that folder, and no graph; else the graph."""
    if isinstance(name, Mapping) or is_text(name):
        return load(name, list(sets))
    folder = next((path for path in (RUNS / name, Path(name)) if (path / "graph.yaml").is_file()), None)
    if folder is None or Path(name).is_file() or packaged_file(name).is_file():
        return load(name, list(sets))
    return load(RunFolder(folder).graph, list(sets))
