"""Deep InfoMax's discriminators."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives, Scores

from ..head.residual import Residual
from .networks import concatenate, embed_and_dot, plain_mlp

__all__ = ["JS"]

UNITS = {"encode_and_dot": 2048, "concat_and_convolve": 512}


@component("critic.js", traits=("rows",))
class JS(nn.Module):
    """The discriminator T of Deep InfoMax, appendix A (Hjelm et al. 2019, arXiv:1808.06670), in one of two forms.

        encode_and_dot        each side through linear - ReLU - linear plus a linear shortcut, then layer norm
                              (`phi`, `psi`: head.residual), and the dot product of the two
        concat_and_convolve   the query copied to every position of the key, then 1 x 1 convolutions units - units - 1

    The query is the global vector, the key a vector or the positions of a map, `b ... e`, which give positives
    `b ...`: on them a linear layer is a 1 x 1 convolution. Scores are float32, and the networks too. The authors'
    code has batch norm before the ReLU; here positives and negatives go through apart, and it would tell them from
    each other. Memory is that of `critic.concat`, or for encode_and_dot n times units.
    """

    class Config(NodeConfig):
        form: Literal["encode_and_dot", "concat_and_convolve"] = Field(
            "encode_and_dot", description="how a pair is scored"
        )
        units: PositiveInt | None = Field(
            None, description="size of the hidden layers; null: 2048 for encode_and_dot, 512 for concat_and_convolve"
        )

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        d, e, units = sizes["d"], sizes["e"], config.units or UNITS[config.form]
        self.encodes = config.form == "encode_and_dot"
        if self.encodes:
            block = Residual.Config(out=units, norm="none", last_norm=True)
            self.phi, self.psi = (Residual(block, Sizes({"d": size})) for size in (d, e))
        else:
            self.layers = plain_mlp(d + e, units, 1, 3).layers

    def forward(
        self,
        query: Annotated[Tensor, "b d"],
        key: Annotated[Tensor, "b ... e"],
        negatives: Annotated[Negatives, "n e"] | None = None,
    ) -> Annotated[Scores, "b ...", "b n"]:
        if self.encodes:
            return embed_and_dot(query, key, negatives, self.phi, self.psi)
        return concatenate(query, key, negatives, self.layers)
