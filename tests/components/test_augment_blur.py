"""Gaussian blur against torchvision's, and against its formula in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as tv

from graphssl.component import DataFacts
from graphssl.components.augment import multicrop, recipes
from graphssl.components.augment.blur import gaussian_blur, radius_for
from graphssl.components.augment.config import RecipeConfig
from graphssl.components.augment.operations import Blur


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def every(n: int) -> Tensor:
    return torch.ones(n, dtype=torch.bool)


@pytest.mark.parametrize(("size", "taps"), [(4, 3), (14, 3), (32, 3), (64, 7), (96, 9), (224, 23)])
def test_the_kernel_is_a_tenth_of_the_image(size: int, taps: int) -> None:
    assert 2 * radius_for(size) + 1 == taps


@pytest.mark.parametrize(("h", "w", "radius"), [(32, 32, 1), (24, 41, 2), (96, 96, 4), (224, 224, 11), (4, 5, 3)])
def test_equals_torchvision(h: int, w: int, radius: int) -> None:
    n = 2 if h > 200 else 6
    image, sigma = rand(n, 3, h, w), torch.linspace(0.1, 2.0, n)
    ours = gaussian_blur(image, sigma, every(n), radius)
    for i in range(n):
        theirs = tv.gaussian_blur(image[i], [2 * radius + 1] * 2, [sigma[i].item()] * 2)
        torch.testing.assert_close(ours[i], theirs, rtol=0, atol=1e-5)


def test_equals_the_formula() -> None:
    """Weights exp(-x^2 / 2 sigma^2), normalised, over both axes; the border reflected."""
    image, sigma, radius = rand(1, 1, 9, 7).double(), 1.3, 2
    x = torch.arange(-radius, radius + 1).double()
    weights = torch.exp(-(x[:, None] ** 2 + x[None] ** 2) / (2 * sigma**2))
    padded = functional.pad(image, (radius,) * 4, mode="reflect")
    expected = functional.conv2d(padded, (weights / weights.sum())[None, None])
    ours = gaussian_blur(image.float(), torch.tensor([sigma]), every(1), radius)
    torch.testing.assert_close(ours.double(), expected, rtol=0, atol=1e-6)


def test_only_the_chosen_are_blurred() -> None:
    image, chosen = rand(6, 3, 32, 32), torch.tensor([True, False] * 3)
    ours = gaussian_blur(image, torch.full((6,), 1.5), chosen, 1)
    assert torch.equal(ours[~chosen], image[~chosen])
    assert ((ours[chosen] - image[chosen]).abs().amax((1, 2, 3)) > 0.1).all()


def test_a_small_sigma_changes_nothing_and_is_finite() -> None:
    image = rand(3, 3, 16, 16)
    ours = gaussian_blur(image, torch.tensor([1e-3, 0.02, 0.1]), every(3), 3)
    torch.testing.assert_close(ours, image, rtol=0, atol=1e-6)


def test_a_flat_image_stays_flat() -> None:
    image = torch.full((2, 3, 20, 20), 0.7)
    torch.testing.assert_close(gaussian_blur(image, torch.tensor([0.5, 2.0]), every(2), 2), image, rtol=0, atol=1e-6)


def test_the_input_is_left_alone() -> None:
    image = rand(2, 3, 16, 16)
    before = image.clone()
    gaussian_blur(image, torch.ones(2), every(2), 2)
    assert torch.equal(image, before)


def radius_of(config: RecipeConfig, size: int) -> int:
    view = config.view(0, DataFacts(3, size, size, 10, 1, (0.5,) * 3, (0.2,) * 3))
    blur = next(operation for operation in view.operations if operation.use == "blur")
    assert isinstance(blur, Blur)
    return blur.radius(size)


@pytest.mark.parametrize(("size", "radius"), [(4, 3), (32, 6), (96, 6), (224, 11)])
def test_a_blur_that_is_pillows_holds_three_sigmas(size: int, radius: int) -> None:
    """SwAV, DINO and MoCo v2 blur with Pillow; a kernel of a tenth of 32 px leaves more than twice the noise."""
    for config in (multicrop.MultiCrop.Config(), multicrop.DINO.Config(), recipes.MoCoV2.Config()):
        assert radius_of(config, size) == radius
    assert radius_of(recipes.MoCoV2.Config(sigma=(0.1, 1.0)), 32) == 3


@pytest.mark.parametrize("size", [32, 96, 224])
def test_a_blur_of_a_network_keeps_its_kernel(size: int) -> None:
    assert radius_of(recipes.SimCLR.Config(), size) == radius_of(recipes.BYOL.Config(), size) == radius_for(size)


def test_at_32_px_as_much_noise_is_left_as_pillow_leaves() -> None:
    noise = torch.randn(64, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    sigma, pillows = torch.full((64,), 2.0), []
    for one in noise:
        picture = Image.fromarray((128 + 40 * one[0]).clamp(0, 255).byte().numpy())
        pillows.append(torch.from_numpy(np.array(picture.filter(ImageFilter.GaussianBlur(2.0)))).float() / 40)
    theirs = torch.stack(pillows).std().item()
    whole = gaussian_blur(noise, sigma, every(64), radius_of(multicrop.DINO.Config(), 32)).std().item()
    tenth = gaussian_blur(noise, sigma, every(64), radius_for(32)).std().item()
    assert whole == pytest.approx(theirs, rel=0.05)
    assert tenth > 2 * theirs
