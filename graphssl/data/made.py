"""Folders that runs have written, whose pictures are drawings and views, and no data: told by what they hold."""

from __future__ import annotations

import os
import re

__all__ = ["holds_made_alone", "is_made"]

RUN = ("run.json", "graph.yaml")  # what every run's folder has from its beginning
STORES = ("mlruns", "mlartifacts")
OF_MLFLOW = re.compile(r"[0-9a-f]{32}")  # a run's name in MLflow's store, wherever that is


def is_made(folder: str) -> bool:
    """Whether it is a run's folder, MLflow's store, or a run in that."""
    name = os.path.basename(os.path.normpath(folder))
    if name in STORES:
        return True
    if OF_MLFLOW.fullmatch(name) and os.path.isdir(os.path.join(folder, "artifacts")):
        return True
    return all(os.path.isfile(os.path.join(folder, file)) for file in RUN)


def holds_made_alone(folder: str) -> bool:
    """Whether it is one of these, or has such folders and no other entry, as `runs/` has."""
    if is_made(folder):
        return True
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return False
    return bool(names) and all(is_made(os.path.join(folder, name)) for name in names)
