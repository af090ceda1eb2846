"""What a run could not deliver, as its server was down, arrives: when it is asked for, on resume, beside the next run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import graphssl
from graphssl.errors import RunError, UsageError
from graphssl.track import curves, find_run
from graphssl.track.client import open_client

NOBODY = "http://127.0.0.1:9"  # the port of nothing


@pytest.fixture
def ended(here: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was said of a run that has ended while its server was down: `down-N`, a new name for each test."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    (here / "runs").mkdir()
    result = graphssl.run("nce_toy", ["train.epochs=3", "train.log_every=2"], name=f"down-{here.name}", device="cpu")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    assert result.run_id is None
    return [result.folder.name, *result.warnings]


def points(name: str, store: str) -> list[tuple[str, int]]:
    every = curves(find_run(name, store), store)
    return sorted((name, step) for name, points in every.items() for step, _ in points)


def all_there(name: str, store: str) -> bool:
    found = points(name, store)
    assert len(found) == len(set(found)), "a point is there twice"
    steps = [step for key, step in found if key == "loss"]
    return steps == list(range(2, 19, 2)) and find_run(name, store).status == "FINISHED"


def test_it_is_said_how_it_arrives_and_does(ended: list[str], here: Path, store: str) -> None:
    name, warning = ended
    assert f"delivered by `graphssl track {name}`, or by the next run here" in warning
    said: list[str] = []
    (done,) = graphssl.deliver(name, said.append)
    assert done.sent.artifacts == 5
    assert said == [str(done)]
    assert all_there(name, store)
    assert not (here / "runs" / name / "undelivered.jsonl").exists()
    assert json.loads((here / "runs" / name / "run.json").read_text())["mlflow"] == done.run_id
    files = {f.path for f in open_client(store).list_artifacts(done.run_id)}
    assert files == {"graph.png", "graph.svg", "graph.yaml", "source", "step.py"}
    said.clear()
    assert graphssl.deliver([name], said.append) == []
    assert said == [f"{name}: nothing is left to deliver"]
    assert graphssl.deliver(report=said.append) == []


def test_a_finished_run_that_is_resumed_delivers(ended: list[str], store: str) -> None:
    name, said = ended[0], list[str]()
    assert graphssl.run(resume=name, device="cpu", report=said.append).run_id == find_run(name, store).run_id
    assert "nothing to resume" in said[0]
    assert "delivered to MLflow" in said[1]
    assert all_there(name, store)


def test_a_server_that_is_still_down_is_said_and_nothing_lost(
    ended: list[str], here: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = ended[0]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    for act in (
        lambda: graphssl.run(resume=name, device="cpu"),
        lambda: graphssl.deliver(),
        lambda: graphssl.deliver(name),
    ):
        with pytest.raises(
            RunError, match=rf"could not be delivered .* at {NOBODY} .*`graphssl track {name}` tries again"
        ):
            act()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(RunError, match=NOBODY):
        graphssl.deliver(name)  # to the store that it had
    assert not (here / "mlflow.db").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    graphssl.deliver(name)
    assert all_there(name, store)


def test_the_next_run_delivers_what_earlier_ones_left(
    ended: list[str], here: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though not what was meant for another store, which is still down."""
    name = ended[0]
    journal = here / "runs" / name / "undelivered.jsonl"
    result = graphssl.run("nce_toy", ["train.epochs=3"], name=f"next-{here.name}", device="cpu")
    assert any(f"what '{name}' left is still not delivered to MLflow at {NOBODY} (" in t for t in result.warnings)
    again = graphssl.run("nce_toy", ["train.epochs=3"], name=f"again-{here.name}", device="cpu")
    assert again.warnings == (), "it is said once"
    assert find_run(f"next-{here.name}", store).status == "FINISHED"
    journal.write_text(journal.read_text().replace(NOBODY, store, 1))  # as if it was up again
    result = graphssl.run("nce_toy", ["train.epochs=3"], name=f"last-{here.name}", device="cpu")
    assert result.warnings == ()
    assert (
        f"\nleft by an earlier run: {name}: 36 metrics and 5 artifacts delivered to MLflow" in capsys.readouterr().out
    )
    assert all_there(name, store)


def test_a_run_that_is_not_there(here: Path) -> None:
    with pytest.raises(UsageError, match="no run called 'nobody'"):
        graphssl.deliver("nobody")
