"""Multi-crop: a few wide views of an image, and more small ones of smaller parts of it."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import Field, PositiveInt
from torch import Tensor

from graphssl.component import Sizes, component

from .base import Augmentation
from .config import Blur, Crop, RecipeConfig, Solarize
from .settings import Amount, Area, Hue, Size, sides
from .view import Parameters

__all__ = ["DINO", "Crops", "MultiCrop"]

SMALL = 96 / 224  # of the wide views' size, in SwAV and DINO


class Crops(NamedTuple):
    """The families of views, normalised."""

    wide: Annotated[tuple[Tensor, ...], "b c y x"]
    small: Annotated[tuple[Tensor, ...], "b c v u"]


class PlacedViews(NamedTuple):
    """The families, and of each view its box, `b 4`."""

    wide: tuple[Tensor, ...]
    small: tuple[Tensor, ...]
    wide_boxes: tuple[Tensor, ...]
    small_boxes: tuple[Tensor, ...]


@component("augment.multicrop", traits=("view",))
class MultiCrop(Augmentation):
    """SwAV's wide and small views, with SimCLR's colours (Caron et al. 2020, arXiv:2006.09882, section 3.2).

    uint8 images to two families, float32, normalised with the data's statistics, named by
    `wide, small: augment(batch.image)`. A list of probabilities has the wide views first: one number for each view,
    or one for each wide view and one for all small ones. The kernel of the blur holds all of `sigma`, as the authors',
    of Pillow, does.
    """

    class Config(RecipeConfig):
        whole_blur = True

        crop: Crop = (0.14, 1.0)
        wide: PositiveInt = Field(2, le=1000, description="wide views of each image")
        small: PositiveInt = Field(6, le=1000, description="small views of each image")
        small_size: Size = Field(None, description="size of a small view; null: 3/7 of size")
        small_crop: Area = Field((0.05, 0.14), description="crop, for the small views")

        @property
        def total(self) -> int:
            return self.wide + self.small

        def each(self, value: float | tuple[float, ...]) -> tuple[float, ...]:
            """One number more than there are wide views is for all small ones."""
            if isinstance(value, tuple) and len(value) == self.wide + 1:
                value = value[:-1] + value[-1:] * self.small
            return super().each(value)

    def __init__(self, config: Config, sizes: Sizes) -> None:
        y, x = sides(config.size, sizes.data)
        small_size = config.small_size or (round(SMALL * y), round(SMALL * x))
        small = {"size": sides(small_size, sizes.data), "area": config.small_crop}
        changes: list[dict[str, Any]] = [{}] * config.wide + [small] * config.small
        views = [config.view(i, sizes.data, **change) for i, change in enumerate(changes)]
        super().__init__(views, sizes, boxes=config.boxes)
        self.wide = config.wide

    @staticmethod
    def views(config: Config) -> dict[str, int]:
        count = {"wide": config.wide, "small": config.small}
        return {**count, **{f"{name}_boxes": n for name, n in count.items()}} if config.boxes else count

    def forward(self, image: Annotated[Tensor, "b c h w"], draws: tuple[Parameters, ...]) -> Crops:
        made = self.render(image, draws)
        if not self.boxes:
            return Crops(made[: self.wide], made[self.wide :])
        half = len(made) // 2
        views, boxes = made[:half], made[half:]
        placed: Any = PlacedViews(views[: self.wide], views[self.wide :], boxes[: self.wide], boxes[self.wide :])
        return placed  # type: ignore[no-any-return]  # what `signature` says


@component("augment.dino", traits=("view",))
class DINO(MultiCrop):
    """DINO's wide and small views: multi-crop with BYOL's colours (Caron et al. 2021, arXiv:2104.14294, section 3.1).

    uint8 images to two families, float32, normalised with the data's statistics, named by
    `wide, small: augment(batch.image)`. As in the authors' code the first wide view is always blurred, the second one
    time in ten and solarised one time in five, small ones are blurred every second time. They cut bicubically; for a
    ResNet they have `crop: [0.14, 1.0], small_crop: [0.05, 0.14]`.
    """

    class Config(MultiCrop.Config):
        crop: Crop = (0.4, 1.0)
        small: PositiveInt = Field(8, le=1000, description="small views of each image")
        small_crop: Area = Field((0.05, 0.4), description="crop, for the small views")
        brightness: Amount = 0.4
        contrast: Amount = 0.4
        saturation: Amount = 0.2
        hue: Hue = 0.1
        blur: Blur = (1.0, 0.1, 0.5)
        solarize: Solarize = (0.0, 0.2, 0.0)
