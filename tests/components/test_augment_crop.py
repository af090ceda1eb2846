"""Crops against torchvision: the pixels of `resized_crop`, and the boxes of `RandomResizedCrop.get_params`."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from graphssl.components.augment.crop import TRIES, Box, crop_resize, random_box, resize

AREAS, RATIOS = (0.08, 1.0), (3 / 4, 4 / 3)


def uint8(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def uniform(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def boxes(n: int, image: tuple[int, int], areas: tuple[float, float] = AREAS, seed: int = 1) -> Box:
    u = uniform(n, 2 * TRIES + 2, seed=seed)
    return random_box(u[:, :TRIES], u[:, TRIES : 2 * TRIES], u[:, 2 * TRIES :], image, areas, RATIOS)


def rectangle(box: Box, i: int) -> list[int]:
    return [int(entry[i]) for entry in box]


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


# -- pixels --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "size"),
    [((32, 32), 32), ((40, 28), 32), ((28, 40), 14), ((33, 47), 96), ((96, 96), 41), ((256, 300), 224), ((9, 5), 4)],
)
def test_pixels_equal_torchvision(image: tuple[int, int], size: int) -> None:
    n = 3 if size > 100 else 24
    images, box, flip = uint8(n, 3, *image), boxes(n, image), uniform(n, seed=2) < 0.5
    ours = crop_resize(images, box, flip, (size, size))
    for i in range(n):
        theirs = tv.resized_crop(images[i] / 255, *rectangle(box, i), [size, size], antialias=True)
        close(ours[i], tv.horizontal_flip(theirs) if flip[i] else theirs)


def test_a_large_image_shrinks_exactly() -> None:
    images = uint8(2, 3, 427, 640)
    box = Box(*(torch.tensor(v) for v in ([0.0, 13.0], [0.0, 101.0], [427.0, 400.0], [640.0, 533.0])))
    ours = crop_resize(images, box, None, (224, 224))
    for i in range(2):
        close(ours[i], tv.resized_crop(images[i] / 255, *rectangle(box, i), [224, 224], antialias=True))


@pytest.mark.parametrize("rectangle", [(0, 0, 1, 1), (31, 31, 1, 1), (0, 5, 32, 1), (7, 0, 2, 32), (0, 0, 32, 32)])
def test_boxes_at_the_limits(rectangle: tuple[int, int, int, int]) -> None:
    images = uint8(1, 3, 32, 32)
    box = Box(*(torch.tensor([float(v)]) for v in rectangle))
    close(
        crop_resize(images, box, None, (32, 32))[0],
        tv.resized_crop(images[0] / 255, *rectangle, [32, 32], antialias=True),
    )


def test_nothing_outside_of_the_box_is_seen() -> None:
    images = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    images[:, :, 8:24, 4:20] = 0
    box = Box(*(torch.tensor([v]) for v in (8.0, 4.0, 16.0, 16.0)))
    assert torch.equal(crop_resize(images, box, None, (32, 32)), torch.zeros(1, 3, 32, 32))


def test_a_flip_is_the_mirror_image() -> None:
    images, box = uint8(5, 3, 32, 32), boxes(5, (32, 32))
    flipped = crop_resize(images, box, torch.ones(5, dtype=torch.bool), (32, 32))
    close(flipped, crop_resize(images, box, None, (32, 32)).flip(3))
    close(
        crop_resize(images, box, torch.zeros(5, dtype=torch.bool), (32, 32)), crop_resize(images, box, None, (32, 32))
    )


def test_a_white_image_stays_white() -> None:
    images = torch.full((16, 3, 32, 32), 255, dtype=torch.uint8)
    close(crop_resize(images, boxes(16, (32, 32)), None, (24, 24)), torch.ones(16, 3, 24, 24))


def test_memory_format_does_not_matter() -> None:
    images, box = uint8(4, 3, 32, 40), boxes(4, (32, 40))
    last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(crop_resize(images, box, None, (32, 32)), crop_resize(last, box, None, (32, 32)))


@pytest.mark.parametrize(("image", "size"), [((32, 32), 32), ((40, 28), 32), ((64, 64), 224), ((300, 200), 96)])
def test_resize_equals_torchvision(image: tuple[int, int], size: int) -> None:
    images = uint8(2, 3, *image)
    close(resize(images, (size, size)), tv.resize(images / 255, [size, size], antialias=True))


# -- boxes ---------------------------------------------------------------------------------------------------


def first_that_fits(u: Tensor, image: tuple[int, int], areas: tuple[float, float]) -> list[int] | None:
    """torchvision's loop, on the same uniform numbers."""
    height, width = image
    for k in range(TRIES):
        area = height * width * (areas[0] + (areas[1] - areas[0]) * u[k].item())
        log = math.log(RATIOS[0]) + (math.log(RATIOS[1]) - math.log(RATIOS[0])) * u[TRIES + k].item()
        w, h = round(math.sqrt(area * math.exp(log))), round(math.sqrt(area / math.exp(log)))
        if 0 < w <= width and 0 < h <= height:
            top, left = (u[2 * TRIES].item() * (height - h + 1), u[2 * TRIES + 1].item() * (width - w + 1))
            return [int(top), int(left), h, w]
    return None


@pytest.mark.parametrize(("image", "areas"), [((32, 32), (0.08, 1.0)), ((32, 32), (0.9, 1.0)), ((20, 50), (0.3, 0.9))])
def test_the_first_candidate_that_fits(image: tuple[int, int], areas: tuple[float, float]) -> None:
    u = uniform(300, 2 * TRIES + 2)
    box = random_box(u[:, :TRIES], u[:, TRIES : 2 * TRIES], u[:, 2 * TRIES :], image, areas, RATIOS)
    found = [first_that_fits(row, image, areas) for row in u]
    assert sum(expected is not None for expected in found) > 100
    for i, expected in enumerate(found):
        if expected is not None:
            assert rectangle(box, i) == expected


@pytest.mark.parametrize("image", [(10, 100), (100, 10), (17, 200), (200, 17)])
def test_where_nothing_fits_the_centre_is_taken(image: tuple[int, int]) -> None:
    box = boxes(20, image, (0.9, 1.0))
    expected = RandomResizedCrop.get_params(torch.empty(3, *image), [0.9, 1.0], list(RATIOS))
    assert all(rectangle(box, i) == list(expected) for i in range(20))


def test_an_image_of_an_allowed_ratio_falls_back_to_itself() -> None:
    none = torch.full((1, TRIES), 1.0)  # the widest ratio with the whole area: wider than the image
    box = random_box(none, none, torch.zeros(1, 2), (32, 32), (1.0, 1.0), RATIOS)
    assert rectangle(box, 0) == [0, 0, 32, 32]


@pytest.mark.parametrize(
    ("image", "areas"), [((32, 32), (0.08, 1.0)), ((24, 60), (0.2, 1.0)), ((224, 224), (0.05, 0.14))]
)
def test_boxes_are_distributed_as_torchvision_draws_them(image: tuple[int, int], areas: tuple[float, float]) -> None:
    n = 4000
    ours = torch.stack(tuple(boxes(n, image, areas))).T.double().numpy()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        blank = torch.empty(3, *image)
        theirs = torch.tensor(
            [RandomResizedCrop.get_params(blank, list(areas), list(RATIOS)) for _ in range(n)]
        ).numpy()
    for column in range(4):
        assert stats.ks_2samp(ours[:, column], theirs[:, column]).pvalue > 1e-3
    assert stats.ks_2samp(ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3]).pvalue > 1e-3
    assert stats.ks_2samp(ours[:, 3] / ours[:, 2], theirs[:, 3] / theirs[:, 2]).pvalue > 1e-3


def test_boxes_lie_within_the_image() -> None:
    for image in ((32, 32), (5, 40), (1, 1), (3, 2)):
        box = boxes(2000, image)
        assert (box.height >= 1).all()
        assert (box.width >= 1).all()
        assert (box.top >= 0).all()
        assert (box.left >= 0).all()
        assert (box.top + box.height <= image[0]).all()
        assert (box.left + box.width <= image[1]).all()


@pytest.mark.parametrize(("number", "expected"), [(0.0, 0), (1 - 2**-24, 4)])
def test_corners_reach_both_ends(number: float, expected: int) -> None:
    """The largest number that `torch.rand` gives is 1 - 2^-24."""
    area, corner = torch.full((1, TRIES), 0.0), torch.full((1, 2), number)
    middle = torch.full((1, TRIES), 0.5)
    box = random_box(area, middle, corner, (16, 16), ((12 / 16) ** 2, 1.0), RATIOS)
    assert rectangle(box, 0) == [expected, expected, 12, 12]


def test_the_largest_number_stays_within_for_any_room() -> None:
    """A product may round up to a whole number: the corner is still within."""
    for room in (*range(1, 200), 1023, 2047, 4095):
        size = (room + 1, room + 1)
        area, middle = torch.zeros(1, TRIES), torch.full((1, TRIES), 0.5)
        box = random_box(area, middle, torch.full((1, 2), 1 - 2**-24), size, (1 / size[0] ** 2, 1.0), RATIOS)
        assert box.top.item() + box.height.item() <= size[0]
        assert box.left.item() + box.width.item() <= size[1]


def test_every_corner_is_equally_likely() -> None:
    u = uniform(20_000, 2)
    full, middle = torch.zeros(20_000, TRIES), torch.full((20_000, TRIES), 0.5)
    box = random_box(full, middle, u, (8, 8), ((5 / 8) ** 2, 1.0), RATIOS)
    for start in (box.top, box.left):
        assert stats.chisquare(torch.bincount(start.long(), minlength=4).numpy()).pvalue > 1e-3
