"""The queue against a list that grows at one end: every offset, every batch size, over the end and past a turn."""

from __future__ import annotations

import copy

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from graphssl.component import Sizes, Unbound, build
from graphssl.components.critic import Cosine
from graphssl.components.negatives import Queue
from graphssl.components.objective import InfoNCE

D = 3


def queue(size: int = 7) -> Queue:
    torch.manual_seed(0)
    node = build(Queue, sizes=Sizes({"d": D}), size=size)
    assert isinstance(node, Queue)
    return node


def keys(start: int, b: int) -> Tensor:
    """b keys that tell their number."""
    return torch.arange(start, start + b, dtype=torch.float32)[:, None].expand(b, D) + 0.5


@torch.no_grad()
def push(node: Queue, key: Tensor) -> None:
    node.push(key)


@pytest.mark.parametrize("b", [1, 2, 3, 6, 7, 8, 13, 14, 15, 30])
@pytest.mark.parametrize("offset", range(7))
def test_the_ring_holds_the_last_keys_at_their_places(offset: int, b: int) -> None:
    node = queue()
    ring = list(node.keys.clone())
    head, number = 0, 0
    for count in (offset, b, b):
        if count:
            push(node, keys(number, count))
        for key in keys(number, count):  # one by one: the plain meaning of a ring
            ring[head] = key
            head = (head + 1) % 7
        number += count
        assert torch.equal(node.keys, torch.stack(ring))
        assert int(node.head) == head


@pytest.mark.parametrize("b", [1, 6, 7, 8, 30])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_skipped_step_leaves_the_ring_and_its_head(b: int, dtype: torch.dtype) -> None:
    node, other = queue(), queue()
    push(node, keys(0, 5)), push(other, keys(0, 5))
    before = copy.deepcopy(node.state_dict())
    node.skipped = torch.tensor(True)
    push(node, keys(5, b).to(dtype).fill_(float("nan")))
    assert all(torch.equal(v, before[k]) for k, v in node.state_dict().items())
    node.skipped = torch.tensor(False)
    push(node, keys(5, b).to(dtype)), push(other, keys(5, b).to(dtype))
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in node.state_dict().items())


def test_the_oldest_keys_leave_first() -> None:
    node = queue(6)
    for start in range(0, 40, 4):
        push(node, keys(start, 4))
        held = set(node.keys[:, 0].tolist())
        newest = {k + 0.5 for k in range(max(start + 4 - 6, 0), start + 4)}
        assert newest <= held


def test_it_starts_with_random_unit_vectors() -> None:
    torch.manual_seed(0)
    node = build(Queue, sizes=Sizes({"d": 16}), size=2000)
    torch.testing.assert_close(node.keys.norm(dim=1), torch.ones(2000))
    assert node.keys.mean(0).abs().max() < 0.03
    assert not torch.equal(node.keys[0], node.keys[1])
    assert int(node.head) == 0
    assert node.head.dtype == torch.int64


def test_reading_changes_nothing_and_gives_all_keys() -> None:
    node = queue()
    before = copy.deepcopy(node.state_dict())
    given = node()
    assert torch.equal(given.entries, before["keys"])
    assert given.pick is None
    assert given.mask is None
    assert all(torch.equal(before[k], v) for k, v in node.state_dict().items())


def test_state_is_in_the_state_dict_and_resumes() -> None:
    one, two = queue(), build(Queue, sizes=Sizes({"d": D}), size=7)
    assert set(one.state_dict()) == {"keys", "head"}
    push(one, keys(0, 5))
    two.load_state_dict(one.state_dict())
    for node in (one, two):
        push(node, keys(5, 5))
    assert torch.equal(one.keys, two.keys)
    assert torch.equal(one.head, two.head)


def test_a_push_after_the_backward_pass_spoils_no_gradient() -> None:
    node, critic, objective = queue(), build(Cosine, temperature=0.2), build(InfoNCE)
    fresh = queue()
    query = torch.randn(4, D, requires_grad=True)
    key = torch.randn(4, D)
    (expected,) = torch.autograd.grad(objective(critic(query, key, fresh())), query)
    (gradient,) = torch.autograd.grad(objective(critic(query, key, node())), query)
    push(node, key)
    assert torch.equal(gradient, expected)
    objective(critic(query, key, node())).backward()  # and the next step reads the new state
    assert torch.equal(node.keys[:4], key)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_keys_of_another_type_are_cast(dtype: torch.dtype) -> None:
    node = queue()
    key = torch.randn(9, D).to(dtype)
    push(node, key)
    assert node.keys.dtype == torch.float32
    assert torch.equal(node.keys[2:], key[2:7].float())
    assert torch.equal(node.keys[:2], key[7:].float())


def test_keys_are_stored_as_they_come() -> None:
    node = queue()
    push(node, 5 * torch.ones(2, D))
    assert (node.keys[:2] == 5).all()


def test_nothing_of_the_graph_of_a_key_is_held() -> None:
    node = queue()
    push(node, torch.randn(2, D, requires_grad=True) * 2)
    assert not node.keys.requires_grad


def test_it_waits_for_the_size_of_its_keys() -> None:
    with pytest.raises(Unbound):
        build(Queue, sizes=Sizes())
    with torch.device("meta"):
        assert build(Queue, sizes=Sizes({"d": 128})).keys.shape == (65536, 128)


@pytest.mark.parametrize("size", [0, -1, "many", 1.5])
def test_wrong_sizes_are_refused(size: object) -> None:
    with pytest.raises(ValidationError):
        Queue.Config(size=size)  # type: ignore[arg-type]
