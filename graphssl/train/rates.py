"""The learning rate at a step: linear warm-up times a shape, and how it is written into the optimizer."""

from __future__ import annotations

import math

from torch import Tensor
from torch.optim import Optimizer

from ..graph import spec
from ..schedule import Schedule

__all__ = ["rate_at", "set_rates"]


def rate_at(schedule: spec.LearningRate, step: int, steps: int, steps_per_epoch: int) -> float:
    """The factor on the learning rate at optimizer step `step` (from 0) of `steps`.

    Warm-up over w steps is (step + 1) / w, so that no step has a rate of 0 and step w - 1 has the full one (gradual
    warm-up: Goyal et al. 2017, arXiv:1706.02677, section 2.2; SimCLR's and BYOL's code begin with step / w).
    cosine: from 1 at the end of the warm-up to `final` at `steps` (Loshchilov and Hutter 2017, arXiv:1608.03983,
    equation 5). step: `gamma` to the number of `at` epochs that have passed, counted from the start. A cosine over all
    is counted from step 0, and the warm-up grows to what it is at its end (SupContrast's `warmup_to`).
    """
    warmup = round(schedule.warmup * steps_per_epoch)
    ramp = min((step + 1) / warmup, 1.0) if warmup else 1.0
    if schedule.over == "all" and schedule.shape == "cosine":
        return ramp * _shape(schedule, max(step, warmup - 1), 0, steps, steps_per_epoch)
    return ramp * _shape(schedule, step, warmup, steps, steps_per_epoch)


def _shape(schedule: spec.LearningRate, step: int, warmup: int, steps: int, steps_per_epoch: int) -> float:
    if schedule.shape == "cosine":
        if schedule.by != "step":
            epochs = step // steps_per_epoch + (schedule.by == "epoch_end")
            step = epochs * steps_per_epoch
        t = min(max(step - warmup, 0) / max(steps - warmup, 1), 1.0)
        return schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * t)) / 2
    if schedule.shape == "step":
        passed = sum(step >= round(epoch * steps_per_epoch) for epoch in schedule.at)
        return float(schedule.gamma**passed)
    return 1.0


def set_rates(optimizer: Optimizer, train: spec.Train, step: int, steps: int, steps_per_epoch: int) -> float:
    """Writes every group's learning rate and factor for a step, and gives the rate before the nodes' own factors.

    And its weight decay, where that is scheduled (DINO, Caron et al. 2021, arXiv:2104.14294, section 3.2: 0.04 to 0.4).

    A group that does not follow the schedule keeps its rate all along, in the warm-up too (SimSiam, Chen and He
    2021, arXiv:2011.10566, section 4.2). A rate that is a tensor is filled in place, as captured graphs need.
    """
    base = train.optimizer.lr
    scheduled = base * rate_at(train.schedule, step, steps, steps_per_epoch)
    for group in optimizer.param_groups:
        own = train.nodes.get(group["nodes"][0])  # alike for all nodes of a group
        if own is not None and isinstance(own.lr, Schedule):
            group["factor"] = own.lr.at(step, steps, steps_per_epoch)
        rate = (scheduled if group["follows"] else base) * group["factor"] * group.get("scale", 1.0)
        if group.get("decays"):
            decay = train.optimizer.weight_decay if own is None or own.weight_decay is None else own.weight_decay
            group["weight_decay"] = decay.at(step, steps, steps_per_epoch) if isinstance(decay, Schedule) else decay
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    return scheduled
