"""What limits a training, told from times that the tests make up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from helpers import CPU

from graphssl.train.bottleneck import Limits


@dataclass
class World:
    """Steps and waits of given length, and a device that is idle or not."""

    now: float = 0.0
    idle: bool = False
    limits: Limits = field(init=False)

    def batches(self, wait: float, count: int) -> Iterator[int]:
        for i in range(count):
            self.now += wait
            yield i

    def epoch(self, wait: float, step: float, count: int = 10, after: float = 0.0) -> None:
        for _ in self.limits.waits(self.batches(wait, count)):
            with self.limits.step():
                self.now += step
            self.now += after


def world(device: bool, idle: bool = False) -> World:
    made = World(idle=idle)
    made.limits = Limits(CPU, lambda: made.now, (lambda: made.idle) if device else None)
    return made


@pytest.mark.parametrize(
    ("device", "idle", "wait", "step", "expected"),
    [
        (False, False, 1.0, 9.0, "limited by arithmetic: 90% of the time in steps, 10% of the time waiting for data"),
        (False, False, 3.0, 1.0, "limited by data: 75% of the time waiting for data; more data.workers"),
        (True, False, 1.0, 9.0, "limited by arithmetic: the device was busy at 100% of the steps' starts"),
        (True, True, 6.0, 4.0, "limited by data: the device had nothing to do at 100% of the steps' starts, 60% of"),
        (True, True, 1.0, 9.0, "limited by launches: the device had nothing to do at 100% of the steps' starts, 10%"),
    ],
)
def test_the_verdict(device: bool, idle: bool, wait: float, step: float, expected: str) -> None:
    made = world(device, idle)
    made.epoch(wait, step)
    verdict = made.limits.verdict()
    assert verdict is not None
    assert verdict.startswith(expected)


def test_being_held_back_by_a_busy_device_is_no_waiting_for_data() -> None:
    """The host, far ahead, waits for room where it asks for the next batch; one batch in ten does come late."""
    made = world(True)
    made.epoch(0, 1, count=1)  # is left out
    for number, _ in enumerate(made.limits.waits(made.batches(8, 10))):
        with made.limits.step():
            made.now += 2
        made.idle = number == 8
    verdict = made.limits.verdict()
    assert verdict is not None
    assert verdict == (
        "limited by arithmetic: the device was busy at 90% of the steps' starts, 8% of the time waiting for data"
    )


@pytest.mark.parametrize("compiled", [False, True])
def test_compiling_is_advised_where_it_is_not_done(compiled: bool) -> None:
    made = World(idle=True)
    made.limits = Limits(CPU, lambda: made.now, lambda: True, compiled)
    made.epoch(1, 9)
    verdict = str(made.limits.verdict())
    assert verdict.endswith("; a larger data.batch helps" if compiled else "batch, or train.compile: 'on', helps")


def test_it_is_said_once() -> None:
    made = world(False)
    made.epoch(1, 1)
    assert made.limits.verdict()
    made.epoch(1, 1)
    assert made.limits.verdict() is None


def test_the_first_step_is_left_out_since_it_may_compile() -> None:
    made = world(False)
    made.epoch(0, 1000, count=1)
    assert made.limits.verdict() is None
    made.epoch(3, 1, count=7)
    assert made.limits.verdict() is None, "seven steps say too little"
    made.epoch(3, 1, count=2)
    verdict = made.limits.verdict()
    assert verdict is not None
    assert "75% of the time waiting" in verdict


def test_logging_counts_and_evaluation_between_epochs_does_not() -> None:
    made = world(False)
    made.epoch(0, 1, count=1)
    made.now += 1000
    made.epoch(2, 4, count=8, after=2)
    verdict = made.limits.verdict()
    assert (
        verdict == "limited by arithmetic: 50% of the time in steps, 25% of the time waiting for data"
    )  # 32 and 16 of 64
