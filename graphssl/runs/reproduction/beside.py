"""Other code that is trained beside ours, by a command of its own, which adds what came of it to a file."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ...errors import RunError
from ...files import home, read_regular
from ...train.signals import Interrupt
from ..folder import RUNS
from .ledger import Entry
from .plan import Plan

__all__ = ["run_beside"]

LARGEST = 1 << 26  # bytes
Found = dict[int, Entry]  # by seed


def run_beside(plan: Plan, device: torch.device, facts: Mapping[str, str]) -> tuple[Found, Found]:
    """Ours and theirs. The command keeps what is done in its file, and goes on with it when it is run again.

    A line of the file: `{"side": "graphssl", "seed": 0, "knn": {"10": 0.61}, "seconds": 12.5}`: of each figure's
    metric a share, or shares by epoch; `date` and `machine`, where they are not this run's. Raises RunError where the
    command fails, or leaves a seed out.
    """
    beside = plan.spec.beside
    assert beside is not None
    record = RUNS / "beside" / f"{plan.written.name}-{plan.recipe[:6]}.jsonl"
    record.parent.mkdir(parents=True, exist_ok=True)
    command = list(_words(plan, device, record))
    with Interrupt():  # a signal ends the command too
        try:
            code = subprocess.run(command, check=False, stdout=sys.stderr).returncode
        except OSError as error:
            raise RunError(f"{beside.name} could not be run: {error.strerror or error}") from error
    if code:
        raise RunError(f"the command beside {beside.name} ended with exit code {code}; what it has done is in {record}")
    lines = list(_lines(record))
    lines = [line for line in lines if all(line.get(key) == value for key, value in beside.only.items())]
    found = tuple(_side(plan, lines, side, facts) for side in ("graphssl", beside.name))
    for side, one in zip(("graphssl", beside.name), found, strict=True):
        if missing := [seed for seed in plan.seeds if seed not in one]:
            raise RunError(f"the command beside {beside.name} has left {side}, seed {missing[0]}, out of {record}")
    return found[0], found[1]


def _words(plan: Plan, device: torch.device, record: Path) -> Iterator[str]:
    beside = plan.spec.beside
    assert beside is not None
    data = plan.checked.graph.spec.data
    values = {"{device}": f"{device}", "{record}": f"{record}"}
    for word in beside.command:
        if word == "python":
            yield sys.executable
        elif word == "{seeds}":
            yield from map(str, plan.seeds)
        elif word == "{root}":
            yield str(home(data.one_root))
        elif word.endswith(".py"):
            yield str(plan.written.file.resolve().parent / word)
        else:
            yield values.get(word, word)


def _lines(record: Path) -> Iterator[Mapping[str, Any]]:
    try:
        text = (read_regular(record, LARGEST) or b"").decode(errors="replace")
    except OSError as error:
        raise RunError(f"{record} holds no results: {error.strerror or error}") from error
    for line in text.splitlines():
        with contextlib.suppress(ValueError):  # cut off, as the command was ended
            found = json.loads(line)
            if isinstance(found, dict):
                yield found


def _side(plan: Plan, lines: list[Mapping[str, Any]], side: str, facts: Mapping[str, str]) -> Found:
    """facts: of this run, where a line has none of its own."""
    found: Found = {}
    for line in lines:
        if line.get("side") == side and line.get("seed") in plan.seeds:
            scores = {metric: f.scale * _value(line, metric, f.epoch) for metric, f in plan.spec.figures.items()}
            own = {key: str(line.get(key, value)) for key, value in facts.items()}
            found[line["seed"]] = Entry(scores=scores, seconds=line.get("seconds"), **own)
    return found


def _value(line: Mapping[str, Any], metric: str, epoch: str) -> float:
    value = line.get(metric)
    if isinstance(value, Mapping) and value:
        curve = {int(key): float(one) for key, one in value.items()}
        return max(v for e, v in curve.items() if e > 0) if epoch == "best" else curve[max(curve)]
    if not isinstance(value, int | float):
        raise RunError(f"a line of the command beside has no '{metric}': {json.dumps(dict(line))[:200]}")
    return float(value)
