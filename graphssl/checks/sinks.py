"""Whether what a run's metrics are to go to is installed here."""

from __future__ import annotations

import importlib.util

from ..errors import Problems
from ..graph.graph import Graph
from ..graph.spec.track import NEEDS

__all__ = ["note_missing_sinks"]


def note_missing_sinks(graph: Graph, found: Problems) -> None:
    """Notes each package that a sink of the graph needs and that is not here."""
    for i, name in enumerate(graph.spec.track):
        package, extra = NEEDS.get(name, (None, None))
        if package is not None and importlib.util.find_spec(package) is None:
            hint = f"pip install 'graphssl[{extra}]'"
            found.add(f"track: {name} needs the package {package}", graph.source.at(("track", i)), hint, kind="missing")
