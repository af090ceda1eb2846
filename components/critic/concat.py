"""One network for the pair."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives, Scores

from .networks import concatenate, plain_mlp

__all__ = ["Concat"]


@component("critic.concat", traits=("rows",))
class Concat(nn.Module):
    """An MLP on [query, key]: linear layers with ReLUs between them, the last one to the score.

    The statistics network of MINE (Belghazi et al. 2018, arXiv:1801.04062), the joint critic of Poole et al. 2019
    (arXiv:1905.06922) and, with the default 512-512-1, Deep InfoMax's discriminators: on a vector and positions,
    `b ... e`, concat-and-convolve, on a vector and a flat map the global one (Hjelm et al. 2019, arXiv:1808.06670,
    appendix A). Queries and keys may be of different sizes. Scores are float32, and the network too.

    Every pair goes through the layers after the first. Training holds `b n hidden` numbers for each layer but the
    last: twice 0.5 GiB for a batch of 64 with the 4096 positions of its 8 x 8 maps.
    """

    class Config(NodeConfig):
        hidden: PositiveInt = Field(512, description="size of the layers before the last")
        layers: int = Field(3, ge=2, le=64, description="number of linear layers, the one to the score included")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        self.layers = plain_mlp(sizes["d"] + sizes["e"], config.hidden, 1, config.layers).layers

    def forward(
        self,
        query: Annotated[Tensor, "b d"],
        key: Annotated[Tensor, "b ... e"],
        negatives: Annotated[Negatives, "n e"] | None = None,
    ) -> Annotated[Scores, "b ...", "b n"]:
        return concatenate(query, key, negatives, self.layers)
