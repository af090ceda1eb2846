"""What a study says of itself: before it begins, of a run that has ended, while it goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from graphssl.runs.study.book import Trial
from graphssl.runs.study.cost import Forecast
from graphssl.runs.study.metric import Metric
from graphssl.runs.study.plan import planned
from graphssl.runs.study.reading import Asked
from graphssl.runs.study.words import duration, ended_text, plan_lines, standing_text

Ask = Callable[..., Asked]
TEMPERATURE = "nodes.critic.temperature"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (1e7, "2,777.8 h")],
)
def test_how_long(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_is_about_to_run(asked: Ask) -> None:
    plan = planned(asked({TEMPERATURE: [0.1, 0.2], "nodes.projector.out": [8, -1]}, study="s", seeds=3))
    cost = Forecast({cell.digest: 60.0 for cell in plan.cells.cells}, 3 << 30) if plan.cells else None
    first, invalid, one, two, takes = plan_lines(plan, 0, 2, cost)
    assert first == "study s: 2 cells, 3 seeds, 6 runs, cells compared by kNN accuracy"
    assert invalid == "  2 cannot run:"
    assert one.startswith(f"    {TEMPERATURE} 0.1, nodes.projector.out -1: ")
    assert "'out' is -1" in two
    assert takes == (
        "  6 runs, 2 at once: steps of about 6 min in all by a measured one, evaluations beside; 3.0 GiB a run for the step"
    )
    assert list(plan_lines(plan, 6, 1, None))[-1] == "  6 of 6 runs are done"


def test_many_that_cannot_run_are_cut(asked: Ask) -> None:
    plan = planned(asked({"nodes.projector.out": [8, *range(-25, 0)]}))
    lines = list(plan_lines(plan, 0, 1, None))
    assert lines[1] == "  25 cannot run:"
    assert lines[-1] == "    and 5 more"
    assert len(lines) == 23


def test_what_its_graphs_are_warned_of_is_said_once(asked: Ask) -> None:
    warm = "train.schedule.warmup"
    plan = planned(asked({warm: [0, 1, 2]}, set=["train.epochs=2"]))
    at = (lines := list(plan_lines(plan, 0, 1, None))).index("  warnings:")
    assert len(lines) == at + 2
    assert lines[at + 1].startswith("    the warm-up of 2 epochs takes all of the 2")
    assert lines[at + 1].endswith(f"[G403]: {warm} 2")
    all_of_them = planned(asked({TEMPERATURE: [0.1, 0.2]}, set=["train.epochs=2", f"{warm}=2"]))
    assert list(plan_lines(all_of_them, 0, 1, None))[-1].endswith("[G403]")


def test_what_is_not_known_and_what_is_not_done(asked: Ask) -> None:
    plan = planned(
        asked({TEMPERATURE: {"low": 0.1, "high": 1}}, sampler="random", trials=4, metric="linear", prune="median")
    )
    lines = list(plan_lines(plan, 0, 1, Forecast({"": None}, 0)))
    assert lines[0].endswith("4 cells by random, 1 seed, 4 runs, cells compared by linear accuracy")
    assert "how long is not known before the data are read" in lines[1]
    assert lines[2] == "  nothing is pruned: linear is measured after the runs"


def test_a_run_that_has_ended() -> None:
    done = Trial(0, "complete", "a", 1, "r", 0.5, None, {}, {}, None)
    failed = Trial(0, "failed", "a", 1, "r", None, "a\x1b[2Jb", {}, {}, None)
    assert ended_text(done, {"x": "1"}, Metric("knn", True), 1, 4) == "[1/4] x 1, seed 1: 50.00 %"
    assert ended_text(failed, {}, Metric("knn", True), 2, 4) == "[2/4] seed 1: failed: a\\x1b[2Jb"


def test_how_it_stands() -> None:
    assert standing_text(1, 2, 4, 100, "50 % (x 1)") == (
        "1 of 4 runs done, 2 running, best so far 50 % (x 1), about 2 min left"
    )
    assert standing_text(0, 1, 4, None, None) == "0 of 4 runs done, 1 running"
