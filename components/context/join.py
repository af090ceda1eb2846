"""Several vectors of an image as one."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

__all__ = ["Join"]


@component("context.join", traits=("rows",))
class Join(nn.Module):
    """Two or three vectors, `b d`, `b e` and `b f`, one after the other: `b g`, where g is their sizes' sum.

    What is judged of CMC's encoders, one for each kind of view (Tian et al. 2019, arXiv:1906.05849).
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self,
        first: Annotated[Tensor, "b d"],
        second: Annotated[Tensor, "b e"],
        third: Annotated[Tensor, "b f"] | None = None,
    ) -> Annotated[Tensor, "b g"]:
        return torch.cat((first, second) if third is None else (first, second, third), 1)
