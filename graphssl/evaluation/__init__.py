"""How a run is judged. Each evaluation is a file; `registry` says how one is written, and here they are listed."""

from __future__ import annotations

from . import finetune, knn, linear, logistic
from .context import Context
from .embedding import embed
from .figures import Figures
from .judge import Judge
from .labelled import Labelled, Splits
from .registry import Evaluation, EvaluationConfig, evaluation

__all__ = [
    "Context", "Evaluation", "EvaluationConfig", "Figures", "Judge", "Labelled", "Splits", "embed", "evaluation",
    "finetune", "knn", "linear", "logistic",
]  # fmt: skip
