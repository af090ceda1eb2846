"""Expressions as calls: the same expression is one call, unless its node is random."""

from __future__ import annotations

from conftest import MOCO, Write
from wired import calls, read


def test_one_call_written_twice_is_made_once(write: Write) -> None:
    graph = read(
        write, MOCO, ("k: target(x[1])", "k: target(x[1])\n  q2: projector(encoder(x[0]))\n  q3: stopgrad(q2)")
    )
    assert len(calls(graph, "encoder")) == 1
    assert graph.values["q"] == graph.values["q2"]


def test_a_random_node_called_twice_is_two_calls(write: Write) -> None:
    graph = read(write, MOCO, ("q: projector", "y: augment(batch.image)\n  q: projector"))
    assert len(calls(graph, "augment")) == 2
    assert graph.values["x"] != graph.values["y"]
