"""What no `allow:` turns off: features of images, and that something is trained at all."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Problem
from ..features import feature_problem
from .facts import Facts

__all__ = ["find"]


def find(facts: Facts) -> Iterator[Problem]:
    """The problems of what is evaluated, and of a loss that trains nothing."""
    yield from _features(facts)
    yield from _nothing_trained(facts)


def _features(facts: Facts) -> Iterator[Problem]:
    name, graph, at = facts.graph.spec.evaluate.features, facts.graph, facts.at("evaluate", "features")
    if name is not None and (reason := feature_problem(graph, facts.shapes, name)):
        yield Problem(reason, at, "name an encoder, or a value that is made of batch.image")


def _nothing_trained(facts: Facts) -> Iterator[Problem]:
    """G101 finds each term that trains nothing; allowed for all of them, a step would have nothing to do."""
    if "G101" in facts.graph.spec.allow and not facts.training_terms:
        hint = "allow: [G101] lets single terms through, but one must reach a node with weights"
        yield Problem("there is nothing to train: no loss term trains anything", facts.at("loss", key=True), hint)
