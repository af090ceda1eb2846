"""Runs that are tracked into a store of MLflow, and read from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphssl.track import Tracker
from graphssl.track.client import open_client

GRAPH = {"graph": "byol", "nodes": {"queue": {"use": "negatives.queue", "size": 64}}, "train": {"lr": 0.001}}


def tracked(name: str, uri: str, folder: Path, losses: list[float], **options: Any) -> Tracker:
    params, tags = options.pop("params", GRAPH), {"graphssl.graph": "byol", **options.pop("tags", {})}
    t = Tracker(name, params=params, tags=tags, spool=folder / "left.jsonl", uri=uri, **options)
    for step, loss in enumerate(losses):
        t.metrics({"loss": loss}, step)
    return t


def history(uri: str, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in open_client(uri).get_metric_history(run_id, name)]


def broken(uri: str, tmp_path: Path) -> tuple[str, list[str]]:
    """The warning of a run into a broken store, and what was said meanwhile."""
    said: list[str] = []
    t = tracked("broken", uri, tmp_path, [1.0, 2.0], warn=said.append, wait=0.05)
    (warning,) = t.finish("FINISHED")
    assert t.run_id is None
    assert len((tmp_path / "left.jsonl").read_text().splitlines()) == 4  # the header, two metrics, the end
    return warning, said
