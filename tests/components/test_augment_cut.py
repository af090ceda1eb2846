"""Crops of whole pictures, where they are decoded, against torchvision on real photographs."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from sklearn.datasets import load_sample_images
from torch import Tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from graphssl.components.augment.cut import RandomCrops, resized_crop

PHOTOS = [torch.from_numpy(photo.copy()).permute(2, 0, 1) for photo in load_sample_images().images]
AREAS, RATIOS = (0.08, 1.0), (3 / 4, 4 / 3)


def crops(views: int = 1, size: tuple[int, int] = (224, 224), **changes: object) -> RandomCrops:
    settings = {"areas": AREAS, "ratios": RATIOS, "flip": 0.5, **changes}
    return RandomCrops(views, size, **settings)  # type: ignore[arg-type]


def uniform(views: int, cut: RandomCrops, seed: int) -> Tensor:
    return torch.rand((views, cut.numbers), generator=torch.Generator().manual_seed(seed))


def boxes_of(cut: RandomCrops, image: tuple[int, int], numbers: Tensor) -> Tensor:
    return torch.stack(list(cut.boxes(image, numbers)), 1).long()


@pytest.mark.parametrize("size", [(224, 224), (96, 96), (32, 64)])
def test_views_are_torchvisions_of_the_whole_photograph(size: tuple[int, int]) -> None:
    """Of 300 boxes: the bytes of its tensors, and within one grey level, 0.1 in the mean, those of PIL."""
    cut, differences = crops(300, size), list[Tensor]()
    for seed, photo in enumerate(PHOTOS):
        numbers = uniform(300, cut, seed)
        boxes, mirrored = boxes_of(cut, (photo.shape[1], photo.shape[2]), numbers), numbers[:, -1] < 0.5
        views, pil = cut(photo, numbers), Image.fromarray(photo.permute(1, 2, 0).numpy())
        assert 0.4 < mirrored.float().mean() < 0.6
        for i, (view, box) in enumerate(zip(views, boxes.tolist(), strict=True)):
            view = view.flip(2) if mirrored[i] else view
            assert torch.equal(view, tv.resized_crop(photo, *box, list(size), antialias=True))
            if i < 40:
                theirs = tv.pil_to_tensor(tv.resized_crop(pil, *box, list(size)))
                differences.append((view.int() - theirs.int()).abs().float())
    assert torch.stack(differences).max() <= 1
    assert torch.stack(differences).mean() < 0.1


@pytest.mark.parametrize("image", [(375, 500), (100, 400), (500, 60), (33, 32)])
@pytest.mark.parametrize(("areas", "ratios"), [(AREAS, RATIOS), ((0.5, 1.0), RATIOS), ((0.05, 0.14), (0.7, 1.4))])
def test_two_thousand_boxes_are_drawn_as_torchvision_draws_them(
    image: tuple[int, int], areas: tuple[float, float], ratios: tuple[float, float]
) -> None:
    cut = crops(areas=areas, ratios=ratios)
    ours = boxes_of(cut, image, uniform(2000, cut, 3)).numpy()
    torch.manual_seed(0)
    blank = torch.empty(3, *image)
    theirs = np.array([RandomResizedCrop.get_params(blank, list(areas), list(ratios)) for _ in range(2000)])
    for column in range(4):
        assert stats.ks_2samp(ours[:, column], theirs[:, column]).pvalue > 1e-3, "top, left, height, width"[column]


def test_where_no_box_fits_it_is_the_largest_in_the_middle() -> None:
    cut = crops(areas=(0.9, 1.0))
    torch.manual_seed(0)
    expected = RandomResizedCrop.get_params(torch.empty(3, 100, 400), [0.9, 1.0], list(RATIOS))
    assert boxes_of(cut, (100, 400), uniform(5, cut, 0)).tolist() == [list(expected)] * 5


def test_all_of_a_wide_picture_is_seen() -> None:
    """Its left part is red, its middle green, its right blue."""
    picture = torch.zeros(3, 100, 400, dtype=torch.uint8)
    picture[0, :, :133], picture[1, :, 133:266], picture[2, :, 266:] = 255, 255, 255
    cut = crops(200, (32, 32))
    mean = cut(picture, uniform(200, cut, 0)).float().mean((0, 2, 3))
    assert mean.min() > 50


@pytest.mark.parametrize("dtype", [torch.uint16, torch.float32])
def test_other_types_stay_so(dtype: torch.dtype) -> None:
    scale = 257 if dtype == torch.uint16 else 1 / 255
    deep = (PHOTOS[0].double() * scale).to(dtype)
    box = (20, 30, 300, 200)
    ours = resized_crop(deep, box, (64, 64)).double()
    exact = torch.nn.functional.interpolate(
        deep[None, :, 20:320, 30:230].double(), (64, 64), mode="bilinear", antialias=True
    )[0]
    assert resized_crop(deep, box, (64, 64)).dtype == dtype
    assert (ours - exact).abs().max() <= (0.51 if dtype == torch.uint16 else 1e-6)


def test_any_number_of_channels() -> None:
    bands = torch.cat([PHOTOS[0], PHOTOS[0][:2]])
    made = resized_crop(bands, (5, 6, 100, 120), (40, 40))
    assert made.shape == (5, 40, 40)
    assert torch.equal(made[3:], made[:2])
    assert torch.equal(resized_crop(bands[:1], (5, 6, 100, 120), (40, 40)), made[:1])


def test_it_goes_to_a_worker() -> None:
    cut = crops(3, (16, 24))
    numbers = uniform(3, cut, 0)
    assert torch.equal(pickle.loads(pickle.dumps(cut))(PHOTOS[0], numbers), cut(PHOTOS[0], numbers))
