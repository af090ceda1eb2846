"""G2: masks that hide nothing from what is to tell it."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import Problems
from ...graph.calls import Call, Slot
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
        calls = [call for slot in term.slots for call in facts.graph.before(slot)]
        told = [c for c in calls if c.node in facts.trainable and not _places(facts, c)]
        for mask in _masks(facts, calls, "hidden", "valid", "mask"):
            if mask not in _masks(facts, told, "kept", "mask"):
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
                hiding = [m for o in call.inputs() if o != one for m in _masks(facts, facts.graph.before(o), "hidden")]
                for mask in _unplaced(facts, one):
                    if mask in hiding:
                        message = f"tokens of what '{mask.node}' keeps are compared with those of what it hides"
                        found.add(message, call.span, "put a head.decoder between: decoder(h.tokens, m.kept, m.hidden)")
                        return


def _is_part(facts: Facts, slot: Slot, *parts: str) -> bool:
    """Whether a value is such a part of a mask."""
    node = facts.graph.nodes.get(slot.node)
    return node is not None and "masks" in node.component.traits and slot.output in parts


def _masks(facts: Facts, calls: Sequence[Call], *parts: str) -> list[Call]:
    """The calls of masks of which these calls are told such parts."""
    slots = (slot for call in calls for slot in call.inputs() if _is_part(facts, slot, *parts))
    makers = (facts.graph.maker[slot.id] for slot in slots)
    return list({maker.id: maker for maker in makers}.values())


def _places(facts: Facts, call: Call) -> bool:
    node = facts.graph.nodes.get(call.node)
    return node is not None and "positions" in node.component.traits


def _unplaced(facts: Facts, slot: Slot) -> list[Call]:
    """The masks of whose kept patches a value has the tokens, through nothing that knows places."""
    calls = facts.graph.before(slot)
    placed = len(slot.axes[0]) < 3 or any(_places(facts, call) for call in calls)
    return [] if placed else _masks(facts, calls, "kept")
