"""Weighted k-nearest-neighbour classification of frozen features (Wu et al. 2018, arXiv:1805.01978, section 3.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional

from .context import Context
from .labelled import Labelled, Splits
from .registry import Evaluation, EvaluationConfig, evaluation

__all__ = ["Knn", "knn_accuracy", "weighted_knn"]

SIMILARITIES = 2**24  # held at once, when no chunk is given: 64 MB in float32
VOTE = 2.0**40  # units in the heaviest vote


@evaluation("knn")
class Knn(Evaluation):
    """Accuracy on the held-out split, every so many epochs; it costs little."""

    title = "kNN"
    said = ("k", "temperature")
    default = True

    class Config(EvaluationConfig):
        """Weighted kNN on the held-out split (Wu et al. 2018, section 3.4): votes weigh exp(cosine / temperature).

        every: epochs between two evaluations; the encoder before training and at its end is always evaluated.
        """

        k: PositiveInt = 20
        temperature: PositiveFloat = 0.07
        every: PositiveInt = 5

    config: Config

    def due(self, epoch: int, ends: bool) -> bool:
        return ends or epoch % self.config.every == 0

    def run(self, context: Context) -> dict[str, float]:
        return {"knn": knn_accuracy(context.features, self.config.k, self.config.temperature)}


def knn_accuracy(features: Splits, k: int = 200, temperature: float = 0.07, chunk: int | None = None) -> float:
    """The share, 0 to 1, of labelled queries that `weighted_knn` classifies rightly.

    Samples labelled -1 do not count. Raises RunError for a split without labels, and for features that are not finite.
    """
    known = features.known("kNN")
    predicted = weighted_knn(known.queries.features, known.reference, k, temperature, known.classes, chunk)
    return known.accuracy(predicted)


def weighted_knn(
    queries: Annotated[Tensor, "q d"],
    reference: Labelled,
    k: int = 200,
    temperature: float = 0.07,
    classes: int | None = None,
    chunk: int | None = None,
) -> Annotated[Tensor, "q"]:
    """The class of each query by the votes of its k nearest keys; a vote weighs exp(cosine / temperature).

    reference: the keys, with labels below `classes` (found from the labels when None), none of them unknown: see
    `Labelled.known`. Features of any float type and any length; they are l2-normalised here. k is at most the number
    of keys. chunk: queries at a time, by default as many as keep memory at some hundred MB. Of keys equally near, the
    first ones vote; of classes with equal votes, the lowest wins.
    """
    labels = reference.labels
    classes = int(labels.max()) + 1 if classes is None else classes
    keys, queries = _normalise(reference.features), _normalise(queries)
    predictions = [torch.empty(0, dtype=torch.int64, device=keys.device)]
    for part in torch.split(queries, chunk or max(SIMILARITIES // len(keys), 1)):
        similarity, index = _nearest(part.to(keys.device) @ keys.T, min(k, len(keys)))
        predictions.append(_vote(similarity, labels[index], temperature, classes))
    return torch.cat(predictions)


def _normalise(features: Tensor) -> Tensor:
    return functional.normalize(features.float(), dim=1)


def _nearest(similarity: Annotated[Tensor, "q n"], k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row and where they are, both `q k`; of equal ones, the first.

    `topk` does not say which of several equal entries it takes: rows with a tie across the border are sorted.
    """
    if k == similarity.shape[1]:
        everything = torch.arange(k, device=similarity.device)
        return similarity, everything.expand_as(similarity)
    value, index = similarity.topk(k + 1, dim=1)
    tied = (value[:, k - 1] == value[:, k]).nonzero()[:, 0]
    for rows in _some(tied):
        ordered = similarity[rows].sort(dim=1, descending=True, stable=True)
        value[rows], index[rows] = ordered.values[:, : k + 1], ordered.indices[:, : k + 1]
    return value[:, :k], index[:, :k]


def _some(rows: Tensor) -> Iterator[Tensor]:
    """At most 64 rows at a time: a stable sort takes several times the memory of what it sorts."""
    yield from (part for part in torch.split(rows, 64) if len(part))


def _vote(similarity: Tensor, label: Tensor, temperature: float, classes: int) -> Tensor:
    """The class with most votes, `q`, from the similarities and labels of the neighbours, `q k`.

    Votes are taken relative to the nearest neighbour's, which keeps them finite at any temperature, and counted in
    whole units: sums of integers do not depend on their order, which differs from run to run on a GPU.
    """
    nearest = similarity.amax(dim=1, keepdim=True)
    weight = ((similarity - nearest).double() / temperature).exp()
    votes = torch.zeros(len(label), classes, dtype=torch.int64, device=label.device)
    votes.scatter_add_(1, label, (weight * VOTE).round().long())
    return votes.argmax(dim=1)
