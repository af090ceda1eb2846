"""G2: collapses that the literature knows, and positives that teach nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...errors import Problems
from ...graph.calls import Call, Slot, slots_of
from ...graph.graph import Term
from ...graph.nodes import Node
from .facts import Facts, aligned_inputs, factors
from .grids import grids
from .patches import is_masked
from .rule import rule


@rule("G201", "an attracting loss with a gradient on both sides", "error")
def attraction_needs_stop_gradient(facts: Facts, found: Problems) -> None:
    """A loss that only pulls positives together is smallest when all outputs are the same: the encoder collapses.

    BYOL (Grill et al. 2020, arXiv:2006.07733, section 3.2) avoids it with a momentum target and a predictor,
    SimSiam (Chen and He 2021, arXiv:2011.10566, section 4.1 and figure 2) with a stop-gradient: without it,
    the loss reaches its minimum at once and kNN accuracy falls to chance. Put `stopgrad()` or a `target.ema`
    on one side, or add a term that pushes apart: one with negatives, or with a minus, as in RAFT (Shi et al. 2020,
    arXiv:2011.10944). Embeddings that are whitened cannot all be the same: `head.whiten` last on both sides (W-MSE,
    Ermolov et al. 2021, arXiv:2007.06346).
    """
    if not _attracts_only(facts):
        return
    for term in facts.training_terms:
        for call, query, key in facts.pairs(term):
            if facts.gradient[query.id] and facts.gradient[key.id] and not _spread(facts, query, key):
                hint = "put stopgrad() or a target on the key's side, or use negatives"
                found.add(f"'{term.name}' only attracts, and both sides of it learn: this collapses", call.span, hint)
                break


@rule("G202", "an attracting loss without a predictor", "error")
def attraction_needs_predictor(facts: Facts, found: Problems) -> None:
    """A loss that only attracts needs a predictor: a trainable node on the query's side that the key's side has not.

    Without it BYOL falls to 0.2 percent (Grill et al. 2020, arXiv:2006.07733, table 5b) and SimSiam to 0.1 percent
    (Chen and He 2021, arXiv:2011.10566, table 1a). Where both sides are whitened none is needed.
    """
    if not _attracts_only(facts):
        return
    for term in facts.training_terms:
        for call, query, key in facts.pairs(term):
            one_sided = facts.gradient[query.id] != facts.gradient[key.id]
            learner, other = (query, key) if facts.gradient[query.id] else (key, query)
            predicts = facts.embedders(learner) - _embedders(facts, other)
            if one_sided and not predicts and not _spread(facts, query, key):
                message = f"'{term.name}' only attracts, and no predictor tells its sides apart: this collapses"
                hint = "add a head on the side that learns: p: predictor(projector(encoder(x)))"
                found.add(message, call.span, hint)
                break


def _embedders(facts: Facts, slot: Slot) -> set[str]:
    """As `Facts.embedders`, along what is embedded: of a map and shares of its positions along the map."""
    through, known, todo = set[str](), set[int](), [facts.origin(slot)]
    while todo:
        current = facts.origin(todo.pop())
        call = facts.graph.maker.get(current.id)
        if current.id in known:
            continue
        known.add(current.id)
        ends = call is None or call.node in facts.networks or "d" not in current.axes[0]
        embedded = [s for _, s, names in grids(facts, call, current) if "d" in names] if call and not ends else []
        todo += embedded
        through |= set() if embedded else facts.embedders(current)
    return through


def _attracts_only(facts: Facts) -> bool:
    """Whether no term that trains pushes different samples, or a sample and its target, apart."""
    terms = facts.training_terms
    attracts = any(_has(facts, term, facts.attracts) for term in terms)
    return attracts and all(_has(facts, term, lambda o: facts.attracts(o) or _regularises(o)) for term in terms)


def _spread(facts: Facts, *slots: Slot) -> bool:
    """Whether the last that was done to each keeps samples apart."""
    makers = (facts.graph.maker.get(facts.origin(slot).id) for slot in slots)
    nodes = (None if call is None else facts.graph.nodes.get(call.node) for call in makers)
    return all(node is not None and "spreads" in node.component.traits for node in nodes)


def _regularises(node: Node) -> bool:
    return "regularises" in node.component.traits


def _has(facts: Facts, term: Term, what: Callable[[Node], bool]) -> bool:
    """Whether all objectives of a term are of a kind, and not turned round by a minus."""
    objectives = [facts.graph.nodes[facts.graph.maker[s.id].node] for s in term.slots if facts.gradient[s.id]]
    return min(factors(term)) >= 0 and all(map(what, objectives))


@rule("G203", "positives that are the same picture", "warning")
def positives_differ(facts: Facts, found: Problems) -> None:
    """The query and the key of a positive pair should come from different views of the image.

    From the same view, with the same weights or slow copies of them, the pair is matched before anything is
    learnt (Chen et al. 2020, arXiv:2002.05709, section 3: the augmentations define the task). A pair without a
    gradient on either side, such as a teacher's relation to its own view, is a target and not a task.
    """
    for term in facts.graph.terms:
        if max(factors(term)) < 0:  # it pushes the pair apart
            continue
        for call, query, key in (*facts.pairs(term), *_shared(facts, term)):
            sides = [_views(facts, query), _views(facts, key)]
            learns = facts.gradient[query.id] or facts.gradient[key.id]
            if learns and sides[0] == sides[1] and len(sides[0]) == 1 and _matched(facts, query, key):
                hint = "take different views: x[0] and x[1], or pairs=cross"
                found.add("the query and the key are made from the same view", call.span, hint)
                break


@rule("G204", "attraction without an end", "error")
def attraction_is_bounded(facts: Facts, found: Problems) -> None:
    """An objective that only makes the score of positives large needs a score that has a largest value.

    BYOL's regression, 2 - 2 * score (Grill et al. 2020, arXiv:2006.07733, equation 2), is a squared distance for the
    cosine, between 0 and 4. On dot products or a learned critic it falls for ever as the embeddings grow. Take
    `critic.cosine` or `critic.euclidean`, or put `critic.clip` between; a critic of your own says
    `traits=("bounded",)`. Where the term has a minus, as in RAFT, the score must not fall without end:
    `bounded_below`.
    """
    for term in facts.training_terms:
        away = min(factors(term)) < 0
        trait, moves, effect = ("bounded_below", "fall", "smaller") if away else ("bounded", "grow", "larger")
        ends = "critic.cosine is from -1 to 1, critic.clip puts an end to the scores of another"
        hint = f"{ends}; a critic of your own that has one says traits=('{trait}',)"
        for objective, call, critic in facts.scored_by(term):
            if facts.attracts(objective) and trait not in critic.component.traits:
                makes = f"'{objective.name}' in '{term.name}' makes them {effect}"
                message, reason = (
                    f"the scores of {who} can {moves} without end, and {makes}"
                    for who in (f"'{critic.name}' ({critic.component.name})", "the critic")
                )
                found.add(message, call.span, hint, about=objective.name, reason=reason)
                break


@rule("G220", "a loss that compares nothing", "warning")
def something_is_compared(facts: Facts, found: Problems) -> None:
    """Some term should hold one thing against another: two views, a picture and its label, what is told and what is so.

    A spread, a rate or a norm says how embeddings lie, and not which pictures are alike: beside a term that does, it
    keeps them from collapsing (EMP-SSL, Tong et al. 2023, arXiv:2304.03977, equation 3); MMCR's norm is of the mean of
    several views (Yerxa et al. 2023, arXiv:2303.03307, equation 4). A network of your own that gives a loss may
    compare within.
    """
    terms = facts.training_terms
    if terms and not any(_compares(facts, slot) for term in terms for slot in map(facts.origin, term.slots)):
        hint = "add a term on two views, or take the mean of several: augment with views: 2 and context.mean"
        found.add("no term says what is to be alike: each is about embeddings of one view", terms[0].span, hint)


def _compares(facts: Facts, slot: Slot) -> bool:
    """Whether a loss is about more than one value of one view."""
    call = facts.graph.maker[slot.id]
    if not getattr(facts.shapes.modules[call.node], "compares", True):
        return False
    inputs = aligned_inputs(call, slot)
    by_view = all(isinstance(argument, tuple) for argument in call.args.values()) and call.fold == 1
    if call.node in facts.networks or (len(set(inputs)) > 1 and not by_view):
        return True
    return any(s.kind != "tensor" or not _of_one(facts, s) for s in inputs)


def _of_one(facts: Facts, slot: Slot) -> bool:
    """Whether a value is what a network gave of one view, with nothing of another mixed in, nor of its positions."""
    while (call := facts.graph.maker.get(slot.id)) is not None and call.node not in facts.networks:
        inputs = set(aligned_inputs(call, slot))
        ranks = {len(facts.shapes.slots[s.id][0]) for s in (slot, *inputs)}
        if len(inputs) != 1 or len(ranks) != 1:
            return False
        slot = inputs.pop()
    return True


def _shared(facts: Facts, term: Term) -> Iterator[tuple[Call, Slot, Slot]]:
    """Each prediction of shares, of a whole picture, and what it is told of the same picture by what learns with it."""
    for slot in map(facts.origin, term.slots):
        call = facts.graph.maker[slot.id]
        node = facts.graph.nodes.get(call.node)
        if node is not None and "of_shares" in node.component.traits:
            sides = (slots_of(call.args.get(name)) for name in ("prediction", "target"))
            for prediction, target in zip(*sides, strict=False):
                frozen = {c.node for c in facts.graph.before(target)} & facts.networks - facts.trainable
                told = frozen - {n.name for n in facts.with_trait("average")}
                maker = facts.graph.nodes.get(facts.origin(target).node)
                assigned = maker is not None and "fits" in maker.component.traits
                same = _pictures(facts, prediction) & _pictures(facts, target)
                if same and not (told or assigned or is_masked(facts, prediction)):
                    yield call, prediction, target


def _pictures(facts: Facts, slot: Slot) -> set[Slot]:
    """The pictures that networks were given on the way to a value."""
    calls = [call for call in facts.graph.before(slot) if call.node in facts.networks]
    return {s for call in calls for s in call.inputs() if not {c.node for c in facts.graph.before(s)} & facts.networks}


def _matched(facts: Facts, query: Slot, key: Slot) -> bool:
    """Whether both are embeddings by the same weights. Positions and the whole, or two encoders, one of which may be
    frozen, are a task; so are rows of another axis than `b`, which are different positions."""
    one, other = facts.embedders(query), facts.embedders(key)
    vectors = all(len(s.axes[0]) == 2 and s.axes[0][0] == "b" for s in (query, key))
    return vectors and bool(one and other) and (one <= other or other <= one)


def _views(facts: Facts, slot: Slot) -> set[int]:
    """The augmented views that a slot is made of, back to the nodes that make views."""

    def makes_views(current: Slot, call: Call) -> bool:
        node = facts.graph.nodes.get(call.node)
        return node is not None and "view" in node.component.traits

    makers = facts.graph.maker
    return {s.id for s in facts.back(slot, until=makes_views) if s.id in makers and makes_views(s, makers[s.id])}
