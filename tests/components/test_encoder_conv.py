"""Deep InfoMax's encoder against its layers written out in float64; sizes, norms, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as f

from graphssl.component import Sizes, Unbound, build
from graphssl.components.encoder import Conv
from graphssl.components.norms import SplitBatchNorm2d
from graphssl.evaluation.embedding import pooled
from graphssl.graph.language.validation import validate

SMALL = {"width": 4, "hidden": 6, "out": 5}


def conv(size: int | tuple[int, int] = 32, channels: int = 3, **config: Any) -> Any:
    h, w = (size, size) if isinstance(size, int) else size
    torch.manual_seed(7)
    return build(Conv, sizes=Sizes({"c": channels, "h": h, "w": w}), **config)


def image(b: int = 4, size: int | tuple[int, int] = 32, channels: int = 3) -> Tensor:
    h, w = (size, size) if isinstance(size, int) else size
    return torch.randn(b, channels, h, w, generator=torch.Generator().manual_seed(0))


def reference(image: Tensor, weights: list[Tensor], local: int) -> tuple[Tensor, Tensor]:
    """Vector and map, layer by layer; weights: kernel, scale and shift of each, then those of the last layer."""

    def normalised(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Batch norm of `b c ...` over all but the channels, then ReLU."""
        rest = [i for i in range(x.ndim) if i != 1]
        mean, var = x.mean(rest, keepdim=True), x.var(rest, correction=0, keepdim=True)
        shape = (-1, *(1 for _ in rest[1:]))
        return ((x - mean) / (var + 1e-5).sqrt() * scale.view(shape) + shift.view(shape)).relu()

    x, layers = image, (len(weights) - 2) // 3 - 1
    chosen = x
    for i in range(layers):
        kernel, scale, shift = weights[3 * i : 3 * i + 3]
        x = normalised(f.conv2d(x, kernel, stride=2, padding=1), scale, shift)
        chosen = x if i + 1 == local else chosen
    hidden, scale, shift, last, bias = weights[3 * layers :]
    x = normalised(x.flatten(1) @ hidden.flatten(1).T, scale, shift)
    return x @ last.T + bias, chosen


@pytest.mark.parametrize(("layers", "local"), [(3, None), (3, 1), (2, 2), (1, None)])
def test_layer_by_layer(layers: int, local: int | None) -> None:
    """Values and gradients; `local` is by default the last but one."""
    ours = conv(layers=layers, local=local, **SMALL).double()
    with torch.no_grad():
        for p in ours.parameters():
            p.add_(0.1 * torch.randn_like(p))
    x = image().double().requires_grad_()
    weights = [p.detach().clone().requires_grad_() for p in ours.parameters()]
    parts = ours(x)
    expected = reference(x, weights, local or max(layers - 1, 1))
    for one, two in zip(parts, expected, strict=True):
        torch.testing.assert_close(one, two)
    factor = [torch.randn_like(part) for part in parts]
    found = torch.autograd.grad(
        sum((p * w).sum() for p, w in zip(parts, factor, strict=True)), [x, *ours.parameters()], retain_graph=True
    )
    wanted = torch.autograd.grad(sum((p * w).sum() for p, w in zip(expected, factor, strict=True)), [x, *weights])
    for one, two in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, two)


def test_the_encoder_of_the_paper() -> None:
    """Appendix A, CIFAR: 64, 128 and 256 channels of 4x4, 1024 units, 64 numbers; an 8 x 8 map as in the code."""
    with torch.device("meta"):
        ours = conv()
    weights = [tuple(p.shape) for p in ours.parameters() if p.ndim > 1]
    assert weights == [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (1024, 256, 4, 4), (64, 1024)]
    parts = ours(torch.empty(2, 3, 32, 32, device="meta"))
    assert (parts.vector.shape, parts.map.shape) == ((2, 64), (2, 128, 8, 8))
    with torch.device("meta"):
        larger = conv(64, layers=4)(torch.empty(2, 3, 64, 64, device="meta"))
    assert (larger.vector.shape, larger.map.shape) == ((2, 64), (2, 256, 8, 8))


@pytest.mark.parametrize(
    ("size", "local", "shape"), [(28, 2, (8, 7, 7)), (28, 3, (16, 3, 3)), ((32, 20), 3, (16, 4, 2)), (8, 3, (16, 1, 1))]
)
def test_images_of_other_sizes(size: Any, local: int, shape: tuple[int, ...]) -> None:
    parts = conv(size, local=local, **SMALL)(image(size=size))
    assert parts.map.shape == (4, *shape)
    assert parts.vector.shape == (4, 5)


def test_images_that_are_too_small() -> None:
    with pytest.raises(
        ValueError, match="images of 32 x 7 px are too small for 3 convolutions of stride 2, which take 8 px or more"
    ):
        conv((32, 7))
    with pytest.raises(Unbound):
        build(Conv, sizes=Sizes({"c": 3, "h": 32}))


@pytest.mark.parametrize(
    ("norm", "kind"),
    [
        ("batch", nn.BatchNorm2d),
        ({"use": "split_batch", "splits": 2}, SplitBatchNorm2d),
        ({"use": "group", "groups": 2}, nn.GroupNorm),
    ],
    ids=str,
)
def test_every_layer_but_the_last_is_normalised(norm: Any, kind: type[nn.Module]) -> None:
    ours = conv(norm=norm, **SMALL)
    assert sum(type(m) is kind for m in ours.modules()) == 4
    ours.eval()
    assert ours(image(1)).vector.shape == (1, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(part.isfinite().all() for part in ours(1e4 * image()))


def test_what_is_evaluated_is_the_vector() -> None:
    parts = conv(**SMALL)(image())
    assert pooled(parts) is parts.vector


def test_a_map_from_a_layer_that_is_not_there() -> None:
    _, (wrong,) = validate(Conv.Config, {"local": 4})
    assert "local is 4, and there are 3 convolutions" in wrong.message
