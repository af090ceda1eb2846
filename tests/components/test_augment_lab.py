"""L*a*b* against the formulas in float64, pixel by pixel, and against colours that are known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from lab_colours import formula, scaled
from torch import Tensor

from graphssl.component import DataFacts, Sizes, build, find

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def lab() -> Any:
    return build(find("augment.lab"), None, Sizes({"y": 4, "x": 4}, DataFacts(mean=MEAN, std=STD)))


def normalised(rgb: Tensor) -> Tensor:
    """Images `b 3 y x`, 0 to 1, as an augmentation gives them."""
    shape = (3, 1, 1)
    return (rgb - rgb.new_tensor(MEAN).view(shape)) / rgb.new_tensor(STD).view(shape)


def pixels(*colours: tuple[float, ...]) -> Tensor:
    """One image, one row, a colour in each column."""
    return torch.tensor(colours, dtype=torch.float64).T[None, :, None, :]


@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_every_pixel_has_its_value(dtype: torch.dtype, error: float) -> None:
    rgb = torch.rand(2, 3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rgb[0] *= 0.05  # near black both formulas have a line
    parts = lab()(normalised(rgb).to(dtype))
    assert (parts.l.shape, parts.ab.shape) == ((2, 1, 5, 4), (2, 2, 5, 4))
    assert parts.l.dtype == parts.ab.dtype == dtype
    made = torch.cat(parts, 1).double()
    for i in range(2):
        for y in range(5):
            for x in range(4):
                expected = scaled(formula(rgb[i, :, y, x].tolist()))
                torch.testing.assert_close(made[i, :, y, x].tolist(), expected, rtol=0, atol=error)


@pytest.mark.parametrize(
    ("rgb", "known"),
    [
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.74, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.20, -107.86)),
        ((1, 1, 0), (97.14, -21.55, 94.48)),
        ((1, 0, 1), (60.32, 98.23, -60.83)),
    ],
)
def test_known_colours(rgb: tuple[float, ...], known: tuple[float, float, float]) -> None:
    made = torch.cat(lab()(normalised(pixels(rgb))), 1).flatten().tolist()
    torch.testing.assert_close(made, scaled(known), rtol=0, atol=3e-4)


def test_what_srgb_has_fills_the_range() -> None:
    corners = [(i, j, k) for i in (0.0, 1.0) for j in (0.0, 1.0) for k in (0.0, 1.0)]
    made = torch.cat(lab()(normalised(pixels(*corners))), 1)[0, :, 0]
    torch.testing.assert_close(made.amin(1), -torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-4)
    torch.testing.assert_close(made.amax(1), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-4)


def test_grey_has_no_colour() -> None:
    level = torch.linspace(0, 1, 11, dtype=torch.float64).view(1, 1, 1, -1).expand(1, 3, 1, -1)
    parts = lab()(normalised(level))
    assert (parts.l.diff(dim=3) > 0).all()
    expected = torch.tensor(scaled((0, 0, 0))[1:], dtype=torch.float64).view(1, 2, 1, 1).expand_as(parts.ab)
    torch.testing.assert_close(parts.ab, expected, rtol=0, atol=1e-3)


def test_what_lies_outside_is_clamped() -> None:
    inside = lab()(normalised(pixels((0, 0.5, 1), (1, 0, 0))))
    outside = lab()(normalised(pixels((-0.3, 0.5, 1.2), (7, -2, -1e-9))))
    for one, two in zip(inside, outside, strict=True):
        torch.testing.assert_close(one, two)
    assert all(part.isfinite().all() for part in lab()(normalised(pixels((math.inf, -math.inf, 1e30)))))


def test_the_gradient() -> None:
    """Against finite differences where the formulas are smooth; finite everywhere, zero where clamped."""
    x = normalised(0.02 + 0.9 * torch.rand(1, 3, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    assert torch.autograd.gradcheck(lambda t: torch.cat(lab()(t), 1), x.requires_grad_())
    # With these statistics black is exactly 0 again.
    plain = build(find("augment.lab"), None, Sizes({}, DataFacts(mean=(0.5,) * 3, std=(0.25,) * 3)))
    hard = ((pixels((0, 0, 0), (1, 1, 1), (0.04045,) * 3, (-1, 2, 0.5)) - 0.5) / 0.25).requires_grad_()
    (gradient,) = torch.autograd.grad(torch.cat(plain(hard), 1).sum(), hard)
    assert gradient.isfinite().all()
    assert not gradient[0, :2, 0, 3].any()
    assert gradient[0, 2, 0, 3] != 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_made_wide_first(dtype: torch.dtype) -> None:
    image = normalised(torch.rand(2, 3, 4, 4)).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        parts = lab()(image)
    for one, two in zip(parts, lab()(image.float()), strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, two)


def test_it_is_no_maker_of_views() -> None:
    """What makes views gets uint8 and normalises; this gets what they made."""
    assert "view" not in find("augment.lab").traits
