"""How a run is judged: kNN and linear classification of frozen features."""

from __future__ import annotations

from .embedding import embed
from .judge import Judge
from .knn import knn_accuracy, weighted_knn
from .linear import linear_accuracy

__all__ = ["Judge", "embed", "knn_accuracy", "linear_accuracy", "weighted_knn"]
