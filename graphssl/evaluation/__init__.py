"""How a run is judged: evaluations of frozen features. Those of the framework are the files that are listed here."""

from __future__ import annotations

from . import knn, linear
from .context import Context
from .embedding import embed
from .evaluation import Evaluation, EvaluationConfig, evaluation
from .judge import Judge
from .labelled import Labelled, Splits

__all__ = [
    "Context", "Evaluation", "EvaluationConfig", "Judge", "Labelled", "Splits", "embed", "evaluation", "knn", "linear",
]  # fmt: skip
