"""A head with a linear shortcut: Deep InfoMax's encoders of maps and vectors for its dot product."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..norms import VectorNorm, vector_norm

__all__ = ["Residual"]

NOISE = 0.01


@component("head.residual", traits=("apart", "normed"))
class Residual(nn.Module):
    """Two linear layers with a ReLU between them, plus a linear shortcut: `b d` to `b e`.

    The encode-and-dot discriminator of Deep InfoMax, appendix A (Hjelm et al. 2019, arXiv:1808.06670), is
    `critic.dot` on two of these with `last_norm: true`, one for vectors and one for the positions of maps. As in
    the authors' code there is batch norm before the ReLU, and the shortcut starts as a copy of the input with uniform
    noise of up to 0.01, where e is at least d.
    """

    class Config(NodeConfig):
        out: PositiveInt = Field(2048, description="e, the size of both layers")
        norm: VectorNorm = Field(
            "batch", description="before the ReLU: batch; split_batch; layer; none; as for head.mlp"
        )
        last_norm: bool = Field(False, description="layer norm of the sum")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        d, e, norm = sizes["d"], config.out, vector_norm(config.norm)
        first = [nn.Linear(d, e)] if norm is None else [nn.Linear(d, e, bias=False), norm(e)]
        self.block = nn.Sequential(*first, nn.ReLU(inplace=True), nn.Linear(e, e))
        self.shortcut = nn.Linear(d, e, bias=False)
        self.last_norm = nn.LayerNorm(e) if config.last_norm else nn.Identity()
        if e >= d:
            nn.init.uniform_(self.shortcut.weight, -NOISE, NOISE)
            self.shortcut.weight.data.fill_diagonal_(1)

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b e"]:
        y: Tensor = self.last_norm(self.block(x) + self.shortcut(x))
        return y
