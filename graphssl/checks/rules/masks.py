"""G2: masks that hide nothing from what is to tell it."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Problems
from ...graph.calls import Call, Slot
from ...graph.graph import Term
from .facts import Facts
from .rule import rule


@rule("G206", "a target that sees the mask", "warning")
def target_sees_the_whole(facts: Facts, found: Problems) -> None:
    """A moving average that gives targets should see the whole picture.

    What it gives at hidden patches is what is to be told (data2vec, Baevski et al. 2022, arXiv:2202.03555, section 3.3;
    I-JEPA, Assran et al. 2023, arXiv:2301.08243, section 3): of a masked picture it knows no more than the encoder.
    """
    for call in facts.graph.step_calls():
        node = facts.graph.nodes.get(call.node)
        if node is None or "average" not in node.component.traits:
            continue
        masks = [s for s in call.inputs() if _is_part(facts, s, "kept", "mask")]
        if masks:
            hint = f"call it without: {call.node}(x)"
            found.add(f"'{call.node}' gives targets, and sees no more than '{masks[0].node}' leaves", call.span, hint)


@rule("G207", "a loss on hidden patches that are not hidden", "error")
def hidden_is_hidden(facts: Facts, found: Problems) -> None:
    """Where a loss is about patches that a mask hides, what predicts them must not see them.

    The encoder is told which are kept, `encoder(x, m.kept)`, or that a token stands for them, `encoder(x, mask=m.mask)`
    (MAE, He et al. 2022, arXiv:2111.06377, section 3). One that reads the whole picture has nothing to tell: it copies.
    """
    for term in facts.training_terms:
        calls = [facts.graph.maker[s.id] for s in term.slots] + _before(facts, term)
        for mask in _masks(facts, calls):
            told = [c for c in calls if c.node in facts.trainable and not _places(facts, c)]
            if not any(_of(facts, s, mask, "kept", "mask") for c in told for s in c.inputs()):
                message = (
                    f"'{term.name}' is about what '{mask.node}' hides, and nothing is hidden from what predicts it"
                )
                hint = "tell the encoder: encoder(x, m.kept), or encoder(x, mask=m.mask)"
                found.add(message, term.span, hint)
                break


@rule("G208", "kept patches in the place of hidden ones", "error")
def predictor_knows_places(facts: Facts, found: Problems) -> None:
    """Tokens of kept patches tell hidden ones through a node that knows where both stand.

    Such is `head.decoder` (MAE, He et al. 2022, arXiv:2111.06377, section 3; I-JEPA, Assran et al. 2023,
    arXiv:2301.08243, section 3). Where as many are kept as hidden, the first kept token would else be compared with the
    first hidden one, wherever they are. A node of your own that knows places says `traits=("positions",)`.
    """
    for term in facts.training_terms:
        for slot in term.slots:
            call = facts.graph.maker[facts.origin(slot).id]
            for one in call.inputs():
                for mask in _unplaced(facts, one):
                    if any(_tells(facts, other, mask) for other in call.inputs() if other != one):
                        message = f"tokens of what '{mask.node}' keeps are compared with those of what it hides"
                        found.add(message, call.span, "put a head.decoder between: decoder(h.tokens, m.kept, m.hidden)")
                        return


def _is_part(facts: Facts, slot: Slot, *parts: str) -> bool:
    """Whether a value is such a part of a mask."""
    node = facts.graph.nodes.get(slot.node)
    return node is not None and "masks" in node.component.traits and slot.output in parts


def _of(facts: Facts, slot: Slot, mask: Call, *parts: str) -> bool:
    return _is_part(facts, slot, *parts) and facts.graph.maker[slot.id] == mask


def _before(facts: Facts, term: Term) -> list[Call]:
    """The calls of a step on which a term depends."""
    return list({c.id: c for s in term.slots for c in facts.graph.before(s)}.values())


def _masks(facts: Facts, calls: list[Call]) -> Iterator[Call]:
    """The calls that hide what these calls are about."""
    seen = set()
    for slot in (s for c in calls for s in c.inputs()):
        if _is_part(facts, slot, "hidden", "valid", "mask") and facts.graph.maker[slot.id].id not in seen:
            seen.add(facts.graph.maker[slot.id].id)
            yield facts.graph.maker[slot.id]


def _places(facts: Facts, call: Call) -> bool:
    node = facts.graph.nodes.get(call.node)
    return node is not None and "positions" in node.component.traits


def _unplaced(facts: Facts, slot: Slot) -> Iterator[Call]:
    """The masks of whose kept patches a value has the tokens, through nothing that knows places."""
    calls = list(facts.graph.before(slot))
    if len(slot.axes[0]) > 2 and not any(_places(facts, c) for c in calls):
        yield from {
            facts.graph.maker[s.id].id: facts.graph.maker[s.id]
            for c in calls
            for s in c.inputs()
            if _is_part(facts, s, "kept")
        }.values()


def _tells(facts: Facts, slot: Slot, mask: Call) -> bool:
    """Whether a value is of patches that a mask hides."""
    return any(_of(facts, s, mask, "hidden") for c in facts.graph.before(slot) for s in c.inputs())
