"""Any network of timm, by its name."""

from __future__ import annotations

import functools
import inspect
from collections import namedtuple
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeInt, field_validator
from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.errors import Refused
from graphssl.ports import Signature, signature_of

from ..norms import GivenNorm
from ..twins import Twin, arguments
from .foreign import OWN_NORM, Foreign, refuse_options, unknown_name
from .maps import with_maps

__all__ = ["Timm"]

ELSEWHERE = {  # options of timm.create_model that something else says
    "in_chans": "it is the channels of the images that flow in",
    "num_classes": "an encoder gives features, without a classifier",
    "features_only": "`maps: [2, 3]` gives feature maps, beside the vector",
    "out_indices": "`maps: [2, 3]` gives feature maps, beside the vector",
    "pretrained": "the key `weights` of the node says what it starts with",
    "pretrained_cfg": "the key `weights` of the node says what it starts with",
    "pretrained_cfg_overlay": "the key `weights` of the node says what it starts with",
    "checkpoint_path": "the key `weights` of the node says what it starts with",
    "cache_dir": "the key `weights` of the node says what it starts with",
}


@component("encoder.timm", traits=("apart", "normed"))
class Timm(Foreign):
    """Any network of timm, by its name, without its classifier: `b c h w` to `b d`.

    It needs the extra `graphssl[timm]`. d is what the network gives with `num_classes=0`; its channels, and its image
    size where it has one, are those of the images that flow in. Images are normalised. Weights are timm's, by the same
    names: they load strictly into `timm.create_model(name, num_classes=0)`. They are drawn, not fetched.

    With `maps` there are several outputs: `vector`, and each map as timm numbers its feature maps from 0, `h.map3`,
    `b c3 r3 k3`: the stages of a convolutional network, its stem first where timm counts that, the blocks of a
    transformer. Networks with a fixed size of image take views of others with `options: {dynamic_img_size: true}`,
    where they have that (DINO's small views). Stochastic depth is `options: {drop_path_rate: 0.1}`.
    """

    class Config(NodeConfig):
        name: str = Field(description="as timm.list_models() has it: resnet50, vit_small_patch16_224, convnext_tiny")
        options: dict[str, Any] = Field(
            {}, description="further arguments of timm.create_model: drop_path_rate, img_size, patch_size, global_pool"
        )
        maps: tuple[NonNegativeInt, ...] = Field(
            (), description="feature maps that are outputs beside `vector`, numbered as in timm, such as [2, 3]"
        )
        norm: GivenNorm | None = OWN_NORM

        @field_validator("maps")
        @classmethod
        def _each_once(cls, maps: tuple[int, ...]) -> tuple[int, ...]:
            if len(set(maps)) < len(maps):
                raise ValueError(f"a map is named twice in {list(maps)}")
            return maps

    _maps: tuple[int, ...]
    _outputs: Any
    forward_intermediates: Any
    forward_head: Any

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        """One output, or with `maps` one for the vector and one for each map. Raises Refused for an unknown name."""
        _check_name(config.name)
        refuse_options(config.options, ELSEWHERE)
        return with_maps(signature_of(cls.forward), [f"map{i}" for i in config.maps])

    @staticmethod
    def twins(config: Config, sizes: Sizes) -> dict[str, Twin | str]:
        """The network itself; torchvision has no such one."""
        options = {"num_classes": 0, **_options(config, sizes)}
        line = f"model = timm.create_model({arguments(config.name, **options)})"
        return {"torchvision": f"'{config.name}' is timm's", "timm": Twin(("timm",), (line,))}

    @classmethod
    def make(cls, config: Config, sizes: Sizes) -> nn.Module:
        options = _options(config, sizes)
        net: nn.Module = _timm().create_model(config.name, pretrained=False, num_classes=0, **options)
        if config.maps:
            _check_maps(config, net)
        net._maps = config.maps  # type: ignore[assignment]
        net._outputs = namedtuple("Outputs", ["vector", *(f"map{i}" for i in config.maps)])  # type: ignore[misc, assignment]
        return net

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b d"]:
        if not self._maps:
            vector: Tensor = super().forward(image)
            return vector
        last, maps = self.forward_intermediates(image, indices=list(self._maps))
        parts: Any = self._outputs(self.forward_head(last), *maps)
        return parts  # type: ignore[no-any-return]  # what `signature` says


def _options(config: Timm.Config, sizes: Sizes) -> dict[str, Any]:
    options = {"in_chans": sizes["c"], **config.options}
    if "img_size" not in options and _has_size(config.name):
        options["img_size"] = sizes["h"], sizes["w"]
    return options


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        missing = "timm, which is not installed" if error.name == "timm" else f"timm, which does not load: {error}"
        raise Refused(f"it needs {missing}", "use", "pip install 'graphssl[timm]'") from error
    return timm


def _check_name(name: str) -> None:
    timm = _timm()
    if not timm.is_model(name) or name.partition(".")[2] not in ("", *_tags(name)):
        raise unknown_name("timm", "model", name, timm.list_models(), "timm.list_models()")


def _tags(name: str) -> list[str]:
    found: list[str] = _timm().list_pretrained(f"{name.partition('.')[0]}.*")
    return [n.partition(".")[2] for n in found]


@functools.cache
def _has_size(name: str) -> bool:
    """Whether a network is made for one size of images. Its class says so, which only a network knows."""
    with torch.device("meta"):
        net = _timm().create_model(name, pretrained=False, num_classes=0)
    for own in type(net).__mro__:
        taken = inspect.signature(vars(own).get("__init__", nn.Module.__init__)).parameters.values()
        if any(p.name == "img_size" for p in taken):
            return True
        if all(p.kind is not p.VAR_KEYWORD for p in taken):  # it hands nothing on
            return False
    return False


def _check_maps(config: Timm.Config, net: nn.Module) -> None:
    """Raises ValueError for maps that the network has not."""
    if not hasattr(net, "forward_intermediates"):
        raise ValueError(f"timm gives no feature maps of {config.name}: leave `maps` out")
    count = len(net.feature_info)  # type: ignore[arg-type]
    if beyond := [i for i in config.maps if i >= count]:
        raise ValueError(f"{config.name} has {count} feature maps, numbered from 0: there is no map {beyond[0]}")
