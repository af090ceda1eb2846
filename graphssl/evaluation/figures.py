"""What evaluations measure: numbers by metric, and beside them intervals, classes and confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["COVERED", "TOP", "Figures", "classified", "classified_by", "interval_of_accuracy", "interval_of_mean"]

COVERED = 0.95  # the share of intervals that have the true value
DRAWS = 10_000  # of a bootstrap
AT_ONCE = 2**20  # samples drawn at once
RANKS = 5  # of top-5
TOP = ("", "top5")  # what stands after the name of a classifier in its numbers' names
CONFUSED = 200  # classes up to which the confusion matrix is kept whole


@dataclass(frozen=True)
class Figures:
    """What an evaluation has measured.

    scores: numbers by metric, the evaluation's own name or `knn/top5`. intervals: by metric, the 95 % bootstrap
    interval, over the samples that it is judged on. details: what else is kept beside them, in JSON's kinds.
    """

    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def merged(cls, several: Sequence[Figures]) -> Figures:
        """The numbers of all; the details of the first."""
        scores = {metric: value for figures in several for metric, value in figures.scores.items()}
        intervals = {metric: value for figures in several for metric, value in figures.intervals.items()}
        return cls(scores, intervals, several[0].details if several else {})


def classified(
    name: str,
    ranked: Annotated[Tensor, "n r"],
    labels: Annotated[Tensor, "n"],
    classes: int,
    names: Sequence[str] = (),
) -> Figures:
    """The figures of a classifier: `name`, its top-1 accuracy, and `name/top5` where there are more than five classes.

    ranked: the likeliest classes of each sample, best first, five or, where there are fewer, all. labels: below
    `classes`. names: of the classes. Beside them are the mean over classes of the accuracy in each, and the confusion
    matrix, true classes in rows.
    """
    ranked, labels = ranked.cpu(), labels.cpu()
    hits = ranked == labels[:, None]
    scores = {name: _share(hits[:, 0])}
    intervals = {name: interval_of_accuracy(int(hits[:, 0].sum()), len(labels))}
    if classes > RANKS:
        found = hits[:, :RANKS].any(1)
        scores[f"{name}/top5"] = _share(found)
        intervals[f"{name}/top5"] = interval_of_accuracy(int(found.sum()), len(labels))
    confusion = torch.bincount(labels * classes + ranked[:, 0], minlength=classes * classes).view(classes, classes)
    return Figures(scores, intervals, _of_classes(confusion, names))


def classified_by(
    name: str, logits: Annotated[Tensor, "n c"], labels: Annotated[Tensor, "n"], names: Sequence[str] = ()
) -> Figures:
    """As `classified`, of a classifier that has a number for each class."""
    classes = logits.shape[1]
    return classified(name, logits.topk(min(RANKS, classes)).indices, labels, classes, names)


def _share(hits: Tensor) -> float:
    return hits.double().mean().item()


def _of_classes(confusion: Tensor, names: Sequence[str]) -> dict[str, Any]:
    there, right = confusion.sum(1).double(), confusion.diagonal()
    called = list(names) if len(names) == len(confusion) else [str(i) for i in range(len(confusion))]
    each = [(right[i] / there[i]).item() if there[i] else None for i in range(len(confusion))]
    known = [accuracy for accuracy in each if accuracy is not None]
    found: dict[str, Any] = {
        "samples": int(there.sum()),
        "mean_per_class": sum(known) / len(known),
        "per_class": [[called[i], int(there[i]), accuracy] for i, accuracy in enumerate(each)],
    }
    if len(confusion) <= CONFUSED:
        found["confusion"] = confusion.tolist()
    return found


def interval_of_accuracy(right: int, samples: int, covered: float = COVERED) -> tuple[float, float]:
    """The percentile bootstrap interval of a share (Efron & Tibshirani 1993, section 13.3): of `samples` drawn with
    replacement, as many are right as a binomial draw says. Nothing depends on when or where it is asked."""
    draws = np.random.default_rng(samples).binomial(samples, right / samples, DRAWS) / samples
    low, high = np.quantile(draws, [(1 - covered) / 2, (1 + covered) / 2])
    return float(low), float(high)


def interval_of_mean(values: Annotated[np.ndarray[Any, Any], "n"], covered: float = COVERED) -> tuple[float, float]:
    """As `interval_of_accuracy`, of the mean of any values, one a sample."""
    n = len(values)
    generator = np.random.default_rng(n)
    each = max(AT_ONCE // n, 1)
    counts = [min(each, DRAWS - done) for done in range(0, DRAWS, each)]
    draws = np.concatenate([values[generator.integers(n, size=(count, n))].mean(1) for count in counts])
    low, high = np.quantile(draws, [(1 - covered) / 2, (1 + covered) / 2])
    return float(low), float(high)
