"""A context of the rows above, from convolutions that do not look down."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Sizes, component

from .turn import Toward, turned, turned_back

__all__ = ["MaskedConv"]


@component("context.masked_conv", traits=("rows",))
class MaskedConv(nn.Module):
    """Residual blocks of convolutions over a position's own row and those above it: `b r k d` to `b r k d`.

    The PixelCNN of CPC (van den Oord et al. 2018, arXiv:1807.03748, section 3.2), as in the pseudo-code of CPC v2
    (Henaff et al. 2019, arXiv:1905.09272, appendix): in each block 1x1, 1x3 and, with a row of zeros above, 2x1, then
    1x1 again; a ReLU after the last block. `layers` blocks look that many rows up, and as many columns to each side.
    There is no batch norm, which would tell of the rows below. Version 2 predicts in four directions, with a context
    for each: `toward: right` sees its own column and those to the left, and so on.
    """

    class Config(NodeConfig):
        hidden: PositiveInt = Field(256, description="channels inside of a block")
        layers: PositiveInt = Field(5, description="blocks")
        toward: Toward = Field("down", description="where what it has not seen lies: down, up, right or left")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.toward = config.toward
        self.blocks = nn.ModuleList(_block(sizes["d"], config.hidden) for _ in range(config.layers))

    def forward(self, x: Annotated[Tensor, "b r k d"]) -> Annotated[Tensor, "b r k d"]:
        y = turned(x, self.toward).permute(0, 3, 1, 2)
        for block in self.blocks:
            y = y + block(y)
        return turned_back(functional.relu(y).permute(0, 2, 3, 1), self.toward)


def _block(d: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(d, hidden, 1), nn.ReLU(inplace=True),
        nn.Conv2d(hidden, hidden, (1, 3), padding=(0, 1)),
        nn.ZeroPad2d((0, 0, 1, 0)), nn.Conv2d(hidden, hidden, (2, 1)), nn.ReLU(inplace=True),
        nn.Conv2d(hidden, d, 1),
    )  # fmt: skip
