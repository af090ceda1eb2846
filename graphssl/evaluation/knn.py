"""Weighted k-nearest-neighbour classification of frozen features (Wu et al. 2018, arXiv:1805.01978, section 3.4)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Annotated, TypeVar

import torch
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional

from .context import Context
from .figures import RANKS, TOP, Figures, classified
from .labelled import Labelled, Splits
from .registry import Evaluation, EvaluationConfig, Known, Lack, evaluation

__all__ = ["Knn", "knn_accuracy", "ranked_knn", "weighted_knn"]

T = TypeVar("T")

SIMILARITIES = 2**24  # held at once, when no chunk is given: 64 MB in float32
VOTE = 2.0**40  # units in the heaviest vote


def _each_once(values: list[T]) -> list[T]:
    if len(set(values)) < len(values):
        raise ValueError("a value stands in the list twice")
    return values


Several = Annotated[list[T], Field(min_length=1), AfterValidator(_each_once)]
Setting = tuple[int, float]  # neighbours and temperature


@evaluation("knn")
class Knn(Evaluation):
    """Accuracy on the held-out split, every so many epochs; it costs little."""

    title = "kNN"
    said = ("k", "temperature")
    parts = (*TOP, r"(k \d+)?( ?temperature [^/]+)?(/top5)?")
    default = True

    class Config(EvaluationConfig):
        """Weighted kNN on the held-out split (Wu et al. 2018, section 3.4): votes of exp(cosine / temperature)."""

        k: PositiveInt | Several[PositiveInt] = Field(
            default=20, description="neighbours; of a list each is measured, and the first is `knn`"
        )
        temperature: PositiveFloat | Several[PositiveFloat] = Field(
            default=0.07, description="of a list each is measured, and the first is `knn`"
        )
        every: PositiveInt = Field(
            default=5,
            description="epochs between two evaluations; before training and at its end there always is one",
        )

        @property
        def settings(self) -> list[Setting]:
            return list(itertools.product(_listed(self.k), _listed(self.temperature)))

    config: Config

    def due(self, epoch: int, ends: bool) -> bool:
        return ends or epoch % self.config.every == 0

    def lacks(self, known: Known) -> Iterator[Lack]:
        n = known.counts.learns_from if known.counts is not None else None
        if n is not None and (above := [str(k) for k in _listed(self.config.k) if k > n]):
            what = f"{' and '.join(above)} neighbours are asked for, and there are {n:,} labelled pictures"
            yield Lack(f"{what}: all of them vote", "k", stops=False)

    def run(self, context: Context) -> Figures:
        known, settings = context.features.known("kNN"), self.config.settings
        found = ranked_knn(known.queries.features, known.reference, settings, known.class_count)
        figures = [
            classified(self._name(s), found[s], known.queries.labels, known.class_count, context.names)
            for s in settings
        ]
        return Figures.merged(figures)

    def _name(self, setting: Setting) -> str:
        """`knn` for the first, and for others what is else: `knn/k 200`."""
        first, (k, temperature) = self.config.settings[0], setting
        if setting == first:
            return "knn"
        said = [f"k {k}"] * (k != first[0]) + [f"temperature {temperature:g}"] * (temperature != first[1])
        return f"knn/{' '.join(said)}"


def _listed(value: T | list[T]) -> list[T]:
    return value if isinstance(value, list) else [value]


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
    """The class of each query by the votes of its k nearest keys, as `ranked_knn` has it first."""
    return ranked_knn(queries, reference, [(k, temperature)], classes, chunk)[k, temperature][:, 0]


def ranked_knn(
    queries: Annotated[Tensor, "q d"],
    reference: Labelled,
    settings: Sequence[Setting],
    classes: int | None = None,
    chunk: int | None = None,
) -> dict[Setting, Annotated[Tensor, "q r"]]:
    """The likeliest classes of each query, five or all, best first, for each pair of k and temperature, in one pass.

    A vote of the k nearest keys weighs exp(cosine / temperature). reference: the keys, with labels below `classes`
    (found from the labels when None), none of them unknown: see `Labelled.known`. Features of any float type and any
    length; they are l2-normalised here. k is at most the number of keys. chunk: queries at a time, by default as many
    as keep memory at some hundred MB. Of keys equally near, the first ones vote; of classes with equal votes, the
    lowest comes first.
    """
    labels = reference.labels
    classes = int(labels.max()) + 1 if classes is None else classes
    keys, queries = _normalise(reference.features), _normalise(queries)
    ranks = min(RANKS, classes)
    found = {setting: [torch.empty(0, ranks, dtype=torch.int64, device=keys.device)] for setting in settings}
    near = sorted({min(k, len(keys)) for k, _ in settings})
    for part in torch.split(queries, chunk or max(SIMILARITIES // len(keys), 1)):
        similarity, index = _nearest(part.to(keys.device) @ keys.T, near)
        for (k, temperature), rows in found.items():
            votes = _votes(similarity[:, :k], labels[index[:, :k]], temperature, classes)
            rows.append(votes.argsort(dim=1, descending=True, stable=True)[:, :ranks])
    return {setting: torch.cat(rows) for setting, rows in found.items()}


def _normalise(features: Tensor) -> Tensor:
    return functional.normalize(features.float(), dim=1)


def _nearest(similarity: Annotated[Tensor, "q n"], near: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The largest of each row, in falling order, and where they are, both `q k`; of equal ones, the first.

    near: how many are asked for, in rising order; k is the last. `topk` does not say which of several equal entries it
    takes: rows with a tie across a border are sorted.
    """
    k, n = near[-1], similarity.shape[1]
    value, index = similarity.topk(min(k + 1, n), dim=1)
    borders = [at for at in near if at < n]
    tied = torch.stack([value[:, at - 1] == value[:, at] for at in borders]).any(0) if borders else value[:, 0] > 2
    for rows in _some(tied.nonzero()[:, 0]):
        ordered = similarity[rows].sort(dim=1, descending=True, stable=True)
        value[rows], index[rows] = ordered.values[:, : k + 1], ordered.indices[:, : k + 1]
    return value[:, :k], index[:, :k]


def _some(rows: Tensor) -> Iterator[Tensor]:
    """At most 64 rows at a time: a stable sort takes several times the memory of what it sorts."""
    yield from (part for part in torch.split(rows, 64) if len(part))


def _votes(similarity: Tensor, label: Tensor, temperature: float, classes: int) -> Tensor:
    """The votes for each class, `q c`, from the similarities and labels of the neighbours, `q k`.

    Votes are taken relative to the nearest neighbour's, which keeps them finite at any temperature, and counted in
    whole units: sums of integers do not depend on their order, which differs from run to run on a GPU.
    """
    nearest = similarity.amax(dim=1, keepdim=True)
    weight = ((similarity - nearest).double() / temperature).exp()
    votes = torch.zeros(len(label), classes, dtype=torch.int64, device=label.device)
    return votes.scatter_add_(1, label, (weight * VOTE).round().long())
