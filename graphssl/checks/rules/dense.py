"""Positions of two views: boxes, and shares that say which belong together."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from ...errors import Problems
from ...graph.calls import Call, Slot
from .facts import Facts, aligned_inputs
from .grids import beside_of, grids, numbering, of_views, positions_of
from .rule import rule


@rule("G214", "a box of another view", "error")
def box_is_of_the_view(facts: Facts, found: Problems) -> None:
    """A view's box says where in the picture its positions are; those of another view are elsewhere.

    PixPro (Xie et al. 2021, arXiv:2011.10043, section 3.1) and VICRegL (Bardes et al. 2022, arXiv:2210.01571, section
    3.2) bring the positions of both views back into the picture, each by its own crop: `cells(z, boxes)`, view by view.
    """
    beside_the_picture = {s.id for name, s in facts.graph.batch.items() if name != "image"}
    for call in facts.graph.step_calls():
        for view in _views(call):
            inputs = aligned_inputs(call, view)
            boxes = [(facts.origin(s), shown) for s in inputs if (shown := beside_of(facts, s)) is not None]
            others = frozenset[int]().union(*(of_views(facts, s) for s in inputs if beside_of(facts, s) is None))
            for box, shown in boxes:
                if shown.id not in others and others - beside_the_picture:
                    message = f"'{call.node}' is given the .{box.output} of {_said(facts, {shown.id})}, and what is of "
                    hint = f"both of one view: {call.node}(z[{box.view}], {box.output}[{box.view}])"
                    found.add(message + _said(facts, others), call.span, hint)
                    break


@rule("G215", "shares of other positions", "error")
def shares_are_of_the_map(facts: Facts, found: Problems) -> None:
    """A share says what each position of one map takes of those of the other: of a third map they are other places.

    `m: match(a, c)` gives for each position of `a` those of `c`; so `gather(c, m.share)` stands beside `a` (DenseCL,
    Wang et al. 2021, arXiv:2011.09157, equation 3). `context.nearest` chooses by the distances of the positions that it
    is given (VICRegL, Bardes et al. 2022, arXiv:2210.01571, section 3.2). Axes of one letter in two ports are the same
    positions.
    """
    hint = "m: match(a, c) tells what each position of a takes of c: gather(c, m.share)"
    for call, one, two in _apart(facts, by_letter=True):
        found.add(f"'{call.node}' is given positions of {one}, and says what to take of {two}", call.span, hint)


@rule("G216", "a view that is matched with itself", "warning")
def two_maps_are_two(facts: Facts, found: Problems) -> None:
    """Of two views of a picture each position looks for its counterpart in the other; in its own it is the nearest.

    The pairs are what a dense method learns from (VICRegL, Bardes et al. 2022, arXiv:2210.01571, section 3.2): a
    position that goes with itself is no pair.
    """
    for call in facts.graph.step_calls():
        node = facts.graph.nodes.get(call.node)
        if node is None or not node.component.detached or call.draws:
            continue
        for view in _views(call):
            maps = [(slot, at) for _, slot, names in grids(facts, call, view) if (at := numbering(names))]
            for (one, here), (two, there) in itertools.combinations(maps, 2):
                if not here.keys() & there.keys() and facts.origin(one) == facts.origin(two):
                    said = _said(facts, of_views(facts, one))
                    found.add(f"'{call.node}' matches {said} with itself", call.span, "give it one view and the other")
                    return


@rule("G217", "positions of two views, compared by number", "warning")
def compared_where_they_are(facts: Facts, found: Problems) -> None:
    """Two crops of a picture show other parts of it at the same position: which belong together has to be found.

    By where they are in the picture (PixPro, Xie et al. 2021, arXiv:2011.10043, section 3.1) or by what is there
    (DenseCL, Wang et al. 2021, arXiv:2011.09157, section 3.3). Views that are no crops may be compared so.
    """
    hint = "m: match(a, c), and gather(c, m.share) in the place of c; of two views the other is views(c[1], c[0])"
    for call, one, two in _apart(facts, by_letter=False):
        found.add(f"'{call.node}' compares positions of {one} by number with those of {two}", call.span, hint)


def _lines(facts: Facts) -> Iterator[Call]:
    """The calls of a step, of several alike on a line the first two: those of two views."""
    count = Counter[tuple[str, object]]()
    for call in facts.graph.step_calls():
        count[call.node, call.span] += 1
        if count[call.node, call.span] <= 2:
            yield call


def _views(call: Call) -> tuple[Slot, ...]:
    """One output of a call; of a call for several views that of each."""
    return call.outputs[:1] if call.fold == 1 else tuple(s for s in call.outputs if s.output == call.outputs[0].output)


def _apart(facts: Facts, by_letter: bool) -> Iterator[tuple[Call, str, str]]:
    """Calls that hold two inputs against each other position by position, and the views whose positions these are.

    by_letter: by axes that the node's ports have a letter for, or by those that they do not know.
    """
    for call in _lines(facts):
        pairs = (pair for view in _views(call) for pair in _held(facts, call, view, by_letter))
        differing = next(((one, two) for one, two in pairs if one and two and not one & two), None)
        if differing is not None:
            yield call, _said(facts, differing[0]), _said(facts, differing[1])


def _held(
    facts: Facts, call: Call, view: Slot, by_letter: bool
) -> Iterator[tuple[frozenset[int] | None, frozenset[int] | None]]:
    """Of each two inputs whose axes have a name in common, whose positions they number."""
    inputs = [(slot, numbering(names)) for _, slot, names in grids(facts, call, view)]
    for (one, here), (two, there) in itertools.combinations(inputs, 2):
        for name in here.keys() & there.keys():
            if name.isidentifier() == by_letter:
                yield positions_of(facts, one, here[name]), positions_of(facts, two, there[name])


def _said(facts: Facts, slots: frozenset[int] | set[int]) -> str:
    """The views that these are, in words."""
    made = [s for call in facts.graph.calls for s in call.outputs if s.id in slots]
    words = []
    for s in made:
        several = s.span is not None and s.view is not None and len(facts.calls_of(s.node, "flow")) > 1
        view = "" if s.view is None else f"view {s.view} of "
        words.append(f"{view}'{s.node}'" + (f" (line {s.span.line})" if several and s.span else ""))
    return " and ".join(dict.fromkeys(words)) or "the batch"
