"""Parts that `train:` of a node names and that the node has not, and layers whose order nobody knows."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from ..errors import Problems, suggest
from ..graph.graph import Graph
from ..graph.layers import layers_of
from ..graph.training import is_part, names_of

__all__ = ["find_unknown_parts", "note_unordered_layers"]

Modules = Mapping[str, nn.Module]


def find_unknown_parts(graph: Graph, modules: Modules, found: Problems) -> bool:
    """Notes names that match nothing in their node, and nodes without weights that are frozen; whether there is one.

    modules: the nodes that are built.
    """
    before = len(found)
    for node in graph.nodes.values():
        module, parts = modules.get(node.name), node.common_keys.trained_parts
        if module is None or parts is None:  # one that is never called may not be built
            continue
        names = names_of(module)
        if not (parts or names):
            at = graph.source.at(("nodes", node.name, "freeze"), key=True)
            message = f"'{node.name}' ({node.component.name}) has no weights to freeze"
            found.add(message, at, "leave freeze out", about=node.name)
        for i, part in enumerate(parts):
            if any(is_part(name, [part]) for name in names):
                continue
            at = graph.source.at(("nodes", node.name, "train", i))
            depth = part.count(".") + 1
            known = dict.fromkeys(".".join(name.split(".")[:d]) for name in names for d in range(1, depth + 1))
            hint = suggest(part, known, "parts are").text
            message = f"'{node.name}' has no part '{part}'" if names else f"'{node.name}' has no weights, and no parts"
            found.add(message, at, hint, kind="unknown", about=part)
    return len(found) > before


def note_unordered_layers(graph: Graph, modules: Modules, found: Problems) -> None:
    """Notes `layer_decay` of nodes whose layers have no order that is known, and of frozen ones."""
    trained = {name for name, module in modules.items() if any(p.requires_grad for p in module.parameters())}
    ordered = [name for name, module in modules.items() if layers_of(module)]
    known = [name for name in ordered if name in trained]
    for name, own in graph.spec.train.nodes.items():
        if own.layer_decay is None or name not in modules or name in known:
            continue
        if name in ordered and graph.nodes[name].common_keys.trained_parts:
            continue  # by parts that it has not, which is said
        hint: str | None
        if name in ordered:
            message, hint = f"layer_decay: '{name}' is frozen, and has no rates", "leave out one of the two"
        else:
            message = f"layer_decay: the layers of '{name}' have no order that is known"
            hint = f"nodes whose layers have an order are {', '.join(known)}" if known else None
        found.add(message, graph.source.at(("train", "nodes", name, "layer_decay")), hint, about=name)
