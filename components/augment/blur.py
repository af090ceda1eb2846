"""Gaussian blur with a sigma for each image, as one convolution along each axis."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from .taps import Taps

__all__ = ["blur_taps", "gaussian_blur", "radius_for"]


def radius_for(size: int) -> int:
    """Half of the kernel's width, which is an odd number near a tenth of the image's (SimCLR, appendix A)."""
    return max(size // 20, 1)


def gaussian_blur(
    image: Annotated[Tensor, "b c h w"], sigma: Annotated[Tensor, "b"], chosen: Annotated[Tensor, "b"], radius: int
) -> Annotated[Tensor, "b c h w"]:
    """Blurs the chosen images; sigma in pixels. The kernel is 2 radius + 1 wide, borders are reflected.

    Equal to torchvision's `gaussian_blur` on float tensors.
    """
    alone = (_offset(radius, sigma.device) == 0).float()
    kernel = torch.where(chosen[:, None], _kernel(sigma, radius), alone)
    padded = functional.pad(image, (radius,) * 4, mode="reflect")
    return _along(_along(padded, kernel, 2), kernel, 3)


def blur_taps(sigma: Annotated[Tensor, "b"], radius: int, size: int) -> Taps:
    """`gaussian_blur` as sums over an axis of `size` pixels, for `taps.along_both`."""
    pixel = torch.arange(-radius, size + radius, dtype=torch.int32).abs()
    pixel = (size - 1) - (size - 1 - pixel).abs()  # reflected
    kernel = _kernel(sigma, radius)
    b, k = kernel.shape
    return Taps(pixel.unfold(0, k, 1).expand(b, size, k), kernel[:, None].expand(b, size, k))


def _kernel(sigma: Tensor, radius: int) -> Annotated[Tensor, "b k"]:
    """Normalised weights."""
    return torch.softmax(-0.5 * (_offset(radius, sigma.device) / sigma[:, None]).square(), 1)


def _offset(radius: int, device: torch.device) -> Annotated[Tensor, "k"]:
    return torch.arange(-radius, radius + 1, device=device)


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
