"""Correspondence of two maps' positions: against the papers' formulas in float64, pair by pair."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from graphssl.component import Sizes, build
from graphssl.components.context import Cells, Gather, Match, Nearest
from graphssl.components.critic import Cosine, Dot
from graphssl.components.objective import InfoNCE, Regression, VarianceCovariance
from graphssl.ports import Negatives, Scores
from graphssl.testing import check_component

B, R, K, S, L, D = 3, 3, 4, 2, 5, 6


def node(cls: Any, **config: Any) -> Any:
    return build(cls, sizes=Sizes(), **config)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def boxes(seed: int = 0) -> Tensor:
    """Random boxes, the first two of which overlap well and the last of which lies apart; the second is mirrored."""
    shift = 0.1 * torch.rand(B, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    box = torch.tensor([[0.1, 0.2, 0.7, 0.9], [0.0, 0.8, 0.9, 0.1], [0.0, 0.0, 0.2, 0.2]], dtype=torch.float64)
    far = torch.tensor([0.0, 0.0, 0.7 * seed], dtype=torch.float64)
    return box + (shift + far)[:, None]


def cells(box: Tensor, rows: int, columns: int) -> Tensor:
    return node(Cells)(torch.zeros(len(box), rows, columns, 1, dtype=torch.float64), box)  # type: ignore[no-any-return]


# -- cells ---------------------------------------------------------------------------------------------------


def test_cells_part_the_box() -> None:
    box = boxes()
    found = cells(box, R, K)
    for i in range(B):
        top, left, bottom, right = box[i].tolist()
        for r in range(R):
            for k in range(K):
                expected = [
                    top + r * (bottom - top) / R, left + k * (right - left) / K,
                    top + (r + 1) * (bottom - top) / R, left + (k + 1) * (right - left) / K,
                ]  # fmt: skip
                assert found[i, r, k].tolist() == pytest.approx(expected, abs=1e-7)


def test_a_mirrored_view_looks_at_the_same_cells_in_the_other_order() -> None:
    box = boxes()
    mirrored = cells(box[:, [0, 3, 2, 1]], R, K)
    assert torch.allclose(mirrored.flip(2)[..., [0, 3, 2, 1]], cells(box, R, K))


# -- the nearest ---------------------------------------------------------------------------------------------


def distance(a: Tensor, b: Tensor, by: str) -> float:
    if by == "cosine":
        return float(1 - a @ b / (a.norm() * b.norm()))
    return float((a - b).square().sum().sqrt())


@pytest.mark.parametrize("by", ["cosine", "l2"])
def test_each_position_goes_with_the_nearest_of_the_other_map(by: str) -> None:
    """DenseCL, equation 3: c_i = argmax_j sim(f_i, f'_j); VICRegL, section 3.2, with L2."""
    one, two, values = drawn(B, R, K, D), drawn(B, S, L, D, seed=1), drawn(B, S, L, 2, seed=2)
    found = node(Match, by=by)(one, two)
    gathered = node(Gather)(values, found.share)
    for i in range(B):
        for r in range(R):
            for k in range(K):
                away = {(s, t): distance(one[i, r, k], two[i, s, t], by) for s in range(S) for t in range(L)}
                best = min(away, key=away.__getitem__)
                assert found.distance[i, r, k].item() == pytest.approx(away[best], abs=1e-6)
                assert torch.equal(gathered[i, r, k], values[i][best])
    assert torch.equal(found.weight, torch.ones(B, R, K, dtype=torch.float64))


def test_of_equally_near_ones_the_first_is_taken() -> None:
    share = node(Match, by="l2")(torch.zeros(1, 1, 1, D), torch.ones(1, 2, 2, D)).share
    assert share.flatten().tolist() == [1, 0, 0, 0]


def test_what_is_paired_carries_no_gradient_but_to_what_is_gathered() -> None:
    one, two = drawn(B, R, K, D).requires_grad_(), drawn(B, S, L, D, seed=1).requires_grad_()
    found = node(Match)(one, two)
    assert not any(part.requires_grad for part in found)
    node(Gather)(two, found.share).sum().backward()
    assert one.grad is None
    assert two.grad is not None
    assert torch.equal(two.grad, found.share.sum((1, 2))[..., None].expand_as(two))


def test_densecls_dense_loss() -> None:
    """Equation 2: the mean over images and positions of InfoNCE of a position, its match and the queue."""
    query, key, queue = drawn(B, R, K, D, seed=3).requires_grad_(), drawn(B, S, L, D, seed=4), drawn(7, D, seed=5)
    seen = drawn(B, R, K, D, seed=6), drawn(B, S, L, D, seed=7)
    match = node(Gather)(key, node(Match)(*seen).share)
    ours = node(InfoNCE)(node(Cosine, temperature=0.2)(query.flatten(0, 2), match.flatten(0, 2), Negatives(queue)))
    total = torch.zeros((), dtype=torch.float64)
    for i in range(B):
        for p in range(R * K):
            q, f = query[i].flatten(0, 1)[p], seen[0][i].flatten(0, 1)[p]
            likeness = [float(f @ g / (f.norm() * g.norm())) for g in seen[1][i].flatten(0, 1)]
            k = key[i].flatten(0, 1)[likeness.index(max(likeness))]
            keys = torch.cat((k[None], queue))
            logits = keys @ q / (keys.norm(dim=1) * q.norm()) / 0.2
            total = total + torch.logsumexp(logits, 0) - logits[0]
    agree(ours, total / (B * R * K), query)


# -- all that are near ---------------------------------------------------------------------------------------


def agree(ours: Tensor, theirs: Tensor, *leaves: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    gradients = (torch.autograd.grad(loss, leaves) for loss in (ours, theirs))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def near(one: Tensor, two: Tensor, threshold: float) -> dict[tuple[int, ...], bool]:
    """PixPro, equation 1, for the cells of two views of one picture."""
    pairs = {}
    for r in range(R):
        for k in range(K):
            for s in range(S):
                for t in range(L):
                    a, b = one[r, k].tolist(), two[s, t].tolist()
                    centres = [((x[0] + x[2]) / 2, (x[1] + x[3]) / 2) for x in (a, b)]
                    larger = max(math.hypot(x[2] - x[0], x[3] - x[1]) for x in (a, b))
                    pairs[r, k, s, t] = math.dist(*centres) / larger < threshold
    return pairs


def test_pixpros_loss() -> None:
    """Equation 3: of each image the mean of the cosines of all pairs whose distance is below 0.7 diagonals."""
    y, keys = drawn(B, R, K, D).requires_grad_(), drawn(B, S, L, D, seed=1)
    one, two = cells(boxes(), R, K), cells(boxes(1), S, L)
    found = node(Match, by="box", within=0.7)(one, two)
    unit = torch.nn.functional.normalize
    matched = node(Gather)(unit(keys, dim=3), found.share)
    scores = node(Dot)(unit(y, dim=3).flatten(0, 2), matched.flatten(0, 2))
    ours = node(Regression)(scores, found.weight.flatten())
    total, counts = torch.zeros((), dtype=torch.float64), []
    for i in range(B):
        pairs = [place for place, positive in near(one[i], two[i], 0.7).items() if positive]
        cosines = [unit(y[i, r, k], dim=0) @ unit(keys[i, s, t], dim=0) for r, k, s, t in pairs]
        counts.append(len(pairs))
        if cosines:
            total = total + (2 - 2 * torch.stack(cosines)).mean() / B
    assert counts[2] == 0, "one image has no pairs"
    assert min(counts[:2]) > 10, "the others have"
    agree(ours, total, y)


def test_an_image_without_pairs_costs_nothing() -> None:
    found = node(Match, by="box", within=0.7)(cells(boxes()[2:], R, K), cells(boxes(1)[2:], S, L))
    assert not found.share.any()
    assert not found.weight.any()
    assert found.distance.isfinite().all()


def test_weights_have_a_mean_of_one_in_each_image_with_pairs() -> None:
    found = node(Match, by="box", within=0.7)(cells(boxes(), R, K), cells(boxes(1), S, L))
    assert found.weight.mean((1, 2))[:2].tolist() == pytest.approx([1, 1])
    paired = found.share.sum((3, 4))
    torch.testing.assert_close(paired, (found.weight > 0).to(paired), rtol=0, atol=1e-12)


def test_boxes_have_four_numbers() -> None:
    with pytest.raises(ValueError, match="by: box is for boxes, of 4 numbers"):
        node(Match, by="box")(drawn(B, R, K, 5), drawn(B, S, L, 5))


def test_there_are_as_many_weights_as_queries() -> None:
    for cls in (InfoNCE, Regression):
        negative = drawn(4, 3) if cls is InfoNCE else None
        with pytest.raises(ValueError, match="there are 3 weights for 4 queries"):
            node(cls)(Scores(drawn(4), negative), torch.ones(3))


@pytest.mark.parametrize("cls", [InfoNCE, Regression])
def test_a_weight_multiplies_what_a_query_costs(cls: Any) -> None:
    positive, weight = drawn(4, 3), drawn(4, seed=1).abs()
    negative = drawn(4, 5, seed=2) if cls is InfoNCE else None
    each = [node(cls)(Scores(positive[i : i + 1], None if negative is None else negative[i : i + 1])) for i in range(4)]
    torch.testing.assert_close(node(cls)(Scores(positive, negative), weight), (torch.stack(each) * weight).mean())


# -- the nearest pairs ---------------------------------------------------------------------------------------


def test_the_nearest_pairs_are_kept_in_the_order_of_the_grid() -> None:
    x, away = drawn(B, R, K, D).requires_grad_(), drawn(B, R, K, seed=1)
    kept = node(Nearest, count=5)(x, away)
    for i in range(B):
        order = sorted(sorted(range(R * K), key=lambda p: float(away[i].flatten()[p]))[:5])
        assert torch.equal(kept[i], x[i].flatten(0, 1)[order])
    kept.sum().backward()
    assert x.grad is not None
    assert int((x.grad != 0).all(3).sum()) == 5 * B


def test_no_more_pairs_than_positions() -> None:
    with pytest.raises(ValueError, match="a grid of 3 x 4 has 12 positions, fewer than count: 13"):
        node(Nearest, count=13)(drawn(B, R, K, D), drawn(B, R, K))


def test_vicreg_of_positions_is_the_mean_of_theirs() -> None:
    """VICRegL, equation 1: statistics over the batch, position by position."""
    x, y = drawn(5, 4, D).requires_grad_(), drawn(5, 4, D, seed=1).requires_grad_()
    each = [node(VarianceCovariance)(x[:, p], y[:, p]) for p in range(4)]
    agree(node(VarianceCovariance)(x, y), torch.stack(each).mean(), x, y)
    wide = drawn(2, 3, 7).requires_grad_()  # more features than twice the samples
    parts = [node(VarianceCovariance)(wide[:, p], wide[:, p] ** 2) for p in range(3)]
    agree(node(VarianceCovariance)(wide, wide**2), torch.stack(parts).mean(), wide)


@pytest.mark.parametrize("config", [{"by": "l2"}, {"by": "box", "within": 0.7}])
def test_other_distances_keep_the_contract(config: dict[str, Any]) -> None:
    check_component(Match, config, {"d": 4})
