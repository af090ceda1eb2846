"""Runs with updates at the end of an epoch: each runs once, and a run that goes on is the same bit for bit."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from clustered import EPOCH, TEXT
from conftest import Write
from whole_runs import assert_same

import graphssl
from graphssl.components.target import Clusters
from graphssl.train.step import Step


def run(path: Path, **options: Any) -> Any:
    return graphssl.run(path, device="cpu", report=lambda line: None, **options)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples had been in a cluster at each fit."""
    seen: list[int] = []
    plain = Clusters.fit

    def fit(self: Clusters) -> None:
        if not self.cluster.is_meta:  # as sizes are worked out
            seen.append(int((self.cluster >= 0).sum()))
        plain(self)

    monkeypatch.setattr(Clusters, "fit", fit)
    return seen


@pytest.mark.parametrize(
    ("train", "fits"),
    [("epochs: 3", 3), ("epochs: 2, accumulate: 2", 2), (f"steps: {2 * EPOCH + 1}", 2), (f"steps: {EPOCH - 1}", 0)],
)
def test_once_an_epoch_that_ends(
    here: Path, write: Write, monkeypatch: pytest.MonkeyPatch, train: str, fits: int
) -> None:
    seen = counted(monkeypatch)
    run(write(TEXT, ("epochs: 3", train)), name="one")
    assert seen == [0, *[1500] * (fits - 1)][:fits]


@pytest.mark.parametrize("at", [EPOCH - 1, EPOCH, 2 * EPOCH - 1], ids=["at an end", "after it", "at the next"])
def test_interrupted_and_resumed_is_bit_identical(
    here: Path, write: Write, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    path, seen = write(TEXT), counted(monkeypatch)
    run(path, name="whole")
    assert len(seen) == 3
    plain = Step.__call__

    def interrupt(self: Step, step: int, batches: object) -> object:
        if step == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, step, batches)  # type: ignore[arg-type]

    monkeypatch.setattr(Step, "__call__", interrupt)
    assert run(path, name="parts").interrupted
    monkeypatch.setattr(Step, "__call__", plain)
    graphssl.run(resume="parts", device="cpu", report=lambda line: None)
    assert len(seen) == 6
    assert_same(here / "runs/whole", here / "runs/parts")


def test_the_loss_begins_with_the_second_epoch(here: Path, write: Write) -> None:
    run(write(TEXT, ("log_every: 5", "log_every: 1")), name="one")
    rows = (here / "runs/one/metrics.csv").read_text().splitlines()
    losses = [abs(float(row.split(",")[2])) for row in rows if row.split(",")[1] == "loss/total"]
    assert losses[:EPOCH] == [0.0] * EPOCH
    assert min(losses[EPOCH:]) > 0
    assert torch.tensor(losses).isfinite().all()
