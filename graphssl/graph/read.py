"""From a graph file to its graph: validated, wired, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import GraphError, Problem
from ..language.sections import read_sections
from ..language.source import Source
from ..language.source import load as load_source
from ..spec import GraphFile
from .calls import CallList
from .flow import read_flow
from .graph import Graph
from .loss import read_loss
from .nodes import name_problem, read_nodes
from .plugins import load_components
from .update import note_missing_updates, read_updates
from .wiring import Wiring


def read(source: Source) -> Graph:
    """Validates the file and wires the graph; raises GraphError with every problem found."""
    problems: list[Problem] = []
    sections = read_sections(source, problems)
    if sections is None:
        raise GraphError(problems)
    spec, before = sections.spec, len(problems)
    load_components(spec.components, source, problems)
    incomplete = len(problems) > before or "components" in sections.lacking
    nodes = read_nodes(spec.nodes, source, problems, broken=sections.nodes, incomplete=incomplete)
    if {"nodes", "flow"} & sections.lacking:  # every name would be unknown
        raise GraphError(problems)
    calls = CallList(problems)
    wiring = Wiring(nodes, calls, source, refused={name for name in spec.nodes if name_problem(name, "node")})
    read_flow(sections, source, wiring)
    terms = read_loss(spec, source, wiring)
    read_updates(spec, source, wiring)
    if "update" not in sections.lacking:
        note_missing_updates(source, wiring)
    _check_names(spec, source, wiring)
    if problems:
        raise GraphError(problems)
    values = {k: v for k, v in wiring.values.items() if v is not None}
    known = {k: n for k, n in nodes.items() if n is not None}
    return Graph(spec, source, known, values, tuple(calls), tuple(terms), wiring.batch, frozenset(wiring.used))


def _check_names(spec: GraphFile, source: Source, wiring: Wiring) -> None:
    """Notes nodes and values that are named and not there."""
    nodes, values = wiring.nodes, wiring.values
    for name in spec.train.nodes:
        if name not in nodes:
            at = source.at(("train", "nodes", name), key=True)
            wiring.unknown("node", name, at, nodes, source.removal(("nodes", name)))
    features = spec.evaluate.features
    if features is not None and features not in nodes and features not in values:
        at = source.at(("evaluate", "features"))
        removal = source.removal(("nodes", features)) or source.removal(("flow", features))
        wiring.unknown("node and no value", features, at, [*nodes, *values], removal, "nodes and values")


def load(path: str | Path, sets: Sequence[str] = ()) -> Graph:
    """Reads a graph file (or a packaged graph by name) and wires it.

    sets: changes such as `nodes.queue.size=65536`. Raises GraphError with everything that is wrong.
    """
    return read(load_source(path, sets))
