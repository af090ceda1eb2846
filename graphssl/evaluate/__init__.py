"""How a run is judged: kNN and linear classification of frozen features, and collapse monitors while it trains."""

from __future__ import annotations

from .collapse import CollapseWatch
from .features import embed
from .judge import Judge
from .knn import knn_accuracy, weighted_knn
from .linear import linear_accuracy
from .monitor import measure

__all__ = ["CollapseWatch", "Judge", "embed", "knn_accuracy", "linear_accuracy", "measure", "weighted_knn"]
