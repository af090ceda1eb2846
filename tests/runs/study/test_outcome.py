"""What came of a study: which trial of a run counts, the order of rows, and the tables."""

from __future__ import annotations

import csv
import io

import pytest

from graphssl.runs.study import columns, rows_csv, rows_latex, rows_markdown
from graphssl.runs.study.book import Trial
from graphssl.runs.study.metric import Metric
from graphssl.runs.study.outcome import Outcome, outcome_of

KNN = Metric("knn", True)
CELLS = {"a": {"x": "0.1"}, "b": {"x": "0.2"}, "c": {"x": "0.3"}}


def trial(number: int, cell: str, seed: int, value: float | None, state: str = "complete") -> Trial:
    return Trial(number, state, cell, seed, f"s-{cell}-s{seed}", value, None, {}, {}, None)


def outcome(*trials: Trial, metric: Metric = KNN) -> Outcome:
    return outcome_of("study", metric, CELLS, trials)


def test_the_best_first_and_what_has_no_figure_last() -> None:
    found = outcome(trial(0, "a", 0, 0.5), trial(1, "b", 0, None, "failed"), trial(2, "c", 0, 0.75))
    assert [row.cell for row in found.rows] == ["c", "a", "b"]
    assert [row.best for row in found.rows] == [True, False, False]
    assert [trial.cell for trial in found.failed] == ["b"]
    less = outcome(trial(0, "a", 0, 0.5), trial(1, "b", 0, 0.75), metric=Metric("label_free/alignment", False))
    assert [row.cell for row in less.rows] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("states", "counts"),
    [
        (["failed", "waiting"], "waiting"),
        (["failed", "complete"], "complete"),
        (["complete", "failed"], "complete"),
        (["pruned", "waiting"], "pruned"),
        (["failed", "running"], "running"),
        (["waiting", "complete"], "complete"),
    ],
)
def test_of_several_trials_of_a_run_one_counts(states: list[str], counts: str) -> None:
    each = (trial(i, "a", 0, 0.5 if state == "complete" else None, state) for i, state in enumerate(states))
    (found,) = (row for row in outcome(*each).rows if row.cell == "a")
    assert [one.state for one in found.trials.values()] == [counts]


def test_trials_of_cells_that_are_no_more_are_left_out() -> None:
    assert outcome(trial(0, "gone", 0, 0.9)).rows[0].spread is None


def test_the_table() -> None:
    found = outcome(
        trial(0, "a", 0, 0.5), trial(1, "a", 1, 0.6), trial(2, "b", 0, 0.4), trial(3, "b", 1, None, "failed"),
        trial(4, "c", 0, None, "waiting"), trial(5, "c", 1, None, "waiting"),
    )  # fmt: skip
    assert columns(found) == [
        ["x", "kNN", "seeds", ""],
        ["0.1", "55.00 ± 55.00 %", "2", "best"],  # the interval ends where a share does
        ["0.2", "40.00 %", "1", "1 failed"],
        ["0.3", "-", "0", "2 waiting"],
    ]
    assert rows_markdown(found).splitlines()[:3] == [
        "| x | kNN | seeds |  |", "| --- | --- | --- | --- |", "| 0.1 | **55.00 ± 55.00 %** | 2 |  |",
    ]  # fmt: skip
    tex = rows_latex(found)
    assert r"0.1 & \textbf{55.00 $\pm$ 55.00 \%} & 2 &  \\" in tex
    comment, table = tex.split("\n", 1)
    assert comment == "% kNN accuracy: the mean over the seeds, and half of its 95 % interval (Student's t)"
    assert table.startswith("\\begin{tabular}{lrrr}\n\\toprule\n")


def test_notes_are_left_out_where_there_are_none() -> None:
    found = outcome_of("study", KNN, {"a": {"x": "1"}}, [trial(0, "a", 0, 0.5)])
    assert columns(found) == [["x", "kNN", "seeds"], ["1", "50.00 %", "1"]]


def test_a_row_a_run_for_other_tools() -> None:
    rows = list(
        csv.DictReader(io.StringIO(rows_csv(outcome(trial(0, "a", 0, 1 / 3), trial(1, "b", 1, None, "failed")))))
    )
    assert rows == [
        {"x": "0.1", "seed": "0", "knn": repr(1 / 3), "state": "complete", "run": "s-a-s0"},
        {"x": "0.2", "seed": "1", "knn": "", "state": "failed", "run": "s-b-s1"},
    ]


@pytest.mark.parametrize("label", ['{"use": "a|b"}', "50 % & _x_ #1 ~^\\", "ü", "<script>"])
def test_what_a_label_may_be(label: str) -> None:
    found = outcome_of("study", KNN, {"a": {"key_1": label}}, [trial(0, "a", 0, 0.5)])
    line = rows_markdown(found).splitlines()[2]
    assert line.replace("\\|", "").count("|") == 4, "as many cells as the head has"
    tex = rows_latex(found).splitlines()
    assert tex[3].startswith(r"key\_1 & ")
    assert tex[5].replace(r"\&", "").count("&") == 2
    assert next(csv.DictReader(io.StringIO(rows_csv(found))))["key_1"] == label


def test_a_study_of_nothing_has_a_table() -> None:
    nothing = outcome_of("study", KNN, {}, [])
    assert columns(nothing) == [["kNN", "seeds"]]
    assert rows_csv(nothing) == "seed,knn,state,run\n"
