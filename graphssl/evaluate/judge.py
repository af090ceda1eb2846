"""Judges an encoder by its features on plain images of both splits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor, nn

from ..component import DataFacts
from ..spec import Knn, Linear
from .embedding import embed
from .knn import knn_accuracy
from .linear import linear_accuracy

if TYPE_CHECKING:
    from ..data import Batch, Datasets


class Judge:
    """Evaluates a frozen module: the training split's labelled samples are the reference, the held-out split is judged.

    size: height and width of the images that it takes. batch: images embedded at a time. dtype: of autocast,
    None for float32.
    """

    def __init__(
        self, module: nn.Module, data: Datasets, facts: DataFacts, size: tuple[int, int] | None,
        batch: int, device: torch.device, dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        self.module, self.data, self.facts = module, data, facts
        self.size, self.batch, self.device, self.dtype = size, batch, device, dtype

    def accuracies(self, knn: Knn | None, linear: Linear | None) -> dict[str, float]:
        """The accuracy, 0 to 1, of each kind that is asked for. Raises RunError for a data set without labels."""
        keys, labels = self._embed(self.data.reference(self.batch))
        queries, truth = self._embed(self.data.test(self.batch))
        classes = self.facts.classes
        found = {}
        if knn is not None:
            found["knn"] = knn_accuracy(queries, truth, keys, labels, knn.k, knn.temperature, classes)
        if linear is not None:
            iterations = linear.iterations
            found["linear"] = linear_accuracy(queries, truth, keys, labels, linear.penalty, iterations, classes)
        return found

    def knn(self, spec: Knn) -> float:
        """Accuracy of weighted kNN, 0 to 1. Raises RunError for a data set without labels."""
        return self.accuracies(spec, None)["knn"]

    def _embed(self, batches: Iterable[Batch]) -> tuple[Annotated[Tensor, "n d"], Annotated[Tensor, "n"]]:
        mean, std = self.facts.mean, self.facts.std
        return embed(self.module, batches, mean, std, self.size, self.device, self.dtype)


def no_judgement(data: Datasets) -> str | None:
    """Why features cannot be judged on a data set."""
    if not data.classes:
        return "the data set has no labels; pictures in a folder for each class have them"
    return None if data.held_out else "the data set has no held-out pictures"
