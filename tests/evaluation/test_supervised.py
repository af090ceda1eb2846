"""Training with labels: against a plain loop in float64, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from graphssl.data.order import seed_of
from graphssl.errors import RunError
from graphssl.evaluation.supervised import Classifying, Recipe, train_supervised
from graphssl.evaluation.views import Seen
from graphssl.graph.spec import LearningRate, PerNode, Sgd, Train
from graphssl.train.precision import resolve

CPU = torch.device("cpu")
IMAGE = torch.randn(24, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABEL = torch.arange(24) % 3


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 6), nn.Tanh()).double()


def epoch(number: int) -> Iterator[Seen]:
    for rows in torch.arange(24).roll(number).split(10):
        yield Seen((IMAGE[rows],), LABEL[rows], rows)


def recipe(lr: float = 0.3, mixup: float = 0.0, smoothing: float = 0.0, **nodes: PerNode) -> Recipe:
    train = Train(optimizer=Sgd(use="sgd", lr=lr, weight_decay=0.1), schedule=LearningRate(shape="cosine"), nodes=nodes)
    return Recipe(train, 6, 3, resolve("fp32", CPU), mixup, smoothing, seed=5)


@pytest.mark.parametrize(("mixup", "smoothing"), [(0.0, 0.0), (0.4, 0.0), (0.0, 0.2), (0.4, 0.1)])
def test_it_is_a_plain_loop(mixup: float, smoothing: float) -> None:
    given = network()
    model = Classifying(given, 6, 3, CPU).double()
    train_supervised(model, epoch, recipe(mixup=mixup, smoothing=smoothing), CPU)

    plain, head = network(), nn.Linear(6, 3).double()
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    weights, biases = [plain[1].weight, head.weight], [plain[1].bias, head.bias]
    sgd = torch.optim.SGD([{"params": weights, "weight_decay": 0.1}, {"params": biases}], 0.3, 0.9)
    for step in range(6):
        seen = list(epoch(step // 3))[step % 3]
        for group in sgd.param_groups:
            group["lr"] = 0.3 * (1 + np.cos(np.pi * step / 6)) / 2
        x, y = seen.views[0], functional.one_hot(seen.label, 3).double()
        if mixup:
            share = np.random.default_rng(seed_of(f"mixup 5 {step}")).beta(mixup, mixup)
            x, y = share * x + (1 - share) * x.flip(0), share * y + (1 - share) * y.flip(0)
        target = (1 - smoothing) * y + smoothing / 3
        loss = -(target * head(plain(x)).log_softmax(1)).sum(1).mean()
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    for mine, theirs in zip(model.parameters(), [*plain.parameters(), *head.parameters()], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-6)  # logits are float32 at the end


def test_the_network_that_is_judged_stays_as_it_is() -> None:
    given = network().eval().requires_grad_(False)
    before = [p.clone() for p in given.parameters()]
    model = Classifying(given, 6, 3, CPU).double()
    train_supervised(model, epoch, recipe(), CPU)
    assert all(torch.equal(a, b) for a, b in zip(before, given.parameters(), strict=True))
    assert not given.training
    assert not any(p.requires_grad for p in given.parameters())
    assert not torch.equal(model.network[1].weight, given[1].weight)  # type: ignore[index, operator]


def test_a_rate_of_zero_for_the_network_trains_the_classifier_alone() -> None:
    model = Classifying(network(), 6, 3, CPU).double()
    train_supervised(model, epoch, recipe(network=PerNode(lr=0.0)), CPU)
    assert torch.equal(model.network[1].weight, network()[1].weight)  # type: ignore[index, operator]
    assert bool(model.classifier.weight.abs().sum() > 0)


def test_a_loss_that_is_not_finite() -> None:
    with pytest.raises(RunError, match=r"the loss is not finite in epoch . of fine-tuning: a lower rate usually helps"):
        train_supervised(Classifying(network(), 6, 3, CPU).double(), epoch, recipe(lr=1e300), CPU)


def test_what_is_random_in_a_network_has_a_seed() -> None:
    def trained() -> torch.Tensor:
        model = Classifying(nn.Sequential(network(), nn.Dropout(0.5)), 6, 3, CPU).double()
        train_supervised(model, epoch, recipe(), CPU)
        return model.classifier.weight.detach()

    one = trained()
    torch.rand(100)
    assert torch.equal(one, trained())
