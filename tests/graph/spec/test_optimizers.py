"""A new optimizer is a class, a row of the table and a function that makes it; nothing else is edited."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Literal

import pytest
import torch
from conftest import SIMCLR, Write, problems_of
from helpers import CPU
from pydantic import NonNegativeFloat, PositiveFloat
from tables import added
from torch import nn

from graphssl.api import check
from graphssl.graph.spec import OPTIMIZERS, Optimizer, Sgd, Train
from graphssl.program.cost import predict
from graphssl.train.optim import Groups, build_optimizer, construct


class Plain(Optimizer):
    """What torch.optim.ASGD does."""

    use: Literal["plain"]
    lr: PositiveFloat = 0.5
    weight_decay: NonNegativeFloat = 0.1

    @property
    def moments(self) -> int:
        return 3


@pytest.fixture
def plain() -> Iterator[None]:
    def average(config: Plain, groups: Groups, _device: torch.device, _recorded: bool) -> torch.optim.Optimizer:
        return torch.optim.ASGD(groups, lr=config.lr)

    construct.register(Plain, average)
    with added(OPTIMIZERS, {"plain": Plain}):
        yield


def test_a_new_optimizer_is_a_class_a_row_and_a_function(plain: None, write: Write) -> None:
    assert Train.model_validate({"optimizer": {"use": "sgd"}}).optimizer == Sgd(use="sgd")
    checked = check(write(SIMCLR, ("{use: sgd, lr: 0.05}", "{use: plain, lr: 0.25}")))
    train = checked.graph.spec.train
    assert train.optimizer == Plain(use="plain", lr=0.25)
    assert checked.graph.resolved()["train"]["optimizer"] == {"use": "plain", "lr": 0.25, "weight_decay": 0.1}
    root = nn.Sequential(OrderedDict(head=nn.Linear(4, 2)))
    optimizer = build_optimizer(root, train, CPU)
    assert isinstance(optimizer, torch.optim.ASGD)
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 0.1}
    assert {group["lr"] for group in optimizer.param_groups} == {0.25}
    cost = predict(checked.graph, checked.shapes, CPU, torch.float32)
    assert cost.optimizer == 3 * cost.weights
    (found,) = problems_of(check, write(SIMCLR, ("{use: sgd, lr: 0.05}", "{use: plan}")))
    assert "did you mean 'plain'?" in found


def test_every_optimizer_has_a_function() -> None:
    assert {construct.dispatch(config) for config in OPTIMIZERS.values()}.isdisjoint({construct.dispatch(Optimizer)})
    named = {"timm": {"name": "lamb"}}  # what has to be said
    assert [config(use=name, **named.get(name, {})).use for name, config in OPTIMIZERS.items()] == list(OPTIMIZERS)
    with pytest.raises(TypeError, match="no function is registered for Unknown"):
        construct(Unknown(), [], CPU, False)


class Unknown(Optimizer):
    pass
