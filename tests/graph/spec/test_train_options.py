"""Options of `train:` that came later: what is said of mistakes in them, and that they leave older hashes as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SIMCLR, Write, problems_of
from helpers import CPU, batch

import graphssl
from graphssl.graph.language.dump import dump
from graphssl.program.assemble import compile_graph
from graphssl.train.precision import resolve
from graphssl.train.step import Step

HASH = "09103ec29ff958a4"  # of the version before these options, with `keep: 2`
SGD = "{use: sgd, lr: 0.05}"

AT_DEFAULT = [
    ("{use: sgd, lr: 0.05}", "{use: sgd, lr: 0.05, decay: weights}"),
    ("{epochs: 2,", "{epochs: 2, schedule: {by: step, over: rest},"),
    ("{epochs: 2,", "{epochs: 2, clip: null,"),
]


@pytest.mark.parametrize(("old", "new"), AT_DEFAULT)
def test_at_their_default_they_leave_the_hash(write: Write, old: str, new: str) -> None:
    assert graphssl.load(write(SIMCLR, (old, new))).hash() == HASH


CHANGES = [
    ("{use: sgd, lr: 0.05}", "{use: sgd, lr: 0.05, decay: all}"),
    ("{epochs: 2,", "{epochs: 2, schedule: {by: epoch},"),
    ("{epochs: 2,", "{epochs: 2, schedule: {over: all, warmup: 1},"),
    ("{epochs: 2,", "{epochs: 2, clip: {norm: 3.0, per: parameter},"),
    ("{epochs: 2,", "{epochs: 2, nodes: {encoder: {layer_decay: 0.7}},"),
    ("{use: sgd, lr: 0.05}", "{use: sgd, lr: 0.05, weight_decay: {from: 0.01, to: 0.1}}"),
    ("{use: sgd, lr: 0.05}", "{use: lars, lr: 0.05, rate: inside}"),
    ("{use: sgd, lr: 0.05}", "{use: larc, lr: 0.05}"),
]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_each_changes_the_hash_and_takes_a_step(write: Write, old: str, new: str) -> None:
    checked = graphssl.check(write(SIMCLR, (old, new)), without_data=True)
    assert checked.graph.hash() != HASH
    again = Path(write(dump(checked.graph.resolved()), name="again.yaml"))
    assert graphssl.load(again).hash() == checked.graph.hash()
    program = compile_graph(checked.graph, checked.shapes, CPU)
    step = Step(program, checked.graph.spec.train, resolve("fp32", CPU), CPU, 4, 2)
    before = {name: value.clone() for name, value in step.state()["model"].items()}
    step(0, [batch(16)])
    step(1, [batch(16)])
    after = step.state()["model"]
    assert any(not before[name].equal(after[name]) for name in before if name.startswith("encoder.conv1"))
    kept = step.state()
    step.load(kept)


MISTAKES = {
    "clip: {norm: 3.0, per: tensor},": "choices are all, parameter",
    "clip: {per: parameter},": "'norm' is missing",
    "clip: -1,": "'clip' is -1",
    "nodes: {projector: {layer_decay: 0.7}},": "the layers of 'projector' have no order that is known",
    "nodes: {encoder: {layer_decay: 1.5}},": "'layer_decay' is 1.5",
    "schedule: {by: epochs},": "did you mean 'epoch'?",
}


@pytest.mark.parametrize("key", MISTAKES)
def test_what_is_said_of_mistakes(write: Write, key: str) -> None:
    found = problems_of(graphssl.check, write(SIMCLR, ("{epochs: 2,", f"{{epochs: 2, {key}")))
    assert len(found) == 1
    assert MISTAKES[key] in found[0]


def test_an_optimizer_of_timms_by_yaml(write: Write) -> None:
    pytest.importorskip("timm")
    graph = write(SIMCLR, (SGD, "{use: timm, name: lamb, lr: 0.01, options: {betas: [0.9, 0.98]}}"))
    checked = graphssl.check(graph, without_data=True)
    step = Step(
        compile_graph(checked.graph, checked.shapes, CPU), checked.graph.spec.train, resolve("fp32", CPU), CPU, 4, 2
    )
    step(0, [batch(16)])
    assert type(step.optimizer).__name__ == "Lamb"
    assert {
        group["betas"] == (0.9, 0.98) or group["betas"] == [0.9, 0.98] for group in step.optimizer.param_groups
    } == {True}
    found = problems_of(graphssl.check, write(SIMCLR, (SGD, "{use: timm, name: lambb}")))
    assert "did you mean 'lamb'?" in found[0]
