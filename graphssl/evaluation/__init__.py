"""How a run is judged. Each evaluation is a file; `registry` says how one is written, and here they are listed."""

from __future__ import annotations

from . import clusters, detection, finetune, knn, label_free, linear, logistic, probe, retrieval, transfer
from .context import Context
from .embedding import embed
from .figures import Figures
from .judge import Judge
from .labelled import Labelled, Splits
from .registry import Evaluation, EvaluationConfig, Known, Lack, evaluation

__all__ = [
    "Context", "Evaluation", "EvaluationConfig", "Figures", "Judge", "Known", "Labelled", "Lack", "Splits", "clusters",
    "detection", "embed", "evaluation", "finetune", "knn", "label_free", "linear", "logistic", "probe", "retrieval",
    "transfer",
]  # fmt: skip
