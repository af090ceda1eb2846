"""What tests of whole runs share: short trainings, and what a run leaves in its folder."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from graphssl.data.folder import listing
from graphssl.train.checkpoint import Checkpoints, load, save

SHORT = (("epochs: 2", "steps: 24, log_every: 4, checkpoint: {steps: 5}"),)
QUICK = (("epochs: 2", "steps: 1"), ("knn: {k: 5, every: 1}", "knn: null"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    payload = Checkpoints(folder / "checkpoints").latest()
    assert payload is not None
    return {**payload["model"], "step": torch.tensor(payload["step"])}


def assert_same(a: Path, b: Path) -> None:
    one, two = weights(a), weights(b)
    assert one.keys() == two.keys()
    different = [k for k in one if not torch.equal(one[k], two[k])]
    assert not different


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "graphssl", *arguments]


def forget_the_last(run: Path, **changes: object) -> None:
    """As if the run had been killed after its first step."""
    kept = Checkpoints(run / "checkpoints")
    first, last = kept.paths()
    last.unlink()
    payload = {**load(first), **changes}
    save(first, {k: v for k, v in payload.items() if v != "gone"})


def held_out_names(folder: Path) -> set[str]:
    return {Path(name).name for name in listing(folder)[1].paths}
