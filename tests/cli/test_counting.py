"""What is said while something takes long: nothing at first, then a line now and then, on a terminal one that moves."""

from __future__ import annotations

import sys

import pytest

from graphssl.cli import counting
from graphssl.cli.counting import Counting


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(counting.time, "monotonic", lambda: now[0])
    return now


def test_plain_lines_come_every_ten_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    count = Counting("pictures read")
    for seconds, done in ((0, 10), (0.5, 20), (2, 1010), (5, 2000), (12.5, 5010), (13, 6000)):
        clock[0] = 100 + seconds
        count(done, 6000)
    count.close()
    assert capsys.readouterr().err.splitlines() == [
        "pictures read: 1,010 of 6,000, 500 a second",
        "pictures read: 5,010 of 6,000, 400 a second",
    ]


def test_a_terminal_has_one_line_that_is_cleared(
    clock: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    count = Counting("read")
    for tenths in range(20):
        clock[0] = 100 + tenths / 10
        count(tenths, 100)
    count.close()
    said = capsys.readouterr().err
    assert said.startswith("\rread: 10 of 100, 10 a second\x1b[K\r")
    assert said.endswith("\r\x1b[K")
    assert 4 <= said.count("\rread") <= 6
    assert "\n" not in said


def test_what_is_quick_says_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    count = Counting("read")
    count(5, 10)
    clock[0] += 30
    count(10, 10)
    assert capsys.readouterr().err == ""
