"""How a run is judged: features of a frozen node, weighted kNN on them, and collapse monitors while it trains."""

from __future__ import annotations

from .collapse import CollapseWatch
from .features import embed
from .judge import Judge
from .knn import knn_accuracy, weighted_knn
from .monitor import measure

__all__ = ["CollapseWatch", "Judge", "embed", "knn_accuracy", "measure", "weighted_knn"]
