"""What each part of a graph is worth: every part taken out, or exchanged, once; beside the graph as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import GraphError, UsageError, suggest
from ...graph.edits import Edit, edits_of
from ...graph.graph import Graph
from ...graph.read import load
from .cells import SEED
from .listed import AS_IS, Listed, listed_plan
from .plan import Plan

__all__ = ["AS_IS", "ablation_of"]


def ablation_of(
    graph: str, said: Mapping[str, Any], only: Sequence[str] = (), progress: Callable[[int], None] | None = None
) -> Plan:  # fmt: skip
    """The study of all single edits of a graph that hold. said: as of a study, by the keys of its file.

    only: parts, whose edits alone are made. Raises GraphError for a graph that is wrong as it is.
    """
    sets = said.get("set", ())
    base = load(graph, [*sets, SEED])
    edits = _chosen(base, only)
    listed = [Listed(AS_IS, base), *(_listed(graph, sets, edit) for edit in edits)]
    exchanges = {edit.name for edit in edits if edit.kind == "exchange"}
    return listed_plan(graph, listed, said, "ablation", exchanges, made=f"ablate {graph}", progress=progress)


def _listed(graph: str, sets: Sequence[str], edit: Edit) -> Listed:
    try:
        return Listed(edit.name, load(graph, [*sets, *edit.sets, SEED]))
    except GraphError as error:
        return Listed(edit.name, error)


def _chosen(graph: Graph, only: Sequence[str]) -> list[Edit]:
    """Of all, or of some parts: a node, `stopgrad`, `augment.flip`. Raises UsageError for a part that is none."""
    edits = edits_of(graph)
    parts = dict.fromkeys(edit.part for edit in edits)
    for name in only:
        if not any(_is_in(part, name) for part in parts):
            raise UsageError(f"nothing of the graph can be left out as '{name}': {suggest(name, parts, 'parts are')}")
    return [edit for edit in edits if not only or any(_is_in(edit.part, name) for name in only)]


def _is_in(part: str, name: str) -> bool:
    return part == name or part.startswith(f"{name}.")
