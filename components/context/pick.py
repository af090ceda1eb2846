"""One position of a grid, a random one for each sample."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..tokens import rows_at

__all__ = ["Pick"]

LARGE = 2**62  # so that no place is likelier than another


@component("context.pick", traits=("rows",))
class Pick(nn.Module):
    """The vector at one position of each sample's grid, all equally likely: `b r k d` to `b d`.

    In AMDIM it stands for the image in one view, to be found in the other's map (Bachman et al. 2019,
    arXiv:1906.00910, section 3). In eval mode it is the position in the middle, r / 2, k / 2, rounded down.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """A large whole number for each sample, `b`; its rest over r k is the place, in a grid of any size."""
        return torch.randint(LARGE, (b,), generator=generator, device=device)

    def forward(self, x: Annotated[Tensor, "b r k d"], draws: Tensor | None = None) -> Annotated[Tensor, "b d"]:
        r, k = x.shape[1:3]
        if draws is None or not self.training:
            return x[:, r // 2, k // 2]
        place = draws % (r * k)  # row by row
        return rows_at(x.flatten(1, 2), place[:, None])[:, 0]
