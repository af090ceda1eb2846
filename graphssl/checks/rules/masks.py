"""G2: masks that hide nothing from what is to tell it, and patches that are held against others."""

from __future__ import annotations

import itertools
import math

from ...errors import Problems, Span
from ...graph.calls import Call, Slot
from .facts import Facts
from .grids import of_views
from .patches import (
    Comparison,
    Mask,
    comparisons,
    image_of,
    is_tokens,
    knows_places,
    part_of,
    places,
    seen,
    told,
)
from .rule import rule

HIDING = ("hidden", "valid", "mask")  # parts of a mask that are of what it hides
TELL = "tell the encoder: encoder(x, m.kept), or encoder(x, mask=m.mask)"


@rule("G206", "a target that sees the mask", "warning")
def target_sees_the_whole(facts: Facts, found: Problems) -> None:
    """What gives targets should see the whole picture.

    What it gives at hidden patches is what is to be told (data2vec, Baevski et al. 2022, arXiv:2202.03555, section 3.3;
    I-JEPA, Assran et al. 2023, arXiv:2301.08243, section 3): of a masked picture it knows no more than the encoder.
    """
    calls: dict[int, tuple[Call, Mask]] = {}
    for call in facts.graph.step_calls():
        node = facts.graph.nodes.get(call.node)
        if node is not None and "average" in node.component.traits:
            masks = [part_of(facts, s) for s in call.inputs() if s.output in ("kept", "mask")]
            for mask in filter(None, masks):
                calls[call.id] = call, mask
    for one in comparisons(facts):
        for mask in _about(facts, one):
            for side in _targets(facts, one):
                calls.update({call.id: (call, mask) for call in told(facts, side, mask)})
    for call, mask in calls.values():
        hint = f"call it without: {call.node}(x)"
        found.add(f"'{call.node}' gives targets, and sees no more than '{mask.node}' leaves", call.span, hint)


@rule("G207", "a loss on hidden patches that are not hidden", "error")
def hidden_is_hidden(facts: Facts, found: Problems) -> None:
    """Where a loss is about patches that a mask hides, what predicts them must not see them.

    The encoder is told which are kept, `encoder(x, m.kept)`, or that a token stands for them, `encoder(x, mask=m.mask)`
    (MAE, He et al. 2022, arXiv:2111.06377, section 3). One that reads the whole picture has nothing to tell: it copies;
    and so does a prediction into which the whole picture gets on another way, beside the tokens of what is kept. Nor is
    there anything to tell where pixels of kept patches are asked for.
    """
    noted: set[tuple[str, str]] = set()
    for one in comparisons(facts):
        for mask in _about(facts, one, "kept"):
            message, hint = _not_hidden(facts, one, mask)
            if message and (one.term.name, mask.node) not in noted:
                noted.add((one.term.name, mask.node))
                found.add(message, one.term.span, hint)


def _not_hidden(facts: Facts, one: Comparison, mask: Mask) -> tuple[str, str]:
    """What is wrong where a term is about patches of a mask, and a hint; empty where nothing is."""
    name, predictions = one.term.name, [s for s in one.sides if facts.gradient[s.id]]
    known = [s for s in predictions if told(facts, s, mask)]
    if mask not in _about(facts, one):
        targets = _targets(facts, one)
        if known and targets and not any(facts.embedders(s) for s in targets):
            message = f"'{name}' is about pixels that '{mask.node}' keeps, and what predicts them sees them"
            return message, "compare at m.hidden, both sides"
        return "", ""
    if predictions and not known:
        return f"'{name}' is about what '{mask.node}' hides, and nothing is hidden from what predicts it", TELL
    if any(seen(facts, s, mask) for s in known):
        message = f"'{name}' is about what '{mask.node}' hides, and the whole picture gets into what predicts it"
        return message, "all of it comes through one call: " + TELL.removeprefix("tell the encoder: ")
    return "", ""


@rule("G208", "kept patches in the place of hidden ones", "error")
def compared_at_one_place(facts: Facts, found: Problems) -> None:
    """Tokens are compared with those at the same patches, which a mask or a block of it says.

    Tokens of kept patches tell hidden ones through a node that knows where both stand. Such is `head.decoder` (MAE, He
    et al. 2022, arXiv:2111.06377, section 3; I-JEPA, Assran et al. 2023, arXiv:2301.08243, section 3). Where as many
    are kept as hidden, the first kept token would else be compared with the first hidden one, wherever they are; and so
    would those of one block with another's, or of one view with another's. A node of your own that knows places says
    `traits=("positions",)`, and calls its ports `tokens`, `kept` and `hidden`.
    """
    for one in comparisons(facts):
        stands = [(side, at) for side in one.sides if (at := places(facts, side))]
        for (_, here), (_, there) in itertools.pairwise(stands):
            if not here & there:
                found.add(*_apart(facts, one, here, there))
                return
        hidden = {_block(facts, s) for _, at in stands for s in at if s.output == "hidden"}
        for flag in one.flags:
            if flag.output == "valid" and hidden and _block(facts, flag) not in hidden:
                message = f"'where' is of other patches of '{flag.node}' than those that are compared"
                found.add(message, one.call.span, "take .valid of the mask, and the block, whose .hidden is compared")
                return


def _apart(facts: Facts, one: Comparison, here: set[Slot], there: set[Slot]) -> tuple[str, Span, str]:
    """Message, place and hint for tokens that stand at other patches."""
    a, b = (min(at, key=lambda slot: slot.id) for at in (here, there))
    if part_of(facts, a) == part_of(facts, b) and {a.output, b.output} == {"kept", "hidden"}:
        message = f"tokens of what '{a.node}' keeps are compared with those of what it hides"
        return message, one.call.span, "put a head.decoder between: decoder(h.tokens, m.kept, m.hidden)"
    message = f"tokens at {_said(facts, a)} are compared with tokens at {_said(facts, b)}"
    return message, one.call.span, "both at the same: decoder(h.tokens, m.kept, m.hidden) and take(t.tokens, m.hidden)"


def _said(facts: Facts, slot: Slot) -> str:
    """Which numbers of patches these are: of which mask, block and view."""
    mask, number = part_of(facts, slot), "" if slot.view is None else f"[{slot.view}]"
    said = f".{slot.output}{number} of '{slot.node}'"
    calls = facts.calls_of(slot.node)
    if mask is None or (mask.call.fold == 1 and len(calls) == 1):
        return said
    view = image_of(mask).view
    of_view = "" if view is None else f" of view {view}"
    return said + of_view + (f" (line {mask.call.span.line})" if len({c.span.line for c in calls}) > 1 else "")


@rule("G209", "tokens that are said to stand elsewhere", "error")
def decoder_knows_its_tokens(facts: Facts, found: Problems) -> None:
    """A node that knows places is told those of the tokens that it is given, and then those that it is asked for.

    `decoder(h.tokens, m.kept, m.hidden)` for `h: encoder(x, m.kept)`, as MAE's (He et al. 2022, arXiv:2111.06377,
    section 3): told in another order, or of another view's mask, it would put each token where another one was.
    """
    for call in facts.graph.step_calls():
        kept, tokens = call.args.get("kept"), call.args.get("tokens")
        if not knows_places(facts, call) or not isinstance(kept, Slot) or not isinstance(tokens, Slot):
            continue
        at = places(facts, tokens)
        if at and part_of(facts, kept) is not None and kept not in at:
            message = f"'{call.node}' is told that its tokens stand at {_said(facts, kept)}, and they stand at "
            found.add(message + _said(facts, min(at, key=lambda slot: slot.id)), call.span, _order(call.node))


def _order(node: str) -> str:
    return f"in this order, with the m.kept that the encoder was told: {node}(h.tokens, m.kept, m.hidden)"


@rule("G210", "hidden patches that are not all there", "warning")
def fewer_are_left_out(facts: Facts, found: Problems) -> None:
    """Where a mask hides more of one picture than of another, `.hidden` repeats a patch, and `.valid` says where.

    So do masks in blocks (BEiT, Bao et al. 2022, arXiv:2106.08254, algorithm 1). Without `.valid` the loss counts a
    patch several times, of a picture without a mask one that is not hidden at all.
    """
    for one in comparisons(facts):
        for slot in sorted({s for side in one.sides for s in places(facts, side)}, key=lambda slot: slot.id):
            uneven = "uneven" in facts.graph.nodes[slot.node].component.traits
            valid = {_block(facts, flag) for flag in one.flags if flag.output == "valid"}
            if uneven and slot.output == "hidden" and _block(facts, slot) not in valid:
                message = f"'{slot.node}' hides fewer patches of some pictures, and then one counts several times"
                found.add(message, one.call.span, f"give '{one.call.node}' its .valid too: (p, y, m.valid)")
                return


@rule("G211", "patches of another picture", "error")
def target_is_of_the_picture(facts: Facts, found: Problems) -> None:
    """What is to be told of hidden patches is of the picture that was masked: of others a number means another place.

    The target sees the same view, whole (He et al. 2022, arXiv:2111.06377, section 3; Baevski et al. 2022,
    arXiv:2202.03555, section 3.3). Another view, or another call of an augmentation, shows another part of the picture
    at the same number.
    """
    pixels = facts.graph.batch.get("image")
    for one in comparisons(facts):
        for mask in _about(facts, one):
            shown = _shown(facts, one, mask)
            for side in _targets(facts, one):
                whole = pixels in {s for call in facts.graph.before(side) for s in call.inputs()}
                of_it = seen(facts, side, mask) or told(facts, side, mask)
                of_shown = not shown or bool(shown & of_views(facts, side))
                if whole and not (of_it and of_shown):
                    what = f"'{mask.node}' masks" if not of_it else f"is seen by what is told '{mask.node}'"
                    message = f"what '{one.term.name}' is to tell is of another picture than {what}"
                    hint = "make the target of the view that the mask and the encoder are given: target(x)"
                    found.add(message, one.term.span, hint)
                    return


def _shown(facts: Facts, one: Comparison, mask: Mask) -> frozenset[int]:
    """The views that the encoders of the predictions see, by what the mask leaves."""
    calls = [call for s in one.sides if facts.gradient[s.id] for call in told(facts, s, mask)]
    pictures = {s for call in calls for s in call.inputs() if part_of(facts, s) is None}
    return frozenset[int]().union(*(of_views(facts, s) for s in pictures))


@rule("G212", "a mask of another grid", "error")
def mask_fits_the_grid(facts: Facts, found: Problems) -> None:
    """A mask numbers the patches of the encoder that its `of` names; of another grid the same number is another place.

    Numbers beyond the grid are an error of the device in the middle of a training (He et al. 2022, arXiv:2111.06377,
    section 3: one mask, one grid).
    """
    for call in facts.graph.step_calls():
        for mask in dict.fromkeys(part_of(facts, s) for s in call.inputs() if s.output != "valid"):
            own = None if mask is None else _grid(facts, mask.node)
            grid = None if call.node not in facts.shapes.modules else _grid(facts, call.node)
            count = _patches(facts, call) if grid is None and own is not None else None
            if mask is None or own is None or own == grid or (grid is None and count in (None, math.prod(own))):
                continue
            there = f"{count} patches" if grid is None else f"{grid[0]} x {grid[1]}"
            message = f"'{mask.node}' is of {own[0]} x {own[1]} patches, and what '{call.node}' takes has {there}"
            found.add(message, call.span, f"its `of` names the encoder whose patches '{call.node}' takes")


@rule("G221", "seen patches that count", "warning")
def seen_patches_do_not_count(facts: Facts, found: Problems) -> None:
    """Where tokens stand for hidden patches, the loss is about those: the others are before the encoder's eyes.

    SimMIM is worse where all count (Xie et al. 2022, arXiv:2111.09886, section 4.1.2), and so is MAE (He et al. 2022,
    arXiv:2111.06377, section 3): the mask says which do, `objective(p, y, m.mask)`.
    """
    for one in comparisons(facts):
        targets = _targets(facts, one)
        whole = [s for s in one.sides if facts.gradient[s.id] and not places(facts, s)]
        for mask in () if one.flags else _masks(facts):
            telling = [call for s in whole for call in told(facts, s, mask)]
            stands = any(s.output == "mask" for call in telling for s in call.inputs())
            if stands and any(seen(facts, s, mask) for s in targets) and not _used_besides(facts, one, mask, telling):
                message = f"'{one.term.name}' counts patches that are seen as it counts those that '{mask.node}' hides"
                found.add(message, one.call.span, _choice(facts, one.call.node))
                return


def _used_besides(facts: Facts, one: Comparison, mask: Mask, telling: list[Call]) -> bool:
    """Whether something else on the way to a loss is told the mask, and may choose by it."""
    told_here = {call.id for call in telling}
    calls = (c for s in one.call.outputs for c in facts.graph.before(s) if c.id not in told_here)
    return any(part_of(facts, s) == mask for call in calls for s in call.inputs())


def _choice(facts: Facts, objective: str) -> str:
    """How an objective is told which patches count."""
    ports = [p.name for p in facts.graph.nodes[objective].forward.inputs if p.name in ("where", "weight")]
    if ports:
        return f"say which count: {objective}(..., {ports[0]}=m.mask)"
    return "compare those that are hidden: context.take of both sides, at m.hidden"


def _masks(facts: Facts) -> list[Mask]:
    """All masks that are drawn."""
    parts = (part_of(facts, s) for call in facts.graph.step_calls() for s in call.outputs)
    return list(dict.fromkeys(mask for mask in parts if mask is not None))


def _about(facts: Facts, one: Comparison, *more: str) -> list[Mask]:
    """The masks whose hidden patches are compared; more: other parts by which a comparison is about a mask."""
    stands = [s for side in one.sides for s in places(facts, side) if s.output in (*HIDING, *more)]
    found = [part_of(facts, s) for s in (*sorted(stands, key=lambda s: s.id), *one.flags)]
    return list(dict.fromkeys(mask for mask in found if mask is not None))


def _targets(facts: Facts, one: Comparison) -> list[Slot]:
    return [s for s in one.sides if not facts.gradient[s.id]]


def _block(facts: Facts, slot: Slot) -> tuple[Mask | None, int | None]:
    """Which mask's, and of several blocks which."""
    return part_of(facts, slot), slot.view


def _grid(facts: Facts, node: str) -> tuple[int, int] | None:
    """The rows and columns of patches of a node, or of the first that an average follows."""
    module = facts.shapes.modules[node]
    grids = [getattr(part, "grid", None) for part in (module, *module.children())]
    return next((grid for grid in grids if isinstance(grid, tuple)), None)


def _patches(facts: Facts, call: Call) -> int | None:
    """How many patches tokens have from which a call takes some."""
    whole = [s for s in call.inputs() if is_tokens(facts, s) and not places(facts, s)]
    return facts.shapes.slots[whole[0].id][0][1] if whole else None
