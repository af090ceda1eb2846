"""Masks on a picture as two views see them."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import wide

__all__ = ["Regions", "Seen"]


class Seen(NamedTuple):
    """one, two: of each region the positions of each view that lie in it, as shares. weight: whether both see it."""

    one: Annotated[Tensor, "b r k s l"]
    two: Annotated[Tensor, "b r k u v"]
    weight: Annotated[Tensor, "b r k"]


@component("context.regions", detached=True, traits=("rows",))
class Regions(nn.Module):
    """A grid of rows times columns over the picture, as masks on the maps of two views of it.

    Cells of both, `b s l 4` and `b u v 4` of `context.cells`, to `.one`, `b r k s l`, and `.two`, `b r k u v`: one over
    the number of the view's positions whose centres lie in region r k, and 0 where they do not; for `context.gather`,
    which pools a map over each mask. `.weight`, `b r k`, is 1 where both views have a position in the region and else
    0. The spatial heuristic of DetCon (Henaff et al. 2021, arXiv:2103.10957, sections 3.1 and 4.3), whose pooled
    features are compared region by region.
    """

    class Config(NodeConfig):
        rows: PositiveInt = Field(5, description="regions from top to bottom of the picture")
        columns: PositiveInt = Field(5, description="regions from left to right")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.rows, self.columns = config.rows, config.columns

    def forward(self, one: Annotated[Tensor, "b s l 4"], two: Annotated[Tensor, "b u v 4"]) -> Seen:
        (first, seen), (second, also) = self._seen(one), self._seen(two)
        return Seen(first, second, (seen & also).to(first.dtype))

    def _seen(self, cells: Annotated[Tensor, "b s l 4"]) -> tuple[Tensor, Tensor]:
        cells = wide(cells.detach())
        y, x = ((cells[..., :2] + cells[..., 2:]) / 2).unbind(3)
        row, column = (self._inside(y, self.rows), self._inside(x, self.columns))
        mask = (row[:, :, None] & column[:, None]).to(cells.dtype)  # b r k s l
        count = mask.sum((3, 4))
        return mask / count.clamp_min(1)[..., None, None], count > 0

    @staticmethod
    def _inside(place: Annotated[Tensor, "b s l"], count: int) -> Annotated[Tensor, "b n s l"]:
        """Whether each place, a share of the picture's side, lies in each of so many equal parts."""
        part = (place * count).floor().clamp(0, count - 1)
        return part[:, None] == torch.arange(count, device=place.device)[:, None, None]
