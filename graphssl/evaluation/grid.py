"""A grid of linear classifiers, trained side by side; the best on a part of what they learn from is the one.

SGD with momentum under a cosine, rate and decay by a search (Kolesnikov et al. 2019, arXiv:1901.09005, section 3.2),
the choice by a validation split of the training part (Kornblith et al. 2019, arXiv:1805.08974, appendix A.5).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import RunError
from .embedding import in_eval_mode, pooled
from .heads import Heads
from .labelled import Labelled, Splits
from .scaling import Normalize, Scaling
from .subset import validation_of
from .views import Views

__all__ = ["Grid", "Trained", "nothing_held", "train_linear", "train_on_views"]

Pair = dict[str, float]  # of a rate and a decay


class Grid(NamedTuple):
    """Every pair of lr, of batches of 256, and decay. validation: the share of each class by which one is chosen."""

    lr: Sequence[float]
    decay: Sequence[float]
    epochs: int
    batch: int
    momentum: float
    validation: float
    normalize: Normalize

    @property
    def pairs(self) -> list[Pair]:
        return [{"lr": lr, "decay": decay} for lr, decay in itertools.product(self.lr, self.decay)]

    def heads(self, pairs: Sequence[Pair], classes: int, features: Tensor) -> Heads:
        lr = [pair["lr"] * self.batch / 256 for pair in pairs]
        decay = [pair["decay"] for pair in pairs]
        return Heads(lr, decay, self.momentum, classes, features.shape[1], features.device)


@dataclass(frozen=True)
class Trained:
    """A classifier, one of several heads. chosen: its rate and decay. validation: the accuracy of each pair."""

    heads: Heads
    scaling: Scaling
    chosen: Pair
    validation: list[Pair]
    which: int = 0

    def logits(self, features: Annotated[Tensor, "n d"]) -> Annotated[Tensor, "n c"]:
        return self.heads.logits(self.scaling(features))[:, self.which]


def train_linear(known: Splits, grid: Grid, seed: int) -> Trained:
    """The grid on the reference samples but for a share of each class, and its best anew on all of them.

    known: samples that all have labels. Raises RunError where no class has a sample to spare for validation, and where
    every classifier diverges.
    """
    reference, held = known.reference, _held(known.reference.labels, grid, seed)
    heads, scaling = _fit(_part(reference, ~held), grid.pairs, grid, seed, known.class_count)
    which, table = _best(_accuracies(heads, scaling, _part(reference, held)), grid)
    heads, scaling = _fit(reference, [grid.pairs[which]], grid, seed, known.class_count)
    return Trained(heads, scaling, grid.pairs[which], table)


def train_on_views(
    known: Splits, places: Annotated[Tensor, "n"], views: Views, network: nn.Module, grid: Grid, seed: int
) -> Trained:
    """As `train_linear`, on features of other views in each epoch; those of plain pictures say what is best.

    Each pair is two classifiers in one pass: one that learns from all, and one that does not see what it is held
    against. places: of the reference samples among all that classifiers learn from.
    """
    reference, held = known.reference, _held(known.reference.labels, grid, seed)
    scaling = Scaling.of(reference.features, grid.normalize)
    heads = grid.heads([*grid.pairs, *grid.pairs], known.class_count, reference.features)
    is_held = torch.zeros(int(places.max()) + 1, dtype=torch.bool, device=held.device)
    is_held[places.to(held.device)] = held
    count, step, steps = len(grid.pairs), 0, grid.epochs * math.ceil(len(places) / grid.batch)
    with in_eval_mode(network):
        for epoch in range(grid.epochs):
            for seen in views.epoch(epoch, grid.batch, places):
                with torch.inference_mode():
                    features = scaling(pooled(network(seen.views[0])).float())
                sees = (~is_held[seen.place]).to(features.dtype)[:, None].expand(-1, count)
                heads.step(features, seen.label, _cosine(step, steps), torch.cat([sees, torch.ones_like(sees)], 1))
                step += 1
    which, table = _best(_accuracies(heads, scaling, _part(reference, held))[:count], grid)
    return Trained(heads, scaling, grid.pairs[which], table, count + which)


def _held(labels: Tensor, grid: Grid, seed: int) -> Tensor:
    held = validation_of(labels, grid.validation, seed)
    if not bool(held.any()):
        raise RunError(f"linear.validation: {nothing_held(grid.validation)}")
    return held


def nothing_held(share: float) -> str:
    """What is wrong where no class has a picture to spare."""
    few = max(math.floor(0.5 / share) + 1, 2)
    more = "; a larger share does" if few > 2 else ""
    return f"{share:g} holds out nothing, as no class has {few} labelled pictures to learn from{more}"


def _best(accuracies: Sequence[float], grid: Grid) -> tuple[int, list[Pair]]:
    """Which pair is best, the first of several, and the accuracy of each."""
    if max(accuracies) < 0:
        raise RunError("every linear classifier of the grid diverges: lower rates (linear.lr) do not")
    table = [{**pair, "accuracy": accuracy} for pair, accuracy in zip(grid.pairs, accuracies, strict=True)]
    return accuracies.index(max(accuracies)), table


def _part(samples: Labelled, where: Tensor) -> Labelled:
    return Labelled(samples.features[where], samples.labels[where])


def _cosine(step: int, steps: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * step / steps))


def _fit(samples: Labelled, pairs: Sequence[Pair], grid: Grid, seed: int, classes: int) -> tuple[Heads, Scaling]:
    """A classifier for each pair of rate and decay."""
    scaling = Scaling.of(samples.features, grid.normalize)
    features, n = scaling(samples.features), len(samples.labels)
    heads = grid.heads(pairs, classes, features)
    generator = torch.Generator().manual_seed(seed)  # on the CPU: the same order for every device
    step, steps = 0, grid.epochs * math.ceil(n / grid.batch)
    for _ in range(grid.epochs):
        for rows in torch.randperm(n, generator=generator).to(features.device).split(grid.batch):
            heads.step(features[rows], samples.labels[rows], _cosine(step, steps))
            step += 1
    return heads, scaling


def _accuracies(heads: Heads, scaling: Scaling, held: Labelled) -> list[float]:
    """Of each classifier; -1 of one that has diverged."""
    right = torch.zeros(len(heads.weight), dtype=torch.float64, device=held.features.device)
    for features, labels in zip(held.features.split(1024), held.labels.split(1024), strict=True):
        right += (heads.logits(scaling(features)).argmax(2) == labels[:, None]).sum(0)
    sound = heads.weight.flatten(1).isfinite().all(1)
    found: list[float] = torch.where(sound, right / len(held.labels), -1).tolist()
    return found
