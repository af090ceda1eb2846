"""Which picture the positions of a value are of: what rules about maps and their positions look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...graph.calls import Call, Slot, slots_of
from ...ports import Axes, Port
from .facts import Facts, aligned_inputs
from .patches import part_of

__all__ = ["beside_of", "grids", "numbering", "of_views", "positions_of"]

NO_POSITIONS = frozenset("bcdenphwyx")  # axes of samples, embeddings, classes and pixels


def is_view(facts: Facts, slot: Slot) -> bool:
    """Whether a value is a picture cut anew out of another: by chance, or as one of several.

    One whose pixels stay where they are, as ports with the same letters say, is the same view.
    """
    call = facts.graph.maker.get(slot.id)
    node = None if call is None else facts.graph.nodes.get(call.node)
    if call is None or node is None or call.node in facts.networks or len(facts.shapes.slots[slot.id][0]) != 4:
        return False
    several = sum(s.output == slot.output for s in call.outputs) > 1 and call.fold == 1
    kept = {port.axes[0] for port in node.forward.inputs}
    return (call.draws or several) and ("..." in slot.axes[0] or _own_axes(call, slot) not in kept)


def _own_axes(call: Call, slot: Slot) -> Axes:
    """As its port has them: without the positions that the call folds."""
    return (slot.axes[0][0], *slot.axes[0][1 + call.grid :]) if call.folds(slot) else slot.axes[0]


def of_views(facts: Facts, slot: Slot) -> frozenset[int]:
    """The views (by slot id) that a value is made of, and no further back; without one, fields of the batch."""
    made_of = facts.back(slot, until=lambda current, _: is_view(facts, current))
    return frozenset(s.id for s in made_of if s.id not in facts.graph.maker or is_view(facts, s))


def beside_of(facts: Facts, slot: Slot) -> Slot | None:
    """The view that a value says something of, such as its box: both were drawn by one call."""
    origin = facts.origin(slot)
    call = facts.graph.maker.get(origin.id)
    node = None if call is None else facts.graph.nodes.get(call.node)
    port = None if node is None else node.forward.output(origin.output)
    if call is None or port is None or not port.beside:
        return None
    return next(s for s in call.outputs if (s.output, s.view) == (port.beside, origin.view))


def grids(facts: Facts, call: Call, view: Slot) -> Iterator[tuple[Port, Slot, tuple[str, ...]]]:
    """Each input of a call, of one view of its outputs, with the names of its axes; `@` for those that it folds."""
    node = facts.graph.nodes.get(call.node)
    aligned = set(aligned_inputs(call, view))
    for port in () if node is None or call.method != "forward" else node.forward.inputs:
        for slot in slots_of(call.args.get(port.name)):
            if port.kind == slot.kind == "tensor" and slot in aligned:
                yield port, slot, _names(call, port.axes[0], slot, len(facts.shapes.slots[slot.id][0]))


def positions_of(facts: Facts, slot: Slot, axis: int) -> frozenset[int] | None:
    """Whose positions an axis numbers: views, by slot id, or what has chosen them; None where nobody knows."""
    slot = facts.origin(slot)
    if (slot.id, axis) not in facts.numbered:
        facts.numbered[slot.id, axis] = _positions_of(facts, slot, axis)
    return facts.numbered[slot.id, axis]


def _positions_of(facts: Facts, slot: Slot, axis: int) -> frozenset[int] | None:
    call = facts.graph.maker.get(slot.id)
    node = None if call is None else facts.graph.nodes.get(call.node)
    if call is None or node is None or is_view(facts, slot):
        return frozenset({slot.id})
    name = _names(call, slot.axes[0], slot, len(facts.shapes.slots[slot.id][0]))[axis]
    if name in NO_POSITIONS:
        return None
    inputs = [(given, names) for _, given, names in grids(facts, call, slot)]
    givers = [positions_of(facts, given, names.index(name)) for given, names in inputs if name in names]
    if givers:
        return None if None in givers else frozenset[int]().union(*(one for one in givers if one))
    if call.node in facts.networks:
        return of_views(facts, slot)
    if node.component.detached or any(part_of(facts, given) for given, _ in inputs):
        return None  # of the numbers of patches in a mask there are rules of their own
    return frozenset(facts.origin(given).id for given, names in inputs if "d" not in names) or None  # what chooses


def numbering(names: tuple[str, ...]) -> Mapping[str, int]:
    """The axes that are positions, and where they stand. Beside the batch alone stand embeddings, or classes."""
    places = enumerate(names if len(names) > 2 else ())
    return {name: i for i, name in places if name not in NO_POSITIONS and not name.isdigit()}


def _names(call: Call, axes: Axes, slot: Slot, rank: int) -> tuple[str, ...]:
    """A name for each axis of what a port takes or gives."""
    if call.folds(slot):
        own = axes[1 + call.grid :] if len(axes) == rank else _spread(axes, rank - call.grid)[1:]
        return (axes[0], *(f"@{i}" for i in range(call.grid)), *own)
    return _spread(axes, rank)


def _spread(axes: Axes, rank: int) -> tuple[str, ...]:
    """With a name for each of the axes that `...` stands for."""
    if "..." not in axes:
        return axes
    at = axes.index("...")
    return (*axes[:at], *(f"...{i}" for i in range(rank - len(axes) + 1)), *axes[at + 1 :])
