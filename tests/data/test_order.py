"""The order of epochs, and which samples are held out: of seed, epoch and names alone."""

from __future__ import annotations

import torch
from picture_files import digits, same

from graphssl.data.order import held_out, permutation, windowed


def test_order_depends_on_seed_and_epoch_alone() -> None:
    torch.manual_seed(1)
    first = list(digits(batch=200, seed=3).train.epoch(4))
    torch.manual_seed(2)
    other = digits(batch=200, seed=3)
    list(other.train.epoch(0))
    assert same(first, list(other.train.epoch(4)))
    assert not same(first, list(digits(batch=200, seed=4).train.epoch(4)))
    assert not torch.equal(permutation(50, 1, 2), permutation(50, 2, 1))


def test_order_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    list(digits(batch=200).train.epoch(0))
    assert torch.equal(before, torch.get_rng_state())


def test_held_out_names_do_not_depend_on_their_order() -> None:
    names = [f"{i}.jpg" for i in range(50)]
    chosen = held_out(names, 5)
    assert chosen == held_out(reversed(names), 5)
    assert len(chosen) == 5
    assert chosen <= set(names)


def test_a_window_mixes_so_many_shards_at_a_time() -> None:
    shard = torch.arange(40).repeat_interleave(100)
    order = windowed(shard, 4, 0, 0)
    assert torch.equal(order.sort().values, torch.arange(4000))
    for start in range(0, 4000, 100):
        assert 4 <= len(shard[order[start : start + 100]].unique()) <= 6, "also where the epoch begins and ends"
    spans = [(shard[order] == s).nonzero().flatten() for s in range(40)]
    assert sum(int(at[-1] - at[0]) > 600 for at in spans) <= 4, "but for those that go round the ring"


def test_a_window_of_all_shards_is_any_order() -> None:
    shard = torch.arange(3).repeat_interleave(50)
    assert torch.equal(windowed(shard, 3, 1, 2), permutation(150, 1, 2))
    assert windowed(shard[:0], 3, 0, 0).tolist() == []


def test_a_windows_order_depends_on_seed_and_epoch_alone() -> None:
    shard = torch.arange(9).repeat_interleave(7)
    before = torch.get_rng_state()
    orders = {(s, e): windowed(shard, 2, s, e) for s in range(2) for e in range(2)}
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(order, windowed(shard, 2, *key)) for key, order in orders.items())
    assert len({str(order.tolist()) for order in orders.values()}) == 4
