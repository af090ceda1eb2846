"""The unpadded encoder, AMDIM's, against its layers written out in float64; what each feature sees; sizes, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as f

from graphssl.component import Sizes, build
from graphssl.components.encoder import Unpadded
from graphssl.components.encoder.unpadded import Residual
from graphssl.components.norms import SplitBatchNorm2d
from graphssl.evaluation.embedding import pooled

SMALL = {"width": 2, "out": 19, "depth": 2}


def unpadded(size: int | tuple[int, int] = 32, channels: int = 3, seed: int = 7, **config: Any) -> Any:
    h, w = (size, size) if isinstance(size, int) else size
    torch.manual_seed(seed)
    return build(Unpadded, sizes=Sizes({"c": channels, "h": h, "w": w}), **config)


def image(b: int = 3, size: int = 32, channels: int = 3) -> Tensor:
    return torch.randn(b, channels, size, size, generator=torch.Generator().manual_seed(0))


def disturbed(module: Any) -> Any:
    """With random numbers in place of the zeros and ones with which its blocks start."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return module


# -- layer by layer ------------------------------------------------------------------------------------------


def normalised(x: Tensor, weights: Iterator[Tensor]) -> Tensor:
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    scale, shift = next(weights), next(weights)
    return (x - mean) / (var + 1e-5).sqrt() * scale[:, None, None] + shift[:, None, None]


def residual(x: Tensor, weights: Iterator[Tensor], kernel: int, stride: int, hidden_norm: bool) -> Tensor:
    """ConvResNxN of the authors' code."""
    y = f.conv2d(x, next(weights), stride=stride)
    y = normalised(y, weights) if hidden_norm else y
    y = f.conv2d(y.relu(), next(weights))
    pixels = x.unfold(2, kernel, stride).unfold(3, kernel, stride)
    y[:, : x.shape[1]] += pixels.mean((4, 5))  # further channels get nothing
    return y


def reference(image: Tensor, weights: Iterator[Tensor], depth: int, hidden_norm: bool) -> tuple[Tensor, ...]:
    """Vector, 5 x 5, 7 x 7, with the weights in the order in which they are used; the layers of the code, at its size."""
    size = image.shape[2]

    def stage(x: Tensor, kernel: int, stride: int) -> Tensor:
        for i in range(depth):
            x = residual(x, weights, *((kernel, stride) if i == 0 else (1, 1)), hidden_norm)
        return x

    def embedding(x: Tensor) -> Tensor:
        y = f.conv2d(x, next(weights))
        y = normalised(y, weights) if hidden_norm else y
        return normalised(f.conv2d(y.relu(), next(weights)) + f.conv2d(x, next(weights), next(weights)), weights)

    x = image
    if size == 128:
        x = f.conv2d(f.pad(x, (2, 2, 2, 2), mode="reflect"), next(weights), next(weights), stride=2).relu()
    x = f.conv2d(x, next(weights), next(weights)).relu()
    x = residual(x, weights, 1, 1, hidden_norm) if size == 32 else stage(x, 4, 2)
    x = stage(stage(x, 4, 2), 2, 2)
    seven = normalised(x, weights) if hidden_norm else x
    five = stage(seven, 3, 1)
    one = normalised(residual(stage(five, 3, 1), weights, 3, 1, hidden_norm), weights)
    return one[:, :, 0, 0], embedding(five), embedding(seven)


@pytest.mark.parametrize(
    ("size", "channels", "config"),
    [(32, 3, {}), (32, 1, {"hidden_norm": True}), (64, 3, {"depth": 1}), (128, 2, {"depth": 1, "hidden_norm": True})],
    ids=str,
)
def test_layer_by_layer(size: int, channels: int, config: dict[str, Any]) -> None:
    """Values and gradients."""
    config = {**SMALL, **config}
    ours = disturbed(unpadded(size, channels, **config)).double()
    x = image(3, size, channels).double().requires_grad_()
    weights = [p.detach().clone().requires_grad_() for p in ours.parameters()]
    parts = ours(x)
    expected = reference(x, iter(weights), config["depth"], config.get("hidden_norm", False))
    factor = [torch.randn_like(part) for part in parts]
    for one, two in zip(parts, expected, strict=True):
        torch.testing.assert_close(one, two)
    found = torch.autograd.grad(sum((p * w).sum() for p, w in zip(parts, factor, strict=True)), [x, *ours.parameters()])
    wanted = torch.autograd.grad(sum((p * w).sum() for p, w in zip(expected, factor, strict=True)), [x, *weights])
    for one, two in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_every_embedding_has_one_size(size: int) -> None:
    with torch.device("meta"):
        ours = unpadded(size)
    parts = ours(torch.empty(2, 3, size, size, device="meta"))
    assert parts._fields == ("vector", "five", "seven")
    assert [tuple(p.shape) for p in parts] == [(2, 1024), (2, 1024, 5, 5), (2, 1024, 7, 7)]


# -- what a feature sees -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("part", "pixels", "step"), [("seven", 8, 4), ("five", 16, 4)])
def test_a_feature_sees_no_more_than_its_region(part: str, pixels: int, step: int) -> None:
    """At 32 px a position of the 7 x 7 map sees 8 x 8 pixels, four apart, and one of the 5 x 5 map 16 x 16."""
    ours = disturbed(unpadded(**SMALL)).eval().double()
    for row, column in [(0, 0), (2, 1), (4, 4)]:
        x = image(1).double().requires_grad_()
        getattr(ours(x), part)[0, :, row, column].sum().backward()
        assert x.grad is not None
        top, left = step * row, step * column
        inside = x.grad[:, :, top : top + pixels, left : left + pixels]
        assert inside.abs().sum((0, 1)).gt(0).double().mean() > 0.9
        x.grad[:, :, top : top + pixels, left : left + pixels] = 0
        assert not x.grad.any()


def test_the_vector_sees_the_whole_image() -> None:
    x = image(1).requires_grad_()
    disturbed(unpadded(**SMALL)).eval()(x).vector.sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum((0, 1)).gt(0).double().mean() > 0.9


def test_blocks_start_as_their_shortcuts() -> None:
    """Values averaged, zeros in further channels; the shortcuts of embeddings copy, up to 0.01 for each channel."""
    block = Residual(3, 5, 4, 2, nn.Identity)
    x = image(size=10)
    out = block(x)
    torch.testing.assert_close(out[:, :3], f.avg_pool2d(x, 4, 2))
    assert not out[:, 3:].any()
    ours = unpadded(**SMALL)
    weight = ours.embed_seven.shortcut.weight[:, :, 0, 0]
    assert torch.equal(weight[:8].diagonal(), torch.ones(8))
    assert (weight - torch.eye(19, 8)).abs().max() <= 0.01
    assert weight[8:].any()
    assert not ours.embed_five.conv2.weight.any()


# -- norms, evaluation, refusals -----------------------------------------------------------------------------


def test_norms() -> None:
    """Three after the last layers; with hidden_norm one in each block besides, and one of the 7 x 7 map."""
    split = {"use": "split_batch", "splits": 3}
    assert sum(isinstance(m, nn.BatchNorm2d) for m in unpadded(**SMALL).modules()) == 3
    blocks = sum(isinstance(m, Residual) for m in unpadded(**SMALL).modules())
    assert blocks == 1 + 4 * 2 + 1
    ours = unpadded(hidden_norm=True, norm=split, **SMALL)
    assert sum(isinstance(m, SplitBatchNorm2d) for m in ours.modules()) == 3 + blocks + 2 + 1


def test_what_is_evaluated_is_the_vector() -> None:
    ours = unpadded(**SMALL).eval()
    parts = ours(image(1))
    assert pooled(parts) is parts.vector
    assert parts.vector.shape == (1, 19)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    with torch.autocast("cpu", dtype):
        parts = disturbed(unpadded(**SMALL))(image())
    assert all(part.isfinite().all() for part in parts)


@pytest.mark.parametrize(
    ("size", "config", "message"),
    [
        (28, {}, "the unpadded encoder takes square images of 32, 64 or 128 px, and these are 28 x 28 px: set the augmentation's size"),
        ((32, 64), {}, "and these are 32 x 64 px"),
        (32, {"width": 4, "out": 15}, "out is 15, and may not be less than the 16 channels of the maps"),
        (64, {"width": 4, "out": 31}, "out is 31, and may not be less than the 32 channels of the maps"),
    ],
)  # fmt: skip
def test_what_is_refused(size: Any, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpadded(size, **config)
