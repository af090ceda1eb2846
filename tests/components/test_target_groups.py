"""Groups that move with a batch against SMoG written plainly, embedding by embedding, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from graphssl.component import DataFacts, Sizes, build
from graphssl.components.negatives import MemoryBank, Queue
from graphssl.components.objective import CrossEntropy
from graphssl.components.target import Assigned, Groups

N, D, P, B = 20, 5, 4, 6
SIZES = Sizes({"d": D}, DataFacts(samples=N))


def node(**config: Any) -> Any:
    torch.manual_seed(1)
    bank = build(MemoryBank, sizes=SIZES, momentum=0.0)
    found = build(Groups, sizes=SIZES, sources={"of": bank}, of="bank", **{"count": P, "momentum": 0.7, **config})
    return found.double()


def drawn(seed: int, rows: int = B) -> Tensor:
    return torch.randn(rows, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(z: Tensor) -> Tensor:
    return z / z.norm()


def nearest(z: Tensor, groups: Tensor) -> int:
    return max(range(P), key=lambda g: float(unit(z.detach()) @ groups[g]))


def moved(groups: Tensor, moving: Tensor, momentum: float) -> Tensor:
    """Algorithm 1 of the paper: each group with those that are nearest to it."""
    rows = []
    for g in range(P):
        mine = [unit(z) for z in moving if nearest(z, groups) == g]
        rows.append(unit(momentum * groups[g] + (1 - momentum) * sum(mine) / len(mine)) if mine else groups[g])
    return torch.stack(rows)


def loss_of(groups: Tensor, z: Tensor, of: Tensor, moving: Tensor, momentum: float) -> Tensor:
    new, total = moved(groups, moving, momentum), torch.zeros((), dtype=torch.float64)
    for one, other in zip(z, of, strict=True):
        logits = torch.stack([unit(one) @ g / 0.1 for g in new])
        total = total + (logits.exp().sum().log() - logits[nearest(other, groups)]) / len(z)
    return total


@pytest.mark.parametrize("rows", [1, B])
@pytest.mark.parametrize("momentum", [0.0, 0.7, 1.0])
def test_the_loss_and_its_gradient_are_the_papers(momentum: float, rows: int) -> None:
    found = node(momentum=momentum)
    groups = found.groups / found.groups.norm(dim=1, keepdim=True)  # made in float32
    found.groups.copy_(groups)
    z, of, moving = (drawn(seed, rows).requires_grad_() for seed in (2, 3, 4))
    code = build(Assigned, sizes=SIZES, sources={"of": found}, of="groups")(of)
    ours = build(CrossEntropy, temperature=0.1)(found(z, moving), code)
    theirs = loss_of(groups, z, of, moving, momentum)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)
    for mine, plain in zip(*(torch.autograd.grad(one, [z, moving]) for one in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-8, atol=1e-11)
    assert not code.requires_grad
    into_moving = torch.autograd.grad(found(z, moving).square().sum(), [moving])[0]
    assert bool(into_moving.any()) == (momentum < 1)


def test_a_move_is_kept() -> None:
    found, moving = node(), drawn(4)
    before = found.groups.clone()
    found(drawn(2), moving)
    assert torch.equal(found.groups, before), "a forward pass writes nothing"
    found.move(moving)
    torch.testing.assert_close(found.groups, moved(before, moving, 0.7), rtol=1e-6, atol=1e-7)
    left = [g for g in range(P) if g not in {nearest(z, before) for z in moving}]
    assert left, "some group has none"
    assert torch.equal(found.groups[left], before[left])


def test_at_the_end_of_an_epoch_they_are_centroids() -> None:
    found = node(iterations=3)
    keys = found._bank[0].keys
    found.fit()
    centroids = [unit(keys[i]) for i in found.first.tolist()]
    for _ in range(3):
        codes = [max(range(P), key=lambda c: float(key @ centroids[c])) for key in keys]
        for c in range(P):
            if mine := [key for key, code in zip(keys, codes, strict=True) if code == c]:
                centroids[c] = unit(torch.stack(mine).mean(0))
    torch.testing.assert_close(found.groups.float(), torch.stack(centroids), rtol=1e-5, atol=1e-6)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(ValueError, match=r"count is 21, and there are 20 samples to start from"):
        node(count=21)
    with pytest.raises(ValueError, match=r"'bank' holds no entry for each sample"):
        build(Groups, sizes=SIZES, sources={"of": build(Queue, sizes=SIZES, size=8)}, of="bank", count=P)
    with pytest.raises(ValueError, match=r"'bank' has no groups: name a node of target\.groups"):
        build(Assigned, sizes=SIZES, sources={"of": node()._bank[0]}, of="bank")
