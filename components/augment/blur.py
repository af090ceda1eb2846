"""Gaussian blur with a sigma for each image, as one convolution along each axis."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["gaussian_blur", "radius_for"]


def radius_for(size: int) -> int:
    """Half of the kernel's width, which is an odd number near a tenth of the image's (SimCLR, appendix A)."""
    return max(size // 20, 1)


def gaussian_blur(
    image: Annotated[Tensor, "b c h w"], sigma: Annotated[Tensor, "b"], chosen: Annotated[Tensor, "b"], radius: int
) -> Annotated[Tensor, "b c h w"]:
    """Blurs the chosen images; sigma in pixels. The kernel is 2 radius + 1 wide, borders are reflected.

    Equal to torchvision's `gaussian_blur` on float tensors.
    """
    kernel = _kernel(sigma, chosen, radius)
    padded = functional.pad(image, (radius,) * 4, mode="reflect")
    return _along(_along(padded, kernel, 2), kernel, 3)


def _kernel(sigma: Tensor, chosen: Tensor, radius: int) -> Annotated[Tensor, "b k"]:
    """Normalised weights; for images that are not chosen, 1 in the middle and 0 elsewhere."""
    offset = torch.arange(-radius, radius + 1, device=sigma.device)
    weights = torch.softmax(-0.5 * (offset / sigma[:, None]).square(), 1)
    return torch.where(chosen[:, None], weights, (offset == 0).float())


def _along(image: Tensor, kernel: Annotated[Tensor, "b k"], axis: int) -> Tensor:
    """The convolution along one axis, which gets shorter by 2 radius. Taps of equal weight are taken together."""
    taps = kernel.shape[1]
    radius, length = taps // 2, image.shape[axis] - taps + 1
    weight = kernel[:, :, None, None, None].unbind(1)
    result = image.narrow(axis, radius, length) * weight[radius]
    for i in range(radius):
        pair = image.narrow(axis, i, length) + image.narrow(axis, taps - 1 - i, length)
        result = torch.addcmul(result, pair, weight[i])
    return result
