"""Runs read back from MLflow: one by its name or id, several side by side."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from tracking import tracked

from graphssl.errors import RunError, UsageError
from graphssl.track import LESS_IS_BETTER, MORE_IS_BETTER, compare, find_run
from graphssl.track.compare import _in_order


def test_find_run_takes_the_latest_of_a_name(uri: str, tmp_path: Path) -> None:
    first = tracked("same", uri, tmp_path, [1.0])
    assert first.finish("FINISHED") == []
    time.sleep(0.01)
    second = tracked("same", uri, tmp_path, [2.0])
    assert second.finish("FINISHED") == []
    assert find_run("same", uri).run_id == second.run_id
    assert first.run_id is not None
    assert find_run(first.run_id, uri).metrics == {"loss": 1.0}


def test_an_unknown_run_is_answered_with_a_suggestion(uri: str, tmp_path: Path) -> None:
    assert tracked("moco_v2-1", uri, tmp_path, []).finish("FINISHED") == []
    with pytest.raises(RunError, match="no run called 'moco_v2-2': did you mean 'moco_v2-1'"):
        find_run("moco_v2-2", uri)
    with pytest.raises(RunError, match="no run called"):
        find_run('it\'s "odd" / ..', uri)


def test_reading_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"there is no .*mlflow\.db yet"):
        find_run("x")
    assert list(tmp_path.iterdir()) == []


def test_compare(uri: str, tmp_path: Path) -> None:
    a = tracked("one", uri, tmp_path, [3.0, 1.0, math.nan, 2.0], params={"lr": 1, "k": 20, "only": "here"})
    a.metrics({"knn": 0.9, "s/std": 0.7}, 4)
    a.metrics({"knn": 0.8, "s/std": 0.6}, 5)
    assert a.finish("FINISHED") == []
    b = tracked("two", uri, tmp_path, [5.0, 4.0], params={"lr": 2, "k": 20})
    assert b.finish("FINISHED") == []
    found = compare(["one", "two"], uri)
    assert [run.name for run in found.runs] == ["one", "two"]
    assert found.params == {"lr": ("1", "2"), "only": ("here", None)}
    rows = {row.name: row for row in found.metrics}
    assert (rows["loss"].last, rows["loss"].best) == ((2.0, 4.0), (1.0, 4.0))
    assert (rows["knn"].last, rows["knn"].best) == ((0.8, None), (0.9, None))
    assert (rows["s/std"].last, rows["s/std"].best) == ((0.6, None), (None, None))
    with pytest.raises(RunError, match="no run called"):
        compare(["one", "three hundred"], uri)


def test_of_which_metrics_more_is_better_is_what_a_run_says(uri: str, tmp_path: Path) -> None:
    """`detection/loss` is the evaluation's own number, whatever its words say."""
    t = tracked("own", uri, tmp_path, [], tags={MORE_IS_BETTER: "knn,detection", LESS_IS_BETTER: "rank"})
    for step, value in enumerate((2.0, 3.0, 1.0)):
        t.metrics(dict.fromkeys(("detection/loss", "rank", "rank/top1", "other"), value), step)
    assert t.finish("FINISHED") == []
    assert tracked("none", uri, tmp_path, []).finish("FINISHED") == []
    best = {row.name: row.best for row in compare(["own", "none"], uri).metrics}
    assert best == {"detection/loss": (3.0, None), "rank": (1.0, None), "rank/top1": (1.0, None), "other": (None, None)}


@pytest.mark.parametrize("value", [1.0, float("nan")])
def test_compare_tells_a_run_from_itself(value: float, uri: str, tmp_path: Path) -> None:
    t = tracked("itself", uri, tmp_path, [value])
    assert t.finish("FINISHED") == []
    with pytest.raises(UsageError, match="the run 'itself' is named twice"):
        compare(["itself", str(t.run_id)], uri)


def test_compare_leaves_out_sections_that_are_empty(uri: str, tmp_path: Path) -> None:
    for name, params in (("with", {"update": {"queue": "push(k)"}}), ("empty", {"update": {}}), ("none", {})):
        assert tracked(name, uri, tmp_path, [], params=params).finish("FINISHED") == []
    assert compare(["empty", "none"], uri).params == {}
    assert compare(["with", "empty"], uri).params == {"update.queue": ("push(k)", None)}


def test_compare_puts_together_what_belongs_together() -> None:
    one = dict.fromkeys(["graph", "nodes.a.use", "nodes.a.norm", "nodes.b.use", "train.lr"], "")
    two = dict.fromkeys(
        ["graph", "nodes.a.use", "nodes.a.norm.use", "nodes.a.norm.splits", "nodes.c.use", "train.k"], ""
    )
    assert _in_order([one, two, {"seed": ""}, {}]) == [
        "graph", "nodes.a.use", "nodes.a.norm", "nodes.a.norm.use", "nodes.a.norm.splits", "nodes.b.use", "nodes.c.use",
        "train.lr", "train.k", "seed",
    ]  # fmt: skip
    assert _in_order([{}, one]) == list(one)
