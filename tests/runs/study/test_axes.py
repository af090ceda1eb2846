"""What varies: its values, how they are shown, how many they are, and the changes that they make."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from graphssl.errors import Problems
from graphssl.graph.language.overrides import read_change
from graphssl.runs.study.axes import axis_of, changes_of, grid
from graphssl.runs.study.spec import Range

HERE = Path()


def between(low: float, high: float, **more: Any) -> Range:
    return Range.model_validate({"low": low, "high": high, **more})


@pytest.mark.parametrize(
    ("asked", "values"),
    [
        (between(0.1, 0.3, step=0.1), (0.1, 0.2, 0.3)),
        (between(0, 1, step=0.3), (0.0, 0.3, 0.6, 0.9)),
        (between(1, 7, step=2), (1, 3, 5, 7)),
        (between(0.1, 1.0), ()),
    ],
)
def test_steps_of_a_range(asked: Range, values: tuple[float, ...]) -> None:
    axis = axis_of("a", asked, HERE)
    assert axis.steps() == values
    assert [type(value) for value in axis.steps()] == [type(value) for value in values]
    assert axis.count == (len(values) or math.inf)


def test_too_many_steps_are_counted_without_making_them() -> None:
    assert axis_of("a", between(0, 10**15, step=1), HERE).count == 10**15 + 1
    assert axis_of("a", between(0, 1e308, step=1e-308), HERE).count == math.inf


def test_files_are_files_where_all_are() -> None:
    axis = axis_of("negatives", ["queue.yaml", None, "bank.yml"], HERE)
    assert axis.files
    assert [axis.label(value) for value in axis.values or ()] == ["queue.yaml", "as it is", "bank.yml"]
    assert not axis_of("a", ["queue.yaml", "queue"], HERE).files
    assert not axis_of("a", [None], HERE).files


def test_labels_tell_values_apart() -> None:
    axis = axis_of("a", [True, "true", 1, "1", "plain", None, {"use": "ü"}, "two\nlines"], HERE)
    labels = [axis.label(value) for value in axis.values or ()]
    assert labels == ["true", '"true"', "1", '"1"', "plain", "null", '{"use": "ü"}', r'"two\nlines"']
    assert [axis.value(label) for label in labels] == list(axis.values or ())


def test_what_optuna_draws_comes_back_as_the_value() -> None:
    lists = axis_of("a", [{"use": "x"}, "y"], HERE)
    assert lists.value(lists.drawn({"use": "x"})) == {"use": "x"}
    assert lists.distribution().choices == ('{"use": "x"}', "y")
    assert axis_of("a", between(1, 9, log=True), HERE).distribution().log
    whole = axis_of("a", between(1, 9, step=2), HERE).distribution()
    assert (whole.low, whole.high, whole.step) == (1, 9, 2)
    assert axis_of("a", between(0.5, 2), HERE).value(0.75) == 0.75


def test_a_component_is_exchanged_before_its_options_are_said() -> None:
    axes = {key: axis_of(key, [1], HERE) for key in ("nodes.c.temperature", "nodes.c.use", "nodes.c", "data.batch")}
    found = changes_of(axes, {"nodes.c.temperature": 0.1, "nodes.c.use": "x", "nodes.c": {"use": "y"}, "data.batch": 2})
    keys = [change.partition("=")[0] for change in found.sets]
    assert keys.index("nodes.c") < keys.index("nodes.c.use") < keys.index("nodes.c.temperature")


@pytest.mark.parametrize("value", ["true", "1e-3", "ü 😀 \"' #", "", None, [1, {"a": None}], 1e-7, 5, "~"])
def test_values_arrive_as_they_are(value: object) -> None:
    """By `--set`, which reads YAML."""
    axes = {"nodes.a.b": axis_of("nodes.a.b", [value], HERE)}
    (change,) = changes_of(axes, {"nodes.a.b": value}).sets
    problems = Problems()
    found = read_change(change, problems)
    assert not problems.errors, [p.render() for p in problems]
    assert found is not None
    assert json.dumps(found.data["nodes"]["a"]["b"]) == json.dumps(value)


def test_files_are_laid_over_in_the_order_of_the_axes() -> None:
    axes = {key: axis_of(key, ["b.yaml", None], Path("parts")) for key in ("second", "first")}
    found = changes_of(axes, {"first": "b.yaml", "second": "b.yaml"})
    assert found.fragments == (Path("parts/b.yaml"), Path("parts/b.yaml"))
    assert changes_of(axes, {"first": None, "second": "b.yaml"}).fragments == (Path("parts/b.yaml"),)


def test_the_last_axis_is_the_fastest() -> None:
    axes = {"a": axis_of("a", [1, 2], HERE), "b": axis_of("b", [3, 4], HERE)}
    assert [tuple(cell.values()) for cell in grid(axes)] == [(1, 3), (1, 4), (2, 3), (2, 4)]
    many = {str(i): axis_of(str(i), list(range(10)), HERE) for i in range(100)}
    assert next(iter(grid(many)))["99"] == 0, "they are not made all at once"
