"""The embedded digits: all of scikit-learn's, split by class, at any size."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from picture_files import digits
from torch import Tensor
from torch.nn import functional

from graphssl.data import facts
from graphssl.graph import spec


def counted(image: Tensor, label: list[int]) -> Counter[tuple[bytes, int]]:
    return Counter((i.numpy().tobytes(), y) for i, y in zip(image, label, strict=True))


def test_digits_are_all_of_scikit_learns_split_by_class() -> None:
    from sklearn.datasets import load_digits

    data = digits()
    train, test = next(data.reference(2000)), next(data.test(2000))
    assert (len(train.label), len(test.label)) == (1500, 297) == (data.train.samples, 297)
    assert data.classes == tuple("0123456789")
    source = load_digits()
    totals = torch.bincount(torch.from_numpy(source.target))
    exact = totals * 297 / 1797
    assert ((torch.bincount(test.label) - exact).abs() < 1).all()
    large = functional.interpolate(
        torch.from_numpy(source.images)[:, None].float() * 255 / 16, (32, 32), mode="bicubic", antialias=True
    )
    expected = counted(large.round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1), source.target.tolist())
    assert counted(train.image, train.label.tolist()) + counted(test.image, test.label.tolist()) == expected


def test_digits_split_is_fixed() -> None:
    from sklearn.datasets import load_digits

    held = next(digits(seed=5).test(297))
    assert held.label[:12].tolist() == [6, 7, 8, 5, 5, 8, 2, 1, 2, 3, 3, 6]
    assert torch.equal(held.image, next(digits(seed=6).test(297)).image)
    first = torch.from_numpy(load_digits().images[6]) * 255 / 16
    assert (held.image[0, 0, 2::4, 2::4].double() - first).abs().mean() < 12


@pytest.mark.parametrize("size", [4, 8, 28, 48])
def test_digits_at_another_size(size: int) -> None:
    """The pictures stay as they are, views are cut out of them; what is evaluated is of that size."""
    data = digits(size=size)
    assert next(data.train.epoch(0)).image.shape[1:] == (3, 32, 32)
    assert next(data.test(4)).image.shape[1:] == (3, size, size)
    known = facts(spec.Data(size=size))
    assert (known.height, known.width, known.source) == (size, size, (32, 32))
