"""Residual networks: torchvision's, in any width, with either stem, and smaller ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torchvision.models import resnet

from graphssl.component import NodeConfig, Sizes, component

from ..norms import MapNorm, map_norm

__all__ = ["ResNet"]

BLOCKS = {
    10: (resnet.BasicBlock, [1, 1, 1, 1]),
    14: (resnet.Bottleneck, [1, 1, 1, 1]),
    18: (resnet.BasicBlock, [2, 2, 2, 2]),
    34: (resnet.BasicBlock, [3, 4, 6, 3]),
    50: (resnet.Bottleneck, [3, 4, 6, 3]),
    101: (resnet.Bottleneck, [3, 4, 23, 3]),
    152: (resnet.Bottleneck, [3, 8, 36, 3]),
}
BASE = 64  # channels after torchvision's stem, and of its first blocks
SMALL = 96  # px


@component("encoder.resnet")
class ResNet(resnet.ResNet):
    """Residual network (He et al. 2016, arXiv:1512.03385), averaged over positions: `b c h w` to `b d`.

    d is 8 * width at depths 10, 18 and 34, and 32 * width at 14, 50, 101 and 152, whose blocks are bottlenecks with
    the stride in the 3x3 convolution. Weights are those of torchvision's network of the same depth, by the same
    names, without `fc`. It takes images of any size, `c` channels, normalised.
    """

    class Config(NodeConfig):
        depth: Literal[10, 14, 18, 34, 50, 101, 152] = Field(
            18, description="layers with weights, as torchvision counts; 10 and 14 have one block at each resolution"
        )
        width: PositiveInt = Field(
            BASE, description="channels of the first blocks; 128 and 256 are the 2x and 4x networks of SimCLR and BYOL"
        )
        stem: Literal["auto", "imagenet", "small"] = Field(
            "auto",
            description="imagenet: 7x7 convolution of stride 2, max-pool; small: 3x3 of stride 1, no pool "
            f"(SimCLR, appendix B.9); auto: small for images under {SMALL} px",
        )
        norm: MapNorm = Field(
            "batch",
            description="batch; split_batch: over each of `splits` (8) parts of the batch; group: `groups` (32) of "
            "channels; with options it is {use: group, groups: 8}",
        )
        zero_init_residual: bool = Field(
            False,
            description="each block starts as its shortcut: the last scale of its norm is 0 (Goyal et al. 2017, "
            "arXiv:1706.02677, section 5.1; so in SimCLR's and BYOL's code, not in MoCo's); it slows short runs",
        )

    def __init__(self, config: Config, sizes: Sizes) -> None:
        channels = sizes["c"]
        small = config.stem == "small" or (config.stem == "auto" and min(sizes["h"], sizes["w"]) < SMALL)
        self.width = config.width
        block, layers = BLOCKS[config.depth]
        norm = map_norm(config.norm)
        super().__init__(block, layers, zero_init_residual=config.zero_init_residual, norm_layer=norm)
        if small or (channels, self.width) != (3, BASE):
            self.conv1 = _stem(channels, self.width, small)
        if self.width != BASE:
            self.bn1 = norm(self.width)
        if small:
            self.maxpool = nn.Identity()
        self.fc = nn.Identity()

    def _make_layer(self, block: Any, planes: int, *args: Any, **kwargs: Any) -> nn.Sequential:
        if planes == BASE:
            self.inplanes = self.width
        layer: nn.Sequential = super()._make_layer(block, planes // BASE * self.width, *args, **kwargs)
        return layer

    def maps(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b d r k"]:
        """The last feature map, of which the output is the mean."""
        x: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        return x

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b d"]:
        return torch.flatten(self.avgpool(self.maps(image)), 1)


def _stem(channels: int, width: int, small: bool) -> nn.Conv2d:
    """The first convolution, initialised as torchvision's."""
    kernel, stride = (3, 1) if small else (7, 2)
    conv = nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv
