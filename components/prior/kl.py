"""The Kullback-Leibler divergence from a standard normal prior."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Gaussian

from ..numeric import wide

__all__ = ["KL"]


@component("prior.kl", traits=("regularises", "mean"))
class KL(nn.Module):
    """KL(q || N(0, 1)) = -1/2 sum_d (1 + log var - mean^2 - var), the mean over the batch; in nats.

    The second term of the variational bound, appendix B of Kingma and Welling 2014 (arXiv:1312.6114). q: a Gaussian
    `b d`, as from `head.gaussian`; float32 inside. It is 0 where q is the prior, and finite for log variances of up
    to 88, the range of float32.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, q: Annotated[Gaussian, "b d"]) -> Annotated[Tensor, ""]:
        mean, log_variance = wide(q.mean), wide(q.log_variance)
        # var - 1 as one function, which keeps its digits near the prior.
        return (mean.square() + torch.expm1(log_variance) - log_variance).sum(1).mean() / 2
