"""What would make a call's inputs fit, where the graph shows it."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.nodes import Node
from .axes import Input

__all__ = ["of_axes", "of_sizes"]

VECTORS = ("b", "d")


def of_axes(given: Input) -> str | None:
    """Of an input with other axes than the port's: a map, where vectors are taken."""
    axes = given.slot.axes[0]
    if given.axes != VECTORS or len(given.shape) != 4 or [a[:1] for a in axes] != ["b", "c", "r", "k"]:
        return None
    return "a context.positions makes a vector of each position of a map, a context.pool after it one of all"


def of_sizes(one: Input, other: Input, letter: str, nodes: Mapping[str, Node]) -> str | None:
    """Of two inputs that differ in the size of an axis, `letter`: which option, or which argument, makes them alike."""
    for kept, tokens in ((one, other), (other, one)):
        mask, whole = nodes.get(kept.slot.node), nodes.get(tokens.slot.node)
        is_kept = mask is not None and kept.slot.output == "kept" and "masks" in mask.component.traits
        if is_kept and whole is not None and "kept" in {port.name for port in whole.forward.inputs}:
            return f"tell '{whole.name}' which are kept: {whole.name}(x, m.kept)"
    said = []
    for here, there in ((one, other), (other, one)):
        node = _sized(here.slot.node, nodes)
        if node is not None and here.axes[-1] == there.axes[-1] == letter:
            said.append(f"out: {there.shape[-1]} of '{node.name}'")
    return f"{' or '.join(said)} makes them alike" if said else None


def _sized(name: str, nodes: Mapping[str, Node]) -> Node | None:
    """The node whose option `out` says how many numbers a node gives: itself, or the last that an average follows."""
    node = nodes.get(name)
    if node is not None and "average" in node.component.traits:
        return _sized(node.refs()[-1], nodes)
    return node if node is not None and isinstance(getattr(node.config, "out", None), int) else None
