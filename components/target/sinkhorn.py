"""SwAV's codes: assignments to prototypes that use all of them alike."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Scheduled, Sizes, component

from ..precision import wide

__all__ = ["Sinkhorn"]


@component("target.sinkhorn", detached=True)
class Sinkhorn(nn.Module):
    """Soft assignments of a batch to prototypes, spread evenly over these by Sinkhorn-Knopp: scores `b p` to `b p`.

    SwAV, equations 3 to 5 (Caron et al. 2020, arXiv:2006.09882), and its code: exp(scores / epsilon) is scaled so
    that each prototype has a share of b / p, then so that each sample's row sums to 1, and so on; rows come last and
    are exact. Done on logarithms in float32, so that no epsilon overflows. Each view's batch is assigned by itself;
    a batch that is small beside p spreads over few prototypes only. Never carries a gradient.
    """

    class Config(NodeConfig):
        epsilon: Scheduled[PositiveFloat] = Field(0.05, description="softness of the assignments")
        iterations: PositiveInt = Field(3, le=100, description="times that prototypes and samples are scaled")

    epsilon: float | Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.iterations = config.iterations

    def forward(self, scores: Annotated[Tensor, "b p"]) -> Annotated[Tensor, "b p"]:
        code = wide(scores.detach()) / self.epsilon
        for _ in range(self.iterations):
            # The shares b / p and 1 are left out: what scales all alike, the next step takes out.
            code = code.log_softmax(0).log_softmax(1)
        return code.exp()
