"""How a run is judged. Each evaluation is a file; `registry` says how one is written, and here they are listed."""

from __future__ import annotations

from . import knn, linear, logistic
from .context import Context
from .embedding import embed
from .judge import Judge
from .labelled import Labelled, Splits
from .registry import Evaluation, EvaluationConfig, evaluation

__all__ = [
    "Context", "Evaluation", "EvaluationConfig", "Judge", "Labelled", "Splits", "embed", "evaluation", "knn", "linear",
    "logistic",
]  # fmt: skip
