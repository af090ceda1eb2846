"""What no `allow:` turns off: codes that must be right, features of images, and that something is trained at all."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Problem, suggest
from ..features import feature_problem
from .facts import Facts
from .rules import RULES

__all__ = ["find"]


def find(facts: Facts) -> Iterator[Problem]:
    """The problems of `allow:`, of what is evaluated, and of a loss that trains nothing."""
    yield from _codes(facts)
    yield from _features(facts)
    yield from _nothing_trained(facts)


def _codes(facts: Facts) -> Iterator[Problem]:
    for i, code in enumerate(facts.graph.spec.allow):
        if code not in RULES:
            yield Problem(f"no rule has the code '{code}'", facts.at("allow", i), suggest(code, RULES, "codes are"))


def _features(facts: Facts) -> Iterator[Problem]:
    name, graph, at = facts.graph.spec.evaluate.features, facts.graph, facts.at("evaluate", "features")
    if name is not None and (reason := feature_problem(graph, facts.shapes, name)):
        yield Problem(reason, at, "name an encoder, or a value that is made of batch.image")


def _nothing_trained(facts: Facts) -> Iterator[Problem]:
    """G101 finds each term that trains nothing; allowed for all of them, a step would have nothing to do."""
    if "G101" in facts.graph.spec.allow and not facts.training_terms:
        hint = "allow: [G101] lets single terms through, but one must reach a node with weights"
        yield Problem("there is nothing to train: no loss term trains anything", facts.at("loss", key=True), hint)
