"""Every method's graph: valid without a warning, learns in every weight, resumes bit for bit, compiles to the same."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from helpers import CPU, METHODS, fresh, same, shuffled
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

import graphssl
from graphssl.checks.checked import Checked
from graphssl.components.augment import base
from graphssl.program.program import Program
from graphssl.train.step import Step

SETS = ["data.batch=16", "train.schedule={shape: constant}", "train.optimizer.lr=1e-3"]
# The graph's own warnings that a batch of 16 brings about are not the method's.
SMALL_BATCH = {"G302"}
# Biases that the loss does not depend on: of scores, in a softmax over them; of embeddings, in their distances.
WITHOUT_EFFECT = {"bounds/concat": {"critic.layers.4.bias"}, "contrastive_margin": {"projector.layers.3.bias"}}


@pytest.fixture(scope="module", params=METHODS)
def checked(request: pytest.FixtureRequest) -> Checked:
    return graphssl.check(request.param, SETS)


def state(step: Step) -> dict[str, Any]:
    return copy.deepcopy(step.state())


def test_it_is_valid_without_a_warning(checked: Checked) -> None:
    assert not [w.render() for w in checked.warnings if w.code not in SMALL_BATCH]


def test_two_steps_are_finite_and_move_every_weight(checked: Checked) -> None:
    step = fresh(checked)
    before = {k: p.detach().clone() for k, p in step.program.forward.named_parameters() if p.requires_grad}
    for number in range(3):  # a weight behind one that starts at 0 has no gradient in the first
        outputs = step(number, [shuffled(seed=number)])
        assert all(v.isfinite() for v in outputs["terms"].values()), outputs["terms"]
        assert all(v.isfinite() for v in outputs["bounds"].values())
    idle = WITHOUT_EFFECT.get(checked.graph.name, set())
    after = dict(step.program.forward.named_parameters())
    still = [k for k, v in before.items() if torch.equal(v, after[k].detach()) and k not in idle]
    assert not still, f"these weights never moved: {still}"


def test_what_is_detached_gets_no_gradient(checked: Checked) -> None:
    program = fresh(checked).program
    data = shuffled()
    generator = torch.Generator().manual_seed(0)
    fields = (getattr(data, name) for name in program.inputs)
    program.forward.train()(*fields, *program.draw(16, generator, CPU))["loss"].backward()
    for name, node in checked.graph.nodes.items():
        if node.component.detached:
            module = program.node(name)
            assert all(p.grad is None and not p.requires_grad for p in module.parameters())
            assert not any(b.requires_grad for b in module.buffers())


def test_a_resumed_run_is_the_same_bit_for_bit(checked: Checked) -> None:
    straight = fresh(checked)
    straight(0, [shuffled(seed=0)])
    kept = state(straight)
    straight(1, [shuffled(seed=1)])
    resumed = fresh(checked)
    with torch.no_grad():
        for p in resumed.program.forward.parameters():
            p.add_(1)  # nothing of the fresh weights may be left
    resumed.load(kept)
    resumed(1, [shuffled(seed=1)])
    same(straight.state()["model"], resumed.state()["model"])
    same(straight.state()["optimizer"]["state"], resumed.state()["optimizer"]["state"])


def doubled(tensor: Tensor) -> Tensor:
    """Labels that are drawn stay integers."""
    return tensor.double() if tensor.is_floating_point() else tensor


def in_float64(program: Program) -> nn.Module:
    """The forward pass, all of it that comes after the views."""
    for name, node in program.graph.nodes.items():
        if node.component.name.startswith("augment."):
            program.node(name).register_forward_hook(
                lambda module, args, output: tree_map_only(Tensor, doubled, output)
            )
    return program.forward.double()


@pytest.mark.slow
def test_compiled_it_is_the_same(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same views, and in float64: in float32 another order of a sum takes a ReLU's input across 0 now and then,
    which moves a gradient by some thousandths, compiled or not."""
    monkeypatch.setattr(base, "SMALL", 0)
    torch._dynamo.reset()
    losses, gradients = [], []
    for compiled in (False, True):
        program = fresh(checked).program
        module: nn.Module = in_float64(program).train()
        run: Any = torch.compile(module, fullgraph=True, backend="aot_eager", dynamic=False) if compiled else module
        data, generator = shuffled(), torch.Generator().manual_seed(0)
        fields = (getattr(data, name) for name in program.inputs)
        torch.manual_seed(0)
        outputs = run(*fields, *program.draw(16, generator, CPU))
        outputs["loss"].backward()
        with torch.no_grad():
            program.commit(*outputs["carried"])
        losses.append(outputs["loss"].detach())
        gradients.append(torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None]))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-9, atol=1e-9)
    difference = (gradients[0] - gradients[1]).norm() / gradients[0].norm()
    assert difference < 1e-9, f"the gradient differs by {difference:.1e} of its norm"
