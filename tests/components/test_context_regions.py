"""Regions of a picture in two views, and what a map's positions take from each other: plainly, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from graphssl.component import Sizes, build
from graphssl.components.context import Cells, Gather, Propagate, Regions
from graphssl.components.critic import Cosine
from graphssl.components.negatives import InBatch
from graphssl.components.objective import InfoNCE
from graphssl.testing import check_component

B, S, D, ROWS, COLUMNS = 3, 4, 5, 2, 3


def node(cls: Any, **config: Any) -> Any:
    return build(cls, sizes=Sizes(), **config)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cells(*boxes: list[float]) -> Tensor:
    box = torch.tensor(boxes, dtype=torch.float64)
    found: Tensor = node(Cells)(torch.zeros(len(box), S, S, 1, dtype=torch.float64), box)
    return found


def views() -> tuple[Tensor, Tensor]:
    """Of three pictures: the whole and a mirrored part of it; two parts side by side; the whole twice."""
    one = cells([0.0, 0, 1, 1], [0.0, 0, 1, 0.3], [0.0, 0, 1, 1])
    two = cells([0.1, 0.9, 0.9, 0.2], [0.0, 0.7, 1, 1], [0.0, 0, 1, 1])
    return one, two


def inside(cell: Tensor, r: int, k: int) -> bool:
    y, x = (cell[0] + cell[2]) / 2, (cell[1] + cell[3]) / 2
    return bool(r <= y * ROWS < r + 1 and k <= x * COLUMNS < k + 1)


def test_a_region_has_the_positions_whose_centres_lie_in_it() -> None:
    one, two = views()
    found = node(Regions, rows=ROWS, columns=COLUMNS)(one, two)
    for i in range(B):
        for r in range(ROWS):
            for k in range(COLUMNS):
                counts = []
                for share, of in ((found.one, one), (found.two, two)):
                    mask = torch.tensor([[inside(cell, r, k) for cell in row] for row in of[i]])
                    counts.append(int(mask.sum()))
                    expected = mask.double() / max(counts[-1], 1)
                    torch.testing.assert_close(share[i, r, k], expected)
                assert found.weight[i, r, k] == float(min(counts) > 0)
    assert found.weight.flatten(1).sum(1).tolist() == [6, 0, 6], "of the second picture no region is in both"


def test_detcons_loss() -> None:
    """Equations 1 to 3: pooled over masks, told from all other regions of the batch in both views."""
    one, two = views()
    maps = drawn(B, S, S, D).requires_grad_(), drawn(B, S, S, D, seed=1)
    seen = node(Regions, rows=ROWS, columns=COLUMNS)(one, two)
    gather = node(Gather)
    query, keys = gather(maps[0], seen.one), (gather(maps[0].detach(), seen.one), gather(maps[1], seen.two))
    others = node(InBatch, positions="apart")(keys)
    scores = node(Cosine, temperature=0.1)(query.flatten(0, 2), keys[1].flatten(0, 2), others)
    ours = node(InfoNCE)(scores, seen.weight.flatten())

    def pooled(of: Tensor, place: Tensor, i: int, r: int, k: int) -> Tensor:
        mine = [of[i, s, t] for s in range(S) for t in range(S) if inside(place[i, s, t], r, k)]
        return torch.stack(mine).mean(0) if mine else torch.zeros(D, dtype=torch.float64)

    regions = [(i, r, k) for i in range(B) for r in range(ROWS) for k in range(COLUMNS)]
    total = torch.zeros((), dtype=torch.float64)
    for region in (region for region in regions if seen.weight[region] > 0):
        q = pooled(maps[0], one, *region)
        rest = [
            pooled(of, place, *other)
            for of, place in ((maps[0].detach(), one), (maps[1], two))
            for other in regions
            if other != region
        ]
        logits = [torch.cosine_similarity(q, key, dim=0) / 0.1 for key in (pooled(maps[1], two, *region), *rest)]
        total = total + torch.logsumexp(torch.stack(logits), 0) - logits[0]
    expected = total / (B * ROWS * COLUMNS)  # regions that one view lacks count, and cost nothing
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-10)
    (a,), (b,) = (torch.autograd.grad(loss, [maps[0]]) for loss in (ours, expected))
    torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


def test_positions_apart_are_as_many_samples() -> None:
    """The same as if the positions were the batch."""
    key = drawn(B, S, D), drawn(B, S, D, seed=1)
    apart = node(InBatch, positions="apart")(key)
    plain = node(InBatch)(tuple(view.flatten(0, 1) for view in key))
    assert torch.equal(apart.entries, plain.entries)
    assert torch.equal(apart.mask, plain.mask)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_propagation(power: float) -> None:
    """PixPro, equations 4 and 5, with the values' length of its code."""
    x, value = drawn(B, S, S, D).requires_grad_(), drawn(B, S, S, 3, seed=1).requires_grad_()
    ours = node(Propagate, power=power)(x, value)
    rows = []
    for i in range(B):
        at, of = x[i].flatten(0, 1), value[i].flatten(0, 1)
        for p in range(S * S):
            likeness = [torch.cosine_similarity(at[p], at[q], dim=0).clamp_min(0) ** power for q in range(S * S)]
            rows.append(torch.stack([w * v / v.norm() for w, v in zip(likeness, of, strict=True)]).sum(0))
    theirs = torch.stack(rows).view_as(ours)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)
    toward = drawn(*ours.shape, seed=2)
    for a, b in zip(*(torch.autograd.grad((y * toward).sum(), [x, value]) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)


def test_negatives_apart_keep_the_contract() -> None:
    check_component(InBatch, {"positions": "apart"})
