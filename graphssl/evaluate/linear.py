"""Linear classification of frozen features: multinomial logistic regression, fitted by L-BFGS."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import RunError
from .knn import check_finite

__all__ = ["fit_linear", "linear_accuracy"]


def linear_accuracy(
    queries: Annotated[Tensor, "q d"],
    query_labels: Annotated[Tensor, "q"],
    keys: Annotated[Tensor, "n d"],
    labels: Annotated[Tensor, "n"],
    penalty: float = 1e-3,
    iterations: int = 200,
    classes: int | None = None,
) -> float:
    """The share, 0 to 1, of labelled queries that a linear classifier, fitted to the labelled keys, gets right.

    labels: int64, -1 where unknown; those samples are left out. Raises RunError where none is labelled, and for
    features that are not finite.
    """
    keys, labels = _labelled(keys, labels, "reference")
    queries, truth = _labelled(queries, query_labels, "held-out")
    weight, bias = fit_linear(keys, labels, penalty, iterations, classes)
    predicted = (queries @ weight.T + bias).argmax(dim=1)
    return (predicted == truth.to(predicted.device)).double().mean().item()


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


def _labelled(features: Tensor, labels: Tensor, split: str) -> tuple[Tensor, Tensor]:
    labels = labels.to(features.device)
    features, labels = features[labels >= 0].float(), labels[labels >= 0]
    if len(labels) == 0:
        raise RunError(f"a linear classifier needs {split} samples with labels, and this data set has none")
    check_finite(features)
    return features, labels
