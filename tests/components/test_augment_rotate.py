"""Turned views: each is what torch.rot90 makes, its label says how often, and every turn comes as often as it should."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import CPU
from torch import Tensor

from graphssl.component import Sizes, build, find


def rotate(y: int = 6, x: int = 6, **config: Any) -> Any:
    return build(find("augment.rotate"), sizes=Sizes({"y": y, "x": x, "c": 3}), **config)


def image(b: int = 5, side: int = 6) -> Tensor:
    return torch.randn(b, 3, side, side, generator=torch.Generator().manual_seed(0))


def drawn(module: Any, b: int, seed: int = 0) -> Tensor:
    draws: Tensor = module.draw(b, torch.Generator().manual_seed(seed), CPU)
    return draws


@pytest.mark.parametrize("views", [1, 2, 4])
def test_each_view_is_turned_as_its_label_says(views: int) -> None:
    module, pictures = rotate(views=views), image()
    made = module(pictures, drawn(module, len(pictures)))
    assert len(made.view) == len(made.label) == views
    for view, label in zip(made.view, made.label, strict=True):
        assert label.dtype == torch.int64
        for turned, quarters, picture in zip(view, label.tolist(), pictures, strict=True):
            assert torch.equal(turned, torch.rot90(picture, quarters, (1, 2)))


def test_a_quarter_turns_against_the_clock() -> None:
    """As the authors' 90 degrees: the right column comes to lie on top."""
    corner = torch.zeros(1, 3, 6, 6)
    corner[..., 0, 5] = 1  # top right
    (view,), _ = rotate(views=1)(corner, torch.tensor([[1]]))
    assert view[0, 0].nonzero().tolist() == [[0, 0]]  # top left


def test_an_image_is_there_in_all_its_turns() -> None:
    labels = torch.stack(rotate()(image(64), drawn(rotate(), 64)).label)
    assert torch.equal(labels.sort(0).values, torch.arange(4)[:, None].expand(4, 64))


@pytest.mark.parametrize("views", [1, 3])
def test_every_turn_is_as_likely(views: int) -> None:
    draws = drawn(rotate(views=views), 20_000)
    shares = torch.stack([(draws == q).double().mean(0) for q in range(4)])
    assert (shares - 0.25).abs().max() < 4 * (0.25 * 0.75 / 20_000) ** 0.5  # four standard deviations


def test_no_image_has_the_same_turn_twice() -> None:
    draws = drawn(rotate(views=3), 500).sort(1).values
    assert (draws.diff(dim=1) > 0).all()


def test_views_that_are_no_squares_are_refused() -> None:
    with pytest.raises(ValueError, match="a quarter turn needs squares, and these views are 6 x 8"):
        rotate(6, 8)


def test_a_gradient_comes_back_turned() -> None:
    pictures = image(3).double().requires_grad_()
    (view,), (label,) = rotate(views=1)(pictures, torch.tensor([[1], [2], [3]]))
    weights = torch.randn(3, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (view * weights).sum().backward()
    assert pictures.grad is not None
    for i, quarters in enumerate(label.tolist()):
        assert torch.equal(pictures.grad[i], torch.rot90(weights[i], -quarters, (1, 2)))
