"""The views of an image as one vector, their mean."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import wide

__all__ = ["Mean"]


@component("context.mean", traits=("rows",))
class Mean(nn.Module):
    """The mean over the views of each image: a family of `b d` to `b d`, float32 or wider, not normalised.

    The centroids of MMCR (Yerxa et al. 2023, arXiv:2303.03307, section 3.1), and what each view is drawn to in EMP-SSL
    (Tong et al. 2023, arXiv:2304.03977, section 3) and LeJEPA (Balestriero and LeCun 2025, arXiv:2511.08544). Of layers
    that `views()` has made a family it is data2vec's target (Baevski et al. 2022, arXiv:2202.03555, section 3.3). It
    has a gradient to all views; `stopgrad(mean(z))` has none.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, x: Annotated[tuple[Tensor, ...], "b d"]) -> Annotated[Tensor, "b d"]:
        return torch.stack([wide(view) for view in x]).mean(0)
