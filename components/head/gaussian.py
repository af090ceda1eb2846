"""A stochastic encoder's last layer: the parameters of a normal distribution."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Gaussian

__all__ = ["GaussianHead"]


@component("head.gaussian", traits=("rows",))
class GaussianHead(nn.Module):
    """Mean and log variance of a diagonal normal distribution, each a linear layer: `b d` to a Gaussian `b e`.

    Kingma and Welling 2014, arXiv:1312.6114, appendix C.2. The two layers are one, of 2 e outputs, means first. The
    log variance is not clamped: where it strays, the gradient of `prior.kl` leads it back, and a clamp would stop
    that gradient. `head.sample` draws from the distribution.
    """

    class Config(NodeConfig):
        out: PositiveInt = Field(64, description="e, the size of mean and log variance")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.linear = nn.Linear(sizes["d"], 2 * config.out)

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Gaussian, "b e"]:
        return Gaussian(*self.linear(x).chunk(2, 1))
