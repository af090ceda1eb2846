"""Progress in numbers: the epoch of a step, and the time left."""

from __future__ import annotations

import pytest

from graphssl.train.progress_state import State


def state(epochs: int = 3, per_epoch: int = 10, step: int = 0, steps: int | None = None) -> State:
    return State(epochs, per_epoch, step, steps or epochs * per_epoch)


@pytest.mark.parametrize(
    ("step", "epoch"), [(0, 1), (1, 1), (10, 1), (11, 2), (20, 2), (21, 3), (30, 3), (31, 3), (1000, 3)]
)
def test_epochs_count_from_one_to_the_last(step: int, epoch: int) -> None:
    assert state(step=step).epoch == epoch


@pytest.mark.parametrize(
    ("seconds", "steps", "text"),
    [(1.0, 12, "0:00:10"), (0.04, 1000, "0:00:40"), (1.0, 3603, "1:00:01"), (60.0, 1443, "24:01:00"), (3600.0, 252, "250:00:00"),
     (1e-9, 1000, "0:00:00")],
)  # fmt: skip
def test_the_time_left_is_that_of_the_steps_left(seconds: float, steps: int, text: str) -> None:
    """At the pace between the first step and the last."""
    some = state(1, steps, steps=steps)
    some.advance(1, 100.0)
    assert some.left(100.0) == "", "one step is no pace"
    some.advance(2, 100.0 + seconds)
    assert some.left(100.0 + seconds) == text


def test_there_is_no_time_left_before_and_none_after() -> None:
    some = state()
    assert some.left(5.0) == ""
    some.advance(29, 10.0)
    some.advance(30, 11.0)
    assert some.left(11.0) == "0:00:00"
    some.advance(31, 12.0)
    assert some.left(12.0) == "0:00:00", "more steps than there were to be"


def test_the_pace_of_a_resumed_run_is_its_own() -> None:
    some = state(step=20)
    some.advance(21, 1000.0)
    some.advance(25, 1008.0)
    assert some.left(1008.0) == "0:00:10"
