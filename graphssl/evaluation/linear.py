"""Linear classification of frozen features, trained by SGD over a whole grid of rates and decays at once.

The protocol of the literature: a linear layer on frozen features, SGD with momentum under a cosine, the rate and the
decay found by a search (Kolesnikov et al. 2019, arXiv:1901.09005, section 3.2; Kornblith et al. 2019, arXiv:1805.08974,
appendix A.5, who chose on a validation split of the training part, as here).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from ..errors import RunError
from .context import Context
from .figures import RANKS, Figures, classified
from .heads import Heads
from .labelled import Labelled, Splits
from .registry import Evaluation, EvaluationConfig, evaluation
from .scaling import Normalize, Scaling
from .subset import Labels, few, validation_of

__all__ = ["Linear", "train_linear"]


@evaluation("linear")
class Linear(Evaluation):
    """Accuracy on the held-out split of the best of a grid of linear classifiers, where training ends."""

    title = "linear"
    said = ("labels", "epochs", "normalize")

    class Config(EvaluationConfig):
        """A linear classifier by SGD on frozen features of plain pictures, judged on the held-out split.

        labels: so many of each class to learn from, or a share; default: all. lr: of batches of 256. lr, decay: each
        pair is trained; the best on `validation`, a share of each class of the training part, is trained again on all
        of it. normalize: of the features, `standardize` by the mean and the deviation of each, so that one grid suits
        encoders of every scale; `l2`; or `none`, as MoCo's code.
        """

        labels: Labels = None
        lr: list[PositiveFloat] = Field([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0], min_length=1)
        decay: list[NonNegativeFloat] = Field([0.0, 1e-4, 1e-3], min_length=1)
        epochs: PositiveInt = 100
        batch: PositiveInt = 256
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
        validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
        normalize: Normalize = "standardize"

        @model_validator(mode="before")
        @classmethod
        def _of_another(cls, given: Any) -> Any:
            if isinstance(given, Mapping) and (others := {"penalty", "iterations"} & given.keys()):
                raise ValueError(f"{' and '.join(sorted(others))}: L-BFGS is called `logistic`; `linear` is by SGD")
            return given

    config: Config

    def due(self, epoch: int, ends: bool) -> bool:
        return ends and epoch > 0

    def run(self, context: Context) -> Figures:
        known, of_labels = few(
            context.features.known("a linear classifier"), self.config.labels, context.seed, context.names
        )
        known = replace(known, reference=_in_floats(known.reference), queries=_in_floats(known.queries))
        found = train_linear(known, self.config, context.seed)
        ranked = found.logits(known.queries.features).topk(min(RANKS, known.class_count)).indices
        figures = classified("linear", ranked, known.queries.labels, known.class_count, context.names)
        return replace(
            figures, details={"chosen": found.chosen, "validation": found.validation, **of_labels, **figures.details}
        )


def _in_floats(part: Labelled) -> Labelled:
    return Labelled(part.features.float(), part.labels)


@dataclass(frozen=True)
class Trained:
    """A classifier. chosen: its rate and decay. validation: of each pair of the grid its accuracy, in order."""

    heads: Heads
    scaling: Scaling
    chosen: dict[str, float]
    validation: list[dict[str, float]]

    def logits(self, features: Annotated[Tensor, "n d"]) -> Annotated[Tensor, "n c"]:
        return self.heads.logits(self.scaling(features))[:, 0]


def train_linear(known: Splits, config: Linear.Config, seed: int) -> Trained:
    """The grid on the reference samples but for a share of each class, and its best anew on all of them.

    known: samples that all have labels. Raises RunError where no class has a sample to spare for validation, and where
    every classifier diverges.
    """
    reference, classes = known.reference, known.class_count
    held = validation_of(reference.labels, config.validation, seed)
    if not bool(held.any()):
        few = math.ceil(0.5 / config.validation) + 1
        raise RunError(
            f"linear.validation: {config.validation:g} holds out nothing, as no class has {few} labelled pictures to "
            "learn from; a larger share does"
        )
    grid = [{"lr": lr, "decay": decay} for lr, decay in itertools.product(config.lr, config.decay)]
    heads, scaling = _fit(_part(reference, ~held), grid, config, seed, classes)
    accuracies = _accuracies(heads, scaling, _part(reference, held))
    if max(accuracies) < 0:
        raise RunError("every linear classifier of the grid diverges: lower rates (linear.lr) do not")
    chosen = grid[accuracies.index(max(accuracies))]
    heads, scaling = _fit(reference, [chosen], config, seed, classes)
    table = [{**pair, "accuracy": accuracy} for pair, accuracy in zip(grid, accuracies, strict=True)]
    return Trained(heads, scaling, chosen, table)


def _part(samples: Labelled, where: Tensor) -> Labelled:
    return Labelled(samples.features[where], samples.labels[where])


def _fit(
    samples: Labelled, pairs: Sequence[dict[str, float]], config: Linear.Config, seed: int, classes: int
) -> tuple[Heads, Scaling]:
    """A classifier for each pair of rate and decay."""
    scaling = Scaling.of(samples.features, config.normalize)
    features, n = scaling(samples.features), len(samples.labels)
    lr = [pair["lr"] * config.batch / 256 for pair in pairs]
    decay = [pair["decay"] for pair in pairs]
    heads = Heads(lr, decay, config.momentum, classes, features.shape[1], features.device)
    generator = torch.Generator().manual_seed(seed)  # on the CPU: the same order for every device
    steps = config.epochs * math.ceil(n / config.batch)
    step = 0
    for _ in range(config.epochs):
        for rows in torch.randperm(n, generator=generator).to(features.device).split(config.batch):
            heads.step(features[rows], samples.labels[rows], 0.5 * (1 + math.cos(math.pi * step / steps)))
            step += 1
    return heads, scaling


def _accuracies(heads: Heads, scaling: Scaling, held: Labelled) -> list[float]:
    """Of each classifier; -1 of one that has diverged."""
    right = torch.zeros(len(heads.weight), dtype=torch.float64, device=held.features.device)
    for features, labels in zip(held.features.split(1024), held.labels.split(1024), strict=True):
        right += (heads.logits(scaling(features)).argmax(2) == labels[:, None]).sum(0)
    sound = heads.weight.flatten(1).isfinite().all(1)
    return torch.where(sound, right / len(held.labels), -1).tolist()
