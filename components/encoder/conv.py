"""The small convolutional encoder of Deep InfoMax."""

from __future__ import annotations

import itertools
from typing import Annotated, NamedTuple

from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..norms import Builder, MapNorm, map_norm

__all__ = ["Conv", "Features"]


class Features(NamedTuple):
    """A vector for each image, and a map of vectors for its regions."""

    vector: Annotated[Tensor, "b d"]
    map: Annotated[Tensor, "b e r k"]


@component("encoder.conv", traits=("apart", "normed"))
class Conv(nn.Module):
    """Deep InfoMax's small encoder: `b c h w` to a vector `b d` and a map `b e r k`, by name: `h.vector`, `h.map`.

    4x4 convolutions of stride 2, each with twice the channels of the one before, then a hidden linear layer, all with
    norm and ReLU, then a linear layer to `vector` (Hjelm et al. 2019, arXiv:1808.06670, appendix A). `map` is what
    the convolution number `local` gives. At 32 px the default is the encoder of the paper's CIFAR experiments, with
    128 x 8 x 8 maps as in the authors' code; at 64 px it is `layers: 4`. Images have `c` channels and one size,
    normalised; those under 2^layers px raise ValueError.
    """

    class Config(NodeConfig):
        width: PositiveInt = Field(64, description="channels of the first convolution")
        layers: PositiveInt = Field(3, le=16, description="convolutions; each halves height and width")
        local: PositiveInt | None = Field(
            None,
            description="the convolution that gives `map`, from 1; null: the last but one, as in the authors' code",
        )
        hidden: PositiveInt = Field(1024, description="units of the hidden linear layer")
        out: PositiveInt = Field(64, description="d, the size of `vector`")
        norm: MapNorm = Field("batch", description="batch; split_batch; group; as for encoder.resnet")

        @model_validator(mode="after")
        def _local_is_there(self) -> Conv.Config:
            if self.local is not None and self.local > self.layers:
                raise ValueError(f"local is {self.local}, and there are {self.layers} convolutions")
            return self

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        height, width = sizes["h"] >> config.layers, sizes["w"] >> config.layers
        if not min(height, width):
            raise ValueError(
                f"images of {sizes['h']} x {sizes['w']} px are too small for {config.layers} convolutions of stride 2, "
                f"which take {2**config.layers} px or more"
            )
        norm = map_norm(config.norm)
        channels = [sizes["c"], *(config.width << i for i in range(config.layers))]
        blocks = [_block(nn.Conv2d(c, e, 4, 2, 1, bias=False), norm) for c, e in itertools.pairwise(channels)]
        local = max(config.layers - 1, 1) if config.local is None else config.local
        self.local = nn.Sequential(*blocks[:local])
        # A linear layer of the whole map, as a convolution, so that it takes every norm that maps do.
        hidden = nn.Conv2d(channels[-1], config.hidden, (height, width), bias=False)
        self.rest = nn.Sequential(
            *blocks[local:], _block(hidden, norm), nn.Flatten(), nn.Linear(config.hidden, config.out)
        )

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Features:
        local = self.local(image)
        return Features(self.rest(local), local)


def _block(conv: nn.Conv2d, norm: Builder) -> nn.Sequential:
    return nn.Sequential(conv, norm(conv.out_channels), nn.ReLU(inplace=True))
