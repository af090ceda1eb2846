"""Deep InfoMax's larger encoder against its layers, written plainly."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from graphssl.component import Sizes, build
from graphssl.components.encoder import AlexNet


def alexnet(px: int = 64, **config: Any) -> Any:
    torch.manual_seed(0)
    return build(AlexNet, sizes=Sizes({"c": 3, "h": px, "w": px}), **config)


def test_sizes_of_the_authors_configuration() -> None:
    with torch.device("meta"):
        net = alexnet()
    given = net(torch.empty(2, 3, 64, 64, device="meta"))
    assert given.vector.shape == (2, 64)
    assert given.map.shape == (2, 384, 15, 15)
    weights = [tuple(p.shape) for n, p in net.named_parameters() if p.ndim > 1]
    assert weights == [
        (96, 3, 3, 3), (192, 96, 3, 3), (384, 192, 3, 3), (384, 384, 3, 3), (192, 384, 3, 3), (4096, 192, 7, 7),
        (4096, 4096, 1, 1), (64, 4096),
    ]  # fmt: skip


def test_it_is_its_layers() -> None:
    """Convolution, norm, ReLU, and pools after the first, the second and the last; linear layers of the flat map."""
    net = alexnet(32, width=4, hidden=6, out=5).double().eval()
    convs = [p for p in net.parameters() if p.ndim > 1]

    def normed(x: Tensor) -> Tensor:
        return functional.relu(x / (1 + 1e-5) ** 0.5)  # first running statistics: mean 0, variance 1

    x = expected = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    for i, weight in enumerate(convs[:5]):
        expected = normed(functional.conv2d(expected, weight, padding=1))
        if i in (0, 1, 4):
            expected = functional.max_pool2d(expected, 3, 2)
        if i == 2:
            local = expected
    hidden = normed(expected.flatten(1) @ convs[5].flatten(1).T)
    hidden = normed(hidden @ convs[6].flatten(1).T)
    given = net(x)
    torch.testing.assert_close(given.map, local)
    torch.testing.assert_close(given.vector, hidden @ convs[7].T + net.rest[-1].bias)


def test_images_that_are_too_small() -> None:
    with pytest.raises(ValueError, match="images of 14 x 14 px are too small"):
        alexnet(14)
    assert alexnet(15, width=2, hidden=4)(torch.randn(2, 3, 15, 15)).vector.shape == (2, 64)
