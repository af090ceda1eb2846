"""The learning rate at the edges: first and last steps, the end of the warm-up, milestones, constant groups."""

from __future__ import annotations

import math
from collections import OrderedDict

import pytest
import torch
from torch import nn

from graphssl.graph.spec import AdamW, LearningRate, PerNode, Sgd, Train
from graphssl.train.optim import build_optimizer, unrecordable
from graphssl.train.rates import rate_at, set_rates


def rates(schedule: LearningRate, steps: int, steps_per_epoch: int) -> list[float]:
    return [rate_at(schedule, step, steps, steps_per_epoch) for step in range(steps)]


def test_cosine_without_warm_up() -> None:
    got = rates(LearningRate(), 8, 4)
    assert got == pytest.approx([0.5 + 0.5 * math.cos(math.pi * t / 8) for t in range(8)], abs=1e-15)
    assert got[0] == 1.0
    assert 0 < got[-1] < 0.05
    assert rate_at(LearningRate(), 8, 8, 4) == pytest.approx(0, abs=1e-15)


def test_cosine_ends_at_final() -> None:
    schedule = LearningRate(final=0.25)
    assert rate_at(schedule, 0, 10, 5) == 1.0
    assert rate_at(schedule, 5, 10, 5) == pytest.approx(0.625)
    assert rate_at(schedule, 10, 10, 5) == pytest.approx(0.25)
    assert rate_at(schedule, 99, 10, 5) == pytest.approx(0.25)


def test_warm_up_counts_from_one() -> None:
    got = rates(LearningRate(warmup=2), 20, 2)
    assert got[:4] == [0.25, 0.5, 0.75, 1.0]
    assert got[4] == 1.0  # the cosine begins where the warm-up ends
    assert got[4:] == pytest.approx([0.5 + 0.5 * math.cos(math.pi * t / 16) for t in range(16)])


def test_a_part_of_an_epoch_of_warm_up() -> None:
    assert rates(LearningRate(warmup=0.5, shape="constant"), 8, 4) == [0.5] + [1.0] * 7
    assert rates(LearningRate(warmup=0.01, shape="constant"), 8, 4) == [1.0] * 8


@pytest.mark.parametrize("shape", ["cosine", "step", "constant"])
def test_warm_up_that_takes_everything(shape: str) -> None:
    schedule = LearningRate.model_validate({"warmup": 10, "shape": shape})
    assert rates(schedule, 4, 2) == pytest.approx([0.05, 0.1, 0.15, 0.2])
    assert rate_at(LearningRate(warmup=2), 4, 4, 2) == 1.0  # no division by the nothing that is left


def test_one_step_alone() -> None:
    assert rates(LearningRate(), 1, 1) == [1.0]
    assert rates(LearningRate(warmup=1), 1, 1) == [1.0]


def test_milestones_are_epochs_from_the_start() -> None:
    got = rates(LearningRate(shape="step", at=[2, 3], gamma=0.1, warmup=1), 8, 2)
    assert got == pytest.approx([0.5, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_milestones_need_not_be_sorted_and_may_lie_within_an_epoch() -> None:
    assert rates(LearningRate(shape="step", at=[1.5, 0.5], gamma=0.5), 8, 4) == [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
    # 0.1 * 30 is a little more than 3 in floating point.
    assert rate_at(LearningRate(shape="step", at=[0.1]), 3, 60, 30) == pytest.approx(0.1)


def test_constant() -> None:
    assert rates(LearningRate(shape="constant"), 5, 2) == [1.0] * 5


def test_the_rate_never_leaves_its_range() -> None:
    for warmup in (0, 0.3, 1, 7):
        for final in (0.0, 0.1):
            got = rates(LearningRate(warmup=warmup, final=final), 30, 5)
            assert all(0 < r <= 1 for r in got)
            top = got.index(max(got))
            assert got[: top + 1] == sorted(got[: top + 1])
            assert got[top:] == sorted(got[top:], reverse=True)


@pytest.fixture
def root() -> nn.Module:
    return nn.Sequential(OrderedDict(encoder=nn.Linear(2, 2), head=nn.Linear(2, 2), predictor=nn.Linear(2, 2)))


TRAIN = Train(
    optimizer=Sgd(use="sgd", lr=0.5),
    schedule=LearningRate(warmup=1),
    nodes={"head": PerNode(lr=10), "predictor": PerNode(lr=2, schedule="constant")},
)


def by_node(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    return {node: float(g["lr"]) for g in optimizer.param_groups for node in g["nodes"]}


def test_rates_are_written_by_group(root: nn.Module) -> None:
    optimizer = build_optimizer(root, TRAIN, torch.device("cpu"))
    assert set_rates(optimizer, TRAIN, 0, 40, 4) == pytest.approx(0.125)
    assert by_node(optimizer) == pytest.approx({"encoder": 0.125, "head": 1.25, "predictor": 1.0})
    assert set_rates(optimizer, TRAIN, 22, 40, 4) == pytest.approx(0.25)
    assert by_node(optimizer) == pytest.approx({"encoder": 0.25, "head": 2.5, "predictor": 1.0})


def test_writing_again_does_not_compound(root: nn.Module) -> None:
    optimizer = build_optimizer(root, TRAIN, torch.device("cpu"))
    for _ in range(3):
        set_rates(optimizer, TRAIN, 22, 40, 4)
    assert by_node(optimizer) == pytest.approx({"encoder": 0.25, "head": 2.5, "predictor": 1.0})


def test_a_tensor_is_filled_in_place(root: nn.Module) -> None:
    optimizer = build_optimizer(root, TRAIN, torch.device("cpu"))
    tensors = []
    for group in optimizer.param_groups:
        group["lr"] = torch.zeros(())
        tensors.append(group["lr"])
    set_rates(optimizer, TRAIN, 0, 40, 4)
    assert all(g["lr"] is t for g, t in zip(optimizer.param_groups, tensors, strict=True))
    assert by_node(optimizer) == pytest.approx({"encoder": 0.125, "head": 1.25, "predictor": 1.0})


FROZEN = {"from": 0, "to": 1, "shape": "step", "over": 2}  # SwAV's prototypes, for the first two epochs


@pytest.mark.parametrize("use", ["sgd", "adamw", "adam", "lars", "larc"])
def test_a_node_is_frozen_for_its_first_epochs_whatever_decays(root: nn.Module, use: str) -> None:
    train = Train.model_validate(
        {"optimizer": {"use": use, "lr": 0.5, "weight_decay": 0.1}, "nodes": {"head": {"lr": FROZEN}}}
    )
    optimizer = build_optimizer(root, train, torch.device("cpu"))
    before = {name: p.detach().clone() for name, p in root.named_parameters()}
    moved: dict[int, set[str]] = {}
    for step in range(9):
        set_rates(optimizer, train, step, 40, 4)
        for parameter in root.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        moved[step] = {n.partition(".")[0] for n, p in root.named_parameters() if not torch.equal(p, before[n])}
    assert moved[7] == {"encoder", "predictor"}
    assert moved[8] == {"encoder", "head", "predictor"}


def test_a_scheduled_factor_is_written_by_group(root: nn.Module) -> None:
    train = TRAIN.model_copy(
        update={"nodes": {"head": PerNode.model_validate({"lr": {"from": 0, "to": 2, "shape": "linear", "over": 10}})}}
    )
    optimizer = build_optimizer(root, train, torch.device("cpu"))
    set_rates(optimizer, train, 20, 40, 4)
    rates = by_node(optimizer)
    assert rates["head"] == pytest.approx(rates["encoder"])
    assert {n: g["factor"] for g in optimizer.param_groups for n in g["nodes"]}["head"] == pytest.approx(1.0)


# -- the options of other authors' code --------------------------------------------------------------------------------


def test_a_cosine_by_epoch_is_mocos() -> None:
    """lr * 0.5 * (1 + cos(pi * epoch / epochs)), so in SimSiam and lightly too."""
    got = rates(LearningRate(by="epoch"), 40, 8)
    assert got == pytest.approx(
        [0.5 * (1 + math.cos(math.pi * epoch / 5)) for epoch in range(5) for _ in range(8)], abs=1e-15
    )


def test_a_cosine_over_all_is_supcontrasts() -> None:
    """Epochs are counted from 1 there; the warm-up grows to what the cosine is at the warm-up's last epoch."""
    epochs, warm, per_epoch, rate, decay = 10, 3, 4, 0.5, 0.1
    least = rate * decay**3
    to = least + (rate - least) * (1 + math.cos(math.pi * warm / epochs)) / 2
    expected = []
    for epoch in range(1, epochs + 1):
        for i in range(per_epoch):
            lr = least + (rate - least) * (1 + math.cos(math.pi * epoch / epochs)) / 2
            if epoch <= warm:  # from 0, and counted from 1 as ours are
                lr = (i + 1 + (epoch - 1) * per_epoch) / (warm * per_epoch) * to
            expected.append(lr)
    schedule = LearningRate(warmup=warm, final=decay**3, by="epoch_end", over="all")
    got = [rate * r for r in rates(schedule, epochs * per_epoch, per_epoch)]
    assert got == pytest.approx(expected, rel=1e-12)


def test_by_epoch_after_a_warm_up_counts_from_its_end() -> None:
    got = rates(LearningRate(warmup=1, by="epoch"), 12, 4)
    assert got == pytest.approx([0.25, 0.5, 0.75, 1.0, *([1.0] * 4), *([0.5] * 4)])


def module() -> nn.Module:
    return nn.Sequential(OrderedDict(encoder=nn.Linear(2, 2), head=nn.Linear(2, 2)))


def test_a_scheduled_decay_is_dinos() -> None:
    """final + (base - final) * (1 + cos(pi * step / steps)) / 2, of what is decayed at all."""
    decay = {"from": 0.04, "to": 0.4}
    train = Train(
        optimizer=AdamW.model_validate({"use": "adamw", "weight_decay": decay}),
        nodes={"head": PerNode(weight_decay=0.5)},
    )
    optimizer = build_optimizer(module(), train, torch.device("cpu"))
    for step in range(10):
        set_rates(optimizer, train, step, 10, 5)
        now = 0.4 + 0.5 * (0.04 - 0.4) * (1 + math.cos(math.pi * step / 10))
        found = {(g["nodes"][0], p.ndim): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
        assert found[("encoder", 2)] == pytest.approx(now, rel=1e-12)
        assert found[("head", 2)] == 0.5
        assert (found[("encoder", 1)], found.get(("head", 1), 0.0)) == (0.0, 0.0)


def test_a_step_with_a_scheduled_decay_is_adamws_with_that_decay() -> None:
    decay = {"from": 0.1, "to": 0.9}
    config = AdamW.model_validate({"use": "adamw", "lr": 0.01, "weight_decay": decay})
    ours, theirs = nn.Linear(3, 3, bias=False).double(), nn.Linear(3, 3, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    train = Train(optimizer=config, schedule=LearningRate(shape="constant"))
    optimizer = build_optimizer(nn.Sequential(OrderedDict(encoder=ours)), train, torch.device("cpu"))
    plain = torch.optim.AdamW(theirs.parameters(), lr=0.01)
    for step in range(4):
        plain.param_groups[0]["weight_decay"] = 0.9 + 0.5 * (0.1 - 0.9) * (1 + math.cos(math.pi * step / 4))
        set_rates(optimizer, train, step, 4, 2)
        gradient = torch.randn(3, 3, dtype=torch.float64)
        ours.weight.grad, theirs.weight.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        plain.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-10, atol=1e-12)


def test_what_a_scheduled_decay_and_timm_prevent() -> None:
    decay = {"from": 0.04, "to": 0.4}
    assert unrecordable(Train()) is None
    assert "scheduled" in str(
        unrecordable(Train(optimizer=AdamW.model_validate({"use": "adamw", "weight_decay": decay})))
    )
    assert "scheduled" in str(unrecordable(Train(nodes={"encoder": PerNode.model_validate({"weight_decay": decay})})))
