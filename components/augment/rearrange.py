"""Tiles in another order, and in which."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from .orders import COUNTABLE, distant_orders, rank

__all__ = ["Rearrange", "Rearranged"]


class Rearranged(NamedTuple):
    """The tiles in their new places, and the number of their order."""

    view: Annotated[Tensor, "b r k c h w"]
    label: Annotated[Tensor, "b"]


@component("augment.rearrange", traits=("rows", "labels"))
class Rearrange(nn.Module):
    """Tiles of a grid in one of `orders` orders: `b r k c h w` to `.view`, as they are, and `.label`, `b`, which it is.

    Jigsaw puzzles (Noroozi and Favaro 2016, arXiv:1603.09246, section 4.2): tile j of the order lies in place j, row by
    row. The orders are chosen once, far apart, as in algorithm 1 of the paper, and kept as `orders`, `p n`; a label is
    below p, an integer. `orders: null` draws any order whatever, as PIRL does (Misra and van der Maaten 2020,
    arXiv:1912.01991, section 3.3); the label is its number among all n!, of at most 20 tiles. One tile, or more orders
    than there are, raise ValueError.
    """

    class Config(NodeConfig):
        orders: int | None = Field(100, ge=2, description="p, how many orders there are; null: all of them")
        seed: NonNegativeInt = Field(0, description="of the first order, from which the others are chosen")

    orders: Tensor | None

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.tiles = sizes["r"] * sizes["k"]
        if self.tiles == 1:
            raise ValueError("a grid of one tile has one order: smaller patches or a smaller stride make more of them")
        if config.orders is None and self.tiles > COUNTABLE:
            raise ValueError(f"the orders of {self.tiles} tiles are too many to be numbered, of {COUNTABLE} at most")
        self.classes = math.factorial(self.tiles) if config.orders is None else config.orders
        if self.classes > math.factorial(self.tiles):
            known = math.factorial(self.tiles)
            raise ValueError(f"{self.tiles} tiles have {known} orders, and {config.orders} are asked for")
        shape = (self.classes, self.tiles)
        if config.orders is None:
            orders = None
        elif torch.get_default_device().type == "meta":  # only their number matters then, and the search takes a while
            orders = torch.empty(shape, dtype=torch.int64)
        else:
            orders = distant_orders(self.tiles, config.orders, config.seed).to(torch.get_default_device(), copy=True)
        self.register_buffer("orders", orders)

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Which of the orders, `b`; or, of all of them, the order itself, `b n`."""
        if self.orders is None:
            return torch.rand((b, self.tiles), generator=generator, device=device).argsort(1)
        return torch.randint(self.classes, (b,), generator=generator, device=device)

    def forward(self, tiles: Annotated[Tensor, "b r k c h w"], draws: Tensor) -> Rearranged:
        order, label = (draws, rank(draws)) if self.orders is None else (self.orders[draws], draws)
        rows = torch.arange(len(tiles), device=tiles.device)[:, None]
        return Rearranged(tiles.flatten(1, 2)[rows, order].view_as(tiles), label)
