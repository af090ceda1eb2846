"""Any classification network of torchvision, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torchvision import models

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Signature, signature_of

from ..norms import GivenNorm
from ..twins import IDENTITY, Twin, arguments
from .foreign import OWN_NORM, Foreign, build_somewhere, refuse_options, unknown_name

__all__ = ["Torchvision"]

ELSEWHERE = {
    "num_classes": "an encoder gives features, without a classifier",
    "weights": "the key `weights` of the node says what it starts with",
    "weights_backbone": "the key `weights` of the node says what it starts with",
    "progress": "the key `weights` of the node says what it starts with",
    "image_size": "it is the size of the images that flow in",
    "input_size": "it is the size of the images that flow in",
    "aux_logits": "the auxiliary classifiers are left out",
}
RGB = 3


@component("encoder.torchvision", traits=("apart", "normed"))
class Torchvision(Foreign):
    """Any classification network of torchvision, by its name, without its last layer: `b c h w` to `b d`.

    d is what the last linear layer took: 2048 of `resnet50`, 4096 of `vgg16`, whose other linear layers stay. That
    layer is an identity, as `model.fc = nn.Identity()` would make it, and the dropout beside it is off. Auxiliary
    classifiers (`inception_v3`, `googlenet`) are left out. Weights are torchvision's, by the same names; they are
    drawn, not fetched. Images are normalised, of `c` channels: for others than 3 the first convolution is drawn anew,
    with as large outputs. `vit_*` takes square images of one size, `maxvit_t` of one size.
    """

    class Config(NodeConfig):
        name: str = Field(description="as torchvision.models.list_models() has it: resnet50, convnext_tiny, swin_t")
        options: dict[str, Any] = Field(
            {}, description="further arguments of the network: stochastic_depth_prob, zero_init_residual, dropout"
        )
        norm: GivenNorm | None = OWN_NORM

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        """The ports of `forward`. Raises Refused for an unknown name."""
        known = models.list_models(module=models)
        if config.name not in known:
            lister = "torchvision.models.list_models()"
            raise unknown_name("torchvision", "classification network", config.name, known, lister)
        refuse_options(config.options, ELSEWHERE)
        return signature_of(cls.forward)

    @staticmethod
    def twins(config: Config, sizes: Sizes) -> dict[str, Twin | str]:
        """The network itself; timm has no such one."""
        options = {"weights": None, **config.options, **_size_options(config.name, sizes)}
        with torch.device("meta"):
            net: nn.Module = build_somewhere(lambda: models.get_model(config.name, **options))
        given = arguments(config.name, **options)
        lines = [f"model = torchvision.models.get_model({given})"]
        lines += [f"model.set_submodule({name!r}, {IDENTITY})" for name in _classifier(net)]
        if sizes["c"] != RGB:
            name, first = _first_convolution(net)
            conv = arguments(sizes["c"], first.out_channels, **_conv_shape(first))
            lines.append(f"model.set_submodule({name!r}, torch.nn.Conv2d({conv}))")
        return {"torchvision": Twin(("torchvision",), tuple(lines)), "timm": f"'{config.name}' is torchvision's"}

    @classmethod
    def make(cls, config: Config, sizes: Sizes) -> nn.Module:
        options = {**config.options, **_size_options(config.name, sizes)}
        net: nn.Module = models.get_model(config.name, weights=None, **options)
        _take_out_classifier(net)
        if sizes["c"] != RGB:
            _adapt_channels(net, sizes["c"])
        return net

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b d"]:
        vector: Tensor = super().forward(image)
        return vector


def _size_options(name: str, sizes: Sizes) -> dict[str, Any]:
    """What a network has to know of its images, and that it has no auxiliary classifiers."""
    family = models.get_model_builder(name).__module__.rpartition(".")[2]
    height, width = sizes["h"], sizes["w"]
    if family == "vision_transformer":
        if height != width:
            raise ValueError(f"{name} takes square images, and these are {height} x {width} px: take encoder.vit")
        return {"image_size": height}
    if family == "maxvit":
        return {"input_size": (height, width)}
    return {"aux_logits": False, "init_weights": True} if family in ("inception", "googlenet") else {}


def _classifier(net: nn.Module) -> list[str]:
    """The last linear layer, or where there is none the last convolution; and dropout beside it."""
    layers = list(net.named_modules())
    linear = [name for name, m in layers if isinstance(m, nn.Linear)]
    name = (linear or [name for name, m in layers if isinstance(m, nn.Conv2d)])[-1]
    holder = name.rpartition(".")[0]
    children = net.get_submodule(holder).named_children()
    beside = [child for child, module in children if isinstance(module, nn.Dropout)]
    return [name, *(f"{holder}.{child}" if holder else child for child in beside)]


def _take_out_classifier(net: nn.Module) -> None:
    """Makes it identities."""
    for name in _classifier(net):
        net.set_submodule(name, nn.Identity())


def _first_convolution(net: nn.Module) -> tuple[str, nn.Conv2d]:
    return next((name, m) for name, m in net.named_modules() if isinstance(m, nn.Conv2d))


def _conv_shape(conv: nn.Conv2d) -> dict[str, Any]:
    shape: dict[str, Any] = {k: getattr(conv, k) for k in ("kernel_size", "stride", "padding")}
    return {**shape, "bias": conv.bias is not None}


def _adapt_channels(net: nn.Module, channels: int) -> None:
    """Draws the first convolution anew for another number of channels, as spread as it was for as large outputs."""
    name, first = _first_convolution(net)
    conv = nn.Conv2d(channels, first.out_channels, **_conv_shape(first))
    with torch.no_grad():
        conv.weight.normal_().mul_(first.weight.std() * (first.in_channels / channels) ** 0.5)
        if conv.bias is not None and first.bias is not None:
            conv.bias.copy_(first.bias)
    net.set_submodule(name, conv)
