"""What each section of a graph file may hold. This room needs no torch."""

from __future__ import annotations

from .data import AUTO, Data, data_section
from .datasets import DATA_SETS, options, users_of
from .evaluate import Evaluate, EvaluationConfig, Monitor
from .file import GraphFile, TermSpec, UpdateSpec, graph_file
from .optimizers import OPTIMIZERS, Adam, AdamW, Larc, Lars, Optimizer, Sgd, Timm
from .section import Section
from .train import CheckpointPlan, Clip, LearningRate, PerNode, Train

__all__ = [
    "AUTO", "DATA_SETS", "OPTIMIZERS", "Adam", "AdamW", "CheckpointPlan", "Clip", "Data", "Evaluate",
    "EvaluationConfig", "GraphFile", "Larc", "Lars", "LearningRate", "Monitor", "Optimizer", "PerNode", "Section",
    "Sgd", "TermSpec", "Timm", "Train", "UpdateSpec", "data_section", "graph_file", "options", "users_of",
]  # fmt: skip
