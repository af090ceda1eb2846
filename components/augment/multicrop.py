"""Multi-crop: a few wide views of an image, and more small ones of smaller parts of it."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import Field, PositiveInt
from torch import Tensor

from graphssl.component import Sizes, component

from .base import Augmentation
from .config import Area, Crop, RecipeConfig, Size
from .view import Parameters

__all__ = ["Crops", "MultiCrop"]

SMALL = 96 / 224  # of the wide views' size, in SwAV and DINO


class Crops(NamedTuple):
    """The families of views, normalised."""

    wide: Annotated[tuple[Tensor, ...], "b 3 y x"]
    small: Annotated[tuple[Tensor, ...], "b 3 v u"]


@component("augment.multicrop", traits=("view",))
class MultiCrop(Augmentation):
    """SwAV's wide and small views, with SimCLR's colours (Caron et al. 2020, arXiv:2006.09882, section 3.2).

    uint8 RGB images to two families, float32, normalised with the data's statistics, named by
    `wide, small: augment(batch.image)`. A list of one number for each view has the wide ones first. DINO
    (arXiv:2104.14294) has `crop: [0.4, 1.0]`, `small_crop: [0.05, 0.4]` and BYOL's colours.
    """

    class Config(RecipeConfig):
        crop: Crop = (0.14, 1.0)
        wide: PositiveInt = Field(2, description="wide views of each image")
        small: PositiveInt = Field(6, description="small views of each image")
        small_size: Size = Field(None, description="height and width of a small view in pixels; null: 3/7 of size")
        small_crop: Area = Field((0.05, 0.14), description="crop, for the small views")

        @property
        def total(self) -> int:
            return self.wide + self.small

    def __init__(self, config: Config, sizes: Sizes) -> None:
        size = sizes.data.height if config.size is None else config.size
        small_size = round(SMALL * size) if config.small_size is None else config.small_size
        small = {"size": small_size, "crop": config.small_crop}
        changes: list[dict[str, Any]] = [{}] * config.wide + [small] * config.small
        super().__init__([config.view(i, sizes.data, change) for i, change in enumerate(changes)], sizes)
        self.wide = config.wide

    @staticmethod
    def views(config: Config) -> dict[str, int]:
        return {"wide": config.wide, "small": config.small}

    def forward(self, image: Annotated[Tensor, "b 3 h w"], draws: tuple[Parameters, ...]) -> Crops:
        made = self.render(image, draws)
        return Crops(made[: self.wide], made[self.wide :])
