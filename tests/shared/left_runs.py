"""Runs as `graphssl run` leaves them on disk, without the training: weights and statistics are random instead."""

from __future__ import annotations

from pathlib import Path

import torch

import graphssl
from graphssl.checks.checked import validated
from graphssl.graph.language.dump import dump
from graphssl.runs.folder import RunFolder
from graphssl.train.checkpoint import Checkpoints


def left_run(path: Path, text: str, *, moved: bool = False) -> RunFolder:
    """The folder of a run of that graph. moved: no value is the one with which it began, batch statistics neither."""
    folder = RunFolder(path)
    folder.path.mkdir(parents=True)
    graph = folder.path.parent / f"{path.name}.yaml"
    graph.write_text(text)
    checked = validated(graph)
    folder.graph.write_text(dump(checked.graph.resolved()))
    state = graphssl.compile(checked).forward.state_dict()
    if moved:
        generator = torch.Generator().manual_seed(7)
        for key, value in ((k, v) for k, v in state.items() if v.is_floating_point() and v.ndim):
            value.mul_(1 + 0.1 * torch.rand(value.shape, generator=generator))
            value.add_(0.05 * torch.randn(value.shape, generator=generator) * (key.endswith(("mean", "bias"))))
    Checkpoints(folder.checkpoints).write(1, {"graph_hash": checked.graph.hash(), "step": 1, "model": state})
    return folder
