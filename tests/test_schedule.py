"""Values that change while training: the formula, the ends, epochs, what is refused, and the way through JSON."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, PositiveFloat, TypeAdapter, ValidationError

from graphssl.schedule import Schedule, Scheduled

SHAPES = ("cosine", "linear", "constant")
PAIRS = [(0.996, 1.0), (1.0, 0.0), (0.07, 0.5), (0.0, 1e-8), (-3.0, 100.0), (0.5, 0.5)]


def made(start: float, end: float, **more: Any) -> Schedule[float]:
    return Schedule[float].model_validate({"from": start, "to": end, **more})


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    momentum: Scheduled[PositiveFloat] = 0.99


# -- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "end"), PAIRS)
@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
def test_cosine_is_that_of_byol(start: float, end: float, steps: int) -> None:
    """1 - (1 - tau)(cos(pi k / K) + 1) / 2 (BYOL, section 3.2), written for any two ends."""
    k = np.arange(steps + 1, dtype=np.float64)
    expected = end - (end - start) * (np.cos(np.pi * k / steps) + 1) / 2
    got = [made(start, end).at(step, steps, 10) for step in range(steps + 1)]
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15 * max(abs(start), abs(end)))


@pytest.mark.parametrize(("start", "end"), PAIRS)
@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
def test_linear_is_the_straight_line(start: float, end: float, steps: int) -> None:
    got = [made(start, end, shape="linear").at(step, steps, 10) for step in range(steps + 1)]
    np.testing.assert_allclose(got, np.linspace(start, end, steps + 1), rtol=1e-12, atol=1e-13 * abs(end - start))


@pytest.mark.parametrize("over", ["train", 2.0])
def test_constant_stays_at_its_start(over: str | float) -> None:
    assert {made(0.3, 0.9, shape="constant", over=over).at(step, 10, 2) for step in range(20)} == {0.3}


@pytest.mark.parametrize(("over", "steps_per_epoch", "first"), [(1, 10, 10), (15, 7, 105), (2.5, 10, 25), (0.5, 9, 5)])
def test_a_step_is_taken_when_its_epochs_have_passed(over: float, steps_per_epoch: int, first: int) -> None:
    schedule = made(0.25, 1.0, shape="step", over=over)
    for steps in (first + 1, 4000):  # the length of the training does not matter
        assert {schedule.at(step, steps, steps_per_epoch) for step in range(first)} == {0.25}
        assert {schedule.at(step, steps, steps_per_epoch) for step in range(first, first + 20)} == {1.0}


def test_a_step_says_when() -> None:
    with pytest.raises(ValidationError, match="over: 1"):
        made(0.0, 1.0, shape="step")


@pytest.mark.parametrize("shape", ["cosine", "linear"])
@pytest.mark.parametrize(("start", "end"), PAIRS)
def test_it_begins_ends_and_stays_at_the_end(shape: str, start: float, end: float) -> None:
    schedule = made(start, end, shape=shape)
    near = {"rel": 1e-14, "abs": 1e-14}
    assert schedule.at(0, 100, 10) == pytest.approx(start, **near)
    assert schedule.at(50, 100, 10) == pytest.approx((start + end) / 2, **near)
    assert [schedule.at(step, 100, 10) for step in (100, 101, 10**9)] == pytest.approx([end] * 3, **near)


@pytest.mark.parametrize("shape", ["cosine", "linear"])
@pytest.mark.parametrize(("start", "end"), PAIRS)
def test_it_goes_one_way_and_never_leaves_its_range(shape: str, start: float, end: float) -> None:
    values = [made(start, end, shape=shape).at(step, 333, 10) for step in range(400)]
    steps = np.diff(values) * (1 if end >= start else -1)
    size = max(abs(start), abs(end))
    assert steps.min() >= -1e-15 * size
    assert min(values) >= min(start, end) - 1e-15 * size
    assert max(values) <= max(start, end) + 1e-15 * size
    assert len(set(values)) > 300 or start == end


def test_cosine_is_slow_at_both_ends_and_linear_is_not() -> None:
    cosine, linear = (np.diff([made(0, 1, shape=s).at(i, 100, 1) for i in range(101)]) for s in ("cosine", "linear"))
    assert cosine[0] == pytest.approx(cosine[-1])
    assert cosine[0] < cosine[50] / 20
    assert linear.std() < 1e-12


# -- how long ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["cosine", "linear"])
@pytest.mark.parametrize(("over", "steps_per_epoch", "last"), [(1, 10, 10), (2.5, 10, 25), (3, 1, 3), (0.5, 9, 4.5)])
def test_over_counts_epochs(shape: str, over: float, steps_per_epoch: int, last: float) -> None:
    schedule = made(0.0, 8.0, shape=shape, over=over)
    for steps in (5, 40, 4000):  # the length of the training does not matter
        assert schedule.at(math.ceil(last), steps, steps_per_epoch) == pytest.approx(8.0)
        assert schedule.at(math.ceil(last) - 1, steps, steps_per_epoch) < 8.0 - 1e-6
        whole = made(0.0, 8.0, shape=shape).at(1, int(2 * last), 1)
        assert schedule.at(1, steps, steps_per_epoch * 2) == pytest.approx(whole)


def test_longer_than_the_training_never_arrives() -> None:
    assert made(0.0, 1.0, shape="linear", over=100).at(50, 50, 1) == 0.5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("steps", "over"), [(0, "train"), (1, "train"), (10, 0.001)])
def test_the_shortest_trainings_divide_by_nothing(shape: str, steps: int, over: str | float) -> None:
    schedule = made(1.0, 2.0, shape=shape, over=over)
    assert schedule.at(0, steps, 10) == 1.0
    assert schedule.at(1, steps, 10) == (1.0 if shape == "constant" else 2.0)


# -- what a file may say -----------------------------------------------------------------------------------------


def test_defaults() -> None:
    schedule = made(1, 2)
    assert (schedule.shape, schedule.over) == ("cosine", "train")


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        ({"to": 1.0}, "from"),
        ({"from": 1.0}, "to"),
        ({"from": 0.0, "to": 1.0}, "from"),
        ({"from": 1.0, "to": -1.0}, "to"),
        ({"from": "x", "to": 1.0}, "from"),
        ({"from": 1.0, "to": 2.0, "shape": "cosin"}, "shape"),
        ({"from": 1.0, "to": 2.0, "over": 0}, "over"),
        ({"from": 1.0, "to": 2.0, "over": -1}, "over"),
        ({"from": 1.0, "to": 2.0, "over": "epochs"}, "over"),
        ({"from": 1.0, "to": 2.0, "until": 3}, "until"),
        ({"start": 1.0, "end": 2.0}, "start"),
        ({}, "from"),
    ],
)
def test_what_is_refused(entry: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"momentum": entry})
    assert where in {part for error in caught.value.errors() for part in error["loc"]}


@pytest.mark.parametrize("value", [-1.0, 0, "x", None, [1.0, 2.0], float("nan")])
def test_a_constant_keeps_the_rules_of_its_field(value: object) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"momentum": value})


@pytest.mark.parametrize("value", [0.5, 1, {"from": 0.5, "to": 1.0}])
def test_numbers_and_schedules_are_told_apart(value: object) -> None:
    found = Config.model_validate({"momentum": value}).momentum
    assert isinstance(found, Schedule) == isinstance(value, dict)
    if not isinstance(found, Schedule):
        assert found == value


def test_ends_are_of_the_kind_of_the_field() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Scheduled[int])
    assert type(adapter.validate_python({"from": 1, "to": 5}).start) is int
    with pytest.raises(ValidationError):
        adapter.validate_python({"from": 1.5, "to": 5})


def test_a_schedule_does_not_change() -> None:
    schedule = made(0.1, 0.2)
    with pytest.raises(ValidationError, match="frozen"):
        schedule.start = 0.5
    assert hash(schedule) == hash(made(0.1, 0.2))
    assert schedule == made(0.1, 0.2)
    assert schedule != made(0.1, 0.3)


# -- through JSON ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "over"), itertools.product(SHAPES, ["train", 1.0, 0.25, 300.0]))
@pytest.mark.parametrize(("start", "end"), [(0.996, 1.0), (1 / 3, 1e-300)])
def test_json_and_back(shape: str, over: str | float, start: float, end: float) -> None:
    schedule = made(start, end, shape=shape, over=over)
    assert Schedule[float].model_validate_json(schedule.model_dump_json(by_alias=True)) == schedule
    config = Config.model_validate({"momentum": {"from": start, "to": end, "shape": shape, "over": over}})
    again = Config.model_validate_json(config.model_dump_json(by_alias=True))
    assert again == config
    assert isinstance(again.momentum, Schedule)
    assert again.momentum.at(3, 10, 2) == config.momentum.at(3, 10, 2)  # type: ignore[union-attr]


def test_json_says_from_and_to() -> None:
    found = made(0.5, 1.0).model_dump(mode="json", by_alias=True)
    assert found == {"from": 0.5, "to": 1.0, "shape": "cosine", "over": "train"}


def test_a_schedule_may_be_given_as_one() -> None:
    schedule = Schedule[PositiveFloat].model_validate({"from": 0.5, "to": 1.0})
    assert Config(momentum=schedule).momentum == schedule


def test_editors_are_told_of_both() -> None:
    schema = Config.model_json_schema()
    options = schema["properties"]["momentum"]
    (name,) = schema["$defs"]
    assert {"from", "to", "shape", "over"} == set(schema["$defs"][name]["properties"])
    kinds = options.get("oneOf") or options["anyOf"]
    assert {"exclusiveMinimum": 0, "type": "number"} in kinds
    assert any("$ref" in kind for kind in kinds)


def test_this_module_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, graphssl.schedule\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
