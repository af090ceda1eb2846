"""G3: queues, memory banks, in-batch negatives, and running statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import Problems
from ...graph.arguments import usage_of
from ...graph.calls import Call, Slot, slots_of
from ...graph.nodes import Node
from .facts import Facts, aligned_inputs, compared
from .grids import of_views
from .rule import rule


@rule("G301", "a queue filled by an encoder that moves fast", "warning")
def queue_is_consistent(facts: Facts, found: Problems) -> None:
    """Keys in a queue should come from a slowly moving encoder.

    Keys of many steps are compared with one query; made by the online encoder they are inconsistent, and
    training fails or suffers (He et al. 2020, arXiv:1911.05722, section 3.2, and in 4.1 the ablation of the
    momentum: with m = 0 the loss oscillates). Fill it from a `target.ema`. A queue in which `target.nearest` looks
    for neighbours is no matter: NNCLR fills it from its one encoder (Dwibedi et al. 2021, arXiv:2104.14548).
    """
    for node in _queues(facts):
        for call in facts.calls_of(node.name, "update"):
            if any(facts.gradient[s.id] or _online(facts, s) for s in call.inputs()):
                found.add(f"'{node.name}' is filled by the online encoder", call.span, "push the keys of a target.ema")


def _queues(facts: Facts) -> list[Node]:
    """The queues whose keys are negatives of a critic."""
    scored = {s.id for c in facts.graph.calls if any(o.kind == "scores" for o in c.outputs) for s in c.inputs()}
    negative = {c.node for c in facts.graph.calls if any(s.id in scored for s in c.outputs)}
    return [n for n in facts.with_trait("history") if "bank" not in n.component.traits and n.name in negative]


def _online(facts: Facts, slot: Slot) -> bool:
    """Whether a slot was made by trainable weights, behind a stopgrad()."""
    return any(c.node in facts.trainable for c in facts.graph.before(slot))


@rule("G302", "a queue that does not fit the batch", "warning")
def queue_fits_batch(facts: Facts, found: Problems) -> None:
    """A queue should hold a whole number of batches, and at least one.

    Any size works here (the ring is written exactly at its end), but then keys of one batch leave at different
    steps, and a queue below the batch drops keys before they are used. MoCo's code (He et al. 2020,
    arXiv:1911.05722) asserts it. Keys of several views, and of `train.accumulate` batches, count together.
    """
    for node in facts.with_trait("history"):
        size = getattr(node.config, "size", None)
        written = sum(_rows(facts, c) for c in facts.calls_of(node.name, "update"))
        keys = written * facts.graph.spec.train.accumulate
        if size is not None and keys and size % keys:
            few = "smaller than" if size < keys else "no multiple of"
            at, hint = facts.at("nodes", node.name, "size"), f"as in size: {-(-size // keys) * keys}"
            found.add(f"'{node.name}' holds {size} keys, {few} the {keys} of a step", at, hint)


def _rows(facts: Facts, call: Call) -> int:
    """The vectors that a call is given by its first argument that has any: samples, views, positions."""
    for argument in call.args.values():
        shapes = [facts.shapes.slots[s.id][0] for s in slots_of(argument)]
        if rows := sum(math.prod(shape[:-1]) for shape in shapes if len(shape) > 1):
            return rows
    return 0


@rule("G304", "in-batch negatives in a batch of one", "error")
def batch_has_negatives(facts: Facts, found: Problems) -> None:
    """In-batch negatives are the batch's other samples; a batch of one has none, and the loss is zero.

    Of N samples in two views SimCLR takes 2(N - 1) (Chen et al. 2020, arXiv:2002.05709, section 2.1).
    """
    if facts.shapes.batch == 1:
        at, hint = facts.at("data", "batch"), "use a larger data.batch, or a queue"
        for name in in_batch_nodes(facts):
            found.add(f"'{name}' finds no negatives in a batch of one", at, hint)


def in_batch_nodes(facts: Facts) -> list[str]:
    """The nodes whose rows are the batch's samples; those of context.offset are positions, many of an image."""
    return [n.name for n in facts.with_trait("in_batch") if any(_by_sample(c) for c in facts.calls_of(n.name))]


def _by_sample(call: Call) -> bool:
    return any(len(axes) > 1 and axes[0] == "b" for slot in call.inputs() for axes in slot.axes)


@rule("G305", "batch norm that leaks between query and keys", "warning")
def batch_norm_leaks(facts: Facts, found: Problems) -> None:
    """With a queue, a sample's key is the only one normalised together with its query's batch.

    The model can find the positive by the statistics that they share, and the features suffer: MoCo shuffles the
    batch across devices (He et al. 2020, arXiv:1911.05722, section 3.3). It holds for each node that makes the keys,
    heads too. On one device: `norm: {use: split_batch, splits: 8}`, or a norm without batch statistics.
    """
    if not _queues(facts):
        return
    leaks = {(n, t.name): None for t in facts.with_trait("average") for n in _followed(facts, t) if _leaks(facts, n)}
    for name, target in leaks:
        node = facts.graph.nodes[name]
        at = facts.at("nodes", name, "norm") if "normed" in node.component.traits else node.span
        message = f"'{name}' uses batch norm over the whole batch, and '{target}' makes keys with it"
        found.add(message, at, _other_norms(node))


def _followed(facts: Facts, target: Node) -> Iterator[str]:
    """The nodes of a target's chain; of a target in it, those that it follows."""
    for name in target.refs():
        node = facts.graph.nodes[name]
        if "average" in node.component.traits:
            yield from _followed(facts, node)
        else:
            yield name


def _leaks(facts: Facts, name: str) -> bool:
    """Whether a node has batch norm over the whole batch: not one with `splits`, as split batch norm has them."""
    modules = facts.shapes.modules[name].modules()
    return any(isinstance(m, _BatchNorm) and getattr(m, "splits", 1) == 1 for m in modules)


def _other_norms(node: Node) -> str:
    """The norms without a leak that a node takes."""
    named = [norm for norm in ("none", "layer", "group") if _takes(node, norm)]
    split = ["{use: split_batch, splits: 8}"] if _takes(node, {"use": "split_batch", "splits": 8}) else []
    choices = [*([" or ".join(named)] if named else []), *split]
    return f"norm: {', or '.join(choices)}" if choices else "a norm without batch statistics has no such leak"


def _takes(node: Node, norm: object) -> bool:
    """Whether it is a value of the node's `norm`, whatever its other options are."""
    if "normed" not in node.component.traits:
        return False
    try:
        node.component.config.model_validate({**dict(node.config), "norm": norm})
    except ValidationError as error:
        return all(wrong["loc"][:1] != ("norm",) for wrong in error.errors())
    return True


@rule("G306", "a bank's index that is not batch.index", "error")
def bank_is_read_by_sample(facts: Facts, found: Problems) -> None:
    """A memory bank has one entry for each training sample, found by `batch.index`: to read it, as the negatives or
    by a `target.entry`, and to write it.

    By anything else, such as a class, many samples share an entry and the others are never written; the entry that
    is masked as a sample's own is another's (Wu et al. 2018, arXiv:1805.01978, section 3: each image is a class).
    """
    banks = {n.name for n in facts.with_trait("bank")}
    for node in facts.graph.nodes.values():
        for call in facts.calls_of(node.name) if banks & {node.name, *node.refs()} else ():
            index = call.args.get("index")
            slots = (index,) if isinstance(index, Slot) else index or ()
            wrong = [o for o in map(facts.origin, slots) if o != facts.graph.batch.get("index")]
            if wrong:
                title = call.method if call.section == "update" else node.name
                usage = usage_of(title, node.ports(call.method))
                message = f"the index of '{node.name}' is {wrong[0].node}, not batch.index"
                found.add(message, call.span, usage)


@rule("G307", "a margin on scores that are no distances", "error")
def margin_is_of_distances(facts: Facts, found: Problems) -> None:
    """The contrastive loss with a margin squares distances: 1/2 D+^2 + 1/2 max(0, m - D-)^2, with D = -score.

    Hadsell, Chopra and LeCun 2006, Dimensionality reduction by learning an invariant mapping, equation 4. Only
    `critic.euclidean` gives minus a distance; of a cosine, say, the square is smallest for embeddings at right angles.
    `objective.triplet` takes any scores.
    """
    for term in facts.graph.terms:
        for objective, call, critic in facts.scored_by(term):
            if "of_distances" in objective.component.traits and "distance" not in critic.component.traits:
                message, reason = (
                    f"'{objective.name}' is for distances, and {who} gives none"
                    for who in (f"'{critic.name}' ({critic.component.name})", "the critic")
                )
                hint = "critic.euclidean gives them"
                found.add(message, call.span, hint, about=objective.name, reason=reason)
                break


@rule("G308", "NCE with noise that is not uniform", "error")
def nce_noise_is_uniform(facts: Facts, found: Problems) -> None:
    """NCE compares how likely model and noise are to give an entry, and its objectives know one noise: 1 / N for each
    of N entries, as instance discrimination has it (Wu et al. 2018, arXiv:1805.01978, equation 6).

    A bank with `weights` draws some entries more often, Pn. Then the scores come to be log P - log(N Pn), not log P
    (Gutmann and Hyvarinen 2010, Noise-contrastive estimation, AISTATS, section 2.1): of an entry drawn twice as
    often, log 2 less. Draw uniformly, or take `objective.infonce`, whose scores are for the ratio to whatever is drawn
    (van den Oord et al. 2018, arXiv:1807.03748, equation 5).
    """
    for term in facts.graph.terms:
        for objective, call, _ in facts.scored_by(term):
            weighted = [n.name for s in call.inputs() for n in _weighted(facts, s)]
            if "uniform_noise" in objective.component.traits and weighted:
                what = f"'{objective.name}' is for noise that draws all entries alike"
                hint = "leave them out, or take objective.infonce"
                found.add(f"{what}, and '{weighted[0]}' has weights", call.span, hint)
                break


def _weighted(facts: Facts, slot: Slot) -> Iterator[Node]:
    """The nodes that scores, or negatives, come from and that draw some entries more often than others."""
    call = facts.graph.maker.get(slot.id)
    if call is None or slot.kind not in ("scores", "negatives"):
        return
    node = facts.graph.nodes[call.node]
    if "weighted" in node.component.traits and getattr(node.config, "weights", None) is not None:
        yield node
    for given in call.inputs():
        yield from _weighted(facts, given)


@rule("G309", "a state of other values than those that it is for", "warning")
def state_is_of_its_values(facts: Facts, found: Problems) -> None:
    """A running statistic should be one of what the node is given: `centre(y)` in the flow, `centre: observe(y)` after.

    DINO's centre is the mean of the teacher's outputs, from which it is taken (Caron et al. 2021, arXiv:2104.14294,
    equation 4); that of other values, or of the student's, keeps nothing from collapsing.
    """
    for call in facts.graph.update_calls():
        if "running" not in facts.graph.nodes[call.node].component.traits:
            continue
        read = [c for c in facts.calls_of(call.node) if c.section != "update" and c.method == "forward"]
        written, given = (_made_by(facts, [s for c in calls for s in c.inputs()]) for calls in ([call], read))
        if written and given and not written.keys() & given.keys():
            message = f"'{call.node}' is given what {_makers(given)} gives, and observes that of {_makers(written)}"
            found.add(message, call.span, f"observe what it is given: {call.node}: {call.method}(y) for {call.node}(y)")


@rule("G310", "relations to other draws", "error")
def related_to_the_same(facts: Facts, found: Problems) -> None:
    """What two sides say of the same entries is compared entry by entry: both are scored with one draw of them.

    ReSSL's student and teacher are related to one queue (Zheng et al. 2021, arXiv:2107.09282, equation 3). A bank or a
    mix that draws does so anew at each call: `n: bank(batch.index)`, then `soft(z, k, n)` and `sharp(k, k, n)`.
    """
    for call in facts.graph.step_calls():
        sides = [slots for a in call.args.values() if (slots := slots_of(a)) and slots[0].kind == "scores"]
        for pair in zip(*sides, strict=False) if len(sides) > 1 else ():
            drawn = [{s.node: s for s in _drawn(facts, side)} for side in pair]
            for node in sorted(drawn[0].keys() & drawn[1].keys()):
                if drawn[0][node] != drawn[1][node]:
                    message = f"'{call.node}' compares scores of two draws of '{node}', entry by entry"
                    found.add(message, call.span, f"draw once, and give both critics that: n: {node}(...)")
                    return


def _drawn(facts: Facts, scores: Slot) -> Iterator[Slot]:
    """The negatives of a critic that a call has drawn."""
    makers = facts.graph.maker
    for given in compared(facts, scores):
        entries = (s for s in aligned_inputs(makers[given.id], given) if s.kind == "negatives")
        yield from (s for s in entries if makers[s.id].draws)


Source = tuple[str, int, frozenset[int]]  # a node, the rank of what it gives, and of which views


def _made_by(facts: Facts, slots: Sequence[Slot]) -> dict[Source, Slot]:
    """What the last networks gave for these values; without one, the values themselves."""
    found = dict[Source, Slot]()
    for slot in facts.back(*slots, until=lambda _, call: call.node in facts.networks):
        call = facts.graph.maker.get(slot.id)
        if call is not None and call.node in facts.networks:
            rank = len(facts.shapes.slots[slot.id][0])
            found |= {(call.node, rank, frozenset({view})): slot for view in of_views(facts, slot)}
    return found or {("", 0, of_views(facts, s)): s for s in slots}


def _makers(sources: Mapping[Source, Slot]) -> str:
    slots = sorted(sources.values(), key=lambda s: s.id)
    words = (f"'{s.node}'" + (f" (line {s.span.line})" if s.span else "") for s in slots)
    return " and ".join(dict.fromkeys(words))
