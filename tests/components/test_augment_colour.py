"""Colour operations against torchvision's functional transforms on float tensors, image by image."""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from graphssl.components.augment import colour
from graphssl.components.augment.colour import BLENDS, arrange

ORDERS = list(itertools.permutations(range(4)))
OPERATIONS = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def images(n: int, h: int = 12, w: int = 9, seed: int = 0) -> Tensor:
    """Random colours, among them pure ones, grey, black, white and nearly grey."""
    image = rand(n, 3, h, w, seed=seed)
    image[:, :, 0] = (image[:, :, 0] > 0.5).float()
    image[:, :, 1] = image[:, :1, 1]
    image[:, :, 2, 0], image[:, :, 2, 1] = 0, 1
    image[:, :, 3] = (image[:, :1, 3] + 1e-7 * image[:, :, 3]).clamp(0, 1)
    image[:, 1, 4] = image[:, 0, 4]
    image[:, 2, 5] = image[:, 1, 5]
    return image


def joined(image: Sequence[Tensor]) -> Tensor:
    return torch.stack(tuple(image), 1)


def close(ours: Tensor, theirs: Tensor) -> None:
    assert ours.isfinite().all()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def in_order(image: Tensor, factors: Tensor, rank: Tensor) -> Tensor:
    """torchvision's ColorJitter with given factors and order, for one image."""
    for operation in rank.argsort().tolist():
        image = OPERATIONS[operation](image, factors[operation].item())
    return image


def factors_for(n: int, amount: float = 0.8, hue: float = 0.5, seed: int = 1) -> Tensor:
    factors = 1 + amount * (2 * rand(n, 4, seed=seed) - 1)
    factors[:, 3] = hue * (2 * rand(n, seed=seed + 1) - 1)
    return factors


def jittered(image: Tensor, factors: Tensor, rank: Tensor, hue: bool = True) -> Tensor:
    slots = arrange(factors[:, :BLENDS], rank, hue)
    return joined(colour.jitter(image.unbind(1), slots, factors[:, 3]))


# -- one operation at a time ---------------------------------------------------------------------------------


def test_luma_equals_torchvision() -> None:
    image = images(4)
    close(colour.luma(image.unbind(1))[:, None], tv.rgb_to_grayscale(image, 1))


def test_grey_for_the_chosen_only() -> None:
    image, chosen = images(6), torch.tensor([True, False, True, False, False, True])
    ours = joined(colour.to_grey(image.unbind(1), chosen))
    close(ours[chosen], tv.rgb_to_grayscale(image[chosen], 3))
    assert torch.equal(ours[~chosen], image[~chosen])


@pytest.mark.parametrize("which", range(3))
def test_each_blend_equals_torchvision(which: int) -> None:
    n = 9
    image, factors = images(n), torch.ones(n, 4)
    factors[:, which] = torch.linspace(0, 1.8, n)
    factors[:, 3] = 0
    ours = jittered(image, factors, torch.arange(4).expand(n, 4))
    for i in range(n):
        close(ours[i], OPERATIONS[which](image[i], factors[i, which].item()))


@pytest.mark.parametrize("turns", [-0.5, -0.35, -1 / 6, -0.1, 0.0, 1e-6, 0.1, 1 / 6, 0.17, 1 / 3, 0.5])
def test_hue_equals_torchvision(turns: float) -> None:
    image = images(4, 16, 16)
    close(joined(colour.shift_hue(image.unbind(1), torch.full((4,), turns))), tv.adjust_hue(image, turns))


def test_hue_of_each_image_by_itself() -> None:
    image, turns = images(11), torch.linspace(-0.5, 0.5, 11)
    ours = joined(colour.shift_hue(image.unbind(1), turns))
    for i in range(11):
        close(ours[i], tv.adjust_hue(image[i], turns[i].item()))


def test_hue_of_one_pixel_by_the_standard_library() -> None:
    """HSV as Python's `colorsys` has it, in float64, for a lattice of colours."""
    level = torch.linspace(0, 1, 6)
    pixels = torch.cartesian_prod(level, level, level)
    for turns in (-0.4, 0.05, 0.25):
        expected = []
        for r, g, b in pixels.double().tolist():
            h, s, v = colorsys.rgb_to_hsv(r, g, b)
            expected.append(colorsys.hsv_to_rgb((h + turns) % 1, s, v))
        ours = joined(colour.shift_hue(pixels[:, :, None, None].unbind(1), torch.full((len(pixels),), turns)))
        close(ours[:, :, 0, 0], torch.tensor(expected))


def test_hue_keeps_value_and_saturation() -> None:
    image = images(8)
    ours = joined(colour.shift_hue(image.unbind(1), torch.linspace(-0.5, 0.5, 8)))
    close(ours.amax(1), image.amax(1))
    close(ours.amin(1), image.amin(1))


@pytest.mark.parametrize("value", [0.0, 1e-30, 0.2, 0.5, 1.0])
def test_hue_of_grey_is_grey(value: float) -> None:
    image = torch.full((3, 3, 4, 4), value)
    ours = joined(colour.shift_hue(image.unbind(1), torch.tensor([-0.3, 0.0, 0.5])))
    assert torch.equal(ours, image)


def test_hue_leaves_its_input_alone() -> None:
    image = images(3)
    before = image.clone()
    colour.shift_hue(image.unbind(1), torch.tensor([0.1, 0.2, 0.3]))
    assert torch.equal(image, before)


def test_solarise_the_chosen_only() -> None:
    image, chosen = images(4), torch.tensor([True, False, True, False])
    image[:, :, 2, 2] = 0.5  # at the threshold
    ours = joined(colour.solarise(image.unbind(1), chosen))
    close(ours[chosen], tv.solarize(image[chosen], 0.5))
    assert torch.equal(ours[~chosen], image[~chosen])


def test_solarise_splits_uint8_at_128() -> None:
    level = torch.arange(256, dtype=torch.uint8).view(1, 1, 1, 256).expand(1, 3, 1, 256)
    ours = joined(colour.solarise((level / 255).unbind(1), torch.tensor([True])))
    close(ours, tv.solarize(level, 128) / 255)


def test_normalise_equals_torchvision_in_channels_last() -> None:
    image, mean, std = images(5), (0.49, 0.48, 0.45), (0.247, 0.243, 0.261)
    ours = colour.normalise(image.unbind(1), mean, std)
    torch.testing.assert_close(ours, tv.normalize(image, list(mean), list(std)), rtol=0, atol=4e-6)
    assert ours.is_contiguous(memory_format=torch.channels_last)


# -- jitter in any order -------------------------------------------------------------------------------------


def test_every_order_equals_torchvision() -> None:
    """All 24 orders in one batch, each image with factors of its own."""
    rank = torch.tensor(ORDERS)
    image, factors = images(24), factors_for(24)
    ours = jittered(image, factors, rank)
    for i in range(24):
        close(ours[i], in_order(image[i], factors[i], rank[i]))


def test_the_order_matters() -> None:
    """So the test above can tell orders apart: one image, the same factors, 24 results."""
    image, factors = images(1).expand(24, -1, -1, -1), torch.tensor([1.7, 1.6, 0.3, 0.2]).expand(24, 4)
    ours = jittered(image, factors, torch.tensor(ORDERS))
    distance = torch.cdist(ours.flatten(1), ours.flatten(1))
    assert (distance + 10 * torch.eye(24) > 1e-3).all()


def test_at_224_pixels() -> None:
    image, factors = rand(2, 3, 224, 224), factors_for(2)
    rank = torch.tensor([[3, 0, 2, 1], [1, 2, 0, 3]])
    ours = jittered(image, factors, rank)
    for i in range(2):
        close(ours[i], in_order(image[i], factors[i], rank[i]))


def test_without_hue_there_are_three_slots() -> None:
    rank = torch.tensor(ORDERS)
    image, factors = images(24), factors_for(24)
    factors[:, 3] = 0
    assert arrange(factors[:, :3], rank, hue=False).shape == (24, 3, 3)
    ours = jittered(image, factors, rank, hue=False)
    for i in range(24):
        close(ours[i], in_order(image[i], factors[i], rank[i]))


def test_neutral_factors_change_nothing() -> None:
    image = images(24)
    neutral = torch.tensor([1.0, 1.0, 1.0, 0.0]).expand(24, 4)
    close(jittered(image, neutral, torch.tensor(ORDERS)), image)
    assert torch.equal(jittered(image, neutral, torch.tensor(ORDERS), hue=False), image)


@pytest.mark.parametrize("hue", [True, False])
def test_slots_hold_each_change_once_and_in_order(hue: bool) -> None:
    factors = torch.tensor([1.5, 0.75, 1.25]).expand(24, 3)
    slots = arrange(factors, torch.tensor(ORDERS), hue)
    for rank, own in zip(ORDERS, slots, strict=True):
        assert own.count_nonzero() == 3
        place = own.abs().argmax(0).tolist()
        assert own.sum(0).tolist() == [0.5, -0.25, 0.25]
        assert sorted(range(3), key=place.__getitem__) == sorted(range(3), key=rank.__getitem__)
        if hue:
            assert [p >= BLENDS for p in place] == [rank[k] > rank[3] for k in range(3)]


def test_pixels_along_one_axis_give_the_same() -> None:
    """As a compiler is given them."""
    image, factors = images(24), factors_for(24)
    slots, chosen = arrange(factors[:, :3], torch.tensor(ORDERS)), torch.arange(24) % 2 == 0
    red, green, blue = (plane.flatten(1) for plane in image.unbind(1))
    flat, square = (red, green, blue), image.unbind(1)
    for ours, expected in (
        (colour.jitter(flat, slots, factors[:, 3]), colour.jitter(square, slots, factors[:, 3])),
        (colour.to_grey(flat, chosen), colour.to_grey(square, chosen)),
        (colour.solarise(flat, chosen), colour.solarise(square, chosen)),
    ):
        close(joined(ours).view_as(image), joined(expected))


def test_jitter_leaves_its_input_alone() -> None:
    image = images(4)
    before = image.clone()
    jittered(image, factors_for(4), torch.tensor(ORDERS[:4]))
    assert torch.equal(image, before)


def test_extreme_factors_stay_in_range() -> None:
    image, factors = images(24), factors_for(24, amount=1.0)
    factors[:12, :3] = 0
    factors[12:, :3] = 3
    ours = jittered(image, factors, torch.tensor(ORDERS))
    assert ours.isfinite().all()
    assert ours.min() >= -1e-6
    assert ours.max() <= 1 + 1e-6


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_grey_images_stay_finite_and_grey(value: float) -> None:
    image, factors, rank = torch.full((24, 3, 8, 8), value), factors_for(24), torch.tensor(ORDERS)
    ours = jittered(image, factors, rank)
    for i in range(24):
        close(ours[i], in_order(image[i], factors[i], rank[i]))
    close(ours[:, 0], ours[:, 1])
    close(ours[:, 1], ours[:, 2])


def test_a_batch_of_one() -> None:
    image, factors, rank = images(1), factors_for(1), torch.tensor([[2, 1, 3, 0]])
    close(jittered(image, factors, rank)[0], in_order(image[0], factors[0], rank[0]))
