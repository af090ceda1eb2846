"""Which patches values are of, by the masks that a graph has: what rules about masks look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...graph.calls import Call, Slot
from ...graph.graph import Term
from .facts import Facts, aligned_inputs, compared

__all__ = [
    "Comparison", "Mask", "comparisons", "image_of", "is_masked", "is_tokens", "knows_places", "part_of", "places",
    "seen", "told",
]  # fmt: skip

NUMBERS = ("kept", "hidden")  # parts of a mask that are numbers of patches
TELLING = ("kept", "mask")  # those by which an encoder leaves patches out


@dataclass(frozen=True)
class Mask:
    """One mask: the number of the call that draws it, and of a call for several views which of them."""

    number: int
    view: int
    call: Call = field(compare=False, repr=False)

    @property
    def node(self) -> str:
        return self.call.node


@dataclass(frozen=True)
class Comparison:
    """What a term compares, token by token. sides: tokens. flags: parts of masks that say which count."""

    term: Term
    call: Call
    sides: tuple[Slot, ...]
    flags: tuple[Slot, ...]


def part_of(facts: Facts, slot: Slot) -> Mask | None:
    """The mask that a value is a part of."""
    call = facts.graph.maker.get(slot.id)
    node = None if call is None else facts.graph.nodes.get(call.node)
    if call is None or node is None or "masks" not in node.component.traits:
        return None
    alike = [s for s in call.outputs if s.output == slot.output]
    return Mask(call.id, alike.index(slot) if call.fold > 1 else 0, call)


def is_masked(facts: Facts, slot: Slot) -> bool:
    """Whether something that it is made of was told a mask."""
    return any(part_of(facts, s) is not None for call in facts.graph.before(slot) for s in call.inputs())


def image_of(mask: Mask) -> Slot:
    """The picture whose patches it parts."""
    image = next(a for a in mask.call.args.values() if a is not None)
    return image[mask.view] if isinstance(image, tuple) else image


def told(facts: Facts, slot: Slot, mask: Mask) -> list[Call]:
    """The calls that leave out what the mask hides, and by which a value is made of its picture."""
    return _walk(facts, slot, mask)[0]


def seen(facts: Facts, slot: Slot, mask: Mask) -> bool:
    """Whether the whole picture gets into a value, past what leaves out what the mask hides."""
    return _walk(facts, slot, mask)[1]


def _walk(facts: Facts, slot: Slot, mask: Mask) -> tuple[list[Call], bool]:
    """Back from a value to its pictures, no further than to the calls that are told the mask."""
    telling, whole, known = dict[int, Call](), False, set[int]()
    picture, todo = _pictures(facts, image_of(mask)), [slot]
    while todo:
        current = todo.pop()
        call = facts.graph.maker.get(current.id)
        if current.id in picture:
            whole = True
        elif current.id not in known and call is not None and part_of(facts, current) is None:
            inputs = aligned_inputs(call, current)
            if any(s.output in TELLING and part_of(facts, s) == mask for s in inputs) and _takes_images(facts, inputs):
                telling[call.id] = call
            else:
                todo += inputs
        known.add(current.id)
    return list(telling.values()), whole


def places(facts: Facts, slot: Slot) -> set[Slot]:
    """The numbers of patches, parts of masks, at which the tokens of a value stand; none of a whole picture's."""
    found, known, todo = set[Slot](), set[int](), [facts.origin(slot)]
    while todo:
        current = todo.pop()
        call = facts.graph.maker.get(current.id)
        if current.id in known or call is None or not is_tokens(facts, current):
            continue
        known.add(current.id)
        inputs = aligned_inputs(call, current)
        numbers = [s for s in inputs if s.output in NUMBERS and part_of(facts, s) is not None]
        if numbers:
            asked = call.args.get("hidden") if knows_places(facts, call) else None
            found.update({s for s in numbers if s == asked or asked is None or isinstance(asked, tuple)})
        else:
            todo += inputs
    return found


def comparisons(facts: Facts) -> Iterator[Comparison]:
    """What each term that trains a node compares of tokens."""
    for term in facts.training_terms:
        for slot in term.slots:
            last = facts.graph.maker[facts.origin(slot).id]
            inputs = aligned_inputs(last, facts.origin(slot))
            flags = tuple(s for s in inputs if part_of(facts, s) is not None)
            for given in compared(facts, facts.origin(slot)):
                sides = tuple(s for s in aligned_inputs(facts.graph.maker[given.id], given) if is_tokens(facts, s))
                if sides:
                    yield Comparison(term, last, sides, flags)


def is_tokens(facts: Facts, slot: Slot) -> bool:
    """Whether a value has a vector, or a code, for each of several positions of a sample."""
    return slot.kind == "tensor" and len(facts.shapes.slots[slot.id][0]) == 3 and part_of(facts, slot) is None


def knows_places(facts: Facts, call: Call) -> bool:
    """Whether a node is told where tokens stand, and gives others."""
    node = facts.graph.nodes.get(call.node)
    return node is not None and "positions" in node.component.traits


def _pictures(facts: Facts, slot: Slot) -> set[int]:
    """What a picture is made of, its own included; fields of the batch are left out."""
    return (facts.made_of(slot) - {field.id for field in facts.graph.batch.values()}) or {slot.id}


def _takes_images(facts: Facts, inputs: list[Slot]) -> bool:
    return any(s.kind == "tensor" and len(facts.shapes.slots[s.id][0]) == 4 for s in inputs)
