"""Linear classification of frozen features: multinomial logistic regression, fitted by L-BFGS."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn import functional

from .context import Context
from .labelled import Splits
from .registry import Evaluation, EvaluationConfig, evaluation

__all__ = ["Linear", "fit_linear", "linear_accuracy"]


@evaluation("linear")
class Linear(Evaluation):
    """Accuracy on the held-out split, where training begins and ends."""

    title = "linear"
    said = ("penalty",)

    class Config(EvaluationConfig):
        """Logistic regression on frozen features, judged on the held-out split, before training and after it.

        penalty: times half the squared length of the weights, on standardised features. iterations: of L-BFGS, at most.
        """

        penalty: NonNegativeFloat = 1e-3
        iterations: PositiveInt = 200

    config: Config

    def run(self, context: Context) -> dict[str, float]:
        return {"linear": linear_accuracy(context.features, self.config.penalty, self.config.iterations)}


def linear_accuracy(features: Splits, penalty: float = 1e-3, iterations: int = 200) -> float:
    """The share, 0 to 1, of labelled queries that a linear classifier, fitted to the labelled reference, gets right.

    Samples labelled -1 do not count. Raises RunError for a split without labels, and for features that are not finite.
    """
    known = features.known("a linear classifier")
    reference, queries = known.reference.features.float(), known.queries.features.float()
    weight, bias = fit_linear(reference, known.reference.labels, penalty, iterations, known.classes)
    return known.accuracy((queries @ weight.T + bias).argmax(dim=1))


def fit_linear(
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
    spread, mean = torch.std_mean(features, dim=0, correction=0)
    floor = 1e-6 * (mean.abs() + spread.amax()) + torch.finfo(features.dtype).tiny
    scale = torch.where(spread > floor, 1 / spread.clamp_min(floor), 0)  # a constant feature tells nothing
    x = (features - mean) * scale
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
    scaled = weight.detach() * scale
    return scaled, bias.detach() - scaled @ mean
