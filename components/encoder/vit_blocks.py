"""Blocks of a vision transformer beside torchvision's: branches that are left out by chance, positions that turn."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models import vision_transformer

__all__ = ["Block", "sines", "turned", "turns"]

BASE = 10_000.0  # of the wavelengths of sines and cosines
ROTARY_BASE = 100.0


class Block(vision_transformer.EncoderBlock):
    """torchvision's block: branches may be left out, positions may turn, and tokens may be unseen.

    It takes tokens `b t d`. stay: `2 b 1 1`, what each branch is multiplied by, a sample at a time; None for 1. turn:
    see `turns`. seen: `b 1 1 t`, False at tokens that no other looks at.
    """

    def forward(
        self, input: Tensor, stay: Tensor | None = None, turn: Tensor | None = None, seen: Tensor | None = None
    ) -> Tensor:
        if stay is None and turn is None and seen is None:
            result: Tensor = super().forward(input)
            return result
        normed = self.ln_1(input)
        if turn is None and seen is None:
            looked = self.self_attention(normed, normed, normed, need_weights=False)[0]
        else:
            looked = self._attention(normed, turn, seen)
        looked = self.dropout(looked)
        x: Tensor = input + (looked if stay is None else stay[0] * looked)
        y: Tensor = self.mlp(self.ln_2(x))
        return x + (y if stay is None else stay[1] * y)

    def _attention(self, x: Annotated[Tensor, "b t d"], turn: Tensor | None, seen: Tensor | None) -> Tensor:
        """The attention by torch's function, of the layer's weights."""
        layer = self.self_attention
        heads = functional.linear(x, layer.in_proj_weight, layer.in_proj_bias).unflatten(2, (3, layer.num_heads, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        if turn is not None:
            query, key = turned(query, turn), turned(key, turn)
        found = functional.scaled_dot_product_attention(query, key, value, seen)
        result: Tensor = layer.out_proj(found.transpose(1, 2).flatten(2))
        return result


def sines(dim: int, rows: int, columns: int) -> Annotated[Tensor, "t d"]:
    """Sines and cosines of the row, then of the column, of each patch, row by row (MoCo v3, MAE)."""
    quarter = dim // 4
    omega = BASE ** -(torch.arange(quarter) / quarter)
    row = torch.arange(rows).repeat_interleave(columns)[:, None] * omega
    column = torch.arange(columns).repeat(rows)[:, None] * omega
    return torch.cat((row.sin(), row.cos(), column.sin(), column.cos()), 1)


def turns(size: int, rows: int, columns: int) -> Annotated[Tensor, "2 t e"]:
    """Cosines and sines of the angles of each patch, row by row: rotary positions of two axes.

    RoFormer's rotation (Su et al. 2021, arXiv:2104.09864, equation 34), a half of the pairs of numbers for the row and
    a half for the column (Heo et al. 2024, arXiv:2403.13298, equation 6), base 100. size: of a head, e = size / 2.
    """
    quarter = size // 4
    omega = ROTARY_BASE ** -(torch.arange(quarter) / quarter)
    row = torch.arange(rows).repeat_interleave(columns)[:, None] * omega
    column = torch.arange(columns).repeat(rows)[:, None] * omega
    angle = torch.cat((row, column), 1)
    return torch.stack((angle.cos(), angle.sin()))


def turned(x: Annotated[Tensor, "b a t e"], turn: Tensor) -> Annotated[Tensor, "b a t e"]:
    """Pairs of numbers, the first half with the second, turned by their angles. turn: `2 b 1 t e/2` or `2 t e/2`."""
    cos, sin = turn.to(x.dtype)
    one, other = x.chunk(2, 3)
    return torch.cat((one * cos - other * sin, one * sin + other * cos), 3)
