"""An ablation: the graph as it is, and each single edit that holds; the rest is told with its rule."""

from __future__ import annotations

import pytest

from graphssl.errors import UsageError
from graphssl.runs.study import Plan, ablation_of
from graphssl.runs.study.ablation import AS_IS
from graphssl.runs.study.book import Trial
from graphssl.runs.study.metric import Metric
from graphssl.runs.study.outcome import PREVIOUS, columns, outcome_of

CHANGE = "change"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return ablation_of("byol", {"seeds": 2, "set": ["train.epochs=1"]}, ["predictor", "target", "augment.grey"])


def test_what_holds_is_a_cell_and_what_does_not_is_told(plan: Plan) -> None:
    assert plan.cells is not None
    assert [cell.labels[CHANGE] for cell in plan.cells.cells] == [AS_IS, "augment without grey", "without target"]
    (refused,) = plan.cells.invalid
    assert refused.labels == {CHANGE: "without predictor"}
    assert "[G202]" in refused.reasons[0]
    assert plan.runs == 6
    assert plan.asked.name.startswith("byol-ablation-")


def test_a_part_that_is_none_is_told_with_what_it_may_have_meant() -> None:
    with pytest.raises(UsageError, match="did you mean 'predictor'"):
        ablation_of("byol", {}, ["predicter"])


def trials(figures: dict[str, list[float]]) -> list[Trial]:
    return [
        Trial(i * 10 + seed, "complete", cell, seed, f"{cell}-{seed}", value, None, {}, {}, None)
        for i, (cell, values) in enumerate(figures.items())
        for seed, value in enumerate(values)
    ]


def test_differences_are_taken_seed_by_seed() -> None:
    """Two that move together from seed to seed: their difference is sure, though each of them is not."""
    figures = {"a": [0.90, 0.80, 0.70], "b": [0.88, 0.785, 0.675]}
    labels = {"a": {CHANGE: AS_IS}, "b": {CHANGE: "without it"}}
    outcome = outcome_of("s", Metric("knn", True), labels, trials(figures), AS_IS)
    worth = outcome.rows[1].difference
    assert worth is not None
    assert worth.mean == pytest.approx(-0.02)
    assert worth.interval is not None
    assert worth.interval[1] < 0  # while the intervals of the two means are 12 points wide
    assert columns(outcome)[2][:3] == ["without it", "78.00 ± 25.49 %", "-2.00 ± 1.24 %"]


def test_what_costs_most_comes_first_below_the_graph_as_it_is() -> None:
    figures = {"a": [0.9], "b": [0.95], "c": [0.5], "d": []}
    labels = {cell: {CHANGE: cell} for cell in figures}
    outcome = outcome_of("s", Metric("knn", True), labels, trials(figures), "a")
    assert [row.cell for row in outcome.rows] == ["a", "c", "b", "d"]


def test_each_step_of_a_bridge_stands_beside_the_one_before() -> None:
    figures = {"a": [0.5, 0.6], "b": [0.7, 0.8], "c": [0.6, 0.75]}
    labels = {cell: {CHANGE: cell} for cell in figures}
    outcome = outcome_of("s", Metric("knn", True), labels, trials(figures), PREVIOUS)
    assert [row.cell for row in outcome.rows] == ["a", "b", "c"]
    found = [row.difference.mean if row.difference else None for row in outcome.rows]
    assert found[0] is None
    assert found[1:] == pytest.approx([0.2, -0.075])
