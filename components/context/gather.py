"""The vectors of some positions of a map, for each position of another grid."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..numeric import exact, wide

__all__ = ["Gather"]


@component("context.gather", traits=("rows",))
class Gather(nn.Module):
    """For each position r k the sum of a map's vectors, each times its share: `b s l d` and `b r k s l` to `b r k d`.

    With the shares of `context.match` it is what a position is paired with: the matched key of DenseCL (Wang et al.
    2021, arXiv:2011.09157, equation 3), the keys of all of PixPro's positive pairs (Xie et al. 2021, arXiv:2011.10043,
    equation 3). With those of `context.regions` it is a mask's pooled feature in DetCon (Henaff et al. 2021,
    arXiv:2103.10957, equation 1). float32.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self, x: Annotated[Tensor, "b s l d"], share: Annotated[Tensor, "b r k s l"]
    ) -> Annotated[Tensor, "b r k d"]:
        with exact(x):
            x = wide(x)
            gathered: Tensor = share.to(x.dtype).flatten(3).flatten(1, 2) @ x.flatten(1, 2)
            grid: Tensor = gathered.unflatten(1, share.shape[1:3])
            return grid
