"""The mean of several values of one shape."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

__all__ = ["Average"]


@component("context.average", traits=("rows",))
class Average(nn.Module):
    """The mean of a family of views, or of several values that `views()` has made one: `b ... d` to the same.

    data2vec's targets are the mean over the last layers of the teacher (Baevski et al. 2022, arXiv:2202.03555, section
    3.3): `average(views(t.layer5, t.layer6))`.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[tuple[Tensor, ...], "b ... d"]) -> Annotated[Tensor, "b ... d"]:
        return torch.stack(x).mean(0)
