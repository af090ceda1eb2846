"""Linear classification of frozen features: multinomial logistic regression, fitted by L-BFGS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn import functional

from .context import Context
from .figures import TOP, Figures, classified_by
from .labelled import Splits
from .registry import Evaluation, EvaluationConfig, Known, Lack, evaluation
from .scaling import Scaling
from .subset import Labels, few, lacks_of_labels

__all__ = ["Logistic", "fit_logistic", "logistic_accuracy"]


@evaluation("logistic")
class Logistic(Evaluation):
    """Accuracy on the held-out split, where training begins and ends."""

    title = "logistic"
    said = ("labels", "penalty")
    parts = TOP

    class Config(EvaluationConfig):
        """Logistic regression by L-BFGS on frozen features, judged on the held-out split."""

        labels: Labels = Field(default=None, description="so many of each class to learn from, or a share; null: all")
        penalty: NonNegativeFloat = Field(
            default=1e-3, description="times half the squared length of the weights, on standardised features"
        )
        iterations: PositiveInt = Field(default=200, description="of L-BFGS, at most")

    config: Config

    def lacks(self, known: Known) -> Iterator[Lack]:
        return lacks_of_labels(self.config.labels, known)

    def run(self, context: Context) -> Figures:
        known, _, of_labels = few(
            context.features.known("a linear classifier"), self.config.labels, context.seed, context.names
        )
        logits = _logits(known, self.config.penalty, self.config.iterations)
        figures = classified_by("logistic", logits, known.queries.labels, context.names)
        return replace(figures, details={**of_labels, **figures.details})


def logistic_accuracy(features: Splits, penalty: float = 1e-3, iterations: int = 200) -> float:
    """The share, 0 to 1, of labelled queries that a linear classifier, fitted to the labelled reference, gets right.

    Samples labelled -1 do not count. Raises RunError for a split without labels, and for features that are not finite.
    """
    known = features.known("a linear classifier")
    return known.accuracy(_logits(known, penalty, iterations).argmax(dim=1))


def _logits(known: Splits, penalty: float, iterations: int) -> Annotated[Tensor, "q c"]:
    reference, queries = known.reference.features.float(), known.queries.features.float()
    weight, bias = fit_logistic(reference, known.reference.labels, penalty, iterations, known.classes)
    return queries @ weight.T + bias


def fit_logistic(
    features: Annotated[Tensor, "n d"],
    labels: Annotated[Tensor, "n"],
    penalty: float = 1e-3,
    iterations: int = 200,
    classes: int | None = None,
) -> tuple[Annotated[Tensor, "c d"], Annotated[Tensor, "c"]]:
    """Weights and biases that minimise the mean cross-entropy + penalty / 2 * |weight|^2, by at most
    `iterations` steps of L-BFGS.

    As in Kornblith et al. 2019, arXiv:1805.08974, section 3; the features are standardised first, here within the
    weights that are returned, so that one penalty suits encoders of every scale. Nothing is random.
    """
    classes = int(labels.max()) + 1 if classes is None else classes
    scaling = Scaling.of(features, "standardize")
    x = scaling(features)
    weight = torch.zeros(classes, features.shape[1], device=x.device, requires_grad=True)
    bias = torch.zeros(classes, device=x.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=iterations, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(x @ weight.T + bias, labels) + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    scaled = weight.detach() * scaling.scale
    return scaled, bias.detach() - scaled @ scaling.centre
