"""Clustering: whether k-means of the features finds the classes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, PositiveInt
from torch import Tensor

from ..errors import RunError
from .context import Context
from .figures import Figures
from .registry import Evaluation, EvaluationConfig, Known, Lack, evaluation
from .scaling import Normalize, Scaling

__all__ = ["Agreement", "Clusters", "agreement", "cluster"]

MANY = 100_000  # samples, above which k-means takes them in batches
BATCH = 4096


@evaluation("clusters")
class Clusters(Evaluation):
    """How well the clusters of the features agree with the classes, where training begins and ends."""

    title = "clusters"
    quantity = "normalised mutual information"
    said = ("normalize",)
    parts = ("", "adjusted_rand", "accuracy")
    bounds = (-0.5, 1.0)  # of the adjusted Rand index

    class Config(EvaluationConfig):
        """k-means of the labelled held-out pictures' features, against their classes."""

        k: Annotated[int, Field(ge=2)] | None = Field(
            default=None, description="clusters; null: as many as there are classes"
        )
        part: Literal["held_out", "training"] = Field(default="held_out", description="what is clustered")
        normalize: Normalize = Field(default="l2", description="of the features")
        starts: PositiveInt = Field(default=10, description="of which the one with the least inertia is taken")
        iterations: PositiveInt = Field(default=300, description="of each start, at most")

    config: Config

    def lacks(self, known: Known) -> Iterator[Lack]:
        counts = known.counts
        of = None if counts is None else counts.judging if self.config.part == "held_out" else counts.learning
        if counts is None or of is None:
            return
        k, n = self.config.k or len(counts.classes), sum(of)
        there = [label for label, count in enumerate(of) if count]
        if len(there) < 2:
            yield Lack(f"the labelled {self._part} pictures are all of one class, {known.names(there)}", "part")
        elif n < k:
            yield Lack(f"{n:,} labelled {self._part} pictures cannot be parted into {k} clusters", "k")

    @property
    def _part(self) -> str:
        return self.config.part.replace("_", "-")

    def run(self, context: Context) -> Figures:
        part = self.config.part
        known = context.held_out if part == "held_out" else context.features.reference
        known = known.known("k-means", self._part)
        k, n = self.config.k or context.facts.classes or int(known.labels.max()) + 1, len(known.labels)
        if n < k:
            raise RunError(f"clusters: {n} labelled {self._part} pictures cannot be parted into {k} clusters")
        scaled = Scaling.of(known.features, self.config.normalize)(known.features)
        assigned = cluster(scaled, k, context.seed, self.config.starts, self.config.iterations)
        found = agreement(known.labels.cpu().numpy(), assigned)
        scores = {"clusters": found.mutual_information, "clusters/adjusted_rand": found.adjusted_rand}
        scores["clusters/accuracy"] = found.accuracy
        sizes = sorted(np.bincount(assigned).tolist(), reverse=True)
        details: dict[str, Any] = {"samples": n, "k": k, "sizes": sizes, "batches": n > MANY}
        return Figures(scores, details=details)


def cluster(
    features: Annotated[Tensor, "n d"], k: int, seed: int, starts: int = 10, iterations: int = 300
) -> Annotated[np.ndarray[Any, Any], "n"]:
    """The cluster of each sample, from 0, by k-means++ and Lloyd's iterations; above 100,000 samples in batches
    (Sculley 2010). Where fewer samples differ than there are clusters, some are empty."""
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    rows = features.float().cpu().numpy()
    options: dict[str, Any] = {"n_clusters": k, "n_init": starts, "max_iter": iterations, "random_state": seed}
    kind = KMeans(**options) if len(rows) <= MANY else MiniBatchKMeans(**options, batch_size=BATCH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # details have the sizes
        found: np.ndarray[Any, Any] = kind.fit_predict(rows)
    return found


class Agreement(NamedTuple):
    """Of clusters with classes. mutual_information: over the mean of both entropies, 0 to 1. adjusted_rand: 1 where all
    agree, about 0 by chance (Hubert & Arabie 1985). accuracy: where each cluster stands for a class of its own, as well
    as that can be chosen."""

    mutual_information: float
    adjusted_rand: float
    accuracy: float


def agreement(
    labels: Annotated[np.ndarray[Any, Any], "n"], assigned: Annotated[np.ndarray[Any, Any], "n"]
) -> Agreement:
    """labels, assigned: whole numbers from 0. The names of the clusters do not matter."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    together = np.zeros((int(assigned.max()) + 1, int(labels.max()) + 1), dtype=np.int64)
    np.add.at(together, (assigned, labels), 1)
    chosen = together[linear_sum_assignment(together, maximize=True)].sum()
    return Agreement(
        float(normalized_mutual_info_score(labels, assigned)),
        float(adjusted_rand_score(labels, assigned)),
        float(chosen / len(labels)),
    )
