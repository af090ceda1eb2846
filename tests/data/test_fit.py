"""Pictures as they are evaluated, against torchvision's Resize and CenterCrop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from picture_files import picture
from torch import Tensor
from torchvision.transforms import v2

from graphssl.data.fit import Fit


def pixels(height: int, width: int) -> Tensor:
    return torch.from_numpy(np.array(picture(0, height, width))).permute(2, 0, 1)


SIDES = [(40, 48), (48, 40), (33, 97), (32, 32), (20, 31), (1, 1), (1, 50), (301, 7)]


@pytest.mark.parametrize(("height", "width"), SIDES)
@pytest.mark.parametrize("size", [32, 15])
def test_fit_is_torchvisions_resize_and_centre_crop(height: int, width: int, size: int) -> None:
    image = pixels(height, width)
    expected = v2.Compose([v2.Resize(size, antialias=True), v2.CenterCrop(size)])(image)
    assert torch.equal(Fit(size, size)(image), expected)


@pytest.mark.parametrize(("height", "width"), SIDES)
@pytest.mark.parametrize(("resize", "crop"), [(36, 32), (256, 224), (20, 15)])
def test_the_papers_resize_more_than_they_cut(height: int, width: int, resize: int, crop: int) -> None:
    image = pixels(height, width)
    expected = v2.Compose([v2.Resize(resize, antialias=True), v2.CenterCrop(crop)])(image)
    assert torch.equal(Fit(crop, crop, resize)(image), expected)


@pytest.mark.parametrize("resize", [None, 40])
def test_of_another_shape_the_picture_covers_it_and_the_rest_is_cut(resize: int | None) -> None:
    """A ramp from left to right: what is seen of it says where the cut is."""
    ramp = torch.arange(256, dtype=torch.uint8).expand(3, 64, 256)
    made = Fit(32, 64, resize)(ramp)
    assert made.shape == (3, 32, 64)
    scale = (resize or 32) / 64  # the height just covers
    middle, reach = 127.5, 32 / scale
    assert abs(float(made[0, 0, 0]) - (middle - reach)) < 2
    assert abs(float(made[0, 0, -1]) - (middle + reach)) < 2


def test_a_batch_is_fitted_as_its_pictures_are() -> None:
    batch = torch.stack([pixels(40, 48), pixels(40, 48).flip(2)])
    assert torch.equal(Fit(15, 15)(batch), torch.stack([Fit(15, 15)(image) for image in batch]))


def test_sixteen_bits_stay_so() -> None:
    deep = (pixels(40, 48).int() * 257).to(torch.uint16)
    made = Fit(15, 15)(deep)
    assert made.dtype == torch.uint16
    assert (made.int() - Fit(15, 15)(pixels(40, 48)).int() * 257).abs().max() <= 257
