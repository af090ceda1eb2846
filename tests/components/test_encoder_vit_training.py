"""Vision transformers in training: stochastic depth against the formula, and first weights against those of the papers' code."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from conftest import BYOL, SIMCLR, Write
from helpers import CPU, batch, fresh
from torch import Tensor, nn

from graphssl.checks.checked import check
from graphssl.component import Sizes, build
from graphssl.components.encoder import ViT
from graphssl.components.target import EMA
from graphssl.graph.language.validation import validate
from graphssl.graph.read import load

SMALL = {"patch": 4, "dim": 24, "depth": 4, "heads": 3, "mlp": 40}
GRAPH = "{use: encoder.vit, patch: 8, dim: 24, depth: 3, heads: 3, drop_path: 0.5}"


def vit(**config: Any) -> Any:
    torch.manual_seed(7)
    return build(ViT, sizes=Sizes({"c": 3, "h": 16, "w": 16}), **{**SMALL, **config})


def image(b: int = 64) -> Tensor:
    return torch.randn(b, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def by_hand(net: Any, x: Tensor, draws: Tensor, rates: list[float]) -> Tensor:
    """The formula, a sample and a branch at a time, in float64."""
    rows = []
    for i, one in enumerate(x):
        patches = net.conv_proj(one[None]).flatten(2).transpose(1, 2)
        t = torch.cat([net.class_token, patches], 1) + net.encoder.pos_embedding
        for n, (block, rate) in enumerate(zip(net.encoder.layers, rates, strict=True)):
            if draws[0, n, i] >= rate:
                y = block.ln_1(t)
                t = t + block.self_attention(y, y, y, need_weights=False)[0] / (1 - rate)
            if draws[1, n, i] >= rate:
                t = t + block.mlp(block.ln_2(t)) / (1 - rate)
        rows.append(net.encoder.ln(t)[:, 0])
    return torch.cat(rows)


def test_stochastic_depth_is_the_formula() -> None:
    """It grows from 0 at the first block to `drop_path` at the last, each sample and branch by itself."""
    net = vit(drop_path=0.6).double().train()
    draws = net.draw(8, torch.Generator().manual_seed(1), CPU).double()
    x = image(8).double()
    torch.testing.assert_close(net(x, draws=draws), by_hand(net, x, draws, [0.0, 0.2, 0.4, 0.6]))


def test_branches_are_left_out_as_often_as_said() -> None:
    net = vit(drop_path=0.6, depth=2)
    draws = net.draw(20000, torch.Generator().manual_seed(0), CPU)
    assert draws.shape == (2, 2, 20000)
    assert (draws[:, 1] < 0.6).float().mean().item() == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize("compiled", [False, True])
def test_it_follows_from_the_draws_alone(compiled: bool) -> None:
    torch._dynamo.reset()
    net = vit(drop_path=0.5).train()
    call = torch.compile(net, fullgraph=True, backend="aot_eager") if compiled else net
    draws = net.draw(4, torch.Generator().manual_seed(1), CPU)
    torch.testing.assert_close(call(image(4), draws=draws), net(image(4), draws=draws))
    assert not torch.allclose(net(image(4), draws=draws), net(image(4)))


def test_evaluation_and_a_target_leave_nothing_out() -> None:
    net, plain = vit(drop_path=0.5), vit()
    assert net.state_dict().keys() == plain.state_dict().keys()
    draws = net.draw(4, torch.Generator().manual_seed(1), CPU)
    target = EMA(EMA.Config(of=["encoder"]), Sizes(), [net]).train()
    torch.testing.assert_close(net.eval()(image(4), draws=draws), plain(image(4)))
    torch.testing.assert_close(target(image(4)), plain(image(4)))


def test_in_a_graph_views_are_drawn_apart_and_the_target_is_not_random(write: Write) -> None:
    text = ("{use: encoder.resnet, depth: 10, width: 8}", GRAPH)
    checked = check(write(BYOL, text))
    calls = [c for c in checked.graph.step_calls() if c.node in ("encoder", "target")]
    assert [(c.node, c.draws) for c in calls] == [("encoder", True)] * 2 + [("target", False)] * 2
    step = fresh(checked)
    one, other = (d for c, d in zip(step.program.random, step.program.draw(16, step.generator, CPU), strict=True)
                  if c[0].node == "encoder")  # fmt: skip
    assert not torch.equal(one, other)


def test_a_step_is_repeated_exactly(write: Write) -> None:
    """Of the seed and the step alone, so that a run that goes on draws what it would have drawn."""
    checked = check(write(SIMCLR, ("{use: encoder.resnet, depth: 10, width: 8}", GRAPH)))
    losses = [float(fresh(checked)(0, [batch()])["loss"]) for _ in range(2)]
    assert losses[0] == losses[1]
    off = check(write(SIMCLR, ("{use: encoder.resnet, depth: 10, width: 8}", GRAPH.replace("0.5", "0.0"))))
    assert float(fresh(off)(0, [batch()])["loss"]) != losses[0]


@pytest.mark.parametrize(
    "change",
    [
        "drop_path: 0.0, init: torchvision",
        "positions: learned, tokens: false",
        "layers: [], registers: 0, mask_token: false",
    ],
)
def test_options_at_their_default_leave_the_hash(write: Write, change: str) -> None:
    """A run of before these options goes on."""
    plain = "{use: encoder.vit, patch: 8}"
    text = ("{use: encoder.resnet, depth: 10, width: 8}", plain)
    graph = load(write(SIMCLR, text))
    said = load(write(SIMCLR, (text[0], plain.replace("}", f", {change}}}"))))
    other = load(write(SIMCLR, (text[0], plain.replace("}", ", drop_path: 0.1}"))))
    assert graph.hash() == said.hash() != other.hash()
    later = {"drop_path", "init", "positions", "tokens", "layers", "registers", "mask_token"}
    before = {k: v for k, v in graph.resolved()["nodes"]["encoder"].items() if k not in later}
    assert set(before) == {"use", "size", "patch", "dim", "depth", "heads", "mlp", "pool", "freeze_patch"}


# -- first weights ---------------------------------------------------------------------------------------------------


def uniform(weight: Tensor, bound: float) -> bool:
    """Whether it is drawn evenly from -bound to bound."""
    w = weight.detach().double()
    return bool(w.abs().max() <= bound) and w.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_first_weights_of_moco_v3() -> None:
    """Its vits.py: query, key and value are three matrices of d x d; positions are fixed sines and cosines."""
    net = vit(init="moco_v3", dim=48, mlp=100)
    for block in net.encoder.layers:
        for part in block.self_attention.in_proj_weight.chunk(3):
            assert uniform(part, math.sqrt(6 / (48 + 48)))
        assert uniform(block.self_attention.out_proj.weight, math.sqrt(6 / 96))
        assert uniform(block.mlp[0].weight, math.sqrt(6 / 148))
        assert uniform(block.mlp[3].weight, math.sqrt(6 / 148))
        biases = [block.self_attention.in_proj_bias, block.self_attention.out_proj.bias, block.mlp[0].bias]
        assert not any(b.any() for b in (*biases, block.mlp[3].bias))
    assert uniform(net.conv_proj.weight, math.sqrt(6 / (3 * 16 + 48)))
    assert not net.conv_proj.bias.any()
    assert 0 < net.class_token.abs().max() < 1e-5
    positions = net.encoder.pos_embedding
    assert not positions.requires_grad
    assert not positions[0, 0].any()
    for r in range(4):
        for c in range(4):
            omega = [10000 ** -(i / 12) for i in range(12)]
            row, column = ([f(x * w) for f in (math.sin, math.cos) for w in omega] for x in (r, c))
            expected = torch.tensor([*row, *column])
            torch.testing.assert_close(positions[0, 1 + 4 * r + c], expected, rtol=1e-4, atol=1e-5)


def test_first_weights_of_dino() -> None:
    net = vit(init="dino", dim=48)
    for block in net.encoder.layers:
        layers = [block.self_attention.in_proj_weight, block.self_attention.out_proj.weight, block.mlp[0].weight]
        assert all(w.std().item() == pytest.approx(0.02, rel=0.1) for w in layers)
        assert not block.mlp[0].bias.any()
    assert net.encoder.pos_embedding.std().item() == pytest.approx(0.02, rel=0.1)
    assert 0 < net.class_token.abs().max() < 0.1
    assert uniform(net.conv_proj.weight, math.sqrt(1 / 48))  # torch's: fan in 3 * 4 * 4
    assert net.encoder.pos_embedding.requires_grad


@pytest.mark.parametrize("init", ["moco_v3", "dino"])
def test_first_weights_are_as_many_and_on_the_meta_device_too(init: str) -> None:
    with torch.device("meta"):
        ours = vit(init=init, freeze_patch=True)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in vit().state_dict().items()}
    frozen = {n for n, p in ours.named_parameters() if not p.requires_grad}
    assert frozen == {"conv_proj.weight", "conv_proj.bias", *(["encoder.pos_embedding"] if init == "moco_v3" else [])}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"drop_path": 1.0}, "'drop_path' is 1.0; it should be less than 1"),
        ({"drop_path": -0.1}, "'drop_path' is -0.1; it should be greater than or equal to 0"),
        ({"init": "moco"}, "'init' is 'moco', which is none of the choices"),
        ({"init": "moco_v3", "dim": 18, "heads": 3}, "4 does not divide a dim of 18"),
    ],
)
def test_errors_in_a_file(entries: dict[str, Any], message: str) -> None:
    (wrong,) = validate(ViT.Config, entries)[1]
    assert message in wrong.message


def test_recomputed_blocks_leave_out_the_same(write: Write) -> None:
    from graphssl.graph.recompute import recompute_blocks

    plain, again = vit(drop_path=0.5).train(), recompute_blocks(vit(drop_path=0.5)).train()
    draws = plain.draw(4, torch.Generator().manual_seed(1), CPU)
    for net in (plain, again):
        net(image(4), draws=draws).sin().sum().backward()
    for one, other in zip(plain.parameters(), again.parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad)
    assert isinstance(again, nn.Module)
