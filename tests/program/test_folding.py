"""Views run as one where a node treats each sample by itself, and then the numbers are the same."""

from __future__ import annotations

import re

import pytest
import torch
from conftest import BYOL, Write
from helpers import arguments, program_of
from processes import DROPPING
from torch import Tensor

from graphssl.api import check
from graphssl.checks.checked import Checked
from graphssl.component import discover
from graphssl.program import emission

RESNET, PROJECTOR = "{use: encoder.resnet, depth: 10, width: 8}", "{use: head.mlp, hidden: 16, out: 8}"
NO_NORM = (RESNET, "{use: encoder.resnet, depth: 10, width: 8, norm: {use: group, groups: 4}}")
PLAIN = "{use: head.mlp, hidden: 16, out: 8, norm: none}"
FOURS = "norm: {use: group, groups: 4}"
# A component with the trait, in the place of the encoder or of the projector.
ENCODERS = {
    "encoder.resnet": NO_NORM[1],
    "encoder.conv": f"{{use: encoder.conv, width: 8, layers: 2, hidden: 16, out: 8, {FOURS}}}",
    "encoder.alexnet": f"{{use: encoder.alexnet, width: 4, hidden: 8, out: 8, {FOURS}}}",
    "encoder.vit": "{use: encoder.vit, size: tiny, patch: 16, dim: 16, depth: 1, heads: 2}",
    "encoder.timm": "{use: encoder.timm, name: test_vit, options: {patch_size: 16, depth: 1}}",
    "encoder.torchvision": "{use: encoder.torchvision, name: convnext_tiny, options: {stochastic_depth_prob: 0.0}}",
    "encoder.unpadded": f"{{use: encoder.unpadded, width: 8, out: 64, depth: 1, {FOURS}}}",
}
HEADS = {
    "head.mlp": PLAIN,
    "head.standardize": "{use: head.standardize}",
    "head.normalize": "{use: head.normalize}",
    "head.prototypes": "{use: head.prototypes, count: 8}",
    "head.residual": "{use: head.residual, out: 8, norm: none}",
}


def lines(checked: Checked, node: str) -> list[str]:
    """What the step calls a node with."""
    code = program_of(checked).code()
    return re.findall(rf"self\.{node}\((\w+)\)", code.split("def update")[0])


def test_views_through_a_node_without_batch_norm_run_as_one(write: Write) -> None:
    checked = check(write(BYOL, NO_NORM, (f"projector: {PROJECTOR}", f"projector: {PLAIN}")))
    assert lines(checked, "encoder") == ["cat"]
    assert lines(checked, "projector") == ["encoder"], "what comes as one goes on as one, without a copy"
    assert len(lines(checked, "predictor")) == 2, "it has batch norm"
    assert lines(checked, "target") == ["cat"]


def test_batch_norm_sees_each_view_by_itself(write: Write) -> None:
    checked = check(write(BYOL))
    assert len(lines(checked, "encoder")) == 2
    assert len(lines(checked, "target")) == 2


def test_views_of_two_sizes_run_by_themselves(write: Write) -> None:
    multicrop = "{use: augment.multicrop, wide: 2, small: 3, small_size: 16}"
    text = BYOL.replace("{use: augment.byol, flip: 0, blur: 0, solarize: 0}", multicrop)
    text = text.replace("  x: augment(batch.image)", "  wide, small: augment(batch.image)\n  x: views(wide, small)")
    text = text.replace("z: target(x)", "z: target(wide)")
    checked = check(write(text, NO_NORM, (f"projector: {PROJECTOR}", f"projector: {PLAIN}")))
    assert len(lines(checked, "encoder")) == 2, "the two wide ones, and the three small ones"
    assert lines(checked, "projector") == ["cat_2"], "vectors of all five"


TWINS = """\
graph: twins
data: {use: digits, batch: 8}
nodes:
  augment:   {use: augment.byol, flip: 0, blur: 0, solarize: 0}
  encoder:   {use: encoder.resnet, depth: 10, width: 8, norm: {use: group, groups: 4}}
  projector: {use: head.mlp, hidden: 16, out: 8, norm: none}
  others:    {use: negatives.in_batch}
  critic:    {use: critic.cosine}
  objective: {use: objective.infonce}
flow:
  x: augment(batch.image)
  z: projector(encoder(x))
loss:
  infonce: objective(critic(z, z, others(z), pairs=cross))
train: {optimizer: {use: sgd, lr: 0.01}}
"""


def loss_and_gradient(checked: Checked) -> tuple[Tensor, Tensor]:
    program = program_of(checked)
    module = program.forward.train()
    loss = module(*arguments(program, 8))["loss"]
    loss.backward()
    return loss.detach(), torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])


@pytest.mark.parametrize("name", [*ENCODERS, *HEADS])
def test_the_numbers_are_those_of_views_by_themselves(write: Write, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    node, entry = ("encoder", ENCODERS[name]) if name in ENCODERS else ("projector", HEADS[name])
    text = re.sub(rf"  {node}: .*\n", f"  {node}: {entry}\n", TWINS)
    if name in ("encoder.alexnet", "encoder.conv", "encoder.unpadded"):
        text = text.replace("encoder(x)", "encoder(x).vector")
    checked = check(write(text))
    assert len(lines(checked, node)) == 1
    joined = loss_and_gradient(checked)
    monkeypatch.setattr(emission, "together", lambda calls, *_: calls)
    assert len(lines(checked, node)) == 2
    for one, other in zip(joined, loss_and_gradient(checked), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("layer", "calls"), [("dropout", 2), ("own", 2), ("functional", 2), ("dropout, p: 0", 1)])
def test_what_draws_by_itself_would_draw_other_numbers(write: Write, layer: str, calls: int) -> None:
    own = ("graph: twins", "graph: twins\ncomponents: [./dropping.py]")
    path = write(TWINS, own, ("head.mlp, hidden: 16, out: 8, norm: none", f"head.dropping, layer: {layer}"))
    path.with_name("dropping.py").write_text(DROPPING)
    assert len(lines(check(path), "projector")) == calls


@pytest.mark.parametrize(
    "entry",
    [
        "{use: encoder.timm, name: test_vit, options: {patch_size: 16, depth: 2, drop_path_rate: 0.1}}",
        "{use: encoder.torchvision, name: convnext_tiny}",
        "{use: encoder.vit, size: tiny, patch: 16, dim: 16, depth: 2, heads: 2, drop_path: 0.1}",
    ],
)
def test_so_would_stochastic_depth(write: Write, entry: str) -> None:
    checked = check(write(re.sub(r"  encoder: .*\n", f"  encoder: {entry}\n", TWINS)))
    code = program_of(checked).code().split("def update")[0]
    assert len(re.findall(r"self\.encoder\(", code)) == 2


def test_every_component_with_the_trait_is_tested() -> None:
    library = {n for n, c in discover().items() if "apart" in c.traits and "components" in c.origin}
    assert library == {
        *ENCODERS,
        *HEADS,
        "head.decoder",
    }  # which takes places beside tokens: tests/components/test_tokens.py
