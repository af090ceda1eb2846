"""Patches on a grid: where each lies, their random parts, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import CPU
from torch import Tensor

from graphssl.component import Sizes, Unbound, build, find
from graphssl.graph.language.validation import validate


def patches(y: int = 32, x: int = 32, **config: Any) -> Any:
    return build(find("augment.patches"), sizes=Sizes({"y": y, "x": x, "c": 3}), **{"size": 8, "stride": 4, **config})


def image(b: int = 2, y: int = 32, x: int = 32) -> Tensor:
    return torch.randn(b, 3, y, x, generator=torch.Generator().manual_seed(0))


def drawn(module: Any, b: int, seed: int = 0) -> Tensor:
    draws: Tensor = module.draw(b, torch.Generator().manual_seed(seed), CPU)
    return draws


# -- the grid ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "x", "size", "stride", "rows", "columns"),
    [(32, 32, 8, 4, 7, 7), (256, 256, 64, 32, 7, 7), (31, 20, 8, 5, 5, 3), (8, 8, 8, 4, 1, 1), (9, 16, 4, 6, 1, 3)],
)
def test_where_each_patch_lies(y: int, x: int, size: int, stride: int, rows: int, columns: int) -> None:
    picture = image(2, y, x)
    made = patches(y, x, size=size, stride=stride)(picture)
    assert made.shape == (2, rows, columns, 3, size, size)
    for i in range(rows):
        for j in range(columns):
            top, left = stride * i, stride * j
            assert torch.equal(made[:, i, j], picture[:, :, top : top + size, left : left + size])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_patches_are_a_view(layout: torch.memory_format) -> None:
    picture = image().contiguous(memory_format=layout)
    made = patches()(picture)
    assert made.untyped_storage().data_ptr() == picture.untyped_storage().data_ptr()
    picture.zero_()
    assert not made.any()


# -- random parts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_without_padding_the_part_is_the_patch(training: bool) -> None:
    padded, bare = (patches(crop=5, pad=pad).train(training) for pad in (True, False))
    picture = image()
    draws = drawn(bare, 2)
    made = bare(picture, draws)
    assert made.shape == (2, 7, 7, 3, 5, 5)
    assert torch.equal(made, padded(picture, draws)[..., 1:6, 1:6])


@pytest.mark.parametrize(("crop", "before"), [(5, 1), (6, 1), (7, 0), (1, 3)])
def test_each_patch_shows_a_part_of_its_own(crop: int, before: int) -> None:
    """The part lies in the middle of a patch's worth of zeros."""
    module, picture = patches(20, 28, crop=crop), image(2, 20, 28)
    draws = drawn(module, 2)
    made, whole = module(picture, draws=draws), patches(20, 28)(picture)
    assert made.shape == whole.shape == (2, 4, 6, 3, 8, 8)
    for b in range(2):
        for i in range(4):
            for j in range(6):
                top, left = draws[b, i, j].tolist()
                expected = torch.zeros(3, 8, 8)
                part = whole[b, i, j, :, top : top + crop, left : left + crop]
                expected[:, before : before + crop, before : before + crop] = part
                assert torch.equal(made[b, i, j], expected)


def test_all_parts_are_equally_likely() -> None:
    draws = drawn(patches(crop=6), 300)
    assert draws.shape == (300, 7, 7, 2)
    counts = (3 * draws[..., 0] + draws[..., 1]).flatten().bincount(minlength=9)
    expected = 300 * 49 / 9
    assert (counts - expected).abs().max() < 5 * expected**0.5
    assert torch.equal(draws, drawn(patches(crop=6), 300))
    assert not torch.equal(draws, drawn(patches(crop=6), 300, 1))


def test_the_middle_is_shown_in_eval_mode() -> None:
    module, picture = patches(crop=5).eval(), image()
    middle = patches(crop=5)(picture, draws=torch.ones(2, 7, 7, 2, dtype=torch.int64))
    assert torch.equal(module(picture), middle)
    assert torch.equal(module(picture, draws=drawn(module, 2)), middle)


def test_only_parts_are_random() -> None:
    entry = find("augment.patches")
    assert not entry.signature(entry.config(), {}).draws
    assert entry.signature(entry.config(crop=60), {}).draws
    assert "view" not in entry.traits
    whole = patches(crop=8)
    assert torch.equal(whole(image(), draws=drawn(whole, 2)), patches()(image()))


@pytest.mark.parametrize("config", [{}, {"crop": 5}])
def test_the_gradient_is_that_of_the_pixels_shown(config: dict[str, int]) -> None:
    module, picture = patches(**config), image(1).requires_grad_()
    draws = {"draws": drawn(module, 1)} if config else {}
    made = module(picture, **draws)
    (gradient,) = torch.autograd.grad(made.sum(), picture)
    shown = torch.zeros(1, 3, 32, 32)
    for i in range(7):
        for j in range(7):
            top, left = draws["draws"][0, i, j].tolist() if config else (0, 0)
            side = config.get("crop", 8)
            shown[:, :, 4 * i + top : 4 * i + top + side, 4 * j + left : 4 * j + left + side] += 1
    assert torch.equal(gradient, shown)


# -- what is refused -----------------------------------------------------------------------------------------


def test_images_smaller_than_a_patch() -> None:
    with pytest.raises(
        ValueError, match="images of 32 x 32 px have no patch of 64 px; size: 8, stride: 4 are CPC's 7 x 7"
    ):
        patches(size=64, stride=32)


def test_images_of_another_size() -> None:
    with pytest.raises(ValueError, match="the images are 32 x 28, and were to be 32 x 32 px"):
        patches()(image(2, 32, 28))
    with pytest.raises(Unbound):
        build(find("augment.patches"), sizes=Sizes({"y": 64}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 8, "stride": 4, "crop": 9}, "crop is 9, and a patch is 8 px"),
        ({"stride": 0}, "'stride' is 0; it should be greater than 0"),
        ({"crop": 0}, "'crop' is 0; it should be greater than 0"),
    ],
)
def test_config(values: dict[str, int], message: str) -> None:
    _, (wrong,) = validate(find("augment.patches").config, values)
    assert wrong.message == message
