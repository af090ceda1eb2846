"""The chain between two graphs: each edit makes a graph that holds and computes something else."""

from __future__ import annotations

import pytest

from graphssl.checks.checked import validated
from graphssl.errors import UsageError
from graphssl.graph.parts import needed, with_parts, with_terms_of
from graphssl.graph.read import load
from graphssl.runs.study.bridge import bridge_between, chain, words_of

SEED = ["train.seed=0"]


def test_each_step_holds_and_the_last_is_the_other_graph() -> None:
    """One of one step, as the classes of projector and predictor depend on each other."""
    begin, end = (
        load("byol", SEED),
        load("byol", [*SEED, "nodes.projector.out=32", "nodes.predictor.out=32", "train.epochs=3"]),
    )
    groups = chain(begin, end)
    assert [words_of(group) for group in groups] == ["train.epochs: 3", "projector: out 32; predictor: out 32"]
    now = begin.resolved()
    for group in groups:
        before, now = needed(now), with_parts(now, group)
        assert needed(now) != before
        validated(load(now))
    assert now["nodes"] == end.resolved()["nodes"]


@pytest.mark.slow
def test_from_one_method_to_another() -> None:
    begin, end = load("simclr", SEED), load("moco_v2", SEED)
    groups = chain(begin, end)
    words = [words_of(group) for group in groups]
    assert "target: target.ema; queue: negatives.queue; without others" in words
    assert len(words) == 6
    now = with_terms_of(begin.resolved(), end.resolved())
    for group in groups:
        now = with_parts(now, group)
        validated(load(now))
    assert needed(now)["flow"] == end.resolved()["flow"]


def test_graphs_that_compute_the_same_have_no_bridge() -> None:
    with pytest.raises(UsageError, match="compute the same"):
        bridge_between("byol", "byol", {})
