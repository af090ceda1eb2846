"""What lands in a real MLflow store, whatever it is called and however much it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tracking import history, tracked

from graphssl.track import Tracker, find_run
from graphssl.track.client import open_client
from graphssl.track.journal import Entry
from graphssl.track.store import MlflowStore


def test_more_than_mlflow_takes_at_once(uri: str, tmp_path: Path) -> None:
    params = {f"p{i}": "x" * 7000 if i == 0 else i for i in range(250)}
    t = tracked("many", uri, tmp_path, [], params=params, tags={f"t{i}": "y" * 9000 for i in range(120)})
    for step in range(120):
        t.metrics({f"m{i}": float(step) for i in range(30)}, step)
    assert t.finish("FINISHED") == []
    run = find_run("many", uri)
    assert len(run.params) == 250
    assert len(run.params["p0"]) == 6000
    assert history(uri, run.run_id, "m29") == [(step, float(step)) for step in range(120)]
    assert len(run.tags["t119"]) == 5000
    again = tracked("many", uri, tmp_path, [], params=params, resume=t.run_id, tags={f"t{i}": "z" for i in range(120)})
    assert again.finish("FINISHED") == []
    assert {find_run("many", uri).tags[f"t{i}"] for i in range(120)} == {"z"}


def test_strange_names_and_values(uri: str, tmp_path: Path) -> None:
    t = tracked("strange", uri, tmp_path, [math.nan, math.inf, 1.0], params={"a[0]//x": "ü", "n" * 400: None})
    t.metrics({"s[0]=x/../y": 1.0, "m" * 400: 2.0, "größe": 3.0}, 3)
    assert t.finish("FINISHED") == []
    run = find_run("strange", uri)
    assert run.params["a_0_/_/x"] == "ü"
    assert {"s_0__x/_/y", "größe", "m" * 250} <= run.metrics.keys()
    values = [value for _, value in history(uri, run.run_id, "loss")]
    assert math.isnan(values[0])
    assert values[1] > 1e300
    assert values[2] == 1.0


def test_delivering_twice_leaves_one_entry(uri: str, tmp_path: Path) -> None:
    """A reply that is lost on the way makes us send again: the time of an entry is its own, so MLflow knows it."""
    lost: list[int] = []

    class Lossy(MlflowStore):
        def send(self, run_id: str, entries: Sequence[Entry]) -> None:
            super().send(run_id, entries)
            if len(lost) < 2:
                lost.append(len(entries))
                raise ConnectionError("the reply was lost")

    t = tracked("twice", uri, tmp_path, [1.0, 2.0], connect=lambda: Lossy(uri), wait=0.05)
    assert t.finish("FINISHED") == []
    assert lost
    assert history(uri, find_run("twice", uri).run_id, "loss") == [(0, 1.0), (1, 2.0)]


def test_a_deleted_run_is_not_written_to(uri: str, tmp_path: Path) -> None:
    first = tracked("deleted", uri, tmp_path, [1.0])
    assert first.finish("KILLED") == []
    assert first.run_id is not None
    open_client(uri).delete_run(first.run_id)
    said: list[str] = []
    second = tracked("deleted", uri, tmp_path, [1.0, 2.0], resume=first.run_id, warn=said.append)
    assert second.finish("FINISHED") == []
    assert second.run_id != first.run_id
    assert len(said) == 1
    assert find_run("deleted", uri).run_id == second.run_id


def test_experiment_from_the_environment(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    t = Tracker("named", params={}, tags={}, spool=tmp_path / "left.jsonl")
    assert t.finish("FINISHED") == []
    assert open_client(uri).get_experiment(find_run("named").experiment_id).name == "mine"


def test_a_deleted_experiment_is_said_plainly(uri: str, tmp_path: Path) -> None:
    store = open_client(uri)
    store.delete_experiment(store.create_experiment("gone"))
    t = tracked("x", uri, tmp_path, [1.0], experiment="gone", wait=0.05)
    (warning,) = t.finish("FINISHED")
    assert "the experiment 'gone' is deleted" in warning
    assert "1 metric could" in warning


def test_metrics_below_one_another_stand_in_a_store_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a metric is a file, and one below it would need a folder of its name."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    where = (tmp_path / "mlruns").as_uri()
    first = tracked("files", where, tmp_path, [2.0])
    first.metrics({"loss/byol": 1.5, "a.b/c": 1.0}, 0)
    assert first.finish("KILLED") == []
    second = tracked("files", where, tmp_path, [2.0, 1.0], resume=first.run_id)
    for step in (0, 1):
        second.metrics({"loss/byol": 1.5 - step, "a.b/c": 1.0}, step)
    assert second.finish("FINISHED") == []
    assert history(where, str(first.run_id), "loss") == [(0, 2.0), (1, 1.0)]
    assert history(where, str(first.run_id), "loss.byol") == [(0, 1.5), (1, 0.5)]
    assert history(where, str(first.run_id), "a.b.c") == [(0, 1.0), (1, 1.0)]


def test_a_run_whose_making_was_not_answered_is_made_once(uri: str, tmp_path: Path) -> None:
    lost: list[str] = []

    class Lossy(MlflowStore):
        def create(self, *arguments: Any) -> str:
            made = super().create(*arguments)
            if len(lost) < 2:
                lost.append(made)
                raise ConnectionError("the reply was lost")
            return made

    t = tracked("once", uri, tmp_path, [1.0], connect=lambda: Lossy(uri), wait=0.05)
    assert t.finish("FINISHED") == []
    assert lost == [t.run_id, t.run_id]


def test_text_is_escaped(uri: str, tmp_path: Path) -> None:
    t = tracked("odd", uri, tmp_path, [1.0], params={"data.root": "a\x1b[31m\n"}, tags={"folder": "\u202ex\u200b"})
    assert t.finish("FINISHED") == []
    run = find_run("odd", uri)
    assert (run.params["data.root"], run.tags["folder"]) == (r"a\x1b[31m\n", r"\u202ex\u200b")
