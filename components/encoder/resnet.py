"""Residual networks: torchvision's, in any width, with either stem, and smaller ones."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator
from torch import Tensor, nn
from torchvision.models import resnet

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Signature, signature_of

from ..norms import Group, MapNorm, chosen_norm, map_norm
from ..twins import IDENTITY, Code, Twin, arguments, conv
from .maps import with_maps

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
NARROW = 8  # channels, as many as a register has numbers
NAMED = (18, 34, 50, 101, 152)  # depths of which torchvision and timm have a network of that name
LAYERS = ("layer1", "layer2", "layer3", "layer4")


@component("encoder.resnet", traits=("apart", "normed"))
class ResNet(resnet.ResNet):
    """Residual network (He et al. 2016, arXiv:1512.03385), averaged over positions: `b c h w` to `b d`.

    d is 8 * width at depths 10, 18 and 34, and 32 * width at 14, 50, 101 and 152, whose blocks are bottlenecks with
    the stride in the 3x3 convolution. Weights are those of torchvision's network of the same depth, by the same
    names, without `fc`. It takes images of any size, `c` channels, normalised. With `maps` there are several outputs:
    `vector`, and by its layer's name each map, `h.layer3`, `b c3 r3 k3`: channels, rows and columns of its own.
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
        stem_width: PositiveInt | None = Field(
            None, description="channels after the stem, instead of `width`: CMC's half networks keep the stem's 64"
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
        maps: tuple[Literal["layer1", "layer2", "layer3", "layer4"], ...] = Field(
            (), description="layers whose maps are outputs beside `vector`, such as [layer3]"
        )

        @field_validator("maps")
        @classmethod
        def _each_once(cls, maps: tuple[str, ...]) -> tuple[str, ...]:
            if len(set(maps)) < len(maps):
                raise ValueError(f"a layer is named twice in {', '.join(maps)}")
            return maps

    def __init__(self, config: Config, sizes: Sizes) -> None:
        channels = sizes["c"]
        small = _is_small(config, sizes)
        self.width, self.stem_width = config.width, config.stem_width or config.width
        block, layers = BLOCKS[config.depth]
        norm = map_norm(config.norm)
        super().__init__(block, layers, zero_init_residual=config.zero_init_residual, norm_layer=norm)
        if small or (channels, self.stem_width) != (3, BASE):
            self.conv1 = _stem(channels, self.stem_width, small)
        if self.stem_width != BASE:
            self.bn1 = norm(self.stem_width)
        if small:
            self.maxpool = nn.Identity()
        self.fc = nn.Identity()
        self.named = config.maps
        self.outputs = namedtuple("Outputs", ["vector", *config.maps])  # type: ignore[misc]  # names from the config

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        """One output, or with `maps` one for the vector and one for each map."""
        return with_maps(signature_of(cls.forward), config.maps)

    @staticmethod
    def twins(config: Config, sizes: Sizes) -> dict[str, Twin | str]:
        """The networks of torchvision and timm that take the weights, or why there is none."""
        stem = config.stem_width or config.width
        if {config.width, stem} != {BASE}:
            parts = f"the first blocks have {config.width}" if config.width != BASE else f"the stem has {stem}"
            reason = f"{parts} channels, and there always {BASE}"
            return {"torchvision": reason, "timm": reason}
        return {"torchvision": _torchvision(config, sizes), "timm": _timm(config, sizes)}

    def _make_layer(self, block: Any, planes: int, *args: Any, **kwargs: Any) -> nn.Sequential:
        if planes == BASE:
            self.inplanes = self.stem_width
        layer: nn.Sequential = super()._make_layer(block, planes // BASE * self.width, *args, **kwargs)
        for module in layer.modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.in_channels < NARROW:
                module.__class__ = _Pointwise
        return layer

    def layer_of(self, name: str) -> int:
        """Of a parameter, for `layer_decay`: the stem is layer 0, then come the four stages."""
        stage = name.partition(".")[0]
        return LAYERS.index(stage) + 1 if stage in LAYERS else 0

    def maps(self, image: Annotated[Tensor, "b c h w"]) -> dict[str, Tensor]:
        """The map after each layer, `b c r k`."""
        x: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        found = {}
        for name in LAYERS:
            found[name] = x = getattr(self, name)(x)
        return found

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b d"]:
        maps = self.maps(image)
        vector: Tensor = self.avgpool(maps["layer4"]).flatten(1)
        if not self.named:
            return vector
        parts: Any = self.outputs(vector, *(maps[name] for name in self.named))
        return parts  # type: ignore[no-any-return]  # what `signature` says


class _Pointwise(nn.Conv2d):
    """A 1 x 1 convolution that leaves out pixels by itself.

    oneDNN's, of a stride and of fewer channels than a register holds, writes past its memory in the backward pass.
    """

    def forward(self, input: Tensor) -> Tensor:
        rows, columns = self.stride
        return nn.functional.conv2d(input[:, :, ::rows, ::columns], self.weight, self.bias)


def _is_small(config: ResNet.Config, sizes: Sizes) -> bool:
    return config.stem == "small" or (config.stem == "auto" and min(sizes["h"], sizes["w"]) < SMALL)


def _torchvision(config: ResNet.Config, sizes: Sizes) -> Twin:
    block, layers = BLOCKS[config.depth]
    norm = chosen_norm(config.norm)
    partial = Code(f"functools.partial(torch.nn.GroupNorm, {norm.groups})") if isinstance(norm, Group) else None
    options = {} if partial is None else {"norm_layer": partial}
    if config.depth in NAMED:
        made = f"torchvision.models.resnet{config.depth}({arguments(**options)})"
    else:
        given = arguments(Code(f"torchvision.models.resnet.{block.__name__}"), layers, **options)
        made = f"torchvision.models.ResNet({given})"
    imports = ("torchvision", *(["functools"] if partial else []))
    stem = _stem_lines(_is_small(config, sizes), sizes["c"], 3)
    return Twin(imports, (f"model = {made}", *stem, f"model.fc = {IDENTITY}"))


def _timm(config: ResNet.Config, sizes: Sizes) -> Twin:
    norm, channels = chosen_norm(config.norm), sizes["c"]
    options: dict[str, object] = {"num_classes": 0}
    if channels != 3:
        options["in_chans"] = channels
    if config.depth not in NAMED:
        options["layers"] = BLOCKS[config.depth][1]
    grouped = isinstance(norm, Group)
    if isinstance(norm, Group):
        options["norm_layer"] = Code(f"functools.partial(timm.layers.GroupNorm, num_groups={norm.groups})")
    name = f"resnet{config.depth}" if config.depth in NAMED else {10: "resnet18", 14: "resnet50"}[config.depth]
    imports = ("timm", *(["functools"] if grouped else []))
    stem = _stem_lines(_is_small(config, sizes), channels, channels)
    return Twin(imports, (f"model = timm.create_model({arguments(name, **options)})", *stem))


def _stem_lines(small: bool, channels: int, known: int) -> list[str]:
    """What puts our stem in the place of one for `known` channels."""
    if small:
        return [f"model.conv1 = {conv(channels, BASE, 3, 1, 1)}", f"model.maxpool = {IDENTITY}"]
    return [] if channels == known else [f"model.conv1 = {conv(channels, BASE, 7, 2, 3)}"]


def _stem(channels: int, width: int, small: bool) -> nn.Conv2d:
    """The first convolution, initialised as torchvision's."""
    kernel, stride = (3, 1) if small else (7, 2)
    conv = nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv
