"""An image in two halves."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component

__all__ = ["Halves", "TopAndBottom"]


class TopAndBottom(NamedTuple):
    """The upper and the lower half."""

    top: Annotated[Tensor, "b c y x"]
    bottom: Annotated[Tensor, "b c y x"]


@component("context.halves", traits=("rows",))
class Halves(nn.Module):
    """The upper and the lower half of an image `b c h w`, by name: `v.top`, `v.bottom`, both `b c y x`, y = h // 2.

    The two views of the study of mutual-information bounds, section 3.1 (Tschannen et al. 2020, arXiv:1907.13625). Of
    an odd height the middle row is in neither. Both are views of the image's memory.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> TopAndBottom:
        y = image.shape[2] // 2
        return TopAndBottom(image[:, :, :y], image[:, :, image.shape[2] - y :])
