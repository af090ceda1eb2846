"""Progress in numbers: the epoch of a step, the time left, which fields fit beside the bar."""

from __future__ import annotations

import math

import pytest

from graphssl.console import printable
from graphssl.train import progress as module
from graphssl.train.progress import NARROWEST_BAR, Progress


def state(epochs: int = 3, per_epoch: int = 10, step: int = 0, steps: int | None = None) -> module._State:
    return module._State(epochs, per_epoch, step, steps or epochs * per_epoch)


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


@pytest.mark.parametrize("width", range(0, 120, 7))
def test_as_many_fields_as_fit_beside_the_bar(width: int) -> None:
    fields = ["epoch 1/3", "step 7/30", "loss 1.2345", "0:01:02 left"]
    text, rest = module._fitted(fields, width)
    shown = text.split("  ")
    assert shown == fields[: len(shown)], "the most important first"
    assert rest == width - len(text) - 1
    if len(shown) > 1:
        assert rest >= NARROWEST_BAR
    if len(shown) < len(fields):
        assert rest - 2 - len(fields[len(shown)]) < NARROWEST_BAR, "no more would have fitted"


def test_what_is_not_known_is_not_among_the_fields() -> None:
    some = state(step=7)
    assert module._fields(some) == ["epoch 1/3", "step 7/30"]
    some.loss, some.rate, some.speed = 1.5, 3e-4, 12345.6
    some.values = {"knn": 0.912345}
    assert module._fields(some) == [
        "epoch 1/3", "step 7/30", "loss 1.5000", "knn 0.9123", "12,346 images/s", "lr 0.0003",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "-"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (0.0, "0"),
        (1e-9, "1e-09"),
        (123456.0, "1.2346e+05"),
        (0.5, "0.5"),
        (2, "2"),
    ],
)
def test_numbers_of_plain_lines(value: float, text: str) -> None:
    assert module._pairs({"x": value}) == [f"x={text}"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\tb", "ab"), ("a\x1b[31mb", "a[31mb"), ("a\nb", "a\nb"), ("é漢", "é漢"), ("a\r\n", "a\n"), ("\u202e", "")],
)
def test_messages_hold_nothing_that_moves_the_cursor(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_evaluations_of_a_later_epoch_replace_those_of_an_earlier_one(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(3, 10) as progress:
        progress.epoch_end(1, {"knn": 0.5, "std": 0.1})
        progress.epoch_end(2, {"knn": 0.6})
        progress.epoch_end(3, {})
        assert progress._state.values == {"knn": 0.6, "std": 0.1}
    told = [line for line in capsys.readouterr().out.splitlines() if "knn" in line]
    assert told == ["epoch=1/3 knn=0.5 std=0.1", "epoch=2/3 knn=0.6"]


def test_a_step_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(1, 10) as progress:
        progress.update(10, 1.0, 0.1, 10.0)
        progress.update(10, 2.0, 0.1, 10.0)
        progress.epoch_end(1, {})
    assert len(capsys.readouterr().out.splitlines()) == 1
