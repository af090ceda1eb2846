"""Noise-contrastive estimation with a given constant."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Scores

from .discrimination import nce

__all__ = ["FixedNCE"]


@component("objective.nce_fixed", traits=("uniform_noise", "mean"))
class FixedNCE(nn.Module):
    """Tells data from noise pair by pair, with a constant from the graph file; in nats.

    `objective.nce` with `log_z` for log(Z / N), the log of the mean of exp(T) over all entries: h(T) =
    sigmoid(T - log_z - log m). With log_z: 0 an average pair is as likely data as noise; for a model that normalises
    itself, Z = 1 (Mnih and Teh 2012, arXiv:1206.6426), it is minus the log of the number of entries.
    """

    class Config(NodeConfig):
        log_z: float = Field(0.0, description="log(Z / N)", allow_inf_nan=False)

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.log_z = config.log_z

    def forward(self, scores: Annotated[Scores, "b ...", "b n"]) -> Annotated[Tensor, ""]:
        return nce(scores, self.log_z)
