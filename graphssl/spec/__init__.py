"""What each section of a graph file may hold."""

from __future__ import annotations

from .file import (
    AUTO,
    DATA_SETS,
    USERS,
    AdamW,
    Checkpoints,
    Data,
    Evaluate,
    GraphFile,
    Knn,
    Lars,
    LearningRate,
    Linear,
    Monitor,
    Optimizer,
    PerNode,
    Section,
    Sgd,
    TermSpec,
    Train,
)  # fmt: skip

__all__ = [
    "AUTO", "DATA_SETS", "USERS", "AdamW", "Checkpoints", "Data", "Evaluate", "GraphFile", "Knn", "Lars",
    "LearningRate", "Linear", "Monitor", "Optimizer", "PerNode", "Section", "Sgd", "TermSpec", "Train",
]  # fmt: skip
