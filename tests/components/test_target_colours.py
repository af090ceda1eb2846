"""Colours as codes over bins, and the weights of rare ones, against the paper's formulas in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from lab_colours import formula, scaled
from torch import Tensor

from graphssl.component import Sizes, build, find


def bins(**config: Any) -> Any:
    return build(find("target.colour_bins"), sizes=Sizes({"y": 4, "x": 6}), **config)


def image(colours: list[tuple[float, float]]) -> Tensor:
    """ab in units of L*a*b*, as augment.lab scales it: one row, a colour in each column."""
    made = [scaled((50.0, a, b))[1:] for a, b in colours]
    return torch.tensor(made, dtype=torch.float64).T[None, :, None, :]


# -- target.colour_bins --------------------------------------------------------------------------------------


def test_bins_are_those_that_colours_come_to_lie_in() -> None:
    found = {tuple(one) for one in bins().bins.tolist()}
    assert len(found) == 261
    generator = torch.Generator().manual_seed(0)
    for rgb in torch.rand(400, 3, generator=generator, dtype=torch.float64).tolist():
        _, a, b = formula(rgb)
        assert (round(a / 10) * 10, round(b / 10) * 10) in found
    for corner in ([1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 0]):
        _, a, b = formula([float(one) for one in corner])
        assert (round(a / 10) * 10, round(b / 10) * 10) in found
    assert (110.0, 110.0) not in found


@pytest.mark.parametrize(("nearest", "sigma"), [(5, 5.0), (10, 5.0), (1, 2.0)])
def test_a_colour_is_coded_by_its_nearest_bins(nearest: int, sigma: float) -> None:
    colours = [(0.0, 0.0), (3.0, -4.0), (52.3, 41.9), (-31.0, 18.2)]
    module = bins(stride=1, nearest=nearest, sigma=sigma)
    code = module(image(colours))
    assert code.dtype == torch.float64
    for (a, b), row in zip(colours, code[0, 0], strict=True):
        squares = [(a - p) ** 2 + (b - q) ** 2 for p, q in module.bins.tolist()]
        near = sorted(range(len(squares)), key=squares.__getitem__)[:nearest]
        weights = {i: math.exp(-squares[i] / (2 * sigma**2)) for i in near}
        if len({squares[i] for i in near}) == nearest:  # no two as near, of which either may be taken
            expected = torch.zeros_like(row)
            for i, weight in weights.items():
                expected[i] = weight / sum(weights.values())
            torch.testing.assert_close(row, expected, rtol=1e-9, atol=1e-9)
        assert row.sum().item() == pytest.approx(1)
        assert int((row > 0).sum()) == nearest


@pytest.mark.parametrize(("stride", "rows", "columns"), [(1, 5, 7), (2, 3, 4), (4, 2, 2), (8, 1, 1)])
def test_every_so_many_pixels_are_coded(stride: int, rows: int, columns: int) -> None:
    ab = 0.4 * torch.randn(2, 2, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    every, some = bins(stride=1)(ab), bins(stride=stride)(ab)
    assert some.shape == (2, rows, columns, 261)
    assert torch.equal(some, every[:, ::stride, ::stride])


def test_a_far_colour_has_the_bin_at_the_border() -> None:
    code = bins(stride=1)(torch.full((1, 2, 1, 1), 40.0))
    assert code.isfinite().all()
    assert code.sum().item() == pytest.approx(1)


def test_more_neighbours_than_bins_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a step of 100 leaves \d+ bins, and nearest is 50"):
        bins(step=100, nearest=50)


# -- target.rarity -------------------------------------------------------------------------------------------


def rarity(p: int = 4, **config: Any) -> Any:
    return build(find("target.rarity"), sizes=Sizes({"p": p}), **config)


def codes(b: int = 7, p: int = 4) -> Tensor:
    return torch.softmax(2 * torch.randn(b, p, generator=torch.Generator().manual_seed(0), dtype=torch.float64), 1)


SHARE = [0.7, 0.2, 0.1, 0.0]


@pytest.mark.parametrize("mix", [0.5, 0.1, 1.0])
def test_weights_are_the_papers(mix: float) -> None:
    """Equation 4: w is in proportion to ((1 - lambda) p + lambda / Q)^-1, and its mean under p is 1."""
    module = rarity(mix=mix)
    module.share = torch.tensor(SHARE, dtype=torch.float64)
    raw = [1 / ((1 - mix) * share + mix / 4) for share in SHARE]
    total = sum(share * one for share, one in zip(SHARE, raw, strict=True))
    expected = torch.tensor([raw[row.argmax()] / total for row in codes()], dtype=torch.float64)
    torch.testing.assert_close(module(codes()), expected)


def test_at_first_all_weigh_alike() -> None:
    torch.testing.assert_close(rarity()(codes()), torch.ones(7, dtype=torch.float64))


def test_an_entry_never_seen_has_a_finite_weight_without_a_mix() -> None:
    module = rarity(mix=0.0)
    module.share.copy_(torch.tensor(SHARE))
    assert module(codes(64).float()).isfinite().all()


def test_shares_are_a_moving_average() -> None:
    module, mean = rarity(momentum=0.9), codes().mean(0)
    module.observe(codes())
    expected = 0.9 * 0.25 + 0.1 * mean
    torch.testing.assert_close(module.share.double(), expected, rtol=1e-6, atol=0)
    module.observe(codes())
    torch.testing.assert_close(module.share.double(), 0.9 * expected + 0.1 * mean, rtol=1e-6, atol=0)
    assert module.share.sum().item() == pytest.approx(1)


# -- objective.cross_entropy with weights --------------------------------------------------------------------


def test_weights_are_factors_of_what_samples_cost() -> None:
    """Equation 2 of the paper, position by position."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(7, 4, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.rand(7, generator=generator, dtype=torch.float64)
    ours = build(find("objective.cross_entropy"), sizes=Sizes(), temperature=1.0)(x, codes(), weight=weight)
    theirs = torch.zeros((), dtype=torch.float64)
    for logits, target, factor in zip(x, codes(), weight, strict=True):
        share = torch.exp(logits) / torch.exp(logits).sum()
        theirs = theirs - factor * sum(t * torch.log(s) for t, s in zip(target, share, strict=True)) / 7
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(*(torch.autograd.grad(one, x)[0] for one in (ours, theirs)), rtol=1e-10, atol=1e-13)
