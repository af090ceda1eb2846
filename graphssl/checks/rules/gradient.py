"""G1: where the gradient goes, and what is not used."""

from __future__ import annotations

from ...errors import Problems
from ..backward import is_foreign, untrained
from ..weights.fit import grouped
from .facts import Facts, factors
from .rule import rule


@rule("G101", "a loss term that trains nothing", "error")
def loss_reaches_a_node(facts: Facts, found: Problems) -> None:
    """Each loss term must depend on a node with trainable weights through a path without stop-gradient.

    Outputs of an EMA target, a queue or a memory bank, of stopgrad() and of the batch carry no gradient. A term that
    is only watched is let through by `allow: [G101]`, as long as another one trains.
    """
    for term in facts.graph.terms:
        if not facts.trained_by(term):
            hint = "is a stopgrad() or a target on both sides?"
            found.add(f"no gradient of '{term.name}' reaches a node with weights", term.span, hint)


@rule("G102", "weights that no loss trains", "error")
def node_is_reached(facts: Facts, found: Problems) -> None:
    """Each node with trainable weights must receive a gradient from some loss term.

    Otherwise it stays as it was initialised, which is rarely meant. A momentum encoder is a `target.ema` node,
    which has no trainable weights; a fixed random network, from which BYOL started its search (Grill et al. 2020,
    arXiv:2006.07733, section 3), needs `allow: [G102]`.
    """
    if not facts.training_terms:  # G101 has said so, term by term
        return
    reached = set().union(*(facts.trained_by(t) for t in facts.training_terms))
    for name in facts.graph.nodes:
        if name in facts.trainable - reached and facts.calls_of(name):
            hint = "its output must reach a loss term without a stopgrad()"
            found.add(f"no loss trains '{name}'", facts.graph.nodes[name].span, hint)


@rule("G103", "a value that nothing uses", "warning")
def value_is_used(facts: Facts, found: Problems) -> None:
    """Each value of the flow should be used by another line, a loss term, an update, or `evaluate.features`.

    Unused ones are not computed.
    """
    used = {*facts.graph.used, *facts.graph.spec.evaluate.named}
    for line in facts.graph.lines:
        for name in line.names if line.section == "flow" else ():
            if name.id not in used:
                found.add(f"nothing uses the value '{name.id}'", name.span)


@rule("G104", "a node that is never called", "warning")
def node_is_called(facts: Facts, found: Problems) -> None:
    """Each node should be called in the flow or the loss, or be read by a node that is: a bank by its `target.entry`.

    One that is only written, as a queue by `push`, has a state that nothing reads.
    """
    called = {c.node for c in facts.graph.calls if c.section != "update"}
    called |= {name for node in facts.graph.nodes.values() if node.name in called for name in node.refs()}
    for name, node in facts.graph.nodes.items():
        if name not in called:
            writes = " (it is written, but never read)" if node.component.updates else ""
            found.add(f"'{name}' is never called{writes}", node.span)


@rule("G106", "a loss that grows", "warning")
def loss_falls(facts: Facts, found: Problems) -> None:
    """A loss should have a term with a positive factor: objectives are losses, and smaller is better.

    A minus turns an objective round, so that positives are pushed apart and negatives pulled close. One such term
    beside positive ones is a method: RAFT (Shi et al. 2020, arXiv:2011.10944) aligns two views and runs away from
    the mean teacher. All of them negative is a slip of the sign, or an objective of your own that is to be made
    large: `allow: [G106]`.
    """
    terms = facts.training_terms
    if terms and all(factor <= 0 for t in terms for factor in factors(t)):
        what = f"'{terms[0].name}' has" if len(terms) == 1 else "all loss terms have"
        found.add(
            f"{what} a negative factor: training makes the loss itself grow", terms[0].span, "leave the minus out"
        )


@rule("G107", "weights that their own node gives no gradient", "warning")
def node_passes_a_gradient(facts: Facts, found: Problems) -> None:
    """A network of one's own should give each of its weights a gradient.

    One whose forward works under `torch.no_grad()` or calls `detach()` does not, and neither does one with a layer that
    it never calls: these weights stay as they were drawn, while the heads behind them learn. It is found by a backward
    pass without data. What is meant to stay is said by `freeze: true`, or by `train:` with the parts that train.
    """
    for name in facts.graph.nodes:
        module = facts.shapes.modules.get(name)
        if name not in facts.trainable or module is None or not is_foreign(module):
            continue
        missed = untrained(module, facts.shapes.signatures[name], facts.shapes.sizes[name], facts.shapes.batch)
        if missed:
            hint = (
                "is there a detach() or no_grad() in its forward, or a layer that it does not call? freeze: true and "
            )
            message = f"'{name}' gives {grouped(missed)} no gradient: its forward keeps it away from them"
            found.add(message, facts.graph.nodes[name].span, f"{hint}train: say what is not to train")


@rule("G108", "a frozen encoder that was never trained", "warning")
def frozen_is_trained(facts: Facts, found: Problems) -> None:
    """An encoder with `freeze: true` keeps the weights that it starts with: `weights:` says which.

    Without them it stays as it was drawn. A teacher is a trained network (SEED, Fang et al. 2021, arXiv:2101.04731,
    section 3.2); a random one, from which BYOL's search began (Grill et al. 2020, arXiv:2006.07733, section 3), is
    rarely meant.
    """
    for name, node in facts.graph.nodes.items():
        keys, module = node.common_keys, facts.shapes.modules.get(name)
        embeds = name in facts.networks and facts.shapes.image_size(name) is not None
        if keys.freeze and keys.weights is None and embeds and module is not None and not is_foreign(module):
            hint = "say what it starts with: weights: {run: byol-1, node: encoder}"
            found.add(f"'{name}' is frozen and has no weights: it stays as it is drawn", node.span, hint)
