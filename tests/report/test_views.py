"""The picture of augmented views: the right pixels at the right places."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from graphssl.report import views_grid
from graphssl.report.views import GAP, SIDE

MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)
Color = tuple[int, int, int]


def pixels(png: bytes) -> np.ndarray:
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    assert picture.mode == "RGB"
    return np.asarray(picture)


def normalised(colors: Tensor) -> Tensor:
    """From colours of 0 to 1, `b 3 h w`, to what a view holds."""
    return (colors - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def plain(color: Color, size: int, samples: int = 1) -> Tensor:
    return normalised((torch.tensor(color) / 255).view(1, 3, 1, 1).expand(samples, 3, size, size))


def place(row: int, column: int, side: int, scale: int) -> tuple[slice, slice]:
    """Where a picture of `side` pixels stands, all being of that size."""
    step = (side + GAP) * scale
    y, x = GAP * scale + row * step, GAP * scale + column * step
    return slice(y, y + side * scale), slice(x, x + side * scale)


def test_one_view_of_one_sample() -> None:
    grid = pixels(views_grid((plain((10, 200, 30), 32),), MEAN, STD))
    scale = SIDE // 32
    assert grid.shape == ((32 + 2 * GAP) * scale, (32 + 2 * GAP) * scale, 3)
    assert (grid[place(0, 0, 32, scale)] == (10, 200, 30)).all()
    assert (grid[: GAP * scale] == 255).all()
    assert (grid[:, -GAP * scale :] == 255).all()


def test_rows_are_samples_and_columns_are_views() -> None:
    colors = [[(255, 0, 0), (0, 255, 0), (0, 0, 255)], [(1, 2, 3), (120, 130, 140), (255, 255, 0)]]
    views = tuple(torch.cat([plain(colors[i][j], 96) for i in range(2)]) for j in range(3))
    grid = pixels(views_grid(views, MEAN, STD))
    assert grid.shape == (2 * 100 + GAP, 3 * 100 + GAP, 3)
    for i in range(2):
        for j in range(3):
            assert (grid[place(i, j, 96, 1)] == colors[i][j]).all(), (i, j)


def test_every_pixel_of_a_small_image_becomes_a_square() -> None:
    generator = torch.Generator().manual_seed(0)
    colors = torch.randint(0, 256, (2, 3, 32, 32), generator=generator)
    grid = pixels(views_grid((normalised(colors / 255),), MEAN, STD))
    for i in range(2):
        found = grid[place(i, 0, 32, 3)]
        expected = colors[i].permute(1, 2, 0).numpy().repeat(3, 0).repeat(3, 1)
        assert np.array_equal(found, expected)


def test_views_of_other_sizes_stand_in_the_middle_at_the_same_scale() -> None:
    grid = pixels(views_grid((plain((255, 0, 0), 32), plain((0, 0, 255), 16)), MEAN, STD))
    scale = 3
    where = place(0, 1, 32, scale)
    cell = grid[where]
    inner = slice(8 * scale, 24 * scale)
    assert (cell[inner, inner] == (0, 0, 255)).all()
    outside = cell.copy()
    outside[inner, inner] = 255
    assert (outside == 255).all()
    assert (grid[place(0, 0, 32, scale)] == (255, 0, 0)).all()


def test_views_need_not_be_square() -> None:
    wide = plain((9, 9, 9), 40).expand(1, 3, 40, 40)[:, :, :20]
    grid = pixels(views_grid((wide,), MEAN, STD))
    assert grid.shape == ((20 + 2 * GAP) * 3, (40 + 2 * GAP) * 3, 3)
    assert (grid == 9).all(axis=2).sum() == 20 * 40 * 9


def test_large_images_keep_their_size() -> None:
    grid = pixels(views_grid((plain((5, 5, 5), 224),), MEAN, STD))
    assert grid.shape == (224 + 2 * GAP, 224 + 2 * GAP, 3)


def test_values_outside_of_the_range_are_clamped() -> None:
    colors = torch.tensor([1.7, -0.4, 0.5]).view(1, 3, 1, 1).expand(1, 3, 96, 96)
    grid = pixels(views_grid((normalised(colors),), MEAN, STD))
    assert (grid[place(0, 0, 96, 1)] == (255, 0, 128)).all()


def test_what_is_not_a_number_is_black() -> None:
    colors = torch.full((1, 3, 96, 96), float("nan"))
    assert (pixels(views_grid((colors,), MEAN, STD))[place(0, 0, 96, 1)] == 0).all()


def test_one_channel_is_grey() -> None:
    view = torch.full((1, 1, 96, 96), (0.25 - 0.5) / 0.5)
    assert (pixels(views_grid((view,), (0.5,), (0.5,)))[place(0, 0, 96, 1)] == 64).all()


def test_other_channels_than_those_of_the_statistics_are_shown_in_grey_from_least_to_greatest() -> None:
    view = torch.zeros(1, 2, 96, 96)
    view[:, :, 48:] = -7.0
    grid = pixels(views_grid((view,), MEAN, STD))[place(0, 0, 96, 1)]
    assert (grid[:48] == 255).all()
    assert (grid[48:] == 0).all()


@pytest.mark.parametrize("cast", [Tensor.half, Tensor.bfloat16, Tensor.double, lambda t: t.clone().requires_grad_()])
def test_any_float_type_will_do(cast: Callable[[Tensor], Tensor]) -> None:
    grid = pixels(views_grid((cast(plain((255, 128, 0), 96)),), MEAN, STD))
    assert abs(grid[place(0, 0, 96, 1)].astype(int) - (255, 128, 0)).max() <= 1


def test_the_views_are_not_changed_and_the_picture_is_always_the_same() -> None:
    views = (plain((1, 2, 3), 32), plain((4, 5, 6), 16))
    before = [v.clone() for v in views]
    assert views_grid(views, MEAN, STD) == views_grid(views, MEAN, STD)
    assert all(torch.equal(a, b) for a, b in zip(views, before, strict=True))


@pytest.mark.parametrize("views", [(), (torch.zeros(0, 3, 8, 8),)])
def test_nothing_to_show(views: tuple[Tensor, ...]) -> None:
    with pytest.raises(ValueError, match="no views"):
        views_grid(views, MEAN, STD)
