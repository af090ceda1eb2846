"""Expressions as calls: the same expression is one call, unless its node is random."""

from __future__ import annotations

from conftest import BYOL, MOCO, Write
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


def test_a_stopgrad_of_several_parts_is_one_of_each(write: Write) -> None:
    """As the copy that stands for a target of tokens where that is taken out."""
    parts = [
        ("  projector: {use", "  positions: {use: context.positions}\n  projector: {use"),
        ("width: 8}", "width: 8, maps: [layer4]}"),
        ("predictor(projector(encoder(x)))", "predictor(projector(encoder(x).vector))"),
        ("z: target(x)", "h: stopgrad(encoder(x))\n  z: projector(h.vector)\n  more: positions(h.layer4)"),
        ("  target:    {use: target.ema, of: [encoder, projector], momentum: {from: 0.9, to: 1.0}}\n", ""),
        ("update:\n  target: follow()\n", ""),
    ]
    stopped = [c for c in read(write, BYOL, *parts).calls if c.node == "stopgrad"]
    assert [[s.name for s in c.outputs] for c in stopped] == [
        ["h_vector_0"], ["h_vector_1"], ["h_layer4_0"], ["h_layer4_1"],
    ]  # fmt: skip
