"""What runs have left: their last checkpoint, and their points in MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import torch

from graphssl.train.checkpoint import Checkpoints


def last(folder: Path, run: str) -> dict[str, Any]:
    found = Checkpoints(folder / "runs" / run / "checkpoints").latest()
    assert found is not None
    return found


def same(one: dict[str, Any], other: dict[str, Any], tolerance: float = 0.0) -> bool:
    pairs = [(value.double(), other["model"][key].double()) for key, value in one["model"].items()]
    return one["step"] == other["step"] and all(torch.allclose(a, b, rtol=tolerance, atol=tolerance) for a, b in pairs)


def points(folder: Path, name: str) -> list[tuple[str, int]]:
    """Every metric and step that MLflow has of a run, as often as it has it."""
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (found,) = [
        run for e in client.search_experiments() for run in client.search_runs([e.experiment_id])
        if run.info.run_name == name
    ]  # fmt: skip
    return sorted(
        (key, m.step) for key in found.data.metrics for m in client.get_metric_history(found.info.run_id, key)
    )
