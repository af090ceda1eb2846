"""Contexts of the rows above: against the formulas in float64, and blind to what lies below."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as f

from graphssl.component import Sizes, build, find

NODES = {"masked_conv": {"hidden": 6, "layers": 3}, "gru": {"out": 6}}


def node(name: str, d: int = 5, **config: Any) -> Any:
    torch.manual_seed(7)
    return build(find(f"context.{name}"), sizes=Sizes({"d": d}), **{**NODES[name], **config})


def grid(b: int = 2, r: int = 4, k: int = 5, d: int = 5) -> Tensor:
    return torch.randn(b, r, k, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def gradients(y: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    factor = torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=y.dtype)
    return torch.autograd.grad((y * factor).sum(), leaves)


# -- what a position sees ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NODES)
def test_a_context_does_not_see_the_rows_below(name: str) -> None:
    module = node(name).double()
    for i in range(4):
        for j in (0, 2, 4):
            x = grid(1).requires_grad_()
            (gradient,) = torch.autograd.grad(module(x)[0, i, j].square().sum(), x)
            assert not gradient[:, i + 1 :].any()
            assert gradient[:, i, j].any()
            assert i == 0 or gradient[:, i - 1].any()


def test_convolutions_see_a_cone_and_a_gru_its_column() -> None:
    """Three blocks look three rows up and three columns to each side; the recurrent unit up to the first row."""
    x = grid(1, 8, 9).requires_grad_()
    convolutions = node("masked_conv").double()
    (gradient,) = torch.autograd.grad(convolutions(x)[0, 6, 4].square().sum(), x)
    seen = gradient.abs().sum((0, 3)) > 0
    assert seen[3:7, 4].all()
    assert not seen[:3].any()
    assert seen[6, 1:8].all()
    assert not seen[:, 0].any()
    assert not seen[:, 8].any()
    (gradient,) = torch.autograd.grad(node("gru").double()(x)[0, 6, 4].square().sum(), x)
    seen = gradient.abs().sum((0, 3)) > 0
    assert seen[:7, 4].all()
    assert seen.sum() == 7


@pytest.mark.parametrize("name", NODES)
def test_samples_do_not_see_each_other(name: str) -> None:
    module, x = node(name).double(), grid(3)
    torch.testing.assert_close(module(x)[1:2], module(x[1:2]))
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in module.modules())


# -- the formulas --------------------------------------------------------------------------------------------


def pixel_cnn(x: Tensor, weights: list[Tensor]) -> Tensor:
    """The pseudo-code of CPC v2's appendix, on `b r k d`; for each block kernel and bias of four convolutions."""
    y = x.permute(0, 3, 1, 2)
    for i in range(0, len(weights), 8):
        one, one_b, side, side_b, up, up_b, last, last_b = weights[i : i + 8]
        h = f.conv2d(y, one, one_b).relu()
        h = f.conv2d(f.pad(h, (1, 1, 0, 0)), side, side_b)
        h = f.conv2d(f.pad(h, (0, 0, 1, 0)), up, up_b).relu()
        y = y + f.conv2d(h, last, last_b)
    return y.relu().permute(0, 2, 3, 1)


def column_by_column(x: Tensor, weights: list[Tensor]) -> Tensor:
    """torch's unit, run down each column by itself."""
    k, d = x.shape[2:]
    unit = nn.GRU(d, weights[2].shape[1], batch_first=True).double()
    named = dict(zip(("weight_ih_l0", "bias_ih_l0", "weight_hh_l0", "bias_hh_l0"), weights, strict=True))
    columns = [torch.func.functional_call(unit, named, (x[:, :, j],))[0] for j in range(k)]
    return torch.stack(columns, 2)


@pytest.mark.parametrize(("name", "formula"), [("masked_conv", pixel_cnn), ("gru", column_by_column)])
@pytest.mark.parametrize("shape", [(2, 4, 5), (1, 1, 1), (3, 1, 4), (1, 6, 1)])
def test_values_and_gradients(name: str, formula: Any, shape: tuple[int, int, int]) -> None:
    module, x = node(name).double(), grid(*shape).requires_grad_()
    weights = [p.detach().clone().requires_grad_() for p in module.parameters()]
    one, two = module(x), formula(x, weights)
    torch.testing.assert_close(one, two)
    found, wanted = gradients(one, [x, *module.parameters()]), gradients(two, [x, *weights])
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b)


def test_the_unit_starts_as_torchs() -> None:
    for parameter in node("gru", out=400).parameters():
        assert parameter.abs().max() <= 1 / 20
        assert parameter.std().item() == pytest.approx(1 / 20 / 3**0.5, rel=0.1)


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(name: str, dtype: torch.dtype) -> None:
    module, x = node(name), grid().to(dtype)
    with torch.autocast("cpu", dtype):
        y = module(100 * x)
    assert y.isfinite().all()
    torch.testing.assert_close(module((100 * x).float()), y.float(), rtol=0.1, atol=0.1 * y.abs().max().item())


def test_sizes() -> None:
    assert node("gru", d=3, out=8)(torch.randn(2, 4, 5, 3)).shape == (2, 4, 5, 8)
    assert node("masked_conv", d=3)(torch.randn(2, 4, 5, 3)).shape == (2, 4, 5, 3)
