"""Few labels: balanced by class, nested, and the same on every machine."""

from __future__ import annotations

import hashlib

import pytest
import torch

from graphssl.errors import RunError
from graphssl.evaluation.labelled import Labelled, Splits
from graphssl.evaluation.subset import few, subset_of

LABELS = torch.arange(1000) % 7 % 4  # 286, 286, 285 and 143


def by_hand(asked: dict[int, int], seed: int) -> list[int]:
    """The places whose numbers hash lowest, as `data.order` hashes names."""

    def key(place: int) -> tuple[int, str]:
        name = f"labels {seed} {place}"
        digest = hashlib.blake2b(f"held out {name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") >> 1, name

    chosen = []
    for label, count in asked.items():
        chosen += sorted((i for i, own in enumerate(LABELS.tolist()) if own == label), key=key)[:count]
    return sorted(chosen)


@pytest.mark.parametrize(
    ("asked", "counts"),
    [(0.01, [3, 3, 3, 1]), (0.1, [29, 29, 29, 14]), (5, [5, 5, 5, 5]), (1.0, [286, 286, 285, 143]), (1e-9, [1] * 4)],
)
def test_of_each_class_a_part(asked: float, counts: list[int]) -> None:
    found = subset_of(LABELS, asked, 0)
    assert LABELS[found.places].bincount().tolist() == counts
    assert found.places.tolist() == by_hand(dict(enumerate(counts)), 0)


def test_fewer_labels_are_some_of_more() -> None:
    small, large = (set(subset_of(LABELS, share, 3).places.tolist()) for share in (0.01, 0.1))
    assert small < large


def test_the_digests_of_the_semi_supervised_subsets() -> None:
    """As other machines have them."""
    found = {(share, seed): subset_of(LABELS, share, seed).digest for share in (0.01, 0.1) for seed in (0, 1)}
    assert found == {
        (0.01, 0): "f9357254cb3b6946", (0.01, 1): "c88c8c3860ce0db6",
        (0.1, 0): "1b3d0e509aa4122c", (0.1, 1): "b09a122209899735",
    }  # fmt: skip


def test_a_class_with_fewer_than_asked() -> None:
    with pytest.raises(RunError, match="labels: 144 of each class are asked for, and the class 'dog' has 143"):
        subset_of(LABELS, 144, 0, ("cat", "cow", "hen", "dog"))
    with pytest.raises(RunError, match="the class 3 has 143"):
        subset_of(LABELS, 144, 0)


def test_splits_with_few_labels_keep_their_queries() -> None:
    part = Labelled(torch.arange(1000.0)[:, None], LABELS)
    splits = Splits(part, part, 4)
    found, places, said = few(splits, None, 0)
    assert (found, places.tolist(), said) == (splits, list(range(1000)), {})
    found, places, said = few(splits, 2, 0)
    assert found.reference.features[:, 0].tolist() == places.tolist()
    assert found.queries is splits.queries
    assert found.reference.features[:, 0].tolist() == subset_of(LABELS, 2, 0).places.tolist()
    assert LABELS[found.reference.features[:, 0].long()].tolist() == found.reference.labels.tolist()
    assert said == {"samples": 8, "subset": subset_of(LABELS, 2, 0).digest}
