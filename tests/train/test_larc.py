"""LARC against apex's formula in float64, several steps; and LARS with its rate inside of the momentum."""

from __future__ import annotations

import copy
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from graphssl.graph.spec import Larc, Train
from graphssl.train.larc import LARC
from graphssl.train.lars import LARS
from graphssl.train.optim import build_optimizer

DECAY, MOMENTUM, ETA, EPS = 0.01, 0.9, 0.001, 1e-8
RATES = [0.6, 0.6, 0.3, 0.1]
SHAPES = [(4, 3), (5,), (2, 3, 3), (7,)]


def drawn(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]


def apex(w: Tensor, gradients: list[Tensor], clip: bool) -> Tensor:
    """LARC scales the gradients, then SGD with momentum, whose decay it has taken over, steps."""
    momentum = None
    for g, rate in zip(gradients, RATES, strict=True):
        w_norm, g_norm = float(w.norm()), float(g.norm())
        if w_norm != 0 and g_norm != 0:
            adapted = ETA * w_norm / (g_norm + w_norm * DECAY + EPS)
            if clip:
                adapted = min(adapted / rate, 1)
            g = (g + DECAY * w) * adapted
        momentum = g.clone() if momentum is None else MOMENTUM * momentum + g
        w = w - rate * momentum
    return w


def stepped(optimizer: LARS, weights: list[nn.Parameter], gradients: list[list[Tensor]]) -> None:
    for of_a_step, rate in zip(gradients, RATES, strict=True):
        for weight, gradient in zip(weights, of_a_step, strict=True):
            weight.grad = gradient.clone()
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        optimizer.step()


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("tensor", [False, True], ids=["number", "tensor"])
def test_apexs_formula(clip: bool, tensor: bool) -> None:
    start, gradients = drawn(0), [drawn(1 + t) for t in range(len(RATES))]
    start[1].zero_()  # a weight and, at the first step, a gradient of norm 0
    gradients[0][3].zero_()
    weights = [nn.Parameter(w.clone()) for w in start]
    lr: float | Tensor = torch.tensor(0.6, dtype=torch.float64) if tensor else 0.6
    stepped(LARC(weights, lr, MOMENTUM, ETA, DECAY, EPS, clip), weights, gradients)
    for i, weight in enumerate(weights):
        expected = apex(start[i], [g[i] for g in gradients], clip)
        torch.testing.assert_close(weight.detach(), expected, rtol=1e-12, atol=1e-14)


def test_clipping_matters_where_the_ratio_is_above_the_rate() -> None:
    gradients = [[g * 1e-4 for g in drawn(1 + t)] for t in range(len(RATES))]
    found = []
    for clip in (False, True):
        weights = [nn.Parameter(w) for w in drawn(0)]
        stepped(LARC(weights, 0.6, MOMENTUM, 1.0, 0.0, EPS, clip), weights, gradients)
        found.append(weights[0].detach().clone())
    assert float((found[0] - found[1]).norm()) > 0.1


def test_solo_learns_lars_is_larc_of_the_weights_alone() -> None:
    """`clip_lr` and `exclude_bias_n_norm`: what has one axis takes SGD's plain step."""
    torch.manual_seed(0)
    root = nn.Sequential(OrderedDict(encoder=nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))).double()
    config = Larc(use="larc", lr=0.6, eta=0.02, clip=True, adapt="weights", decay="weights", weight_decay=DECAY)
    optimizer = build_optimizer(root, Train(optimizer=config), torch.device("cpu"))
    weights = list(root.parameters())
    start = [w.detach().clone() for w in weights]
    gradients = [[torch.randn_like(w) for w in weights] for _ in RATES]
    assert isinstance(optimizer, LARC)
    stepped(optimizer, weights, gradients)
    for i, w in enumerate(start):
        momentum = torch.zeros_like(w)
        for of_a_step, rate in zip(gradients, RATES, strict=True):
            g = of_a_step[i]
            if w.ndim > 1:
                adapted = 0.02 * w.norm() / (g.norm() + w.norm() * DECAY + EPS)
                g = (g + DECAY * w) * min(float(adapted) / rate, 1)
            momentum = MOMENTUM * momentum + g
            w = w - rate * momentum
        torch.testing.assert_close(weights[i].detach(), w, rtol=1e-12, atol=1e-14)


def test_gradients_are_not_written() -> None:
    weights, gradients = [nn.Parameter(w) for w in drawn(0)], drawn(1)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient.clone()
    LARC(weights, 0.6, MOMENTUM, ETA, DECAY).step()
    assert all(torch.equal(w.grad, g) for w, g in zip(weights, gradients, strict=True) if w.grad is not None)


def test_a_scaler_that_has_found_infinity_changes_nothing() -> None:
    for optimizer_of in (
        lambda w: LARC(w, 0.6, MOMENTUM, ETA, DECAY), lambda w: LARS(w, 0.6, weight_decay=DECAY, rate_inside=True),
    ):  # fmt: skip
        weights = [nn.Parameter(w) for w in drawn(0)]
        optimizer = optimizer_of(weights)
        stepped(optimizer, weights, [drawn(t) for t in range(len(RATES))])
        before, state = [w.detach().clone() for w in weights], copy.deepcopy(optimizer.state_dict())
        for weight in weights:
            weight.grad = torch.full_like(weight, torch.inf)
        optimizer.grad_scale, optimizer.found_inf = torch.tensor(2.0), torch.tensor(1.0)
        optimizer.step()
        assert all(torch.equal(w, b) for w, b in zip(weights, before, strict=True))
        for key, kept in optimizer.state_dict()["state"].items():
            assert torch.equal(kept["momentum_buffer"], state["state"][key]["momentum_buffer"])


# -- LARS ------------------------------------------------------------------------------------------------------------


def simclr(w: Tensor, gradients: list[Tensor], adapted: bool) -> Tensor:
    """SimCLR's code with `classic_momentum`: v = m v + lr * trust * (g + decay w), w = w - v."""
    v = torch.zeros_like(w)
    for g, rate in zip(gradients, RATES, strict=True):
        g = g + DECAY * w
        trust = ETA * float(w.norm()) / float(g.norm()) if adapted and w.norm() > 0 and g.norm() > 0 else 1.0
        v = MOMENTUM * v + rate * trust * g
        w = w - v
    return w


@pytest.mark.parametrize("adapted", [True, False])
@pytest.mark.parametrize("tensor", [False, True], ids=["number", "tensor"])
def test_the_rate_inside_of_the_momentum(adapted: bool, tensor: bool) -> None:
    start, gradients = drawn(0), [drawn(1 + t) for t in range(len(RATES))]
    weights = [nn.Parameter(w.clone()) for w in start]
    lr: float | Tensor = torch.tensor(0.6, dtype=torch.float64) if tensor else 0.6
    stepped(LARS(weights, lr, MOMENTUM, ETA, DECAY, adapted, rate_inside=True), weights, gradients)
    for i, weight in enumerate(weights):
        expected = simclr(start[i], [g[i] for g in gradients], adapted)
        torch.testing.assert_close(weight.detach(), expected, rtol=1e-12, atol=1e-14)
    outside = [nn.Parameter(w.clone()) for w in start]
    stepped(LARS(outside, 0.6, MOMENTUM, ETA, DECAY, adapted), outside, gradients)
    assert not torch.allclose(outside[0], weights[0], rtol=1e-6)


def test_a_state_of_an_early_version_has_no_word_of_it() -> None:
    assert "rate_inside" not in LARS([nn.Parameter(torch.ones(2))], 0.1).state_dict()["param_groups"][0]
