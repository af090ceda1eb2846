"""The stochastic head: means and log variances of one linear layer, and samples with a gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from graphssl.component import Sizes, Unbound, build
from graphssl.components.head import GaussianHead, Sample
from graphssl.components.prior import KL
from graphssl.ports import Gaussian


def head(out: int = 3, dtype: torch.dtype = torch.float64) -> Any:
    torch.manual_seed(0)
    return build(GaussianHead, sizes=Sizes({"d": 5}), out=out).to(dtype)


def sampler(d: int = 3) -> Any:
    return build(Sample, sizes=Sizes({"d": d}))


def draws_of(node: Any, b: int, seed: int = 0) -> Tensor:
    drawn: Tensor = node.draw(b, torch.Generator().manual_seed(seed), torch.device("cpu"))
    return drawn


def values(b: int = 4, d: int = 5, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, d, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()


# -- the distribution ----------------------------------------------------------------------------------------


def test_mean_and_log_variance_are_two_linear_layers() -> None:
    node, x = head(), values()
    q = node(x)
    weight, bias = node.linear.weight, node.linear.bias
    assert isinstance(q, Gaussian)
    torch.testing.assert_close(q.mean, torch.einsum("bd,ed->be", x, weight[:3]) + bias[:3])
    torch.testing.assert_close(q.log_variance, torch.einsum("bd,ed->be", x, weight[3:]) + bias[3:])
    assert list(node.state_dict()) == ["linear.weight", "linear.bias"]


def test_a_log_variance_that_strayed_is_led_back() -> None:
    """A clamp would have no gradient there."""
    node = head(dtype=torch.float32)
    with torch.no_grad():
        node.linear.bias[3:] = 30
    (gradient,) = torch.autograd.grad(build(KL)(node(values(dtype=torch.float32))), node.linear.bias)
    assert gradient.isfinite().all()
    assert (gradient[3:] > 1).all()


# -- samples -------------------------------------------------------------------------------------------------


def test_samples_and_gradients_follow_the_formula() -> None:
    mean, log_variance = values(d=3), values(d=3, seed=2)
    node = sampler()
    noise = draws_of(node, 4)
    ours = node(Gaussian(mean, log_variance), noise)
    plain = torch.stack(
        [
            torch.stack([m + torch.sqrt(torch.exp(v)) * float(e) for m, v, e in zip(*rows, strict=True)])
            for rows in zip(mean, log_variance, noise, strict=True)
        ]
    )
    grown = torch.linspace(-1, 2, 12, dtype=torch.float64).view(4, 3)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(
        torch.autograd.grad((ours * grown).sum(), (mean, log_variance)),
        torch.autograd.grad((plain * grown).sum(), (mean, log_variance)),
    )


def test_many_samples_have_the_mean_and_the_variance() -> None:
    node = sampler(d=2)
    q = Gaussian(torch.tensor([[3.0, -1.0]]).expand(20000, 2), torch.tensor([[0.0, 2.0]]).expand(20000, 2))
    z = node(q, draws_of(node, 20000))
    torch.testing.assert_close(z.mean(0), torch.tensor([3.0, -1.0]), atol=0.06, rtol=0)
    torch.testing.assert_close(z.var(0).log(), torch.tensor([0.0, 2.0]), atol=0.05, rtol=0)


def test_draws_come_from_the_generator() -> None:
    node = sampler()
    assert torch.equal(draws_of(node, 4), draws_of(node, 4))
    assert not torch.equal(draws_of(node, 4), draws_of(node, 4, seed=1))
    assert node.draw(4, None, torch.device("meta")).shape == (4, 3)


def test_in_eval_mode_a_sample_is_the_mean() -> None:
    node, q = sampler(), Gaussian(values(d=3), values(d=3, seed=2))
    assert torch.equal(node.eval()(q, draws_of(node, 4)), q.mean)
    assert torch.equal(node.eval()(q, None), q.mean)  # features are made without draws
    assert not torch.equal(node.train()(q, draws_of(node, 4)), q.mean)


def test_a_batch_of_one() -> None:
    node = sampler()
    assert node(head()(values(b=1)), draws_of(node, 1)).shape == (1, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_sampled_in_float32(dtype: torch.dtype) -> None:
    node = sampler()
    q = Gaussian(values(d=3, dtype=dtype), torch.full((4, 3), 30.0, dtype=dtype))  # exp(30) is beyond float16
    with torch.autocast("cpu", torch.bfloat16):
        z = node(q, draws_of(node, 4))
    expected = node(Gaussian(*(t.double() for t in q)), draws_of(node, 4))
    assert z.dtype == torch.float32
    torch.testing.assert_close(z.double(), expected, rtol=1e-5, atol=1e-5)


def test_it_waits_for_the_size() -> None:
    for cls in (GaussianHead, Sample):
        with pytest.raises(Unbound, match="d"):
            build(cls, sizes=Sizes())


@pytest.mark.parametrize("wrong", [{"out": 0}, {"clamp": 5}])
def test_wrong_configs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GaussianHead.Config(**wrong)
