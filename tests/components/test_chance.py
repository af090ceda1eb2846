"""Layers that are random by themselves: those of torch, torchvision and timm are found, and stilled."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
from torch import nn
from torchvision import models, ops

from graphssl.components.chance import without_chance

X = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Attention(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 2, dropout, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = x.flatten(0, 1)
        return self.attention(rows, rows, rows)[0]  # type: ignore[no-any-return]


MAKERS: dict[str, Callable[[float], nn.Module]] = {
    "dropout": nn.Dropout,
    "dropout of channels": nn.Dropout2d,
    "alpha dropout": nn.AlphaDropout,
    "attention": Attention,
    "torchvision's": lambda p: ops.StochasticDepth(p, "row"),
    "torchvision's blocks": lambda p: ops.DropBlock2d(p, 3),
    "timm's": timm.layers.DropPath,
    "timm's blocks": lambda p: timm.layers.DropBlock2d(p, 3),
    "convnext": lambda p: timm.create_model("test_convnext", drop_path_rate=p, num_classes=0),
    "a functional one": lambda p: models.densenet._DenseLayer(3, 4, 4, p),
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_random_is_stilled(name: str) -> None:
    torch.manual_seed(0)
    module = MAKERS[name](0.5).train()
    assert not torch.equal(module(X), module(X))
    assert without_chance(module) is module
    assert torch.equal(module(X), module(X))


def test_other_numbers_are_no_shares() -> None:
    """A power of `p`, say, is no dropout."""

    class Norm(nn.Module):
        p, prob = 2.0, 0.5

    assert without_chance(nn.Sequential(Norm(), nn.Linear(2, 2), nn.BatchNorm2d(3)))[0].p == 2.0  # type: ignore[index]
