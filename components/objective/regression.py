"""Regression of one embedding on another: BYOL's loss."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from ..numeric import wide
from .base import weighted_mean

__all__ = ["Regression"]


@component("objective.regression", traits=("attracts", "mean"))
class Regression(nn.Module):
    """2 - 2 * score, the mean over the positives: BYOL, equation 2 (Grill et al. 2020, arXiv:2006.07733).

    With `critic.cosine` at temperature 1 it is the squared distance of the l2-normalised embeddings, 0 to 4.
    SimSiam's negative cosine (Chen and He 2021, arXiv:2011.10566, equation 1) is half of it, less 1. It only
    attracts, and takes no negatives. `weight`, one for each query, multiplies what it costs; the mean is over all
    still.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(
        self, scores: Annotated[Scores, "b ...", "b n"], weight: Annotated[Tensor, "b"] | None = None
    ) -> Annotated[Tensor, ""]:
        if scores.negative is not None:
            raise ValueError(
                "regression uses no negatives: take the critic's third value out, or use objective.infonce"
            )
        return weighted_mean(2 - 2 * wide(scores.positive), weight)
