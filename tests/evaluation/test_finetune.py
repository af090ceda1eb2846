"""Fine-tuning a run: what it learns, with few labels, and how a rate is chosen."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SIMCLR, Write
from torch import nn

import graphssl
from graphssl.component import DataFacts, Sizes, build, discover, find
from graphssl.data import open_data
from graphssl.errors import GraphError, RunError
from graphssl.evaluation import Context
from graphssl.evaluation.finetune import Finetune
from graphssl.evaluation.subset import subset_of
from graphssl.evaluation.supervised import Diverged
from graphssl.graph.spec import Data

CPU = torch.device("cpu")


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.AvgPool2d(4), nn.Conv2d(3, 12, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(108, 16), nn.ReLU()
    )


def context() -> Context:
    discover()
    section = Data(use="digits", batch=64)
    data = open_data(section, CPU, 0)
    return Context(small(), data, DataFacts(classes=10, mean=(0.3,) * 3, std=(0.35,) * 3), (32, 32), 64, CPU, seed=1)


def options(**given: Any) -> Finetune:
    some = {"epochs": 4, "batch": 64, "flip": 0.0, "area": [0.8, 1.0], "lr": [0.5], **given}
    return Finetune(Finetune.Config.model_validate_json(json.dumps(some), strict=True))


def test_it_learns_what_frozen_features_do_not_tell() -> None:
    found = options().run(context())
    assert found.scores["finetune"] > 0.75
    assert found.details["chosen"] == {"lr": 0.5}
    assert found.details["validation"] == []
    assert found == options().run(context()), "twice the same is the same number"


def test_the_rate_is_chosen_on_a_part_of_what_is_learnt_from() -> None:
    found = options(lr=[1e-6, 0.5], epochs=2).run(context())
    assert found.details["chosen"] == {"lr": 0.5}
    (low, high) = found.details["validation"]
    assert low["lr"] == 1e-6
    assert low["accuracy"] < high["accuracy"]
    assert found.scores == options(lr=[0.5], epochs=2).run(context()).scores


def test_a_rate_that_diverges_is_not_chosen() -> None:
    found = options(lr=[1e12, 0.2], epochs=1).run(context())
    assert (found.details["chosen"], found.details["validation"][0]["accuracy"]) == ({"lr": 0.2}, -1)
    for rates in ([1e12], [1e12, 1e13]):
        with pytest.raises(Diverged, match=r"\(finetune.lr\) usually help|a lower rate usually helps"):
            options(lr=rates, epochs=2).run(context())


def test_few_labels() -> None:
    found = options(labels=0.1, lr=[0.2], epochs=1).run(context())
    data = open_data(Data(use="digits", batch=64), CPU, 0)
    subset = subset_of(data.learning_labels, 0.1, 1)
    assert (found.details["samples"], found.details["subset"]) == (297, subset.digest)
    assert len(subset.places) == 150
    with pytest.raises(RunError, match=r"finetune.validation: 0.1 of the labelled pictures holds out none"):
        options(labels=2, lr=[0.1, 0.2]).run(context())
    with pytest.raises(RunError, match="labels: 500 of each class are asked for"):
        options(labels=500).run(context())


def test_with_a_decay_of_layers_early_ones_move_less() -> None:
    plain = context()
    facts = DataFacts(height=32, width=32)
    torch.manual_seed(0)
    encoder = build(find("encoder.resnet"), None, Sizes({"c": 3}, facts), depth=10, width=8, stem="imagenet")
    own = replace(plain, module=encoder)

    def moved(**given: Any) -> tuple[float, float]:
        """How far the first and the last convolution go in the first of few steps, as a share of their length."""
        model = options(epochs=1, lr=[0.05], labels=0.1, **given)._trained(own, torch.arange(0, 1500, 10), 0.05)
        pairs = zip(encoder.parameters(), model.network.parameters(), strict=True)
        shares = [float(((b - a).norm() / a.norm()).detach()) for a, b in pairs if a.ndim == 4]
        return shares[0], shares[-1]

    first, last = moved()
    early, late = moved(layer_decay=0.1)
    assert early < 0.01 * first
    assert late > 0.02 * last


def test_crops_have_the_size_that_the_network_takes() -> None:
    views = replace(context(), size=(36, 40)).crops([{"use": "crop", "area": [0.5, 1.0]}])
    assert next(iter(views.epoch(0, 8))).views[0].shape == (8, 3, 36, 40)


def test_of_a_run(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHSSL_FEATURE_CACHE", "0")
    path = write(SIMCLR, ("epochs: 2", "steps: 1"), ("batch: 16", "batch: 128"), ("knn: {k: 5, every: 1}", "knn: null"))
    run = graphssl.run(path, name="a", report=lambda _: None)
    sets = {"epochs": 1, "labels": 0.1, "lr": [0.1]}
    found = graphssl.evaluate(run, protocol="finetune", sets=sets)
    assert set(found.scores) == {"finetune", "finetune/top5"}
    assert set(found.figures) == {"finetune labels 0.1 lr 0.1 epochs 1"}
    assert not math.isnan(next(iter(found.scores.values())))
    again = graphssl.evaluate(run, protocol="finetune", sets=sets)
    assert again.figures == found.figures
    with pytest.raises(GraphError, match=r"layer_decay") as error:
        graphssl.evaluate(run, protocol="finetune", sets={"layer_decay": 1.5})
    assert "--set" in str(error.value)
    decayed = graphssl.evaluate(run, protocol="finetune", sets={**sets, "layer_decay": 0.5})
    assert set(decayed.figures) == {"finetune labels 0.1 lr 0.1 epochs 1 layer_decay 0.5"}
