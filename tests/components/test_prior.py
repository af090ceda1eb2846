"""Priors: the divergence from a normal one in float64, and the adversary against two optimizers' gradients."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from graphssl.component import Sizes, build
from graphssl.components.prior import KL, Adversary
from graphssl.ports import Gaussian

PRIORS = ("uniform", "normal")


def gaussian(b: int = 5, d: int = 3, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Gaussian:
    generator = torch.Generator().manual_seed(0)
    return Gaussian(
        *(
            (torch.randn(b, d, generator=generator, dtype=torch.float64) * scale).to(dtype).requires_grad_()
            for _ in range(2)
        )
    )


# -- the divergence ------------------------------------------------------------------------------------------


def test_kl_is_the_formula() -> None:
    q = gaussian()
    ours = build(KL)(q)
    plain = torch.zeros((), dtype=torch.float64)
    for mean, log_variance in zip(q.mean.flatten(), q.log_variance.flatten(), strict=True):
        plain = plain - (1 + log_variance - mean**2 - torch.exp(log_variance)) / 2 / len(q.mean)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(torch.autograd.grad(ours, q), torch.autograd.grad(plain, q))


def test_kl_is_torchs_divergence_of_normal_distributions() -> None:
    q = gaussian(scale=2)
    expected = kl_divergence(Normal(q.mean, (q.log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(build(KL)(q), expected)


def test_kl_of_the_prior_is_zero_with_no_gradient() -> None:
    q = Gaussian(*(torch.zeros(1, 4, requires_grad=True) for _ in range(2)))
    loss = build(KL)(q)
    assert loss.item() == 0
    assert all((g == 0).all() for g in torch.autograd.grad(loss, q))


def test_kl_near_the_prior_keeps_its_digits() -> None:
    """log var^2 / 4 to second order, far below float32's rounding of 1 + log var."""
    q = Gaussian(torch.zeros(1, 1), torch.full((1, 1), 1e-3))
    assert build(KL)(q).item() == pytest.approx(2.5e-7, rel=0.05)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_kl_of_half_precision_is_float32(dtype: torch.dtype) -> None:
    q = gaussian(dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        loss = build(KL)(q)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(build(KL)(Gaussian(*(t.double() for t in q))).item(), rel=1e-5)
    wild = Gaussian(torch.full((2, 3), 6e4, dtype=torch.float16), torch.tensor([[-6e4, 20, 60]] * 2).half())
    assert build(KL)(wild).isfinite()


# -- the adversary -------------------------------------------------------------------------------------------


def adversary(dtype: torch.dtype = torch.float64, **config: Any) -> Any:
    torch.manual_seed(0)
    config.setdefault("hidden", [7, 5])
    return build(Adversary, sizes=Sizes({"d": 3}), **config).to(dtype)


def embedding(b: int = 6, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(b, 3, generator=generator, dtype=torch.float64).mul(2).to(dtype).requires_grad_()


def draws_of(node: Any, b: int, seed: int = 0) -> Tensor:
    drawn: Tensor = node.draw(b, torch.Generator().manual_seed(seed), torch.device("cpu"))
    return drawn


def plain_loss(node: Any, z: Tensor, draws: Tensor) -> Tensor:
    """Equation 7 of Deep InfoMax, negated, sample by sample: -log D(y) - log(1 - D(z))."""
    total = torch.zeros((), dtype=torch.float64)
    for given, sample in zip(z, draws.double(), strict=True):
        if node.prior == "uniform":
            given = 1 / (1 + torch.exp(-given))
        real, fake = (torch.sigmoid(node.discriminator(v[None])).squeeze() for v in (sample, given))
        total = total - torch.log(real) - torch.log(1 - fake)
    return total / len(z)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("reversal", [0.0, 0.3, 1.0])
def test_one_pass_has_the_gradients_of_two_optimizers(prior: str, reversal: float) -> None:
    node, z = adversary(prior=prior, reversal=reversal), embedding()
    draws = draws_of(node, 6)
    loss = node(z, draws)
    weights = list(node.parameters())
    ours = torch.autograd.grad(loss, [z, *weights])

    # The discriminator descends its loss on embeddings that are held fixed ...
    discriminator = torch.autograd.grad(plain_loss(node, z.detach(), draws), weights)
    # ... and the encoder descends the reversed one, against a discriminator that is held fixed.
    fixed = copy.deepcopy(node).requires_grad_(False)
    (encoder,) = torch.autograd.grad(-reversal * plain_loss(fixed, z, draws), z)
    torch.testing.assert_close(loss, plain_loss(node, z, draws), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(ours[1:], discriminator, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(ours[0], encoder, rtol=1e-9, atol=1e-12)


def test_the_reversal_does_not_change_a_bit_of_the_value() -> None:
    z = embedding(dtype=torch.float32) * 1e3
    losses = [
        node(z, draws_of(node, 6))
        for node in (adversary(torch.float32, prior="normal", reversal=r) for r in (0, 1, 77.7))
    ]
    assert losses[0].item() == losses[1].item() == losses[2].item()


def test_a_scheduled_reversal_is_read_in_each_call() -> None:
    node, z = adversary(reversal={"from": 0, "to": 1}), embedding()
    (full,) = torch.autograd.grad(adversary()(z, draws_of(node, 6)), z)
    for reversal in (0.0, 0.25, 1.0):
        node.reversal.fill_(reversal)
        (gradient,) = torch.autograd.grad(node(z, draws_of(node, 6)), z)
        torch.testing.assert_close(gradient, reversal * full)


def test_the_reversal_survives_the_compiler() -> None:
    torch._dynamo.reset()
    node, z = adversary(torch.float32, reversal={"from": 0.4, "to": 1}), embedding(dtype=torch.float32)
    draws = draws_of(node, 6)
    compiled = torch.compile(node, fullgraph=True, backend="aot_eager")(z, draws)
    leaves = [z, *node.parameters()]
    expected = node(z, draws)
    torch.testing.assert_close(compiled, expected)
    torch.testing.assert_close(torch.autograd.grad(compiled, leaves), torch.autograd.grad(expected, leaves))


def test_a_discriminator_that_cannot_tell_costs_2_log_2() -> None:
    node = adversary()
    nn.init.zeros_(node.discriminator[-1].weight)
    nn.init.zeros_(node.discriminator[-1].bias)
    assert node(embedding(), draws_of(node, 6)).item() == pytest.approx(2 * math.log(2))


def test_embeddings_learn_the_prior() -> None:
    """Free embeddings, all near 2, become normal by one optimizer on the one loss."""
    node = adversary(torch.float32, prior="normal", hidden=[32])
    z = nn.Parameter(2 + 0.1 * torch.randn(64, 3, generator=torch.Generator().manual_seed(0)))
    optimizer = torch.optim.Adam([z, *node.parameters()], 0.02)
    for step in range(400):
        optimizer.zero_grad()
        node(z, draws_of(node, 64, seed=step)).backward()
        optimizer.step()
    torch.testing.assert_close(z.detach().mean(0), torch.zeros(3), atol=0.3, rtol=0)
    torch.testing.assert_close(z.detach().std(0), torch.ones(3), atol=0.4, rtol=0)


def test_draws_follow_the_prior() -> None:
    uniform, normal = (draws_of(adversary(prior=p), 4000) for p in PRIORS)
    assert uniform.shape == normal.shape == (4000, 3)
    assert uniform.min() >= 0
    assert uniform.max() <= 1
    torch.testing.assert_close(uniform.mean(0), torch.full((3,), 0.5), atol=0.02, rtol=0)
    torch.testing.assert_close(uniform.var(0), torch.full((3,), 1 / 12), atol=0.005, rtol=0)
    torch.testing.assert_close(normal.mean(0), torch.zeros(3), atol=0.06, rtol=0)
    torch.testing.assert_close(normal.std(0), torch.ones(3), atol=0.05, rtol=0)


def test_the_discriminator_has_the_paper_s_layers() -> None:
    with torch.device("meta"):
        node = build(Adversary, sizes=Sizes({"d": 64}))
    shapes = [tuple(m.weight.shape) for m in node.discriminator if isinstance(m, nn.Linear)]
    assert shapes == [(1000, 64), (200, 1000), (1, 200)]


def test_a_linear_discriminator_and_a_batch_of_one() -> None:
    node = adversary(hidden=[])
    z = embedding(b=1)
    draws = draws_of(node, 1)
    expected = F.softplus(-node.discriminator(draws.double())) + F.softplus(node.discriminator(z.sigmoid()))
    torch.testing.assert_close(node(z, draws), expected.squeeze())


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_embeddings_under_autocast(prior: str, dtype: torch.dtype) -> None:
    node, z = adversary(torch.float32, prior=prior), embedding(dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        loss = node(z, draws_of(node, 6))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(node(z.float(), draws_of(node, 6)).item(), rel=0.02)
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, [z, *node.parameters()]))


@pytest.mark.parametrize("wrong", [{"prior": "beta"}, {"hidden": [0]}, {"reversal": -1}, {"size": 3}])
def test_wrong_configs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Adversary.Config(**wrong)
