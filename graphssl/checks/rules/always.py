"""What no `allow:` turns off: features of images, and that something is trained at all."""

from __future__ import annotations

from ...errors import Problems
from ..features import feature_problem, learnt_from
from .facts import Facts

__all__ = ["find"]


def find(facts: Facts, found: Problems) -> None:
    """The problems of what is evaluated, and of a loss that trains nothing."""
    _features(facts, found)
    _nothing_trained(facts, found)


def _features(facts: Facts, found: Problems) -> None:
    graph, at = facts.graph, facts.at("evaluate", "features")
    if "probe" in graph.spec.evaluate.asked and learnt_from(graph, facts.shapes) is None:
        name = next(iter(graph.spec.evaluate.named), None)
        what = f"a step computes nothing of '{name}'" if name else "no node takes the data's images and learns"
        hint = "name the online encoder first: features: [encoder, target.encoder]"
        found.add(f"there is nothing for the online probe to learn from: {what}", facts.at("evaluate", "probe"), hint)
    for name in graph.spec.evaluate.named:
        if reason := feature_problem(graph, facts.shapes, name):
            found.add(reason, at, "name an encoder, or a value that is made of batch.image")


def _nothing_trained(facts: Facts, found: Problems) -> None:
    """G101 finds each term that trains nothing; allowed for all of them, a step would have nothing to do."""
    if "G101" in facts.graph.spec.allow and not facts.training_terms:
        hint = "allow: [G101] lets single terms through, but one must reach a node with weights"
        found.add("there is nothing to train: no loss term trains anything", facts.at("loss", key=True), hint)
