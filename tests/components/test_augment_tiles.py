"""Tiles in another order, two of them side by side, and their channels: what lies where, what the labels say."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from helpers import CPU
from torch import Tensor

from graphssl.component import Sizes, build, find
from graphssl.components.augment.orders import distant_orders, rank


def node(name: str, grid: tuple[int, int] = (3, 3), side: int = 4, **config: Any) -> Any:
    sizes = {"r": grid[0], "k": grid[1], "c": 3, "h": side, "w": side, "y": 12, "x": 12}
    return build(find(name), sizes=Sizes(sizes), **config)


def tiles(b: int = 5, grid: tuple[int, int] = (3, 3), side: int = 4) -> Tensor:
    return torch.randn(b, *grid, 3, side, side, generator=torch.Generator().manual_seed(0))


def drawn(module: Any, b: int, seed: int = 0) -> Any:
    return module.draw(b, torch.Generator().manual_seed(seed), CPU)


# -- orders --------------------------------------------------------------------------------------------------


def hamming(orders: Tensor) -> Tensor:
    """In how many places each two differ."""
    return (orders[:, None] != orders[None]).sum(2)


def test_orders_are_the_algorithm_of_the_paper() -> None:
    """Algorithm 1, plainly: of all orders the one with the largest sum of distances to those that are chosen."""
    every = [list(order) for order in itertools.permutations(range(4))]
    chosen = distant_orders(4, 10, 3).tolist()
    for i in range(1, 10):
        sums = [
            -1
            if order in chosen[:i]
            else sum(sum(a != b for a, b in zip(order, one, strict=True)) for one in chosen[:i])
            for order in every
        ]
        assert chosen[i] == every[sums.index(max(sums))]


@pytest.mark.parametrize(("n", "count"), [(9, 9), (9, 100), (4, 24), (12, 50), (2, 2)])
def test_orders_are_different_and_far_apart(n: int, count: int) -> None:
    orders = distant_orders(n, count, 0)
    assert torch.equal(orders.sort(1).values, torch.arange(n).expand(count, n))
    apart = hamming(orders)[~torch.eye(count, dtype=torch.bool)]
    assert apart.min() >= 2
    at_random = n - 1  # two orders at random agree in one place on average
    assert apart.double().mean() >= at_random
    if count <= n <= 9:
        assert apart.min() == n


def test_orders_are_fixed_by_their_seed() -> None:
    assert torch.equal(distant_orders(9, 20, 1), distant_orders.__wrapped__(9, 20, 1))
    assert not torch.equal(distant_orders(9, 20, 1), distant_orders(9, 20, 2))


def test_more_orders_than_there_are_raise() -> None:
    with pytest.raises(ValueError, match="3 tiles have 6 orders, and 7 are asked for"):
        distant_orders(3, 7, 0)


def test_the_rank_is_the_place_in_a_dictionary() -> None:
    every = torch.tensor(list(itertools.permutations(range(5))))
    assert rank(every).tolist() == list(range(120))
    assert rank(torch.arange(20).flip(0)[None]).item() == math.factorial(20) - 1


# -- augment.rearrange ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("orders", [7, None])
@pytest.mark.parametrize("grid", [(3, 3), (2, 3), (1, 2)])
def test_each_tile_lies_where_the_order_says(grid: tuple[int, int], orders: int | None) -> None:
    n = grid[0] * grid[1]
    orders = None if orders is None else min(orders, math.factorial(n))
    module, given = node("augment.rearrange", grid, orders=orders), tiles(6, grid)
    made = module(given, drawn(module, 6))
    every = list(itertools.permutations(range(n))) if orders is None else module.orders.tolist()
    assert made.label.dtype == torch.int64
    assert module.classes == len(every)
    for view, label, own in zip(made.view, made.label.tolist(), given, strict=True):
        for place, tile in enumerate(every[label]):
            assert torch.equal(view[place // grid[1], place % grid[1]], own[tile // grid[1], tile % grid[1]])


def test_every_order_comes_as_often() -> None:
    shares = torch.bincount(drawn(node("augment.rearrange", orders=5), 20_000), minlength=5) / 20_000
    assert (shares - 0.2).abs().max() < 4 * (0.2 * 0.8 / 20_000) ** 0.5
    places = drawn(node("augment.rearrange", orders=None), 20_000)
    shares = torch.bincount(places[:, 4], minlength=9) / 20_000
    assert (shares - 1 / 9).abs().max() < 4 * (8 / 81 / 20_000) ** 0.5


def test_orders_outlive_the_run_that_chose_them() -> None:
    first, second = node("augment.rearrange", orders=6), node("augment.rearrange", orders=6, seed=1)
    assert not torch.equal(first.orders, second.orders)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.orders, second.orders)


def test_one_node_does_not_write_into_the_orders_of_another() -> None:
    first = node("augment.rearrange", orders=6)
    kept = first.orders.clone()
    node("augment.rearrange", orders=6).orders.zero_()
    assert torch.equal(first.orders, kept)
    assert torch.equal(node("augment.rearrange", orders=6).orders, kept)


@pytest.mark.parametrize(
    ("grid", "orders", "message"),
    [
        ((1, 1), 2, "a grid of one tile has one order"),
        ((2, 2), 1, "greater than or equal to 2"),
        ((2, 2), 25, "4 tiles have 24 orders, and 25 are asked for"),
        ((3, 7), None, "the orders of 21 tiles are too many to be numbered, of 20 at most"),
    ],
)
def test_what_has_no_orders_is_refused(grid: tuple[int, int], orders: int | None, message: str) -> None:
    for device in ("cpu", "meta"):
        with torch.device(device), pytest.raises(ValueError, match=message):
            node("augment.rearrange", grid, orders=orders)


# -- augment.neighbours --------------------------------------------------------------------------------------

SIDES = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


@pytest.mark.parametrize("grid", [(3, 3), (4, 5)])
def test_the_neighbour_lies_on_its_side_of_the_centre(grid: tuple[int, int]) -> None:
    module, given = node("augment.neighbours", grid), tiles(40, grid)
    place, label = drawn(module, 40)
    made = module(given, (place, label))
    assert torch.equal(made.label, label)
    for i, (at, side) in enumerate(zip(place.tolist(), label.tolist(), strict=True)):
        row, column = at // (grid[1] - 2) + 1, at % (grid[1] - 2) + 1
        down, right = SIDES[side]
        assert torch.equal(made.centre[i], given[i, row, column])
        assert torch.equal(made.neighbour[i], given[i, row + down, column + right])


def test_every_centre_and_every_side_comes_as_often() -> None:
    place, label = drawn(node("augment.neighbours", (4, 5)), 20_000)
    for values, n in ((place, 6), (label, 8)):
        shares = torch.bincount(values, minlength=n) / 20_000
        assert len(shares) == n
        assert (shares - 1 / n).abs().max() < 4 * ((n - 1) / n**2 / 20_000) ** 0.5


def test_a_grid_without_a_middle_is_refused() -> None:
    with pytest.raises(ValueError, match="no tile of a grid of 2 x 5 has eight around it"):
        node("augment.neighbours", (2, 5))


# -- augment.channels ----------------------------------------------------------------------------------------


def patches(b: int = 6, side: int = 8) -> Tensor:
    return 2 * torch.randn(b, 3, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.7


def channels(**config: Any) -> Any:
    return node("augment.channels", side=8, **config)


def test_a_patch_has_mean_0_and_deviation_1() -> None:
    made = channels()(patches())
    torch.testing.assert_close(made.mean((2, 3)), torch.zeros(6, 3, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(made.square().mean((1, 2, 3)), torch.ones(6, dtype=torch.float64), atol=1e-4, rtol=0)
    for i, patch in enumerate(patches()):
        own = torch.stack([plane - plane.mean() for plane in patch])
        torch.testing.assert_close(made[i], own / (own.pow(2).mean() + 1e-4).sqrt())


def test_a_flat_patch_is_zero() -> None:
    assert not channels()(torch.full((2, 3, 8, 8), 0.3)).abs().max() > 1e-4


def test_each_channel_moves_by_itself_and_repeats_its_border() -> None:
    module, given = channels(shift=2, standardize=False), patches()
    moves, *rest = drawn(module, 6)
    assert set(moves.flatten().tolist()) <= {-2, -1, 0, 1, 2}
    made = module(given, (moves, *rest))
    for i, j in itertools.product(range(6), range(3)):
        down, right = moves[i, j].tolist()
        for y, x in itertools.product(range(8), range(8)):
            source = given[i, j, min(max(y - down, 0), 7), min(max(x - right, 0), 7)]
            assert made[i, j, y, x] == source


def test_every_move_comes_as_often() -> None:
    moves = drawn(channels(shift=2), 4000)[0].flatten() + 2
    shares = torch.bincount(moves, minlength=5) / len(moves)
    assert (shares - 0.2).abs().max() < 4 * (0.16 / len(moves)) ** 0.5


def test_one_channel_stays_and_the_others_are_faint_noise() -> None:
    module, given = channels(drop=1, standardize=False), patches(300, 8)
    made = module(given, drawn(module, 300))
    stays = (made == given).all(-1).all(-1)
    assert torch.equal(stays.sum(1), torch.ones(300, dtype=torch.int64))
    counts = stays.sum(0) / 300
    assert (counts - 1 / 3).abs().max() < 4 * (2 / 9 / 300) ** 0.5
    kept = given[stays].std((1, 2))
    noise = made[~stays].view(300, 2, 8, 8)
    assert abs((noise / kept.view(-1, 1, 1, 1)).std().item() - 0.01) < 0.0005


def test_some_patches_are_left_as_they_are() -> None:
    module, given = channels(drop=0.25, standardize=False), patches(2000, 8)
    whole = (module(given, drawn(module, 2000)) == given).flatten(1).all(1).double().mean().item()
    assert abs(whole - 0.75) < 4 * (0.1875 / 2000) ** 0.5


def test_nothing_is_drawn_to_judge() -> None:
    module, given = channels(shift=2, drop=1, standardize=False).eval(), patches()
    assert torch.equal(module(given, drawn(module, 6)), given)
    assert torch.equal(module(given), given)


def test_a_move_larger_than_a_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="a move by 8 px leaves nothing of patches of 8 x 8"):
        channels(shift=8)
