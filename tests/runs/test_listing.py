"""Runs on a line each: chosen by conditions, sorted by figures; removed, called otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_runs import held
from mlflow.tracking import MlflowClient

from graphssl.cli.listing import lines_text
from graphssl.errors import UsageError
from graphssl.runs.folder import RUNS, RunFolder
from graphssl.runs.listing import runs_here
from graphssl.runs.removal import move_run, remove_runs

GRAPH = (
    "graph: {name}\nnodes: {{critic: {{use: critic.cosine, temperature: {temperature}}}}}\ntrain: {{seed: {seed}}}\n"
)


def put(name: str, graph: str = "byol", temperature: float = 0.1, seed: int = 0, **facts: object) -> RunFolder:
    folder = RunFolder(RUNS / name)
    folder.checkpoints.mkdir(parents=True)
    folder.graph.write_text(GRAPH.format(name=graph, temperature=temperature, seed=seed))
    folder.note(**{"status": "finished", "step": 10, "loss": 1.5, **facts})
    when = 1_700_000_000 + 100 * len(list(RUNS.iterdir()))
    os.utime(folder.graph, (when, when))
    os.utime(folder.path / "run.json", (when, when))
    return folder


@pytest.fixture
def three(here: Path) -> None:
    put("c", temperature=0.5, scores={"knn": {"0": 0.1, "2": 0.9}, "knn/top5": {"2": 1.0}})
    put("b", seed=1, scores={"knn": {"0": 0.1, "10": 0.95, "9": 0.2}})
    put("a", graph="cifar10/simclr", temperature=0.2, scores={}, status="interrupted")


def names(where: list[str], sort: str | None = None) -> list[str]:
    return [line.name for line in runs_here(where, sort)]


def test_the_latest_is_last_and_the_best_where_they_are_sorted(three: None) -> None:
    assert names([]) == ["c", "b", "a"]
    assert names([], "knn") == ["a", "c", "b"]  # of the last epoch, which is no text
    assert names([], "name") == ["a", "b", "c"]


def test_runs_are_chosen_by_any_key(three: None) -> None:
    assert names(["graph=byol"]) == ["c", "b"]
    assert names(["graph = cifar10/simclr"]) == ["a"]
    assert names(["graph=byol", "seed == 1"]) == ["b"]
    assert names(["nodes.critic.temperature >= 0.2", "status != interrupted"]) == ["c"]
    assert names(["knn > 0.91"]) == ["b"]


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("grap=byol", "did you mean 'graph'"),
        ("graph", "compares nothing"),
        ("import os", "is no condition"),
        ("nodes.critic.temprature == 0.1", "did you mean 'nodes.critic.temperature'"),
    ],
)
def test_what_is_no_condition_is_told(three: None, where: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        runs_here([where])


def test_a_figure_that_no_run_has_is_told(three: None) -> None:
    with pytest.raises(UsageError, match="did you mean 'knn'"):
        runs_here([], "knnn")


def test_a_killed_run_and_a_damaged_one_are_told_as_that(here: Path) -> None:
    put("killed", status="running")
    torn = put("torn")
    (torn.path / "run.json").write_text("{")
    with put("trains", status="running").claimed():  # by this process, which is asked from another in a real run
        states = {line.name: line.state for line in runs_here()}
    assert states == {"killed": "killed", "torn": "damaged", "trains": "killed"}
    text = lines_text(runs_here())
    assert "damaged" in text
    assert "kNN" not in text


def test_nothing_is_told_as_that(here: Path) -> None:
    assert lines_text(runs_here()) == "no runs"


def test_runs_are_removed_all_or_none(three: None) -> None:
    with pytest.raises(UsageError, match="there is no run called 'd'"):
        remove_runs(["a", "d"])
    assert remove_runs(["a", "b"], lambda _: False) == []
    assert len(names([])) == 3
    assert [folder.name for folder in remove_runs(["a", "b", "a"])] == ["a", "b"]
    assert [path.name for path in RUNS.iterdir()] == ["c"]


def test_a_run_that_trains_is_neither_removed_nor_moved(three: None) -> None:
    with held(RUNS / "a" / ".lock"):
        for refused in (lambda: remove_runs(["b", "a"]), lambda: move_run("a", "z", print)):
            with pytest.raises(UsageError, match="being trained by another process"):
                refused()
        assert next(line.state for line in runs_here() if line.name == "a") == "interrupted"
        assert (RUNS / "b").exists()


def test_a_run_is_called_otherwise_in_mlflow_too(three: None, store: str) -> None:
    client = MlflowClient()
    made = client.create_run("0", run_name="c")
    RunFolder(RUNS / "c").note(mlflow=made.info.run_id)
    said: list[str] = []
    assert move_run("c", "better", said.append).path == RUNS / "better"
    assert said == []
    assert client.get_run(made.info.run_id).info.run_name == "better"
    RunFolder(RUNS / "b").note(mlflow="0" * 32)
    move_run("b", "b2", said.append)
    assert "in MLflow it is still called 'b'" in said[0]
    for new, told in (("better", "is there already"), ("x/y", "cannot name a run")):
        with pytest.raises(UsageError, match=told):
            move_run("a", new, said.append)
