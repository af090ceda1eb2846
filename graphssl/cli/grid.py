"""The free grid of critic, negative source and objective: every cell as a graph, and why some are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..api import check
from ..checks.checked import Checked
from ..component import Component, discover
from ..errors import GraphError, Problem
from ..graph.language.source import Source
from ..graph.read import read
from .grid_table import grid_table

__all__ = ["checked_column", "critics", "grid_text", "negatives", "objectives", "refusals"]

NOTHING = "none"
# What ports of these names are given, wherever they stand.
WIRES = {"query": "q", "key": "k", "index": "batch.index", "label": "batch.label", "scores": "s"}
# So that a cell costs little: what says how much there is of something.
SMALL = {"size": 64, "sample": 16, "hidden": 16, "out": 8, "units": 16}


def critics() -> list[str]:
    """The components that score a query with a key."""
    return _named("critic", lambda c: {"query", "key"} <= _ports(c) and _gives(c, "scores"))


def negatives() -> list[str]:
    """The sources of negatives that a graph can give what they take, and none."""
    return [NOTHING, *_named("negatives", lambda c: _gives(c, "negatives") and _ports(c) <= set(WIRES))]


def objectives() -> list[str]:
    """The objectives on scores."""
    return _named("objective", lambda c: _needed(c) == {"scores"} and _gives(c, "tensor"))


def _named(kind: str, fits: Callable[[Component], bool]) -> list[str]:
    return [c.name for c in discover().values() if c.name.startswith(f"{kind}.") and fits(c)]


def grid_text() -> str:
    """The grid as a table, a row for each critic and source and a column for each objective, then the reasons."""
    rows = [((critic, source), refusals(critic, source)) for critic in critics() for source in negatives()]
    return grid_table(rows, objectives(), str)


def refusals(critic: str, source: str) -> dict[str, Problem]:
    """The objectives that this critic and source do not go with, and why not."""
    refused: dict[str, Problem] = {}
    while left := [o for o in objectives() if o not in refused]:
        try:
            checked_column(critic, source, left)
            break
        except GraphError as error:
            about = {problem.about: problem for problem in error.problems}
            found = {o: about[_short(o)] for o in left if _short(o) in about}
            # A problem that is about none of the objectives is one of the critic or the source, for all of them.
            refused |= found or dict.fromkeys(left, error.problems[0])
    return refused


def checked_column(critic: str, source: str, chosen: Sequence[str]) -> Checked:
    """One graph for a critic and a source, with a loss term for each of the objectives, by its short name.

    It has BYOL's asymmetry, so that objectives with and without negatives have a place in it.
    """
    return check(read(Source(_graph(critic, source, chosen), files=(Path("grid"),))))


def _short(objective: str) -> str:
    return objective.partition(".")[2]


def _graph(critic: str, source: str, chosen: Sequence[str]) -> dict[str, Any]:
    components = discover()
    node: dict[str, dict[str, Any]] = {
        "augment": {"use": "augment.simclr", "jitter": 0.0, "grey": 0.0, "blur": 0.0},
        "flatten": {"use": "context.flatten"},  # a cell is about what follows the encoder
        "encoder": {"use": "head.mlp", "hidden": 16, "out": 32},
        "predictor": {"use": "head.mlp", "hidden": 16, "out": 32},
        "target": {"use": "target.ema", "of": ["flatten", "encoder"]},
        "critic": _small(components[critic]),
        **{_short(o): _small(components[o]) for o in chosen},
    }
    update = {"target": "follow()"}
    for objective in chosen:
        update |= _updates(_short(objective), components[objective])
    scores = "critic(q, k)"
    if source != NOTHING:
        node["source"] = _small(components[source])
        update |= _updates("source", components[source])
        scores = f"critic(q, k, source({_arguments(components[source].forward.inputs)}))"
    return {
        "graph": "cell",
        "data": {"use": "digits", "batch": 8, "size": 8},
        "allow": ["G401"] if "batch.label" in scores else [],
        "nodes": node,
        "flow": {
            "x": "augment(batch.image)", "q": "predictor(encoder(flatten(x[0])))", "k": "target(x[1])", "s": scores,
        },
        "loss": {f"{_short(o)}_term": f"{_short(o)}(s)" for o in chosen},
        "update": update,
        "evaluate": {"knn": None},
    }  # fmt: skip


def _small(component: Component) -> dict[str, Any]:
    fields = component.config.model_fields
    return {"use": component.name, **{k: v for k, v in SMALL.items() if k in fields}}


def _updates(node: str, component: Component) -> Mapping[str, str]:
    calls = [f"{name}({_arguments(ports.inputs)})" for name, ports in component.updates.items()]
    return {node: calls[0]} if calls else {}


def _arguments(ports: Any) -> str:
    return ", ".join(WIRES[p.name] for p in ports if not p.optional)


def _needed(component: Component) -> set[str]:
    return {p.name for p in component.forward.inputs if not p.optional}


def _ports(component: Component) -> set[str]:
    return {p.name for p in component.forward.inputs}


def _gives(component: Component, kind: str) -> bool:
    return any(p.kind == kind for p in component.forward.outputs)
