"""From a graph file to its graph: validated, wired, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import GraphError, Problems
from .flow import read_flow
from .graph import Graph
from .language.kinds import refuse_other_kind
from .language.load import START
from .language.load import load as load_source
from .language.sections import read_sections
from .language.source import Source
from .loss import read_loss
from .names import may_name
from .nodes import copies_of, read_nodes
from .plugins import load_components
from .scope import Scope
from .spec import GraphFile
from .update import note_missing_updates, read_updates
from .wiring import Wiring


def read(source: Source) -> Graph:
    """Validates the file and wires the graph; raises GraphError with every problem found."""
    problems = Problems()
    refuse_other_kind(source, ["graph"], problems, START)
    incomplete = not load_components(source, problems)  # first: the sections may name what they register
    sections = read_sections(source, problems, incomplete=incomplete)
    if sections is None:
        raise GraphError(problems)
    spec, incomplete = sections.spec, incomplete or "components" in sections.lacking
    nodes = read_nodes(spec.nodes, source, problems, broken=sections.nodes, incomplete=incomplete)
    if {"nodes", "flow"} & sections.lacking:  # every name would be unknown
        raise GraphError(problems)
    wiring = Wiring(Scope(nodes, source, problems, refused={name for name in spec.nodes if not may_name(name, "node")}))
    flow = read_flow(sections, wiring)
    loss = read_loss(spec, wiring)
    updates = read_updates(spec, wiring)
    if "update" not in sections.lacking:
        note_missing_updates(wiring.scope)
    _check_features(spec, wiring.scope)
    sound = not problems.errors
    _check_rates(spec, wiring.scope)
    if not sound:
        raise GraphError(problems)
    graph = Graph(
        spec, source,
        nodes={name: node for name, node in nodes.items() if node is not None},
        values={name: value for name, value in wiring.scope.values.items() if value is not None},
        lines=(*flow, *(line for line, _ in loss), *updates),
        calls=tuple(wiring.calls),
        terms=tuple(term for _, term in loss),
        batch=wiring.batch,
        used=frozenset(wiring.scope.used),
    )  # fmt: skip
    if problems.errors:
        raise GraphError(problems, graph)
    return graph


def _check_rates(spec: GraphFile, scope: Scope) -> None:
    """Notes nodes that `train.nodes` names and that are not there."""
    for name in spec.train.nodes:
        if name not in scope.nodes:
            at = scope.source.at(("train", "nodes", name), key=True)
            scope.unknown("node", name, at, scope.nodes, scope.source.removal(("nodes", name)))


def _check_features(spec: GraphFile, scope: Scope) -> None:
    """Notes a node or value that `evaluate:` names and that is not there."""
    source, nodes, values = scope.source, scope.nodes, scope.values
    known = [*nodes, *values, *copies_of(nodes)]
    for i, name in enumerate(spec.evaluate.named):
        if name not in known:
            several = isinstance(spec.evaluate.features, list)
            at = source.at(("evaluate", "features", i) if several else ("evaluate", "features"))
            removal = source.removal(("nodes", name)) or source.removal(("flow", name))
            scope.unknown("node and no value", name, at, known, removal, "nodes and values")


def load(
    graph: str | Path | Mapping[str, Any], sets: Sequence[str] = (), fragments: Sequence[Path] = ()
) -> Graph:  # fmt: skip
    """Reads a graph file, a packaged graph by its name, or a graph's text, and wires it.

    sets: changes such as `nodes.queue.size=65536`. fragments: files that are laid over the graph before these. Raises
    GraphError with everything that is wrong.
    """
    return read(load_source(graph, sets, fragments))
