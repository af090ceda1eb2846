"""Histograms of oriented gradients, pixel by pixel; and the assignments and the spread that MSN adds."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from masked_parts import vit
from torch import Tensor, nn

from graphssl.component import build
from graphssl.components.objective import MeanEntropy
from graphssl.components.target import HOG, Sinkhorn


def histogram(picture: Tensor, patch: int, row: int, column: int, cells: int) -> Tensor:
    """Of one patch of a picture `c h w`, as MaskFeat's code: channels, orientations, rows and columns of cells."""
    c, h, w = picture.shape
    found = torch.zeros(c, 9, cells, cells, dtype=torch.float64)

    def at(i: int, y: int, x: int) -> float:
        y, x = (n - 1 - abs(n - 1 - abs(v)) for v, n in ((y, h), (x, w)))  # reflected
        return float(picture[i, y, x])

    def gauss(v: int) -> float:
        return math.exp(-0.5 * ((v - (patch - 1) / 2) / (patch / 2)) ** 2)

    total = sum(gauss(v) for v in range(patch)) ** 2
    for i in range(c):
        for v in range(patch):
            for u in range(patch):
                y, x = row * patch + v, column * patch + u
                across = sum(k * (at(i, y + d, x - 1) - at(i, y + d, x + 1)) for d, k in ((-1, 1), (0, 2), (1, 1)))
                down = sum(k * (at(i, y - 1, x + d) - at(i, y + 1, x + d)) for d, k in ((-1, 1), (0, 2), (1, 1)))
                place = math.floor(math.atan2(across, down) / math.pi * 9) % 9
                size = math.hypot(across, down) * gauss(v) * gauss(u) / total
                found[i, place, v * cells // patch, u * cells // patch] += size
    return found / found.square().sum(1, keepdim=True).sqrt().clamp(min=1e-12)


@pytest.mark.parametrize("cells", [1, 2])
def test_histograms_of_patches(cells: int) -> None:
    image = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = build(HOG, sources={"of": vit()}, of="encoder", cells=cells)(image)
    assert found.shape == (2, 16, 27 * cells**2)
    for i, row, column in ((0, 0, 0), (0, 3, 2), (1, 1, 3)):
        expected = histogram(image[i], 4, row, column, cells).flatten()
        torch.testing.assert_close(found[i, 4 * row + column], expected, atol=1e-6, rtol=1e-6)  # the window is float32


def test_a_plain_picture_has_no_gradient() -> None:
    assert not build(HOG, sources={"of": vit()}, of="encoder")(torch.ones(1, 3, 16, 16)).any()


def test_cells_part_a_patch() -> None:
    with pytest.raises(ValueError, match="a patch of 4 px does not part into 3 cells a side"):
        build(HOG, sources={"of": vit()}, of="encoder", cells=3)


def test_the_spread_of_predictions() -> None:
    """MSN, equation 2: log p less the entropy of the mean over a batch and its views."""
    one, two = torch.randn(2, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = build(MeanEntropy, temperature=0.5)((one, two))
    rows = [(row / 0.5).exp() / (row / 0.5).exp().sum() for row in (*one, *two)]
    mean = sum(rows) / 10
    expected: Any = math.log(7) + sum(p * p.log() for p in mean)
    torch.testing.assert_close(found, expected)
    for a, b in zip(torch.autograd.grad(found, (one, two)), torch.autograd.grad(expected, (one, two)), strict=True):
        torch.testing.assert_close(a, b)


def test_the_spread_at_its_ends() -> None:
    logits = 100 * torch.eye(4)
    assert float(build(MeanEntropy)((logits,))) == pytest.approx(0, abs=1e-6)
    assert float(build(MeanEntropy)((logits[:1].expand(4, 4),))) == pytest.approx(math.log(4))


def test_assignments_from_shares_are_msns() -> None:
    """Its code: softmax of the cosines over 0.1, sharpened by 0.25, then each prototype's sum to 1 / p, each row's to 1."""
    scores = torch.rand(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5
    share = (scores / 0.1).softmax(1) ** 4
    q: Tensor = share / share.sum(1, keepdim=True)
    q = q / q.sum()
    for _ in range(3):
        q = q / q.sum(0, keepdim=True) / 4
        q = q / q.sum(1, keepdim=True) / 6
    module: nn.Module = build(Sinkhorn, epsilon=0.025, rows_first=True)
    torch.testing.assert_close(module(scores), q * 6)
