"""What is checked once shapes are known, one small function a rule; its docstring is what `graphssl explain` prints.

Errors stop a run, warnings do not. A graph file turns a rule off with `allow: [G201]`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import networkx as nx
from torch import nn

from .errors import GraphError, Problem, Span, suggest
from .graph import Graph, Term
from .nodes import Node
from .schedule import Schedule
from .shapes import Shapes
from .values import Call, Slot

Finding = tuple[str, Span | None, str | None]
Find = Callable[["Facts"], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """A rule: its code, what it is about in a few words, how grave it is, and the function that looks."""

    code: str
    title: str
    severity: Literal["error", "warning"]
    find: Find

    @property
    def explanation(self) -> str:
        return inspect.getdoc(self.find) or ""


RULES: dict[str, Rule] = {}


def rule(code: str, title: str, severity: Literal["error", "warning"]) -> Callable[[Find], Find]:
    """Registers a function that yields findings: message, place, hint."""

    def register(find: Find) -> Find:
        RULES[code] = Rule(code, title, severity, find)
        return find

    return register


def check(graph: Graph, shapes: Shapes) -> list[Problem]:
    """The warnings of all rules; raises GraphError where a rule finds an error."""
    problems = [*_allow_problems(graph), *_name_problems(graph, shapes)]
    facts = Facts(graph, shapes)
    for code, entry in RULES.items():
        if code not in graph.spec.allow:
            for message, span, hint in entry.find(facts):
                problems.append(Problem(message, span, hint, code, entry.severity))
    if any(p.severity == "error" for p in problems):
        raise GraphError(problems)
    return problems


def explain(code: str) -> str:
    """A rule in full. Raises LookupError with a suggestion for a code that does not exist."""
    entry = RULES.get(code.upper())
    if entry is None:
        raise LookupError(suggest(code.upper(), RULES, "codes are") or "")
    grave = "an error" if entry.severity == "error" else "a warning"
    off = f"It is {grave}; a graph file turns it off with allow: [{entry.code}]."
    return f"{entry.code}: {entry.title}\n\n{entry.explanation}\n\n{off}"


def _allow_problems(graph: Graph) -> Iterator[Problem]:
    for i, code in enumerate(graph.spec.allow):
        if code not in RULES:
            at = graph.source.at(("allow", i))
            yield Problem(f"no rule has the code '{code}'", at, suggest(code, RULES, "codes are"))


def _name_problems(graph: Graph, shapes: Shapes) -> Iterator[Problem]:
    """Names of nodes in `train:` and `evaluate:`."""
    for name in graph.spec.train.nodes:
        if name not in graph.nodes:
            at = graph.source.at(("train", "nodes", name), key=True)
            yield Problem(f"no node is called '{name}'", at, suggest(name, graph.nodes, "nodes are"))
    features = graph.spec.evaluate.features
    at = graph.source.at(("evaluate", "features"))
    if features is not None and features not in graph.nodes:
        yield Problem(f"no node is called '{features}'", at, suggest(features, graph.nodes, "nodes are"))
    elif features is not None and shapes.image_size(features) is None:
        yield Problem(f"'{features}' does not take images, so it gives no features of them", at, "name an encoder")


@dataclass(frozen=True)
class Facts:
    """What rules look at: the graph, its shapes, and what follows from them."""

    graph: Graph
    shapes: Shapes

    @cached_property
    def maker(self) -> Mapping[int, Call]:
        """The call that fills a slot."""
        return {slot.id: call for call in self.graph.calls for slot in call.outputs}

    @cached_property
    def trainable(self) -> set[str]:
        return self.shapes.trainable()

    @cached_property
    def gradient(self) -> Mapping[int, bool]:
        """Whether a slot carries a gradient, by propagation along the calls."""
        carries = {slot.id: False for slot in self.graph.batch.values()}
        for call in self.graph.calls:
            if call.node == "stopgrad" or self.graph.nodes[call.node].component.detached:
                flows = False
            else:
                flows = call.node in self.trainable or any(carries[s.id] for s in call.inputs())
            carries.update({slot.id: flows for slot in call.outputs})
        return carries

    @cached_property
    def digraph(self) -> nx.DiGraph[int | str]:
        return self.graph.digraph()

    def before(self, slot: Slot) -> list[Call]:
        """Every call on which a slot depends, its own included."""
        call = self.maker.get(slot.id)
        if call is None:
            return []
        ids = {*nx.ancestors(self.digraph, call.id), call.id}
        return [c for c in self.graph.calls if c.id in ids]

    def trained_through(self, slot: Slot) -> set[str]:
        """The nodes that a gradient arriving at a slot reaches."""
        reached, todo, seen = set(), [slot], set()
        while todo:
            current = todo.pop()
            call = self.maker.get(current.id)
            if call is None or call.id in seen or not self.gradient[current.id]:
                continue
            seen.add(call.id)
            reached |= {call.node} & self.trainable
            todo += call.inputs()
        return reached

    def embedders(self, slot: Slot) -> set[str]:
        """The nodes with weights that a slot went through; an average counts as the nodes that it follows."""
        through: set[str] = set()
        for call in self.before(slot):
            node = self.graph.nodes.get(call.node)
            if node is not None:
                through |= set(node.refs()) if "average" in node.component.traits else {call.node} & self.trainable
        return through

    def with_trait(self, trait: str) -> list[Node]:
        return [n for n in self.graph.nodes.values() if trait in n.component.traits]

    def calls_of(self, node: str, section: str | None = None) -> list[Call]:
        return [c for c in self.graph.calls if c.node == node and section in (None, c.section)]

    def pairs(self, term: Term) -> Iterator[tuple[Call, Slot, Slot]]:
        """The query and key of each critic's call that a loss term rests on."""
        seen = set()
        for slot in term.slots:
            for call in self.before(slot):
                if any(s.kind == "scores" for s in call.outputs) and call.id not in seen:
                    seen.add(call.id)
                    pair = [s for s in call.inputs() if s.kind == "tensor"][:2]
                    if len(pair) == 2:
                        yield call, pair[0], pair[1]

    def attracts_only(self) -> bool:
        """Whether no term pushes different samples apart."""
        makers = {self.maker[s.id].node for t in self.graph.terms for s in t.slots}
        return all("attracts" in self.graph.nodes[n].component.traits for n in makers)


# -- gradient and use ----------------------------------------------------------------------------------------


@rule("G101", "a loss term that trains nothing", "error")
def loss_reaches_a_node(facts: Facts) -> Iterator[Finding]:
    """Each loss term must depend on a node with trainable weights through a path without stop-gradient.

    Outputs of an EMA target, a queue or a memory bank, of stopgrad() and of the batch carry no gradient.
    """
    for term in facts.graph.terms:
        if not any(facts.trained_through(s) for s in term.slots):
            yield (
                f"no gradient of '{term.name}' reaches a node with weights",
                term.span,
                "is a stopgrad() or a target on both sides?",
            )


@rule("G102", "weights that no loss trains", "error")
def node_is_reached(facts: Facts) -> Iterator[Finding]:
    """Each node with trainable weights must receive a gradient from some loss term.

    Otherwise it stays as it was initialised, which is rarely meant. A momentum encoder is a `target.ema` node,
    which has no trainable weights; a fixed random network needs `allow: [G102]`.
    """
    reached = set().union(*(facts.trained_through(s) for t in facts.graph.terms for s in t.slots))
    for name in facts.graph.nodes:
        if name in facts.trainable - reached and facts.calls_of(name):
            yield (
                f"no loss trains '{name}'",
                facts.graph.nodes[name].span,
                "its output must reach a loss term without a stopgrad()",
            )


@rule("G103", "a value that nothing uses", "warning")
def value_is_used(facts: Facts) -> Iterator[Finding]:
    """Each value of the flow should be used by another line, a loss term or an update. Unused ones are not computed."""
    for name in facts.graph.values:
        if name not in facts.graph.read:
            yield f"nothing uses the value '{name}'", facts.graph.source.at(("flow", name), key=True), None


@rule("G104", "a node that is never called", "warning")
def node_is_called(facts: Facts) -> Iterator[Finding]:
    """Each node should be called somewhere in the flow, or be named by a target that follows it."""
    called = {c.node for c in facts.graph.calls if c.section != "update"}
    for name, node in facts.graph.nodes.items():
        if name not in called:
            writes = " (it is written, but never read)" if node.component.updates else ""
            yield f"'{name}' is never called{writes}", node.span, None


# -- collapse ------------------------------------------------------------------------------------------------


@rule("G201", "an attracting loss with a gradient on both sides", "error")
def attraction_needs_stop_gradient(facts: Facts) -> Iterator[Finding]:
    """A loss that only pulls positives together is smallest when all outputs are the same: the encoder collapses.

    BYOL (Grill et al. 2020, arXiv:2006.07733, section 3.2) avoids it with a momentum target and a predictor,
    SimSiam (Chen and He 2021, arXiv:2011.10566, section 4.1 and figure 2) with a stop-gradient: without it,
    the loss reaches its minimum at once and kNN accuracy falls to chance. Put `stopgrad()` or a `target.ema`
    on one side, or add a term that pushes different samples apart.
    """
    if not facts.attracts_only():
        return
    for term in facts.graph.terms:
        for call, query, key in facts.pairs(term):
            if facts.gradient[query.id] and facts.gradient[key.id]:
                hint = "put stopgrad() or a target on the key's side, or use negatives"
                yield (
                    f"'{term.name}' only attracts, and both sides of it learn: this collapses",
                    call.span,
                    hint,
                )
                break


@rule("G202", "an attracting loss without a predictor", "error")
def attraction_needs_predictor(facts: Facts) -> Iterator[Finding]:
    """A loss that only attracts needs a predictor: a trainable node on the query's side that the key's side has not.

    Without it BYOL falls to 0.2 percent (Grill et al. 2020, table 5b) and SimSiam to 0.1 percent (Chen and He
    2021, table 1a).
    """
    if not facts.attracts_only():
        return
    for term in facts.graph.terms:
        for call, query, key in facts.pairs(term):
            one_sided = facts.gradient[query.id] != facts.gradient[key.id]
            learner, other = (query, key) if facts.gradient[query.id] else (key, query)
            if one_sided and not facts.embedders(learner) - facts.embedders(other):
                hint = "add a head on the side that learns: p: predictor(projector(encoder(x)))"
                yield (
                    f"'{term.name}' only attracts, and no predictor tells its sides apart: this collapses",
                    call.span,
                    hint,
                )
                break


@rule("G203", "positives that are the same picture", "warning")
def positives_differ(facts: Facts) -> Iterator[Finding]:
    """The query and the key of a positive pair should come from different views of the image.

    From the same view, with the same weights or slow copies of them, the pair is matched before anything is
    learnt (Chen et al. 2020, arXiv:2002.05709, section 3: the augmentations define the task).
    """
    for term in facts.graph.terms:
        for call, query, key in facts.pairs(term):
            sides = [_views(facts, query), _views(facts, key)]
            if sides[0] == sides[1] and len(sides[0]) == 1:
                yield (
                    "the query and the key are made from the same view",
                    call.span,
                    "take different views: x[0] and x[1], or pairs=cross",
                )
                break


def _views(facts: Facts, slot: Slot) -> set[int]:
    """The augmented views that a slot is made of, back to the nodes that make views."""
    found: set[int] = set()
    todo = [slot]
    while todo:
        current = todo.pop()
        call = facts.maker.get(current.id)
        if call is None:
            continue
        node = facts.graph.nodes.get(call.node)
        if node is not None and "view" in node.component.traits:
            found.add(current.id)
        else:
            todo += _aligned_inputs(call, current)
    return found


def _aligned_inputs(call: Call, slot: Slot) -> list[Slot]:
    """The inputs that a slot depends on; of a fold only those of its own view."""
    if call.fold == 1:
        return list(call.inputs())
    place = [s for s in call.outputs if s.output == slot.output].index(slot)
    return [a[place] if isinstance(a, tuple) else a for a in call.args.values() if a is not None]


# -- negatives -----------------------------------------------------------------------------------------------


@rule("G301", "a queue filled by an encoder that moves fast", "warning")
def queue_is_consistent(facts: Facts) -> Iterator[Finding]:
    """Keys in a queue should come from a slowly moving encoder.

    Keys of many steps are compared with one query; made by the online encoder they are inconsistent, and
    training fails or suffers (He et al. 2020, arXiv:1911.05722, section 3.2; figure 3 and the ablation of the
    momentum: with m = 0 the loss oscillates). Fill it from a `target.ema`.
    """
    for node in facts.with_trait("history"):
        if "bank" in node.component.traits:
            continue
        for call in facts.calls_of(node.name, "update"):
            if any(facts.gradient[s.id] or _online(facts, s) for s in call.inputs()):
                yield (
                    f"'{node.name}' is filled by the online encoder",
                    call.span,
                    "push the keys of a target.ema",
                )


def _online(facts: Facts, slot: Slot) -> bool:
    """Whether a slot was made by trainable weights, behind a stopgrad()."""
    return any(c.node in facts.trainable for c in facts.before(slot))


@rule("G302", "a queue that does not fit the batch", "warning")
def queue_fits_batch(facts: Facts) -> Iterator[Finding]:
    """A queue should hold a whole number of batches, and at least one.

    Any size works here (the ring is written exactly at its end), but then keys of one batch leave at different
    steps, and a queue below the batch drops keys before they are used. MoCo's reference code asserts it.
    """
    for node in facts.with_trait("history"):
        size, batch = (
            getattr(node.config, "size", None),
            facts.shapes.batch * facts.graph.spec.train.accumulate,
        )
        if size is not None and size % batch:
            few = "smaller than" if size < batch else "no multiple of"
            at = facts.graph.source.at(("nodes", node.name, "size"))
            yield (
                f"'{node.name}' holds {size} keys, {few} the {batch} of a step",
                at,
                f"as in size: {-(-size // batch) * batch}",
            )


@rule("G303", "a temperature outside of what was published", "warning")
def temperature_in_range(facts: Facts) -> Iterator[Finding]:
    """Temperatures on cosines lie between 0.01 and 1 in the literature.

    MoCo and NPID 0.07, MoCo v2 0.2, SimCLR 0.1 to 0.5; SimCLR's table 5 falls from 64.4 percent at 0.1 to 60.7
    at 1. A very small one makes every sample its own class, a very large one makes all scores alike.
    """
    for node in facts.graph.nodes.values():
        temperature = getattr(node.config, "temperature", None)
        if temperature is None or not node.component.name.startswith("critic."):
            continue
        ends = (temperature.start, temperature.end) if isinstance(temperature, Schedule) else (temperature,)
        if not all(0.01 <= t <= 1 for t in ends):
            at = facts.graph.source.at(("nodes", node.name, "temperature"))
            yield (
                f"the temperature of '{node.name}' is {max(ends):g}",
                at,
                "0.01 to 1 is usual: 0.07, 0.1, 0.2, 0.5",
            )


@rule("G304", "in-batch negatives in a batch of one", "error")
def batch_has_negatives(facts: Facts) -> Iterator[Finding]:
    """In-batch negatives are the batch's other samples; a batch of one has none, and the loss is zero."""
    for node in facts.with_trait("in_batch"):
        if facts.shapes.batch == 1:
            yield (
                f"'{node.name}' finds no negatives in a batch of one",
                facts.graph.source.at(("data", "batch")),
                "use a larger data.batch, or a queue",
            )


@rule("G305", "batch norm that leaks between query and keys", "warning")
def batch_norm_leaks(facts: Facts) -> Iterator[Finding]:
    """With a queue, a sample's key is the only one normalised together with its query's batch.

    The model can find the positive by the statistics that they share, and the features suffer: MoCo shuffles the
    batch across devices (He et al. 2020, section 3.3). On one device: `norm: {use: split_batch, splits: 8}` in
    the encoder, or a norm without batch statistics.
    """
    if not any("bank" not in n.component.traits for n in facts.with_trait("history")):
        return
    for node in facts.with_trait("average"):
        leaky = any(
            isinstance(m, nn.modules.batchnorm._BatchNorm) and getattr(m, "splits", 1) == 1
            for m in facts.shapes.modules[node.name].modules()
        )
        if leaky:
            yield (
                f"'{node.name}' uses batch norm over the whole batch of keys",
                node.span,
                "norm: {use: split_batch, splits: 8} in the encoder",
            )


# -- data and training ---------------------------------------------------------------------------------------


@rule("G401", "labels in a pretext loss", "error")
def no_labels(facts: Facts) -> Iterator[Finding]:
    """Labels should not flow into a self-supervised loss. A supervised one says so with `allow: [G401]`."""
    label = facts.graph.batch.get("label")
    if label is None:
        return
    for term in facts.graph.terms:
        if any(label in c.inputs() for s in term.slots for c in facts.before(s)):
            yield f"'{term.name}' uses the labels", term.span, "is it meant? then write allow: [G401]"


@rule("G402", "a batch larger than the data set", "error")
def batch_fits_data(facts: Facts) -> Iterator[Finding]:
    """An epoch of such a data set has no optimizer step: it takes `train.accumulate` batches for each.

    With `last: drop` the batches are whole ones, with `last: keep` the last may be short.
    """
    samples, batch, spec = facts.shapes.data.samples, facts.shapes.batch, facts.graph.spec
    if samples is None:
        return
    batches = samples // batch if spec.data.last == "drop" else -(-samples // batch)
    if batches < spec.train.accumulate:
        times = f" times train.accumulate ({spec.train.accumulate})" if spec.train.accumulate > 1 else ""
        yield (
            f"the batch of {batch}{times} is larger than the data set of {samples}",
            facts.graph.source.at(("data", "batch")),
            None,
        )


@rule("G403", "a warm-up longer than the training", "warning")
def warmup_is_shorter(facts: Facts) -> Iterator[Finding]:
    """The learning rate then never reaches its full value.

    SimCLR and BYOL warm up for 10 of up to 1000 epochs (Chen et al. 2020, arXiv:2002.05709, section 2.2; Grill et
    al. 2020, arXiv:2006.07733, section 3.3). `train.schedule.warmup` counts epochs.
    """
    train = facts.graph.spec.train
    if train.steps is None and train.schedule.warmup >= train.epochs:
        at = facts.graph.source.at(("train", "schedule", "warmup"))
        yield f"the warm-up of {train.schedule.warmup:g} epochs takes all of the {train.epochs}", at, None


@rule("G404", "a momentum outside of what was published", "warning")
def momentum_in_range(facts: Facts) -> Iterator[Finding]:
    """The momentum of a target is m in m * target + (1 - m) * online, 0.9 to 1 in the literature.

    MoCo (He et al. 2020, section 4.1): 0 fails, 0.9 55.2, 0.99 57.8, 0.999 59.0, 0.9999 58.9 percent. BYOL (table
    5a): 0.9 68.4, 0.99 72.5, 0.999 69.8, 1 (a random target) 18.8 percent. Some notes write it the other way round.
    """
    for node in facts.with_trait("average"):
        momentum = getattr(node.config, "momentum", None)
        start = momentum.start if isinstance(momentum, Schedule) else momentum
        if isinstance(start, float | int) and not 0.9 <= start < 1:
            at = facts.graph.source.at(("nodes", node.name, "momentum"))
            yield (
                f"the momentum of '{node.name}' is {start:g}",
                at,
                "0.99 or 0.996 is usual: most of the target stays",
            )
