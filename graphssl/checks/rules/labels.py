"""Labels that are drawn with a view, what was done to it, and those who guess them; and shares that are told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ...errors import Problems
from ...graph.calls import Call, Slot, slots_of
from ...graph.graph import Term
from .facts import Facts, aligned_inputs
from .patches import is_masked, part_of
from .rule import rule


@rule("G205", "a label of another view", "error")
def label_is_of_the_view(facts: Facts, found: Problems) -> None:
    """Logits can only tell the label of a view that they are made from: that of the same call, of the same number.

    Of a call that gives several pictures, such as a patch and its neighbour, they are made from all of them.

    A pretext task asks what was done to a picture (Gidaris et al. 2018, arXiv:1803.07728, section 3.1). A random node
    draws anew in each call, so `rotate(x).view` on one line and `rotate(x).label` on another are two turns that have
    nothing to do with each other, and the loss stays at the log of the number of classes. Name the call once,
    `r: rotate(x)`, and take `r.view` and `r.label`.
    """
    for call, logits, label in _guesses(facts):
        drawn = facts.origin(label)
        maker = facts.graph.maker.get(drawn.id)
        if maker is None or "labels" not in facts.graph.nodes[maker.node].component.traits:
            continue
        views = [s for s in maker.outputs if s.output != drawn.output and s.view == drawn.view]
        behind = facts.made_of(logits)
        missing = [s.output for s in views if s.id not in behind]
        if len(missing) == len(views):
            hint = f"name its call once, r: {maker.node}(...), and take r.{_view_of(maker)} and r.{drawn.output}"
            found.add(f"the logits do not see the view of '{maker.node}' whose label they are told", call.span, hint)
        elif missing:
            message = f"the logits are told a label of '{maker.node}' that nobody can tell without .{missing[0]}"
            found.add(message, call.span, f"make them of it too, as of .{_view_of(maker)}")


@rule("G409", "labels beyond the logits", "error")
def labels_have_logits(facts: Facts, found: Problems) -> None:
    """Logits are one for each class: labels go from 0 to one less than their number, and the head's `out` is as many.

    For a label beyond the last logit there is no loss, and on a GPU the whole process ends.
    """
    for call, logits, label in _guesses(facts):
        given, classes = facts.shapes.slots[logits.id][0][-1], _classes(facts, facts.origin(label))
        if classes is not None and given < classes:
            message = f"the labels are of {classes} classes, and '{logits.node}' gives {given} logits"
            found.add(message, call.span, f"a head whose last layer has out: {classes}")


@rule("G213", "a target that is no distribution", "error")
def target_is_a_distribution(facts: Facts, found: Problems) -> None:
    """A cross-entropy is told shares that sum to 1, by something that has no gradient; the prediction is what learns.

    Logits as targets are no shares: `target.centre` (DINO, Caron et al. 2021, arXiv:2104.14294, equation 1) or
    `target.sinkhorn` (SwAV, Caron et al. 2020, arXiv:2006.09882, section 3.1) makes them so. With the sides exchanged
    the one that should tell would learn, and the other would not (ReSSL, Zheng et al. 2021, arXiv:2107.09282, equation
    3). A node of your own that gives shares says `traits=("shares",)`.
    """
    for call in facts.graph.step_calls():
        prediction, target = (slots_of(call.args.get(name)) for name in ("prediction", "target"))
        node = facts.graph.nodes.get(call.node)
        if node is None or facts.attracts(node) or not prediction or not target:
            continue
        order = f"{call.node}(what learns, what it is told)"
        if any(facts.gradient[s.id] for s in target) and not any(facts.gradient[s.id] for s in prediction):
            found.add(f"'{call.node}' is given its sides in the other order: what tells learns", call.span, order)
        elif "of_shares" in node.component.traits and not all(_shares(facts, s) for s in target):
            hint = "put a target.centre or a target.sinkhorn between: " + f"{call.node}(p, centre(y))"
            found.add(f"'{call.node}' is told '{target[0].node}', which gives no shares that sum to 1", call.span, hint)


@rule("G218", "an answer that is seen", "error")
def answer_is_not_seen(facts: Facts, found: Problems) -> None:
    """What is to tell one part of a picture must not see that part, nor the picture before it was parted.

    Colours are told from lightness alone (Zhang et al. 2016, arXiv:1603.08511, section 2.1): `c: lab(x)`, then the
    encoder gets `c.l` and the target is made of `c.ab`.
    """
    for term in facts.training_terms:
        for call, prediction, target in _told(facts, term):
            parted = _part_of_picture(facts, target)
            behind = set() if parted is None else _seen(facts, prediction, parted[1])
            if parted is not None and behind & {parted[0].id, *(s.id for s in parted[1].inputs())}:
                part, maker = parted
                others = [f".{s.output}" for s in maker.outputs if s.output != part.output]
                message = f"what '{term.name}' is to tell is made of .{part.output} of '{maker.node}', and it is seen"
                found.add(message, call.span, f"make the prediction of {' or '.join(others)} alone")
                break


def _told(facts: Facts, term: Term) -> Iterator[tuple[Call, Slot, Slot]]:
    """What a term's last calls hold against each other: each value of whole pictures that learns, and each that does
    not."""
    for slot in map(facts.origin, term.slots):
        call = facts.graph.maker[slot.id]
        inputs = aligned_inputs(call, slot)
        for prediction, target in itertools.product(inputs, inputs):
            if facts.gradient[prediction.id] and not facts.gradient[target.id] and not is_masked(facts, prediction):
                yield call, prediction, target


def _part_of_picture(facts: Facts, slot: Slot) -> tuple[Slot, Call] | None:
    """The part of a picture that a value is made of without weights or chance, and the call that parts it."""

    def ends(_: Slot, call: Call) -> bool:
        return call.draws or call.node in facts.networks

    for current in facts.back(slot, until=ends):
        call = facts.graph.maker.get(current.id)
        if call is None or ends(current, call):
            continue
        if len({s.output for s in call.outputs}) > 1 and part_of(facts, current) is None:
            return None if any(c.node in facts.networks for c in facts.graph.before(current)) else (current, call)
    return None


def _seen(facts: Facts, slot: Slot, maker: Call) -> set[int]:
    """Every slot that a value is made of, but by way of a call no further than to what it gives."""
    return {s.id for s in facts.back(slot, until=lambda _, call: call.id == maker.id)}


@rule("G219", "shares of other prototypes", "error")
def shares_are_of_the_same(facts: Facts, found: Problems) -> None:
    """Of several clusterings each numbers its clusters by itself: its scores are held against its own codes.

    DeepCluster-v2 has three (Caron et al. 2020, arXiv:2006.09882, appendix D), PCL as many as it has numbers of
    clusters (Li et al. 2021, arXiv:2005.04966, equation 11).
    """
    for call in facts.graph.step_calls():
        node = facts.graph.nodes.get(call.node)
        if node is None or "of_shares" not in node.component.traits:
            continue
        pairs = zip(*(slots_of(call.args.get(name)) for name in ("prediction", "target")), strict=False)
        for one, two in ((facts.origin(a), facts.origin(b)) for a, b in pairs):
            own, others = _clustering(facts, one), _clustering(facts, two)
            if own and others and own != others:
                message = f"the scores of '{own}' are held against what '{two.node}' says, which has other clusters"
                both = f"take both of one: {own}.{one.output} and {own}.{two.output}"
                hint = both if two.node == others else f"take the scores of '{others}', or what '{own}' says"
                found.add(message, call.span, hint)
                break


def _clustering(facts: Facts, slot: Slot) -> str | None:
    """The node whose clusters a value numbers: that which makes it, or that which this one names."""
    node = facts.graph.nodes.get(slot.node)
    names = () if node is None else (node.name, *node.refs())
    return next((n for n in names if "fits" in facts.graph.nodes[n].component.traits), None)


def _shares(facts: Facts, slot: Slot) -> bool:
    """Whether a value comes from a node that gives shares."""
    nodes = [facts.graph.nodes.get(call.node) for call in facts.graph.before(slot)]
    return any(node is not None and "shares" in node.component.traits for node in nodes)


def _guesses(facts: Facts) -> Iterator[tuple[Call, Slot, Slot]]:
    """Each call of an objective that holds logits against labels, with both."""
    for call in facts.graph.calls:
        node = facts.graph.nodes.get(call.node)
        if node is not None and "classifies" in node.component.traits:
            logits, label = call.args.get("logits"), call.args.get("label")
            if isinstance(logits, Slot) and isinstance(label, Slot):
                yield call, logits, label


def _classes(facts: Facts, label: Slot) -> int | None:
    """How many classes there are; None where nobody knows."""
    maker = facts.graph.maker.get(label.id)
    if maker is None:
        return facts.shapes.data.classes if label == facts.graph.batch.get("label") else None
    if "labels" not in facts.graph.nodes[maker.node].component.traits:
        return None
    classes: int = facts.shapes.modules[maker.node].classes  # type: ignore[assignment]  # by its trait
    return classes


def _view_of(call: Call) -> str:
    return next((s.output for s in call.outputs if s.output != "label"), "view")
