"""What graphssl does, as functions: load, check, compile, run, embed. The command line is a thin layer on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .checks.checked import Checked, check
from .checks.features import feature_problem
from .data import Batch
from .errors import UsageError
from .evaluate import embed as embed_batches
from .graph.read import load
from .runs.folder import find_run
from .runs.results import Result
from .runs.session import resume_run, start_run
from .runs.trained import compile, load_trained
from .train.device import choose_device

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

    graph: a file, or a packaged graph by name. sets: changes such as `nodes.queue.size=65536`. name: of a new run.
    report: gets what is said, line by line. Raises GraphError for a graph that is wrong, UsageError for arguments
    that are, and RunError for a run that could not go on.
    """
    if (graph is None) == (resume is None):
        raise UsageError("name a graph file to run, or a run to resume: one of the two")
    if resume is not None:
        if name is not None:
            raise UsageError(f"a run that is resumed keeps its name, '{resume}': leave the name '{name}' out")
        return resume_run(resume, sets, choose_device(device), report)
    assert graph is not None
    checked = check(graph, sets)
    for warning in checked.warnings:
        report(warning.render())
    return start_run(checked, choose_device(device), name, report)


def embed(run: str, images: Tensor, node: str | None = None, device: str = "auto") -> Tensor:
    """Features of a finished or interrupted run's encoder.

    images: uint8, `b 3 h w`, b at least 1; of another size than the encoder's they are scaled and cropped. node: which
    node, or value of the flow; default the evaluated one. Returns float32, `b d`. Raises UsageError for other images,
    and for a node that gives no features of images.
    """
    _check_images(images)
    where = choose_device(device)
    checked, module = load_trained(find_run(run), node, where)
    name = node or checked.features or ""
    if reason := _no_features(checked, name):
        raise UsageError(f"{reason}: there are no features to take from it")
    index = torch.arange(len(images))
    size = checked.image_size(name)
    facts = checked.data
    batches = [Batch(images[i], i, torch.full_like(i, -1)) for i in index.split(checked.graph.spec.data.batch)]
    features, _ = embed_batches(module, batches, facts.mean, facts.std, size=size, device=where)
    return features


def _check_images(images: Tensor) -> None:
    """Pixels of another range or layout would give features too, and wrong ones."""
    wanted = "images are uint8, b 3 h w"
    if not isinstance(images, Tensor):
        raise UsageError(f"{wanted}, in a torch tensor; got {type(images).__name__}")
    dtype, shape = str(images.dtype).removeprefix("torch."), list(images.shape)
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise UsageError(f"{wanted}; got {dtype} {shape}")
    if 0 in images.shape:
        raise UsageError(f"{wanted}, and at least one; got {shape}")


def _no_features(checked: Checked, name: str) -> str | None:
    node = checked.graph.nodes.get(name)
    if node is not None and node.forward.draws:
        return f"'{name}' is random"
    return feature_problem(checked.graph, checked.shapes, name)
