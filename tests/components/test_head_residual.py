"""The head with a shortcut: its formula in float64, and a start that copies the input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from graphssl.component import Sizes, build
from graphssl.components.head import Residual


def head(d: int = 4, dtype: torch.dtype = torch.float64, **config: Any) -> Any:
    torch.manual_seed(0)
    config.setdefault("out", 6)
    return build(Residual, sizes=Sizes({"d": d}), **config).to(dtype)


def values(b: int = 8, d: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(b, d, generator=generator, dtype=torch.float64).requires_grad_()


def plain(node: Any, x: Tensor, norm: str, last_norm: bool) -> Tensor:
    """linear, norm, ReLU, linear, plus linear; then layer norm."""
    first, last = node.block[0], node.block[-1]
    h = torch.einsum("bd,ed->be", x, first.weight)
    if norm == "none":
        h = h + first.bias
    else:
        axis = 0 if norm == "batch" else 1
        centred = h - h.mean(axis, keepdim=True)
        h = centred / ((centred**2).mean(axis, keepdim=True) + 1e-5).sqrt()
        h = h * node.block[1].weight + node.block[1].bias
    y = torch.where(h > 0, h, torch.zeros_like(h)) @ last.weight.T + last.bias + x @ node.shortcut.weight.T
    if last_norm:
        centred = y - y.mean(1, keepdim=True)
        y = centred / ((centred**2).mean(1, keepdim=True) + 1e-5).sqrt() * node.last_norm.weight + node.last_norm.bias
    return y


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("last_norm", [True, False])
@pytest.mark.parametrize("out", [6, 3])
def test_outputs_and_gradients_follow_the_formula(norm: str, last_norm: bool, out: int) -> None:
    node, x = head(norm=norm, last_norm=last_norm, out=out), values()
    for parameter in node.parameters():
        torch.nn.init.normal_(parameter)
    leaves = [x, *node.parameters()]
    ours, theirs = node(x), plain(node, x, norm, last_norm)
    grown = torch.linspace(-1, 2, ours.numel(), dtype=torch.float64).view_as(ours)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad((ours * grown).sum(), leaves),
        torch.autograd.grad((theirs * grown).sum(), leaves),
        rtol=1e-8,
        atol=1e-9,
    )


def test_the_shortcut_starts_as_a_copy_with_little_noise() -> None:
    node = head()
    copied = node.shortcut(values())
    torch.testing.assert_close(copied[:, :4], values(), atol=0.1, rtol=0)
    assert copied[:, 4:].abs().max() < 0.1
    assert (node.shortcut.weight[4:] != 0).all()


def test_a_shortcut_to_fewer_numbers_starts_like_any_linear_layer() -> None:
    weight = head(out=3).shortcut.weight
    assert (weight.diagonal() != 1).all()
    assert weight.abs().max() <= 0.5  # 1 / sqrt(d)


def test_layer_norms_alone_take_a_batch_of_one() -> None:
    assert head(norm="layer", last_norm=True)(values(b=1)).shape == (1, 6)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        head()(values(b=1))


@pytest.mark.parametrize("wrong", [{"out": 0}, {"norm": "group"}, {"hidden": 5}])
def test_wrong_configs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Residual.Config(**wrong)
