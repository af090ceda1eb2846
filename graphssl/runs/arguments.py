"""What a caller in Python hands over: each argument is made what it should be, or a UsageError says which is none."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from ..errors import UsageError
from . import kinds
from .kinds import Take

if TYPE_CHECKING:
    import torch

    from ..checks.checked import Checked
    from ..graph.graph import Graph
    from .folder import RunFolder
    from .results import Result

    AnyGraph: TypeAlias = Checked | Graph | str | Path | Mapping[str, Any]
    AnyRun: TypeAlias = str | Path | Result | RunFolder
    Device: TypeAlias = str | torch.device | int
    Sets: TypeAlias = Sequence[str] | Mapping[str, Any]

__all__ = ["TAKES", "taking"]

P = ParamSpec("P")
R = TypeVar("R")
UNGUARDED = (
    "graphssl.{} is called again by a process that imports the script that has started it, as spawned ones do: put "
    'what the script does below `if __name__ == "__main__":`'
)


def taking(function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose arguments `TAKES` makes what they should be, by their names.

    None stands for what is there where nothing is said, if that is None.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        if _imports_main():
            raise UsageError(UNGUARDED.format(function.__name__))
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # which says it with its name
        for name, value in given.arguments.items():
            if value is not None or signature.parameters[name].default is not None:
                given.arguments[name] = TAKES[name](value, name)
        return function(*given.args, **given.kwargs)

    return called


def _imports_main() -> bool:
    """Whether this is a process that imports the script that has started it, as spawned ones do first."""
    here = sys.modules.get("multiprocessing.process")
    return here is not None and getattr(here.current_process(), "_inheriting", False)


TAKES: Mapping[str, Take] = {
    "graph": kinds.graph("the path of a graph file, the name of a packaged graph, a mapping, or YAML text"),
    "sets": kinds.sets,
    "run": kinds.run,
    "runs": kinds.runs,
    "resume": kinds.run,
    "name": kinds.text("the name of a new run"),
    "model": kinds.text("the name of a model in MLflow's registry"),
    "register": kinds.text("the name of a model in MLflow's registry"),
    "node": kinds.text("the name of a node, or of a value of the flow"),
    "to": kinds.text("the name of a format"),
    "form": kinds.form,
    "device": kinds.device,
    "output": kinds.path("the path of a file"),
    "source": kinds.graph("a folder, a list of files, shards, a saved dataset, or a graph"),
    "images": kinds.anything,
    "queries": kinds.anything,
    "paths": kinds.anything,
    "options": kinds.options,
    "protocol": kinds.texts("the name of an evaluation, or a list of some"),
    "other": kinds.graph("the path of a graph file, the name of a packaged graph or of a run, a mapping, or YAML text"),
    "parts": kinds.texts("a part of the graph, or a list of some"),
    "first": kinds.path("a graph file, or the name of a packaged graph"),
    "last": kinds.path("a graph file, or the name of a packaged graph"),
    "study": kinds.path("a graph, a study's file, or the name of a study"),
    "vary": kinds.axes,
    "where": kinds.texts("a condition, or a list of some"),
    "sort": kinds.text("a metric, or a column"),
    "sampler": kinds.text("grid, random or tpe"),
    "trials": kinds.count("the number of cells that are drawn"),
    "metric": kinds.text("the figure by which cells are compared"),
    "prune": kinds.text("median"),
    "jobs": kinds.jobs,
    "storage": kinds.text("a URL of a storage of Optuna's"),
    "join": kinds.flag,
    "slurm": kinds.path("the file of a template of Slurm's jobs"),
    "retry": kinds.flag,
    "reproduction": kinds.path("the name of a reproduction, or its file"),
    "seeds": kinds.seeds,
    "only": kinds.only,
    "data": kinds.path("a YAML file with `data:`, a folder or a list of pictures"),
    "k": kinds.count("the number of neighbours"),
    "batch": kinds.count("the number of pictures at a time"),
    "most": kinds.count("the number of pictures to look at"),
    "processes": kinds.count("the number of processes"),
    "port": kinds.count("the number of a port", 65535),
    "weights": kinds.flag,
    "without_data": kinds.flag,
    "skip": kinds.flag,
    "features": kinds.flag,
    "report": kinds.function,
    "warn": kinds.function,
    "progress": kinds.function,
}
