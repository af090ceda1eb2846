"""Trains a copy of a network with a classifier on top of it, on augmented pictures with their labels."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..data.order import seed_of
from ..errors import RunError
from ..graph.spec import Train
from ..ports.draws import GENERATOR
from ..train.optim import build_optimizer
from ..train.precision import Precision
from ..train.rates import set_rates
from .embedding import pooled
from .views import Seen

__all__ = ["Classifying", "Diverged", "Recipe", "train_supervised"]


class Diverged(RunError):
    """A training whose loss, or whose outputs, are not finite."""


class Classifying(nn.Module):
    """Logits of pictures, `b c`. The classifier starts at zero."""

    def __init__(self, network: nn.Module, size: int, classes: int, device: torch.device) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(True).train()
        self.classifier = nn.Linear(size, classes, device=device)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b k"]:
        logits: Tensor = self.classifier(pooled(self.network(image)))
        return logits


@dataclass(frozen=True)
class Recipe:
    """How it is trained.

    train: optimizer and rates. steps: in all; steps_per_epoch: of them. mixup: its alpha, 0 for none. smoothing: of
    the labels."""

    train: Train
    steps: int
    steps_per_epoch: int
    precision: Precision
    mixup: float = 0.0
    smoothing: float = 0.0
    seed: int = 0


def train_supervised(
    model: Classifying, epochs: Callable[[int], Iterator[Seen]], recipe: Recipe, device: torch.device
) -> float:
    """All steps on the mean cross-entropy; the last loss. epochs: the batches of an epoch, by its number.

    Raises Diverged for a loss that is not finite.
    """
    optimizer = build_optimizer(model, recipe.train, device)
    step, last = 0, torch.zeros((), device=device)
    for epoch in range(math.ceil(recipe.steps / recipe.steps_per_epoch)):
        for seen in epochs(epoch):
            set_rates(optimizer, recipe.train, step, recipe.steps, recipe.steps_per_epoch)
            with GENERATOR:
                torch.manual_seed(seed_of(f"supervised {recipe.seed} {step}"))  # of dropout, say
                last = _step(model, seen, recipe, optimizer, step)
            step += 1
        if not bool(last.isfinite()):
            raise Diverged(f"the loss is not finite in epoch {epoch + 1} of fine-tuning: a lower rate usually helps")
    return float(last)


def _step(model: Classifying, seen: Seen, recipe: Recipe, optimizer: torch.optim.Optimizer, step: int) -> Tensor:
    image, label = seen.views[0], seen.label
    weight, other = _mixed(recipe, step), label.flip(0)
    if weight < 1:  # Zhang et al. 2018, arXiv:1710.09412: with the batch in reverse
        image = weight * image + (1 - weight) * image.flip(0)
    with recipe.precision.autocast():
        logits = model(image).float()
    loss = weight * functional.cross_entropy(logits, label, label_smoothing=recipe.smoothing)
    if weight < 1:
        loss = loss + (1 - weight) * functional.cross_entropy(logits, other, label_smoothing=recipe.smoothing)
    recipe.precision.descend(loss, optimizer)
    return loss.detach()


def _mixed(recipe: Recipe, step: int) -> float:
    """The share of a picture in what is trained on; 1 without mixup."""
    if not recipe.mixup:
        return 1.0
    return float(np.random.default_rng(seed_of(f"mixup {recipe.seed} {step}")).beta(recipe.mixup, recipe.mixup))
