"""In-batch negatives: all positions of all views joined, a sample's own masked, gradients through them."""

from __future__ import annotations

import pytest
import torch

from graphssl.component import build
from graphssl.components.critic import Dot
from graphssl.components.negatives import InBatch


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("b", [1, 2, 5])
def test_all_views_of_other_samples_are_negatives(b: int, views: int) -> None:
    z = tuple(torch.randn(b, 4) for _ in range(views))
    given = build(InBatch)(z)
    assert given.pick is None
    assert given.entries.shape == (views * b, 4)
    assert given.mask.shape == (b, views * b)
    for i in range(b):
        kept = [j for j in range(views * b) if not given.mask[i, j]]
        assert len(kept) == views * (b - 1)
        for j in kept:
            view, sample = divmod(j, b)
            assert sample != i
            assert torch.equal(given.entries[j], z[view][sample])


@pytest.mark.parametrize("shapes", [[(3,)], [(2, 3)], [(2, 3), (2, 3)], [(2, 2), (3,), ()]])
@pytest.mark.parametrize("b", [1, 4])
def test_all_positions_of_other_samples_are_negatives(b: int, shapes: list[tuple[int, ...]]) -> None:
    """Views may differ in their positions: a vector, a row, a grid."""
    z = tuple(torch.randn(b, *shape, 4) for shape in shapes)
    given = build(InBatch)(z)
    expected = [(sample, vector) for view in z for sample in range(b) for vector in view[sample].reshape(-1, 4)]
    assert torch.equal(given.entries, torch.stack([vector for _, vector in expected]))
    assert given.mask.tolist() == [[sample == i for sample, _ in expected] for i in range(b)]


def test_gradients_flow_to_every_position() -> None:
    z = torch.randn(3, 2, 2, 4, requires_grad=True)
    given = build(InBatch)((z,))
    weight = torch.randn(12, 4)
    (found,) = torch.autograd.grad((given.entries * weight).sum(), z)
    assert torch.equal(found, weight.view(3, 2, 2, 4))


def test_two_views_leave_2b_minus_2_negatives() -> None:
    given = build(InBatch)((torch.randn(8, 3), torch.randn(8, 3)))
    assert (~given.mask).sum(1).tolist() == [2 * 8 - 2] * 8


def test_gradients_flow_through_the_negatives() -> None:
    z = tuple(torch.randn(3, 4, requires_grad=True) for _ in range(2))
    query = torch.randn(3, 4)
    scores = build(Dot)(query, z[1], build(InBatch)(z))
    weight = torch.arange(18.0).view(3, 6)
    expected = weight.T @ query
    found = torch.autograd.grad((scores.negative * weight).sum(), z)
    torch.testing.assert_close(torch.cat(found), expected)


def test_half_precision_keeps_its_type() -> None:
    given = build(InBatch)((torch.randn(3, 4).bfloat16(),))
    assert given.entries.dtype == torch.bfloat16
    assert given.mask.dtype == torch.bool


def test_it_has_no_state() -> None:
    assert build(InBatch).state_dict() == {}
