"""Operations on a pixel and its neighbours: blur, sharpen. Equal to torchvision's functional transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat, field_validator
from torch import Tensor
from torch.nn import functional

from .blur import gaussian_blur, radius_for
from .operation import Drawn, Normal, Operation, Planes, Probability, between, per_image
from .settings import Span

__all__ = ["Blur", "Sharpen"]


class Blur(Operation):
    """Gaussian blur with a sigma of each image's own, borders reflected (SimCLR, appendix A)."""

    use: Literal["blur"] = "blur"
    numbers: ClassVar[int] = 2
    entries: ClassVar[int] = 2
    spatial: ClassVar[bool] = True

    p: Probability = Field(1.0, description="probability of Gaussian blur")
    sigma: Span = Field((0.1, 2.0), description="smallest and largest sigma, in pixels of the view")
    kernel: Annotated[int, Field(ge=3, le=511)] | None = Field(
        None, description="width of the kernel in pixels, an odd number; null: near a tenth of the view's height"
    )

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int | None) -> int | None:
        if kernel is not None and kernel % 2 == 0:
            raise ValueError(f"a kernel has a middle, so its width is odd: {kernel - 1} or {kernel + 1}, not {kernel}")
        return kernel

    def too_large(self, size: tuple[int, int]) -> str | None:
        width = 2 * self.radius(size[0]) + 1
        if width // 2 < min(size):  # borders are reflected
            return None
        view = f"a view of {size[0]} x {size[1]}"
        return f"blur: a kernel of {width} pixels is too wide for {view}: at most {2 * min(size) - 1}"

    def radius(self, height: int) -> int:
        """Half of the kernel's width."""
        return radius_for(height) if self.kernel is None else self.kernel // 2

    def draw(self, uniform: Annotated[Tensor, "b k"], size: tuple[int, int], channels: int, normal: Normal) -> Drawn:
        return uniform[:, 0] < self.p, between(self.sigma, uniform[:, 1])

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        chosen, sigma = drawn
        return gaussian_blur(torch.stack(image, 1), sigma, chosen, self.radius(image[0].shape[1])).unbind(1)


class Sharpen(Operation):
    """Away from the image smoothed by a kernel of 3 x 3, by a factor; below 1 towards it. The border stays."""

    use: Literal["sharpen"] = "sharpen"
    spatial: ClassVar[bool] = True

    p: Probability = Field(1.0, description="probability of sharpening")
    factor: NonNegativeFloat = Field(2.0, description="0 is smooth, 1 as it is, 2 sharper")

    def apply(self, image: Planes, drawn: Drawn, mean: Sequence[float], std: Sequence[float]) -> Planes:
        stacked = torch.stack(image, 1)
        if min(stacked.shape[2:]) <= 2:
            return image
        weight = stacked.new_full((1, 1, 3, 3), 1 / 13)
        weight[..., 1, 1] = 5 / 13
        smooth = stacked.clone()
        smooth[..., 1:-1, 1:-1] = functional.conv2d(stacked.flatten(0, 1)[:, None], weight).view_as(
            smooth[..., 1:-1, 1:-1]
        )
        made = (stacked * self.factor + smooth * (1 - self.factor)).clamp(0, 1)
        return made.where(per_image(drawn[0], stacked), stacked).unbind(1)
