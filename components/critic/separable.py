"""Two networks and a dot product."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives, Scores

from .networks import embed_and_dot, plain_mlp

__all__ = ["Separable"]


@component("critic.separable", traits=("rows",))
class Separable(nn.Module):
    """phi(query)^T psi(key), with an MLP for each side.

    The separable critic of mutual information estimators (van den Oord et al. 2018, arXiv:1807.03748; Poole et al.
    2019, arXiv:1905.06922). `phi` and `psi` are linear layers with ReLUs between them, without norms;
    queries and keys may be of different sizes. Scores are float32, and the networks too. Keys with positions,
    `b ... e`, give positives `b ...`.

    Negatives of the batch are embedded once more, beside the keys: `critic.dot` on two heads saves that.
    """

    class Config(NodeConfig):
        hidden: PositiveInt = Field(256, description="size of the layers before the last")
        out: PositiveInt = Field(32, description="size of what the dot product is of")
        layers: PositiveInt = Field(3, le=64, description="linear layers of each MLP; with 1 the critic is bilinear")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.phi = plain_mlp(sizes["d"], config.hidden, config.out, config.layers)
        self.psi = plain_mlp(sizes["e"], config.hidden, config.out, config.layers)

    def forward(
        self,
        query: Annotated[Tensor, "b d"],
        key: Annotated[Tensor, "b ... e"],
        negatives: Annotated[Negatives, "n e"] | None = None,
    ) -> Annotated[Scores, "b ...", "b n"]:
        return embed_and_dot(query, key, negatives, self.phi, self.psi)
