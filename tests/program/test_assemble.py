"""Nodes as they are built: their weights and seeds, their order, their device, and what of them is state."""

from __future__ import annotations

import hashlib

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from helpers import arguments, program, shaped
from torch import nn

from graphssl.program.assemble import build_nodes, seed_of


def test_weights_depend_on_seed_and_name_alone(write: Write) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = program(write, BYOL).forward.state_dict()
    assert torch.equal(state, torch.get_rng_state()), "the global generator is left alone"
    torch.manual_seed(2)
    two = program(write, BYOL).forward.state_dict()
    assert all(torch.equal(v, two[k]) for k, v in one.items())
    renamed = program(write, BYOL, ("predictor", "guesser")).forward.state_dict()
    assert torch.equal(one["encoder.conv1.weight"], renamed["encoder.conv1.weight"])
    weight = next(k for k, v in one.items() if k.startswith("predictor.") and v.ndim == 2)
    assert not torch.equal(one[weight], renamed[weight.replace("predictor", "guesser")])


def test_equal_heads_of_other_names_have_other_weights(write: Write) -> None:
    p = program(write, SIMCLR, ("  others:", "  second:    {use: head.mlp, hidden: 16, out: 8}\n  others:"), ("z: projector(", "w: second(encoder(x[0]))\n  z: projector("))  # fmt: skip
    pairs = list(zip(p.node("projector").parameters(), p.node("second").parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in pairs if a.ndim == 2)


def test_a_node_is_built_after_those_that_it_names(write: Write) -> None:
    """Though it stands before them in the file, whose order the children keep."""
    target = "  target:    {use: target.ema, of: [encoder, projector], momentum: {from: 0.9, to: 1.0}}\n"
    nodes = build_nodes(*shaped(write, BYOL, (target, ""), ("nodes:\n", "nodes:\n" + target)), 0)
    assert next(iter(nodes)) == "target"
    weights = nodes["encoder"].state_dict()
    assert all(torch.equal(v, weights[k]) for k, v in nodes["target"].encoder.state_dict().items())


def test_nodes_that_nothing_calls_are_kept(write: Write) -> None:
    p = program(write, SIMCLR, ("  critic:", "  spare:     {use: head.mlp, hidden: 8, out: 4}\n  critic:"), ("z: projector(", "w: spare(encoder(x[0]))\n  z: projector("))  # fmt: skip
    assert isinstance(p.node("spare"), nn.Module)
    assert any(key.startswith("spare.") for key in p.forward.state_dict())


def test_schedules_are_no_state(write: Write) -> None:
    p = program(write, BYOL, ("byol: objective(s)", "byol: {value: objective(s), weight: {from: 0, to: 1}}"))
    assert len(p.schedules) == 2
    assert not any("momentum" in key or "weight_byol" in key for key in p.forward.state_dict())


@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO])
def test_everything_is_on_the_device(write: Write, text: str) -> None:
    changes = [("loss:\n", "loss:\n  more: {value: objective(s), weight: {from: 0, to: 1}}\n")]
    p = program(write, text, *changes, device=torch.device("meta"))
    tensors = [*p.forward.parameters(), *p.forward.buffers(), *(t for t, _ in p.schedules)]
    assert tensors
    assert all(t.is_meta for t in tensors)
    given = [t.to("meta") for t in arguments(p)[:1]]
    out = p.forward(*given, *p.draw(16, None, torch.device("meta")))
    assert out["loss"].is_meta


def test_both_parts_share_the_nodes(write: Write) -> None:
    p = program(write, MOCO)
    assert p.commit.get_submodule("queue") is p.node("queue")
    assert p.commit.get_submodule("target") is p.node("target")


@pytest.mark.parametrize("parts", [(), ("a",), (0, "a"), ("0:a",), (0, "a", 1), ("é",)])
def test_seeds_are_what_they_were(parts: tuple[object, ...]) -> None:
    """Runs are reproducible across versions and machines: SHA-256, not Python's hash."""
    digest = hashlib.sha256(":".join(str(p) for p in parts).encode()).digest()
    assert seed_of(*parts) == int.from_bytes(digest[:8], "big") % 2**63


def test_targets_start_as_copies(write: Write) -> None:
    p = program(write, BYOL)
    for (key, online), target in zip(
        p.node("encoder").state_dict().items(), p.node("target").encoder.state_dict().values(), strict=True
    ):
        assert torch.equal(online, target), key


def test_adding_a_node_leaves_the_weights_of_others(write: Write) -> None:
    one = program(write, SIMCLR)
    changes = (
        ("  others:", "  aside:     {use: head.mlp, hidden: 8, out: 4}\n  others:"),
        ("  s: critic", "  w: aside(z)\n  s: critic"),
        ("graph: simclr", "allow: [G102, G103]\ngraph: simclr"),
    )
    two = program(write, SIMCLR, *changes)
    for key, value in one.forward.state_dict().items():
        assert torch.equal(value, two.forward.state_dict()[key]), key
    assert not torch.equal(
        one.node("encoder").conv1.weight, program(write, SIMCLR, seed=1).node("encoder").conv1.weight
    )


def test_seeds_depend_on_every_part() -> None:
    seeds = {seed_of(0, "encoder"), seed_of(1, "encoder"), seed_of(0, "projector"), seed_of(0, "step", 1)}
    assert len(seeds) == 4
    assert all(0 <= s < 2**63 for s in seeds)
