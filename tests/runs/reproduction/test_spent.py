"""What a seed's run has taken is the sum over its starts, however they ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graphssl.runs.reproduction.spent import Spent

NOTED = Path("runs/spent/a.json")


def clock(*readings: float) -> Callable[[], float]:
    """The readings one after another, and then the last."""
    left = list(readings)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def begin() -> None:
    Path("runs/a").mkdir(parents=True)
    Path("runs/a/graph.yaml").write_text("graph: a\n")


def started(*readings: float) -> Spent:
    """A start that ends at the last reading, without an end of the run."""
    spent = Spent("a", clock(*readings))
    with spent.counting():
        pass
    return spent


def test_starts_are_added(here: Path) -> None:
    assert started(100, 103).seconds == 3
    begin()
    assert started(0, 4).seconds == 7
    last = started(50, 51)
    last.end()
    assert last.seconds == 8
    assert json.loads(NOTED.read_text()) == {"seconds": 8, "begun": True, "ended": True}
    assert started(10, 99).seconds == 8, "of a run that has ended nothing is counted"


def test_a_start_that_was_killed_is_counted(here: Path) -> None:
    """Before there was a run's folder: of what was noted while it went on."""
    code = (
        "import os\n"
        "from graphssl.runs.reproduction.spent import Spent\n"
        "spent = Spent('a', iter([0.0, 5.0, 9.0, *[9.0] * 10**6]).__next__, beat=0.01)\n"
        "with spent.counting():\n"
        "    while spent.seconds != 9: pass\n"
        "    while '9.0' not in open('runs/spent/a.json').read(): pass\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert died.returncode == -9, died.stderr
    assert started(0, 2).seconds == 11


def test_a_run_that_was_removed_begins_at_nothing(here: Path) -> None:
    begin()
    NOTED.parent.mkdir()
    NOTED.write_text('{"seconds": 30, "begun": true, "ended": true}')
    assert Spent("a").seconds == 30
    Path("runs/a/graph.yaml").unlink()
    assert started(0, 2).seconds == 2


@pytest.mark.parametrize("text", [None, "", "{", "[1]", '{"seconds": "x"}', "null"])
def test_of_a_run_that_nobody_has_counted_nothing_is_known(here: Path, text: str | None) -> None:
    begin()
    if text is not None:
        NOTED.parent.mkdir()
        NOTED.write_text(text)
    spent = started(0, 2)
    spent.end()
    assert spent.seconds is None


def test_a_place_that_takes_nothing_stops_nobody(here: Path) -> None:
    Path("runs").mkdir()
    Path("runs/spent").write_text("no folder")
    assert started(0, 2).seconds == 2
