"""In-batch negatives with labels: whose entries, which are the own ones, and which are of the same class."""

from __future__ import annotations

import pytest
import torch

from graphssl.component import build
from graphssl.components.critic import Cosine
from graphssl.components.negatives import InBatch, Labelled

LABELS = [3, 1, 3, -1, 1, 3, -1, 0]


@pytest.mark.parametrize("shapes", [[()], [(), ()], [(2, 3)], [(2,), ()]])
def test_same_marks_the_other_samples_of_the_class(shapes: list[tuple[int, ...]]) -> None:
    z = tuple(torch.randn(8, *shape, 4) for shape in shapes)
    given = build(Labelled)(z, torch.tensor(LABELS))
    sample = [i for view in z for i in range(8) for _ in view[i].reshape(-1, 4)]
    assert given.mask.tolist() == [[j == i for j in sample] for i in range(8)]
    assert given.same.tolist() == [
        [j != i and LABELS[i] >= 0 and LABELS[j] == LABELS[i] for j in sample] for i in range(8)
    ]
    assert not (given.mask & given.same).any()
    assert given.pick is None


def test_entries_and_mask_are_those_of_in_batch_negatives() -> None:
    z = (torch.randn(8, 4), torch.randn(8, 4))
    given, plain = build(Labelled)(z, torch.tensor(LABELS)), build(InBatch)(z)
    assert torch.equal(given.entries, plain.entries)
    assert torch.equal(given.mask, plain.mask)


def test_with_two_views_the_positives_are_those_of_supervised_contrastive_learning() -> None:
    """|P(i)| of equation 2: the other view of the sample, which is the critic's own, and both of its class."""
    z = tuple(torch.randn(8, 4) for _ in range(2))
    scores = build(Cosine)(z[0], z[1], build(Labelled)(z, torch.tensor(LABELS)))
    for i, label in enumerate(LABELS):
        others = sum(other == label for j, other in enumerate(LABELS) if j != i) if label >= 0 else 0
        assert 1 + scores.same[i].sum() == 1 + 2 * others


@pytest.mark.parametrize("label", [[-1, -1, -1], [-1, -2, -2], [0, 1, 2]])
def test_unknown_and_single_labels_mark_nothing(label: list[int]) -> None:
    assert not build(Labelled)((torch.randn(3, 4),), torch.tensor(label)).same.any()


def test_one_class_leaves_no_negatives() -> None:
    given = build(Labelled)((torch.randn(3, 4), torch.randn(3, 4)), torch.zeros(3, dtype=torch.int64))
    assert (given.mask | given.same).all()


def test_a_batch_of_one() -> None:
    given = build(Labelled)((torch.randn(1, 4),), torch.tensor([2]))
    assert given.mask.tolist() == [[True]]
    assert given.same.tolist() == [[False]]


def test_gradients_flow_through_the_entries() -> None:
    z = tuple(torch.randn(3, 4, requires_grad=True) for _ in range(2))
    weight = torch.randn(6, 4)
    given = build(Labelled)(z, torch.tensor([0, 0, 1]))
    found = torch.autograd.grad((given.entries * weight).sum(), z)
    assert torch.equal(torch.cat(found), weight)
