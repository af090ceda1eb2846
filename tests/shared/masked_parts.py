"""A small encoder of patches that parts of masked methods name, and what their ports take."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from graphssl.component import Sizes, build
from graphssl.components.encoder import ViT


def vit(px: int | tuple[int, int] = 16, channels: int = 3, **config: Any) -> Any:
    """Of patches of 4 px, 24 numbers a token, two blocks."""
    h, w = (px, px) if isinstance(px, int) else px
    torch.manual_seed(7)
    given = {"patch": 4, "dim": 24, "depth": 2, "heads": 3, "mlp": 40, **config}
    return build(ViT, sizes=Sizes({"c": channels, "h": h, "w": w}), **given)


def first(shape: tuple[int, ...]) -> Tensor:
    """Numbers of patches, `b s`: the first s of each picture."""
    return torch.arange(shape[1]).repeat(shape[0], 1)


def some(shape: tuple[int, ...]) -> Tensor:
    """A mask, True at every other place."""
    return torch.arange(math.prod(shape)).reshape(shape) % 2 == 0


PLACES = {"kept": first, "hidden": first, "index": first, "mask": some, "valid": some, "where": some}
