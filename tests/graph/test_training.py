"""What of a node trains: its gradient, its running statistics, and what is said of names that nothing has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import BYOL, SIMCLR, Write, problems_of
from helpers import CPU, batch
from torch import nn

import graphssl
from graphssl.component import Sizes, build, find
from graphssl.graph.recompute import recompute_blocks
from graphssl.graph.training import hold, names_of
from graphssl.program.assemble import compile_graph
from graphssl.program.cost import predict
from graphssl.train.precision import resolve
from graphssl.train.step import Step

ENCODER = "width: 8}"


def resnet() -> nn.Module:
    torch.manual_seed(0)
    return build(find("encoder.resnet"), None, Sizes({"c": 3, "h": 32, "w": 32}), depth=10, width=8)


def trained(module: nn.Module) -> set[str]:
    return {name.split(".")[0] for name, p in module.named_parameters() if p.requires_grad}


def step_of(graph: Path, train: str = "") -> Step:
    checked = graphssl.check(graph, without_data=True)
    program = compile_graph(checked.graph, checked.shapes, CPU)
    return Step(program, checked.graph.spec.train, resolve("fp32", CPU), CPU, 4, 4)


def test_nothing_of_a_frozen_node_changes_in_training_mode() -> None:
    module = hold(resnet()).train()
    assert trained(module) == set()
    assert not any(m.training for m in module.modules())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module(torch.rand(4, 3, 32, 32))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    plain = resnet().eval()
    images = torch.rand(4, 3, 32, 32)
    assert torch.equal(module(images), plain(images))


@pytest.mark.parametrize("parts", [["layer4"], ["layer3", "layer4"], ["layer4.0.conv1", "bn1"]], ids=str)
def test_only_the_named_parts_train(parts: list[str]) -> None:
    module = hold(resnet(), parts).train()
    assert trained(module) == {part.split(".")[0] for part in parts}
    norms = {name for name, m in module.named_modules() if isinstance(m, nn.BatchNorm2d) and m.training}
    assert norms == {
        n for n, m in module.named_modules() if isinstance(m, nn.BatchNorm2d) and any(n.startswith(p) for p in parts)
    }
    module(torch.rand(4, 3, 32, 32)).sum().backward()
    assert {n for n, p in module.named_parameters() if p.grad is not None} == {
        n for n, _ in module.named_parameters() if any(n == p or n.startswith(f"{p}.") for p in parts)
    }  # fmt: skip


def test_a_held_node_keeps_its_class_and_names() -> None:
    module = hold(resnet(), ["layer4"])
    assert isinstance(module, type(resnet()))
    assert names_of(module) == names_of(resnet())
    frozen = hold(resnet())
    assert isinstance(frozen, type(resnet()))
    assert type(frozen).__name__ == "ResNet"


def test_held_and_recomputed() -> None:
    images = torch.rand(4, 3, 32, 32)
    one, other = hold(resnet(), ["layer4"]).train(), recompute_blocks(hold(resnet(), ["layer4"])).train()
    for module in (one, other):
        module(images).square().sum().backward()
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None) == (not name.startswith("layer4"))
        assert a.grad is None or (b.grad is not None and torch.allclose(a.grad, b.grad))
    assert all(torch.equal(a, b) for a, b in zip(one.buffers(), other.buffers(), strict=True))


@pytest.mark.parametrize("key", ["freeze: true", "train: layer4", "train: [layer4, bn1]"])
@pytest.mark.parametrize("text", [SIMCLR, BYOL], ids=["simclr", "byol"])
def test_training_leaves_the_rest_as_it_is(write: Write, text: str, key: str) -> None:
    step = step_of(write(text, (ENCODER, f"width: 8, {key}}}")))
    before = {name: value.clone() for name, value in step.state()["model"].items()}
    step(0, [batch(16)])
    after = step.state()["model"]
    changed = {
        name.split(".")[1]
        for name in before
        if name.startswith("encoder.") and not torch.equal(before[name], after[name])
    }
    assert (
        changed == {"freeze: true": set(), "train: layer4": {"layer4"}, "train: [layer4, bn1]": {"layer4", "bn1"}}[key]
    )
    assert not torch.equal(before["projector.layers.0.weight"], after["projector.layers.0.weight"])
    if text == BYOL:  # a target goes on following
        moved = {
            n.split(".")[2] for n in before if n.startswith("target.encoder.") and not torch.equal(before[n], after[n])
        }
        assert moved == changed


def test_what_is_frozen_costs_less(write: Write) -> None:
    costs = {}
    for key in ("", ", freeze: true", ", train: layer4"):
        checked = graphssl.check(write(SIMCLR, (ENCODER, f"width: 8{key}}}")), without_data=True)
        costs[key] = predict(checked.graph, checked.shapes, CPU)
    whole, frozen, part = costs.values()
    assert frozen.weights < part.weights < whole.weights
    assert frozen.optimizer == frozen.weights
    assert frozen.flops < part.flops < whole.flops
    assert frozen.activations <= part.activations < whole.activations


def test_a_rate_for_a_frozen_node_has_no_effect(write: Write) -> None:
    graph = write(
        SIMCLR,
        (ENCODER, "width: 8, freeze: true}"),
        ("train: {epochs: 2,", "train: {nodes: {encoder: {lr: 2}}, epochs: 2,"),
    )
    warnings = graphssl.check(graph, without_data=True).warnings
    assert {w.code for w in warnings} == {"G407", "G108"}  # nor has it weights that it could have been given


MISTAKES = {
    "train: layer5": ("'encoder' has no part 'layer5'", "did you mean 'layer4'?", "graph.yaml:5:"),
    "train: [layer4, bn]": ("'encoder' has no part 'bn'", "did you mean 'bn1'?", "graph.yaml:5:"),
    "train: layer4.0.conv3": ("'encoder' has no part 'layer4.0.conv3'", "did you mean 'layer4.0.conv2'?", ""),
    "train: []": ("write freeze: true", "", ""),
    "freeze: true, train: layer4": ("leave one out", "", ""),
    "freeze: yes": ("'freeze' is", "", ""),
    "freze: true": ("no key is called 'freze' here", "did you mean 'freeze'?", ""),
}


@pytest.mark.parametrize("key", MISTAKES)
def test_what_is_said_of_mistakes(write: Write, key: str) -> None:
    (found,) = problems_of(graphssl.check, write(SIMCLR, (ENCODER, f"width: 8, {key}}}")))
    assert all(text in found for text in MISTAKES[key])


def test_everything_frozen_trains_nothing(write: Write) -> None:
    found = problems_of(
        graphssl.check, write(SIMCLR, (ENCODER, "width: 8, freeze: true}"), ("out: 8}", "out: 8, freeze: true}"))
    )
    assert any("G101" in text for text in found)


def test_a_component_keeps_a_key_of_its_own(write: Write, tmp_path: Path) -> None:
    """A memory bank's `weights` are those by which it draws."""
    (tmp_path / "own.py").write_text(OWN)
    text = SIMCLR.replace("graph: simclr", "graph: simclr\ncomponents: [./own.py]").replace(
        "use: head.mlp, hidden: 16, out: 8", "use: head.held, freeze: 3"
    )
    graph = graphssl.load(write(text))
    assert graph.nodes["projector"].config.freeze == 3  # type: ignore[attr-defined]
    assert graph.nodes["projector"].common_keys.freeze is False
    assert graph.resolved()["nodes"]["projector"]["freeze"] == 3


OWN = '''\
from typing import Annotated

from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component


@component("head.held")
class Held(nn.Module):
    """Its own freeze: `b d` to `b d`."""

    class Config(NodeConfig):
        freeze: int = 0

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.linear = nn.Linear(sizes["d"], sizes["d"])

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b d"]:
        y: Tensor = self.linear(x)
        return y
'''
