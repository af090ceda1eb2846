"""The projection and prediction heads: linear layers with norms and activations between them."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..norms import Builder, VectorNorm, vector_norm

__all__ = ["MLP"]


@component("head.mlp", traits=("apart", "normed"))
class MLP(nn.Module):
    """Linear layers, with a norm and an activation after each but the last: `b d` to `b e`, where e is `out`.

    A layer before a norm has no bias, which the norm would take out again. Heads of the papers:

        SimCLR (arXiv:2002.05709, section 4.2)   hidden: 2048, out: 128; its code adds last_norm: true
        MoCo v1 (arXiv:1911.05722)               layers: 1, out: 128
        MoCo v2 (arXiv:2003.04297)               hidden: 2048, out: 128, norm: none
        BYOL (arXiv:2006.07733, section 3.3)     hidden: 4096, out: 256, for projector and predictor;
                                                 its code adds last_bias: false
        SimSiam (arXiv:2011.10566, section 4)    layers: 3, hidden: 2048, out: 2048, last_norm: true;
                                                 predictor hidden: 512, out: 2048
        DINO (arXiv:2104.14294, section 3.1)     layers: 3, hidden: 2048, out: 256, norm: none, activation: gelu,
                                                 init: dino; head.prototypes goes on
    """

    class Config(NodeConfig):
        hidden: PositiveInt = Field(2048, description="size of the layers before the last")
        out: PositiveInt = Field(128, description="size of the output")
        layers: PositiveInt = Field(
            2, le=64, description="number of linear layers; 1 is a linear head, and `hidden` has no use"
        )
        norm: VectorNorm = Field(
            "batch",
            description="batch; split_batch: over each of `splits` (8) parts of the batch; layer; none; with options "
            "it is {use: split_batch, splits: 4}",
        )
        activation: Literal["relu", "gelu"] = Field(default="relu", description="after each layer but the last")
        last_norm: bool = Field(
            default=False,
            description="a norm after the last layer too, without learned scale and shift (SimSiam, MoCo v3)",
        )

        last_bias: bool = Field(default=True, description="a bias in the last layer; none in BYOL's code")

        init: Literal["torch", "dino"] = Field(
            default="torch", description="first weights: torch's; dino: normal, 0.02, biases zero (its code)"
        )

        @model_validator(mode="after")
        def _last_norm_is_a_norm(self) -> MLP.Config:
            if self.last_norm and vector_norm(self.norm) is None:
                raise ValueError("last_norm: true needs a norm, and this head has norm: none")
            return self

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        inner = vector_norm(config.norm)
        last = vector_norm(config.norm, affine=False) if config.last_norm else None
        widths = [sizes["d"], *(config.layers - 1) * [config.hidden], config.out]
        layers: list[nn.Module] = []
        for d, e in itertools.pairwise(widths[:-1]):
            layers += [*_linear(d, e, inner), nn.GELU() if config.activation == "gelu" else nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, *_linear(widths[-2], widths[-1], last, config.last_bias))
        if config.init == "dino":
            for layer in (m for m in self.layers if isinstance(m, nn.Linear)):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Annotated[Tensor, "b d"]) -> Annotated[Tensor, "b e"]:
        y: Tensor = self.layers(x)
        return y


def _linear(d: int, e: int, norm: Builder | None, bias: bool = True) -> list[nn.Module]:
    return [nn.Linear(d, e, bias=bias)] if norm is None else [nn.Linear(d, e, bias=False), norm(e)]
