"""A graph whose wiring is right: nodes, calls in order, loss terms, updates; and what depends on what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import networkx as nx
from pydantic import BaseModel

from ..errors import Span
from ..schedule import Schedule
from .calls import Call, Slot, Value
from .language import expressions as e
from .language.source import Source
from .later import without_later
from .nodes import Node, copies_of
from .spec import AUTO, GraphFile
from .spec.weights import Weights, identity


@dataclass(frozen=True)
class Line:
    """A line of `flow:`, `loss:` or `update:` as it is written.

    names: the values that it makes, or the loss term, or the node that it writes; and where each stands.
    """

    section: str
    names: tuple[e.Name, ...]
    expression: e.Expr


@dataclass(frozen=True)
class Term:
    """One term of the loss: the mean of its slots times `factor` and `weight`."""

    name: str
    slots: tuple[Slot, ...]
    factor: float
    weight: float | Schedule[float]
    span: Span | None


@dataclass(frozen=True)
class Graph:
    """A graph whose wiring is right.

    lines: of the flow, then of the loss, then of the updates. calls: in the order in which they run, those of updates
    last. batch: the fields of the batch that are read. used: the values that some line reads.
    """

    spec: GraphFile
    source: Source
    nodes: Mapping[str, Node]
    values: Mapping[str, Value]
    lines: tuple[Line, ...]
    calls: tuple[Call, ...]
    terms: tuple[Term, ...]
    batch: Mapping[str, Slot]
    used: frozenset[str]

    def __repr__(self) -> str:
        return f"<Graph {self.name}: nodes {', '.join(self.nodes)}; loss {', '.join(term.name for term in self.terms)}>"

    @property
    def name(self) -> str:
        return self.spec.graph

    @property
    def asks_for_batch(self) -> bool:
        """Whether the file has `batch: auto`."""
        data = self.source.data.get("data")
        return isinstance(data, dict) and data.get("batch") == AUTO

    def original(self, name: str) -> str:
        """Of a copy that a moving average keeps, `target.encoder`, the node that it is of; any other name as it is."""
        return copies_of(self.nodes).get(name, name)

    def with_batch(self, batch: int) -> Graph:
        """The same graph with another `data.batch`."""
        data = self.spec.data.model_copy(update={"batch": batch})
        return replace(self, spec=self.spec.model_copy(update={"data": data}))

    def with_weights(self, known: Mapping[str, Weights]) -> Graph:
        """The same graph with other `weights:` of some nodes, such as with where they lie and which they are."""
        nodes = dict(self.nodes)
        for name, weights in known.items():
            keys = nodes[name].common_keys.model_copy(update={"weights": weights})
            nodes[name] = replace(nodes[name], common_keys=keys)
        return replace(self, nodes=nodes)

    def resolved(self) -> dict[str, Any]:
        """Everything merged and all defaults filled in, as plain values."""
        data = _without_nothing(self.spec, self.spec.model_dump(mode="json", by_alias=True))
        data["nodes"] = {
            name: {
                "use": node.component.name,
                **node.config.model_dump(mode="json", by_alias=True),
                **node.common_keys.model_dump(mode="json", exclude_defaults=True),
            }
            for name, node in self.nodes.items()
        }
        if self.spec.train.steps is not None:
            del data["train"]["epochs"]  # of which nothing depends then
        return data

    def hash(self) -> str:
        """Identifies what is computed: of the resolved graph without its name and description."""
        resolved = without_later(self.resolved(), self.spec, self.nodes)
        data = {k: v for k, v in resolved.items() if k not in ("graph", "description", "allow", "track")}
        for name, entry in data["nodes"].items():
            if self.nodes[name].common_keys.weights is not None:
                entry["weights"] = identity(entry["weights"])
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]

    def update_calls(self, every: str | None = None) -> tuple[Call, ...]:
        """The updates; every: those alone that are run after each `step`, or at the end of each `epoch`."""
        return tuple(c for c in self.calls if c.section == "update" and every in (None, c.every))

    def step_calls(self) -> tuple[Call, ...]:
        return tuple(c for c in self.calls if c.section != "update")

    def digraph(self) -> nx.DiGraph[int | str]:
        """Calls (by id) and batch fields (by name), an edge for each slot that flows; edges carry the slots."""
        graph: nx.DiGraph[int | str] = nx.DiGraph()
        maker: dict[int, int | str] = {slot.id: name for name, slot in self.batch.items()}
        graph.add_nodes_from(self.batch)
        for call in self.calls:
            graph.add_node(call.id, call=call)
            maker.update({slot.id: call.id for slot in call.outputs})
        for call in self.calls:
            for slot in call.inputs():
                source = maker[slot.id]
                if not graph.has_edge(source, call.id):
                    graph.add_edge(source, call.id, slots=[])
                graph.edges[source, call.id]["slots"].append(slot)
        return graph

    @cached_property
    def maker(self) -> Mapping[int, Call]:
        """The call that fills a slot, by the slot's id; a field of the batch is filled by none."""
        return {slot.id: call for call in self.calls for slot in call.outputs}

    @cached_property
    def _wires(self) -> nx.DiGraph[int | str]:
        return self.digraph()

    def before(self, slot: Slot) -> list[Call]:
        """Every call on which a slot depends within a step, its own included, in order."""
        call = self.maker.get(slot.id)
        if call is None:
            return []
        ids = {*nx.ancestors(self._wires, call.id), call.id}
        return [self.calls[i] for i in sorted(self._places[i] for i in ids if i in self._places)]

    @cached_property
    def _places(self) -> Mapping[int | str, int]:
        """Where a call stands among the calls, by its id."""
        return {call.id: i for i, call in enumerate(self.calls)}


def _without_nothing(model: BaseModel, data: dict[str, Any]) -> dict[str, Any]:
    """A model's data without what is null by default; a null that turns something off stays."""
    for name, declared in type(model).model_fields.items():
        value = getattr(model, name)
        if value is None and declared.default is None:
            data.pop(name)
        elif isinstance(value, BaseModel):
            _without_nothing(value, data[name])
    return data
