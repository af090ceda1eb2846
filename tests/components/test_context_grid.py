"""Maps as grids, grids as vectors, and pairs of positions: exact values, gradients, orders and draws."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import CPU
from torch import Tensor

from graphssl.component import Sizes, build, find


def node(name: str, **config: Any) -> Any:
    return build(find(f"context.{name}"), **config)


def grid(b: int = 2, r: int = 3, k: int = 4, d: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(b, r, k, d, generator=torch.Generator().manual_seed(seed))


# -- positions, pool, join -----------------------------------------------------------------------------------


def test_positions_are_a_view() -> None:
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(2, 5, 3, 4).contiguous(memory_format=layout)
        y = node("positions")(x)
        assert y.shape == (2, 3, 4, 5)
        assert torch.equal(y[1, 2, 3], x[1, :, 2, 3])
        assert y.data_ptr() == x.data_ptr()
        x.zero_()
        assert not y.any()


def test_pool_is_the_mean_over_the_positions() -> None:
    x = grid().double().requires_grad_()
    y = node("pool")(x)
    for i in range(2):
        torch.testing.assert_close(y[i], sum(x[i, r, k] for r in range(3) for k in range(4)) / 12)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient, torch.full_like(gradient, 1 / 12))
    large = torch.full((1, 7, 7, 2), 3e4, dtype=torch.float16)
    assert torch.equal(node("pool")(large), large[:, 0, 0])


def test_join_keeps_the_order() -> None:
    x, y, z = torch.randn(2, 3), torch.randn(2, 1), torch.randn(2, 2)
    joined = node("join")(x, y, z)
    assert torch.equal(joined[:, :3], x)
    assert torch.equal(joined[:, 3:4], y)
    assert torch.equal(joined[:, 4:], z)
    assert torch.equal(node("join")(x, y), joined[:, :4])
    assert node("join")(x.bfloat16(), y).dtype == torch.float32


# -- pick ----------------------------------------------------------------------------------------------------


def drawn(module: Any, b: int, seed: int = 0) -> Tensor:
    draws: Tensor = module.draw(b, torch.Generator().manual_seed(seed), CPU)
    return draws


def test_pick_takes_one_position_of_each_sample() -> None:
    module, x = node("pick"), grid(b=50)
    draws = drawn(module, 50)
    y = module(x, draws=draws)
    for i in range(50):
        place = int(draws[i]) % 12
        assert torch.equal(y[i], x[i, place // 4, place % 4])
    assert not torch.equal(y, module(x, draws=drawn(module, 50, 1)))


def test_all_positions_are_equally_likely() -> None:
    where = torch.arange(12.0).view(1, 3, 4, 1).expand(12_000, -1, -1, -1)
    module = node("pick")
    counts = module(where, draws=drawn(module, 12_000)).flatten().long().bincount(minlength=12)
    assert (counts - 1000).abs().max() < 5 * 1000**0.5


def test_one_node_for_grids_of_several_sizes() -> None:
    module = node("pick")
    for r, k in [(1, 1), (5, 5), (7, 7)]:
        assert module(grid(4, r, k), draws=drawn(module, 4)).shape == (4, 5)


def test_pick_takes_the_middle_in_eval_mode() -> None:
    for r, k, middle in [(5, 5, (2, 2)), (4, 3, (2, 1)), (1, 1, (0, 0))]:
        module, x = node("pick").eval(), grid(3, r, k)
        assert torch.equal(module(x), x[:, *middle])
        assert torch.equal(module(x, draws=drawn(module, 3)), x[:, *middle])


def test_the_gradient_goes_where_it_was_picked() -> None:
    module, x = node("pick"), grid().requires_grad_()
    draws = torch.tensor([0, 11])
    (gradient,) = torch.autograd.grad(module(x, draws=draws).sum(), x)
    expected = torch.zeros(2, 3, 4, 5)
    expected[0, 0, 0], expected[1, 2, 3] = 1, 1
    assert torch.equal(gradient, expected)


# -- offset --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2])
def test_offset_pairs_a_context_with_what_lies_below(rows: int) -> None:
    context, z = grid(d=6, seed=1), grid()
    pairs = node("offset", rows=rows)(context, z)
    expected = [(context[b, i, j], z[b, i + rows, j]) for b in range(2) for i in range(3 - rows) for j in range(4)]
    assert torch.equal(pairs.query, torch.stack([q for q, _ in expected]))
    assert torch.equal(pairs.key, torch.stack([k for _, k in expected]))


@pytest.mark.parametrize(("toward", "step"), [("down", (1, 0)), ("up", (-1, 0)), ("right", (0, 1)), ("left", (0, -1))])
@pytest.mark.parametrize("rows", [1, 2])
def test_offset_pairs_a_context_with_what_lies_that_way(toward: str, step: tuple[int, int], rows: int) -> None:
    context, z = grid(d=6, seed=1), grid()
    pairs = node("offset", rows=rows, toward=toward)(context, z)
    expected = {
        (tuple(context[b, i, j].tolist()), tuple(z[b, y, x].tolist()))
        for b in range(2) for i in range(3) for j in range(4)
        if 0 <= (y := i + rows * step[0]) < 3 and 0 <= (x := j + rows * step[1]) < 4
    }  # fmt: skip
    found = list(zip(map(tuple, pairs.query.tolist()), map(tuple, pairs.key.tolist()), strict=True))
    assert len(found) == len(expected)
    assert set(found) == expected


@pytest.mark.parametrize(
    ("toward", "words"), [("up", "3 rows above in a grid of 3"), ("right", "4 columns right of in a grid of 4")]
)
def test_nothing_lies_beyond_the_border(toward: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"there is nothing {words}: rows is at most"):
        node("offset", rows=3 if toward == "up" else 4, toward=toward)(grid(), grid())


@pytest.mark.parametrize("toward", ["down", "up", "right", "left"])
def test_a_context_sees_nothing_of_what_lies_that_way(toward: str) -> None:
    """Only its own line and those on the other side."""
    module = build(find("context.masked_conv"), sizes=Sizes({"d": 4}), hidden=16, layers=3, toward=toward).double()
    x = torch.randn(8, 5, 6, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(module(x)[:, 2, 3].sum(), x)
    seen = gradient.abs().sum((0, 3)) > 0
    hidden = {"down": seen[3:], "up": seen[:2], "right": seen[:, 4:], "left": seen[:, :3]}[toward]
    assert not hidden.any()
    assert seen[2, 3]
    assert seen.sum() > 6


def test_offset_of_a_batch_is_that_of_its_parts() -> None:
    """So views that are joined along the batch may be parted again."""
    context, z = grid(4, seed=1), grid(4)
    module = node("offset")
    whole, halves = module(context, z), [module(c, y) for c, y in zip(context.chunk(2), z.chunk(2), strict=True)]
    for one, *two in zip(whole, *halves, strict=True):
        assert torch.equal(one, torch.cat(two))


@pytest.mark.parametrize("rows", [3, 4, 100])
def test_nothing_lies_below_the_last_row(rows: int) -> None:
    with pytest.raises(ValueError, match=f"there is nothing {rows} rows below in a grid of 3: rows is at most 2"):
        node("offset", rows=rows)(grid(), grid())


def test_a_grid_of_one_row_has_no_pairs() -> None:
    with pytest.raises(ValueError, match="a grid of one row has nothing below it"):
        node("offset")(grid(r=1), grid(r=1))
