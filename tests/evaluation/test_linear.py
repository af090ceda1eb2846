"""The grid of linear classifiers by SGD: each against torch's own, alone; and how the best is chosen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SIMCLR, Write
from torch import Tensor, nn

import graphssl
from graphssl.errors import RunError
from graphssl.evaluation.figures import interval_of_accuracy
from graphssl.evaluation.grid import Grid, train_linear, train_on_views
from graphssl.evaluation.heads import Heads
from graphssl.evaluation.labelled import Labelled, Splits
from graphssl.evaluation.linear import Linear
from graphssl.evaluation.logistic import logistic_accuracy
from graphssl.evaluation.scaling import Scaling
from graphssl.evaluation.subset import validation_of
from graphssl.evaluation.views import Seen


def cloud(n: int, seed: int, classes: int = 4, d: int = 10, noise: float = 1.5) -> Labelled:
    centres = torch.randn(classes, d, generator=torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    return Labelled(3 + 2 * (centres[labels] + noise * torch.randn(n, d, generator=generator)), labels)


@pytest.mark.parametrize("weighted", [False, True])
def test_each_head_is_torchs_sgd_on_a_linear_layer(weighted: bool) -> None:
    """float64, by autograd, one classifier at a time."""
    lr, decay, momentum = [0.5, 0.1, 0.02], [0.0, 0.01, 0.1], 0.9
    data = cloud(64, 0)
    x, y = data.features.double(), data.labels
    heads = Heads(lr, decay, momentum, 4, 10, dtype=torch.float64)
    weight = (torch.rand(16, 3, generator=torch.Generator().manual_seed(1)) > 0.4).double() if weighted else None
    layers = [nn.Linear(10, 4).double() for _ in lr]
    for i, layer in enumerate(layers):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        sgd = torch.optim.SGD(layer.parameters(), lr[i], momentum, weight_decay=decay[i])
        for step, rows in enumerate(torch.arange(64).split(16)):
            sgd.param_groups[0]["lr"] = lr[i] * (1 - step / 4)
            each = nn.functional.cross_entropy(layer(x[rows]), y[rows], reduction="none")
            loss = each.mean() if weight is None else (each * weight[:, i]).sum() / weight[:, i].sum()
            sgd.zero_grad()
            loss.backward()
            sgd.step()
    for step, rows in enumerate(torch.arange(64).split(16)):
        heads.step(x[rows], y[rows], 1 - step / 4, weight)
    logits = heads.logits(x)
    for i, layer in enumerate(layers):
        torch.testing.assert_close(logits[:, i], layer(x).detach(), rtol=1e-11, atol=1e-11)


def test_a_head_that_sees_no_sample_of_a_batch_only_decays() -> None:
    heads = Heads([0.1, 0.1], [0.0, 0.0], 0.0, 4, 10)
    data = cloud(8, 0)
    heads.step(data.features, data.labels, 1.0, torch.tensor([[1.0, 0.0]]).expand(8, 2))
    assert bool((heads.weight[0] != 0).any())
    assert bool((heads.weight[1] == 0).all())


def test_validation_is_a_share_of_each_class_and_the_same_everywhere() -> None:
    labels = torch.cat([torch.zeros(100), torch.ones(20), torch.full((4,), 2), torch.full((1,), 3)]).long()
    held = validation_of(labels, 0.1, 0)
    assert [int(held[labels == c].sum()) for c in range(4)] == [10, 2, 0, 0]
    assert held.nonzero()[:4, 0].tolist() == validation_of(labels, 0.1, 0).nonzero()[:4, 0].tolist()
    assert held.tolist() != validation_of(labels, 0.1, 1).tolist()
    order = np.random.default_rng(0).permutation(125)  # numpy promises its streams to stay
    assert sorted(held[:100].nonzero()[:, 0].tolist()) == sorted([i for i in order if i < 100][:10])
    assert [int(validation_of(labels, 0.99, 0)[labels == c].sum()) for c in range(4)] == [99, 19, 3, 0]


def config(**options: object) -> Grid:
    return Linear.Config.model_validate({"epochs": 30, "batch": 64, **options}).grid


def test_it_agrees_with_logistic_regression_within_the_interval() -> None:
    splits = Splits(cloud(2000, 1), cloud(1000, 2), 4)
    found = train_linear(splits, config(), 0)
    right = (found.logits(splits.queries.features).argmax(1) == splits.queries.labels).sum()
    low, high = interval_of_accuracy(int(right), 1000)
    assert 0.6 < right / 1000 < 0.98
    assert low <= logistic_accuracy(splits) <= high


def test_the_best_on_validation_is_trained_on_all() -> None:
    """A pair that learns nothing in time is not chosen, whatever it would do on the test part."""
    data = cloud(500, 3)
    found = train_linear(Splits(data, data, 4), config(lr=[1e-9, 0.1, 1e9], decay=[0.0, 100.0]), 0)
    assert found.chosen == {"lr": 0.1, "decay": 0.0}
    assert [(row["lr"], row["decay"]) for row in found.validation] == [
        (lr, decay) for lr in (1e-9, 0.1, 1e9) for decay in (0.0, 100.0)
    ]
    best = max(row["accuracy"] for row in found.validation)
    assert found.validation[2]["accuracy"] == best
    alone = train_linear(Splits(data, data, 4), config(lr=[0.1], decay=[0.0]), 0)
    assert torch.equal(found.heads.weight, alone.heads.weight)


def test_no_part_of_it_sees_the_test_part() -> None:
    data, test, noise = cloud(500, 3), cloud(100, 4), cloud(100, 5, noise=9)
    one, two = (train_linear(Splits(data, Labelled(t.features, 3 - t.labels), 4), config(), 0) for t in (test, noise))
    assert one.chosen == two.chosen
    assert torch.equal(one.heads.weight, two.heads.weight)


@pytest.mark.parametrize("how", ["standardize", "l2", "none"])
def test_scaling(how: str) -> None:
    data = cloud(300, 0).features
    data[:, 3] = 7.0
    found = Scaling.of(data, how)(data)  # type: ignore[arg-type]
    plain = data.double().numpy()
    if how == "standardize":
        spread = plain.std(0)
        wanted = (plain - plain.mean(0)) / np.where(spread == 0, 1, spread)
    else:
        wanted = plain / np.linalg.norm(plain, axis=1, keepdims=True) if how == "l2" else plain
    assert np.allclose(found.numpy(), wanted, atol=1e-5)


def test_too_few_for_validation() -> None:
    few = Labelled(torch.randn(8, 3), torch.arange(8) // 2)
    with pytest.raises(
        RunError, match=r"linear.validation: 0.1 holds out nothing, as no class has 6 labelled pictures"
    ):
        train_linear(Splits(few, few, 4), config(), 0)
    enough = Labelled(torch.randn(12, 3), torch.arange(12) // 6)
    assert int(validation_of(enough.labels, 0.1, 0).sum()) == 2
    train_linear(Splits(enough, enough, 2), config(epochs=1), 0)


def test_a_grid_that_diverges_is_told() -> None:
    data = cloud(200, 0)
    with pytest.raises(RunError, match="every linear classifier of the grid diverges"):
        train_linear(Splits(data, data, 4), config(lr=[1e30], decay=[1e10]), 0)


def test_the_rate_falls_as_a_cosine_and_is_of_batches_of_256(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, float]] = []
    plain = Heads.step

    def step(self: Heads, x: Tensor, y: Tensor, factor: float, weight: Tensor | None = None) -> None:
        seen.append((float(self.lr[0]), factor))
        plain(self, x, y, factor, weight)

    monkeypatch.setattr(Heads, "step", step)
    data = cloud(200, 0)
    train_linear(Splits(data, data, 4), config(lr=[0.4], decay=[0.0], epochs=2), 0)
    steps = 2 * math.ceil(200 / 64)
    assert seen[-steps:] == [
        (pytest.approx(0.1), pytest.approx(0.5 * (1 + math.cos(math.pi * i / steps)))) for i in range(steps)
    ]


class Plain:
    """Stands for views: the pictures as they are, in an order of its own."""

    def __init__(self, image: Tensor, label: Tensor) -> None:
        self.image, self.label = image, label

    def epoch(self, epoch: int, batch: int, places: Tensor) -> Iterator[Seen]:
        for some in places.roll(7 * epoch).split(batch):
            yield Seen((self.image[some],), self.label[some], some)


@pytest.mark.parametrize("every", [True, False])
def test_on_views_each_pair_is_torchs_sgd_with_and_without_what_is_held_out(every: bool) -> None:
    """Of each pair one classifier sees all, and one only what is not held out: the mean is over these."""
    data = cloud(120, 0, d=12)
    image = data.features.view(120, 3, 2, 2)
    network, own = nn.Flatten().train(), config(lr=[0.2, 0.05], decay=[0.0, 0.02], epochs=2)
    places = torch.arange(120) if every else torch.arange(10, 110)
    known = Splits(Labelled(data.features[places], data.labels[places]), data, 4)
    found = train_on_views(known, places, Plain(image, data.labels), network, own, 0)  # type: ignore[arg-type]
    assert network.training
    held = validation_of(known.reference.labels, own.validation, 0)
    mean, std = known.reference.features.double().mean(0), known.reference.features.double().std(0, correction=0)
    accuracies = []
    for i, sees_all in [(i, flag) for flag in (False, True) for i in range(4)]:
        pair, layer = own.pairs[i], nn.Linear(12, 4).double()
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        sgd = torch.optim.SGD(layer.parameters(), 1.0, 0.9, weight_decay=pair["decay"])
        batches = [seen for epoch in (0, 1) for seen in Plain(image, data.labels).epoch(epoch, 64, places)]
        for step, seen in enumerate(batches):
            sgd.param_groups[0]["lr"] = pair["lr"] / 4 * (1 + math.cos(math.pi * step / len(batches))) / 2
            is_held = held[(seen.place[:, None] == places).long().argmax(1)]
            x, y = (seen.views[0].flatten(1).double() - mean) / std, seen.label
            if not sees_all:
                x, y = x[~is_held], y[~is_held]
            sgd.zero_grad()
            nn.functional.cross_entropy(layer(x), y).backward()
            sgd.step()
        mine = found.heads.weight[i + 4 * sees_all]
        theirs = torch.cat([layer.weight, layer.bias[:, None]], 1)
        torch.testing.assert_close(mine, theirs.detach().float(), rtol=1e-4, atol=1e-5)
        if not sees_all:
            x = (known.reference.features[held].double() - mean) / std
            accuracies.append((layer(x).argmax(1) == known.reference.labels[held]).double().mean().item())
    assert [row["accuracy"] for row in found.validation] == pytest.approx(accuracies)
    assert found.which == 4 + accuracies.index(max(accuracies))
    assert found.chosen == own.pairs[found.which - 4]


def test_crops_of_a_run(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHSSL_FEATURE_CACHE", "0")
    small = (("epochs: 2", "steps: 1"), ("batch: 16", "batch: 128"), ("knn: {k: 5, every: 1}", "knn: null"))
    run = graphssl.run(write(SIMCLR, *small), name="a", report=lambda _: None)
    plain = {"epochs": 2, "lr": [0.1], "decay": [0.0]}
    crops = {**plain, "views": "crops", "area": [0.6, 1.0], "flip": 0}
    found = [graphssl.evaluate(run, protocol="linear", sets=sets).scores for sets in (plain, crops, crops)]
    one, two, again = (next(iter(scores.values())) for scores in found)
    assert found[1] == found[2]
    assert two == again
    assert one != two
    assert min(one, two) > 0.3
