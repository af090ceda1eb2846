"""Features with their labels: what classifiers of frozen features are made of and judged on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from ..errors import RunError

__all__ = ["Labelled", "Splits", "check_finite"]


@dataclass(frozen=True)
class Labelled:
    """Features of some samples and their labels, int64, -1 where unknown."""

    features: Annotated[Tensor, "n d"]
    labels: Annotated[Tensor, "n"]

    def known(self, who: str, split: str = "reference") -> Labelled:
        """The samples with labels, these beside their features.

        Raises RunError where there are none, or where the features are not finite. who: is told to need them.
        """
        labels = self.labels.to(self.features.device)
        there = labels >= 0
        known = self.features, labels
        if not bool(there.all()):
            known = self.features[there], labels[there]
        if len(known[1]) == 0:
            raise RunError(f"{who} needs {split} samples with labels, and this data set has none")
        check_finite(known[0])
        return Labelled(*known)


@dataclass(frozen=True)
class Splits:
    """What a classifier learns from, and what it is judged on. classes: None to find them from the labels."""

    reference: Labelled
    queries: Labelled
    classes: int | None = None

    @property
    def class_count(self) -> int:
        """How many classes there are."""
        return int(self.reference.labels.max()) + 1 if self.classes is None else self.classes

    def known(self, who: str) -> Splits:
        """The samples with labels of both, as `Labelled.known` gives them."""
        return Splits(self.reference.known(who), self.queries.known(who, "held-out"), self.classes)

    def accuracy(self, predicted: Annotated[Tensor, "n"]) -> float:
        """The share, 0 to 1, of queries whose class is predicted rightly."""
        return (predicted == self.queries.labels.to(predicted.device)).double().mean().item()


def check_finite(features: Tensor) -> None:
    """Raises RunError for features of an encoder that has diverged."""
    if not bool(features.isfinite().all()):
        raise RunError("the features are not finite: the encoder has diverged; a lower learning rate usually helps")
