"""Evaluations of a test's own, for as long as it needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graphssl.evaluation.registry import REGISTRY, Evaluation, evaluation
from graphssl.graph.spec.evaluate import forget_evaluation


@contextmanager
def registered(name: str, cls: type[Evaluation]) -> Iterator[None]:
    """Meanwhile there is an evaluation of that name."""
    evaluation(name)(cls)
    try:
        yield
    finally:
        forget(name)


def forget(name: str) -> None:
    """Takes back an evaluation that a test has registered."""
    del REGISTRY[name]
    forget_evaluation(name)
