"""Runs that differ in their seed alone are one figure; whatever else differs keeps them apart."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from conftest import SIMCLR, Write

import graphssl
from graphssl.cli.summary import groups_text
from graphssl.errors import UsageError
from graphssl.runs.evaluate import Evaluated

GRAPH = SIMCLR.replace("batch: 16", "batch: 256").replace("epochs: 2", "steps: 1")
ASKS = ("evaluate: {features: encoder, knn: {k: 5, every: 1}}", "evaluate: {features: encoder, knn: {k: 5}}")


def nobody(line: str) -> None:
    pass


@pytest.fixture
def runs(here: Path, write: Write) -> list[str]:
    """Three seeds; one that reads otherwise, of a fourth; another rate; the first seed again."""
    path = write(GRAPH, ASKS)
    changes = {
        "a": ["train.seed=1"], "b": ["train.seed=2"], "c": ["train.seed=3"],
        "reads": ["train.seed=4", "train.log_every=7", "data.resident=memory"],
        "rate": ["train.seed=2", "train.optimizer.lr=0.06"], "again": ["train.seed=1"],
    }  # fmt: skip
    for name, sets in changes.items():
        graphssl.run(path, sets, name=f"{here.parent.name}-{here.name}-{name}", report=nobody)
    return [f"{here.parent.name}-{here.name}-{name}" for name in changes]


def test_groups(runs: list[str]) -> None:
    told: list[Evaluated] = []
    group, rate, again = graphssl.evaluate_together(runs, report=told.append)
    assert [one.run for one in told] == runs
    assert (group.runs, group.seeds) == (tuple(runs[:4]), (1, 2, 3, 4))
    assert (rate.runs, again.runs) == ((runs[4],), (runs[5],))
    values = [one.scores["knn"] for one in told[:4]]
    assert group.spreads["knn"].mean == pytest.approx(statistics.mean(values))
    assert group.spreads["knn"].deviation == pytest.approx(statistics.stdev(values))
    assert told[5].scores == told[0].scores, "the same seed, the same number"
    lines = groups_text([group, rate, again]).splitlines()
    assert lines[0] == f"{', '.join(runs[:4])}: 4 seeds of one graph"
    assert lines[1].startswith(f"  kNN accuracy {100 * statistics.mean(values):.2f} %, deviation ")
    assert lines[-1] == f"{runs[4]}, {runs[5]}: no other of these runs differs in its seed alone"


def test_wrong_use() -> None:
    with pytest.raises(UsageError, match="name a run, or several"):
        graphssl.evaluate_together([])
    with pytest.raises(UsageError, match="the run 'a' is named twice"):
        graphssl.evaluate_together(["a", "b", "a"])


def test_all_runs_are_there_before_one_is_evaluated(here: Path, write: Write) -> None:
    name = f"{here.parent.name}-{here.name}"
    graphssl.run(write(GRAPH, ASKS), name=name, report=nobody)
    told: list[Evaluated] = []
    (here / "runs" / "begun").mkdir()
    (here / "runs" / "begun" / "graph.yaml").write_text((here / "runs" / name / "graph.yaml").read_text())
    with pytest.raises(UsageError) as caught:
        graphssl.evaluate_together([name, "begun", "nobody", f"runs/{name}"], report=told.append)
    assert not told
    first, *others = str(caught.value).splitlines()
    assert first == "nothing has been evaluated"
    assert others[0] == "  the run 'begun' has no checkpoint yet"
    assert others[1].startswith("  there is no run called 'nobody'")
    assert others[2] == f"  '{name}' and 'runs/{name}' are the same run"
