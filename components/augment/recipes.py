"""The published recipes of views of one size.

They differ from torchvision's classes in nothing but that they work on batches: crops are bilinear and antialiased,
which BYOL's, SimCLR's and AMDIM's own code do bicubically. Recipes of one view give a family of one, `x[0]`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor

from graphssl.component import Sizes, component

from .base import Augmentation
from .config import Blur, Crop, Grey, Jitter, Ratio, RecipeConfig, Solarize
from .settings import Amount, Hue
from .view import Parameters

__all__ = ["AMDIM", "BYOL", "CMC", "CPC", "NPID", "MoCoV1", "MoCoV2", "SimCLR"]

CPC_AREA = (256 / 300) ** 2


class Recipe(Augmentation):
    """Views of one size, as one family. Subclasses set the config's defaults."""

    grey_first: ClassVar[bool] = False

    class Config(RecipeConfig):
        views: PositiveInt = Field(2, le=1000, description="views of each image")

        @property
        def total(self) -> int:
            return self.views

    def __init__(self, config: Config, sizes: Sizes) -> None:
        views = [config.view(i, sizes.data, self.grey_first) for i in range(config.total)]
        super().__init__(views, sizes, boxes=config.boxes)

    @staticmethod
    def views(config: Config) -> dict[str, int]:
        return {"views": config.views, "boxes": config.views} if config.boxes else {"": config.views}

    def forward(
        self, image: Annotated[Tensor, "b c h w"], draws: tuple[Parameters, ...]
    ) -> Annotated[tuple[Tensor, ...], "b c y x"]:
        return self.families(self.render(image, draws))


@component("augment.simclr", traits=("view",))
class SimCLR(Recipe):
    """SimCLR's views: crop, flip, jitter, grey, blur (Chen et al. 2020, arXiv:2002.05709, appendix A).

    uint8 images to float32, normalised with the data's statistics. For CIFAR-10 the paper (appendix B.9) halves
    the strength and leaves out the blur: `strength: 0.5, blur: 0`.
    """


@component("augment.byol", traits=("view",))
class BYOL(Recipe):
    """BYOL's views: SimCLR's with less jitter, blurred more and solarised, each view its own way.

    uint8 images to float32, normalised with the data's statistics (Grill et al. 2020, arXiv:2006.07733, appendix
    B, table 6). The first view is always blurred, the second one time in ten, and solarised one time in five. Barlow
    Twins (arXiv:2103.03230) and VICReg (arXiv:2105.04906) have the same.
    """

    class Config(Recipe.Config):
        brightness: Amount = 0.4
        contrast: Amount = 0.4
        saturation: Amount = 0.2
        hue: Hue = 0.1
        blur: Blur = (1.0, 0.1)
        solarize: Solarize = (0.0, 0.2)


@component("augment.moco_v1", traits=("view",))
class MoCoV1(Recipe):
    """MoCo's views: crop, grey, jitter, flip (He et al. 2020, arXiv:1911.05722, section 3.3).

    uint8 images to float32, normalised with the data's statistics. As in the authors' code grey comes before the
    jitter, which all images get.
    """

    grey_first = True

    class Config(Recipe.Config):
        crop: Crop = (0.2, 1.0)
        jitter: Jitter = 1.0
        brightness: Amount = 0.4
        contrast: Amount = 0.4
        saturation: Amount = 0.4
        hue: Hue = 0.4
        blur: Blur = 0.0


@component("augment.moco_v2", traits=("view",))
class MoCoV2(Recipe):
    """MoCo v2's views: crop, jitter, grey, blur, flip (Chen et al. 2020, arXiv:2003.04297).

    uint8 images to float32, normalised with the data's statistics. The kernel of the blur holds all of `sigma`, as
    the authors', of Pillow, does.
    """

    class Config(Recipe.Config):
        whole_blur = True

        crop: Crop = (0.2, 1.0)
        brightness: Amount = 0.4
        contrast: Amount = 0.4
        saturation: Amount = 0.4
        hue: Hue = 0.1


@component("augment.npid", traits=("view",))
class NPID(MoCoV1):
    """Instance discrimination's view, one of each image: MoCo v1's crop, grey, jitter, flip.

    uint8 images to float32, normalised with the data's statistics, as in the authors' code (Wu et al. 2018,
    arXiv:1805.01978). A family of one, `x[0]`. For CIFAR-10 that code does not flip: `flip: 0`.
    """

    class Config(MoCoV1.Config):
        views: PositiveInt = Field(1, le=1000, description="views of each image")


@component("augment.cmc", traits=("view",))
class CMC(Recipe):
    """CMC's image before it is parted into lightness and colour: crop and flip (Tian et al. 2019, arXiv:1906.05849).

    uint8 images to float32, normalised with the data's statistics, for `augment.lab`. A family of one, `x[0]`.
    """

    class Config(Recipe.Config):
        views: PositiveInt = Field(1, le=1000, description="views of each image")
        crop: Crop = (0.2, 1.0)
        jitter: Jitter = 0.0
        grey: Grey = 0.0
        blur: Blur = 0.0


@component("augment.cpc", traits=("view",))
class CPC(Recipe):
    """CPC's image before it is cut into patches: crop, flip, and always grey.

    uint8 images to float32, normalised with the data's statistics, for `augment.patches` (van den Oord et al.
    2018, arXiv:1807.03748, section 3.2). A family of one, `x[0]`. The crop is 256 of 300 px on each side, of pictures
    that are scaled to `data.size` before, and is resized where `size` is another.
    """

    class Config(Recipe.Config):
        views: PositiveInt = Field(1, le=1000, description="views of each image")
        crop: Crop = (CPC_AREA, CPC_AREA)
        ratio: Ratio = (1.0, 1.0)
        jitter: Jitter = 0.0
        grey: Grey = 1.0
        blur: Blur = 0.0

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__(config, sizes)
        self.cuts = ()  # the paper's pictures are scaled before they are cropped


@component("augment.amdim", traits=("view",))
class AMDIM(Recipe):
    """AMDIM's views: crop, flip, jitter, grey (Bachman et al. 2019, arXiv:1906.00910, section 3).

    uint8 images to float32, normalised with the data's statistics, as in the authors' code for ImageNet; for STL-10
    and CIFAR-10 it has `hue: 0.2`. It flips both views of an image or neither, and CIFAR-10's images are moved by
    up to 4 px instead of cut; here each view is flipped by itself.
    """

    class Config(Recipe.Config):
        crop: Crop = (0.3, 1.0)
        ratio: Ratio = (0.7, 1.4)
        brightness: Amount = 0.4
        contrast: Amount = 0.4
        saturation: Amount = 0.4
        hue: Hue = 0.1
        grey: Grey = 0.25
        blur: Blur = 0.0
