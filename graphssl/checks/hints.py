"""What would make a call's inputs fit, where the graph shows it."""

from __future__ import annotations

from ..graph.calls import Slot, slots_of
from ..graph.graph import Graph
from ..graph.nodes import Node
from .axes import Input

__all__ = ["is_map_for_grid", "of_axes", "of_sizes"]

VECTORS = ("b", "d")
MAP, PLACES = ("b", "c", "r", "k"), ("b", "r", "k", "d")


def is_map_for_grid(given: Input) -> bool:
    """Whether a map `b c r k` comes where a grid of vectors `b r k d` is taken: as many axes, in another order."""
    return given.axes == PLACES and _letters(given) == MAP


def of_axes(given: Input) -> str | None:
    """Of an input with other axes than the port's: a map, where vectors are taken."""
    if is_map_for_grid(given):
        return "context.positions makes a grid of vectors of a map"
    if given.axes == VECTORS and _letters(given) == MAP:
        return "context.positions and then context.pool make one vector of a map, the first alone one of each position"
    return None


def of_sizes(one: Input, other: Input, letter: str, graph: Graph) -> str | None:
    """Of two inputs that differ in the size of an axis, `letter`: which option, or argument, makes them alike."""
    for here, there in ((one, other), (other, one)):
        if hint := _keeps(here, there, graph) or _is_to_be(here, there, letter, graph):
            return hint
    return None


def _keeps(kept: Input, tokens: Input, graph: Graph) -> str | None:
    """Of numbers of kept patches beside the tokens of an encoder that was told no mask."""
    mask, encoder = graph.nodes.get(kept.slot.node), graph.nodes.get(tokens.slot.node)
    if mask is None or encoder is None or kept.slot.output != "kept" or "masks" not in mask.component.traits:
        return None
    call = graph.maker[tokens.slot.id]
    if encoder.component.traits & {"positions", "average"} or "kept" in call.args:
        return None
    return f"tell '{encoder.name}' which are kept: {encoder.name}(x, m.kept)" if _has(encoder, "kept") else None


def _is_to_be(told: Input, target: Input, letter: str, graph: Graph) -> str | None:
    """Of a head that tells what is made of the picture itself, and so has its size."""
    if not told.axes[-1] == target.axes[-1] == letter:
        return None
    head, teller = _sizing(told.slot, graph), _sizing(target.slot, graph)
    if head is None or teller is None or not isinstance(getattr(head.config, "out", None), int):
        return None
    of_picture = teller.component.detached and "average" not in teller.component.traits and _has(teller, "image")
    return f"out: {target.shape[-1]} of '{head.name}'" if of_picture else None


def _sizing(slot: Slot, graph: Graph) -> Node | None:
    """The node that a value has its last size from: back through those that give as many numbers as they are given."""
    node, call = graph.nodes.get(slot.node), graph.maker.get(slot.id)
    output = None if node is None else node.forward.output(slot.output)
    if node is None or call is None or output is None or output.kind != "tensor":
        return node
    for port in node.forward.inputs:
        given = slots_of(call.args.get(port.name))
        if given and port.kind == "tensor" and port.axes[0][-1:] == output.axes[0][-1:]:
            return _sizing(given[0], graph)
    return node


def _has(node: Node, port: str) -> bool:
    return node.forward.input(port) is not None


def _letters(given: Input) -> tuple[str, ...]:
    """Of the axes as the giver says them, without the numbers that tell several of one letter apart."""
    return tuple(axis.rstrip("0123456789") or axis for axis in given.slot.axes[0])
