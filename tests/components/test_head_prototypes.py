"""Prototypes: cosines with learned directions, the same as SwAV's weights that are normalised in place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from graphssl.component import Sizes, Unbound, build
from graphssl.components.head import Prototypes


def prototypes(count: int = 7, dtype: torch.dtype = torch.float64) -> Any:
    torch.manual_seed(0)
    return build(Prototypes, sizes=Sizes({"d": 4}), count=count).to(dtype)


def values(b: int = 5, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(b, 4, generator=generator, dtype=torch.float64).mul(3).to(dtype).requires_grad_()


def gradients(scores: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    grown = torch.linspace(-1, 2, scores.numel(), dtype=scores.dtype).view_as(scores)
    return torch.autograd.grad((scores * grown).sum(), leaves)


def test_scores_and_gradients_follow_the_formula() -> None:
    node, x = prototypes(), values()
    with torch.no_grad():
        node.weight.mul_(torch.linspace(0.2, 5, 7, dtype=torch.float64)[:, None])  # as if trained: of any length
    rows = [[(z @ c) / ((z @ z).sqrt() * (c @ c).sqrt()) for c in node.weight] for z in x]
    plain = torch.stack([torch.stack(row) for row in rows])
    torch.testing.assert_close(node(x), plain, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(
        gradients(node(x), [x, node.weight]), gradients(plain, [x, node.weight]), rtol=1e-10, atol=1e-12
    )


def test_it_is_swavs_linear_layer_with_its_weights_normalised() -> None:
    node, x = prototypes(), values()
    layer = nn.Linear(4, 7, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(F.normalize(node.weight, dim=1))
    torch.testing.assert_close(node(x), layer(F.normalize(x, dim=1)))


def test_it_is_dinos_weight_norm_of_length_one() -> None:
    node, x = prototypes(), values()
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 7, bias=False).double())
    with torch.no_grad():
        layer.parametrizations.weight.original0.fill_(1)
        layer.parametrizations.weight.original1.copy_(node.weight)
    torch.testing.assert_close(node(x), layer(F.normalize(x, dim=1)))
    (ours,) = gradients(node(x), [node.weight])
    (theirs,) = gradients(layer(F.normalize(x, dim=1)), [layer.parametrizations.weight.original1])
    torch.testing.assert_close(ours, theirs)


def test_it_starts_on_the_sphere_and_has_no_bias() -> None:
    node = prototypes()
    torch.testing.assert_close(node.weight.norm(dim=1), torch.ones(7, dtype=torch.float64))
    assert {k: tuple(v.shape) for k, v in node.state_dict().items()} == {"weight": (7, 4)}


def test_a_prototype_scores_one_with_itself() -> None:
    node = prototypes()
    torch.testing.assert_close(node(5 * node.weight).diagonal(), torch.ones(7, dtype=torch.float64))
    assert node(values()).abs().max() <= 1


def test_forward_leaves_the_weights_as_they_are() -> None:
    node = prototypes()
    with torch.no_grad():
        node.weight.mul_(3)
    before = node.weight.clone()
    node(values())
    assert torch.equal(node.weight, before)


def test_a_batch_of_one_and_a_vector_of_zeros() -> None:
    node = prototypes(dtype=torch.float32)
    x = torch.zeros(1, 4, requires_grad=True)
    assert (node(x) == 0).all()
    assert torch.autograd.grad(node(x).sum(), x)[0].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scored_in_float32(dtype: torch.dtype) -> None:
    node, x = prototypes(dtype=torch.float32), values(dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        scores = node(x)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, node(x.float()), rtol=1e-6, atol=1e-6)
    large = torch.full((1, 4), 6e4, dtype=torch.float16)
    torch.testing.assert_close(node(large), node(torch.ones(1, 4)))


def test_it_waits_for_the_size() -> None:
    with pytest.raises(Unbound, match="d"):
        build(Prototypes, sizes=Sizes())


@pytest.mark.parametrize("wrong", [{"count": 0}, {"out": 10}, {"temperature": 0.1}])
def test_wrong_configs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Prototypes.Config(**wrong)
