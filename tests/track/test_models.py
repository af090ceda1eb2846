"""Models and tags on their way to MLflow: once each, whatever happens to the store or the process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from stores import FakeStore, tracker, until
from tracking import tracked

from graphssl.track import NOTE, deliver_left, find_run, leave_model
from graphssl.track.client import open_client
from graphssl.track.journal import Entry, Journal, Start
from graphssl.track.store import MlflowStore


def model_in(folder: Path) -> Path:
    (folder / "model/data").mkdir(parents=True)
    (folder / "model/MLmodel").write_text("flavors: {}\n")
    (folder / "model/data/weights").write_text("1")
    return folder / "model"


def in_store(uri: str, run_id: str | None, name: str) -> tuple[list[str], list[str]]:
    """The states of the run's models, and the run's steps among the versions of a registered one."""
    client = open_client(uri)
    run = client.get_run(str(run_id))
    models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
    versions = client.search_model_versions(f"name = '{name}'")
    return [str(m.status) for m in models], [v.tags["graphssl.step"] for v in versions if v.run_id == run_id]


def test_a_model_is_logged_and_registered_once_though_no_reply_comes(uri: str, tmp_path: Path) -> None:
    lost: list[str] = []

    class Lossy(MlflowStore):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            for name in (
                "create_logged_model",
                "finalize_logged_model",
                "create_registered_model",
                "create_model_version",
            ):
                self._lose(name)

        def _lose(self, name: str) -> None:
            call = getattr(self._client, name)

            def losing(*arguments: Any, **named: Any) -> Any:
                made = call(*arguments, **named)
                if name not in lost:
                    lost.append(name)
                    raise ConnectionError("the reply was lost")
                return made

            setattr(self._client, name, losing)

    t = tracked("lossy", uri, tmp_path, [1.0], connect=lambda: Lossy(uri), wait=0.05)
    t.model(model_in(tmp_path), 3, "lossy-model")
    until(lambda: len(lost) == 4, 60)  # as long as it trains it is tried again
    assert t.finish("FINISHED") == []
    assert in_store(uri, t.run_id, "lossy-model") == (["READY"], ["3"])
    files = {f.path for f in open_client(uri).list_artifacts(str(t.run_id))}
    assert files == set(), "it is no artifact of the run's own"


def test_a_model_that_fails_holds_back_no_metric(tmp_path: Path) -> None:
    class NoModels(FakeStore):
        def send(self, run_id: str, entries: Any) -> None:
            if entries[0].kind == "model":
                raise PermissionError("no credentials")
            super().send(run_id, entries)

    store = NoModels()
    t = tracker(store, tmp_path / "left.jsonl")
    t.model(model_in(tmp_path), 1)
    t.metrics({"loss": 1.0}, 1)
    (warning,) = t.finish("FINISHED")
    assert store.losses == [(1, 1.0)]
    assert store.runs["id1"]["status"] == "FINISHED"
    assert "no credentials" in warning
    left = Journal(tmp_path / "left.jsonl", Start("run-1", 0)).pending()
    assert [(entry.kind, entry.data) for entry in left] == [("model", {"path": "model", "register": ""})]


@pytest.mark.parametrize("what", ["outside", "gone", "leads outside"])
def test_only_a_model_of_the_run_s_own_folder_is_sent(what: str, tmp_path: Path) -> None:
    store, run = FakeStore(), tmp_path / "run"
    t = tracker(store, run / "left.jsonl")
    if what == "leads outside":
        (tmp_path / "secret").write_text("secret")
        os.symlink(tmp_path / "secret", model_in(run) / "data/more")
    if what == "outside":
        os.symlink(model_in(tmp_path / "elsewhere"), run / "model")
    t.model(run / "model", 1)
    warnings = t.finish("FINISHED")
    assert any("no model in" in line or "is no file of the run's folder" in line for line in warnings)
    assert not [entry for entry in store.sent if entry.kind == "model"]


def test_a_model_of_an_ended_run_is_left_and_delivered(uri: str, tmp_path: Path) -> None:
    t = tracked("ended", uri, tmp_path, [1.0])
    assert t.finish("FINISHED") == []
    spool = tmp_path / "left.jsonl"
    assert not spool.exists()
    model = model_in(tmp_path)
    for _ in range(2):
        leave_model(spool, str(t.run_id), model, 1, "ended-model")
    assert len(spool.read_text().splitlines()) == 2, "the run, and one model"
    delivered = deliver_left(spool, connect=lambda where, experiment: MlflowStore(uri, experiment))
    assert delivered is not None
    assert (delivered.sent.artifacts, delivered.left) == (1, None)
    assert in_store(uri, t.run_id, "ended-model") == (["READY"], ["1"])
    assert find_run("ended", uri).status == "FINISHED"


def test_of_a_note_the_last_is_delivered_line_by_line(uri: str, tmp_path: Path) -> None:
    spool = tmp_path / "left.jsonl"
    journal = Journal(spool, Start("noted", 0, store=uri))
    for text in ("early", "a\n\n| b |\x1b[31m"):
        journal.append(Entry("tags", 1, {NOTE: text}))
    assert len(journal) == 1
    journal.lock.close()
    t = tracked("noted", uri, tmp_path, [1.0])
    assert t.finish("FINISHED") == []
    assert find_run("noted", uri).tags[NOTE] == "a\n\n| b |\\x1b[31m"
