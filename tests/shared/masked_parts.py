"""A small encoder of patches that parts of masked methods name, and what their ports take."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from graphssl.component import Sizes, build
from graphssl.components.encoder import ViT


def any_vit(px: int | tuple[int, int] = 16, channels: int = 3, **config: Any) -> Any:
    """Of pictures of these sides, with what the config says."""
    h, w = (px, px) if isinstance(px, int) else px
    torch.manual_seed(7)
    return build(ViT, sizes=Sizes({"c": channels, "h": h, "w": w}), **config)


def vit(px: int = 16, **config: Any) -> Any:
    """Of patches of 4 px, 24 numbers a token, two blocks."""
    return any_vit(px, **{"patch": 4, "dim": 24, "depth": 2, "heads": 3, "mlp": 40, **config})


def first(shape: tuple[int, ...]) -> Tensor:
    """Numbers of patches, `b s`: the first s of each picture."""
    return torch.arange(shape[1]).repeat(shape[0], 1)


def some(shape: tuple[int, ...]) -> Tensor:
    """A mask, True at every other place."""
    return torch.arange(math.prod(shape)).reshape(shape) % 2 == 0


PLACES = {"kept": first, "hidden": first, "index": first, "mask": some, "valid": some, "where": some}
