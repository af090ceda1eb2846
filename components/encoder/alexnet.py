"""The larger convolutional encoder of Deep InfoMax, after AlexNet."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

from ..norms import Builder, MapNorm, map_norm
from .conv import Features

__all__ = ["AlexNet"]

LAYERS = ((1, True), (2, True), (4, False), (4, False), (2, True))  # channels over width, and whether a pool follows
LEAST = 15  # px, of which three pools of 3 with stride 2 leave one


@component("encoder.alexnet", traits=("apart", "normed"))
class AlexNet(nn.Module):
    """Deep InfoMax's encoder for 64 px: `b c h w` to a vector `b d` and a map `b e r k`, `h.vector`, `h.map`.

    The `alex64x64` of the authors' code, for Tiny ImageNet and STL-10 (Hjelm et al. 2019, arXiv:1808.06670): five
    3x3 convolutions with width, 2, 4, 4 and 2 times width channels, max-pooling of 3 with stride 2 after the first, the
    second and the last, and two hidden linear layers, all with norm and ReLU, then a linear layer to `vector`. `map`
    is what the convolution number `local` gives: at 64 px 384 x 15 x 15. Images have `c` channels and one size,
    normalised; those under 15 px raise ValueError.
    """

    class Config(NodeConfig):
        width: PositiveInt = Field(96, description="channels of the first convolution")
        local: PositiveInt = Field(3, le=5, description="the convolution that gives `map`, from 1")
        hidden: PositiveInt = Field(4096, description="units of the two hidden linear layers")
        out: PositiveInt = Field(64, description="d, the size of `vector`")
        norm: MapNorm = Field("batch", description="batch; split_batch; group; as for encoder.resnet")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        if min(sizes["h"], sizes["w"]) < LEAST:
            raise ValueError(f"images of {sizes['h']} x {sizes['w']} px are too small: it takes {LEAST} px or more")
        norm, c, blocks, size = map_norm(config.norm), sizes["c"], [], (sizes["h"], sizes["w"])
        for times, pooled in LAYERS:
            e = times * config.width
            conv = nn.Conv2d(c, e, 3, 1, 1, bias=False)
            blocks.append(nn.Sequential(*_normed(conv, norm), *([nn.MaxPool2d(3, 2)] if pooled else [])))
            c, size = e, ((size[0] - 1) // 2, (size[1] - 1) // 2) if pooled else size
        self.local = nn.Sequential(*blocks[: config.local])
        # Linear layers of the whole map, as convolutions, so that they take every norm that maps do.
        first = nn.Conv2d(c, config.hidden, size, bias=False)
        second = nn.Conv2d(config.hidden, config.hidden, 1, bias=False)
        self.rest = nn.Sequential(
            *blocks[config.local :], nn.Sequential(*_normed(first, norm)), nn.Sequential(*_normed(second, norm)),
            nn.Flatten(), nn.Linear(config.hidden, config.out),
        )  # fmt: skip

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Features:
        local = self.local(image)
        return Features(self.rest(local), local)


def _normed(conv: nn.Conv2d, norm: Builder) -> list[nn.Module]:
    return [conv, norm(conv.out_channels), nn.ReLU(inplace=True)]
