"""What graphssl does, as functions: load, check, compile, run, embed. The command line is a thin layer on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .checked import Checked, check, choose_device, compile, load, trained
from .data import Batch
from .errors import GraphError, Problem
from .evaluate import embed as embed_batches
from .runs import find_run
from .session import Result, resumed, started

__all__ = ["Checked", "check", "compile", "embed", "load", "run"]


def run(
    graph: str | Path | None = None,
    sets: Sequence[str] = (),
    *,
    resume: str | None = None,
    device: str = "auto",
    name: str | None = None,
    report: Callable[[str], None] = print,
) -> Result:
    """Validates, trains, evaluates and tracks a run; with `resume`, goes on with one by its name.

    Raises GraphError for a graph that is wrong and RunError for a run that could not go on.
    """
    if resume is not None:
        return resumed(resume, sets, choose_device(device), report)
    if graph is None:
        raise GraphError([Problem("name a graph file, or a run to --resume")])
    return started(check(graph, sets), choose_device(device), name, report)


def embed(run: str, images: Tensor, node: str | None = None, device: str = "auto") -> Tensor:
    """Features of a finished or interrupted run's encoder.

    images: uint8, `b 3 h w`. node: which node; default the evaluated one. Returns float32, `b d`.
    """
    where = choose_device(device)
    checked, module = trained(find_run(run), node, where)
    index = torch.arange(len(images))
    size = checked.shapes.image_size(node or checked.encoder or "")
    facts = checked.data
    batches = [Batch(images[i], i, torch.full_like(i, -1)) for i in index.split(checked.graph.spec.data.batch)]
    features, _ = embed_batches(module, batches, facts.mean, facts.std, size=size, device=where)
    return features
