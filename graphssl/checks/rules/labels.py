"""Labels that are drawn with a view, what was done to it, and those who guess them."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Problems
from ...graph.calls import Call, Slot
from .facts import Facts
from .rule import rule


@rule("G205", "a label of another view", "error")
def label_is_of_the_view(facts: Facts, found: Problems) -> None:
    """Logits can only tell the label of a view that they are made from: that of the same call, of the same number.

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
        views = {s.id for s in maker.outputs if s.output != drawn.output and s.view == drawn.view}
        if not views & facts.made_of(logits):
            hint = f"name its call once, r: {maker.node}(...), and take r.{_view_of(maker)} and r.{drawn.output}"
            found.add(f"the logits do not see the view of '{maker.node}' whose label they are told", call.span, hint)


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
