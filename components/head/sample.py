"""A sample of a normal distribution, with a gradient."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Gaussian

from ..numeric import wide

__all__ = ["Sample"]


@component("head.sample", traits=("rows",))
class Sample(nn.Module):
    """mean + exp(log variance / 2) * noise, the noise standard normal: a Gaussian `b d` to `b d`, in float32.

    The reparametrisation of Kingma and Welling 2014, arXiv:1312.6114, section 2.4. In eval mode, and
    without draws, it is the mean.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.d = sizes["d"]

    def draw(self, b: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """The noise, `b d`."""
        return torch.randn((b, self.d), generator=generator, device=device)

    def forward(self, q: Annotated[Gaussian, "b d"], draws: Tensor | None = None) -> Annotated[Tensor, "b d"]:
        mean, log_variance = wide(q.mean), wide(q.log_variance)
        return mean if draws is None or not self.training else mean + torch.exp(log_variance / 2) * draws
