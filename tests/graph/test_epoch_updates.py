"""Updates at the end of an epoch: how they are written, and that a step runs none. Runs with some: test_epoch_ends."""

from __future__ import annotations

from typing import Any

import pytest
from clustered import TEXT
from conftest import Write, problems_of
from helpers import lines, make, program_of, shuffled

import graphssl
from graphssl.components.target import Clusters
from graphssl.errors import RunError
from graphssl.graph.language.dump import dump
from graphssl.graph.read import load
from graphssl.train.commit import end_epoch

# -- how they are written ------------------------------------------------------------------------------------


def test_they_are_apart_from_those_of_a_step(write: Write) -> None:
    checked = graphssl.check(write(TEXT))
    graph = checked.graph
    assert [(c.node, c.every) for c in graph.update_calls()] == [("bank", "step"), ("clusters", "epoch")]
    code = lines(program_of(checked))
    step, epoch = code.index("def update(self, index, z_0):"), code.index("def end_of_epoch(self):")
    assert next(i for i, line in enumerate(code) if "clusters.fit" in line or "fit = " in line) > epoch > step


def test_written_out_it_is_the_same_graph(write: Write) -> None:
    graph = load(write(TEXT))
    again = load({"graph": "again", **{k: v for k, v in graph.resolved().items() if k != "graph"}})
    assert again.hash() == graph.hash()
    assert "clusters: {call: fit(), every: epoch}" in dump(graph.resolved())
    assert load(write(TEXT), ["update.clusters.every=step"]).hash() != graph.hash()
    assert load(write(TEXT, ("{call: fit(), every: epoch}", "fit()"))).update_calls("epoch") == ()


SEVERAL = "  clusters: [fit(), {call: fit( ), every: epoch}]"


def test_a_node_may_have_several(write: Write) -> None:
    """Here one that has two updates: a step's, and one of the epoch's end."""
    graph = load("smog")
    assert [(c.node, c.method, c.every) for c in graph.update_calls() if c.node == "groups"] == [
        ("groups", "move", "step"), ("groups", "move", "step"), ("groups", "fit", "epoch"),
    ]  # fmt: skip
    again = load({"graph": "again", **{k: v for k, v in graph.resolved().items() if k != "graph"}})
    assert again.hash() == graph.hash()
    assert "groups: [move(z), {call: fit(), every: epoch}]" in dump(graph.resolved())
    assert load("smog", ["update.groups=[move(z)]"]).update_calls("epoch") == ()
    assert b"move" in graphssl.draw("smog", "svg")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  clusters: {call: fit(), every: epoch}", SEVERAL, "'clusters' has this update twice"),
        ("  clusters: {call: fit(), every: epoch}", "  clusters: []", "the state of 'clusters' (target.clusters) is never"),
        ("  clusters: {call: fit(), every: epoch}", "  clusters: [fitt()]", "has no update 'fitt'"),
        ("  bank: store(batch.index, z[0])", "  bank: {call: 'store(batch.index, z[0])', every: epoch}",
         "'bank.store' is run at the end of an epoch, where a step has no values to give it"),
        ("every: epoch", "every: week", "'every' is 'week'"),
        ("every: epoch", "evry: epoch", "no key is called 'evry' here"),
        ("call: fit(), ", "", "'call' is missing"),
        ("call: fit()", "call: fitt()", "has no update 'fitt'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(write: Write, old: str, new: str, said: str) -> None:
    problems = problems_of(lambda: load(write(TEXT, (old, new))))
    assert len(problems) == 1
    assert said in problems[0]


def test_a_picture_says_when(write: Write) -> None:
    assert b"fit each epoch" in graphssl.draw(write(TEXT), "svg")


# -- when they run -------------------------------------------------------------------------------------------


def test_a_step_does_not_run_them(write: Write) -> None:
    step = make(write, TEXT, epoch_ended=False)
    step(0, [shuffled(256)])
    clusters: Any = step.program.node("clusters")
    assert (clusters.cluster == -1).all()
    end_epoch(step.program, 0, 0)
    assert (clusters.cluster >= 0).all()


def test_a_node_that_fails_in_one_is_named_with_its_line(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Clusters) -> None:
        raise ValueError("no clusters today")

    step = make(write, TEXT, epoch_ended=False)
    monkeypatch.setattr(Clusters, "fit", fail)
    with pytest.raises(RunError, match=r"graph.yaml:18:20: 'clusters' failed: no clusters today"):
        end_epoch(step.program, 0, 0)
