"""The figure by which cells are compared: found, named right, and refused where nobody measures it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SIMCLR

from graphssl.errors import UsageError
from graphssl.graph.graph import Graph
from graphssl.graph.read import load
from graphssl.runs.study.cells import refuse_unmeasurable
from graphssl.runs.study.metric import metric_of
from graphssl.runs.study.reading import Asked


def graph(evaluate: str = "knn: {k: 5, every: 1}") -> Graph:
    return load(SIMCLR.replace("knn: {k: 5, every: 1}", evaluate))


def test_the_first_that_the_graph_measures() -> None:
    assert metric_of(graph(), None).name == "knn"
    assert metric_of(graph("knn: null, probe: {}"), None).name == "probe"
    with pytest.raises(UsageError, match="measures nothing by which cells could be compared"):
        metric_of(graph("knn: null"), None)


@pytest.mark.parametrize(
    ("name", "more", "in_runs"),
    [("knn", True, True), ("knn/top5", True, True), ("linear", True, False), ("label_free/alignment", False, True)],
)
def test_which_is_better(name: str, more: bool, in_runs: bool) -> None:
    found = metric_of(graph(), name)
    assert (found.more, found.in_runs) == (more, in_runs)
    assert found.best([1.0, 3.0, 2.0]) == (3.0 if more else 1.0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("knnn", r"there is no figure 'knnn': did you mean 'knn'\?"),
        ("/", "there is no figure '/': evaluations are"),
        ("knn/top50", r"'knn' has no figure 'knn/top50': did you mean 'knn/top5'\?"),
        ("label_free", "'label_free' has no figure 'label_free': .*label_free/"),
    ],
)
def test_what_is_none(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        metric_of(graph(), name)


def test_a_graph_without_it_lacks_it() -> None:
    metric = metric_of(graph(), "knn")
    assert metric.lacking(graph()) is None
    assert "does not measure 'knn'" in str(metric.lacking(graph("knn: null")))
    assert metric_of(graph(), "linear").lacking(graph("knn: null")) is None, "it is measured after the run"


def test_what_the_data_do_not_allow_is_told_first(asked: Callable[..., Asked], here: Path) -> None:
    found = asked({"nodes.critic.temperature": [0.1]})
    refuse_unmeasurable(found, metric_of(found.graph, "linear"))
    with pytest.raises(UsageError, match=r"'detection' cannot be measured: .*pictures with boxes"):
        refuse_unmeasurable(found, metric_of(found.graph, "detection"))
