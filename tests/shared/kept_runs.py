"""Runs' folders as trainings leave them, without any training."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from conftest import BYOL

from graphssl.graph.language.dump import dump
from graphssl.graph.read import load

__all__ = ["Kept", "keep_run"]

Kept = Callable[..., Path]  # kept("a", "train.seed=1", curves={"knn": [0.1, 0.9]}, status="finished"): a run's folder
CURVES = {"loss": [1.0, 0.5, 0.25], "knn": [0.2, 0.5, 0.8]}


def keep_run(
    here: Path, name: str, *sets: str, text: str = BYOL, resolved: str | None = None,
    curves: Mapping[str, list[float]] = CURVES, **facts: Any
) -> Path:  # fmt: skip
    """The folder of a run under `runs/`. resolved: its graph; default: that of the text with some changes.

    curves: its metrics, each at steps 0, 10, 20. facts: of its run.json.
    """
    folder = here / "runs" / name
    (folder / "checkpoints").mkdir(parents=True)
    if resolved is None:
        (here / "kept.yaml").write_text(text)
        resolved = dump(load(here / "kept.yaml", list(sets)).resolved())
    (folder / "graph.yaml").write_text(resolved)
    rows = [f"{10 * i},{metric},{value!r}" for metric, values in curves.items() for i, value in enumerate(values)]
    if rows:
        (folder / "metrics.csv").write_text("\n".join(["step,metric,value", *rows, ""]))
    scores = {metric: {"20": values[-1]} for metric, values in curves.items() if metric != "loss"}
    (folder / "run.json").write_text(json.dumps({"status": "finished", "step": 20, "scores": scores, **facts}))
    return folder
