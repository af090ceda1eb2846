"""Parts that `train:` of a node names and that the node has not, and layers whose order nobody knows."""

from __future__ import annotations

from ..errors import Problems, suggest
from ..graph.graph import Graph
from ..graph.layers import layers_of
from ..graph.training import is_part, names_of
from .shapes import Shapes

__all__ = ["find_unknown_parts", "note_unordered_layers"]


def find_unknown_parts(graph: Graph, shapes: Shapes, found: Problems) -> bool:
    """Notes names that match nothing in their node; whether there is one."""
    before = len(found)
    for node in graph.nodes.values():
        module, parts = shapes.modules.get(node.name), node.common_keys.trained_parts
        if module is None or not parts:  # one that is never called may not be built
            continue
        names = names_of(module)
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


def note_unordered_layers(graph: Graph, shapes: Shapes, found: Problems) -> None:
    """Notes `layer_decay` of nodes whose layers have no order that is known."""
    ordered = [name for name, module in shapes.modules.items() if layers_of(module) and name in shapes.trainable()]
    for name, own in graph.spec.train.nodes.items():
        if own.layer_decay is not None and name in shapes.modules and name not in ordered:
            hint = f"nodes whose layers have an order are {', '.join(ordered)}" if ordered else None
            message = f"layer_decay: the layers of '{name}' have no order that is known"
            found.add(message, graph.source.at(("train", "nodes", name, "layer_decay")), hint, about=name)
