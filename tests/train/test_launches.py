"""What makes a step fast, kept without a clock: few operations, no waits, no code that is compiled twice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from helpers import CPU, METHODS, batch, fresh, program_of, scaled
from tape import Tape, recorded, unrecorded

import graphssl
from graphssl.api import check
from graphssl.train.replay import WARM_UP

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import methods


@pytest.mark.parametrize("name", METHODS)
def test_a_graph_is_emitted_in_few_lines(name: str) -> None:
    """A module call for each call of the graph at most, and three cheap lines around it."""
    checked = graphssl.check(name, ["data.batch=16"])
    program = program_of(checked)
    calls = len(checked.graph.step_calls())
    kinds = [n.op for n in program.forward.graph.nodes]
    assert kinds.count("call_module") <= calls
    assert sum(kinds.count(k) for k in ("call_function", "call_method", "get_attr")) <= 3 * calls
    updates = len(checked.graph.update_calls("step"))
    methods = [n.target for n in program.commit.graph.nodes if n.op == "call_method"]
    assert len(methods) - methods.count("flatten") == updates, "and views of tokens as rows"


# Ours scores each view by itself, says what the loss is as a bound, and takes masks that a method may not have: small
# operations, which show in SimCLR with its loss in three lines.
@pytest.mark.parametrize(("method", "most"), [("byol", 1.1), ("moco_v2", 1.1), ("simclr", 1.5)])
def test_a_step_takes_about_as_many_operations_as_one_written_by_hand(method: str, most: float) -> None:
    setting = methods.Setting(method, "resnet18", 32, 8)
    step = fresh(setting.checked())
    hand = methods.ByHand(setting, step.program.node("augment"), CPU, compiled=False)
    ours, theirs = (operations(run) for run in (lambda t: step(t, [batch(8)]), lambda t: hand(t, batch(8))))
    assert ours <= most * theirs, f"{ours} operations, by hand {theirs}"


def operations(run: Callable[[int], object]) -> int:
    """Of the second step, once optimizer and buffers are there."""
    run(0)
    with Tape(raises=False) as tape:  # on a CPU the loss is read
        run(1)
    return len(tape.operations)


@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO], ids=["byol", "simclr", "moco"])
def test_schedules_compile_nothing_again(write: Write, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Momentum, temperature, a term's weight and the learning rate move over an epoch."""
    backends = {"fullgraph": True, "dynamic": False, "backend": "eager"}
    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **_: original(f, **backends))
    text = text.replace("{use: critic.cosine", "{use: critic.cosine, temperature: {from: 0.2, to: 0.4}")
    text = text.replace("temperature: {from: 0.2, to: 0.4}, temperature: 0.2", "temperature: {from: 0.2, to: 0.4}")
    step = fresh(check(write(text, ("{epochs", "{compile: 'on', schedule: {warmup: 1}, epochs"))))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    step(0, [batch()])
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert graphs == (2 if step.program.graph.update_calls() else 1), "the forward pass, and the updates"
    with torch._dynamo.config.patch(error_on_recompile=True):
        for number in range(1, 6):
            step(number, [batch(seed=number)])
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs
    assert not torch._dynamo.utils.counters["graph_break"]


@pytest.mark.parametrize("overflow", [False, True], ids=["finite", "overflow"])
def test_a_step_with_a_gradient_scaler_can_be_recorded(write: Write, overflow: bool) -> None:
    checked = check(write(MOCO))
    plain, (step, recorder) = unrecorded(lambda r: fresh(checked, r)), recorded(lambda r: fresh(checked, r))
    for one in (plain, step):
        scaled(one, 1024.0, growth_interval=2)
    for number in range(WARM_UP + 4):
        if overflow and number == WARM_UP + 2:
            for one in (plain, step):
                one.precision.scaler._scale.fill_(float("inf"))
        given = [batch(seed=number)]
        plain(number, given), step(number, given)
        if overflow and number >= WARM_UP + 2:
            for one in (plain, step):
                one.precision.scaler._scale.fill_(1024.0)
    assert recorder.launched == 4
    assert step.replay is not None
    assert step.replay.active
    for (name, a), b in zip(
        plain.program.forward.state_dict().items(), step.program.forward.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    assert torch.equal(plain.precision.scaler._scale, step.precision.scaler._scale)
