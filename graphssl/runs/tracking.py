"""What a run is known as in MLflow: its name, the graph as parameters, and where it comes from as tags."""

from __future__ import annotations

from collections.abc import Callable

from ..checks.checked import Checked
from ..evaluation.registry import REGISTRY
from ..track import LESS_IS_BETTER, MORE_IS_BETTER, Tracker
from ..world import current
from .folder import RunFolder

__all__ = ["open_tracker"]


def open_tracker(checked: Checked, folder: RunFolder, warn: Callable[[str], None]) -> Tracker:
    """Begins to track a run, or goes on with it. warn: told when the store fails."""
    graph = checked.graph
    files = [str(f) for f in graph.source.files]
    better = {name: REGISTRY[name].more_is_better for name in graph.spec.evaluate.asked}
    tags = {
        "graphssl.graph": graph.name,
        "graphssl.graph_file": files[-1],
        "graphssl.graph_hash": graph.hash(),
        "graphssl.parent": files[-2] if len(files) > 1 else "",
        "graphssl.folder": str(folder.path),
        "graphssl.processes": str(current().size),
        MORE_IS_BETTER: ",".join(name for name, more in better.items() if more),
        LESS_IS_BETTER: ",".join(name for name, more in better.items() if not more),
    }
    return Tracker(
        folder.name, params=graph.resolved(), tags=tags, spool=folder.spool,
        resume=folder.facts().get("mlflow"), warn=warn,
    )  # fmt: skip
