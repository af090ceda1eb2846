"""Tracks a run into a real MLflow store, from its start and from where it was left."""

from __future__ import annotations

from pathlib import Path

import pytest
from tracking import history, tracked

from graphssl.track import find_run
from graphssl.track.client import open_client


def test_a_run_lands_in_the_store(uri: str, tmp_path: Path) -> None:
    picture = tmp_path / "graph.svg"
    picture.write_text("<svg/>")
    t = tracked("whole", uri, tmp_path, [3.0, 2.0, 1.0])
    t.metrics({"knn": 0.25}, 3)
    t.text("graph: byol\n", "graph.yaml")
    t.file(picture, "pictures")
    assert t.finish("FINISHED") == []
    run = find_run("whole", uri)
    assert run.run_id == t.run_id
    assert run.status == "FINISHED"
    assert run.params == {
        "graph": "byol", "nodes.queue.use": "negatives.queue", "nodes.queue.size": "64", "train.lr": "0.001",
    }  # fmt: skip
    assert run.metrics == {"loss": 1.0, "knn": 0.25}
    assert run.tags["graphssl.graph"] == "byol"
    assert run.tags["mlflow.source.type"] == "LOCAL"
    assert history(uri, run.run_id, "loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]
    store = open_client(uri)
    assert store.get_experiment(run.experiment_id).name == "graphssl"
    assert sorted(f.path for f in store.list_artifacts(run.run_id)) == ["graph.yaml", "pictures"]
    assert [f.path for f in store.list_artifacts(run.run_id, "pictures")] == ["pictures/graph.svg"]
    beside = Path(uri.removeprefix("sqlite:///")).parent / "mlartifacts"
    assert (beside / run.run_id / "artifacts" / "graph.yaml").read_text() == "graph: byol\n"


def test_a_resumed_run_has_each_step_once(uri: str, tmp_path: Path) -> None:
    first = tracked("resumed", uri, tmp_path, [4.0, 3.0, 2.0])
    assert first.finish("KILLED") == []
    assert find_run("resumed", uri).status == "KILLED"
    second = tracked("resumed", uri, tmp_path, [], resume=first.run_id, params={"train": {"lr": 5}})
    for step in (1, 2, 3):
        second.metrics({"loss": 4.0 - step, "knn": 0.5}, step)
    assert second.finish("FINISHED") == []
    assert second.run_id == first.run_id
    run = find_run("resumed", uri)
    assert run.status == "FINISHED"
    assert run.params["train.lr"] == "0.001", "MLflow refuses changed parameters"
    assert history(uri, run.run_id, "loss") == [(0, 4.0), (1, 3.0), (2, 2.0), (3, 1.0)]
    assert history(uri, run.run_id, "knn") == [(1, 0.5), (2, 0.5), (3, 0.5)]


@pytest.mark.parametrize("store", ["sqlite", "file"])
def test_what_a_killed_process_has_delivered_and_not_crossed_out_arrives_once(
    uri: str, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    where = uri if store == "sqlite" else (tmp_path / "mlruns").as_uri()
    spool = tmp_path / "left.jsonl"
    first = tracked("killed", where, tmp_path, [4.0, 3.0, 2.0])
    written = spool.read_text()
    assert first.finish("KILLED") == []
    spool.write_text(written)  # of a process that is killed before it has rewritten it
    second = tracked("killed", where, tmp_path, [], resume=first.run_id)
    for step in (1, 2, 3):
        second.metrics({"loss": 4.0 - step, "knn": 0.5}, step)
    assert second.finish("FINISHED") == []
    assert history(where, str(first.run_id), "loss") == [(0, 4.0), (1, 3.0), (2, 2.0), (3, 1.0)]
    assert history(where, str(first.run_id), "knn") == [(1, 0.5), (2, 0.5), (3, 0.5)]
