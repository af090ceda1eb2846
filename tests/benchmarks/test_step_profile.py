"""`step_profile` says where a step's time goes, and counts each second, byte and operation once."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from benchmark_scripts import Script, cells, number


@pytest.mark.slow
def test_step_profile_says_where_the_time_goes(run: Callable[..., str]) -> None:
    text = run("step_profile", "moco_v2", "--set", "data.batch=16", "--set", "nodes.encoder.width=8", "--repeats", "2")
    facts = {
        name: number(cells(text, name)[0]) for name in ("step", "arithmetic", "matrix peak", "bytes", "operations")
    }
    assert min(facts.values()) > 0
    for part in ("backward", "forward: encoder", "forward: target", "draws: augment", "optimizer", "updates", "data"):
        assert number(cells(text, part)[0]) > 0
    shares = [float(s) for s in re.findall(r"([\d.]+) %$", text, re.MULTILINE)]
    assert sum(shares[1:-1]) == pytest.approx(100, abs=1), "between the share of the peak and the sum"


def test_step_profile_says_what_is_wrong_with_a_graph(run: Callable[..., str]) -> None:
    with pytest.raises(SystemExit, match="no key is called 'widht'"):
        run("step_profile", "moco_v2", "--set", "nodes.encoder.widht=8")
    with pytest.raises(SystemExit, match="did you mean 'byol'"):
        run("step_profile", "byoll")


def test_a_part_within_a_part_counts_once(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = script("step_profile")
    now = [0.0]
    monkeypatch.setattr(profile.time, "perf_counter", lambda: now[0])
    clock = profile.Clock(torch.device("cpu"))

    def passes(seconds: float) -> None:
        now[0] += seconds

    inner = clock.timed("inner", lambda: passes(2))

    def outer() -> None:
        passes(1)
        inner()
        inner()

    clock.timed("outer", outer)()
    assert clock.seconds == {"inner": 4, "outer": 1}


def test_bytes_are_those_of_what_computes(script: Script) -> None:
    a, b = torch.ones(10), torch.ones(10)
    with script("step_profile").Traffic() as traffic:
        a.view(2, 5)
        a + b
    assert traffic.bytes == 3 * 10 * 4
    assert traffic.operations == 2
