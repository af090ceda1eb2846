"""Trains a detector by SGD with warmup and steps, as the literature's tables do."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...data.order import seed_of
from ...errors import RunError
from ...ports.draws import GENERATOR
from ...train.precision import Precision
from .pictures import Picture
from .reading import Read, ahead, batches_of, read

__all__ = ["Recipe", "train_detector"]

log = logging.getLogger(__name__)

LINES, OFTEN = 20, 500  # lines of progress in all, and iterations without one
FACTOR = 0.001  # of the rate, where the warmup starts
FALL = 0.1  # of the rate, at each of the steps


@dataclass(frozen=True)
class Recipe:
    """How a detector is trained. lr: of this batch. steps: iterations after which the rate falls to a tenth. warmup:
    iterations in which it rises. sizes: of the shorter side, of which each picture draws one."""

    iterations: int
    batch: int
    lr: float
    steps: Sequence[int]
    warmup: int
    momentum: float
    decay: float
    flip: float
    precision: Precision
    seed: int = 0
    masks: bool = False

    def lr_at(self, iteration: int) -> float:
        """Goyal et al. 2017, arXiv:1706.02677, section 2.2, and the detectors' steps."""
        rate = self.lr * FALL ** sum(iteration >= step for step in self.steps)
        if iteration >= self.warmup:
            return rate
        return rate * (FACTOR + (1 - FACTOR) * iteration / self.warmup)


def train_detector(
    detector: nn.Module, pictures: Sequence[Picture], recipe: Recipe, channels: int, device: torch.device
) -> list[float]:
    """All iterations; the losses that were told on the way. Raises RunError for one that is not finite."""
    optimizer = torch.optim.SGD(_groups(detector, recipe), lr=recipe.lr, momentum=recipe.momentum)
    every, told = min(max(recipe.iterations // LINES, 1), OFTEN), []
    total = torch.zeros((), device=device)
    detector.train()
    for i, batch in enumerate(_batches(pictures, recipe, channels)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr_at(i)
        total += _step(detector, [one.to(device) for one in batch], recipe, optimizer, i)
        if (i + 1) % every == 0 or i + 1 == recipe.iterations:
            told.append(_tell(i + 1, recipe, float(total) / (i % every + 1)))
            total.zero_()
    return told


def _tell(done: int, recipe: Recipe, loss: float) -> float:
    if loss != loss or abs(loss) == float("inf"):
        raise RunError(
            f"the loss of detection is not finite within {done} iterations: a lower rate (detection.lr, {recipe.lr:g} "
            f"for this batch) or a longer warmup (detection.warmup, {recipe.warmup}) usually helps"
        )
    log.info("detection: %s of %s iterations, loss %.4g", f"{done:,}", f"{recipe.iterations:,}", loss)
    return loss


def _groups(detector: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Norms do not decay, as in detectron2."""
    norms = {id(p) for module in detector.modules() if isinstance(module, _BatchNorm) for p in module.parameters()}
    learnt = [p for p in detector.parameters() if p.requires_grad]
    plain = {"params": [p for p in learnt if id(p) not in norms], "weight_decay": recipe.decay}
    still = {"params": [p for p in learnt if id(p) in norms], "weight_decay": 0.0}
    return [group for group in (plain, still) if group["params"]]


def _batches(pictures: Sequence[Picture], recipe: Recipe, channels: int) -> Iterator[list[Read]]:
    batches = islice(batches_of(pictures, recipe.batch, recipe.seed), recipe.iterations)

    def made(job: tuple[int, float]) -> Read:
        return read(pictures[job[0]], channels, masks=recipe.masks, flip=job[1] < recipe.flip)

    reads = ahead((job for batch in batches for job in batch), made)
    while batch := list(islice(reads, recipe.batch)):
        yield batch


def _step(
    detector: nn.Module, batch: Sequence[Read], recipe: Recipe, optimizer: torch.optim.Optimizer, i: int
) -> Tensor:  # fmt: skip
    with GENERATOR, recipe.precision.autocast():
        torch.manual_seed(seed_of(f"detection {recipe.seed} step {i}"))  # sizes of pictures, and samples of boxes
        losses = detector([one.image for one in batch], [one.target for one in batch])
    loss: Tensor = torch.stack([one.float() for one in losses.values()]).sum()
    recipe.precision.descend(loss, optimizer)
    return loss.detach()
