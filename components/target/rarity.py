"""How rare what a code names is."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component, update

from ..numeric import Momentum, wide

__all__ = ["Rarity"]

Share = Annotated[float, Field(ge=0, le=1)]


@component("target.rarity", detached=True, traits=("rows", "running"))
class Rarity(nn.Module):
    """A weight for each code, the larger the rarer its likeliest entry is: `b p` to `b`, on average 1.

    w_q = 1 / ((1 - mix) share_q + mix / p), over the mean of that under the shares; a code's weight is that of its
    largest entry (Zhang et al. 2016, arXiv:1603.08511, equations 3 and 4: class rebalancing; mix is their lambda). The
    shares, `share`, `p`, are a moving average of the codes of past batches, uniform at first; the authors have counted
    ImageNet before, and smooth what they count by sigma 5, which soft codes are already. No other method here
    weights what it predicts so, hence a part of its own; it takes any codes, such as those of prototypes.
    """

    class Config(NodeConfig):
        mix: Scheduled[Share] = Field(0.5, description="share of the uniform distribution; 1 weights all alike")
        momentum: Scheduled[Momentum] = Field(0.99, description="m in m * share + (1 - m) * mean of the codes")

    mix: float | Tensor
    momentum: float | Tensor
    share: Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        p = sizes["p"]
        self.register_buffer("share", torch.full((p,), 1 / p))

    @torch.no_grad()
    def forward(self, code: Annotated[Tensor, "b p"]) -> Annotated[Tensor, "b"]:
        share = self.share.to(wide(code).dtype)
        weight = 1 / ((1 - self.mix) * share + self.mix / len(share)).clamp_min(torch.finfo(share.dtype).tiny)
        return (weight / (share * weight).sum())[code.argmax(1)]

    @update
    def observe(self, code: Annotated[Tensor, "b p"]) -> None:
        """share = momentum * share + (1 - momentum) * the mean of the codes."""
        self.share.lerp_(code.mean(0).to(self.share.dtype), 1 - self.momentum)
